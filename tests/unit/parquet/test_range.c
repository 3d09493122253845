/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet_priv.h"

#include "base/bits.h"

#include "test.h"

#include <math.h>

static struct parquet_leaf leaf_of(enum row_type type)
{
    struct parquet_leaf leaf;
    parquet__leaf_init(&leaf, type, 38, 0);
    return leaf;
}

static struct parquet_range scan(enum row_type type, const void *values, uint32_t count)
{
    struct parquet_range r;
    struct parquet_leaf leaf = leaf_of(type);
    struct parquet_data data = {.value_count = count, .fixed = values};
    parquet__range_scan(&r, &leaf, &data, 0, count);
    return r;
}

/* The bound of @text as written, in *@out. */
static bool put(enum row_type type, struct slice text, bool is_max, struct buf *out)
{
    struct parquet_leaf leaf = leaf_of(type);
    buf_reset(out);
    return parquet__range_put(&leaf, (union parquet_bound){.s = text}, is_max, out);
}

Test(parquet_range, numbers_are_compared_with_their_sign)
{
    int32_t i32[] = {3, -7, INT32_MIN, 12};
    int64_t i64[] = {3, INT64_MAX, -1};

    struct parquet_range a = scan(ROW_INT, i32, 4), b = scan(ROW_LONG, i64, 3);

    cr_assert_eq(a.min.i, INT32_MIN);
    cr_assert_eq(a.max.i, 12);
    cr_assert_eq(b.min.i, -1);
    cr_assert_eq(b.max.i, INT64_MAX);
}

Test(parquet_range, nan_takes_no_part)
{
    double d[] = {NAN, 2, NAN, -3, INFINITY};
    float only[] = {NAN, NAN};

    struct parquet_range some = scan(ROW_DOUBLE, d, 5), none = scan(ROW_FLOAT, only, 2);

    cr_assert(some.has && some.has_nan);
    cr_assert_eq(some.min.d, -3);
    cr_assert_eq(some.max.d, (double)INFINITY);
    cr_assert(!none.has && none.has_nan);
}

Test(parquet_range, infinities_alone_are_a_range)
{
    double d[] = {INFINITY, INFINITY};
    struct parquet_range r = scan(ROW_DOUBLE, d, 2);
    cr_assert(r.has);
    cr_assert_eq(r.min.d, (double)INFINITY);
    cr_assert_eq(r.max.d, (double)INFINITY);
}

Test(parquet_range, a_zero_minimum_is_negative_and_a_zero_maximum_positive)
{
    struct buf b = BUF_NULL;
    struct parquet_leaf f = leaf_of(ROW_FLOAT), d = leaf_of(ROW_DOUBLE);

    parquet__range_put(&d, (union parquet_bound){.d = 0.0}, false, &b);
    parquet__range_put(&d, (union parquet_bound){.d = -0.0}, true, &b);
    parquet__range_put(&f, (union parquet_bound){.d = 0.0}, false, &b);
    parquet__range_put(&f, (union parquet_bound){.d = -0.0}, true, &b);

    cr_assert_eq(get_le64(b.data), 1ull << 63);
    cr_assert_eq(get_le64(b.data + 8), 0);
    cr_assert_eq(get_le32(b.data + 16), 1u << 31);
    cr_assert_eq(get_le32(b.data + 20), 0);
    buf_deinit(&b);
}

Test(parquet_range, bytes_are_compared_unsigned_and_by_length)
{
    struct parquet_leaf leaf = leaf_of(ROW_BINARY);
    static const uint8_t bytes[] = "abcdefgh"
                                   "abcdefgh\x00"
                                   "abcdefg"
                                   "\xff"
                                   "abcdefgg";
    uint32_t offsets[] = {0, 8, 17, 24, 25, 33};
    struct parquet_data data = {.value_count = 5, .offsets = offsets, .bytes = bytes};
    struct parquet_range r, head;

    parquet__range_scan(&r, &leaf, &data, 0, 5);
    parquet__range_scan(&head, &leaf, &data, 0, 2);

    cr_assert(slice_eq(r.min.s, slice_str("abcdefg")));
    cr_assert(slice_eq(r.max.s, slice_str("\xff")));
    cr_assert_eq(head.max.s.len, 9);
    cr_assert_eq(head.min.s.len, 8);
}

Test(parquet_range, wide_decimals_are_compared_with_their_sign)
{
    uint8_t v[3 * 16] = {0};
    v[15] = 1;                /* 1 */
    memset(v + 16, 0xff, 16); /* -1 */
    v[32] = 0x80;             /* the lowest */

    struct parquet_range r = scan(ROW_DECIMAL, v, 3);

    cr_assert_eq(r.min.s.data[0], 0x80);
    cr_assert_eq(r.max.s.data[15], 1);
}

Test(parquet_range, merging_keeps_the_outer_bounds)
{
    struct parquet_leaf leaf = leaf_of(ROW_INT);
    struct parquet_range all = {0}, none = {.has_nan = true};
    struct parquet_range a = {.has = true, .min.i = 3, .max.i = 5};
    struct parquet_range b = {.has = true, .min.i = -3, .max.i = 4};

    parquet__range_merge(&all, &none, &leaf);
    parquet__range_merge(&all, &a, &leaf);
    parquet__range_merge(&all, &b, &leaf);

    cr_assert(all.has && all.has_nan);
    cr_assert_eq(all.min.i, -3);
    cr_assert_eq(all.max.i, 5);
}

Test(parquet_range, short_text_is_exact)
{
    struct buf b = BUF_NULL;
    char text[65];
    memset(text, 'x', 64);
    text[64] = '\0';
    cr_assert(put(ROW_STRING, slice_str(text), true, &b));
    cr_assert_eq(b.len, 64);
    cr_assert(put(ROW_STRING, slice_of("", 0), false, &b));
    cr_assert_eq(b.len, 0);
    buf_deinit(&b);
}

/* 63 × x, then a character of two bytes that the cut would split. */
Test(parquet_range, long_text_is_cut_between_characters)
{
    struct buf b = BUF_NULL;
    char text[80];
    memset(text, 'x', 63);
    (void)strcpy(text + 63, "\xc3\xa9 and more");

    bool min_exact = put(ROW_STRING, slice_str(text), false, &b);
    cr_assert_not(min_exact);
    cr_assert_eq(b.len, 63);
    cr_assert_eq(b.data[62], 'x');

    bool max_exact = put(ROW_STRING, slice_str(text), true, &b);
    cr_assert_not(max_exact);
    cr_assert_eq(b.len, 63);
    cr_assert_eq(b.data[62], 'y');
    buf_deinit(&b);
}

static void assert_rounded(const char *tail, const char *want_tail, size_t want_len)
{
    struct buf b = BUF_NULL;
    char text[120];
    size_t head = 64 - strlen(tail);
    memset(text, 'x', head);
    (void)strcpy(text + head, tail);
    (void)strcat(text, "rest");

    cr_assert_not(put(ROW_STRING, slice_str(text), true, &b));

    cr_assert_eq(b.len, want_len);
    cr_assert_arr_eq(b.data + want_len - strlen(want_tail), want_tail, strlen(want_tail));
    cr_assert_gt(slice_cmp(buf_slice(&b), slice_str(text)), 0);
    buf_deinit(&b);
}

Test(parquet_range, a_cut_maximum_stays_text)
{
    assert_rounded("\xc3\xa9", "\xc3\xaa", 64);         /* é → ê */
    assert_rounded("\xdf\xbf", "y", 62);                /* U+07FF would grow: x → y */
    assert_rounded("\xed\x9f\xbf", "\xee\x80\x80", 64); /* over the surrogates */
    assert_rounded("\xef\xbf\xbf", "y", 61);            /* U+FFFF would grow */
    assert_rounded("\xf4\x8f\xbf\xbf", "y", 60);        /* the last character */
    assert_rounded("\x7f", "y", 63);                    /* would grow */
}

Test(parquet_range, a_maximum_that_cannot_be_raised_stays_whole)
{
    struct buf b = BUF_NULL;
    uint8_t bytes[100];
    memset(bytes, 0xff, sizeof(bytes));

    bool exact = put(ROW_BINARY, slice_of(bytes, sizeof(bytes)), true, &b);
    cr_assert(exact);
    cr_assert_eq(b.len, 100);

    bytes[3] = 7;
    exact = put(ROW_BINARY, slice_of(bytes, sizeof(bytes)), true, &b);
    cr_assert_not(exact);
    cr_assert_eq(b.len, 4);
    cr_assert_eq(b.data[3], 8);
    buf_deinit(&b);
}
