/* SPDX-License-Identifier: Apache-2.0 */
/* sluice ingest NAME FILE.ndjson, sluice get NAME KEY */
#include "cli_priv.h"

#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FLUSH_MS_MAX  300000
#define PROGRESS_ROWS 5000

/* ---- ingest ---- */

struct load {
    FILE *file;
    uint64_t bytes, bytes_total; /* total 0: unknown (a pipe) */
    uint64_t lines, rows;
    uint64_t *line_of; /* line number of each row sent, for the error's sake */
    size_t cap;
    bool progress;
};

static void show_progress(const struct load *l, struct sluice_stream *s)
{
    long long acked = (long long)sluice_stream_acked(s) + 1;
    if (l->bytes_total > 0) {
        int done = (int)(l->bytes * 30 / l->bytes_total);
        fprintf(stderr, "\r[%.*s%*s] %3d %%  %llu rows sent, %lld acknowledged ", done,
                "##############################", 30 - done, "",
                (int)(l->bytes * 100 / l->bytes_total), (unsigned long long)l->rows, acked);
    } else {
        fprintf(stderr, "\r%llu rows sent, %lld acknowledged ", (unsigned long long)l->rows, acked);
    }
}

static bool is_blank(const char *line, ssize_t len)
{
    for (ssize_t i = 0; i < len; i++)
        if (strchr(" \t\r\n", line[i]) == NULL)
            return false;
    return true;
}

/* Queue every line; 0 or SLUICE_FAILED when the stream ended. */
static int send_lines(struct load *l, struct sluice_stream *s)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    int r = 0;
    while (r == 0 && (len = getline(&line, &cap, l->file)) >= 0) {
        l->lines++;
        l->bytes += (uint64_t)len;
        if (is_blank(line, len))
            continue;
        if (l->rows == l->cap) {
            l->cap = MAX((size_t)1024, l->cap * 2);
            l->line_of = mem_realloc(l->line_of, l->cap * sizeof(*l->line_of));
        }
        l->line_of[l->rows] = l->lines;
        r = sluice_stream_append(s, (struct sluice_bytes){line, (size_t)len}, SLUICE_FOREVER, NULL);
        if (r == 0)
            l->rows++;
        if (l->progress && l->rows % PROGRESS_ROWS == 0)
            show_progress(l, s);
    }
    free(line);
    return r;
}

static int finish_load(struct cli *c, struct load *l, struct sluice_stream *s, int r)
{
    if (r == 0)
        r = sluice_stream_flush(s, FLUSH_MS_MAX);
    if (l->progress) {
        show_progress(l, s);
        fputc('\n', stderr);
    }
    uint64_t acked = (uint64_t)sluice_stream_unacked(s);
    struct sluice_error e = {0};
    int closed = sluice_stream_close(s, FLUSH_MS_MAX, &e);
    if (c->json)
        printf("{\"rows_sent\":%llu,\"rows_acked\":%llu}\n", (unsigned long long)l->rows,
               (unsigned long long)acked);
    else
        printf("%llu rows acknowledged\n", (unsigned long long)acked);
    if (r == 0 && closed == 0)
        return EXIT_OK;
    if (acked < l->rows || acked < l->cap)
        fprintf(stderr, "sluice: stopped at line %llu; the lines before it are stored\n",
                (unsigned long long)(acked < l->rows ? l->line_of[acked] : l->lines));
    return e.text[0] != '\0' ? cli_failed(c, &e) : EXIT_FAILED;
}

int cli_ingest(struct cli *c)
{
    if (c->word_count != 3)
        return cli_usage("ingest takes the table's NAME and a FILE of one JSON object a line (- "
                         "for standard input)");
    struct load l = {.progress = !c->json && !c->quiet && isatty(STDERR_FILENO)};
    bool is_stdin = strcmp(c->words[2], "-") == 0;
    l.file = is_stdin ? stdin : fopen(c->words[2], "re");
    if (l.file == NULL) {
        fprintf(stderr, "sluice: %s cannot be read: %s\n", c->words[2], strerror(errno));
        return EXIT_USAGE;
    }
    struct stat st;
    if (!is_stdin && stat(c->words[2], &st) == 0)
        l.bytes_total = (uint64_t)st.st_size;
    int status = cli_connect(c);
    if (status == EXIT_OK) {
        struct sluice_stream_options o = {.table = c->words[1], .record = SLUICE_JSON};
        struct sluice_stream *s;
        struct sluice_error e = {0};
        if (sluice_stream_open(c->client, &o, &s, &e) < 0)
            status = cli_failed(c, &e);
        else
            status = finish_load(c, &l, s, send_lines(&l, s));
    }
    mem_free(l.line_of);
    if (!is_stdin)
        (void)fclose(l.file); /* only read */
    return status;
}

/* ---- get ---- */

static bool is_number_type(const char *type)
{
    static const char *const words[] = {"tinyint",       "smallint", "int",  "bigint",
                                        "float",         "double",   "date", "timestamp",
                                        "timestamp_ntz", "boolean"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(type, words[i]) == 0)
            return true;
    return false;
}

/* A plain KEY of a table with one key column becomes {"column": KEY}. EXIT_OK with *out filled. */
static int key_from_word(struct cli *c, const char *table, const char *word, struct buf *out)
{
    Sluice__V1__DescribeTableRequest q = SLUICE__V1__DESCRIBE_TABLE_REQUEST__INIT;
    q.name = (char *)(uintptr_t)table;
    int status;
    Sluice__V1__DescribeTableResponse *a =
        cli_call(c, "/sluice.v1.Tables/DescribeTable", &q.base,
                 &sluice__v1__describe_table_response__descriptor, &status);
    if (a == NULL)
        return status;
    const Sluice__V1__Column *key = NULL;
    int count = 0;
    for (size_t i = 0; i < a->table->n_columns; i++)
        if (a->table->columns[i]->key_ordinal > 0) {
            key = a->table->columns[i];
            count++;
        }
    if (count == 1) {
        struct json j = json_on(out);
        json_open(&j, '{');
        json_key(&j, key->name);
        if (is_number_type(key->type))
            json_raw(&j, slice_str(word));
        else
            json_str(&j, word);
        json_close(&j, '}');
    } else if (count == 0) {
        fprintf(stderr, "sluice: table %s has no primary key, so its rows cannot be looked up\n",
                table);
        status = EXIT_FAILED;
    } else {
        status = cli_usage("this table's key has several columns: give KEY as a JSON object");
    }
    sluice__v1__describe_table_response__free_unpacked(a, NULL);
    return status;
}

int cli_get(struct cli *c)
{
    if (c->word_count != 3)
        return cli_usage(
            "get takes the table's NAME and a KEY (plain, or a JSON object with the key columns)");
    struct buf key = BUF_NULL;
    int status = EXIT_OK;
    if (c->words[2][0] == '{')
        buf_add_str(&key, c->words[2]);
    else
        status = key_from_word(c, c->words[1], c->words[2], &key);
    Sluice__V1__GetRequest q = SLUICE__V1__GET_REQUEST__INIT;
    q.table = (char *)(uintptr_t)c->words[1];
    q.key_json = (char *)(uintptr_t)buf_cstr(&key);
    Sluice__V1__GetResponse *a = status != EXIT_OK
                                     ? NULL
                                     : cli_call(c, "/sluice.v1.Rows/Get", &q.base,
                                                &sluice__v1__get_response__descriptor, &status);
    if (a != NULL && a->found) {
        printf("%.*s\n", (int)a->row.len, (const char *)a->row.data);
    } else if (a != NULL) {
        fprintf(stderr, "sluice: %s holds no row with key %s\n", c->words[1], buf_cstr(&key));
        status = EXIT_NOT_FOUND;
    }
    if (a != NULL)
        sluice__v1__get_response__free_unpacked(a, NULL);
    buf_deinit(&key);
    return status;
}
