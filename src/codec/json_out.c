/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values → one JSON object, in the forms that the JSON reader takes back: integers, dates (days) and
 * timestamps (µs) as numbers, decimals and base64 as text. Thread: any.
 */
#include "codec_priv.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void put_special(struct json *j, double v)
{
    json_str(j, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
}

/* The shortest text that reads back as the same float. */
static void put_float(struct json *j, float v)
{
    char text[40];
    for (int digits = 6; digits <= 9; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    json_raw(j, slice_str(text));
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

static void put_value(struct json *j, const struct row_column *c, const struct row_value *v)
{
    switch (c->type) {
    case ROW_BOOLEAN: json_bool(j, v->boolean); break;
    case ROW_FLOAT:
        if (isfinite(v->f32))
            put_float(j, v->f32);
        else
            put_special(j, (double)v->f32);
        break;
    case ROW_DOUBLE:
        if (isfinite(v->f64))
            json_double(j, v->f64);
        else
            put_special(j, v->f64);
        break;
    case ROW_DECIMAL: put_decimal(j, c, v->decimal); break;
    case ROW_STRING: json_slice(j, v->bytes); break;
    case ROW_BINARY: put_base64(j, v->bytes); break;
    default: json_i64(j, v->i64); break;
    }
}

void codec_values_to_json(
    const struct row_schema *s, const struct row_value *values, struct buf *out)
{
    struct json j = json_on(out);
    json_open(&j, '{');
    for (uint32_t i = 0; i < s->column_count; i++) {
        json_key(&j, s->columns[i].name);
        if (values[i].null)
            json_null(&j);
        else
            put_value(&j, &s->columns[i], &values[i]);
    }
    json_close(&j, '}');
}
