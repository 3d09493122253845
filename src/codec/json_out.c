/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values → one JSON object, in the forms that the JSON reader takes back: integers, dates (days)
 * and timestamps (µs) as numbers, decimals and base64 as text; a variant as canonical JSON.
 * Thread: any.
 */
#include "codec/variant.h"
#include "codec_priv.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void put_special(struct json *j, double v)
{
    json_str(j, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
}

/* ±digits / 10^behind as decimal text; at least one digit before the point. */
static void put_digits(struct json *j, bool negative, uint64_t digits, unsigned behind)
{
    char text[32];
    unsigned at = sizeof(text), count = 0;
    while (digits > 0 || count <= behind) {
        if (count == behind && behind > 0)
            text[--at] = '.';
        text[--at] = (char)('0' + digits % 10);
        digits /= 10;
        count++;
    }
    if (negative)
        text[--at] = '-';
    json_raw(j, slice_of(text + at, sizeof(text) - at));
}

static void put_double(struct json *j, double v)
{
    if (isfinite(v))
        json_double(j, v);
    else
        put_special(j, v);
}

static const float powers[] = {1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f};

/*
 * The shortest text that reads back equal. Most numbers in rows have few digits: when m / 10^k
 * gives the number again, with both sides exact, then reading "m with k digits behind the point"
 * gives it too.
 */
static void put_float(struct json *j, float v)
{
    char text[40];
    float size = fabsf(v);
    for (unsigned k = 0; k < ARRAY_LEN(powers); k++) {
        float power = powers[k], m = rintf(size * power);
        if (m <= (float)(1 << 24) && m / power == size) {
            put_digits(j, signbit(v), (uint64_t)m, k);
            return;
        }
    }
    if (!isfinite(v)) {
        put_special(j, (double)v);
        return;
    }
    for (int digits = 6; digits <= 9; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    json_raw(j, slice_str(text));
}

static void put_integer(struct json *j, int64_t v)
{
    put_digits(j, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 0);
}

/* Text that needs no escape between quotes. */
static void put_quoted(struct json *j, struct slice text)
{
    json_raw(j, slice_str("\""));
    buf_add_slice(j->out, text);
    buf_add_byte(j->out, '"');
}

static void put_decimal(struct json *j, const struct row_column *c, row_i128 v)
{
    uint8_t room[64];
    struct buf text = {room, 0, sizeof(room)};
    row_decimal_format(v, c->scale, &text);
    put_quoted(j, buf_slice(&text));
}

static void put_base64(struct json *j, struct slice bytes)
{
    json_raw(j, slice_str("\""));
    codec__base64_add(j->out, bytes);
    buf_add_byte(j->out, '"');
}

/* A variant that is damaged is written as null. */
static void put_variant(struct json *j, struct slice variant)
{
    json_raw(j, slice_str("")); /* the comma */
    if (codec_variant_to_json(variant, j->out, NULL) < 0)
        buf_add_str(j->out, "null");
}

static void put_value(struct json *j, const struct row_column *c, const struct row_value *v);

static void put_struct(struct json *j, const struct row_column *columns, uint32_t count,
                       const struct row_value *values)
{
    json_open(j, '{');
    for (uint32_t i = 0; i < count; i++) {
        json_key(j, columns[i].name);
        put_value(j, &columns[i], &values[i]);
    }
    json_close(j, '}');
}

static void put_array(struct json *j, const struct row_column *c, const struct row_value *v)
{
    json_open(j, '[');
    for (uint32_t i = 0; i < v->item_count; i++)
        put_value(j, &c->fields[ROW_ELEMENT], &v->items[i]);
    json_close(j, ']');
}

static void put_key(struct json *j, const struct row_column *c, const struct row_value *v)
{
    char number[24];
    if (c->type == ROW_STRING) {
        json_key_slice(j, v->bytes);
    } else if (c->type == ROW_BOOLEAN) {
        json_key(j, v->boolean ? "true" : "false");
    } else {
        (void)snprintf(number, sizeof(number), "%lld", (long long)v->i64);
        json_key(j, number);
    }
}

static void put_map(struct json *j, const struct row_column *c, const struct row_value *v)
{
    json_open(j, '{');
    for (uint32_t i = 0; i + 1 < v->item_count; i += 2) {
        put_key(j, &c->fields[ROW_KEY], &v->items[i]);
        put_value(j, &c->fields[ROW_VALUE], &v->items[i + 1]);
    }
    json_close(j, '}');
}

static void put_value(struct json *j, const struct row_column *c, const struct row_value *v)
{
    if (v->null) {
        json_null(j);
        return;
    }
    switch (c->type) {
    case ROW_BOOLEAN: json_bool(j, v->boolean); break;
    case ROW_FLOAT: put_float(j, v->f32); break;
    case ROW_DOUBLE: put_double(j, v->f64); break;
    case ROW_DECIMAL: put_decimal(j, c, v->decimal); break;
    case ROW_STRING: json_slice(j, v->bytes); break;
    case ROW_BINARY: put_base64(j, v->bytes); break;
    case ROW_STRUCT: put_struct(j, c->fields, c->field_count, v->items); break;
    case ROW_ARRAY: put_array(j, c, v); break;
    case ROW_MAP: put_map(j, c, v); break;
    case ROW_VARIANT: put_variant(j, v->bytes); break;
    default: put_integer(j, v->i64); break;
    }
}

void codec_values_to_json(const struct row_schema *s, const struct row_value *values,
                          struct buf *out)
{
    struct json j = json_on(out);
    put_struct(&j, s->columns, s->column_count, values);
}
