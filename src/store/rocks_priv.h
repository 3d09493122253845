/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of the RocksDB implementation share. */

#include "store_priv.h"

#include <rocksdb/c.h>

/* Values of ReadTier that the C interface takes as plain numbers. */
enum rocks_tier {
    ROCKS_TIER_ALL = 0,
    ROCKS_TIER_CACHE = 1,
    ROCKS_TIER_PERSISTED = 2,
};

struct rocks {
    struct store base;
    struct sys *sys; /* for the list of files; NULL: none is kept */
    bool look_only;  /* opened for reading what is flushed */
    _Atomic bool summing;
    char *path;
    uint64_t cache_bytes, write_buffer_bytes;
    rocksdb_t *db; /* NULL after a reopen that failed */
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write_options;
    rocksdb_readoptions_t *read_all, *read_cache, *read_persisted;
};

struct store_snapshot {
    const rocksdb_snapshot_t *snap;
    rocksdb_readoptions_t *read_all, *read_cache;
};

/*
 * The code for RocksDB's sentence @text, which is freed; the sentence goes into @e. STORE_COLD when
 * it only says that the block is not in the cache.
 */
int rocks__fail(struct err *e, const struct rocks *s, const char *doing, char *text);
rocksdb_readoptions_t *rocks__read_options(const rocksdb_snapshot_t *snap, enum rocks_tier tier);
int rocks__open_db(struct rocks *s, struct err *e);

/* sums.c: the list of files beside the store (docs/formats/store.md). Failures are not told: a file
 * that is not listed is not judged. */
void rocks__sums_before_open(struct rocks *s);
void rocks__sums_after_flush(struct rocks *s);
void rocks__sums_after_close(struct rocks *s);

extern const struct store_ops rocks__ops;

struct store_batch *rocks__batch_new(struct store *s);
void rocks__batch_free(struct store_batch *b);
void rocks__batch_put(struct store_batch *b, struct slice key, struct slice value);
void rocks__batch_delete(struct store_batch *b, struct slice key);
void rocks__batch_delete_range(struct store_batch *b, struct slice from, struct slice to);
void rocks__batch_clear(struct store_batch *b);
size_t rocks__batch_bytes(const struct store_batch *b);
rocksdb_writebatch_t *rocks__batch_inner(struct store_batch *b);

struct store_iter *rocks__iter_new(struct store *s, struct store_read how, struct slice prefix);
void rocks__iter_free(struct store_iter *it);
void rocks__iter_seek(struct store_iter *it, struct slice from);
void rocks__iter_seek_back(struct store_iter *it, struct slice from);
void rocks__iter_next(struct store_iter *it);
bool rocks__iter_valid(const struct store_iter *it);
struct slice rocks__iter_key(const struct store_iter *it);
struct slice rocks__iter_value(const struct store_iter *it);
int rocks__iter_status(const struct store_iter *it, struct err *e);
