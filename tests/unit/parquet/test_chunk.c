/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bits.h"

#include "table.h"
#include "test.h"

#include <stdio.h>

Test(parquet_chunk, a_small_page_has_these_bytes)
{
    struct table t;
    struct chunk c;
    table_init(&t, "a int", NULL);
    row_batch_append(t.batch, &(struct row_value){.i64 = 5});
    row_batch_append(t.batch, &(struct row_value){.null = true});
    row_batch_append(t.batch, &(struct row_value){.i64 = -1});

    table_finish(&t);
    chunk_read(buf_slice(&t.file), table_meta(&t, 0, 0), 4, OPTIONAL, &c);

    static const uint8_t want[] = {2, 0, 0, 0, 0x03, 0x05, 5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    cr_assert(slice_eq(buf_slice(&c.pages[0]), slice_of(want, sizeof(want))));
    chunk_free(&c);
    table_deinit(&t);
}

Test(parquet_chunk, a_required_column_has_no_levels)
{
    struct table t;
    struct chunk c;
    table_init(&t, "a boolean not null", NULL);
    for (int i = 0; i < 10; i++)
        row_batch_append(t.batch, &(struct row_value){.boolean = i % 3 == 0});

    table_finish(&t);
    chunk_read(buf_slice(&t.file), table_meta(&t, 0, 0), 1, REQUIRED, &c);

    static const uint8_t want[] = {0x49, 0x02};
    cr_assert(slice_eq(buf_slice(&c.pages[0]), slice_of(want, sizeof(want))));
    chunk_free(&c);
    table_deinit(&t);
}

Test(parquet_chunk, repeated_text_has_a_dictionary_first_of_all)
{
    struct table t;
    struct chunk c;
    static const char *const words[] = {"red", "green", "blue", NULL, "red"};
    table_init(&t, "s string", &(struct parquet_options){.page_rows_max = 100});
    for (int i = 0; i < 1000; i++)
        table_add_text(&t, words[i % 5]);

    table_finish(&t);
    const struct node *meta = table_meta(&t, 0, 0);
    chunk_read(buf_slice(&t.file), meta, 0, OPTIONAL, &c);

    cr_assert_eq(INT_AT(meta, 11), 4);
    cr_assert_gt(INT_AT(meta, 9), INT_AT(meta, 11));
    cr_assert_eq(c.dict_entries, 3);
    cr_assert_eq(c.data_pages, 10);
    cr_assert_eq(c.value_count, 800);
    for (int i = 0, k = 0; i < 1000; i++) {
        cr_assert_eq(c.def[i], words[i % 5] != NULL);
        if (words[i % 5] != NULL)
            cr_assert(slice_eq(c.values[k++], slice_str(words[i % 5])));
    }
    /* encoding_stats: one dictionary page, ten of indexes */
    cr_assert_eq(INT_AT(meta, 13, 0, 1), 2);
    cr_assert_eq(INT_AT(meta, 13, 0, 2), 0);
    cr_assert_eq(INT_AT(meta, 13, 0, 3), 1);
    cr_assert_eq(INT_AT(meta, 13, 1, 1), 0);
    cr_assert_eq(INT_AT(meta, 13, 1, 2), 8);
    cr_assert_eq(INT_AT(meta, 13, 1, 3), 10);
    chunk_free(&c);
    table_deinit(&t);
}

Test(parquet_chunk, distinct_values_are_plain_and_name_no_dictionary)
{
    struct table t;
    struct chunk c;
    table_init(&t, "a bigint not null", NULL);
    for (int64_t i = 0; i < 5000; i++)
        table_add_long(&t, i * i);

    table_finish(&t);
    const struct node *meta = table_meta(&t, 0, 0);
    chunk_read(buf_slice(&t.file), meta, 8, REQUIRED, &c);

    cr_assert_null(node_at(meta, 11, -1));
    cr_assert_eq(c.dict_entries, 0);
    for (size_t i = 0; i < 5000; i++)
        cr_assert_eq(get_le64(c.values[i].data), i * i);
    chunk_free(&c);
    table_deinit(&t);
}

Test(parquet_chunk, pages_end_by_rows_and_by_bytes)
{
    struct table t;
    struct node index;
    char text[200];
    table_init(&t, "s string not null, n bigint not null",
               &(struct parquet_options){.page_rows_max = 50, .page_bytes_max = 2000});
    for (int i = 0; i < 100; i++) {
        (void)snprintf(text, sizeof(text), "%0*d", i < 50 ? 10 : 150, i);
        row_batch_append(t.batch, (struct row_value[]){{.bytes = slice_str(text)}, {.i64 = i}});
    }

    table_finish(&t);

    cr_assert(table_offset_index(&t, 0, 0, &index));
    cr_assert_eq(INT_AT(&index, 1, 0, 3), 0);
    cr_assert_eq(INT_AT(&index, 1, 1, 3), 50); /* by rows */
    cr_assert_eq(INT_AT(&index, 1, 2, 3), 62); /* 12 × 154 bytes fit, 13 do not */
    node_free(&index);
    cr_assert(table_offset_index(&t, 0, 1, &index));
    cr_assert_eq(node_at(&index, 1, -1)->kid_count, 2);
    node_free(&index);
    table_deinit(&t);
}

Test(parquet_chunk, a_value_longer_than_a_page_is_a_page)
{
    struct table t;
    struct chunk c;
    struct buf text = BUF_NULL;
    table_init(&t, "s string not null", &(struct parquet_options){.page_bytes_max = 100});
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 1000; k++)
            buf_add_byte(&text, (uint8_t)('a' + i));
        table_add_text(&t, buf_cstr(&text));
    }

    table_finish(&t);
    chunk_read(buf_slice(&t.file), table_meta(&t, 0, 0), 0, REQUIRED, &c);

    cr_assert_eq(c.data_pages, 3);
    cr_assert_eq(c.values[2].len, 3000);
    chunk_free(&c);
    buf_deinit(&text);
    table_deinit(&t);
}

Test(parquet_chunk, nulls_alone_are_levels_without_values)
{
    struct table t;
    struct chunk c;
    table_init(&t, "s string", &(struct parquet_options){.page_rows_max = 7});
    for (int i = 0; i < 20; i++)
        table_add_text(&t, NULL);

    table_finish(&t);
    chunk_read(buf_slice(&t.file), table_meta(&t, 0, 0), 0, OPTIONAL, &c);

    cr_assert_eq(c.level_count, 20);
    cr_assert_eq(c.value_count, 0);
    cr_assert_eq(c.data_pages, 3);
    chunk_free(&c);
    table_deinit(&t);
}

/* Page ordinals have 16 bits. */
Test(parquet_chunk, pages_grow_where_there_would_be_too_many)
{
    struct table t;
    struct node index;
    table_init(&t, "b boolean not null", &(struct parquet_options){.page_rows_max = 1});
    for (int i = 0; i < 33000; i++)
        row_batch_append(t.batch, &(struct row_value){.boolean = true});

    table_finish(&t);

    cr_assert(table_offset_index(&t, 0, 0, &index));
    cr_assert_eq(node_at(&index, 1, -1)->kid_count, 16500);
    node_free(&index);
    table_deinit(&t);
}

/* Width 0 is legal for a dictionary of one entry, but not every reader takes it. */
Test(parquet_chunk, indexes_have_at_least_one_bit)
{
    struct table t;
    struct chunk c;
    table_init(&t, "n bigint not null", NULL);
    for (int i = 0; i < 100; i++)
        table_add_long(&t, 7);

    table_finish(&t);
    chunk_read(buf_slice(&t.file), table_meta(&t, 0, 0), 8, REQUIRED, &c);

    static const uint8_t want[] = {1, 0xc8, 0x01, 0}; /* width, run of 100, entry 0 */
    cr_assert_eq(c.dict_entries, 1);
    cr_assert(slice_eq(buf_slice(&c.pages[1]), slice_of(want, sizeof(want))));
    chunk_free(&c);
    table_deinit(&t);
}

static unsigned pages_begun;

static void count_page(void)
{
    pages_begun++;
}

Test(parquet_chunk, lets_others_work_before_each_page)
{
    struct table t;
    table_init(&t, "n bigint",
               &(struct parquet_options){.page_rows_max = 2, .on_page = count_page});
    for (int64_t i = 0; i < 5; i++)
        table_add_long(&t, i * 1000003);

    table_finish(&t);

    cr_assert_eq(pages_begun, 3); /* all values differ: no dictionary */
    table_deinit(&t);
}
