/* SPDX-License-Identifier: Apache-2.0 */
/* sluice ingest NAME FILE: one JSON object a line, or CSV. */
#include "cli_priv.h"

#include "base/mem.h"
#include "codec/csv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLUSH_MS_MAX  300000
#define PROGRESS_ROWS 5000
#define PIECE_BYTES   ((size_t)256 * 1024) /* of a CSV file */

struct load {
    FILE *file;
    struct codec_csv *csv;       /* NULL: one JSON object a line */
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

/* Queue one row, which begins on line l->lines. */
static int send_row(struct load *l, struct sluice_stream *s, const void *row, size_t len)
{
    if (l->rows == l->cap) {
        l->cap = MAX((size_t)1024, l->cap * 2);
        l->line_of = mem_realloc(l->line_of, l->cap * sizeof(*l->line_of));
    }
    l->line_of[l->rows] = l->lines;
    int r = sluice_stream_append(s, (struct sluice_bytes){row, len}, SLUICE_FOREVER, NULL);
    if (r == 0)
        l->rows++;
    if (l->progress && l->rows % PROGRESS_ROWS == 0)
        show_progress(l, s);
    return r;
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
        if (!is_blank(line, len))
            r = send_row(l, s, line, (size_t)len);
    }
    free(line);
    return r;
}

/* Another piece of the file behind @text. */
static void read_piece(struct load *l, struct buf *text)
{
    size_t got = fread(buf_reserve(text, PIECE_BYTES), 1, PIECE_BYTES, l->file);
    text->len += got;
    l->bytes += got;
}

/* Queue every record that is in @text so far. CODEC_CSV_MORE, CODEC_CSV_END; SLUICE_FAILED; or a
 * fault of the file, in @e. */
static int send_records(struct load *l, struct sluice_stream *s, struct slice text,
                        size_t *ret_taken, struct err *e)
{
    struct buf row = BUF_NULL;
    size_t at = 0, taken = 0;
    bool is_last = feof(l->file) != 0;
    int r = CODEC_CSV_ROW;
    while (r == CODEC_CSV_ROW || r == CODEC_CSV_NOTHING) {
        buf_reset(&row);
        r = codec_csv_next(l->csv, slice_of(text.data + at, text.len - at), is_last, &row, &taken,
                           e);
        if (r != CODEC_CSV_ROW && r != CODEC_CSV_NOTHING)
            break;
        at += taken;
        l->lines = codec_csv_line(l->csv);
        if (r == CODEC_CSV_ROW && send_row(l, s, row.data, row.len) != 0)
            r = SLUICE_FAILED;
    }
    buf_deinit(&row);
    *ret_taken = at;
    return r;
}

/* The same of CSV; what is wrong with the file itself goes to @e. */
static int send_csv(struct load *l, struct sluice_stream *s, struct err *e)
{
    struct buf text = BUF_NULL;
    size_t taken;
    int r = CODEC_CSV_MORE;
    while (r == CODEC_CSV_MORE) {
        read_piece(l, &text);
        if (ferror(l->file)) {
            r = err_set(e, ERR_IO, "cannot be read further: %s", strerror(errno));
            break;
        }
        r = send_records(l, s, buf_slice(&text), &taken, e);
        memmove(text.data, text.data + taken, text.len - taken);
        text.len -= taken;
    }
    buf_deinit(&text);
    return r == CODEC_CSV_END || e->code != 0 ? 0 : r;
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

/* The reader of CSV, when the file is one. EXIT_OK, or why not. */
static int open_csv(struct cli *c, struct load *l)
{
    const char *dot = strrchr(c->words[2], '.');
    bool is_tsv = dot != NULL && strcasecmp(dot, ".tsv") == 0;
    bool is_csv = is_tsv || (dot != NULL && strcasecmp(dot, ".csv") == 0);
    const char *word = c->delimiter != NULL ? c->delimiter : is_tsv ? "tab" : ",";
    char delimiter = strcmp(word, "tab") == 0 ? '\t' : word[0];
    if (!is_csv && !c->csv && c->delimiter == NULL)
        return EXIT_OK;
    if ((delimiter != '\t' && strlen(word) != 1) || !codec_csv_delimiter_ok(delimiter))
        return cli_usage("--delimiter takes one character, or the word tab");
    int status;
    Sluice__V1__DescribeTableResponse *a = cli_table_describe(c, c->words[1], &status);
    if (a == NULL)
        return status;
    struct row_schema *s = cli_table_schema(a->table);
    if (s != NULL)
        l->csv = codec_csv_new(s, delimiter);
    row_schema_unref(s);
    sluice__v1__describe_table_response__free_unpacked(a, NULL);
    return l->csv != NULL ? EXIT_OK : EXIT_FAILED;
}

static int load_file(struct cli *c, struct load *l)
{
    struct sluice_stream_options o = {.table = c->words[1], .record = SLUICE_JSON};
    struct sluice_stream *s;
    struct sluice_error e = {0};
    struct err fault = {0};
    if (sluice_stream_open(c->client, &o, &s, &e) < 0)
        return cli_failed(c, &e);
    int r = l->csv != NULL ? send_csv(l, s, &fault) : send_lines(l, s);
    int status = finish_load(c, l, s, r);
    if (fault.code == 0)
        return status;
    fprintf(stderr, "sluice: %s: %s\n", c->words[2], fault.text);
    if (status == EXIT_OK && l->rows > 0)
        fprintf(stderr, "sluice: the lines before it are stored\n");
    return EXIT_FAILED;
}

int cli_ingest(struct cli *c)
{
    if (c->word_count != 3)
        return cli_usage("ingest takes the table's NAME and a FILE of one JSON object a line, or "
                         "of CSV (- for standard input)");
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
    if (status == EXIT_OK)
        status = open_csv(c, &l);
    if (status == EXIT_OK)
        status = load_file(c, &l);
    codec_csv_free(l.csv);
    mem_free(l.line_of);
    if (!is_stdin)
        (void)fclose(l.file); /* only read */
    return status;
}
