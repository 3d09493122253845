/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The row sets: tables with realistic columns, and rows for them made fast. Every row carries the
 * number of its stream and its own number there, so that each one can be found again.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum column_kind {
    COLUMN_STREAM, /* the stream's number */
    COLUMN_SEQ,    /* the row's number in its stream */
    COLUMN_KEY,    /* "key-" and the row's number modulo key_count, eight digits */
    COLUMN_NOW,    /* the time of sending, µs */
    COLUMN_LONG,   /* a number below @range */
    COLUMN_INT,    /* likewise */
    COLUMN_DATE,   /* a day of 2026 */
    COLUMN_DOUBLE, /* thousandths below @range */
    COLUMN_BOOLEAN,
    COLUMN_DECIMAL, /* text with two places, below @range */
    COLUMN_WORD,    /* one of the first @range words */
    COLUMN_CODE,    /* "dev-" and a number below @range, eight digits */
    COLUMN_URL,
    COLUMN_HEX,  /* @range random hexadecimal digits, others in each row; a multiple of 16 */
    COLUMN_NOTE, /* the same, but from a few dozen different ones */
};

struct column {
    const char *name;
    enum column_kind kind;
    uint32_t range;
};

struct rowset {
    const char *name; /* of the table, without catalog and schema */
    const char *keys; /* primary key, "a,b"; NULL = none */
    const struct column *columns;
    size_t column_count;
};

/* A name for --rows: one table or several. */
struct rowset_group {
    const char *name;
    const char *schema; /* "catalog.schema" unless --table says otherwise */
    const struct rowset *const *sets;
    size_t set_count;
};

/* NULL when there is none of that name. */
const struct rowset_group *rowset_find(const char *name);
/* "200b, 1kb, …" for messages. */
const char *rowset_names(void);

void rowset_ddl(const struct rowset *s, struct buf *out);
/* The serialised DescriptorProto of a row. */
void rowset_descriptor(const struct rowset *s, struct buf *out);

/* Makes the rows of one stream. One thread at a time. */
struct rows;
struct rows_options {
    const struct rowset *set;
    bool json;
    uint64_t stream_no;
    uint64_t key_count; /* for COLUMN_KEY; 0 = as many as rows */
    /* So many of a hundred rows do not fit the table: their column seq comes a second time, and not
     * as a number. */
    uint64_t bad_percent;
};
struct rows *rows_new(const struct rows_options *o);
struct rows *rows_free(struct rows *r); /* takes NULL; returns NULL */
/* The next row, sent at @at_us; borrowed until the next call. */
struct slice rows_next(struct rows *r, int64_t at_us);
