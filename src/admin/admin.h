/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * admin: the calls about the server itself. sluice.v1.Tables, Tokens and Server (proto/sluice/v1),
 * and grpc.health.v1. Each call is authenticated on its queue, then runs on one worker thread with
 * a bounded queue, because control operations wait for the log; the answer goes back through the
 * call's mailbox.
 *
 * What other services know (positions, lags, latencies) is asked through hooks that the program
 * fills in, so this module names none of them.
 */

#include "base/attr.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

struct sys;
struct bronze;
struct store;
struct catalog;
struct catalog_table;
struct row_value;
struct rpc_server;
struct trace_hist;
struct admin;

/* What a table's followers say of it. */
struct admin_table {
    uint64_t committed_pos, rows_committed, lag_rows;
    uint64_t spilled_rows, spilled_bytes, spilled_files;
    int64_t delta_version; /* -1 = none yet */
    char fault[256];       /* "" = all is well */
};

/* Collects counters and latencies of one status answer. */
struct admin_report;
void admin_report_counter(struct admin_report *r, const char *name, uint64_t value);
void admin_report_latency(struct admin_report *r, const char *name,
                          const struct trace_hist *hist_us);

/* A row of a scan: its key and its bytes under a descriptor, borrowed. Not 0 ends the scan. */
typedef int admin_scan_fn(void *ctx, struct slice key, struct slice row, uint32_t descriptor_id);

/* All run on the admin worker; they may block for a moment. */
struct admin_hooks {
    void *ctx;
    /* May a new table live in @location of the lake (rule D6)? 0 or an error with its sentence. */
    int (*check_location)(void *ctx, const char *location, struct err *e);
    void (*table)(void *ctx, uint32_t table_id, struct admin_table *ret_table);
    uint64_t (*applied_pos)(void *ctx);
    uint64_t (*scanned_pos)(void *ctx);
    const char *(*state)(void *ctx); /* "serving", "draining", or what is wrong */
    void (*report)(void *ctx, struct admin_report *r);
    /* Why the key tables stand still, into @ret_text; "" when they do not. */
    void (*store_fault)(void *ctx, char *ret_text, size_t cap);
    /* The rows of a keyed table in key order, from behind the key @after on. */
    int (*scan)(void *ctx, const struct catalog_table *t, struct slice after, admin_scan_fn *fn,
                void *fn_ctx, struct err *e);
    /* Replay of quarantined rows: see ingest_replay_new(), _row(), _end(). */
    void *(*replay_new)(void *ctx, struct catalog_table *t, struct catalog_table *quarantine,
                        const char *principal);
    int (*replay_row)(void *replay, const struct row_value *bad, struct err *e);
    int (*replay_end)(void *replay, struct err *e);
};

struct admin_options {
    struct sys *sys;
    struct bronze *log;
    struct store *store;
    struct catalog *catalog;
    struct rpc_server *server;
    struct admin_hooks hooks;
    const char *lake_root; /* shown before a table's location */
    const char *version;
};

/* Registers its methods: before the server starts. Borrows everything; copies the options. */
struct admin *admin_new(const struct admin_options *o);
must_use int admin_start(struct admin *a, struct err *e);
/* After the server has stopped: what waits is dropped, and the answer of what still runs. */
void admin_stop(struct admin *a);
struct admin *admin_free(struct admin *a); /* takes NULL; returns NULL */
