/* SPDX-License-Identifier: Apache-2.0 */
/* sluice store rebuild, sluice bronze salvage: offline, for when something is lost or damaged. */
#include "cli_priv.h"

#include "rescue/rescue.h"

#include "base/mem.h"
#include "sys/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_CELLS 30

/* ---- how far it is ---- */

struct bar {
    struct sys *sys;
    bool shown;
    uint64_t last_ns;
    char what[64];
};

/* One line that is written over, at most ten times a second; on a terminal only. */
static void show_bar(void *ctx, const char *what, uint64_t done, uint64_t all)
{
    struct bar *b = ctx;
    uint64_t now = sys_mono_ns(b->sys);
    if (!b->shown || all == 0 || (done < all && now - b->last_ns < 100000000))
        return;
    b->last_ns = now;
    char cells[BAR_CELLS + 1];
    double part = (double)MIN(done, all) / (double)all;
    for (int i = 0; i < BAR_CELLS; i++)
        cells[i] = i < (int)(part * BAR_CELLS) ? '#' : '.';
    cells[BAR_CELLS] = '\0';
    fprintf(stderr, "\r[%s] %3d %%  %-40.40s", cells, (int)(part * 100), what);
}

static struct bar bar_on(const struct cli *c, struct sys *s)
{
    return (struct bar){.sys = s, .shown = !c->quiet && isatty(STDERR_FILENO)};
}

static void bar_end(const struct bar *b)
{
    if (b->shown)
        fprintf(stderr, "\r%*s\r", BAR_CELLS + 50, "");
}

static int failed(int code, const struct err *e)
{
    fprintf(stderr, "sluice: %s\n", e->text);
    return code == ERR_NOT_FOUND ? EXIT_NOT_FOUND : EXIT_FAILED;
}

/* ---- store rebuild ---- */

static void tell_rebuilt(const struct cli *c, const struct rescue_store *r)
{
    if (c->json)
        printf("{\"tables\":%llu,\"files\":%llu,\"rows_from_lake\":%llu,\"rows_spilled\":%llu,"
               "\"rows_unkeyed\":%llu,"
               "\"log_from\":%llu,\"applied_position\":%llu}\n",
               (unsigned long long)r->tables, (unsigned long long)r->files,
               (unsigned long long)r->rows_lake, (unsigned long long)r->rows_spilled,
               (unsigned long long)r->rows_unkeyed, (unsigned long long)r->log_from,
               (unsigned long long)r->applied);
    else
        printf("the store is made again: %llu tables, %llu rows from %llu files of the lake, %llu "
               "from spill files, the rest from the log (positions %llu to %llu)\n",
               (unsigned long long)r->tables, (unsigned long long)r->rows_lake,
               (unsigned long long)r->files, (unsigned long long)r->rows_spilled,
               (unsigned long long)r->log_from, (unsigned long long)r->applied);
}

static int rebuild(const struct cli *c, struct sys *s, struct err *e)
{
    char *noted = NULL;
    if (c->lake == NULL && rescue_noted_lake(s, c->data, &noted, NULL) < 0)
        return err_set(
            e, ERR_INVALID,
            "%s does not say where the lake is (no server has run on it); give --lake DIR",
            c->data);
    struct bar bar = bar_on(c, s);
    struct rescue_store r = {.data = c->data,
                             .lake = c->lake != NULL ? c->lake : noted,
                             .progress = show_bar,
                             .ctx = &bar};
    int rc = rescue_store(s, &r, e);
    bar_end(&bar);
    mem_free(noted);
    if (rc == 0)
        tell_rebuilt(c, &r);
    return rc;
}

int cli_store(struct cli *c)
{
    if (c->word_count != 2 || strcmp(c->words[1], "rebuild") != 0 || c->data == NULL)
        return cli_usage("store rebuild takes --data DIR, and --lake DIR when the data folder does "
                         "not say where the lake is");
    struct err e = {0};
    struct sys *s;
    int r = sys_new_uring(&s, &e);
    if (r == 0) {
        r = rebuild(c, s, &e);
        s = sys_free(s);
    }
    return r < 0 ? failed(r, &e) : EXIT_OK;
}

/* ---- bronze salvage ---- */

static void tell_salvaged(const struct cli *c, const struct rescue_log *r)
{
    if (c->json)
        printf("{\"rows\":%llu,\"rows_raw\":%llu,\"unreadable\":%llu}\n",
               (unsigned long long)r->rows, (unsigned long long)r->rows_raw,
               (unsigned long long)r->faults);
    else
        printf("%llu rows written (%llu of them as bytes), %llu places cannot be read\n",
               (unsigned long long)r->rows, (unsigned long long)r->rows_raw,
               (unsigned long long)r->faults);
}

/* 0, 1 = something was unreadable. */
static int salvage(const struct cli *c, struct sys *s, FILE *out, struct err *e)
{
    struct bar bar = bar_on(c, s);
    struct rescue_log r = {
        .data = c->data, .out = out, .tell = stderr, .progress = show_bar, .ctx = &bar};
    int rc = rescue_log(s, &r, e);
    bar_end(&bar);
    if (rc == 0)
        tell_salvaged(c, &r);
    return rc < 0 ? rc : r.faults > 0;
}

/* A new file, for the eyes of who asked only: these are rows. NULL: errno says why not. */
static FILE *create_private(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return NULL;
    FILE *f = fdopen(fd, "w");
    if (f == NULL)
        (void)close(fd);
    return f;
}

int cli_salvage(struct cli *c)
{
    if (c->word_count != 2 || c->data == NULL || c->out == NULL)
        return cli_usage("bronze salvage takes --data DIR and --out FILE.ndjson");
    struct err e = {0};
    struct sys *s;
    FILE *out = create_private(c->out);
    if (out == NULL) {
        fprintf(stderr, "sluice: %s cannot be made: %s\n", c->out, strerrordesc_np(errno));
        return EXIT_FAILED;
    }
    int r = sys_new_uring(&s, &e);
    if (r == 0) {
        r = salvage(c, s, out, &e);
        s = sys_free(s);
    }
    if (fclose(out) != 0 && r >= 0)
        r = err_set(&e, ERR_IO, "%s cannot be written: %s", c->out, strerrordesc_np(errno));
    if (r < 0)
        return failed(r, &e);
    return r > 0 ? EXIT_FAILED : EXIT_OK;
}
