/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bits.h"

#include "table.h"
#include "test.h"

#include <math.h>

/* Each test here that names a reader guards against a file which that reader could not read. */

Test(parquet_footer, created_by_has_three_parts)
{
    struct table t;
    table_init(&t, "a int", NULL);
    table_finish(&t);
    cr_assert(slice_eq(TEXT_AT(&t.footer, 6), slice_str("sluice version 0.1.0 (build 1)")));
    table_deinit(&t);
}

Test(parquet_footer, every_leaf_has_type_order)
{
    struct table t;
    table_init(&t, "a int, b string", NULL);
    table_finish(&t);
    cr_assert_eq(node_at(&t.footer, 7, -1)->kid_count, 2);
    cr_assert_not_null(node_at(&t.footer, 7, 1, 1, -1));
    table_deinit(&t);
}

Test(parquet_footer, a_file_of_no_rows_has_no_row_group)
{
    struct table t;
    table_init(&t, "a int", NULL);
    table_finish(&t);
    cr_assert_eq(INT_AT(&t.footer, 3), 0);
    cr_assert_eq(node_at(&t.footer, 4, -1)->kid_count, 0);
    table_deinit(&t);
}

/* Trino read no rows, and parquet-java 1.12 failed, on a wrong RowGroup.file_offset. */
Test(parquet_footer, row_groups_say_where_they_are)
{
    struct table t;
    int64_t at = 4;
    table_init(&t, "s string, n bigint not null", NULL);
    for (int g = 0; g < 3; g++) {
        for (int i = 0; i < 300; i++)
            row_batch_append(t.batch,
                             (struct row_value[]){{.bytes = slice_str("same")}, {.i64 = i * i}});
        table_flush(&t);
    }

    table_finish(&t);

    cr_assert_eq(INT_AT(&t.footer, 3), 900);
    for (int g = 0; g < 3; g++) {
        const struct node *group = node_at(&t.footer, 4, g, -1);
        int64_t packed = INT_AT(group, 1, 0, 3, 7) + INT_AT(group, 1, 1, 3, 7);
        cr_assert_eq(INT_AT(group, 2), INT_AT(group, 1, 0, 3, 6) + INT_AT(group, 1, 1, 3, 6));
        cr_assert_eq(INT_AT(group, 3), 300);
        cr_assert_eq(INT_AT(group, 5), at);
        cr_assert_eq(INT_AT(group, 5), INT_AT(group, 1, 0, 3, 11)); /* the dictionary is first */
        cr_assert_eq(INT_AT(group, 6), packed);
        cr_assert_eq(INT_AT(group, 7), g);
        cr_assert_eq(INT_AT(group, 1, 0, 2), 0);
        at += packed;
    }
    table_deinit(&t);
}

Test(parquet_footer, statistics_count_nulls_and_bound_values)
{
    struct table t;
    table_init(&t, "s string", NULL);
    table_add_text(&t, "m");
    table_add_text(&t, NULL);
    table_add_text(&t, "");
    table_add_text(&t, "z");

    table_finish(&t);

    const struct node *s = node_at(table_meta(&t, 0, 0), 12, -1);
    cr_assert_eq(INT_AT(s, 3), 1);
    cr_assert(slice_eq(TEXT_AT(s, 5), slice_str("z")));
    cr_assert_eq(TEXT_AT(s, 6).len, 0);
    cr_assert_eq(INT_AT(s, 7), 1);
    cr_assert_eq(INT_AT(s, 8), 1);
    cr_assert_null(node_at(s, 1, -1)); /* the old fields stay unset */
    cr_assert_null(node_at(s, 2, -1));
    table_deinit(&t);
}

Test(parquet_footer, long_bounds_are_cut_and_say_so)
{
    struct table t;
    char text[101];
    memset(text, 'k', 100);
    text[100] = '\0';
    table_init(&t, "s string", NULL);
    table_add_text(&t, text);

    table_finish(&t);

    const struct node *s = node_at(table_meta(&t, 0, 0), 12, -1);
    cr_assert_eq(TEXT_AT(s, 5).len, 64);
    cr_assert_eq(TEXT_AT(s, 5).data[63], 'l');
    cr_assert_eq(TEXT_AT(s, 6).len, 64);
    cr_assert_eq(TEXT_AT(s, 6).data[63], 'k');
    cr_assert_eq(INT_AT(s, 7), 0);
    cr_assert_eq(INT_AT(s, 8), 0);
    table_deinit(&t);
}

Test(parquet_footer, a_chunk_with_nan_has_neither_bounds_nor_column_index)
{
    struct table t;
    struct node index;
    table_init(&t, "d double", NULL);
    table_add_double(&t, 1);
    table_add_double(&t, (double)NAN);

    table_finish(&t);

    const struct node *s = node_at(table_meta(&t, 0, 0), 12, -1);
    cr_assert_null(node_at(s, 5, -1));
    cr_assert_null(node_at(s, 6, -1));
    cr_assert_eq(INT_AT(s, 3), 0);
    cr_assert_not(table_column_index(&t, 0, 0, &index));
    cr_assert(table_offset_index(&t, 0, 0, &index));
    node_free(&index);
    table_deinit(&t);
}

Test(parquet_footer, pages_of_nulls_are_marked_and_have_empty_bounds)
{
    struct table t;
    struct node index;
    table_init(&t, "s string", &(struct parquet_options){.page_rows_max = 2});
    table_add_text(&t, "b");
    table_add_text(&t, NULL);
    table_add_text(&t, NULL);
    table_add_text(&t, NULL);
    table_add_text(&t, "");
    table_add_text(&t, "c");

    table_finish(&t);

    cr_assert(table_column_index(&t, 0, 0, &index));
    for (int page = 0; page < 3; page++) {
        cr_assert_eq(INT_AT(&index, 1, page), page == 1);
        cr_assert_eq(INT_AT(&index, 5, page), page == 0 ? 1 : page == 1 ? 2 : 0);
    }
    cr_assert(slice_eq(TEXT_AT(&index, 2, 0), slice_str("b")));
    cr_assert_eq(TEXT_AT(&index, 2, 1).len, 0);
    cr_assert_eq(TEXT_AT(&index, 3, 1).len, 0);
    cr_assert(slice_eq(TEXT_AT(&index, 3, 2), slice_str("c")));
    cr_assert_eq(INT_AT(&index, 4), 0); /* b, then "": no order */
    node_free(&index);
    table_deinit(&t);
}

static int64_t order_of(const int64_t *values, size_t count)
{
    struct table t;
    struct node index;
    table_init(&t, "n bigint", &(struct parquet_options){.page_rows_max = 2});
    for (size_t i = 0; i < count; i++)
        table_add_long(&t, values[i]);
    table_finish(&t);
    cr_assert(table_column_index(&t, 0, 0, &index));
    int64_t order = INT_AT(&index, 4);
    node_free(&index);
    table_deinit(&t);
    return order;
}

Test(parquet_footer, page_order_is_told)
{
    cr_assert_eq(order_of((int64_t[]){1, 2, 2, 3, 3, 9}, 6), 1);
    cr_assert_eq(order_of((int64_t[]){9, 8, 8, 1, 1, 0}, 6), 2);
    cr_assert_eq(order_of((int64_t[]){1, 9, 2, 3, 4, 5}, 6), 0);
}

/* Page headers found through the offset index must be those of the chunk, one behind the other. */
Test(parquet_footer, the_offset_index_matches_the_pages)
{
    struct table t;
    struct node index, header;
    table_init(&t, "n bigint not null", &(struct parquet_options){.page_rows_max = 100});
    for (int64_t i = 0; i < 1000; i++)
        table_add_long(&t, i * 77);

    table_finish(&t);

    cr_assert(table_offset_index(&t, 0, 0, &index));
    const struct node *pages = node_at(&index, 1, -1);
    int64_t at = INT_AT(table_meta(&t, 0, 0), 9);
    cr_assert_eq(pages->kid_count, 10);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(INT_AT(pages, i, 1), at);
        cr_assert_eq(INT_AT(pages, i, 3), i * 100);
        size_t head = node_parse(slice_of(t.file.data + at, t.file.len - (size_t)at), &header);
        cr_assert_eq(INT_AT(pages, i, 2), (int64_t)head + INT_AT(&header, 3));
        cr_assert_eq(INT_AT(&header, 5, 1), 100);
        node_free(&header);
        at += INT_AT(pages, i, 2);
    }
    node_free(&index);
    table_deinit(&t);
}
