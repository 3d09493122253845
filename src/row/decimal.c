/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decimals as text ↔ unscaled 128-bit integers, exactly. Text: [+-] digits [. digits] [e [+-]
 * digits], with a digit on at least one side of the point. A value that would need rounding is
 * refused. Thread: any.
 */
#include "row_priv.h"

#include "base/limits.h"
#include "base/must.h"

#define SHORT_DIGITS_MAX 19 /* of any digits, in 64 bits */

row_i128 row_pow10(unsigned exponent)
{
    static const uint64_t small[] = {1u,
                                     10u,
                                     100u,
                                     1000u,
                                     10000u,
                                     100000u,
                                     1000000u,
                                     10000000u,
                                     100000000u,
                                     1000000000u,
                                     10000000000u,
                                     100000000000u,
                                     1000000000000u,
                                     10000000000000u,
                                     100000000000000u,
                                     1000000000000000u,
                                     10000000000000000u,
                                     100000000000000000u,
                                     1000000000000000000u,
                                     10000000000000000000u};
    must(exponent <= DECIMAL_DIGITS_MAX);
    return exponent < 20 ? (row_i128)small[exponent]
                         : (row_i128)small[19] * (row_i128)small[exponent - 19];
}

/* What a decimal text says: ±mantissa × 10^exponent. */
struct parts {
    bool negative;
    row_i128 mantissa; /* at most 38 digits */
    int64_t exponent;
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* "e+12" at @p up to @end. Beyond ±1000000 the size no longer matters. */
static bool read_exponent(const uint8_t *p, const uint8_t *end, int64_t *ret)
{
    p++;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end)
        return false;
    int64_t v = 0;
    for (; p < end; p++) {
        if (!is_digit(*p))
            return false;
        if (v < 1000000)
            v = v * 10 + (*p - '0');
    }
    *ret = negative ? -v : v;
    return true;
}

/* Zeros are counted and taken in only when a digit follows, so that "1.000…0" has one digit. */
static bool read_parts(struct slice text, struct parts *m)
{
    const uint8_t *p = text.data, *end = p + text.len;
    *m = (struct parts){.negative = p < end && *p == '-'};
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    bool point = false, any = false;
    unsigned digits = 0;
    int64_t zeros = 0, behind = 0, exponent = 0;
    for (; p < end && (is_digit(*p) || (*p == '.' && !point)); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        any = true;
        behind += point;
        if (*p == '0') {
            zeros += digits > 0;
            continue;
        }
        if (digits + (uint64_t)zeros + 1 > DECIMAL_DIGITS_MAX)
            return false;
        digits += (unsigned)zeros + 1;
        for (; zeros > 0; zeros--)
            m->mantissa *= 10;
        m->mantissa = m->mantissa * 10 + (*p - '0');
    }
    if (!any)
        return false;
    if (p < end && ((*p != 'e' && *p != 'E') || !read_exponent(p, end, &exponent)))
        return false;
    m->exponent = zeros - behind + exponent;
    return true;
}

/* The usual text: a minus perhaps, at most 19 digits, no exponent; without a 128-bit division.
 * False: it is none of these, or does not fit as it stands, and the long way decides. */
static bool read_short(struct slice text, const struct row_column *c, row_i128 *ret_value)
{
    const uint8_t *p = text.data, *end = p + text.len;
    bool negative = p < end && *p == '-', point = false;
    p += negative;
    unsigned digits = 0, behind = 0;
    uint64_t v = 0;
    if (end - p > 1 + SHORT_DIGITS_MAX)
        return false;
    for (; p < end; p++) {
        if (*p == '.' && !point) {
            point = true;
            continue;
        }
        if (!is_digit(*p) || ++digits > SHORT_DIGITS_MAX)
            return false;
        v = v * 10 + (*p - '0');
        behind += point;
    }
    if (digits == 0 || behind > c->scale || digits + c->scale - behind > DECIMAL_DIGITS_MAX)
        return false;
    row_i128 whole = (row_i128)v * row_pow10(c->scale - behind);
    if (whole >= row_pow10(c->precision))
        return false;
    *ret_value = negative ? -whole : whole;
    return true;
}

int row_decimal_parse(struct slice text, const struct row_column *c, row_i128 *ret_value)
{
    struct parts m;
    if (text.len == 0)
        return ERR_INVALID;
    if (likely(read_short(text, c, ret_value)))
        return 0;
    if (!read_parts(text, &m))
        return ERR_INVALID;
    if (m.mantissa == 0) {
        *ret_value = 0;
        return 0;
    }
    int64_t up = m.exponent + c->scale;
    if (up < 0 || up > DECIMAL_DIGITS_MAX)
        return ERR_INVALID;
    row_i128 limit = row_pow10(c->precision), factor = row_pow10((unsigned)up);
    if (m.mantissa > (limit - 1) / factor)
        return ERR_INVALID;
    row_i128 v = m.mantissa * factor;
    *ret_value = m.negative ? -v : v;
    return 0;
}

void row_decimal_format(row_i128 v, uint8_t scale, struct buf *out)
{
    unsigned __int128 left = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
    char text[48];
    unsigned at = sizeof(text), digits = 0;
    must(scale <= DECIMAL_DIGITS_MAX);
    while (left > 0 || digits <= scale) {
        if (digits == scale && scale > 0)
            text[--at] = '.';
        text[--at] = (char)('0' + (unsigned)(left % 10));
        left /= 10;
        digits++;
    }
    if (v < 0)
        text[--at] = '-';
    must(at < sizeof(text)); /* 39 digits, sign and point at most: a bound that gcc sees */
    buf_add(out, text + at, sizeof(text) - at);
}
