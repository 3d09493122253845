/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * store: ordered keys and values. Two implementations behind one table of functions: RocksDB (one
 * column family, no WAL of its own, rule S1) and a model in memory for tests and simulation. What
 * is in it is derived from the log; after a crash it shows an older, consistent state and is
 * brought forward by replay.
 *
 * Thread: any; calls may block on disk except where said. Bytes returned are given (mem_free) or
 * borrowed from an iterator as said.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct sys;
struct store;

struct store_options {
    const char *path;
    uint64_t cache_bytes;        /* block cache; 64 MiB */
    uint64_t write_buffer_bytes; /* memtable; 32 MiB */
    struct sys *sys;             /* keeps a list of the store's files for checks; NULL: none */
};

/* ERR_BUSY: another process has it open. ERR_DAMAGED: RocksDB says it is corrupt. */
must_use int store_open_rocksdb(const struct store_options *o, struct store **ret_store,
                                struct err *e);
struct store *store_open_model(void);
/* Removes the store at @path, which nobody has open, and its folder when nothing else is in it. */
must_use int store_destroy(const char *path, struct err *e);
struct store *
store_close(struct store *s); /* takes NULL; returns NULL; flushes first when it can */

/* ---- writing: batches, applied atomically ---- */

struct store_batch;
struct store_batch *store_batch_new(struct store *s);
struct store_batch *store_batch_free(struct store_batch *b);
void store_batch_put(struct store_batch *b, struct slice key, struct slice value);
void store_batch_delete(struct store_batch *b, struct slice key);
void store_batch_delete_range(struct store_batch *b, struct slice from,
                              struct slice to); /* [from, to) */
void store_batch_clear(struct store_batch *b);
size_t store_batch_bytes(const struct store_batch *b);
/* Visible at once, durable only after a flush. ERR_NO_SPACE, ERR_IO: nothing was applied; the store
 * must be reopened before the next write (rule S5). */
must_use int store_write(struct store *s, struct store_batch *b, struct err *e);
/* Everything written so far becomes durable. Blocks. */
must_use int store_flush(struct store *s, struct err *e);
/* The code of the first write or flush that has failed since it was opened, whoever asked for it; 0
 * = none. After one nothing more is taken until store_reopen(). */
int store_failure(const struct store *s);
/*
 * Close and open again after a background error (rule S5). One thread's; waits until nobody is
 * inside and keeps others waiting meanwhile. ERR_BUSY: a snapshot or iterator was held too long.
 */
must_use int store_reopen(struct store *s, struct err *e);

/* ---- reading ---- */

enum store_get_outcome {
    STORE_FOUND = 0,
    STORE_ABSENT = 1,
    STORE_COLD = 2, /* only with cached_only: would have to read the disk */
};

/* A consistent view; NULL where one is asked for means "now". */
struct store_snapshot;
struct store_snapshot *store_snapshot_new(struct store *s);
void store_snapshot_free(struct store *s, struct store_snapshot *snap); /* takes NULL */

/* Appends the value to @out. */
must_use int store_get(struct store *s, const struct store_snapshot *snap, struct slice key,
                       bool cached_only, struct buf *out, struct err *e);
/* As a restart would see it: only what is flushed (rule S2). STORE_FOUND or STORE_ABSENT. */
must_use int store_get_persisted(struct store *s, struct slice key, struct buf *out, struct err *e);
/*
 * The first key >= @from that starts with @prefix (with @prefix empty: any). Appends key and value.
 * This is the lookup of the newest version of a row.
 */
must_use int store_seek(struct store *s, const struct store_snapshot *snap, struct slice from,
                        struct slice prefix, bool cached_only, struct buf *out_key,
                        struct buf *out_value, struct err *e);

struct store_iter;
struct store_iter *store_iter_new(struct store *s, const struct store_snapshot *snap);
void store_iter_seek(struct store_iter *it, struct slice from);      /* first key >= from */
void store_iter_seek_back(struct store_iter *it, struct slice from); /* last key <= from */
void store_iter_next(struct store_iter *it);
bool store_iter_valid(const struct store_iter *it);
struct slice store_iter_key(const struct store_iter *it); /* borrowed until the next move */
struct slice store_iter_value(const struct store_iter *it);
must_use int store_iter_status(const struct store_iter *it,
                               struct err *e); /* after !valid: an error or the end */
struct store_iter *store_iter_free(struct store_iter *it);
