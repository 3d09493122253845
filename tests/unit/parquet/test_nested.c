/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/nested.h"

#include "base/bits.h"

#include "parquet/parquet.h"
#include "reader.h"
#include "test.h"

#include <stdio.h>

static const struct parquet_field add_fields[] = {
    {"path", PARQUET_LEAF, ROW_STRING, 0, 0, NULL, 0},
    {"values", PARQUET_MAP, ROW_STRING, 0, 0, NULL, 0},
    {"size", PARQUET_LEAF, ROW_LONG, 0, 0, NULL, 0},
};
static const struct parquet_field fields[] = {
    {"add", PARQUET_STRUCT, 0, 0, 0, add_fields, ARRAY_LEN(add_fields)},
    {"features", PARQUET_LIST, ROW_STRING, 0, 0, NULL, 0},
};
enum { LEAF_PATH, LEAF_KEY, LEAF_VALUE, LEAF_SIZE, LEAF_FEATURE };

struct written {
    struct buf file;
    struct node footer;
};

static void write_rows(struct written *w, const struct parquet_value rows[][2], size_t count,
                       const struct parquet_options *o)
{
    *w = (struct written){0};
    struct parquet_nested *n = parquet_nested_new(fields, ARRAY_LEN(fields), o, &w->file);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(parquet_nested_append(n, rows[i], NULL), 0);
    cr_assert_eq(parquet_nested_finish(n, NULL), 0);
    cr_assert_eq(parquet_nested_row_count(n), count);
    parquet_nested_free(n);
    file_parse(buf_slice(&w->file), &w->footer);
}

static void written_free(struct written *w)
{
    node_free(&w->footer);
    buf_deinit(&w->file);
}

static void assert_column(const struct written *w, int leaf, const char *def, const char *rep,
                          const char *values)
{
    struct chunk c;
    struct buf text = BUF_NULL;
    const struct node *meta = node_at(&w->footer, 4, 0, 1, leaf, 3, -1);
    int def_max = leaf == LEAF_KEY ? 3 : leaf == LEAF_VALUE ? 4 : leaf == LEAF_FEATURE ? 3 : 2;
    int max[] = {def_max, rep != NULL};
    chunk_read(buf_slice(&w->file), meta, leaf == LEAF_SIZE ? 8 : 0, max, &c);
    cr_assert_eq(c.level_count, strlen(def));
    for (size_t i = 0; i < c.level_count; i++) {
        cr_assert_eq(c.def[i], def[i] - '0');
        if (rep != NULL)
            cr_assert_eq(c.rep[i], rep[i] - '0');
    }
    for (size_t i = 0; i < c.value_count; i++) {
        if (leaf == LEAF_SIZE)
            buf_printf(&text, "%lld,", (long long)get_le64(c.values[i].data));
        else
            buf_printf(&text, "%.*s,", (int)c.values[i].len, (const char *)c.values[i].data);
    }
    cr_assert_str_eq(buf_cstr(&text), values);
    buf_deinit(&text);
    chunk_free(&c);
}

Test(parquet_nested, the_tree_is_spelled_as_delta_readers_expect)
{
    struct written w;
    static const struct {
        const char *name;
        int repetition, children, converted;
    } want[] = {
        {"schema", -1, 2, -1},   {"add", 1, 3, -1},  {"path", 1, -1, 0},    {"values", 1, 1, 1},
        {"key_value", 2, 2, -1}, {"key", 0, -1, 0},  {"value", 1, -1, 0},   {"size", 1, -1, -1},
        {"features", 1, 1, 3},   {"list", 2, 1, -1}, {"element", 1, -1, 0},
    };

    write_rows(&w, NULL, 0, NULL);

    const struct node *schema = node_at(&w.footer, 2, -1);
    cr_assert_eq(schema->kid_count, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct node *e = &schema->kids[i];
        const struct node *rep = node_at(e, 3, -1), *children = node_at(e, 5, -1);
        const struct node *converted = node_at(e, 6, -1);
        cr_assert(slice_eq(TEXT_AT(e, 4), slice_str(want[i].name)));
        cr_assert_eq(rep != NULL ? rep->i : -1, want[i].repetition);
        cr_assert_eq(children != NULL ? children->i : -1, want[i].children);
        cr_assert_eq(converted != NULL ? converted->i : -1, want[i].converted);
    }
    cr_assert_not_null(node_at(schema, 3, 10, 2, -1)); /* LogicalType MAP */
    cr_assert_not_null(node_at(schema, 8, 10, 3, -1)); /* LogicalType LIST */
    written_free(&w);
}

Test(parquet_nested, null_and_empty_are_different)
{
    struct written w;
    struct parquet_pair pairs[] = {
        {.key = slice_str("k"), .value = parquet_cell_text(slice_str("v"))},
        {.key = slice_str("n")},
    };
    struct parquet_cell cells[] = {
        parquet_cell_text(slice_str("x")), {0}, parquet_cell_text(slice_str("y"))};
    struct parquet_value full[] = {parquet_value_text(slice_str("p")), parquet_value_map(pairs, 2),
                                   parquet_value_int(7)};
    struct parquet_value empty[] = {
        parquet_value_text(slice_of("", 0)), parquet_value_map(NULL, 0), {0}};
    struct parquet_value hollow[3] = {0};
    struct parquet_value rows[][2] = {
        {parquet_value_struct(full), parquet_value_list(cells, 3)},
        {{0}, {0}},
        {parquet_value_struct(empty), parquet_value_list(NULL, 0)},
        {parquet_value_struct(hollow), {0}},
    };

    write_rows(&w, rows, 4, NULL);

    assert_column(&w, LEAF_PATH, "2021", NULL, "p,,");
    assert_column(&w, LEAF_KEY, "33021", "01000", "k,n,");
    assert_column(&w, LEAF_VALUE, "43021", "01000", "v,");
    assert_column(&w, LEAF_SIZE, "2011", NULL, "7,");
    assert_column(&w, LEAF_FEATURE, "323010", "011000", "x,y,");
    written_free(&w);
}

Test(parquet_nested, paths_lead_from_the_root)
{
    struct written w;
    struct parquet_value rows[][2] = {{{0}, {0}}};

    write_rows(&w, rows, 1, NULL);

    const struct node *path = node_at(&w.footer, 4, 0, 1, LEAF_VALUE, 3, 3, -1);
    static const char *const want[] = {"add", "values", "key_value", "value"};
    cr_assert_eq(path->kid_count, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        cr_assert(slice_eq(path->kids[i].s, slice_str(want[i])));
    written_free(&w);
}

/* With an offset index every page must start with a new row. */
Test(parquet_nested, pages_start_with_a_row)
{
    struct written w;
    struct node index;
    struct parquet_cell cells[5];
    struct parquet_value rows[20][2] = {0};
    for (size_t i = 0; i < 5; i++)
        cells[i] = parquet_cell_text(slice_str("feature"));
    for (size_t i = 0; i < 20; i++)
        rows[i][1] = parquet_value_list(cells, i % 6);

    write_rows(&w, rows, 20, &(struct parquet_options){.page_rows_max = 3});

    const struct node *chunk = node_at(&w.footer, 4, 0, 1, LEAF_FEATURE, -1);
    struct slice bytes = slice_of(w.file.data + INT_AT(chunk, 4), (size_t)INT_AT(chunk, 5));
    cr_assert_eq(node_parse(bytes, &index), bytes.len);
    cr_assert_eq(node_at(&index, 1, -1)->kid_count, 7);
    for (int page = 0; page < 7; page++)
        cr_assert_eq(INT_AT(&index, 1, page, 3), page * 3);
    node_free(&index);
    struct chunk c;
    chunk_read(buf_slice(&w.file), node_at(chunk, 3, -1), 0, (const int[]){3, 1}, &c);
    for (size_t i = 0, level = 0; i < 20; i++)
        for (size_t k = 0; k < MAX(1, i % 6); k++, level++) {
            cr_assert_eq(c.rep[level], k > 0);
            cr_assert_eq(c.def[level], i % 6 == 0 ? 1 : 3);
        }
    chunk_free(&c);
    written_free(&w);
}

Test(parquet_nested, freeing_nothing_is_fine)
{
    cr_assert_null(parquet_nested_free(NULL));
}
