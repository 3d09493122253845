/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * parquet: column batches → Parquet bytes. Every Delta type of row.h, at any depth. PLAIN and
 * dictionary encoding (per column, by cost), zstd-1, data page v1 with CRC, statistics, field
 * ids, a page index, three-part created_by. Pure: bytes go to a struct buf; no I/O, no threads.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "row/row.h"

struct parquet_writer;

/* What the Delta add action wants to know about a flat column of the finished file, or a flat field
 * at any depth. */
struct parquet_stats {
    /* Rows without a value; within an ARRAY, MAP or VARIANT: rows without one of these. */
    uint64_t null_count;
    bool has_range;            /* false: no non-null value, or only NaN */
    bool has_nan;              /* NaN is never min or max; engines put it above all numbers */
    struct row_value min, max; /* bytes are borrowed from the writer; whole, not cut */
};

struct parquet_options {
    int zstd_level;          /* 1 */
    uint32_t page_rows_max;  /* 20000 */
    uint32_t page_bytes_max; /* 1 MiB */
    void (*on_page)(void);   /* called before each page is packed: lets others work; NULL: nobody */
};                           /* 0 stands for the value beside it */

/* @out receives the file's bytes as they are finished; borrowed until free. The caller may take
 * bytes out of it between calls (buf_reset). NULL options: defaults. */
struct parquet_writer *parquet_writer_new(struct row_schema *schema,
                                          const struct parquet_options *o, struct buf *out);
/* One row group from @batch (row_count >= 1). The batch is borrowed for the call. ERR_INVALID: a
 * null in a NOT NULL column or field, which is named; nothing was written. ERR_EXHAUSTED: a limit
 * of the format; the file is lost. */
must_use int parquet_write_batch(struct parquet_writer *w, const struct row_batch *batch,
                                 struct err *e);
/* The footer. Nothing more may be written. */
must_use int parquet_finish(struct parquet_writer *w, struct err *e);
/* Over all row groups, after parquet_finish(). @leaf counts flat columns and fields depth first (a
 * VARIANT is two) and is below the schema's leaf_count; of a flat table it is the column. */
void parquet_stats(const struct parquet_writer *w, uint32_t leaf, struct parquet_stats *ret_stats);
uint64_t parquet_row_count(const struct parquet_writer *w);
struct parquet_writer *parquet_writer_free(struct parquet_writer *w); /* takes NULL; returns NULL */
CLEANUP_FUNC(struct parquet_writer *, parquet_writer_free)
