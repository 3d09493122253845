/* SPDX-License-Identifier: Apache-2.0 */
#include "row/row.h"

#include "test.h"

#include <stdio.h>

static struct row_batch *batch_of(const char *ddl)
{
    struct row_schema *s = NULL;
    cr_assert_eq(row_schema_parse(slice_str(ddl), NULL, 0, &s, NULL), 0);
    struct row_batch *b = row_batch_new(s);
    row_schema_unref(s);
    return b;
}

Test(row_batch, keeps_its_schema_alive)
{
    struct row_batch *b = batch_of("a int");
    cr_assert_eq(b->schema->column_count, 1);
    row_batch_free(b);
}

Test(row_batch, gives_back_what_was_put_in)
{
    struct row_batch *b =
        batch_of("b boolean, i8 tinyint, i16 smallint, i int, l bigint, f float, d double, "
                 "e decimal(38,0), s string, x binary, day date, ts timestamp, ntz timestamp_ntz");
    row_i128 big = ((row_i128)INT64_MIN) * 1000000007;
    struct row_value v[] = {{.boolean = true},
                            {.i64 = -128},
                            {.i64 = INT16_MAX},
                            {.i64 = INT32_MIN},
                            {.i64 = INT64_MIN},
                            {.f32 = -1.5f},
                            {.f64 = 2.25},
                            {.decimal = big},
                            {.bytes = slice_str("text")},
                            {.bytes = slice_of("\0\1", 2)},
                            {.i64 = -719162},
                            {.i64 = 253402300799999999},
                            {.i64 = -1}};

    row_batch_append(b, v);

    cr_assert(row_batch_value(b, 0, 0, NULL).boolean);
    cr_assert_eq(row_batch_value(b, 1, 0, NULL).i64, -128);
    cr_assert_eq(row_batch_value(b, 2, 0, NULL).i64, INT16_MAX);
    cr_assert_eq(row_batch_value(b, 3, 0, NULL).i64, INT32_MIN);
    cr_assert_eq(row_batch_value(b, 4, 0, NULL).i64, INT64_MIN);
    cr_assert_eq(row_batch_value(b, 5, 0, NULL).f32, -1.5f);
    cr_assert_eq(row_batch_value(b, 6, 0, NULL).f64, 2.25);
    cr_assert(row_batch_value(b, 7, 0, NULL).decimal == big);
    cr_assert(slice_eq(row_batch_value(b, 8, 0, NULL).bytes, slice_str("text")));
    cr_assert(slice_eq(row_batch_value(b, 9, 0, NULL).bytes, slice_of("\0\1", 2)));
    cr_assert_eq(row_batch_value(b, 10, 0, NULL).i64, -719162);
    cr_assert_eq(row_batch_value(b, 11, 0, NULL).i64, 253402300799999999);
    cr_assert_eq(row_batch_value(b, 12, 0, NULL).i64, -1);
    row_batch_free(b);
}

Test(row_batch, nulls_are_cells_of_zeros_and_are_counted)
{
    struct row_batch *b = batch_of("l bigint, s string");
    struct row_value value[] = {{.i64 = 7}, {.bytes = slice_str("seven")}};
    struct row_value null[] = {{.null = true, .i64 = 9}, {.null = true, .bytes = slice_str("no")}};

    row_batch_append(b, value);
    row_batch_append(b, null);
    row_batch_append(b, value);

    static const uint8_t valid[] = {1, 0, 1};
    static const int64_t cells[] = {7, 0, 7};
    static const uint32_t offsets[] = {0, 5, 5, 10};
    cr_assert_arr_eq(b->columns[0].valid, valid, sizeof(valid));
    cr_assert_arr_eq(b->columns[0].fixed, cells, sizeof(cells));
    cr_assert_arr_eq(b->columns[1].offsets, offsets, sizeof(offsets));
    cr_assert_eq(b->columns[0].null_count, 1);
    cr_assert_eq(b->columns[1].null_count, 1);
    cr_assert(row_batch_value(b, 0, 1, NULL).null);
    cr_assert(row_batch_value(b, 1, 1, NULL).null);
    cr_assert_eq(b->columns[1].bytes.len, 10);
    row_batch_free(b);
}

Test(row_batch, an_empty_string_is_not_null)
{
    struct row_batch *b = batch_of("s string");
    row_batch_append(b, &(struct row_value){.bytes = SLICE_NULL});
    cr_assert_not(row_batch_value(b, 0, 0, NULL).null);
    cr_assert_eq(row_batch_value(b, 0, 0, NULL).bytes.len, 0);
    row_batch_free(b);
}

Test(row_batch, grows_over_many_rows)
{
    struct row_batch *b = batch_of("l bigint, s string");
    char text[24];
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(text, sizeof(text), "row %d", i);
        struct row_value v[] = {{.i64 = i}, {.bytes = slice_str(text)}};
        row_batch_append(b, v);
    }

    cr_assert_eq(b->row_count, 10000);
    for (uint32_t i = 0; i < 10000; i++) {
        int len = snprintf(text, sizeof(text), "row %u", i);
        cr_assert_eq(row_batch_value(b, 0, i, NULL).i64, i);
        cr_assert(slice_eq(row_batch_value(b, 1, i, NULL).bytes, slice_of(text, (size_t)len)));
    }
    row_batch_free(b);
}

Test(row_batch, is_empty_after_a_reset_and_keeps_its_memory)
{
    struct row_batch *b = batch_of("l bigint, s string");
    struct row_value v[] = {{.null = true}, {.bytes = slice_str("text")}};
    row_batch_append(b, v);
    uint32_t cap = b->row_cap;

    row_batch_reset(b);

    cr_assert_eq(b->row_count, 0);
    cr_assert_eq(b->bytes_used, 0);
    cr_assert_eq(b->row_cap, cap);
    cr_assert_eq(b->columns[0].null_count, 0);
    row_batch_append(b, (struct row_value[]){{.i64 = 3}, {.bytes = slice_str("new")}});
    cr_assert_eq(row_batch_value(b, 0, 0, NULL).i64, 3);
    cr_assert(slice_eq(row_batch_value(b, 1, 0, NULL).bytes, slice_str("new")));
    row_batch_free(b);
}

Test(row_batch, counts_the_bytes_it_uses)
{
    struct row_batch *b = batch_of("l bigint, s string");
    row_batch_append(b, (struct row_value[]){{.i64 = 3}, {.bytes = slice_str("12345")}});
    cr_assert_eq(b->bytes_used, 1 + 8 + 1 + 4 + 5);
    row_batch_free(b);
}

Test(row_batch, freeing_nothing_is_fine)
{
    cr_assert_null(row_batch_free(NULL));
}
