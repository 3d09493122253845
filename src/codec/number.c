/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON numbers → float and double, correctly rounded; base64 there and back.
 *
 * Numbers: with few digits and a small power of ten, one multiplication or division gives the
 * correctly rounded result, as both operands are exact; with up to 19 digits one in 80-bit format
 * nearly always does; all else goes to strtod, which sees a terminated copy. Thread: any.
 */
#include "codec_priv.h"

#include "base/mem.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* ±mantissa × 10^exponent; @exact: the mantissa holds all digits. */
struct number {
    bool negative, exact;
    uint64_t mantissa;
    int exponent;
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static const uint8_t *read_digits(const uint8_t *p, const uint8_t *end, struct number *n,
                                  unsigned *count)
{
    for (; p < end && is_digit(*p); p++) {
        if (n->mantissa > (UINT64_MAX - 9) / 10)
            n->exact = false;
        else
            n->mantissa = n->mantissa * 10 + (*p - '0');
        ++*count;
    }
    return p;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? and nothing behind it. */
static bool read_number(struct slice text, struct number *n)
{
    const uint8_t *p = text.data, *end = p + text.len;
    *n = (struct number){.exact = true, .negative = p < end && *p == '-'};
    p += n->negative;
    bool zero = p < end && *p == '0';
    unsigned whole = 0, behind = 0, digits = 0;
    p = read_digits(p, end, n, &whole);
    if (whole == 0 || (zero && whole > 1))
        return false;
    if (p < end && *p == '.') {
        p = read_digits(p + 1, end, n, &behind);
        if (behind == 0)
            return false;
    }
    struct number exponent = {.exact = true};
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        exponent.negative = p < end && *p == '-';
        p += p < end && (*p == '-' || *p == '+');
        p = read_digits(p, end, &exponent, &digits);
        if (digits == 0)
            return false;
    }
    if (exponent.mantissa > 1000 || behind > 1000)
        n->exact = false;
    else
        n->exponent = (exponent.negative ? -1 : 1) * (int)exponent.mantissa - (int)behind;
    return p == end;
}

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* A terminated copy of @text: in @room, or in *ret_heap when it is absurdly long. */
static const char *terminated(struct slice text, char room[64], char **ret_heap)
{
    if (text.len >= 64)
        return *ret_heap = mem_strndup((const char *)text.data, text.len);
    memcpy(room, text.data, text.len);
    room[text.len] = '\0';
    return room;
}

static double slow_f64(struct slice text)
{
    char room[64];
    _cleanup_(mem_freep) char *heap = NULL;
    return strtod(terminated(text, room, &heap), NULL);
}

static float slow_f32(struct slice text)
{
    char room[64];
    _cleanup_(mem_freep) char *heap = NULL;
    return strtof(terminated(text, room, &heap), NULL);
}

/*
 * A mantissa of up to 64 bits and a power of ten up to 10^27 are exact in the x87's 80-bit format,
 * so one operation there is off by at most half a unit of its last place. Unless the bits that are
 * about to be cut lie within one unit of the half, rounding the result to @bits is the right
 * rounding.
 */
static bool read_wide(const struct number *n, unsigned bits, long double *ret)
{
#if LDBL_MANT_DIG == 64
    if (!n->exact || n->exponent < -27 || n->exponent > 27 || n->mantissa == 0)
        return false;
    long double power = 1, v = (long double)n->mantissa;
    unsigned size = (unsigned)(n->exponent < 0 ? -n->exponent : n->exponent);
    power = (long double)powers[size > 22 ? 22 : size];
    if (size > 22)
        power *= (long double)powers[size - 22];
    v = n->exponent < 0 ? v / power : v * power;
    uint64_t significand;
    memcpy(&significand, &v, sizeof(significand));
    uint64_t half = 1ull << (63 - bits), cut = significand & (2 * half - 1);
    if (cut + 1 >= half && cut <= half + 1)
        return false;
    *ret = n->negative ? -v : v;
    return true;
#else
    (void)n, (void)bits, (void)ret;
    return false;
#endif
}

int codec__number_f64(struct slice text, double *ret)
{
    struct number n;
    if (!read_number(text, &n))
        return ERR_INVALID;
    double v = (double)n.mantissa;
    if (n.exact && n.mantissa <= 1ull << 53 && n.exponent >= -22 && n.exponent <= 22) {
        v = n.exponent < 0 ? v / powers[-n.exponent] : v * powers[n.exponent];
        *ret = n.negative ? -v : v;
        return 0;
    }
    long double wide;
    v = read_wide(&n, 53, &wide) ? (double)wide : slow_f64(text);
    if (!isfinite(v))
        return ERR_INVALID;
    *ret = v;
    return 0;
}

int codec__number_f32(struct slice text, float *ret)
{
    struct number n;
    if (!read_number(text, &n))
        return ERR_INVALID;
    float v = (float)n.mantissa;
    if (n.exact && n.mantissa <= 1u << 24 && n.exponent >= -10 && n.exponent <= 10) {
        v = n.exponent < 0 ? v / (float)powers[-n.exponent] : v * (float)powers[n.exponent];
        *ret = n.negative ? -v : v;
        return 0;
    }
    long double wide;
    v = read_wide(&n, 24, &wide) ? (float)wide : slow_f32(text);
    if (!isfinite(v))
        return ERR_INVALID;
    *ret = v;
    return 0;
}

/* ---- base64 (RFC 4648) ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void codec__base64_add(struct buf *out, struct slice bytes)
{
    if (bytes.len == 0)
        return;
    uint8_t *to = buf_reserve(out, (bytes.len + 2) / 3 * 4);
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t v = (uint32_t)bytes.data[i] << 16;
        if (left > 1)
            v |= (uint32_t)bytes.data[i + 1] << 8;
        if (left > 2)
            v |= bytes.data[i + 2];
        *to++ = (uint8_t)alphabet[v >> 18];
        *to++ = (uint8_t)alphabet[v >> 12 & 63];
        *to++ = left > 1 ? (uint8_t)alphabet[v >> 6 & 63] : '=';
        *to++ = left > 2 ? (uint8_t)alphabet[v & 63] : '=';
    }
    out->len += (bytes.len + 2) / 3 * 4;
}

/* 0..63, or -1. */
static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (is_digit(c))
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool codec__base64_decode(struct slice text, uint8_t *to, size_t *ret_len)
{
    size_t len = text.len;
    if (len % 4 == 0)
        for (int i = 0; i < 2 && len > 0 && text.data[len - 1] == '='; i++)
            len--;
    if (len % 4 == 1)
        return false;
    uint32_t v = 0;
    uint8_t *start = to;
    for (size_t i = 0; i < len; i++) {
        int digit = base64_digit(text.data[i]);
        if (digit < 0)
            return false;
        v = v << 6 | (uint32_t)digit;
        if (i % 4 == 3) {
            *to++ = (uint8_t)(v >> 16);
            *to++ = (uint8_t)(v >> 8);
            *to++ = (uint8_t)v;
        }
    }
    if (len % 4 >= 2)
        *to++ = (uint8_t)(v >> (len % 4 == 2 ? 4 : 10));
    if (len % 4 == 3)
        *to++ = (uint8_t)(v >> 2);
    *ret_len = (size_t)(to - start);
    return true;
}
