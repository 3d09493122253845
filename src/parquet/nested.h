/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Nested Parquet, as much as a Delta checkpoint needs: a tree of fields and rows of values in the
 * same shape. Every field is optional; a list is the 3-level list.element, a map is key_value
 * with a required string key. Pages, statistics and footer are those of parquet.h.
 *
 * A row is an array with one value per field, in the order of the fields. A value that is all
 * zero is null, so a row is written as
 *
 *   struct parquet_value protocol[] = {parquet_value_int(1), parquet_value_int(7)};
 *   struct parquet_value row[ROOT_COUNT] = {[ROOT_PROTOCOL] = parquet_value_struct(protocol)};
 *   parquet_nested_append(w, row, e);
 *
 * Pure: bytes go to a struct buf; no I/O, no threads.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "row/row.h"

#include <stdbool.h>
#include <stdint.h>

struct parquet_options;
struct parquet_nested;

enum parquet_kind {
    PARQUET_LEAF = 1, /* one value of @type */
    PARQUET_STRUCT,   /* @fields */
    PARQUET_LIST,     /* elements of @type */
    PARQUET_MAP,      /* string → values of @type */
};

/* A field of the tree; a constant table of the caller, borrowed until the writer is freed. */
struct parquet_field {
    const char *name;
    enum parquet_kind kind;
    enum row_type type;                 /* LEAF, LIST, MAP */
    uint8_t precision, scale;           /* ROW_DECIMAL only */
    const struct parquet_field *fields; /* STRUCT only; at least one */
    size_t field_count;
};

/* Structs within structs at most; leaves of one tree at most. */
#define PARQUET_NESTED_DEPTH_MAX  8
#define PARQUET_NESTED_LEAVES_MAX 4096

/* One pair of a map. All-zero @value is null (keys are never null). */
struct parquet_pair {
    struct slice key;
    struct parquet_cell {
        bool present;
        struct row_value value; /* its null flag counts too */
    } value;
};

/* The value of a field; all zero is null. Everything pointed to is borrowed for the append. */
struct parquet_value {
    bool present;
    union {
        struct row_value leaf;
        const struct parquet_value *fields; /* STRUCT: one per field of the tree */
        struct {
            const struct parquet_cell *items; /* LIST */
            size_t count;
        } list;
        struct {
            const struct parquet_pair *pairs; /* MAP */
            size_t count;
        } map;
    };
};

static inline struct parquet_cell parquet_cell_text(struct slice s)
{
    return (struct parquet_cell){.present = true, .value.bytes = s};
}

static inline struct parquet_value parquet_value_text(struct slice s)
{
    return (struct parquet_value){.present = true, .leaf.bytes = s};
}

/* Any integer, date or timestamp. */
static inline struct parquet_value parquet_value_int(int64_t v)
{
    return (struct parquet_value){.present = true, .leaf.i64 = v};
}

static inline struct parquet_value parquet_value_bool(bool v)
{
    return (struct parquet_value){.present = true, .leaf.boolean = v};
}

static inline struct parquet_value parquet_value_row(struct row_value v)
{
    return (struct parquet_value){.present = !v.null, .leaf = v};
}

static inline struct parquet_value parquet_value_struct(const struct parquet_value *fields)
{
    return (struct parquet_value){.present = true, .fields = fields};
}

/* @items may be NULL when @count is 0: an empty list, which is not null. */
static inline struct parquet_value parquet_value_list(const struct parquet_cell *items,
                                                      size_t count)
{
    return (struct parquet_value){.present = true, .list = {items, count}};
}

static inline struct parquet_value parquet_value_map(const struct parquet_pair *pairs, size_t count)
{
    return (struct parquet_value){.present = true, .map = {pairs, count}};
}

/*
 * @fields: the columns of the file. @out receives the bytes; borrowed until free. NULL @o:
 * defaults. A wrong tree (no name, unknown kind or type, too deep, too wide) ends the process: it
 * is a constant of ours.
 */
struct parquet_nested *parquet_nested_new(const struct parquet_field *fields, size_t field_count,
                                          const struct parquet_options *o, struct buf *out);
/* Adds one row; copies it. A row group is closed by itself every 131072 rows or 64 MiB. */
must_use int parquet_nested_append(struct parquet_nested *w, const struct parquet_value *row,
                                   struct err *e);
/* The last row group and the footer. Nothing more may be written. No rows: a valid file of none. */
must_use int parquet_nested_finish(struct parquet_nested *w, struct err *e);
uint64_t parquet_nested_row_count(const struct parquet_nested *w);
struct parquet_nested *parquet_nested_free(struct parquet_nested *w); /* takes NULL; returns NULL */
CLEANUP_FUNC(struct parquet_nested *, parquet_nested_free)
