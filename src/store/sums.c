/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of a store's files, <store>.sums: because RocksDB's own checksums do not cover every
 * byte of them, and a flipped bit anywhere must be found.
 *
 *   flush   the live tables, which never change any more, are listed            "open"
 *   close   all files are listed, as they lie there when RocksDB has let go     "closed"
 *   open    what RocksDB is about to change leaves the list first               "open"
 *
 * U1  A listed file is complete and never changes while the list stands: tables are listed when a
 *     flush has made them part of the store, everything else only while the store is closed.
 * U2  The list is replaced whole and durably; what it no longer speaks of is not judged.
 *
 * A crash leaves a list that knows fewer files than there are. Thread: who flushes; one at a time,
 * others skip.
 */
#include "store/sums.h"
#include "rocks_priv.h"

#include "base/buf.h"
#include "base/crc.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD           "sluice-store-sums 1\n"
#define LIST_BYTES_MAX (64u << 20)
#define CHUNK_BYTES    (1u << 20)
#define NAME_MAX_BYTES 255

struct sum {
    char *name;
    uint64_t size;
    uint32_t crc;
};

struct rocks_sums {
    struct sum *items; /* by name */
    size_t count;
    bool closed, found;
};

static void sums_reset(struct rocks_sums *l)
{
    for (size_t i = 0; i < l->count; i++)
        mem_free(l->items[i].name);
    mem_free(l->items);
    *l = (struct rocks_sums){0};
}

static const struct sum *sums_find(const struct rocks_sums *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->items[i].name, name) == 0)
            return &l->items[i];
    return NULL;
}

static void sums_add(struct rocks_sums *l, struct sum s)
{
    l->items = mem_realloc(l->items, (l->count + 1) * sizeof(*l->items));
    l->items[l->count++] = s;
}

static bool is_table(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".sst") == 0;
}

/* ---- the list as text ---- */

static void sums_write(const struct rocks_sums *l, struct buf *out)
{
    buf_add_str(out, HEAD);
    buf_printf(out, "%s\n", l->closed ? "closed" : "open");
    for (size_t i = 0; i < l->count; i++)
        buf_printf(out, "%08" PRIx32 " %" PRIu64 " %s\n", l->items[i].crc, l->items[i].size,
                   l->items[i].name);
    buf_printf(out, "end %08" PRIx32 "\n", crc32c(0, out->data, out->len));
}

static bool parse_line(const char *line, struct rocks_sums *l)
{
    char name[NAME_MAX_BYTES + 1];
    struct sum s = {0};
    if (sscanf(line, "%8" SCNx32 " %" SCNu64 " %255s", &s.crc, &s.size, name) != 3)
        return false;
    s.name = mem_strdup(name);
    sums_add(l, s);
    return true;
}

static bool sums_parse(char *text, size_t len, struct rocks_sums *l)
{
    char *end = len > 13 ? text + len - 13 : text; /* "end ........\n" */
    char want[16];
    (void)snprintf(want, sizeof(want), "end %08" PRIx32 "\n",
                   crc32c(0, text, (size_t)(end - text)));
    if (strcmp(end, want) != 0 || strncmp(text, HEAD, strlen(HEAD)) != 0)
        return false;
    *end = '\0';
    char *at = text + strlen(HEAD), *eol;
    for (bool first = true; (eol = strchr(at, '\n')) != NULL; at = eol + 1, first = false) {
        *eol = '\0';
        if (first)
            l->closed = strcmp(at, "closed") == 0;
        else if (!parse_line(at, l))
            return false;
    }
    return true;
}

/* ERR_DAMAGED: it is there and does not read. Absent: an empty list that was not found. */
static int sums_read(struct sys *sys, const char *path, struct rocks_sums *ret, struct err *e)
{
    char *name = mem_printf("%s.sums", path), *data = NULL;
    size_t len;
    *ret = (struct rocks_sums){0};
    int r = sys_read_file(sys, name, LIST_BYTES_MAX, &data, &len, e);
    mem_free(name);
    if (r == ERR_NOT_FOUND)
        return 0;
    TRY(r);
    char *text = mem_strndup(data, len);
    mem_free(data);
    bool fine = sums_parse(text, len, ret);
    mem_free(text);
    if (!fine) {
        sums_reset(ret);
        return err_set(e, ERR_DAMAGED, "the list of the store's files does not read");
    }
    ret->found = true;
    return 0;
}

static void sums_keep(const struct rocks *s, const struct rocks_sums *l, bool replaces)
{
    struct buf text = BUF_NULL;
    char *name = mem_printf("%s.sums", s->path);
    sums_write(l, &text);
    int r = sys_write_file(s->sys, name, buf_slice(&text), NULL);
    /* The old list still speaks the truth of the files it names, but for those that an open store
     * writes to; without a list nothing is judged. */
    if (r < 0 && replaces)
        (void)sys_unlink(s->sys, name, NULL);
    mem_free(name);
    buf_deinit(&text);
}

/* ---- sums of files ---- */

static int sum_file(struct sys *sys, const char *path, struct sum *ret, struct err *e)
{
    _cleanup_(sys_closep) struct sys_file *f = NULL;
    TRY(sys_open(sys, path, SYS_READ, &f, e));
    int r = 0;
    uint8_t *chunk = mem_alloc(CHUNK_BYTES);
    *ret = (struct sum){0};
    for (size_t got = CHUNK_BYTES; r == 0 && got == CHUNK_BYTES;) {
        r = sys_read_some(f, chunk, CHUNK_BYTES, ret->size, &got, e);
        if (r == 0) {
            ret->crc = crc32c(ret->crc, chunk, got);
            ret->size += got;
        }
    }
    mem_free(chunk);
    return r;
}

/* RocksDB has synced its tables, but not its diary. */
static int sum_new_file(const struct rocks *s, const char *name, struct sum *ret)
{
    _cleanup_(mem_freep) char *path = mem_printf("%s/%s", s->path, name);
    if (!is_table(name)) {
        _cleanup_(sys_closep) struct sys_file *f = NULL;
        TRY(sys_open(s->sys, path, SYS_WRITE, &f, NULL));
        TRY(sys_sync(f, NULL));
    }
    return sum_file(s->sys, path, ret, NULL);
}

/* Into @l, from @old when it is known there already. */
static void list_file(const struct rocks *s, const char *name, const struct rocks_sums *old,
                      struct rocks_sums *l)
{
    const struct sum *known = is_table(name) ? sums_find(old, name) : NULL;
    struct sum now;
    if (known != NULL)
        now = *known;
    else if (sum_new_file(s, name, &now) < 0)
        return; /* not listed is not judged */
    now.name = mem_strdup(name);
    sums_add(l, now);
}

static void list_live(const struct rocks *s, const struct rocks_sums *old, struct rocks_sums *l)
{
    const rocksdb_livefiles_t *live = rocksdb_livefiles(s->db);
    int count = rocksdb_livefiles_count(live);
    for (int i = 0; i < count; i++) {
        const char *name = rocksdb_livefiles_name(live, i);
        list_file(s, name[0] == '/' ? name + 1 : name, old, l);
    }
    rocksdb_livefiles_destroy(live);
}

static void list_folder(const struct rocks *s, const struct rocks_sums *old, struct rocks_sums *l)
{
    struct sys_names names;
    /* What is listed must still be there after the power was cut. */
    if (sys_sync_dir(s->sys, s->path, NULL) < 0 || sys_list(s->sys, s->path, &names, NULL) < 0)
        return;
    for (size_t i = 0; i < names.count; i++)
        if (strcmp(names.names[i], "LOCK") != 0)
            list_file(s, names.names[i], old, l);
    sys_names_deinit(&names);
    l->closed = true;
}

/* ---- what rocks.c calls ---- */

void rocks__sums_before_open(struct rocks *s)
{
    struct rocks_sums old, l = {0};
    if (s->sys == NULL)
        return;
    int r = sums_read(s->sys, s->path, &old, NULL);
    for (size_t i = 0; r == 0 && i < old.count; i++)
        if (is_table(old.items[i].name))
            list_file(s, old.items[i].name, &old, &l);
    if (r < 0 || old.found)
        sums_keep(s, &l, true);
    sums_reset(&old);
    sums_reset(&l);
}

static void sums_renew(struct rocks *s)
{
    struct rocks_sums old, l = {0};
    if (s->sys == NULL || atomic_exchange(&s->summing, true))
        return;
    (void)sums_read(s->sys, s->path, &old, NULL); /* one that does not read is made anew */
    if (s->db != NULL)
        list_live(s, &old, &l);
    else
        list_folder(s, &old, &l);
    sums_keep(s, &l, false);
    sums_reset(&old);
    sums_reset(&l);
    atomic_store(&s->summing, false);
}

void rocks__sums_after_flush(struct rocks *s)
{
    must(s->db != NULL);
    sums_renew(s);
}

void rocks__sums_after_close(struct rocks *s)
{
    must(s->db == NULL);
    sums_renew(s);
}

/* ---- checking ---- */

struct comparing {
    struct sys *sys;
    const char *path;
    bool live;
    store_fault_fn *fn;
    void *ctx;
    struct store_files *ret;
};

static int compare_file(const struct comparing *c, const struct rocks_sums *l,
                        const struct sum *was, struct err *e)
{
    struct sum now;
    if ((c->live || !l->closed) && !is_table(was->name))
        return 0;
    _cleanup_(mem_freep) char *path = mem_printf("%s/%s", c->path, was->name);
    int r = sum_file(c->sys, path, &now, e);
    if (r == ERR_NOT_FOUND) {
        if (!c->live && l->closed)
            c->fn(c->ctx, was->name, "the file is missing");
        return 0;
    }
    TRY(r);
    c->ret->files++;
    c->ret->bytes += now.size;
    if (now.size != was->size || now.crc != was->crc)
        c->fn(c->ctx, was->name, "its content is not what was recorded when it was written");
    return 0;
}

static int count_unlisted(const struct comparing *c, const struct rocks_sums *l, struct err *e)
{
    struct sys_names names;
    TRY(sys_list(c->sys, c->path, &names, e));
    for (size_t i = 0; i < names.count; i++)
        c->ret->unlisted +=
            strcmp(names.names[i], "LOCK") != 0 && sums_find(l, names.names[i]) == NULL;
    sys_names_deinit(&names);
    return 0;
}

int store_check_files(struct sys *s, const char *path, bool live, store_fault_fn *fn, void *ctx,
                      struct store_files *ret, struct err *e)
{
    struct comparing c = {s, path, live, fn, ctx, ret};
    struct rocks_sums l;
    *ret = (struct store_files){0};
    int r = sums_read(s, path, &l, e);
    if (r == ERR_DAMAGED) {
        fn(ctx, "", "the list of the store's files does not read");
        return 0;
    }
    TRY(r);
    ret->recorded = l.found;
    ret->closed = l.closed;
    for (size_t i = 0; r == 0 && i < l.count; i++)
        r = compare_file(&c, &l, &l.items[i], e);
    if (r == 0)
        r = count_unlisted(&c, &l, e);
    sums_reset(&l);
    return r;
}
