/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One JSON object, read front to back, once: keys, and the values of columns. A flat row has no
 * value that nests, so the reader never goes deeper than one level: an object or an array where a
 * column's value should be is refused. Tokens: json_priv.h. Thread: any.
 */
#include "codec_priv.h"

#include <math.h>

/* ---- the object ---- */

int codec__json_open(struct codec__json *j)
{
    if (codec__json_take(j, '{'))
        return 0;
    return codec__json_fail(j, j->p == j->end ? "the record is empty"
                                              : "a record must be a JSON object");
}

int codec__json_key(struct codec__json *j, struct slice *ret_key)
{
    bool is_first = j->p[-1] == '{';
    bool comma = !is_first && codec__json_take(j, ',');
    if (!comma && codec__json_take(j, '}')) {
        codec__json_space(j);
        if (j->p != j->end)
            return codec__json_fail(j, "the object has ended, but more follows");
        return 0;
    }
    if (!is_first && !comma)
        return codec__json_fail(j, "a comma or a closing brace is expected");
    if (!codec__json_take(j, '"'))
        return codec__json_fail(j, "a column name in quotes is expected");
    TRY(codec__json_string(j, ret_key));
    if (!codec__json_take(j, ':'))
        return codec__json_fail(j, "a colon is expected");
    return 1;
}

/* ---- values ---- */

/* What stands at j->p, as text: a number, or what a string holds. */
struct scalar {
    struct slice text;
    bool quoted;
};

static int fail_value(struct codec__json *j, const struct row_column *c, const char *reason)
{
    j->p = j->value;
    return codec__json_fail(j, "column %s (%s): %s", c->name, codec__type_text(c).text, reason);
}

/* A number in quotes need not be one of JSON's ("+1", ".5"); outside of them it must. */
static int check_number(struct codec__json *j, const struct row_column *c, const struct scalar *s)
{
    return s->quoted || codec__json_is_number(s->text) ? 0 : fail_value(j, c, "malformed number");
}

static int read_scalar(struct codec__json *j, const struct row_column *c, struct scalar *ret)
{
    uint8_t first = j->p < j->end ? *j->p : 0;
    if (first == '"') {
        j->p++;
        ret->quoted = true;
        return codec__json_string(j, &ret->text);
    }
    if (first == '{' || first == '[')
        return fail_value(j, c,
                          first == '{' ? "an object does not fit the column"
                                       : "an array does not fit the column");
    if (first == '-' || (first >= '0' && first <= '9')) {
        ret->quoted = false;
        ret->text = codec__json_number(j);
        return 0;
    }
    if (codec__json_literal(j, "true") || codec__json_literal(j, "false"))
        return fail_value(j, c, "true and false do not fit the column");
    return fail_value(j, c, "a JSON value is expected");
}

/* Also 1.0 and 1e3, when they are whole. */
static int read_integer(struct codec__json *j, const struct row_column *c, const struct scalar *s,
                        int64_t *ret)
{
    struct slice text = s->text;
    int64_t min, max, v;
    codec__range(c->type, &min, &max);
    if (!codec__json_plain_integer(text, &v)) {
        const struct row_column whole = {.type = ROW_DECIMAL, .precision = DECIMAL_DIGITS_MAX};
        row_i128 wide;
        TRY(check_number(j, c, s));
        if (!codec__json_is_number(text))
            return fail_value(j, c, "the text is not an integer");
        if (row_decimal_parse(text, &whole, &wide) != 0)
            return fail_value(j, c, "the number is not an integer, or out of range");
        if (wide < min || wide > max)
            return fail_value(j, c, "the number is out of range");
        v = (int64_t)wide;
    }
    if (v < min || v > max)
        return fail_value(j, c, "the number is out of range");
    *ret = v;
    return 0;
}

/* Days since 1970-01-01 of "YYYY-MM-DD" in the Gregorian calendar; false: no such day. */
static bool read_iso_date(struct slice text, int64_t *ret)
{
    static const uint8_t days_of[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int parts[3] = {0};
    for (size_t i = 0, part = 0; i < text.len; i++) {
        if (i == 4 || i == 7) {
            part++;
            if (text.data[i] != '-')
                return false;
            continue;
        }
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        parts[part] = parts[part] * 10 + (text.data[i] - '0');
    }
    int year = parts[0], month = parts[1], day = parts[2];
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    if (day > days_of[month - 1] + (month == 2 && leap))
        return false;
    /* Years that begin in March: the leap day is the last one. 719468 days from 0000-03-01 to 1970.
     * */
    int from_march = (month + 9) % 12, y = year - (month <= 2);
    *ret = 365LL * y + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 + day - 1 - 719468;
    return true;
}

static int read_float(struct codec__json *j, const struct row_column *c, const struct scalar *s,
                      struct row_value *v)
{
    double special = slice_eq(s->text, slice_str("NaN"))         ? (double)NAN
                     : slice_eq(s->text, slice_str("Infinity"))  ? (double)INFINITY
                     : slice_eq(s->text, slice_str("-Infinity")) ? -(double)INFINITY
                                                                 : 0;
    bool is_float = c->type == ROW_FLOAT;
    if (s->quoted && special != 0) {
        if (is_float)
            v->f32 = (float)special;
        else
            v->f64 = special;
        return 0;
    }
    int r = is_float ? codec__number_f32(s->text, &v->f32) : codec__number_f64(s->text, &v->f64);
    if (r == 0)
        return 0;
    if (s->quoted && !codec__json_is_number(s->text))
        return fail_value(j, c, "the text is not a number, NaN, Infinity or -Infinity");
    TRY(check_number(j, c, s));
    return fail_value(j, c, "the number is out of range");
}

static int read_binary(struct codec__json *j, const struct row_column *c, struct slice text,
                       struct row_value *v)
{
    /* Escaped text stands there already: the same room, and base64 only shrinks. */
    uint8_t *to = buf_reserve(j->scratch, CODEC__SCRATCH_GAP + text.len) + CODEC__SCRATCH_GAP;
    size_t len;
    if (!codec__base64_decode(text, to, &len))
        return fail_value(j, c, "the text is not base64");
    v->bytes = slice_of(to, len);
    return 0;
}

static int read_date_or_time(struct codec__json *j, const struct row_column *c,
                             const struct scalar *s, struct row_value *v)
{
    bool is_text = s->quoted && !codec__json_is_number(s->text);
    if (is_text && c->type == ROW_DATE) {
        if (s->text.len == 10 && read_iso_date(s->text, &v->i64))
            return 0;
        return fail_value(j, c,
                          "the text is neither YYYY-MM-DD nor a number of days since 1970-01-01");
    }
    if (is_text)
        return fail_value(
            j, c, "a timestamp is a whole number of microseconds since 1970-01-01, not a text");
    return read_integer(j, c, s, &v->i64);
}

static int read_boolean(struct codec__json *j, const struct row_column *c, struct row_value *v)
{
    v->boolean = codec__json_literal(j, "true");
    if (v->boolean || codec__json_literal(j, "false"))
        return 0;
    return fail_value(j, c, "true or false is expected");
}

int codec__json_value(struct codec__json *j, const struct row_column *c, struct row_value *v)
{
    codec__json_space(j);
    j->value = j->p;
    v->null = j->p < j->end && *j->p == 'n' && codec__json_literal(j, "null");
    if (v->null)
        return 0;
    if (c->type == ROW_BOOLEAN)
        return read_boolean(j, c, v);
    struct scalar s;
    TRY(read_scalar(j, c, &s));
    switch (c->type) {
    case ROW_STRING:
        v->bytes = s.text;
        return s.quoted ? 0 : fail_value(j, c, "a text in quotes is expected, not a number");
    case ROW_BINARY:
        return s.quoted ? read_binary(j, c, s.text, v)
                        : fail_value(j, c, "base64 text in quotes is expected, not a number");
    case ROW_DECIMAL:
        TRY(check_number(j, c, &s));
        if (row_decimal_parse(s.text, c, &v->decimal) == 0)
            return 0;
        return fail_value(j, c, "the value is not such a decimal; it would not be rounded");
    case ROW_FLOAT:
    case ROW_DOUBLE: return read_float(j, c, &s, v);
    case ROW_DATE:
    case ROW_TIMESTAMP:
    case ROW_TIMESTAMP_NTZ: return read_date_or_time(j, c, &s, v);
    default: return read_integer(j, c, &s, &v->i64);
    }
}
