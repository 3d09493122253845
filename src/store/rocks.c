/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RocksDB implementation: opening, writing, flushing, gets and snapshots. Iterators stand in
 * rocks_iter.c, batches in rocks_batch.c.
 *
 * I1  One column family (rule S1), so that a flush is always a consistent cut.
 * I2  No write goes through a log of RocksDB's own; after a crash the store is what the last flush
 *     left, and "persisted" reads see exactly that (rule S2).
 * I3  While db is NULL (a reopen failed) every call answers UNAVAILABLE.
 *
 * After a failed background write RocksDB refuses all writes until it is opened again (rule S5).
 * Thread: any; closing and reopening only while nobody else is inside.
 */
#include "rocks_priv.h"
#include "store/sums.h"

#include "base/mem.h"
#include "base/must.h"

#include <string.h>

#define BLOCK_BYTES        (16 * 1024)
#define BLOOM_BITS_PER_KEY 10
#define WRITE_BUFFERS_MAX  3
#define BACKGROUND_JOBS    2
#define SYNC_EVERY_BYTES   (1024 * 1024)
/* Every file of level 0 spans nearly all keys, so each compaction of it writes the next level anew.
 */
#define LEVEL0_FILES       8
#define INFO_LOG_FILES_MAX 1
/* Nothing (the C interface has no name for it). RocksDB's own log file is written on after a failed
 * write, and Debian's build, which has assertions, then ends the process: no space must not (I8).
 * What it would say comes back as the status of the call. */
#define INFO_LOG_LEVEL_NONE 6

/* ---- what RocksDB says, in our words ---- */

static int code_of(const char *text)
{
    if (strncmp(text, "Corruption", 10) == 0)
        return ERR_DAMAGED;
    if (strncmp(text, "Result incomplete", 17) == 0)
        return STORE_COLD;
    if (strstr(text, "No space left") != NULL || strstr(text, "Space limit") != NULL)
        return ERR_NO_SPACE;
    if (strstr(text, "lock hold by current process") != NULL ||
        strstr(text, "While lock file") != NULL)
        return ERR_BUSY;
    if (strncmp(text, "Invalid argument", 16) == 0)
        return ERR_INVALID;
    return ERR_IO;
}

/* A write is never cold: "incomplete" says there that a background error has stopped writing. */
static int refused(struct err *e, const struct rocks *s, const char *doing, char *text)
{
    int code = code_of(text);
    code = code < 0 ? code : ERR_IO;
    (void)err_set(e, code, "store %s: cannot %s: %s", s->path, doing, text);
    rocksdb_free(text);
    return code;
}

int rocks__fail(struct err *e, const struct rocks *s, const char *doing, char *text)
{
    int code = code_of(text);

    if (code < 0)
        (void)err_set(e, code, "store %s: cannot %s: %s", s->path, doing, text);
    rocksdb_free(text);
    return code;
}

static int closed(const struct rocks *s, struct err *e)
{
    return err_set(e, ERR_UNAVAILABLE, "store %s: could not be opened again", s->path);
}

/* ---- opening ---- */

rocksdb_readoptions_t *rocks__read_options(const rocksdb_snapshot_t *snap, enum rocks_tier tier)
{
    rocksdb_readoptions_t *o = rocksdb_readoptions_create();

    rocksdb_readoptions_set_verify_checksums(o, 1);
    rocksdb_readoptions_set_read_tier(o, tier);
    rocksdb_readoptions_set_snapshot(o, snap);
    return o;
}

/* Blocks, their cache and their index. Filters serve gets only, so the last level has none. */
static void set_table_options(const struct rocks *s, rocksdb_options_t *o)
{
    rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();

    rocksdb_block_based_options_set_format_version(t, 5);
    rocksdb_block_based_options_set_block_size(t, BLOCK_BYTES);
    rocksdb_block_based_options_set_block_cache(t, s->cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(t, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(t, 1);
    rocksdb_block_based_options_set_filter_policy(
        t, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS_PER_KEY)); /* the table owns it */
    rocksdb_options_set_block_based_table_factory(o, t);
    rocksdb_block_based_options_destroy(t);
    rocksdb_options_set_optimize_filters_for_hits(o, 1);
}

static rocksdb_options_t *make_options(const struct rocks *s, bool compress)
{
    rocksdb_options_t *o = rocksdb_options_create();

    rocksdb_options_set_create_if_missing(o, !s->look_only);
    rocksdb_options_set_write_buffer_size(o, (size_t)s->write_buffer_bytes);
    rocksdb_options_set_max_write_buffer_number(o, WRITE_BUFFERS_MAX);
    rocksdb_options_set_max_background_jobs(o, BACKGROUND_JOBS);
    rocksdb_options_set_level0_file_num_compaction_trigger(o, LEVEL0_FILES);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
    rocksdb_options_set_bytes_per_sync(o, SYNC_EVERY_BYTES);
    rocksdb_options_set_info_log_level(o, INFO_LOG_LEVEL_NONE);
    rocksdb_options_set_keep_log_file_num(o, INFO_LOG_FILES_MAX);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_compression(o, compress ? rocksdb_lz4_compression : rocksdb_no_compression);
    if (compress)
        rocksdb_options_set_bottommost_compression(o, rocksdb_zstd_compression);
    set_table_options(s, o);
    return o;
}

int rocks__open_db(struct rocks *s, struct err *e)
{
    char *text = NULL;

    must(s->db == NULL);
    for (int compress = 1; compress >= 0 && s->db == NULL; compress--) {
        rocksdb_options_t *o = make_options(s, compress != 0);
        rocksdb_free(text);
        text = NULL;
        s->db = s->look_only ? rocksdb_open_for_read_only(o, s->path, 0, &text)
                             : rocksdb_open(o, s->path, &text);
        rocksdb_options_destroy(o);
        /* Only a library without lz4 or zstd gives reason for the second try. */
        if (text != NULL && strstr(text, "ompression type") == NULL)
            break;
    }
    return text == NULL ? 0 : rocks__fail(e, s, "open it", text);
}

static void free_rocks(struct rocks *s)
{
    rocksdb_readoptions_destroy(s->read_all);
    rocksdb_readoptions_destroy(s->read_cache);
    rocksdb_readoptions_destroy(s->read_persisted);
    rocksdb_writeoptions_destroy(s->write_options);
    rocksdb_cache_destroy(s->cache);
    mem_free(s->path);
    mem_free(s);
}

static int open_rocks(const struct store_options *o, bool look_only, struct store **ret_store,
                      struct err *e)
{
    struct rocks *s = mem_zalloc(sizeof(*s));

    must(o->path != NULL);
    s->base.ops = &rocks__ops;
    s->sys = o->sys;
    s->look_only = look_only;
    s->path = mem_strdup(o->path);
    s->cache_bytes = o->cache_bytes != 0 ? o->cache_bytes : UINT64_C(64) << 20;
    s->write_buffer_bytes = o->write_buffer_bytes != 0 ? o->write_buffer_bytes : UINT64_C(32) << 20;
    s->cache = rocksdb_cache_create_lru((size_t)s->cache_bytes);
    s->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(s->write_options, 1); /* I2 */
    s->read_all = rocks__read_options(NULL, ROCKS_TIER_ALL);
    s->read_cache = rocks__read_options(NULL, ROCKS_TIER_CACHE);
    s->read_persisted = rocks__read_options(NULL, ROCKS_TIER_PERSISTED);
    rocks__sums_before_open(s);
    int r = rocks__open_db(s, e);
    if (r < 0) {
        free_rocks(s);
        return r;
    }
    *ret_store = &s->base;
    return 0;
}

int store_open_rocksdb(const struct store_options *o, struct store **ret_store, struct err *e)
{
    return open_rocks(o, false, ret_store, e);
}

int store_open_look(const char *path, struct store **ret_store, struct err *e)
{
    struct store_options o = {.path = path};
    return open_rocks(&o, true, ret_store, e);
}

int store_destroy(const char *path, struct err *e)
{
    char *text = NULL;
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_destroy_db(o, path, &text);
    rocksdb_options_destroy(o);
    if (text == NULL)
        return 0;
    int code = code_of(text);
    (void)err_set(e, code < 0 ? code : ERR_IO, "store %s: cannot remove it: %s", path, text);
    rocksdb_free(text);
    return code < 0 ? code : ERR_IO;
}

static int rocks_flush(struct store *base, struct err *e)
{
    struct rocks *s = (struct rocks *)base;
    char *text = NULL;

    if (s->db == NULL)
        return closed(s, e);
    rocksdb_flushoptions_t *o = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(o, 1);
    rocksdb_flush(s->db, o, &text);
    rocksdb_flushoptions_destroy(o);
    if (text != NULL)
        return refused(e, s, "flush it", text);
    rocks__sums_after_flush(s);
    return 0;
}

static void close_db(struct rocks *s)
{
    if (s->db == NULL)
        return;
    if (!s->look_only)
        (void)rocks_flush(&s->base, NULL); /* what does not get out now is replayed from the log */
    rocksdb_close(s->db);
    s->db = NULL;
}

static void rocks_close(struct store *base)
{
    close_db((struct rocks *)base);
    rocks__sums_after_close((struct rocks *)base);
    free_rocks((struct rocks *)base);
}

static int rocks_reopen(struct store *base, struct err *e)
{
    struct rocks *s = (struct rocks *)base;

    close_db(s);
    return rocks__open_db(s, e);
}

static int rocks_write(struct store *base, struct store_batch *b, struct err *e)
{
    struct rocks *s = (struct rocks *)base;
    char *text = NULL;

    if (s->db == NULL)
        return closed(s, e);
    rocksdb_write(s->db, s->write_options, rocks__batch_inner(b), &text);
    return text == NULL ? 0 : refused(e, s, "write to it", text);
}

/* ---- reading ---- */

static struct store_snapshot *rocks_snapshot_new(struct store *base)
{
    struct rocks *s = (struct rocks *)base;
    struct store_snapshot *snap = mem_zalloc(sizeof(*snap));

    if (s->db != NULL)
        snap->snap = rocksdb_create_snapshot(s->db);
    snap->read_all = rocks__read_options(snap->snap, ROCKS_TIER_ALL);
    snap->read_cache = rocks__read_options(snap->snap, ROCKS_TIER_CACHE);
    return snap;
}

static void rocks_snapshot_free(struct store *base, struct store_snapshot *snap)
{
    rocksdb_readoptions_destroy(snap->read_all);
    rocksdb_readoptions_destroy(snap->read_cache);
    if (snap->snap != NULL)
        rocksdb_release_snapshot(((struct rocks *)base)->db, snap->snap);
    mem_free(snap);
}

static const rocksdb_readoptions_t *options_for(const struct rocks *s, struct store_read how)
{
    if (how.persisted)
        return s->read_persisted;
    if (how.snap != NULL)
        return how.cached_only ? how.snap->read_cache : how.snap->read_all;
    return how.cached_only ? s->read_cache : s->read_all;
}

static int rocks_get(struct store *base, struct store_read how, struct slice key, struct buf *out,
                     struct err *e)
{
    struct rocks *s = (struct rocks *)base;
    char *text = NULL;
    size_t len = 0;

    if (s->db == NULL)
        return closed(s, e);
    rocksdb_pinnableslice_t *pin =
        rocksdb_get_pinned(s->db, options_for(s, how), (const char *)key.data, key.len, &text);
    if (text != NULL)
        return rocks__fail(e, s, "read it", text);
    if (pin == NULL)
        return STORE_ABSENT;
    const char *value = rocksdb_pinnableslice_value(pin, &len);
    buf_add(out, value, len);
    rocksdb_pinnableslice_destroy(pin);
    return STORE_FOUND;
}

const struct store_ops rocks__ops = {
    .close = rocks_close,
    .write = rocks_write,
    .flush = rocks_flush,
    .reopen = rocks_reopen,
    .snapshot_new = rocks_snapshot_new,
    .snapshot_free = rocks_snapshot_free,
    .get = rocks_get,
    .batch_new = rocks__batch_new,
    .batch_free = rocks__batch_free,
    .batch_put = rocks__batch_put,
    .batch_delete = rocks__batch_delete,
    .batch_delete_range = rocks__batch_delete_range,
    .batch_clear = rocks__batch_clear,
    .batch_bytes = rocks__batch_bytes,
    .iter_new = rocks__iter_new,
    .iter_free = rocks__iter_free,
    .iter_seek = rocks__iter_seek,
    .iter_seek_back = rocks__iter_seek_back,
    .iter_next = rocks__iter_next,
    .iter_valid = rocks__iter_valid,
    .iter_key = rocks__iter_key,
    .iter_value = rocks__iter_value,
    .iter_status = rocks__iter_status,
};
