/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Rows on their way past: shared by rows.c, explain.c and ledger.c. */

#include "row/row.h"
#include "verify_priv.h"

/* A row in the table's own message, with the columns of its newest version. */
struct verify_row {
    struct row_value *values; /* one per column; bytes are borrowed from where it was read */
    uint32_t cap;
    struct arena arena; /* what the values hold */
    struct buf bytes;   /* canonical */
    struct buf key;     /* scratch */
    uint32_t crc;       /* CRC-32 of bytes */
};
void verify__row_deinit(struct verify_row *r);
void verify__row_room(struct verify_row *r, uint32_t columns);
/* From a row of the log or the store, raised to the columns @to. ERR_DAMAGED when it does not
 * decode. */
must_use int verify__row_of(struct verify_row *r, const struct codec_plan *plan, struct slice bytes,
                            const struct row_schema *to);
/* Bytes and crc from the values. */
void verify__row_seal(struct verify_row *r, const struct row_schema *schema);
uint64_t verify__fold(uint64_t digest, uint32_t crc);

/* Where a row was read: in row @index of a data file, or at @pos of the log. */
struct verify_where {
    const struct verify_file *file; /* NULL: the log */
    uint64_t index;
    bronze_pos pos;
};
typedef int verify_row_fn(void *ctx, struct verify_table *t, const struct verify_row *r,
                          const struct verify_where *at);

/* Every row of the log once: files' digests, what is missing, what waits. @on_row gets the rows
 * that are not in Delta yet. Only the first pass judges and counts. */
struct verify_log_pass {
    struct verify *v;
    bool first;
    verify_row_fn *on_row; /* may be NULL */
    void *ctx;
    /* private */
    const char *folder;   /* "log" or "spill" */
    bronze_pos from, end; /* rows with positions [from, end) only */
    struct verify_row row;
    struct slice bytes;
    const char *segment;
    const struct bronze_block *block;
};
must_use int verify__log_rows(struct verify_log_pass *p, struct err *e);
must_use int verify__take_frame(struct verify_log_pass *p, const char *file,
                                const struct bronze_block *b, const struct bronze_frame *f);
/* spill.c: those of its rows that neither Delta nor the log has. */
must_use int verify__spilled_rows(struct verify_log_pass *p, struct err *e);

/* Every row of our live data files. Only the first pass compares and counts. */
struct verify_delta_pass {
    struct verify *v;
    bool first;
    verify_row_fn *on_row; /* may be NULL */
    void *ctx;
};
must_use int verify__delta_rows(struct verify_delta_pass *p, struct err *e);

/* Both, one after the other: every row that counts as stored comes by once. */
must_use int verify__pass(struct verify *v, bool first, verify_row_fn *fn, void *ctx,
                          struct err *e);

/* ---- ledger.c ---- */

/* All passes over the rows that ledgers need, the first one included. */
must_use int verify__ledgers(struct verify *v, struct err *e);

/* The rows of one data file. */
struct verify_file_rows {
    int (*fn)(void *ctx, struct verify_file_rows *w);
    void *ctx;
    /* set for each row */
    struct verify_table *table;
    const struct verify_file *file;
    struct verify_row row;
    uint64_t index;
};
must_use int verify__file_rows(struct verify *v, struct verify_table *t,
                               const struct verify_file *f, struct verify_file_rows *w,
                               struct err *e);

/* ---- explain.c: which rows exactly ---- */

must_use int verify__explain_file(struct verify *v, struct verify_table *t,
                                  const struct verify_file *f, struct err *e);
must_use int verify__explain_store(struct verify *v, struct verify_table *t, struct err *e);
