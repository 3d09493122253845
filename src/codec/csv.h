/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * CSV (RFC 4180) → JSON rows, record by record. The first record names the columns. An empty field
 * without quotes is NULL; the other fields hold what the column's JSON would hold as text, or, of a
 * nested column or VARIANT, JSON. Thread: its owner's.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "row/row.h"

#include <stdbool.h>
#include <stdint.h>

struct codec_csv;

enum codec_csv_outcome {
    CODEC_CSV_ROW = 1,
    CODEC_CSV_NOTHING, /* the header, or an empty line */
    CODEC_CSV_MORE,    /* the record does not end in the text that is there */
    CODEC_CSV_END,
};

/* May this character stand between fields? ASCII, but no quote, no end of line. */
bool codec_csv_delimiter_ok(char delimiter);
struct codec_csv *codec_csv_new(struct row_schema *schema, char delimiter);
struct codec_csv *codec_csv_free(struct codec_csv *c); /* takes NULL; returns NULL */

/*
 * The next record of @text, which goes on where the last record that was taken ended; @is_last:
 * nothing follows it. Of a record *ret_taken bytes were taken, and a row's JSON is appended to
 * @out. Returns: an outcome. ERR_INVALID with line, column and reason.
 */
must_use int codec_csv_next(struct codec_csv *c, struct slice text, bool is_last, struct buf *out,
                            size_t *ret_taken, struct err *e);
/* The line (from 1) on which the last record that was taken begins. */
uint64_t codec_csv_line(const struct codec_csv *c);
