/* SPDX-License-Identifier: Apache-2.0 */
/* add.stats: bounds are never narrower than the data. */
#include "delta/delta.h"
#include "parquet/parquet.h"

#include "test.h"

#include <math.h>
#include <string.h>

/* Stats of a one-column file with these values. */
static struct buf stats_of(const char *ddl, const struct row_value *values, size_t count)
{
    struct row_schema *s = NULL;
    cr_assert_eq(row_schema_parse(slice_str(ddl), NULL, 0, &s, NULL), 0);
    struct row_batch *b = row_batch_new(s);
    for (size_t i = 0; i < count; i++)
        row_batch_append(b, &values[i]);
    struct buf file = BUF_NULL, out = BUF_NULL;
    struct parquet_writer *w = parquet_writer_new(s, NULL, &file);
    cr_assert_eq(parquet_write_batch(w, b, NULL), 0);
    cr_assert_eq(parquet_finish(w, NULL), 0);
    delta_file_stats(w, s, &out);
    parquet_writer_free(w);
    row_batch_free(b);
    row_schema_unref(s);
    buf_deinit(&file);
    return out;
}

static void check(const char *ddl, const struct row_value *values, size_t count,
                  const char *expected)
{
    struct buf b = stats_of(ddl, values, count);
    cr_assert_str_eq(buf_cstr(&b), expected);
    buf_deinit(&b);
}

static struct row_value text(const char *s)
{
    return (struct row_value){.bytes = slice_str(s)};
}

Test(delta_stats, integers_and_nulls)
{
    struct row_value v[] = {{.i64 = 5}, {.null = true}, {.i64 = -7}};

    check("x BIGINT", v, 3,
          "{\"numRecords\":3,\"tightBounds\":true,\"minValues\":{\"x\":-7},\"maxValues\":{\"x\":5},"
          "\"nullCount\":{\"x\":1}}");
}

Test(delta_stats, all_null_has_no_bounds)
{
    struct row_value v[] = {{.null = true}};

    check("x INT", v, 1,
          "{\"numRecords\":1,\"tightBounds\":true,\"minValues\":{},\"maxValues\":{},\"nullCount\":{"
          "\"x\":1}}");
}

Test(delta_stats, timestamps_are_widened_to_milliseconds)
{
    struct row_value v[] = {{.i64 = -1}, {.i64 = 1706702400123456ll}};

    check(
        "x TIMESTAMP", v, 2,
        "{\"numRecords\":2,\"tightBounds\":true,\"minValues\":{\"x\":\"1969-12-31T23:59:59.999Z\"},"
        "\"maxValues\":{\"x\":\"2024-01-31T12:00:00.124Z\"},\"nullCount\":{\"x\":0}}");
    check(
        "x TIMESTAMP_NTZ", v, 2,
        "{\"numRecords\":2,\"tightBounds\":true,\"minValues\":{\"x\":\"1969-12-31T23:59:59.999\"},"
        "\"maxValues\":{\"x\":\"2024-01-31T12:00:00.124\"},\"nullCount\":{\"x\":0}}");
}

Test(delta_stats, dates_reach_from_year_1_to_9999)
{
    struct row_value v[] = {{.i64 = -719162}, {.i64 = 2932896}};
    struct row_value beyond[] = {{.i64 = -719163}, {.i64 = 0}};

    check("x DATE", v, 2,
          "{\"numRecords\":2,\"tightBounds\":true,\"minValues\":{\"x\":\"0001-01-01\"},"
          "\"maxValues\":{\"x\":\"9999-12-31\"},\"nullCount\":{\"x\":0}}");
    check("x DATE", beyond, 2,
          "{\"numRecords\":2,\"tightBounds\":true,\"minValues\":{},"
          "\"maxValues\":{\"x\":\"1970-01-01\"},\"nullCount\":{\"x\":0}}");
}

Test(delta_stats, decimals_are_numbers_at_their_scale)
{
    struct row_value v[] = {{.decimal = -1230}, {.decimal = 5}};

    check("x DECIMAL(10,2)", v, 2,
          "{\"numRecords\":2,\"tightBounds\":true,\"minValues\":{\"x\":-12.30},"
          "\"maxValues\":{\"x\":0.05},\"nullCount\":{\"x\":0}}");
}

Test(delta_stats, nan_and_infinity_have_no_bound)
{
    struct row_value nan_among[] = {{.f64 = 1.5}, {.f64 = NAN}};
    struct row_value infinite[] = {{.f64 = 1.5}, {.f64 = INFINITY}};

    check("x DOUBLE", nan_among, 2,
          "{\"numRecords\":2,\"tightBounds\":true,\"minValues\":{},\"maxValues\":{},\"nullCount\":{"
          "\"x\":0}}");
    check("x DOUBLE", infinite, 2,
          "{\"numRecords\":2,\"tightBounds\":true,\"minValues\":{\"x\":1.5},\"maxValues\":{},"
          "\"nullCount\":{\"x\":0}}");
}

Test(delta_stats, booleans_and_binaries_only_count_nulls)
{
    struct row_value yes = {.boolean = true};
    struct row_value bytes = text("abc");

    check("x BOOLEAN", &yes, 1,
          "{\"numRecords\":1,\"tightBounds\":true,\"minValues\":{},\"maxValues\":{},\"nullCount\":{"
          "\"x\":0}}");
    check("x BINARY", &bytes, 1,
          "{\"numRecords\":1,\"tightBounds\":true,\"minValues\":{},\"maxValues\":{},\"nullCount\":{"
          "\"x\":0}}");
}

Test(delta_stats, long_strings_are_cut_and_the_maximum_rounded_up)
{
    /* 33 characters each; the cut is behind the 32nd */
    struct row_value v[] = {text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                            text("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzyy")};

    check("x STRING", v, 2,
          "{\"numRecords\":2,\"tightBounds\":true,"
          "\"minValues\":{\"x\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"},"
          "\"maxValues\":{\"x\":\"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\"},\"nullCount\":{\"x\":0}}");
}

Test(delta_stats, rounding_up_keeps_valid_characters)
{
    struct buf s = BUF_NULL;
    for (int i = 0; i < 31; i++)
        buf_add_str(&s, "\xc3\xa4"); /* ä */
    buf_add_str(&s, "\xed\x9f\xbf"); /* U+D7FF: the next character is U+E000 */
    buf_add_str(&s, "x");
    struct row_value v = {.bytes = buf_slice(&s)};

    struct buf b = stats_of("x STRING", &v, 1);

    cr_assert(strstr(buf_cstr(&b), "\xc3\xa4\xee\x80\x80\"}") != NULL);
    buf_deinit(&b);
    buf_deinit(&s);
}

Test(delta_stats, maximum_that_cannot_grow_is_left_out)
{
    struct buf s = BUF_NULL;
    for (int i = 0; i < 33; i++)
        buf_add_str(&s, "\xf4\x8f\xbf\xbf"); /* U+10FFFF */
    struct row_value v = {.bytes = buf_slice(&s)};

    struct buf b = stats_of("x STRING", &v, 1);

    cr_assert(strstr(buf_cstr(&b), "\"maxValues\":{}") != NULL);
    cr_assert(strstr(buf_cstr(&b), "\"minValues\":{\"x\":\"\xf4\x8f") != NULL);
    buf_deinit(&b);
    buf_deinit(&s);
}

Test(delta_stats, only_the_first_32_columns_are_indexed)
{
    struct buf ddl = BUF_NULL;
    struct row_value v[33] = {{0}};
    for (int i = 0; i < 33; i++)
        buf_printf(&ddl, "%sc%d INT", i ? ", " : "", i);
    struct row_schema *s = NULL;
    cr_assert_eq(row_schema_parse(buf_slice(&ddl), NULL, 0, &s, NULL), 0);
    struct row_batch *batch = row_batch_new(s);
    row_batch_append(batch, v);
    struct buf file = BUF_NULL, out = BUF_NULL;
    struct parquet_writer *w = parquet_writer_new(s, NULL, &file);
    cr_assert_eq(parquet_write_batch(w, batch, NULL), 0);
    cr_assert_eq(parquet_finish(w, NULL), 0);

    delta_file_stats(w, s, &out);

    cr_assert(strstr(buf_cstr(&out), "\"c31\":0") != NULL);
    cr_assert(strstr(buf_cstr(&out), "\"c32\"") == NULL);
    parquet_writer_free(w);
    row_batch_free(batch);
    row_schema_unref(s);
    buf_deinit(&file);
    buf_deinit(&out);
    buf_deinit(&ddl);
}

Test(delta_stats, fields_of_structs_have_bounds_and_nulls_of_their_rows)
{
    struct row_value deep[] = {text("z")}, more[] = {{.null = true}};
    struct row_value a[] = {{.i64 = 3}, {.items = deep, .item_count = 1}};
    struct row_value b[] = {{.null = true}, {.items = more, .item_count = 1}};
    struct row_value v[] = {
        {.items = a, .item_count = 2}, {.items = b, .item_count = 2}, {.null = true}};

    check("s STRUCT<n INT, d STRUCT<t STRING>>", v, 3,
          "{\"numRecords\":3,\"tightBounds\":true,\"minValues\":{\"s\":{\"n\":3,\"d\":{\"t\":\"z\"}"
          "}},"
          "\"maxValues\":{\"s\":{\"n\":3,\"d\":{\"t\":\"z\"}}},"
          "\"nullCount\":{\"s\":{\"n\":2,\"d\":{\"t\":2}}}}");
}

Test(delta_stats, lists_maps_and_variants_have_only_their_own_nulls)
{
    struct row_value items[] = {{.i64 = 3}, {.null = true}},
                     list = {.items = items, .item_count = 2};
    struct row_value pair[] = {text("k"), {.null = true}}, map = {.items = pair, .item_count = 2};
    struct row_value variant = {.bytes = slice_of("\1\0\0\0", 4)}, null = {.null = true};
    struct row_value a[] = {list, map, variant}, b[] = {null, {.item_count = 0}, null};
    struct row_value v[] = {{.items = a, .item_count = 3}, {.items = b, .item_count = 3}, null};

    check("s STRUCT<l ARRAY<INT>, m MAP<STRING, INT>, v VARIANT>", v, 3,
          "{\"numRecords\":3,\"tightBounds\":true,\"minValues\":{},\"maxValues\":{},"
          "\"nullCount\":{\"s\":{\"l\":2,\"m\":1,\"v\":2}}}");
}

Test(delta_stats, a_column_behind_lists_has_its_own_bounds)
{
    struct row_value fields[] = {{.item_count = 0}, {.null = true}, {.i64 = 9}};
    struct row_value v[] = {{.items = fields, .item_count = 3}};

    check("s STRUCT<m MAP<STRING, ARRAY<INT>>, v VARIANT, n INT>", v, 1,
          "{\"numRecords\":1,\"tightBounds\":true,\"minValues\":{\"s\":{\"n\":9}},"
          "\"maxValues\":{\"s\":{\"n\":9}},\"nullCount\":{\"s\":{\"m\":0,\"v\":1,\"n\":0}}}");
}

Test(delta_stats, no_more_than_32_fields_are_indexed_at_any_depth)
{
    struct buf ddl = BUF_NULL;
    struct row_value fields[33] = {{0}};
    struct row_value v = {.items = fields, .item_count = 33};
    buf_add_str(&ddl, "s STRUCT<");
    for (int i = 0; i < 33; i++)
        buf_printf(&ddl, "%sc%d INT", i ? ", " : "", i);
    buf_add_str(&ddl, ">");

    struct buf out = stats_of(buf_cstr(&ddl), &v, 1);

    cr_assert(strstr(buf_cstr(&out), "\"c31\":0") != NULL);
    cr_assert(strstr(buf_cstr(&out), "\"c32\"") == NULL);
    buf_deinit(&out);
    buf_deinit(&ddl);
}
