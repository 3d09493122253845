/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of verify share. All of it belongs to the one thread that runs verify_run(). */

#include "base/buf.h"
#include "base/map.h"
#include "bronze/bronze.h"
#include "bronze/check.h"
#include "catalog/catalog.h"
#include "delta/delta.h"
#include "spill/spill.h"
#include "verify/verify.h"

#define VERIFY_DETAILS    20
#define VERIFY_MEMORY     (256ull << 20)
#define VERIFY_FILE_BYTES (2ull << 30) /* a data file, or a commit, larger than this is refused */

/* What the log, or the store on its behalf, says of one commit in the lake. */
struct verify_record {
    struct catalog_lake_commit commit; /* data_file is owned */
    uint64_t pos;                      /* of the control record */
    bool seen;                         /* the lake has that version */
};

/* A data file of ours that a commit adds. */
struct verify_file {
    char *path;
    int64_t version;
    uint64_t size, row_count;
    bronze_pos first_pos, last_pos;
    uint8_t hash[16];
    bool recorded;         /* size and hash are the log's word, not only the commit's */
    bool removed;          /* by a later commit */
    bool missing, damaged; /* not there; not the bytes that were written */
    /* The log's rows with positions of this file, in order. */
    uint64_t log_rows;
    uint64_t log_digest;
};

struct verify_table {
    struct catalog_table *meta; /* reference */
    struct verify_record **records;
    size_t record_count, record_cap; /* by version */
    struct verify_file *files;       /* by first position */
    size_t file_count, file_cap;
    struct map paths;      /* of files → which one (lake.c) */
    int64_t version;       /* newest; -1 = no Delta table */
    bronze_pos txn;        /* newest of ours; 0 = none */
    bronze_pos watermark;  /* in the store */
    bronze_pos store_high; /* the highest position of a row in the store below the log's first */
    bronze_pos split;      /* keyed rows up to here are summed from Delta, above it from the log */
    bool rewritten;        /* others have removed files of ours: their rows stand elsewhere */
    bronze_pos spilled;    /* the last row in its spill files */
    bronze_pos spill_mark; /* what the store says of that */
    const struct spill_file *spill_files; /* of verify.spills */
    size_t spill_count;
    size_t cursor; /* of the pass over the log */
    uint64_t waiting, missing;
    uint64_t store_sum, rows_sum, store_rows, rows_rows; /* digests of keyed rows */
};

struct objstore;
struct store;
struct sys;

struct verify {
    struct sys *sys;
    const struct verify_options *o;
    struct verify_report *report;
    struct sys_file *lock_file;
    struct catalog *catalog;
    struct objstore *lake; /* NULL: not looked at */
    struct store *store;   /* NULL: there is none, or it does not open */
    struct bronze_check log;
    struct verify_record *records; /* all, in order of reading */
    size_t record_count, record_cap;
    struct verify_table **tables;
    size_t table_count;
    struct map tables_by_id;   /* u32 → struct verify_table */
    struct spill_file *spills; /* by table and position */
    size_t spill_count;
    bronze_pos applied, floor;
    bronze_pos read_from; /* the newest pass over the log read everything from here on */
    bool has_store;
    uint64_t dropped_rows; /* in the log, of tables dropped */
    bronze_pos log_from;   /* read_from of the newest pass over the log's rows */
    const char *stage;
    uint64_t stage_done, stage_total;
};

/* ---- verify.c ---- */

/* Count and tell. Every @printf argument is for the sentence. */
struct verify_place {
    const char *what, *table;
    const char *folder, *file; /* file NULL: the folder itself, or nothing */
    uint64_t offset, position;
    bool has_offset;
};
void verify__fault(struct verify *v, const struct verify_place *at, const char *fmt, ...)
    printf_like(3, 4);
void verify__note(struct verify *v, const struct verify_place *at, const char *fmt, ...)
    printf_like(3, 4);
#define AT(...) (&(const struct verify_place){__VA_ARGS__})
void verify__stage(struct verify *v, const char *name, uint64_t total);
void verify__progress(struct verify *v, uint64_t more);
uint64_t verify__details(const struct verify *v);
struct verify_table *verify__table(struct verify *v, uint32_t id);

/* ---- log.c ---- */

/* First pass: chain, checksums, control records into the catalog, records of the lake. */
must_use int verify__log(struct verify *v, struct err *e);
/* Once more, for the rows of blocks that stand below the first pass's end or later. */
typedef int verify_frame_fn(void *ctx, const char *segment, const struct bronze_block *b,
                            const struct bronze_frame *f);
must_use int verify__frames(struct verify *v, verify_frame_fn *fn, void *ctx, struct err *e);
void verify__add_record(struct verify *v, const struct catalog_lake_commit *k, bronze_pos pos);

/* ---- state.c: the store ---- */

must_use int verify__store(struct verify *v, struct err *e);

/* ---- lake.c ---- */

/* Commits and checkpoints; what data files there are. */
must_use int verify__lake(struct verify *v, struct err *e);
/* Then, which takes time: the data files themselves, and what else lies there. */
must_use int verify__lake_files(struct verify *v, struct err *e);
/* The bytes of a data file; ERR_NOT_FOUND. */
must_use int verify__read_file(struct verify *v, const struct verify_table *t, const char *name,
                               struct buf *out, struct err *e);

/* ---- spill.c ---- */

must_use int verify__spill(struct verify *v, struct err *e);

/* ---- rows.c ---- */

must_use int verify__rows(struct verify *v, struct err *e);

/* ---- order.c: one stage may not be ahead of another ---- */

void verify__order(struct verify *v);
