/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * compact: follows the log and turns rows into Delta. One worker passes once over the log for all
 * tables, decodes rows into column batches, and when a table has enough bytes or a row that is old
 * enough, writes a Parquet file and commits it together with the position it reaches to: each
 * position of a table is in exactly one version, whatever crashes in between (I3). The same worker
 * trims the log, when the store has caught up too (I4).
 *
 * Threads: one worker; the functions below say who else may call them.
 */

#include "base/attr.h"
#include "base/err.h"
#include "bronze/bronze.h"

#include <stdbool.h>
#include <stdint.h>

struct sys;
struct catalog;
struct store;
struct objstore;
struct trace_hist;
struct compact;

struct compact_options {
    uint64_t file_bytes;       /* cut a table's file at this many bytes of rows; 0 = 64 MiB */
    uint64_t memory_bytes;     /* open batches and unfinished files together; 0 = 256 MiB */
    uint32_t freshness_ms;     /* … or when its oldest row is this old; 0 = 2000 */
    uint32_t trim_interval_ms; /* look this often whether the log can be trimmed; 0 = never */
    uint32_t orphan_grace_ms;  /* a file that is in no commit is removed at this age; 0 = a day */
    uint64_t log_keep_bytes;   /* a smaller log is not trimmed, unless it is half full */
    uint64_t table_log_bytes;  /* a table that holds more of the log is committed at once, or its
                                  rows are spilled; 0 = a quarter of the log */
    uint64_t spill_bytes;      /* beyond, the streams of tables with spilled rows are slowed; 0 =
                                  nothing is spilled */
};

/* All borrowed until compact_free(); the log must be started before and stopped after compact. */
struct compact_deps {
    struct sys *sys;
    struct bronze *log;
    struct catalog *catalog;
    struct store *store;
    struct objstore *lake;
};

/* ---- life ---- */

/* Opens its reader where the last life left off. NULL options: defaults. */
must_use int compact_new(const struct compact_deps *d, const struct compact_options *o,
                         struct compact **ret_compact, struct err *e);
must_use int compact_start(struct compact *c, struct err *e); /* starts the worker */
/* Everything durable by now is committed, if the lake lets us and it takes no longer than @limit_ms
 * (but for a call into the lake that is under way); then the watermarks say what Delta says, and
 * the worker ends. What is left stays in the log.
 * Returns whether nothing is left: all in the lake, the watermarks in the store. */
bool compact_stop(struct compact *c, uint32_t limit_ms);
struct compact *compact_free(struct compact *c); /* takes NULL; returns NULL */
/* Without a thread (simulation): one turn; waits at most @wait_us for a block. True: one was read.
 */
bool compact_step(struct compact *c, uint64_t wait_us);
/* Without a thread: what compact_stop() does before the worker ends, without limit. */
bool compact_drain(struct compact *c);

/* ---- for admin ---- */

/* May a new table live there (rule D6)? ERR_EXISTS when something does. Any thread; blocks. */
must_use int compact_check_location(struct objstore *lake, const char *location, struct err *e);

/* ---- what others may see: any thread ---- */

enum compact_state {
    COMPACT_OPENING, /* its Delta table is not open yet */
    COMPACT_READY,
    COMPACT_STOPPED, /* by a fault that a new try does not heal; see the text */
    COMPACT_GONE,    /* dropped, and moved aside */
};
#define COMPACT_FAULT_MAX 256
struct compact_table_status {
    uint32_t table_id;
    enum compact_state state;
    bronze_pos committed_pos;                        /* the newest txn in Delta; 0 = none */
    bronze_pos first_waiting;                        /* the first row not in Delta yet; 0 = none */
    int64_t delta_version;                           /* -1 = not open */
    uint64_t rows_committed;                         /* by this process */
    uint64_t rows_waiting;                           /* read in the log, not committed */
    uint64_t bytes_waiting;                          /* of those that are in memory */
    uint64_t rows_spilled, spill_files, spill_bytes; /* of those that had to leave the log */
    int64_t oldest_waiting_us;                       /* arrival of the oldest of them; 0 = none */
    char fault[COMPACT_FAULT_MAX];                   /* "" = none */
};
/* *ret_tables is given (mem_free), sorted by table id. */
size_t compact_tables(struct compact *c, struct compact_table_status **ret_tables);
bool compact_table(struct compact *c, uint32_t table_id, struct compact_table_status *ret_status);

struct compact_totals {
    bronze_pos scanned_pos;   /* read up to here */
    bronze_pos floor_pos;     /* everything below is committed, for all tables */
    bronze_pos log_floor_pos; /* … or spilled: what the log may lose as far as the lake goes */
    uint64_t rows, files, file_bytes, commits; /* committed */
    uint64_t checkpoints, failures;
    uint64_t memory_bytes, rewinds;
    uint64_t snapshots, trims;
    uint64_t orphans_removed, orphan_bytes_removed; /* files that no commit names */
    uint64_t orphans_young;            /* in the last search: not old enough to be removed */
    uint64_t leftovers_removed;        /* of puts that were interrupted */
    uint64_t rows_spilled;             /* by this process */
    uint64_t spill_files, spill_bytes; /* there now */
    uint64_t rows_unknown; /* of tables the catalog does not know: 0, unless a dropped table is read
                              again */
};
void compact_totals(struct compact *c, struct compact_totals *ret_totals);
/* Arrival of the oldest row of a commit → the commit is done, µs. */
const struct trace_hist *compact_freshness_hist(const struct compact *c);
/* Everything below is committed for all tables. */
bronze_pos compact_floor(struct compact *c);

#define COMPACT_ALL UINT32_MAX
/* Blocks until all rows of the table (or of COMPACT_ALL) up to @pos are committed. ERR_TIMEOUT. */
must_use int compact_wait(struct compact *c, uint32_t table_id, bronze_pos pos, uint32_t timeout_ms,
                          struct err *e);
