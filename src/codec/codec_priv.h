/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The inside of a plan, and what the files of codec share.
 *
 * I1  fields[] ascend by number; a column has at most one field.
 * I2  In the own plan field i belongs to column i, and its operation is the column's natural one.
 */

#include "base/limits.h"
#include "codec/codec.h"
#include "codec/wire.h"
#include "json_priv.h"

/* How a field's bytes become a value. */
enum codec__op {
    CODEC__INT = 1, /* int32, int64: two's complement in a varint */
    CODEC__ZIGZAG,
    CODEC__UINT,
    CODEC__SFIXED32,
    CODEC__FIXED32,
    CODEC__SFIXED64,
    CODEC__FIXED64,
    CODEC__BOOL,
    CODEC__FLOAT,
    CODEC__DOUBLE,
    CODEC__STRING,
    CODEC__BYTES,
    CODEC__DECIMAL, /* text */
};

struct codec__field {
    uint32_t tag; /* number << 3 | wire type */
    uint16_t column;
    uint8_t op;
    int64_t min, max; /* integers: what the column holds */
};

#define CODEC__NONE 0xffffu
/* Field numbers up to this one are found by index, larger ones by binary search. */
#define CODEC__DIRECT_MAX 4095u
#define CODEC__WORDS_MAX  ((COLUMNS_MAX + 63) / 64)

struct codec_plan {
    uint32_t refs;
    uint32_t field_count;
    uint32_t words; /* of 64 columns each */
    uint32_t direct_count;
    uint32_t name_mask; /* slots in @names less one */
    struct row_schema *schema;
    struct codec__field *fields;
    uint16_t *direct; /* field number → index into fields, or CODEC__NONE */
    uint16_t *names;  /* hash of a name → column, or CODEC__NONE; open addressing */
    struct slice *column_names;
    uint64_t required[CODEC__WORDS_MAX]; /* a bit per NOT NULL column */
};

/* The column with that name (letter case ignored), or -1. */
int codec__column_find(const struct codec_plan *p, struct slice name);
/* The range of an integer column; 64 bits for all others. */
void codec__range(enum row_type type, int64_t *ret_min, int64_t *ret_max);
/* The first NOT NULL column that @seen lacks, or -1. */
int codec__missing(const struct codec_plan *p, const uint64_t *seen);
/* ERR_INVALID: the NOT NULL column @c has no value. */
int codec__fail_missing(const struct row_column *c, struct err *e);

/* Foreign bytes as they may stand in a message: printable ASCII, cut at 48. */
struct codec__text {
    char text[56];
};
struct codec__text codec__show(struct slice s);
/* A column's type for a message: "decimal(10,2)". */
struct codec__text codec__type_text(const struct row_column *c);

/* One field of the table's own message; null appends nothing. @v's bytes may stand in @out itself
 * behind its length, when at least 16 bytes lie between and the room is reserved. */
void codec__put_value(struct buf *out, const struct row_column *c, const struct row_value *v);

/* Opens the object. */
must_use int codec__json_open(struct codec__json *j);
/* 1: the next key, its colon taken; 0: the object and the text are at their end. */
must_use int codec__json_key(struct codec__json *j, struct slice *ret_key);
/* The value of column @c. Text and bytes are borrowed from the JSON, or stand in scratch
 * at least 16 bytes behind its length, in reserved room. */
must_use int codec__json_value(struct codec__json *j, const struct row_column *c,
                               struct row_value *ret_value);
/* One value of any kind, to behind it: does it make a variant? */
must_use int codec__variant_skip(struct codec__json *j);

/* Values as JSON and base64 text. */
void codec__base64_add(struct buf *out, struct slice bytes);
/* Standard or URL alphabet, padded or not; false when malformed. @to may be @text's own place.
 * Room for 3/4 of the text. */
bool codec__base64_decode(struct slice text, uint8_t *to, size_t *ret_len);
/* Exact or correctly rounded. ERR_INVALID: not a JSON number; out of range. */
must_use int codec__number_f64(struct slice text, double *ret);
must_use int codec__number_f32(struct slice text, float *ret);
