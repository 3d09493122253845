/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * row: what a table and a row are. Types, schemas (from DDL, to DDL and to Delta's JSON), values,
 * keys in memcomparable form, and column batches. Pure: no I/O, no threads.
 *
 * A schema is immutable once made and shared by counting (any thread). Values and batches belong to
 * whoever made them.
 */

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Delta's column types. */
enum row_type {
    ROW_BOOLEAN = 1,
    ROW_BYTE,
    ROW_SHORT,
    ROW_INT,
    ROW_LONG,
    ROW_FLOAT,
    ROW_DOUBLE,
    ROW_DECIMAL, /* precision 1..38, scale 0..precision */
    ROW_STRING,  /* UTF-8 */
    ROW_BINARY,
    ROW_DATE,          /* days since 1970-01-01 */
    ROW_TIMESTAMP,     /* µs since 1970-01-01 UTC */
    ROW_TIMESTAMP_NTZ, /* µs, wall clock without zone */
    ROW_STRUCT,
    ROW_ARRAY,
    ROW_MAP,
    ROW_VARIANT, /* any JSON value, kept in the binary variant encoding */
};
/* Everything but the four above: a type of one value. */
static inline bool row_type_is_flat(enum row_type type)
{
    return type < ROW_STRUCT;
}

/* What a STRUCT, ARRAY or MAP column holds; an element, a key and a value are fields too. */
enum row_child {
    ROW_ELEMENT = 0, /* ARRAY: named "element"; NOT NULL = it holds no nulls */
    ROW_KEY = 0,     /* MAP: named "key", NOT NULL always, of a flat type */
    ROW_VALUE = 1,   /* MAP: named "value" */
};

struct row_column {
    /* [A-Za-z_][A-Za-z0-9_]*, for it is a protobuf field's name too */
    char *name; /* unique in the table, letter case ignored */
    enum row_type type;
    uint8_t precision, scale; /* ROW_DECIMAL only */
    bool not_null;
    uint32_t field_id;    /* 1.. ; Parquet field id, and field number in the table's own message */
    char *comment;        /* NULL: none */
    uint32_t field_count; /* STRUCT: at least 1; ARRAY: 1; MAP: 2; else 0 */
    struct row_column *fields; /* field_id of a STRUCT's field: 1.., in its own message */
};

struct row_schema {
    uint32_t column_count;
    struct row_column *columns;
    uint32_t key_count;    /* 0 = no primary key */
    uint32_t *key_columns; /* indexes into columns, in key order; all NOT NULL */
    uint32_t leaf_count;   /* flat columns at any depth; a VARIANT counts as two */
    bool is_flat;          /* no column is nested or a VARIANT */
    uint32_t refs;         /* private */
};

/*
 * Column list as DDL: "name TYPE [NOT NULL] [COMMENT '…'], …"; names may stand in backquotes; types
 * in Spark's and the SQL standard's spellings (BIGINT = LONG, VARCHAR(n) = STRING …), letter case
 * ignored. STRUCT<name [:] type [NOT NULL] [COMMENT '…'], …>, ARRAY<type>, MAP<type, type>,
 * VARIANT at any depth up to ROW_DEPTH_MAX. @keys name the primary key columns (they become NOT
 * NULL; a nested one or a VARIANT is refused).
 * Returns: 0, *ret_schema has one reference. ERR_INVALID with the place in the text;
 * ERR_UNSUPPORTED.
 */
must_use int row_schema_parse(struct slice ddl, const char *const *keys, size_t key_count,
                              struct row_schema **ret_schema, struct err *e);
struct row_schema *row_schema_ref(struct row_schema *s);
struct row_schema *row_schema_unref(struct row_schema *s); /* takes NULL; returns NULL */
CLEANUP_FUNC(struct row_schema *, row_schema_unref)

/* DDL that parses back to the same schema. */
void row_schema_to_ddl(const struct row_schema *s, struct buf *out);
/* Delta's schemaString: the struct type as JSON text (protocol, "Schema Serialization Format"). */
void row_schema_to_delta_json(const struct row_schema *s, struct buf *out);
/* "decimal(10,2)", "bigint", "array<struct<a: int>>" … as people write it; of a flat type Delta's
 * own word ("long") with @delta_words. */
void row_type_name(const struct row_column *c, bool delta_words, struct buf *out);
/* May a column of type @from become one of @to while rows and files written before stay? The same
 * type may; so may the wider ones of Delta's type widening: byte < short < int < long; float, and
 * up to int, to double; date to timestamp_ntz; whole numbers (as 10 digits, long as 20) and
 * decimals to a decimal that keeps every digit on both sides of the point. A STRUCT may gain
 * nullable fields at its end. Names and NOT NULL of @from and @to themselves are not looked at,
 * those of their fields stay. */
bool row_widening_ok(const struct row_column *from, const struct row_column *to);
/* Flat columns that the column is made of: 1 when it is flat itself, 2 of a VARIANT. */
uint32_t row_leaf_count(const struct row_column *c);
/* Index of a column by name (letter case ignored), or -1. */
int row_schema_find(const struct row_schema *s, struct slice name);

/* ---- later versions of a schema ---- */

/* Each one a path and a type: "note STRING", "address.zip STRING", "lines.element.price DOUBLE". */
struct row_change {
    const char *const *adds; /* may say NULL and COMMENT; behind the other columns or fields */
    size_t add_count;
    const char *const *widens;
    size_t widen_count;
};
/* ERR_INVALID, ERR_UNSUPPORTED naming the column and what is wrong with the change. */
must_use int row_schema_alter(const struct row_schema *s, const struct row_change *c,
                              struct row_schema **ret_schema, struct err *e);
/*
 * May rows of @from live on in a table of @to? Its columns are those of @from in their order, the
 * same or wider (row_widening_ok), key columns so that their key bytes stay; and behind them, also
 * in a STRUCT, nullable ones. ERR_UNSUPPORTED naming the column.
 */
must_use int row_schema_change_check(const struct row_schema *from, const struct row_schema *to,
                                     struct err *e);

/*
 * Do rows that were made for @from fit into a table of @to that was made anew? Columns are matched
 * by name; each must be there with the same type at any depth, and none may ask for a value that
 * the rows need not have. ERR_INVALID names the first column where they part and its path: "column
 * price is gone", "column n is int now, was string".
 */
must_use int row_schema_fits(const struct row_schema *from, const struct row_schema *to,
                             struct err *e);

/* catalog.schema.table: three parts of [A-Za-z0-9_-], each 1..; ERR_INVALID with the reason. */
must_use int row_table_name_check(const char *name, struct err *e);

/* ---- values ---- */

typedef __int128 row_i128;

struct row_value {
    bool null;
    uint32_t item_count; /* STRUCT ARRAY MAP; of a MAP twice its entries */
    union {
        bool boolean;
        int64_t i64; /* BYTE SHORT INT LONG DATE TIMESTAMP TIMESTAMP_NTZ */
        float f32;
        double f64;
        row_i128 decimal;   /* unscaled, at the column's scale */
        struct slice bytes; /* STRING BINARY; borrowed. VARIANT: metadata, then value */
        /* STRUCT: one per field. ARRAY: its elements. MAP: key, value, key, value …, each key
         * once. Borrowed. */
        const struct row_value *items;
    };
};

row_i128 row_pow10(unsigned exponent); /* 0..38 */
/* Decimal text ("-12.30", "1.5e3") to the unscaled value at the column's scale. ERR_INVALID: not a
 * decimal, too many digits before or behind the point for decimal(p,s). No rounding: digits beyond
 * the scale may only be zeros. */
must_use int row_decimal_parse(struct slice text, const struct row_column *c, row_i128 *ret_value);
void row_decimal_format(row_i128 v, uint8_t scale, struct buf *out);

/* Where a VARIANT's metadata ends and its value begins (Parquet's VariantEncoding.md: header byte,
 * dictionary size, offsets, strings). ERR_INVALID: not a metadata, or nothing behind it. */
must_use int row_variant_split(struct slice variant, struct slice *ret_metadata,
                               struct slice *ret_value);

/* Values of a row of @from become those of @to, which has passed row_schema_change_check(): columns
 * that came later are null, widened ones are converted. @values has room for @to's columns; items
 * that change are copied to @arena. */
void row_values_raise(const struct row_schema *from, const struct row_schema *to,
                      struct row_value *values, struct arena *arena);

/* ---- keys ---- */

/*
 * Append the memcomparable form of the key columns of @values (one per column of the schema): byte
 * order of the results is the order of the keys. Integers big-endian with flipped sign bit; strings
 * with 0x00 escaped as 0x00 0xff and ended by 0x00 0x00; floats in total order with -0 = +0.
 * Returns ERR_INVALID when a key value is null or the key is longer than KEY_BYTES_MAX.
 */
must_use int row_key_encode(const struct row_schema *s, const struct row_value *values,
                            struct buf *out, struct err *e);

/* ---- column batches ---- */

/* One column of a batch, or what a nested one holds. Fixed-width types: @fixed holds one cell per
 * entry (nulls hold zero): boolean 1 byte; byte..date 4 bytes (int32); long, timestamps 8; float 4;
 * double 8; decimal 16. Strings and binaries: @bytes holds them back to back, @offsets count+1
 * places. STRUCT: the children have as many entries as it has itself (a null one's are null).
 * ARRAY, MAP: @offsets holds count+1 places in the children. VARIANT: two children of binaries,
 * metadata and value. */
struct row_vector {
    enum row_type type;
    uint32_t cell_bytes; /* 0 for all but fixed-width types */
    uint32_t count;      /* entries; of a column: the batch's row_count */
    uint32_t cap;        /* entries there is room for in valid, fixed, offsets */
    uint32_t null_count;
    uint8_t *valid; /* 1 byte per entry: 1 = has a value */
    uint8_t *fixed;
    uint32_t *offsets;
    struct buf bytes;
    uint32_t child_count;
    struct row_vector *children;
};

struct row_batch {
    struct row_schema *schema; /* shares */
    uint32_t row_count, row_cap;
    size_t bytes_used; /* roughly what the rows take in memory */
    struct row_vector *columns;
};

/* Rows in one batch at most; bytes of one string column, and entries of one vector, stay below
 * 2^31. */
#define ROW_BATCH_ROWS_MAX (1u << 20)

struct row_batch *row_batch_new(struct row_schema *schema);
struct row_batch *row_batch_free(struct row_batch *b); /* takes NULL; returns NULL */
void row_batch_reset(struct row_batch *b);             /* empty again, memory kept */
CLEANUP_FUNC(struct row_batch *, row_batch_free)
/* Room for @rows rows in every column, for one who fills the vectors himself. */
void row_batch_reserve(struct row_batch *b, uint32_t rows);
/* Room for @entries entries in all in one vector, and in the children that go with it entry by
 * entry (STRUCT, VARIANT). Leaves count to who fills it. */
void row_vector_reserve(struct row_vector *v, uint32_t entries);
/* Add one row: @values one per column. The caller keeps row_count below ROW_BATCH_ROWS_MAX. */
void row_batch_append(struct row_batch *b, const struct row_value *values);
/* The value of a cell; bytes are borrowed from the batch, items from @arena (which may be NULL for
 * a flat column). */
struct row_value row_batch_value(const struct row_batch *b, uint32_t column, uint32_t row,
                                 struct arena *arena);
