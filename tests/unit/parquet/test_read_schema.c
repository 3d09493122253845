/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are older than the table's schema. */
#include "parquet/read.h"

#include "random.h"
#include "table.h"
#include "test.h"

/* Rows of @old, read under @fresh; the error of the reader otherwise. */
static int read_as(const char *old, const char *fresh, struct row_batch **ret_old,
                   struct row_batch **ret_fresh, struct err *e)
{
    struct table t;
    struct row_schema *schema;
    struct parquet_reader *r = NULL;
    table_init(&t, old, &(struct parquet_options){.page_rows_max = 10});
    random_rows(&(struct random){7}, t.batch, 50);
    cr_assert_eq(parquet_write_batch(t.writer, t.batch, NULL), 0);
    cr_assert_eq(parquet_finish(t.writer, NULL), 0);
    cr_assert_eq(row_schema_parse(slice_str(fresh), NULL, 0, &schema, NULL), 0);
    int rc = parquet_reader_new(schema, buf_slice(&t.file), &r, e);
    if (rc == 0) {
        *ret_fresh = row_batch_new(schema);
        cr_assert_eq(parquet_reader_batch(r, 0, *ret_fresh, e), 0, "%s", e->text);
        *ret_old = t.batch;
        t.batch = NULL;
    }
    parquet_reader_free(r);
    row_schema_unref(schema);
    table_deinit(&t);
    return rc;
}

Test(parquet_read_schema, added_columns_and_fields_are_null)
{
    struct row_batch *old, *fresh;
    struct err e = {0};
    struct arena arena = ARENA_NULL;

    cr_assert_eq(read_as("id bigint not null, s struct<a int>, l array<struct<x string>>",
                         "id bigint not null, s struct<a int, b map<string, int>>, "
                         "l array<struct<x string, y array<int>, z variant>>, "
                         "more struct<p int, q array<string>>, n int",
                         &old, &fresh, &e),
                 0, "%s", e.text);

    for (uint32_t i = 0; i < 50; i++) {
        struct row_value was = row_batch_value(old, 1, i, &arena);
        struct row_value is = row_batch_value(fresh, 1, i, &arena);
        cr_assert_eq(was.null, is.null);
        if (!is.null) {
            cr_assert(value_same(&old->schema->columns[1].fields[0], &was.items[0], &is.items[0]));
            cr_assert(is.items[1].null);
        }
        was = row_batch_value(old, 2, i, &arena);
        is = row_batch_value(fresh, 2, i, &arena);
        cr_assert_eq(was.null, is.null);
        cr_assert(is.null || was.item_count == is.item_count);
        for (uint32_t k = 0; !is.null && k < is.item_count; k++)
            cr_assert(is.items[k].null || (is.items[k].items[1].null && is.items[k].items[2].null));
        cr_assert(row_batch_value(fresh, 3, i, &arena).null);
        cr_assert(row_batch_value(fresh, 4, i, &arena).null);
    }
    arena_deinit(&arena);
    row_batch_free(old);
    row_batch_free(fresh);
}

Test(parquet_read_schema, widened_columns_hold_the_old_values)
{
    struct row_batch *old, *fresh;
    struct err e = {0};
    struct arena arena = ARENA_NULL;

    cr_assert_eq(read_as("b tinyint, i int, f float, d date, x decimal(9,2), l array<smallint>, "
                         "n int",
                         "b smallint, i double, f double, d timestamp_ntz, x decimal(30,4), "
                         "l array<bigint>, n decimal(12,2)",
                         &old, &fresh, &e),
                 0, "%s", e.text);

    for (uint32_t i = 0; i < 50; i++) {
        struct row_value was[7], is[7];
        for (uint32_t c = 0; c < 7; c++) {
            was[c] = row_batch_value(old, c, i, &arena);
            is[c] = row_batch_value(fresh, c, i, &arena);
            cr_assert_eq(was[c].null, is[c].null);
        }
        cr_assert(was[0].null || was[0].i64 == is[0].i64);
        cr_assert(was[1].null || (double)was[1].i64 == is[1].f64);
        cr_assert(was[2].null || (double)was[2].f32 == is[2].f64);
        cr_assert(was[3].null || was[3].i64 * 86400000000 == is[3].i64);
        cr_assert(was[4].null || was[4].decimal * 100 == is[4].decimal);
        for (uint32_t k = 0; !was[5].null && k < was[5].item_count; k++)
            cr_assert(was[5].items[k].null || was[5].items[k].i64 == is[5].items[k].i64);
        cr_assert(was[6].null || (row_i128)was[6].i64 * 100 == is[6].decimal);
    }
    arena_deinit(&arena);
    row_batch_free(old);
    row_batch_free(fresh);
}

Test(parquet_read_schema, what_no_schema_change_of_ours_makes_is_refused_by_name)
{
    static const struct {
        const char *old, *fresh, *column;
    } cases[] = {
        {"a bigint", "a int", "column a"},
        {"a int", "a string", "column a"},
        {"a int", "b int", "column b"},
        {"a int", "a int, b int not null", "column b"},
        {"a int, b int", "a int", "other columns"},
        {"s struct<x int, y int>", "s struct<x int>", "column s"},
        {"s struct<x int>", "s struct<x int, y int not null>", "column s.y"},
        {"a array<int>", "a array<int not null>", "column a.list.element"},
        {"a array<int>", "a map<int, int>", "column a.key_value"},
        {"v variant", "v struct<metadata binary, value binary>", "column v.metadata"},
        {"a int not null", "a int", "column a"},
        {"a decimal(10,2)", "a decimal(11,4)", "column a"},
        {"a timestamp", "a timestamp_ntz", "column a"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct row_batch *old, *fresh;
        struct err e = {0};
        cr_assert_eq(read_as(cases[i].old, cases[i].fresh, &old, &fresh, &e), ERR_UNSUPPORTED,
                     "%s as %s", cases[i].old, cases[i].fresh);
        cr_assert_not_null(strstr(e.text, cases[i].column), "%s: %s", cases[i].column, e.text);
    }
}
