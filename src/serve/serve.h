/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * serve: follows the log into the store, and answers lookups by key from there (sluice.v1.Rows). A
 * lookup sees every row that was durable when it arrived (I2): it waits, without holding a thread,
 * until the store has been brought that far. Keys in the store: docs/formats/store.md.
 *
 * Threads: one apply thread, one flush thread, one worker for reads that miss the cache; calls
 * live on their queue's thread. The functions below are the program's, except where said.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "bronze/bronze.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sys;
struct catalog;
struct catalog_table;
struct store;
struct rpc_server;
struct rpc_queue;
struct trace_hist;
struct admin_report;
struct store_batch;
struct row_schema;
struct row_value;
struct serve;

struct serve_options {
    struct sys *sys;
    struct bronze *log;
    struct catalog *catalog;
    struct store *store;
    struct rpc_server *server;
    uint64_t row_cache_bytes; /* rows that lookups have read, kept by key; 0 = none are */
};

/*
 * Registers its methods (before the server starts) and opens its reader where the store left off.
 * Borrows all of @o until serve_free(). ERR_PRECONDITION: the store does not belong to this log's
 * present state (rule S3): another log's, older than what was trimmed, ahead of the durable end, or
 * with an index that does not fit. ERR_DAMAGED.
 */
must_use int serve_new(const struct serve_options *o, struct serve **ret_serve, struct err *e);
must_use int serve_start(struct serve *s, struct err *e); /* starts its threads */
/* After the server has stopped, before the log is: applies what is durable, flushes the store. */
void serve_stop(struct serve *s);
struct serve *serve_free(struct serve *s); /* takes NULL; returns NULL */

/* To be called from the server's tick hook, on the queue's thread: lookups that waited too long. */
void serve_on_tick(struct serve *s, struct rpc_queue *q);

/* Without threads (simulation): one turn of the apply thread. True: something was applied. */
bool serve_step(struct serve *s, uint64_t wait_us);
/* The same of the flush thread. True: a flush was asked for. */
bool serve_flush_step(struct serve *s);

/*
 * Offline (a rebuild): everything durable in @o->log is applied to @o->store and flushed; without a
 * server (@o->server is NULL) and without threads. @progress, if any, is shown how far it is.
 */
typedef void serve_progress_fn(void *ctx, bronze_pos applied);
must_use int serve_catch_up(const struct serve_options *o, serve_progress_fn *progress, void *ctx,
                            struct err *e);
/* The store of @batch is @log's, and shows what stands there up to @applied. */
void serve_put_position(const struct bronze *log, bronze_pos applied, struct store_batch *batch);
/* A row to be put as applying would, in the table's own message with the columns of @schema. */
struct serve_row {
    const struct row_schema *schema;
    uint32_t table_id;
    uint32_t own_id; /* descriptor id of the own message of @schema */
    bronze_pos pos;
    const struct row_value *values; /* one per column */
};
/* False: its key is too long to be kept. @scratch is the caller's, to be used again. */
bool serve_put_row(const struct serve_row *r, struct buf scratch[2], struct store_batch *batch);

/*
 * The rows of a keyed table in the order of their keys, the newest version of each, from behind the
 * key @after on (empty: from the first). What was durable of the table at the call is seen. @fn
 * gets each row and its key (borrowed); not 0 ends the scan and is passed up. For a thread that may
 * block. ERR_UNAVAILABLE: the store does not get that far, or is being opened again.
 */
struct serve_scanned {
    struct slice key, row;
    bronze_pos pos;
    uint32_t descriptor_id;
};
typedef int serve_scan_fn(void *ctx, const struct serve_scanned *row);
must_use int serve_scan(struct serve *s, const struct catalog_table *t, struct slice after,
                        serve_scan_fn *fn, void *ctx, struct err *e);

/* ---- what others may see: any thread ---- */

/* The store shows every position up to this one. Goes back only when the store was reopened. */
bronze_pos serve_applied_pos(const struct serve *s);
/* Why applying stands still; empty when all is well. Returns its length. */
size_t serve_fault(struct serve *s, char *ret_text, size_t cap);

struct serve_counters {
    uint64_t lookups, found, waited, cold, refused; /* refused: answered with an error */
    uint64_t cached;                                /* rows that were found without the store */
    uint64_t rows_applied;                          /* rows of tables with a key */
    uint64_t rows_unkeyed; /* rows whose key is longer than KEY_BYTES_MAX: not to be found */
    uint64_t flushes, reopens;
};
void serve_read_counters(const struct serve *s, struct serve_counters *ret_counters);
const struct trace_hist *serve_lookup_hist(const struct serve *s); /* arrival → answer, µs */
/* All of it for a status answer, one call for each number. */
void serve_report(struct serve *s, struct admin_report *r,
                  void (*latency)(struct admin_report *r, const char *name,
                                  const struct trace_hist *hist_us),
                  void (*counter)(struct admin_report *r, const char *name, uint64_t value));
