/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One JSON object, read front to back, once. A flat row has no value that nests, so the reader
 * never goes deeper than one level: an object or an array where a column's value should be is
 * refused.
 *
 * Text without escapes is borrowed from the input; other text is unescaped into the scratch buffer,
 * 32 bytes behind its length, where the room is reserved first: a caller who appends the value to
 * that very buffer overwrites it from the front and never catches up.
 *
 * I1  Outside of strings only ASCII passes (by the grammar); inside, text is checked to be UTF-8.
 * Thread: any.
 */
#include "codec_priv.h"

#include "row/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SCRATCH_GAP 32

void codec__json_init(struct codec__json *j, struct slice text, struct buf *scratch, struct err *e)
{
    if (text.len == 0)
        text = slice_str("");
    *j = (struct codec__json){text.data, text.data, text.data, text.data + text.len, e, scratch};
}

int codec__json_fail(struct codec__json *j, const char *fmt, ...)
{
    char sentence[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(sentence, sizeof(sentence), fmt, args); /* cut at the limit on purpose */
    va_end(args);
    return err_set(j->e, ERR_INVALID, "JSON, byte %zu: %s", (size_t)(j->p - j->start), sentence);
}

static void skip_space(struct codec__json *j)
{
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\t' || *j->p == '\r'))
        j->p++;
}

static inline bool take(struct codec__json *j, char c)
{
    if (likely(j->p < j->end && *j->p == (uint8_t)c)) {
        j->p++;
        return true;
    }
    skip_space(j);
    if (j->p == j->end || *j->p != (uint8_t)c)
        return false;
    j->p++;
    return true;
}

/* ---- strings ---- */

/* The first quote, backslash or control character at or after @p; @end when there is none. */
static const uint8_t *find_special(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(_mm_max_epu8(v, control), control));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask != 0)
            return p + __builtin_ctz(mask);
    }
#endif
    while (p < end && *p != '"' && *p != '\\' && *p >= 0x20)
        p++;
    return p;
}

static int read_hex4(struct codec__json *j, uint32_t *ret)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = j->p < j->end ? *j->p : 0, lower = c | 0x20;
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            v = v << 4 | (uint32_t)(lower - 'a' + 10);
        else
            return codec__json_fail(j, "four hexadecimal digits are expected after \\u");
        j->p++;
    }
    *ret = v;
    return 0;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (uint8_t)c;
        return to;
    }
    if (c < 0x800) {
        *to++ = (uint8_t)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *to++ = (uint8_t)(0xe0 | c >> 12);
        } else {
            *to++ = (uint8_t)(0xf0 | c >> 18);
            *to++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        }
        *to++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    }
    *to++ = (uint8_t)(0x80 | (c & 0x3f));
    return to;
}

/* Behind "\u". */
static int read_code_point(struct codec__json *j, uint32_t *ret)
{
    uint32_t c, low;
    TRY(read_hex4(j, &c));
    if (c >= 0xdc00 && c <= 0xdfff)
        return codec__json_fail(j, "a low surrogate stands alone");
    if (c >= 0xd800 && c <= 0xdbff) {
        if (j->end - j->p < 2 || j->p[0] != '\\' || j->p[1] != 'u')
            return codec__json_fail(j, "a high surrogate stands alone");
        j->p += 2;
        TRY(read_hex4(j, &low));
        if (low < 0xdc00 || low > 0xdfff)
            return codec__json_fail(j, "a high surrogate stands alone");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    *ret = c;
    return 0;
}

/* Behind the backslash. */
static int read_escape(struct codec__json *j, uint8_t **to)
{
    uint32_t c;
    if (j->p == j->end)
        return codec__json_fail(j, "the text is not closed");
    switch (*j->p++) {
    case '"': c = '"'; break;
    case '\\': c = '\\'; break;
    case '/': c = '/'; break;
    case 'b': c = '\b'; break;
    case 'f': c = '\f'; break;
    case 'n': c = '\n'; break;
    case 'r': c = '\r'; break;
    case 't': c = '\t'; break;
    case 'u': TRY(read_code_point(j, &c)); break;
    default: j->p--; return codec__json_fail(j, "this escape is unknown");
    }
    *to = put_utf8(*to, c);
    return 0;
}

static int fail_in_string(struct codec__json *j)
{
    if (j->p == j->end)
        return codec__json_fail(j, "the text is not closed");
    return codec__json_fail(j, "a control character must be written as an escape");
}

/* @from: the text's first byte; j->p: its first backslash. Unescaped text is never longer. */
static int unescape(struct codec__json *j, const uint8_t *from, struct slice *ret)
{
    uint8_t *to = buf_reserve(j->scratch, SCRATCH_GAP + (size_t)(j->end - from)) + SCRATCH_GAP;
    uint8_t *start = to;
    for (;;) {
        size_t run = (size_t)(j->p - from);
        memcpy(to, from, run);
        to += run;
        if (j->p < j->end && *j->p == '"')
            break;
        if (j->p == j->end || *j->p != '\\')
            return fail_in_string(j);
        j->p++;
        TRY(read_escape(j, &to));
        from = j->p;
        j->p = find_special(j->p, j->end);
    }
    j->p++;
    *ret = slice_of(start, (size_t)(to - start));
    return 0;
}

/* Behind the opening quote, to behind the closing one. */
static int read_string(struct codec__json *j, struct slice *ret)
{
    const uint8_t *from = j->p;
    j->p = find_special(from, j->end);
    if (likely(j->p < j->end && *j->p == '"')) {
        *ret = slice_of(from, (size_t)(j->p - from));
        j->p++;
    } else if (j->p < j->end && *j->p == '\\') {
        TRY(unescape(j, from, ret));
    } else {
        return fail_in_string(j);
    }
    if (likely(row_utf8_ok(*ret)))
        return 0;
    j->p = from;
    return codec__json_fail(j, "the text is not valid UTF-8");
}

/* ---- the object ---- */

int codec__json_open(struct codec__json *j)
{
    if (take(j, '{'))
        return 0;
    return codec__json_fail(j, j->p == j->end ? "the record is empty"
                                              : "a record must be a JSON object");
}

int codec__json_key(struct codec__json *j, struct slice *ret_key)
{
    bool is_first = j->p[-1] == '{';
    bool comma = !is_first && take(j, ',');
    if (!comma && take(j, '}')) {
        skip_space(j);
        if (j->p != j->end)
            return codec__json_fail(j, "the object has ended, but more follows");
        return 0;
    }
    if (!is_first && !comma)
        return codec__json_fail(j, "a comma or a closing brace is expected");
    if (!take(j, '"'))
        return codec__json_fail(j, "a column name in quotes is expected");
    TRY(read_string(j, ret_key));
    if (!take(j, ':'))
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

static bool take_literal(struct codec__json *j, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(j->end - j->p) < len || memcmp(j->p, word, len) != 0)
        return false;
    j->p += len;
    return true;
}

/* A run of number characters; whether it is a number is settled by whoever reads it. */
static struct slice take_number(struct codec__json *j)
{
    const uint8_t *from = j->p;
    while (j->p < j->end && ((*j->p >= '0' && *j->p <= '9') || *j->p == '-' || *j->p == '+' ||
                             *j->p == '.' || (*j->p | 0x20) == 'e'))
        j->p++;
    return slice_of(from, (size_t)(j->p - from));
}

/* Does @text have the form of a JSON number? (Values that only look like one are refused.) */
static bool is_number(struct slice text)
{
    const uint8_t *p = text.data, *end = p + text.len;
    p += p < end && *p == '-';
    const uint8_t *whole = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    if (p == whole || (*whole == '0' && p - whole > 1))
        return false;
    if (p < end && *p == '.') {
        const uint8_t *behind = ++p;
        while (p < end && *p >= '0' && *p <= '9')
            p++;
        if (p == behind)
            return false;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        p += p < end && (*p == '-' || *p == '+');
        const uint8_t *digits = p;
        while (p < end && *p >= '0' && *p <= '9')
            p++;
        if (p == digits)
            return false;
    }
    return p == end;
}

/* A number in quotes need not be one of JSON's ("+1", ".5"); outside of them it must. */
static int check_number(struct codec__json *j, const struct row_column *c, const struct scalar *s)
{
    return s->quoted || is_number(s->text) ? 0 : fail_value(j, c, "malformed number");
}

static int read_scalar(struct codec__json *j, const struct row_column *c, struct scalar *ret)
{
    uint8_t first = j->p < j->end ? *j->p : 0;
    if (first == '"') {
        j->p++;
        ret->quoted = true;
        return read_string(j, &ret->text);
    }
    if (first == '{' || first == '[')
        return fail_value(j, c,
                          first == '{' ? "an object does not fit the column"
                                       : "an array does not fit the column");
    if (first == '-' || (first >= '0' && first <= '9')) {
        ret->quoted = false;
        ret->text = take_number(j);
        return 0;
    }
    if (take_literal(j, "true") || take_literal(j, "false"))
        return fail_value(j, c, "true and false do not fit the column");
    return fail_value(j, c, "a JSON value is expected");
}

/* Digits with an optional minus, up to 18 of them: nearly all integers. */
static bool read_plain_integer(struct slice text, int64_t *ret)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    size_t i = negative;
    if (text.len == i || text.len - i > 18 || (text.data[i] == '0' && text.len - i > 1))
        return false;
    int64_t v = 0;
    for (; i < text.len; i++) {
        unsigned digit = text.data[i] - '0';
        if (digit > 9)
            return false;
        v = v * 10 + (int64_t)digit;
    }
    *ret = negative ? -v : v;
    return true;
}

/* Also 1.0 and 1e3, when they are whole. */
static int read_integer(struct codec__json *j, const struct row_column *c, const struct scalar *s,
                        int64_t *ret)
{
    struct slice text = s->text;
    int64_t min, max, v;
    codec__range(c->type, &min, &max);
    if (!read_plain_integer(text, &v)) {
        const struct row_column whole = {.type = ROW_DECIMAL, .precision = DECIMAL_DIGITS_MAX};
        row_i128 wide;
        TRY(check_number(j, c, s));
        if (!is_number(text))
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
    if (s->quoted && !is_number(s->text))
        return fail_value(j, c, "the text is not a number, NaN, Infinity or -Infinity");
    TRY(check_number(j, c, s));
    return fail_value(j, c, "the number is out of range");
}

static int read_binary(struct codec__json *j, const struct row_column *c, struct slice text,
                       struct row_value *v)
{
    /* Escaped text stands there already: the same room, and base64 only shrinks. */
    uint8_t *to = buf_reserve(j->scratch, SCRATCH_GAP + text.len) + SCRATCH_GAP;
    size_t len;
    if (!codec__base64_decode(text, to, &len))
        return fail_value(j, c, "the text is not base64");
    v->bytes = slice_of(to, len);
    return 0;
}

static int read_date_or_time(struct codec__json *j, const struct row_column *c,
                             const struct scalar *s, struct row_value *v)
{
    bool is_text = s->quoted && !is_number(s->text);
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
    v->boolean = take_literal(j, "true");
    if (v->boolean || take_literal(j, "false"))
        return 0;
    return fail_value(j, c, "true or false is expected");
}

int codec__json_value(struct codec__json *j, const struct row_column *c, struct row_value *v)
{
    skip_space(j);
    j->value = j->p;
    v->null = j->p < j->end && *j->p == 'n' && take_literal(j, "null");
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
