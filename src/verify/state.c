/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: its files against the list beside it, every key read with checksums, and what it says
 * of positions and of the lake. It is opened for looking only: what is flushed is what counts.
 */
#include "verify/verify.h"
#include "verify_priv.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"
#include "store/keys.h"
#include "store/store.h"
#include "store/sums.h"
#include "sys/sys.h"

#include <stdio.h>
#include <string.h>

#define OPEN_TRIES    20
#define OPEN_PAUSE_MS 50
#define LAKE_KEY_LEN  13
#define ROW_KEY_MIN   13 /* r, table id, position */
#define PROGRESS_KEYS 4096

static char *store_path(const struct verify *v)
{
    return mem_printf("%s/store", v->o->data);
}

/* ---- files ---- */

static void on_file_fault(void *ctx, const char *file, const char *what)
{
    struct verify *v = ctx;
    _cleanup_(mem_freep) char *name =
        file[0] == '\0' ? mem_strdup("store.sums") : mem_printf("store/%s", file);
    verify__fault(v, AT(.what = "damaged", .folder = v->o->data, .file = name), "%s", what);
}

static int check_files(struct verify *v, const char *path, struct err *e)
{
    struct store_files files;
    TRY(store_check_files(v->sys, path, v->report->live, on_file_fault, v, &files, e));
    v->report->store_files = files.files;
    v->report->store_bytes = files.bytes;
    if (!files.recorded)
        verify__note(v, AT(.what = "unchecked", .folder = v->o->data, .file = "store"),
                     "there is no list of the store's files: only RocksDB's own checksums were "
                     "looked at");
    else if (files.closed && files.unlisted > 0 && !v->report->live)
        verify__note(v, AT(.what = "foreign", .folder = v->o->data, .file = "store"),
                     "%llu files are not on the list of the store's files",
                     (unsigned long long)files.unlisted);
    return 0;
}

/* ---- keys ---- */

static bool take_position(struct slice key, const char *name, struct slice value, bronze_pos *ret)
{
    if (!slice_eq(key, slice_str(name)) || value.len != 8)
        return false;
    *ret = get_le64(value.data);
    return true;
}

static void take_watermark(struct verify *v, struct slice key, struct slice value)
{
    if (take_position(key, "wfloor", value, &v->floor) || key.len != 5 || value.len != 8)
        return;
    struct verify_table *t = verify__table(v, get_be32(key.data + 1));
    if (t != NULL)
        t->watermark = get_le64(value.data);
}

static void take_spill(struct verify *v, struct slice key, struct slice value)
{
    struct verify_table *t = key.len == 5 ? verify__table(v, get_be32(key.data + 1)) : NULL;
    if (t != NULL && value.len == 8)
        t->spill_mark = get_le64(value.data);
}

static void take_lake(struct verify *v, struct slice key, struct slice value)
{
    char name[CATALOG_FILE_NAME_MAX];
    struct catalog_lake_commit k;
    if (key.len != LAKE_KEY_LEN || value.len < 8 ||
        !catalog_lake_commit_of(slice_of(value.data + 8, value.len - 8), name, &k)) {
        verify__fault(v, AT(.what = "damaged", .folder = v->o->data, .file = "store"),
                      "a record of a commit in the lake cannot be read");
        return;
    }
    bronze_pos pos = get_le64(value.data);
    if (pos < v->log.first_pos || v->report->live)
        verify__add_record(v, &k, pos); /* else the log has said it */
}

static void take_row(struct verify *v, struct slice key)
{
    if (key.len < ROW_KEY_MIN)
        return;
    struct verify_table *t = verify__table(v, get_be32(key.data + 1));
    bronze_pos pos = ~get_be64(key.data + key.len - 8);
    if (t != NULL && pos < v->log.first_pos)
        t->store_high = MAX(t->store_high, pos);
}

static int scan_keys(struct verify *v, struct err *e)
{
    struct store_iter *it = store_iter_new(v->store, NULL);
    uint64_t keys = 0;
    for (store_iter_seek(it, SLICE_NULL); store_iter_valid(it); store_iter_next(it), keys++) {
        struct slice key = store_iter_key(it), value = store_iter_value(it);
        switch (key.len > 0 ? key.data[0] : 0) {
        case STORE_META: (void)take_position(key, "m/applied", value, &v->applied); break;
        case STORE_WATERMARK: take_watermark(v, key, value); break;
        case STORE_SPILL: take_spill(v, key, value); break;
        case STORE_LAKE: take_lake(v, key, value); break;
        case STORE_ROW: take_row(v, key); break;
        default: break;
        }
        if (keys % PROGRESS_KEYS == PROGRESS_KEYS - 1)
            verify__progress(v, PROGRESS_KEYS);
    }
    int r = store_iter_status(it, e);
    (void)store_iter_free(it);
    v->report->store_keys = keys;
    return r < 0 ? r : 0;
}

/* Forget what an attempt has said that did not come to its end. */
static void forget(struct verify *v, size_t records)
{
    for (; v->record_count > records; v->record_count--)
        mem_free((void *)(uintptr_t)v->records[v->record_count - 1].commit.data_file);
    v->applied = v->floor = 0;
    v->store = store_close(v->store);
}

static int open_and_scan(struct verify *v, const char *path, struct err *e)
{
    size_t records = v->record_count;
    int r = store_open_look(path, &v->store, e);
    if (r == 0)
        r = scan_keys(v, e);
    if (r < 0)
        forget(v, records);
    return r;
}

/* A server at work removes files that we are about to read: then once more, with what is there. */
static int read_keys(struct verify *v, const char *path, struct err *e)
{
    int r = open_and_scan(v, path, e);
    for (unsigned i = 0; r < 0 && v->report->live && i < OPEN_TRIES; i++) {
        sys_sleep_ms(v->sys, OPEN_PAUSE_MS);
        r = open_and_scan(v, path, e);
    }
    v->has_store = r == 0;
    if (r < 0 && v->report->live)
        verify__note(v, AT(.what = "unchecked", .folder = v->o->data, .file = "store"),
                     "the store could not be read while the server is at work: %s", e->text);
    else if (r < 0)
        verify__fault(v, AT(.what = "damaged", .folder = v->o->data, .file = "store"), "%s",
                      e->text);
    return 0;
}

int verify__store(struct verify *v, struct err *e)
{
    _cleanup_(mem_freep) char *path = store_path(v);
    _cleanup_(mem_freep) char *current = mem_printf("%s/CURRENT", path);
    bool there = false;
    verify__stage(v, "store", 0);
    TRY(sys_exists(v->sys, path, &there, e));
    if (!there) {
        struct verify_place at = {.what = "missing", .folder = v->o->data, .file = "store"};
        if (v->log.first_pos > 1)
            verify__fault(v, &at, "the store is missing; `sluice store rebuild` makes it again");
        else
            verify__note(v, &at, "there is no store yet: the next start makes it from the log");
        return 0;
    }
    TRY(check_files(v, path, e));
    TRY(sys_exists(v->sys, current, &there, e));
    if (!there && v->log.end_pos <= 1)
        return 0; /* a new folder */
    return read_keys(v, path, e);
}
