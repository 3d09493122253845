/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Rows out of the log into spill files (spill.c), and back into their table (unspill.c): rule L9.
 * All of it belongs to the worker. */

#include "spill/spill.h"

struct compact;
struct compact_table;

/* Tables that one pass over the log takes rows of. */
#define COMPACT_SPILL_TABLES_MAX 16

/* What a table has spilled. */
struct compact_spill {
    struct spill_file *files; /* oldest first; those that are not removed yet */
    size_t count, cap;
    bronze_pos to;               /* its rows up to here need no log: committed, or in files */
    bronze_pos last;             /* the last row that was ever spilled: the newest file's */
    bronze_pos marked;           /* what the store says of that */
    struct spill_writer *writer; /* of the pass that is on */
    bool ahead;                  /* of the log: files of a life that this log knows nothing of */
    bool picked;                 /* the pass takes its rows above `to` */
    struct spill_reader *reader;
    size_t at;          /* which file it reads */
    bronze_pos read_to; /* the last row it gave */
};

/* Of the worker. */
struct compact_spilling {
    struct spill_folder folder;
    uint64_t table_log_bytes; /* a table that holds more of the log is behind */
    uint64_t bytes_max;       /* 0 = nothing is spilled */
    uint64_t files, bytes;    /* in the folder, of all tables */
    bronze_pos below;         /* a table whose floor is below it holds too much; 0 = none can */
    uint64_t half_bytes;      /* of the log */
    bronze_pos half;          /* … holds half of it, and rows cannot be spilled; 0 = none can */
    struct bronze_reader *reader; /* the pass that is on; NULL = none */
    bronze_pos to;                /* … goes up to here */
    struct compact_table *tables[COMPACT_SPILL_TABLES_MAX];
    size_t count;
    unsigned failures;
    uint64_t retry_ns;
    bool tidy;      /* a commit may have made files superfluous */
    bool unflushed; /* the store has marks that a crash would take */
    bool is_over;   /* bytes_max is reached: lagging tables are slowed */
};

/* ---- spill.c ---- */

void compact__spill_init(struct compact *c, uint64_t table_log_bytes, uint64_t bytes_max);
void compact__spill_deinit(struct compact *c);
/* What earlier lives have left. Before the first block is read. */
must_use int compact__spill_load(struct compact *c, struct err *e);
/* A look: which tables hold too much, does a pass begin? */
void compact__spill_look(struct compact *c);
/* After a look: whose streams are slowed. */
void compact__spill_slow(struct compact *c);
/* One step of the pass. True: it has done something. */
bool compact__spill(struct compact *c);
/* Committing it would help the log: it holds too much, and nothing else hinders it. */
bool compact__spill_presses(const struct compact *c, const struct compact_table *t);
/* Does the store know, durably, of all that was spilled? Before a trim. */
bool compact__spill_is_noted(struct compact *c);
/* Files whose rows are committed go. */
void compact__spill_tidy(struct compact *c);
/* Its file under construction is given up; what would be in it is read again, or spilled again. */
void compact__spill_stop_writing(struct compact *c, const struct compact_table *t);
/* The table is gone, and its files with it. */
void compact__spill_drop(struct compact *c, struct compact_table *t);
void compact__spill_forget(struct compact_table *t); /* memory only */

/* ---- unspill.c ---- */

/* The next rows that it misses stand in files. */
bool compact__is_spilled(const struct compact *c, const struct compact_table *t);
/* When its Delta table is opened: are its files whole, and all there? */
must_use int compact__unspill_check(const struct compact_table *t, struct err *e);
/* compact__table_check() for all rows in its files: files with rows that Delta has are removed. */
must_use int compact__unspill_check_past(struct compact *c, struct compact_table *t, struct err *e);
/* One block for each table that can take rows. True: one was taken. */
bool compact__unspill(struct compact *c);
