/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text, written front to back. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void before_value(struct json *j)
{
    if (j->comma)
        buf_add_byte(j->out, ',');
    j->comma = true;
}

void json_open(struct json *j, char bracket)
{
    before_value(j);
    buf_add_byte(j->out, (uint8_t)bracket);
    j->comma = false;
}

void json_close(struct json *j, char bracket)
{
    buf_add_byte(j->out, (uint8_t)bracket);
    j->comma = true;
}

static void add_escaped(struct buf *out, struct slice s)
{
    static const char hex[] = "0123456789abcdef";
    buf_add_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c == '"' || c == '\\') {
            buf_add_byte(out, '\\');
            buf_add_byte(out, c);
        } else if (c >= 0x20) {
            buf_add_byte(out, c);
        } else if (c == '\n') {
            buf_add_str(out, "\\n");
        } else if (c == '\t') {
            buf_add_str(out, "\\t");
        } else {
            buf_add_str(out, "\\u00");
            buf_add_byte(out, (uint8_t)hex[c >> 4]);
            buf_add_byte(out, (uint8_t)hex[c & 15]);
        }
    }
    buf_add_byte(out, '"');
}

void json_key(struct json *j, const char *key)
{
    json_key_slice(j, slice_str(key));
}

void json_key_slice(struct json *j, struct slice key)
{
    before_value(j);
    add_escaped(j->out, key);
    buf_add_byte(j->out, ':');
    j->comma = false;
}

void json_str(struct json *j, const char *s)
{
    json_slice(j, slice_str(s));
}

void json_slice(struct json *j, struct slice utf8)
{
    before_value(j);
    add_escaped(j->out, utf8);
}

void json_i64(struct json *j, int64_t v)
{
    before_value(j);
    buf_printf(j->out, "%lld", (long long)v);
}

void json_u64(struct json *j, uint64_t v)
{
    before_value(j);
    buf_printf(j->out, "%llu", (unsigned long long)v);
}

/*
 * Most measured values are short decimals. n / 10^6 with |n| < 2^53 and 10^6 both exact is the
 * double nearest to that decimal, so a quotient equal to @v proves that its digits are @v's.
 */
#define SHORT_DECIMAL_SCALE 1000000
#define SHORT_DECIMAL_MAX   1e9 /* so that at most 15 digits are written */

static bool add_short_decimal(struct buf *out, double v)
{
    if (!(fabs(v) < SHORT_DECIMAL_MAX) || v == 0)
        return false;
    int64_t n = llround(v * SHORT_DECIMAL_SCALE);
    if (n == 0 || (double)n / SHORT_DECIMAL_SCALE != v)
        return false;
    uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
    uint64_t whole = left / SHORT_DECIMAL_SCALE;
    uint32_t part = (uint32_t)(left % SHORT_DECIMAL_SCALE);
    if (whole == 0 && part < 100) /* below 0.0001 it is written with an exponent */
        return false;
    uint8_t text[24], *end = text + sizeof(text), *p = end;
    bool shown = false;
    for (int i = 0; i < 6; i++, part /= 10) {
        shown |= part % 10 != 0;
        if (shown)
            *--p = (uint8_t)('0' + part % 10);
    }
    if (shown)
        *--p = '.';
    do
        *--p = (uint8_t)('0' + whole % 10);
    while ((whole /= 10) != 0);
    if (n < 0)
        *--p = '-';
    buf_add(out, p, (size_t)(end - p));
    return true;
}

void json_double(struct json *j, double v)
{
    if (!isfinite(v)) {
        json_null(j);
        return;
    }
    before_value(j);
    if (add_short_decimal(j->out, v))
        return;
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buf_add_str(j->out, text);
}

void json_bool(struct json *j, bool v)
{
    before_value(j);
    buf_add_str(j->out, v ? "true" : "false");
}

void json_null(struct json *j)
{
    before_value(j);
    buf_add_str(j->out, "null");
}

void json_raw(struct json *j, struct slice text)
{
    before_value(j);
    buf_add_slice(j->out, text);
}
