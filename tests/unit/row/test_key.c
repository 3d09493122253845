/* SPDX-License-Identifier: Apache-2.0 */
#include "row/row.h"

#include "base/limits.h"
#include "base/mem.h"

#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct row_schema *keyed(const char *ddl, size_t key_count)
{
    static const char *const keys[] = {"a", "b"};
    struct row_schema *s = NULL;
    cr_assert_eq(row_schema_parse(slice_str(ddl), keys, key_count, &s, NULL), 0);
    return s;
}

/* @values in ascending order, none equal. */
static void assert_ascending(const char *type, const struct row_value *values, size_t count)
{
    char ddl[64];
    (void)snprintf(ddl, sizeof(ddl), "a %s", type);
    struct row_schema *s = keyed(ddl, 1);
    struct buf last = BUF_NULL, now = BUF_NULL;
    for (size_t i = 0; i < count; i++) {
        buf_reset(&now);
        cr_assert_eq(row_key_encode(s, &values[i], &now, NULL), 0);
        if (i > 0)
            cr_assert_lt(slice_cmp(buf_slice(&last), buf_slice(&now)), 0);
        struct buf swap = last;
        last = now;
        now = swap;
    }
    buf_deinit(&last);
    buf_deinit(&now);
    row_schema_unref(s);
}

Test(row_key, byte_order_is_the_order_of_integers)
{
    struct row_value v[] = {{.i64 = INT64_MIN}, {.i64 = -256}, {.i64 = -1},  {.i64 = 0},
                            {.i64 = 1},         {.i64 = 255},  {.i64 = 256}, {.i64 = INT64_MAX}};
    assert_ascending("bigint", v, ARRAY_LEN(v));
    assert_ascending("timestamp", v, ARRAY_LEN(v));
    assert_ascending("int", v + 1, ARRAY_LEN(v) - 2);
}

Test(row_key, byte_order_is_the_order_of_floats)
{
    struct row_value d[] = {{.f64 = -INFINITY}, {.f64 = -1e300},   {.f64 = -1},
                            {.f64 = -5e-324},   {.f64 = 0},        {.f64 = 5e-324},
                            {.f64 = 1.5},       {.f64 = INFINITY}, {.f64 = NAN}};
    struct row_value f[] = {{.f32 = -INFINITY}, {.f32 = -2},       {.f32 = 0},  {.f32 = 1e-45f},
                            {.f32 = 3},         {.f32 = INFINITY}, {.f32 = NAN}};
    assert_ascending("double", d, ARRAY_LEN(d));
    assert_ascending("float", f, ARRAY_LEN(f));
}

Test(row_key, minus_zero_is_zero_and_all_nans_are_one)
{
    struct row_schema *s = keyed("a double", 1);
    struct row_value v[] = {{.f64 = 0.0}, {.f64 = -0.0}, {.f64 = NAN}, {.f64 = -NAN}};
    struct buf out[4] = {BUF_NULL, BUF_NULL, BUF_NULL, BUF_NULL};

    for (int i = 0; i < 4; i++)
        cr_assert_eq(row_key_encode(s, &v[i], &out[i], NULL), 0);

    cr_assert(slice_eq(buf_slice(&out[0]), buf_slice(&out[1])));
    cr_assert(slice_eq(buf_slice(&out[2]), buf_slice(&out[3])));
    for (int i = 0; i < 4; i++)
        buf_deinit(&out[i]);
    row_schema_unref(s);
}

Test(row_key, byte_order_is_the_order_of_decimals_booleans_and_bytes)
{
    row_i128 big = (row_i128)INT64_MAX * INT64_MAX;
    struct row_value m[] = {
        {.decimal = -big}, {.decimal = -1}, {.decimal = 0}, {.decimal = 1}, {.decimal = big}};
    struct row_value b[] = {{.boolean = false}, {.boolean = true}};
    struct row_value t[] = {{.bytes = slice_of("", 0)},         {.bytes = slice_of("\x00", 1)},
                            {.bytes = slice_of("\x00\x00", 2)}, {.bytes = slice_of("\x00\x01", 2)},
                            {.bytes = slice_of("\x01", 1)},     {.bytes = slice_of("a", 1)},
                            {.bytes = slice_of("a\x00", 2)},    {.bytes = slice_of("a\x00z", 3)},
                            {.bytes = slice_of("aa", 2)},       {.bytes = slice_of("b", 1)},
                            {.bytes = slice_of("\xff\xff", 2)}};
    assert_ascending("decimal(38,0)", m, ARRAY_LEN(m));
    assert_ascending("boolean", b, ARRAY_LEN(b));
    assert_ascending("binary", t, ARRAY_LEN(t));
}

Test(row_key, no_part_runs_into_the_next)
{
    struct row_schema *s = keyed("a string, b string", 2);
    struct row_value one[] = {{.bytes = slice_str("ab")}, {.bytes = slice_str("c")}};
    struct row_value two[] = {{.bytes = slice_str("a")}, {.bytes = slice_str("bc")}};
    struct buf x = BUF_NULL, y = BUF_NULL;

    cr_assert_eq(row_key_encode(s, one, &x, NULL), 0);
    cr_assert_eq(row_key_encode(s, two, &y, NULL), 0);

    cr_assert_gt(slice_cmp(buf_slice(&x), buf_slice(&y)), 0);
    cr_assert_eq(x.len, 7u);
    cr_assert_arr_eq(x.data, "ab\0\0c\0\0", 7);
    buf_deinit(&x);
    buf_deinit(&y);
    row_schema_unref(s);
}

/* The example of docs/formats/rows.md. */
Test(row_key, bytes_are_those_of_the_format_page)
{
    struct row_schema *s = keyed("a string, b timestamp", 2);
    struct row_value v[] = {{.bytes = slice_str("ab")}, {.i64 = 1}};
    struct buf out = BUF_NULL;

    cr_assert_eq(row_key_encode(s, v, &out, NULL), 0);

    cr_assert_eq(out.len, 12u);
    cr_assert_arr_eq(out.data, "ab\x00\x00\x80\x00\x00\x00\x00\x00\x00\x01", 12);
    buf_deinit(&out);
    row_schema_unref(s);
}

Test(row_key, null_or_too_long_is_refused_and_leaves_nothing_behind)
{
    struct row_schema *s = keyed("a int, b string", 2);
    uint8_t *text = mem_zalloc(KEY_BYTES_MAX + 1);
    struct row_value null[] = {{.i64 = 1}, {.null = true}};
    struct row_value wide[] = {{.i64 = 1}, {.bytes = slice_of(text, KEY_BYTES_MAX + 1)}};
    struct row_value zeros[] = {{.i64 = 1}, {.bytes = slice_of(text, KEY_BYTES_MAX / 2)}};
    struct buf out = BUF_NULL;
    struct err e = {0};
    buf_add_str(&out, "x");

    cr_assert_eq(row_key_encode(s, null, &out, &e), ERR_INVALID);
    cr_assert_str_eq(e.text, "key column b has no value");
    cr_assert_eq(row_key_encode(s, wide, &out, &e), ERR_INVALID);
    cr_assert(strstr(e.text, "too long") != NULL);
    cr_assert_eq(row_key_encode(s, zeros, &out, &e), ERR_INVALID);
    cr_assert(strstr(e.text, "at most 4096") != NULL);
    cr_assert_eq(out.len, 1u);
    buf_deinit(&out);
    mem_free(text);
    row_schema_unref(s);
}
