/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * spill: rows of one table, moved out of the log into files of their own, so that a table whose
 * lake is away does not hold the log (rule L9). Writes, lists, reads and removes the files; when
 * that is done is the compactor's business. Bytes: docs/formats/spill.md.
 *
 * Thread: the caller's; blocks. A writer or reader belongs to one thread.
 */

#include "base/attr.h"
#include "base/err.h"
#include "base/uuid.h"
#include "bronze/bronze.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sys;

/* Whose rows: a file of another log, or of another timeline, is damage. */
struct spill_folder {
    struct sys *sys;
    const char *data; /* the data folder; borrowed */
    struct uuid log;
    uint64_t timeline;
};

#define SPILL_NAME_MAX 48
struct spill_file {
    char name[SPILL_NAME_MAX]; /* in <data>/spill */
    uint32_t table_id, block_count;
    bronze_pos from, to; /* all rows of the table with positions from … to are in it */
    bronze_pos first_pos, last_pos;
    bronze_pos prev_last; /* last row of the table's file before it; 0 = there was none */
    uint64_t row_count, bytes;
    bool damaged; /* its header says nothing: only name, table_id and first_pos are known */
};

/* ---- write ---- */

struct spill_writer;
/* A file for rows of @table_id from position @from on. Makes the folder when it is missing. */
must_use int spill_writer_new(const struct spill_folder *d, uint32_t table_id, bronze_pos from,
                              bronze_pos prev_last, struct spill_writer **ret_writer,
                              struct err *e);
/* The frame's rows follow those before. The first one names the file. */
must_use int spill_writer_add(struct spill_writer *w, const struct bronze_frame *f, struct err *e);
uint64_t spill_writer_bytes(const struct spill_writer *w);
/* Complete and durable under its name when it returns 0: it holds all rows up to @to. */
must_use int spill_writer_finish(struct spill_writer *w, bronze_pos to, struct spill_file *ret_file,
                                 struct err *e);
/* What is not finished is removed as far as that goes; the next start does the rest. Takes NULL,
 * returns NULL. */
struct spill_writer *spill_writer_free(struct spill_writer *w);

/* ---- list, remove ---- */

/* Told of each file whose header is not whole. @file is relative to the data folder. */
typedef void spill_fault_fn(void *ctx, const struct spill_file *f, uint64_t offset,
                            const char *what);
/*
 * The files by table and position; *ret_files is given (mem_free). Unfinished ones are not shown.
 * With @clean (at a start) they are removed, and what is shown is durable. No folder: none.
 */
struct spill_list {
    struct spill_folder folder;
    bool clean;
    spill_fault_fn *on_fault; /* may be NULL: the files say `damaged` */
    void *ctx;
};
must_use int spill_list(const struct spill_list *l, struct spill_file **ret_files,
                        size_t *ret_count, struct err *e);
/* Durable at the next sync of the folder: until then it may come back, which does no harm. A file
 * that is gone: 0. */
must_use int spill_remove(const struct spill_folder *d, const struct spill_file *f, struct err *e);
must_use int spill_sync(const struct spill_folder *d, struct err *e);
/*
 * Is a file missing among these of one table, whose rows up to @committed are in the lake, and
 * whose newest file is known to have ended at @marked (0 = unknown)? Position of the last row that
 * is missing; 0 = none.
 */
bronze_pos spill_missing(const struct spill_file *files, size_t count, bronze_pos committed,
                         bronze_pos marked);

/* ---- read ---- */

enum spill_outcome {
    SPILL_END = 1,
};
struct spill_reader;
must_use int spill_reader_open(const struct spill_folder *d, const struct spill_file *f,
                               struct spill_reader **ret_reader, struct err *e);
/*
 * The next block, as of the log: its frames are borrowed until the next call; `offset` is where it
 * stands in the file. 0, SPILL_END after the last, or ERR_DAMAGED naming file and offset.
 */
must_use int spill_reader_next(struct spill_reader *r, struct bronze_block *ret_block,
                               struct err *e);
struct spill_reader *spill_reader_close(struct spill_reader *r); /* takes NULL; returns NULL */
uint64_t spill_reader_offset(const struct spill_reader *r);      /* of what was read last */
CLEANUP_FUNC(struct spill_reader *, spill_reader_close)
