/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of compact share. Everything here belongs to the worker, but for what stands under
 * the lock. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "catalog/catalog.h"
#include "compact/compact.h"
#include "delta/delta.h"
#include "spill_priv.h"
#include "sys/bug.h"
#include "sys/point.h"
#include "sys/sys.h"
#include "trace/trace.h"

#include <stdatomic.h>

/* A row group is closed at this size in memory. */
#define COMPACT_GROUP_BYTES (64u << 20)
/* A table whose cut was this large keeps the memory for the next one, as long as rows come. */
#define COMPACT_KEEP_BYTES (16u << 20)
#define COMPACT_KEEP_NS    3000000000ull
/* The busy tables are looked at this often while blocks keep coming. */
#define COMPACT_LOOK_NS 5000000ull
/* A trim flushes the store itself at most this often, unless the log fills up. */
#define COMPACT_FLUSH_PAUSE_NS        3000000000ull
#define COMPACT_BACKOFF_FIRST_NS      100000000ull
#define COMPACT_BACKOFF_DOUBLINGS_MAX 6

/* ---- policy.c: when to cut; pure ---- */

struct compact_policy {
    uint64_t file_bytes, memory_bytes, freshness_us;
};
/* What a table has open. */
struct compact_load {
    uint64_t rows, bytes;
    int64_t oldest_us; /* arrival of its first row, by the wall clock */
    uint64_t since_ns; /* when that row was taken from the log, by the monotonic clock */
};
struct compact_now {
    int64_t us;
    uint64_t ns;
    bool
        caught_up; /* nothing more is durable: waiting longer would not make the file larger soon */
};
bool compact__is_due(const struct compact_policy *p, const struct compact_load *l,
                     const struct compact_now *now);
/* How long until it is due by age, given that nothing comes; UINT64_MAX without rows. */
uint64_t compact__due_in_us(const struct compact_policy *p, const struct compact_load *l,
                            const struct compact_now *now);
uint64_t compact__backoff_ns(unsigned failures);
/* How far it is behind. */
struct compact_lag {
    uint64_t us; /* age of what it reads */
    uint64_t log_bytes, log_bytes_max;
};
/* Is it to press for its share of the processors? @pressing: it does already. */
bool compact__is_pressing(const struct compact_lag *lag, bool pressing);

/* ---- table.c: rows → a frozen file; no I/O ---- */

/* The rows taken since the last cut. */
struct compact_open {
    struct row_batch *batch;       /* the row group under construction; no rows: kept for more */
    struct arena arena;            /* of the row that goes into it; kept as long */
    uint64_t kept_bytes;           /* of it, since before the last cut */
    struct buf file;               /* finished row groups */
    struct parquet_writer *writer; /* on file; NULL before the first row group */
    bronze_pos first_pos, last_pos;
    struct compact_load load;
};
/* An attempt: it does not change until its fate is known (rule D3). */
struct compact_cut {
    bool frozen;
    bool data_done;    /* the file is in the lake */
    bool commit_tried; /* from here on only the lake knows */
    struct buf file, stats;
    struct delta_file meta;
    bronze_pos txn; /* scanned to */
    int64_t oldest_us;
    uint64_t bytes;
};
/* A commit that the log has not been told of yet (rule D7), because it had no room. */
struct compact_record {
    struct catalog_lake_commit commit;
    char data_file[128];
    struct compact_record *next;
};
/* More of them than this, and the oldest is given up with a warning: the lake's tags still say it.
 */
#define COMPACT_RECORDS_MAX 10000

struct compact_table {
    uint32_t id;
    enum compact_state state;
    struct catalog_table *meta; /* reference; when open, the version that Delta has */
    struct delta_table *delta;
    char app_id[DELTA_NAME_MAX];
    bronze_pos committed;  /* its txn */
    bronze_pos opened_txn; /* … when it was opened, by a commit that was made at opened_ms */
    int64_t opened_ms;     /* -1 = it does not say */
    bronze_pos taken;      /* its rows up to here are committed, frozen or open */
    bronze_pos missed;     /* the first row passed over since; 0 = none. While set, none is taken */
    bronze_pos missed_end; /* the last of them that was seen */
    uint64_t missed_rows;  /* how many; a guess from above while the table is not open */
    bronze_pos
        alter_pos;      /* rows from here on have other columns than meta: the next cut; 0 = none */
    bronze_pos altered; /* of the newest record read that gives it new columns */
    bronze_pos drop_pos; /* of its drop record; 0 = none */
    struct compact_open open;
    struct compact_cut cut;
    struct compact_spill spill;
    struct row_value *values; /* of a row that came under earlier columns */
    uint64_t rows_committed;
    unsigned failures; /* in a row */
    uint64_t retry_ns; /* not before */
    uint64_t taken_ns; /* rows came last */
    bool busy, dirty;  /* is in the list of that name */
    char fault[COMPACT_FAULT_MAX];
    struct compact_table_status shared; /* under the lock */
};

struct compact_table *compact__table_new(struct catalog_table *meta); /* takes the reference */
struct compact_table *compact__table_free(struct compact_table *t);
/*
 * Were rows that Delta seems to have there when the commit was made that says so (D2)? Else the log
 * is an older one that went on, those rows are other ones, and the lake has none of them:
 * ERR_PRECONDITION, and from this frame on nothing counts as committed: its rows are missed.
 */
must_use int compact__table_check(struct compact_table *t, const struct bronze_frame *f,
                                  struct err *e);
/* Add a frame's rows that are not taken yet. A row that does not decode: ERR_DAMAGED; and as
 * compact__table_check(). */
must_use int compact__table_take(struct compact_table *t, const struct codec_plan *plan,
                                 const struct bronze_frame *f, uint64_t now_ns, struct err *e);
/* The same from a spill file, while it misses rows: these are missed no longer. */
must_use int compact__table_take_back(struct compact_table *t, const struct codec_plan *plan,
                                      const struct bronze_frame *f, uint64_t now_ns, struct err *e);
/* The frame's rows are passed over; they are read again later. */
void compact__table_miss(struct compact_table *t, const struct bronze_frame *f);
void compact__table_missed_none(struct compact_table *t); /* they are read now */
/* Rows from @pos on have other columns (rule L8): none is taken before compact__table_alter(). */
void compact__table_cut_at(struct compact_table *t, bronze_pos pos);
/* Of the rows below its cut none is missed. */
bool compact__table_is_at_cut(const struct compact_table *t);
/* Delta has the columns of @next (takes the reference), in a commit with txn = alter_pos. */
void compact__table_alter(struct compact_table *t, struct catalog_table *next);
/* The open rows become the frozen cut, which reaches to @scanned. @name: the file's. */
must_use int compact__table_freeze(struct compact_table *t, const char *name, bronze_pos scanned,
                                   struct err *e);
void compact__cut_reset(struct compact_cut *k);
/* Give up what has not been tried in the lake: those rows are missed. Returns the bytes freed. */
uint64_t compact__table_forget(struct compact_table *t);
/* Frees what was kept for more rows, once none have come for a while (at once with @now_ns
 * UINT64_MAX). */
void compact__table_cool(struct compact_table *t, uint64_t now_ns);
uint64_t compact__table_memory(const struct compact_table *t);
/* Up to where it knows its rows, when the pass over the log has reached @scanned. */
bronze_pos compact__table_reach(const struct compact_table *t, bronze_pos scanned);
/* Everything of this table below is committed. */
bronze_pos compact__table_floor(const struct compact_table *t, bronze_pos scanned);
/* … or spilled: from here on it needs the log. */
bronze_pos compact__table_log_floor(const struct compact_table *t, bronze_pos scanned);
bool compact__table_is_busy(const struct compact_table *t);
void compact__table_fault(struct compact_table *t, const struct err *e, uint64_t now_ns);
void compact__table_stop(struct compact_table *t, const struct err *e); /* logs it */

/* ---- the worker ---- */

struct compact_list {
    struct compact_table **items;
    size_t count, cap;
};

/* sweep.c: the search for orphans */
enum compact_sweep_phase {
    COMPACT_SWEEP_NONE = 0, /* between rounds */
    COMPACT_SWEEP_LIST,
    COMPACT_SWEEP_READ,
    COMPACT_SWEEP_REMOVE,
};
struct compact_sweep {
    uint64_t grace_us, interval_ns;
    uint64_t next_ns; /* of the next step */
    enum compact_sweep_phase phase;
    uint32_t *ids; /* the tables of this round */
    size_t count, at;
    char after[128]; /* names up to here have been judged */
    bool is_last_page;
    struct map files; /* name → what no commit is known to name */
    int64_t version;  /* the next commit to read */
    uint64_t young;
};

struct compact {
    struct compact_deps d;
    struct compact_policy policy;
    uint64_t trim_interval_ns, trim_next_ns, log_keep_bytes;
    uint64_t flush_next_ns;       /* a trim does not flush the store earlier without need */
    bronze_pos half_pos;          /* where the log was when it became half full; 0 = it is not */
    struct bronze_reader *reader; /* changed under the lock, for compact_stop() */
    bronze_pos scanned;
    struct map tables; /* id (u32) → struct compact_table; changed under the lock */
    struct compact_list busy, dirty;
    size_t opening;                       /* tables that are not open yet */
    bronze_pos life_pos;                  /* where the log ended when this life began */
    uint32_t awaited_first, awaited_last; /* ids that the catalog will know in a moment; 0 = none */
    bool look;                            /* a table has reached its size */
    bool rewind;                          /* a table with missed rows can go on */
    bool draining;                        /* what is open is due when the reading has caught up */
    bool ending;    /* … and this is the end: a table that keeps failing is left */
    bool worked;    /* a block was read since the last pause */
    bool may_yield; /* it lives on what others leave, and presses when it is late */
    bool pressing;
    int64_t scanned_us; /* arrival of what was read last */
    uint64_t look_next_ns;
    uint64_t read_next_ns; /* the log could not be read for want of files; 0 = it can */
    struct compact_record *records, **records_end; /* oldest first */
    size_t record_count;
    struct store_batch *batch;
    struct trace_hist *freshness;
    struct compact_sweep sweep;
    struct compact_spilling spilling;
    struct compact_totals totals; /* the worker's own copy */

    struct sys_thread *thread;
    bool is_drained; /* the worker's, until it has ended */
    _Atomic bool stopping;
    _Atomic uint64_t drain_end_ns;

    struct sys_mutex lock; /* what follows, and above where it says so */
    struct compact_totals shared;
    struct sys_event changed;
};

struct compact_now compact__now(struct compact *c, bool caught_up);
/* The table's state, made when the catalog knows the table; NULL otherwise. */
struct compact_table *compact__table(struct compact *c, uint32_t id);
void compact__list_add(struct compact_list *l, struct compact_table *t);
/* Its status has changed, and it may have work. */
void compact__touch(struct compact *c, struct compact_table *t);
/* This life ends, and its lake is away. */
bool compact__is_left(const struct compact *c, const struct compact_table *t);

/* push.c: the ways into the lake. Failures end up in the table's fault and its next try. */
void compact__open(struct compact *c, struct compact_table *t);
void compact__push(struct compact *c, struct compact_table *t);
/* Tell the log of commits while it has room. False: some are left. */
bool compact__push_records(struct compact *c);
void compact__push_alter(struct compact *c, struct compact_table *t);
/* The next cut above what is committed, by the catalog or the log as it was read. */
void compact__find_cut(struct compact *c, struct compact_table *t);
void compact__push_drop(struct compact *c, struct compact_table *t);

/* record.c: what the log is told of the lake (rule D7). */
void compact__record_add(struct compact *c, struct compact_record *r); /* takes @r */
/* Versions of ours that the log and the store have no record of: a life was killed too early. */
must_use int compact__record_missed(struct compact *c, struct compact_table *t, struct err *e);

/* seal.c: the newest commits and checkpoint against their records. ERR_DAMAGED names the file. */
must_use int compact__seals_check(struct compact *c, const struct compact_table *t, struct err *e);

/* trim.c */
bronze_pos compact__floor(const struct compact *c);
bronze_pos compact__log_floor(const struct compact *c);
void compact__trim(struct compact *c);
/* How far to trim: enough that a segment is freed, else 0. */
bronze_pos compact__trim_bound(bronze_pos floor, bronze_pos applied, bronze_pos next_trim_pos);
/* Start positions kept in the store. 0 = none there. */
bronze_pos compact__watermark_get(struct compact *c, const struct compact_table *t);
void compact__watermark_put(struct compact *c, const struct compact_table *t);
bool compact__watermarks_put(struct compact *c); /* of all tables, and the floor */

/* sweep.c */
void compact__sweep_init(struct compact *c, uint32_t grace_ms);
void compact__sweep_deinit(struct compact *c);
void compact__sweep(struct compact *c); /* one step, when it is time */
uint64_t compact__sweep_wait_us(const struct compact *c);

/* status.c */
void compact__publish(struct compact *c);
