/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/parquet.h"

#include "base/bits.h"

#include "table.h"
#include "test.h"

#include <math.h>

Test(parquet_writer, columns_carry_name_nullability_and_field_id)
{
    struct table t;
    table_init(&t, "id bigint not null, s string", NULL);
    table_finish(&t);

    cr_assert_eq(INT_AT(&t.footer, 2, 0, 5), 2);
    cr_assert(slice_eq(TEXT_AT(&t.footer, 2, 1, 4), slice_str("id")));
    cr_assert_eq(INT_AT(&t.footer, 2, 1, 3), 0);
    cr_assert_eq(INT_AT(&t.footer, 2, 1, 9), 1);
    cr_assert(slice_eq(TEXT_AT(&t.footer, 2, 2, 4), slice_str("s")));
    cr_assert_eq(INT_AT(&t.footer, 2, 2, 3), 1);
    cr_assert_eq(INT_AT(&t.footer, 2, 2, 9), 2);
    table_deinit(&t);
}

Test(parquet_writer, refuses_a_null_in_a_not_null_column)
{
    struct table t;
    struct err e;
    table_init(&t, "id bigint not null", NULL);
    size_t before = t.file.len;
    row_batch_append(t.batch, &(struct row_value){.null = true});

    cr_assert_eq(parquet_write_batch(t.writer, t.batch, &e), ERR_INVALID);

    cr_assert_not_null(strstr(e.text, "id"));
    cr_assert_eq(t.file.len, before);
    cr_assert_eq(parquet_row_count(t.writer), 0);
    table_deinit(&t);
}

Test(parquet_writer, totals_go_over_all_row_groups)
{
    struct table t;
    struct parquet_stats s;
    table_init(&t, "n bigint, s string, d double, e decimal(30,2), b boolean", NULL);
    for (int g = 0; g < 3; g++) {
        struct row_value some[] = {{.i64 = 10 - g},
                                   {.bytes = slice_str(g == 1   ? "zz"
                                                       : g == 2 ? "aa"
                                                                : "mm")},
                                   {.f64 = g == 0 ? (double)NAN : g},
                                   {.decimal = (row_i128)g - 1},
                                   {.boolean = g == 2}};
        struct row_value none[] = {
            {.null = true}, {.null = true}, {.null = true}, {.null = true}, {.null = true}};
        row_batch_append(t.batch, some);
        row_batch_append(t.batch, none);
        table_flush(&t);
    }
    table_finish(&t);

    cr_assert_eq(parquet_row_count(t.writer), 6);
    parquet_stats(t.writer, 0, &s);
    cr_assert(s.has_range);
    cr_assert_eq(s.null_count, 3);
    cr_assert_eq(s.min.i64, 8);
    cr_assert_eq(s.max.i64, 10);
    parquet_stats(t.writer, 1, &s);
    cr_assert(slice_eq(s.min.bytes, slice_str("aa")));
    cr_assert(slice_eq(s.max.bytes, slice_str("zz")));
    parquet_stats(t.writer, 2, &s);
    cr_assert(s.has_nan);
    cr_assert_eq(s.min.f64, 1);
    cr_assert_eq(s.max.f64, 2);
    parquet_stats(t.writer, 3, &s);
    cr_assert(s.min.decimal == -1);
    cr_assert(s.max.decimal == 1);
    parquet_stats(t.writer, 4, &s);
    cr_assert_not(s.min.boolean);
    cr_assert(s.max.boolean);
    table_deinit(&t);
}

Test(parquet_writer, totals_are_whole_values)
{
    struct table t;
    struct parquet_stats s;
    char text[301];
    memset(text, 'k', 300);
    text[300] = '\0';
    table_init(&t, "s string", NULL);
    table_add_text(&t, text);
    table_finish(&t);

    parquet_stats(t.writer, 0, &s);

    cr_assert_eq(s.min.bytes.len, 300);
    cr_assert_eq(s.max.bytes.len, 300);
    table_deinit(&t);
}

Test(parquet_writer, totals_of_floats_are_floats)
{
    struct table t;
    struct parquet_stats s;
    table_init(&t, "f float", NULL);
    row_batch_append(t.batch, &(struct row_value){.f32 = 1.1f});
    row_batch_append(t.batch, &(struct row_value){.f32 = -2.2f});
    table_finish(&t);

    parquet_stats(t.writer, 0, &s);

    cr_assert_eq(s.min.f32, -2.2f);
    cr_assert_eq(s.max.f32, 1.1f);
    table_deinit(&t);
}

Test(parquet_writer, a_column_of_nulls_has_no_range)
{
    struct table t;
    struct parquet_stats s;
    table_init(&t, "s string", NULL);
    table_add_text(&t, NULL);
    table_finish(&t);

    parquet_stats(t.writer, 0, &s);

    cr_assert_eq(s.null_count, 1);
    cr_assert_not(s.has_range);
    cr_assert_not(s.has_nan);
    table_deinit(&t);
}

Test(parquet_writer, freeing_nothing_is_fine)
{
    cr_assert_null(parquet_writer_free(NULL));
}

Test(parquet_writer, a_null_deep_in_a_column_is_named_by_its_path)
{
    struct table t;
    struct err e = {0};
    struct row_value null = {.null = true}, element = {.items = &null, .item_count = 1};
    struct row_value row = {.items = &element, .item_count = 1};
    table_init(&t, "a array<struct<x int not null>>", NULL);
    row_batch_append(t.batch, &row);

    cr_assert_eq(parquet_write_batch(t.writer, t.batch, &e), ERR_INVALID);

    cr_assert_not_null(strstr(e.text, "column a.element.x is NOT NULL"), "%s", e.text);
    cr_assert_eq(t.file.len, 4);
    table_deinit(&t);
}

Test(parquet_writer, fields_of_a_null_struct_may_be_not_null)
{
    struct table t;
    table_init(&t, "s struct<x int not null>", NULL);
    row_batch_append(t.batch, &(struct row_value){.null = true});

    cr_assert_eq(parquet_write_batch(t.writer, t.batch, NULL), 0);

    table_deinit(&t);
}

Test(parquet_writer, statistics_count_the_nulls_of_the_column_that_can_be_skipped_by)
{
    struct table t;
    struct parquet_stats s;
    struct row_value items[] = {{.i64 = 5}, {.null = true}, {.null = true}};
    struct row_value fields[] = {{.i64 = 7}, {.items = items, .item_count = 3}};
    struct row_value rows[][3] = {
        {{.items = fields, .item_count = 2}, {.null = true}, {.bytes = slice_of("\1\0\0\0", 4)}},
        {{.null = true}, {.items = items, .item_count = 1}, {.null = true}},
        {{.null = true}, {.item_count = 0}, {.null = true}},
    };
    table_init(&t, "s struct<x int, l array<int>>, a array<int>, v variant", NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        row_batch_append(t.batch, rows[i]);

    table_finish(&t);

    static const uint64_t nulls[] = {2, 2, 1, 2, 2};
    for (uint32_t leaf = 0; leaf < ARRAY_LEN(nulls); leaf++) {
        parquet_stats(t.writer, leaf, &s);
        cr_assert_eq(s.null_count, nulls[leaf], "leaf %u", leaf);
    }
    parquet_stats(t.writer, 0, &s);
    cr_assert(s.has_range && s.min.i64 == 7 && s.max.i64 == 7);
    table_deinit(&t);
}
