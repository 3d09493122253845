/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as a row's reader meets it: the keys of an object, and the values of flat columns. Tokens:
 * json_priv.h. What nests: json_row.c. Thread: any.
 */
#include "codec_priv.h"

#include <math.h>

/* ---- objects ---- */

int codec__json_open(struct codec__json *j)
{
    if (codec__json_take(j, '{'))
        return 0;
    if (j->place != NULL)
        return codec__json_fail(j, "an object is expected");
    return codec__json_fail(j, j->p == j->end ? "the record is empty"
                                              : "a record must be a JSON object");
}

int codec__json_key(struct codec__json *j, struct slice *ret_key)
{
    bool is_first = j->p[-1] == '{';
    bool comma = !is_first && codec__json_take(j, ',');
    if (!comma && codec__json_take(j, '}'))
        return 0;
    if (!is_first && !comma)
        return codec__json_fail(j, "a comma or a closing brace is expected");
    if (!codec__json_take(j, '"'))
        return codec__json_fail(j, "a name in quotes is expected");
    j->value = j->p - 1;
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

int codec__json_fail_value(struct codec__json *j, const struct row_column *c, const char *reason)
{
    j->p = j->value;
    return codec__json_fail_at(j, " (%s): %s", codec__type_text(c).text, reason);
}

/* A number in quotes need not be one of JSON's ("+1", ".5"); outside of them it must. */
static int check_number(struct codec__json *j, const struct row_column *c, const struct scalar *s)
{
    return s->quoted || codec__json_is_number(s->text)
               ? 0
               : codec__json_fail_value(j, c, "malformed number");
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
        return codec__json_fail_value(j, c,
                                      first == '{' ? "an object does not fit the column"
                                                   : "an array does not fit the column");
    if (first == '-' || (first >= '0' && first <= '9')) {
        ret->quoted = false;
        ret->text = codec__json_number(j);
        return 0;
    }
    if (codec__json_literal(j, "true") || codec__json_literal(j, "false"))
        return codec__json_fail_value(j, c, "true and false do not fit the column");
    return codec__json_fail_value(j, c, "a JSON value is expected");
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
            return codec__json_fail_value(j, c, "the text is not an integer");
        if (row_decimal_parse(text, &whole, &wide) != 0)
            return codec__json_fail_value(j, c, "the number is not an integer, or out of range");
        if (wide < min || wide > max)
            return codec__json_fail_value(j, c, "the number is out of range");
        v = (int64_t)wide;
    }
    if (v < min || v > max)
        return codec__json_fail_value(j, c, "the number is out of range");
    *ret = v;
    return 0;
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
        return codec__json_fail_value(j, c, "the text is not a number, NaN, Infinity or -Infinity");
    TRY(check_number(j, c, s));
    return codec__json_fail_value(j, c, "the number is out of range");
}

static int read_binary(struct codec__json *j, const struct row_column *c, struct slice text,
                       struct row_value *v)
{
    /* Escaped text stands there already: the same room, and base64 only shrinks. */
    uint8_t *to = buf_reserve(j->scratch, CODEC__SCRATCH_GAP + text.len) + CODEC__SCRATCH_GAP;
    size_t len;
    if (!codec__base64_decode(text, to, &len))
        return codec__json_fail_value(j, c, "the text is not base64");
    v->bytes = slice_of(to, len);
    return 0;
}

static int read_date(struct codec__json *j, const struct row_column *c, const struct scalar *s,
                     int64_t *ret)
{
    if (!s->quoted || codec__json_is_number(s->text))
        return read_integer(j, c, s, ret);
    if (codec__iso_date(s->text, ret))
        return 0;
    return codec__json_fail_value(
        j, c, "the text is neither YYYY-MM-DD nor a number of days since 1970-01-01");
}

static int read_timestamp(struct codec__json *j, const struct row_column *c, const struct scalar *s,
                          int64_t *ret)
{
    if (!s->quoted || codec__json_is_number(s->text))
        return read_integer(j, c, s, ret);
    const char *wrong =
        "a timestamp is a whole number of microseconds since 1970-01-01, not a text";
    if (j->iso8601)
        wrong = codec__iso_timestamp(s->text, c->type == ROW_TIMESTAMP, ret);
    return wrong == NULL ? 0 : codec__json_fail_value(j, c, wrong);
}

static int read_boolean(struct codec__json *j, const struct row_column *c, struct row_value *v)
{
    v->boolean = codec__json_literal(j, "true");
    if (v->boolean || codec__json_literal(j, "false"))
        return 0;
    return codec__json_fail_value(j, c, "true or false is expected");
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
        return s.quoted
                   ? 0
                   : codec__json_fail_value(j, c, "a text in quotes is expected, not a number");
    case ROW_BINARY:
        return s.quoted ? read_binary(j, c, s.text, v)
                        : codec__json_fail_value(j, c,
                                                 "base64 text in quotes is expected, not a number");
    case ROW_DECIMAL:
        TRY(check_number(j, c, &s));
        if (row_decimal_parse(s.text, c, &v->decimal) == 0)
            return 0;
        return codec__json_fail_value(j, c,
                                      "the value is not such a decimal; it would not be rounded");
    case ROW_FLOAT:
    case ROW_DOUBLE: return read_float(j, c, &s, v);
    case ROW_DATE: return read_date(j, c, &s, &v->i64);
    case ROW_TIMESTAMP:
    case ROW_TIMESTAMP_NTZ: return read_timestamp(j, c, &s, &v->i64);
    default: return read_integer(j, c, &s, &v->i64);
    }
}

int codec__json_map_key(struct codec__json *j, const struct row_column *c, struct slice text,
                        struct row_value *ret_key)
{
    const struct scalar s = {text, true};
    ret_key->null = false;
    if (c->type == ROW_STRING) {
        ret_key->bytes = text;
        return 0;
    }
    if (c->type != ROW_BOOLEAN)
        return read_integer(j, c, &s, &ret_key->i64);
    ret_key->boolean = slice_eq(text, slice_str("true"));
    if (ret_key->boolean || slice_eq(text, slice_str("false")))
        return 0;
    return codec__json_fail_value(j, c, "the key is neither true nor false");
}
