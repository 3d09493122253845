/* SPDX-License-Identifier: Apache-2.0 */
/* Values of a row under the columns of a later version of its table. */
#include "row/row.h"

#include "test.h"

/* One value of type @from, raised to @to. */
static struct row_value raised(const char *from, const char *to, struct row_value v)
{
    struct row_schema *a = NULL, *b = NULL;
    struct row_value values[2] = {v, {.null = true, .i64 = 77}};
    struct buf ddl = BUF_NULL;
    buf_printf(&ddl, "x %s", from);
    cr_assert_eq(row_schema_parse(buf_slice(&ddl), NULL, 0, &a, NULL), 0);
    buf_reset(&ddl);
    buf_printf(&ddl, "x %s, later STRING", to);
    cr_assert_eq(row_schema_parse(buf_slice(&ddl), NULL, 0, &b, NULL), 0);
    cr_assert_eq(row_schema_change_check(a, b, NULL), 0);

    row_values_raise(a, b, values, NULL);

    cr_assert(values[1].null);
    buf_deinit(&ddl);
    row_schema_unref(a);
    row_schema_unref(b);
    return values[0];
}

Test(row_raise, keeps_what_did_not_change)
{
    cr_assert_eq(raised("INT", "INT", (struct row_value){.i64 = -5}).i64, -5);
    cr_assert(raised("INT", "BIGINT", (struct row_value){.null = true}).null);
    cr_assert(raised("STRING", "STRING", (struct row_value){.null = true}).null);
}

Test(row_raise, converts_what_was_widened)
{
    cr_assert_eq(raised("TINYINT", "BIGINT", (struct row_value){.i64 = -128}).i64, -128);
    cr_assert_eq(raised("FLOAT", "DOUBLE", (struct row_value){.f32 = 0.1f}).f64, (double)0.1f);
    cr_assert_eq(raised("INT", "DOUBLE", (struct row_value){.i64 = INT32_MIN}).f64, -2147483648.0);
    cr_assert(raised("INT", "DECIMAL(12,2)", (struct row_value){.i64 = -7}).decimal == -700);
    cr_assert(
        raised("DECIMAL(5,2)", "DECIMAL(9,4)", (struct row_value){.decimal = 12345}).decimal ==
        1234500);
    cr_assert(
        raised("DECIMAL(5,2)", "DECIMAL(9,2)", (struct row_value){.decimal = 12345}).decimal ==
        12345);
    cr_assert_eq(raised("DATE", "TIMESTAMP_NTZ", (struct row_value){.i64 = -1}).i64,
                 -86400000000ll);
}

Test(row_raise, a_day_beyond_all_timestamps_is_the_nearest_one)
{
    cr_assert_eq(raised("DATE", "TIMESTAMP_NTZ", (struct row_value){.i64 = INT32_MAX}).i64,
                 INT64_MAX);
    cr_assert_eq(raised("DATE", "TIMESTAMP_NTZ", (struct row_value){.i64 = INT32_MIN}).i64,
                 INT64_MIN);
}
