/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tables that the codec targets choose from with one byte, and what a row must keep on its ways. */

#include "fuzz.h"

#include "base/mem.h"
#include "codec/codec.h"
#include "row/row.h"

#include <string.h>

#define SCHEMA_COLUMNS_MAX 16

static const struct {
    const char *ddl, *key;
} schema_table[] = {
    {"id BIGINT NOT NULL, name STRING", "id"},
    {"a BOOLEAN, b TINYINT, c SMALLINT, d INT, e BIGINT NOT NULL, f FLOAT, g DOUBLE, "
     "h DECIMAL(38,10), i STRING, j BINARY, k DATE, l TIMESTAMP, m TIMESTAMP_NTZ",
     "e"},
    {"word STRING NOT NULL, n INT", "word"},
    {"amount DECIMAL(10,2) NOT NULL, day DATE NOT NULL, raw BINARY", NULL},
    {"x DOUBLE NOT NULL, y FLOAT", "x"},
};

/* Tables with nested columns. */
static const struct {
    const char *ddl, *key;
} schema_nested[] = {
    {"id BIGINT NOT NULL, s STRUCT<a: INT NOT NULL, t: STRING, u: STRUCT<b: DOUBLE, c: DATE>>, "
     "l ARRAY<INT>, m MAP<STRING, BIGINT>",
     "id"},
    {"l ARRAY<STRUCT<k: BOOLEAN NOT NULL, x: ARRAY<FLOAT>>> NOT NULL, d ARRAY<DECIMAL(5,2)>, "
     "n MAP<INT, STRUCT<v: STRING NOT NULL, w: BINARY>>, f MAP<BOOLEAN, TINYINT>",
     NULL},
    {"w ARRAY<ARRAY<BIGINT>>, x MAP<BIGINT, ARRAY<STRING>>, y ARRAY<MAP<INT, MAP<STRING, INT>>>",
     NULL},
    {"v VARIANT, l ARRAY<VARIANT>, m MAP<STRING, VARIANT>, s STRUCT<v: VARIANT NOT NULL>", NULL},
    {"w VARIANT NOT NULL, s STRUCT<v: VARIANT, t: TIMESTAMP, n: TIMESTAMP_NTZ>, "
     "f MAP<BOOLEAN, ARRAY<DOUBLE>>, t ARRAY<DATE>",
     NULL},
};

static inline struct row_schema *schema_choose_nested(uint8_t choice)
{
    unsigned i = (choice - 128u) % (sizeof(schema_nested) / sizeof(*schema_nested));
    struct row_schema *s = NULL;
    const char *key = schema_nested[i].key;
    FUZZ_CHECK(row_schema_parse(slice_str(schema_nested[i].ddl), &key, key != NULL, &s, NULL) == 0);
    FUZZ_CHECK(s->column_count <= SCHEMA_COLUMNS_MAX);
    return s;
}

static inline struct row_schema *schema_choose(uint8_t choice)
{
    unsigned i = choice % (sizeof(schema_table) / sizeof(*schema_table));
    struct row_schema *s = NULL;
    const char *key = schema_table[i].key;
    FUZZ_CHECK(row_schema_parse(slice_str(schema_table[i].ddl), &key, key != NULL, &s, NULL) == 0);
    FUZZ_CHECK(s->column_count <= SCHEMA_COLUMNS_MAX);
    return s;
}

/* A variant that says null: where a column may be null, JSON's null is the column's. */
static inline bool schema_says_null(const struct row_value *v)
{
    struct slice metadata, value;
    FUZZ_CHECK(row_variant_split(v->bytes, &metadata, &value) == 0);
    return value.len == 1 && *value.data == 0;
}

/* What JSON has one word for becomes one value: any NaN is one NaN, a null list an empty one, a
 * nullable variant that says null is null. */
static inline void schema_plain(const struct row_column *c, struct row_value *v, bool nullable)
{
    struct row_value *items = (struct row_value *)v->items; /* the caller's own */
    if (c->type == ROW_ARRAY || c->type == ROW_MAP) {
        if (v->null)
            *v = (struct row_value){.item_count = 0};
        for (uint32_t i = 0; i < v->item_count; i++)
            schema_plain(&c->fields[c->type == ROW_MAP ? i % 2 : 0], &items[i], false);
    }
    if (v->null)
        return;
    if (c->type == ROW_DOUBLE && v->f64 != v->f64)
        v->f64 = (double)__builtin_nanf("");
    if (c->type == ROW_FLOAT && v->f32 != v->f32)
        v->f32 = __builtin_nanf("");
    if (c->type == ROW_VARIANT && nullable)
        v->null = schema_says_null(v);
    for (uint32_t i = 0; c->type == ROW_STRUCT && i < v->item_count; i++)
        schema_plain(&c->fields[i], &items[i], !c->fields[i].not_null);
}

/* @values of an accepted row are accepted as a row of the own message, and are the same there. */
static inline void schema_check_own(const struct row_schema *s, const struct codec_plan *own,
                                    const struct row_value *values, struct arena *arena)
{
    struct buf row = BUF_NULL, again = BUF_NULL;
    struct row_value back[SCHEMA_COLUMNS_MAX];
    codec_values_to_row(s, values, &row);
    FUZZ_CHECK(codec_check(own, buf_slice(&row), NULL) == 0);
    FUZZ_CHECK(codec_decode(own, buf_slice(&row), arena, back) == 0);
    codec_values_to_row(s, back, &again);
    FUZZ_CHECK(slice_eq(buf_slice(&row), buf_slice(&again)));
    buf_deinit(&row);
    buf_deinit(&again);
}

static inline bool schema_buf_eq(const struct buf *a, const struct buf *b)
{
    return slice_eq(buf_slice(a), buf_slice(b));
}

/*
 * @values of an accepted row: written as a row of the own message it is accepted and says the same;
 * written as JSON it reads back as that row, byte for byte.
 */
static inline void schema_check_ways(const struct row_schema *s, const struct codec_plan *own,
                                     struct row_value *values, struct arena *arena)
{
    struct buf row = BUF_NULL, json = BUF_NULL, from_json = BUF_NULL;
    for (uint32_t i = 0; i < s->column_count; i++)
        schema_plain(&s->columns[i], &values[i], !s->columns[i].not_null);
    schema_check_own(s, own, values, arena);
    codec_values_to_row(s, values, &row);
    codec_values_to_json(s, values, &json);
    FUZZ_CHECK(codec_json_to_row(own, buf_slice(&json), &from_json, NULL) == 0);
    FUZZ_CHECK(schema_buf_eq(&row, &from_json));
    buf_deinit(&row);
    buf_deinit(&json);
    buf_deinit(&from_json);
}
