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
