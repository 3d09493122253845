/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors to levels: by hand, and in the file. */
#include "parquet_priv.h"

#include "base/bits.h"

#include "random.h"
#include "table.h"
#include "test.h"

#include <stdio.h>

static void assert_levels(const struct parquet_slots *s, const char *def, const char *rep)
{
    cr_assert_eq(s->count, strlen(def));
    for (uint32_t i = 0; i < s->count; i++) {
        cr_assert_eq(s->def[i], def[i] - '0', "def %u", i);
        cr_assert_eq(s->rep != NULL ? s->rep[i] : 0, rep[i] - '0', "rep %u", i);
    }
}

Test(parquet_levels, null_empty_and_filled_lists_are_told_apart)
{
    struct buf def[2] = {0}, list_def = BUF_NULL, rep = BUF_NULL;
    uint8_t valid[] = {1, 0, 1, 1}, element_valid[] = {1, 0, 1};
    uint32_t offsets[] = {0, 2, 2, 2, 3};
    struct row_vector array = {.valid = valid, .offsets = offsets};
    struct row_vector element = {.valid = element_valid};
    struct parquet_slots rows = {.count = 4}, own, list, leaf;

    parquet__slots_own(&rows, &array, &def[0], &own);
    cr_assert(parquet__slots_expand(&own, offsets, &list_def, &rep, &list));
    parquet__slots_own(&list, &element, &def[1], &leaf);

    assert_levels(&own, "1011", "0000");
    assert_levels(&list, "22012", "01000");
    assert_levels(&leaf, "32013", "01000");
    cr_assert_eq(leaf.def_max, 3);
    cr_assert_eq(leaf.def_entry, 2);
    cr_assert_eq(leaf.rep_max, 1);
    buf_deinit(&def[0]);
    buf_deinit(&def[1]);
    buf_deinit(&list_def);
    buf_deinit(&rep);
}

Test(parquet_levels, a_list_within_a_list_repeats_at_its_own_level)
{
    struct buf a = BUF_NULL, b = BUF_NULL, c = BUF_NULL, d = BUF_NULL;
    uint32_t outer[] = {0, 2, 3}, inner[] = {0, 2, 2, 5};
    struct parquet_slots rows = {.count = 2}, lists, elements;

    cr_assert(parquet__slots_expand(&rows, outer, &a, &b, &lists));
    cr_assert(parquet__slots_expand(&lists, inner, &c, &d, &elements));

    assert_levels(&lists, "111", "010");
    assert_levels(&elements, "221222", "021022");
    buf_deinit(&a);
    buf_deinit(&b);
    buf_deinit(&c);
    buf_deinit(&d);
}

Test(parquet_levels, entries_of_a_null_struct_are_passed_over)
{
    struct buf def = BUF_NULL;
    uint8_t own_valid[] = {1, 0, 1}, field_valid[] = {0, 0, 1};
    struct row_vector s = {.valid = own_valid}, field = {.valid = field_valid};
    struct parquet_slots rows = {.count = 3}, own, leaf;

    parquet__slots_own(&rows, &s, &def, &own);
    parquet__slots_own(&own, &field, &def, &leaf);

    assert_levels(&leaf, "102", "000");
    buf_deinit(&def);
}

struct leaf {
    uint32_t width;
    int max[2]; /* def, rep */
    const char *def, *rep, *values;
};

static void assert_leaf(const struct table *t, int index, const struct leaf *want)
{
    struct chunk c;
    struct buf text = BUF_NULL;
    chunk_read(buf_slice(&t->file), table_meta(t, 0, index), want->width, want->max, &c);
    cr_assert_eq(c.level_count, strlen(want->def));
    for (size_t i = 0; i < c.level_count; i++) {
        cr_assert_eq(c.def[i], want->def[i] - '0');
        if (want->rep != NULL)
            cr_assert_eq(c.rep[i], want->rep[i] - '0');
    }
    for (size_t i = 0; i < c.value_count; i++) {
        if (want->width == 8)
            buf_printf(&text, "%lld,", (long long)get_le64(c.values[i].data));
        else
            buf_printf(&text, "%.*s,", (int)c.values[i].len, (const char *)c.values[i].data);
    }
    cr_assert_str_eq(buf_cstr(&text), want->values);
    buf_deinit(&text);
    chunk_free(&c);
}

#define TEXT(s)     ((struct row_value){.bytes = slice_str(s)})
#define NOTHING     ((struct row_value){.null = true})
#define ITEMS(list) ((struct row_value){.items = (list), .item_count = ARRAY_LEN(list)})
#define EMPTY       ((struct row_value){.item_count = 0})

Test(parquet_levels, null_and_empty_are_different_in_the_file)
{
    struct table t;
    const struct row_value pairs[] = {TEXT("k"), TEXT("v"), TEXT("n"), NOTHING};
    const struct row_value cells[] = {TEXT("x"), NOTHING, TEXT("y")};
    const struct row_value full[] = {TEXT("p"), ITEMS(pairs), {.i64 = 7}};
    const struct row_value empty[] = {{.bytes = slice_of("", 0)}, EMPTY, NOTHING};
    const struct row_value hollow[] = {NOTHING, NOTHING, NOTHING};
    const struct row_value rows[][2] = {
        {ITEMS(full), ITEMS(cells)},
        {NOTHING, NOTHING},
        {ITEMS(empty), EMPTY},
        {ITEMS(hollow), NOTHING},
    };
    static const struct leaf want[] = {
        {0, {2, 0}, "2021", NULL, "p,,"},        {0, {3, 1}, "33021", "01000", "k,n,"},
        {0, {4, 1}, "43021", "01000", "v,"},     {8, {2, 0}, "2011", NULL, "7,"},
        {0, {3, 1}, "323010", "011000", "x,y,"},
    };
    table_init(&t,
               "add struct<path string, tags map<string, string>, size bigint>, "
               "features array<string>",
               NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        row_batch_append(t.batch, rows[i]);

    table_finish(&t);

    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_leaf(&t, (int)i, &want[i]);
    table_deinit(&t);
}

/* With an offset index every page must start with a new row. */
Test(parquet_levels, pages_start_with_a_row)
{
    struct table t;
    struct node index;
    struct chunk c;
    struct row_value cells[5];
    table_init(&t, "features array<string>", &(struct parquet_options){.page_rows_max = 3});
    for (size_t i = 0; i < 5; i++)
        cells[i] = TEXT("feature");
    for (uint32_t i = 0; i < 20; i++)
        row_batch_append(t.batch, &(struct row_value){.items = cells, .item_count = i % 6});

    table_finish(&t);

    cr_assert(table_offset_index(&t, 0, 0, &index));
    cr_assert_eq(node_at(&index, 1, -1)->kid_count, 7);
    for (int page = 0; page < 7; page++)
        cr_assert_eq(INT_AT(&index, 1, page, 3), page * 3);
    node_free(&index);
    chunk_read(buf_slice(&t.file), table_meta(&t, 0, 0), 0, (const int[]){3, 1}, &c);
    for (size_t i = 0, level = 0; i < 20; i++)
        for (size_t k = 0; k < MAX(1, i % 6); k++, level++) {
            cr_assert_eq(c.rep[level], k > 0);
            cr_assert_eq(c.def[level], i % 6 == 0 ? 1 : 3);
        }
    chunk_free(&c);
    table_deinit(&t);
}
