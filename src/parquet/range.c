/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Minimum and maximum in the order that Parquet gives a type (TYPE_ORDER): numbers as numbers,
 * bytes unsigned, big-endian decimals signed. NaN never takes part; a zero minimum is written as
 * -0.0 and a zero maximum as +0.0, since readers may not tell them apart.
 */
#include "parquet_priv.h"

#include "base/bits.h"
#include "base/must.h"

#include <math.h>

/* ---- scanning ---- */

#define DEFINE_SCAN_INT(name, type)                                                                \
    static void name(struct parquet_range *r, const uint8_t *fixed, uint32_t begin, uint32_t end)  \
    {                                                                                              \
        const type *v = (const type *)(const void *)fixed;                                         \
        type min = v[begin], max = v[begin];                                                       \
        for (uint32_t i = begin + 1; i < end; i++) {                                               \
            min = v[i] < min ? v[i] : min;                                                         \
            max = v[i] > max ? v[i] : max;                                                         \
        }                                                                                          \
        *r = (struct parquet_range){.has = true, .min.i = min, .max.i = max};                      \
    }

#define DEFINE_SCAN_FLOAT(name, type)                                                              \
    static void name(struct parquet_range *r, const uint8_t *fixed, uint32_t begin, uint32_t end)  \
    {                                                                                              \
        const type *v = (const type *)(const void *)fixed;                                         \
        type min = (type)INFINITY, max = -(type)INFINITY;                                          \
        uint32_t nan_count = 0;                                                                    \
        for (uint32_t i = begin; i < end; i++) {                                                   \
            min = v[i] < min ? v[i] : min;                                                         \
            max = v[i] > max ? v[i] : max;                                                         \
            nan_count += v[i] != v[i];                                                             \
        }                                                                                          \
        *r = (struct parquet_range){.has = nan_count<end - begin, .has_nan = nan_count> 0};        \
        r->min.d = (double)min;                                                                    \
        r->max.d = (double)max;                                                                    \
    }

DEFINE_SCAN_INT(scan_u8, uint8_t)
DEFINE_SCAN_INT(scan_i32, int32_t)
DEFINE_SCAN_INT(scan_i64, int64_t)
DEFINE_SCAN_FLOAT(scan_f32, float)
DEFINE_SCAN_FLOAT(scan_f64, double)

/* The first 8 bytes as a number of the same order; shorter strings are filled up with zeros. */
static inline uint64_t prefix_of(const uint8_t *p, uint32_t len)
{
    if (likely(len >= 8))
        return get_be64(p);
    uint64_t v = 0;
    for (uint32_t i = 0; i < len; i++)
        v |= (uint64_t)p[i] << (56 - 8 * i);
    return v;
}

/* Most strings are told apart from the present bounds by their prefixes. */
static void scan_bytes(struct parquet_range *r, const struct parquet_data *data, uint32_t begin,
                       uint32_t end)
{
    const uint32_t *at = data->offsets;
    struct slice min = slice_of(data->bytes + at[begin], at[begin + 1] - at[begin]);
    struct slice max = min;
    uint64_t min_prefix = prefix_of(min.data, (uint32_t)min.len);
    uint64_t max_prefix = min_prefix;
    for (uint32_t i = begin + 1; i < end; i++) {
        struct slice v = slice_of(data->bytes + at[i], at[i + 1] - at[i]);
        uint64_t prefix = prefix_of(v.data, (uint32_t)v.len);
        if (prefix < min_prefix || (prefix == min_prefix && slice_cmp(v, min) < 0)) {
            min = v;
            min_prefix = prefix;
        }
        if (prefix > max_prefix || (prefix == max_prefix && slice_cmp(v, max) > 0)) {
            max = v;
            max_prefix = prefix;
        }
    }
    *r = (struct parquet_range){.has = true, .min.s = min, .max.s = max};
}

static int decimal_cmp(struct slice a, struct slice b)
{
    int first = (int)(int8_t)a.data[0] - (int)(int8_t)b.data[0];
    return first != 0 ? first : memcmp(a.data, b.data, a.len);
}

static void scan_decimals(struct parquet_range *r, const uint8_t *fixed, uint32_t width,
                          uint32_t begin, uint32_t end)
{
    struct slice min = slice_of(fixed + (size_t)begin * width, width);
    struct slice max = min;
    for (uint32_t i = begin + 1; i < end; i++) {
        struct slice v = slice_of(fixed + (size_t)i * width, width);
        if (decimal_cmp(v, min) < 0)
            min = v;
        else if (decimal_cmp(v, max) > 0)
            max = v;
    }
    *r = (struct parquet_range){.has = true, .min.s = min, .max.s = max};
}

void parquet__range_scan(struct parquet_range *ret_range, const struct parquet_leaf *leaf,
                         const struct parquet_data *data, uint32_t begin, uint32_t end)
{
    *ret_range = (struct parquet_range){.has = false};
    if (begin == end)
        return;
    switch (leaf->physical) {
    case PHYS_BOOLEAN: scan_u8(ret_range, data->fixed, begin, end); return;
    case PHYS_INT32: scan_i32(ret_range, data->fixed, begin, end); return;
    case PHYS_INT64: scan_i64(ret_range, data->fixed, begin, end); return;
    case PHYS_FLOAT: scan_f32(ret_range, data->fixed, begin, end); return;
    case PHYS_DOUBLE: scan_f64(ret_range, data->fixed, begin, end); return;
    case PHYS_BYTE_ARRAY: scan_bytes(ret_range, data, begin, end); return;
    case PHYS_FIXED: scan_decimals(ret_range, data->fixed, leaf->width, begin, end); return;
    }
}

/* ---- order ---- */

int parquet__range_cmp(const struct parquet_leaf *leaf, union parquet_bound a,
                       union parquet_bound b)
{
    switch (leaf->physical) {
    case PHYS_FLOAT:
    case PHYS_DOUBLE: return (a.d > b.d) - (a.d < b.d);
    case PHYS_BYTE_ARRAY: return slice_cmp(a.s, b.s);
    case PHYS_FIXED: return decimal_cmp(a.s, b.s);
    default: return (a.i > b.i) - (a.i < b.i);
    }
}

void parquet__range_merge(struct parquet_range *into, const struct parquet_range *from,
                          const struct parquet_leaf *leaf)
{
    into->has_nan = into->has_nan || from->has_nan;
    if (!from->has)
        return;
    if (!into->has || parquet__range_cmp(leaf, from->min, into->min) < 0)
        into->min = from->min;
    if (!into->has || parquet__range_cmp(leaf, from->max, into->max) > 0)
        into->max = from->max;
    into->has = true;
}

/* ---- as bytes ---- */

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The longest prefix of at most @max bytes that ends between two characters. */
static size_t text_prefix(struct slice s, size_t max)
{
    size_t n = max;
    while (n > 0 && is_continuation(s.data[n]))
        n--;
    return n;
}

/* The code point of the well-formed character at @p of @len bytes. */
static uint32_t utf8_decode(const uint8_t *p, size_t len)
{
    uint32_t c = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c;
}

static size_t utf8_encode(uint32_t c, uint8_t *out)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)((0xf00u >> len & 0xf0) | c);
    return len;
}

/* The smallest text of at most @cap bytes that is above all texts starting with the @len bytes at
 * @p: the last character that can is raised, what follows it goes. Returns its length, 0 when
 * there is none. */
static size_t text_round_up(uint8_t *p, size_t len, size_t cap)
{
    while (len > 0) {
        size_t start = len - 1;
        while (start > 0 && is_continuation(p[start]))
            start--;
        size_t char_len = len - start;
        uint32_t c = char_len <= 4 ? utf8_decode(p + start, char_len) + 1 : UINT32_MAX;
        if (c >= 0xd800 && c <= 0xdfff)
            c = 0xe000; /* surrogates are no characters */
        uint8_t next[4];
        size_t next_len = c <= 0x10ffff ? utf8_encode(c, next) : sizeof(next) + cap;
        if (start + next_len <= cap) {
            memcpy(p + start, next, next_len);
            return start + next_len;
        }
        len = start;
    }
    return 0;
}

static size_t bytes_round_up(uint8_t *p, size_t len)
{
    while (len > 0 && p[len - 1] == 0xff)
        len--;
    if (len > 0)
        p[len - 1]++;
    return len;
}

static bool put_bytes(bool text, struct slice s, bool is_max, struct buf *out)
{
    if (s.len <= PARQUET_BOUND_BYTES_MAX) {
        buf_add_slice(out, s);
        return true;
    }
    uint8_t cut[PARQUET_BOUND_BYTES_MAX];
    size_t len = text ? text_prefix(s, sizeof(cut)) : sizeof(cut);
    memcpy(cut, s.data, len);
    if (is_max)
        len = text ? text_round_up(cut, len, sizeof(cut)) : bytes_round_up(cut, len);
    if (is_max && len == 0) { /* nothing shorter is above it */
        buf_add_slice(out, s);
        return true;
    }
    buf_add(out, cut, len);
    return false;
}

bool parquet__range_put(const struct parquet_leaf *leaf, union parquet_bound bound, bool is_max,
                        struct buf *out)
{
    double d = bound.d;
    float f = 0;
    switch (leaf->physical) {
    case PHYS_BYTE_ARRAY: return put_bytes(leaf->type == ROW_STRING, bound.s, is_max, out);
    case PHYS_FIXED: buf_add_slice(out, bound.s); return true;
    case PHYS_FLOAT:
        f = d == 0 ? (is_max ? 0.0f : -0.0f) : (float)d;
        buf_add(out, &f, sizeof(f));
        return true;
    case PHYS_DOUBLE:
        d = d == 0 ? (is_max ? 0.0 : -0.0) : d;
        buf_add(out, &d, sizeof(d));
        return true;
    default: /* the low bytes of a little-endian number */
        buf_add(out, &bound.i, leaf->width);
        return true;
    }
}
