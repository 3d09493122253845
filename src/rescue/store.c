/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lost store, made again.
 *
 *   positions:  1 ………………………………… log_from ………………………… durable
 *   from:       the lake's files │ spill files │ the log
 *
 *   1  the log is recovered, offline: catalog, and where it begins (log_from)
 *   2  store.rebuild is made: for every table its watermark (the txn in the lake), the records of
 *      its commits, and, when it has a key, the rows of its data files below log_from, then those
 *      of its spill files that the lake has not (spill.c)
 *   3  the log is applied to it by the same code that the server runs (serve)
 *   4  flushed; store → store.damaged-<time>, store.rebuild → store; the old one is removed
 *
 * R1  A row that the lake gives has a position of its own file's range, rising within the file;
 *     where other tables' rows stood in between, it is not above the true one. So the newest
 *     version of a key stays the newest, and what the log holds comes above it.
 * R2  Nothing is written outside of store.rebuild before it is complete and durable; a crash before
 *     step 4 leaves the old store, one within it leaves a complete store under one of two names.
 * R3  A file of the lake is used only when its size and hash are those of its commit.
 */
#include "rescue/rescue.h"
#include "rescue_priv.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"
#include "delta/delta.h"
#include "objstore/objstore.h"
#include "serve/serve.h"
#include "store/keys.h"
#include "store/store.h"

#include <inttypes.h>
#include <string.h>

#define CACHE_BYTES        (16ull << 20)
#define WRITE_BUFFER_BYTES (64ull << 20)

static char *path_in(const char *data, const char *name)
{
    return mem_printf("%s/%s", data, name);
}

/* ---- is there one? ---- */

static bool ends_with(const char *name, const char *ending)
{
    size_t len = strlen(name), end = strlen(ending);
    return len >= end && strcmp(name + len - end, ending) == 0;
}

int rescue_store_is_there(struct sys *s, const char *data, bool *ret_there, struct err *e)
{
    _cleanup_(mem_freep) char *path = path_in(data, "store");
    _cleanup_(sys_names_deinit) struct sys_names names = {0};
    *ret_there = false;
    bool exists;
    TRY(sys_exists(s, path, &exists, e));
    if (!exists)
        return 0;
    TRY(sys_list(s, path, &names, e));
    bool has_table = false;
    for (size_t i = 0; i < names.count; i++) {
        *ret_there |= strcmp(names.names[i], "CURRENT") == 0;
        has_table |= ends_with(names.names[i], ".sst");
    }
    if (has_table && !*ret_there)
        return err_set(e, ERR_DAMAGED, "the store is damaged: %s/CURRENT is missing", path);
    return 0;
}

/* ---- the old one and the new one ---- */

static bool is_aside(const char *name)
{
    return strncmp(name, "store.damaged-", 14) == 0;
}

/* What earlier rebuilds that were cut short have left, and what is set aside. */
static int remove_leftovers(struct rebuild *b, struct err *e)
{
    struct sys_names names;
    TRY(sys_list(b->sys, b->r->data, &names, e));
    int r = 0;
    for (size_t i = 0; i < names.count && r == 0; i++) {
        const char *name = names.names[i];
        if (!is_aside(name) && strncmp(name, "store.rebuild", 13) != 0)
            continue;
        _cleanup_(mem_freep) char *path = path_in(b->r->data, name);
        r = rescue__remove_folder(b->sys, path, e);
    }
    sys_names_deinit(&names);
    return r;
}

static int open_new(struct rebuild *b, struct err *e)
{
    struct store_options o = {.path = b->path,
                              .cache_bytes = CACHE_BYTES,
                              .write_buffer_bytes = WRITE_BUFFER_BYTES,
                              .sys = b->sys};
    TRY(store_open_rocksdb(&o, &b->store, e));
    b->batch = store_batch_new(b->store);
    return 0;
}

/* R2: complete and durable, then it takes the place of the old one. */
static int put_in_place(struct rebuild *b, struct err *e)
{
    struct sys *s = b->sys;
    const char *data = b->r->data;
    _cleanup_(mem_freep) char *place = path_in(data, "store");
    _cleanup_(mem_freep) char *sums = path_in(data, "store.sums");
    _cleanup_(mem_freep) char *new_sums = path_in(data, "store.rebuild.sums");
    _cleanup_(mem_freep) char *aside =
        mem_printf("%s/store.damaged-%" PRId64, data, sys_now_us(s) / 1000000);
    b->batch = store_batch_free(b->batch);
    TRY(store_flush(b->store, e));
    b->store = store_close(b->store);
    TRY(sys_sync_dir(s, b->path, e));
    TRY(rescue__remove_folder(s, sums, e)); /* it speaks of the old one's files */
    bool exists;
    TRY(sys_exists(s, place, &exists, e));
    if (exists)
        TRY(sys_rename_new(s, place, aside, e));
    TRY(sys_rename_new(s, b->path, place, e));
    TRY(sys_exists(s, new_sums, &exists, e));
    if (exists)
        TRY(sys_rename(s, new_sums, sums, e));
    TRY(sys_sync_dir(s, data, e));
    return remove_leftovers(b, e);
}

/* ---- step 2: what the lake has ---- */

int rescue__write_batch(struct rebuild *b, size_t bytes_min, struct err *e)
{
    if (store_batch_bytes(b->batch) < bytes_min)
        return 0;
    TRY(store_write(b->store, b->batch, e));
    store_batch_clear(b->batch);
    return 0;
}

static void put_watermark(struct rebuild *b, uint32_t table_id, uint64_t txn)
{
    uint8_t key[5] = {STORE_WATERMARK}, value[8];
    put_be32(key + 1, table_id);
    put_le64(value, txn);
    store_batch_put(b->batch, slice_of(key, sizeof(key)), slice_of(value, sizeof(value)));
}

static int tables_from_lake(struct rebuild *b, struct err *e)
{
    struct catalog_table **tables = NULL;
    size_t count = catalog_tables(b->catalog, &tables);
    int r = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t txn = 0;
        if (r == 0)
            r = rescue__table(b, tables[i], &txn, e);
        if (r == 0)
            r = rescue__spilled(b, tables[i], txn, e);
        if (r < 0)
            (void)err_wrap(e, "table %s", tables[i]->name);
        if (r == 0 && txn > 0)
            put_watermark(b, tables[i]->id, txn);
        catalog_table_unref(tables[i]);
    }
    mem_free(tables);
    b->r->tables = count;
    TRY(r);
    /* Up to where the log begins the store is complete: the log is applied from there. */
    serve_put_position(b->log, b->r->log_from - 1, b->batch);
    return rescue__write_batch(b, 0, e);
}

/* ---- step 3 ---- */

static void show_applied(void *ctx, bronze_pos applied)
{
    struct rebuild *b = ctx;
    bronze_pos all = bronze_durable_pos(b->log) + 1 - b->r->log_from;
    b->r->applied = applied;
    if (b->r->progress != NULL && applied >= b->r->log_from)
        b->r->progress(b->r->ctx, "log", applied + 1 - b->r->log_from, all);
}

static int log_to_store(struct rebuild *b, struct err *e)
{
    struct serve_options o = {
        .sys = b->sys, .log = b->log, .catalog = b->catalog, .store = b->store};
    return serve_catch_up(&o, show_applied, b, e);
}

static int build(struct rebuild *b, struct err *e)
{
    bool exists;
    TRY(sys_exists(b->sys, b->r->lake, &exists, e));
    if (!exists)
        return err_set(e, ERR_NOT_FOUND, "there is no lake in %s", b->r->lake);
    TRY(bronze_open_offline(b->sys, b->r->data, catalog_on_control, b->catalog, &b->log, e));
    b->r->log_from = bronze_trimmed_pos(b->log);
    TRY(objstore_open_folder(b->sys, b->r->lake, &b->lake, e));
    TRY(rescue__remove_folder(b->sys, b->path, e));
    TRY(open_new(b, e));
    TRY(tables_from_lake(b, e));
    TRY(log_to_store(b, e));
    return put_in_place(b, e);
}

int rescue_store(struct sys *s, struct rescue_store *r, struct err *e)
{
    _cleanup_(mem_freep) char *path = path_in(r->data, "store.rebuild");
    struct rebuild b = {.sys = s, .r = r, .path = path, .catalog = catalog_new(s)};
    int rc = build(&b, e);
    rescue__rebuild_deinit(&b);
    store_batch_free(b.batch);
    store_close(b.store);
    objstore_close(b.lake);
    catalog_free(b.catalog);
    bronze_close(b.log);
    return rc;
}
