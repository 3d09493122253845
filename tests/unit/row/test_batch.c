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

/* A variant: no names, and the value's bytes. */
#define VARIANT(bytes) slice_of("\x01\0\0" bytes, sizeof("\x01\0\0" bytes) - 1)

#define ITEMS(...)                                                                                 \
    .items = (struct row_value[]){__VA_ARGS__},                                                    \
    .item_count = sizeof((struct row_value[]){__VA_ARGS__}) / sizeof(struct row_value)

Test(row_batch, a_struct_goes_entry_by_entry_with_its_fields)
{
    struct row_batch *b = batch_of("p struct<x bigint, name string>");
    struct arena arena = ARENA_NULL;

    row_batch_append(b, &(struct row_value){ITEMS({.i64 = 7}, {.bytes = slice_str("seven")})});
    row_batch_append(b, &(struct row_value){.null = true});
    row_batch_append(b, &(struct row_value){ITEMS({.null = true}, {.bytes = slice_str("none")})});

    static const uint8_t outer[] = {1, 0, 1}, x_valid[] = {1, 0, 0}, name_valid[] = {1, 0, 1};
    static const int64_t x[] = {7, 0, 0};
    const struct row_vector *p = &b->columns[0];
    cr_assert_arr_eq(p->valid, outer, sizeof(outer));
    cr_assert_arr_eq(p->children[0].valid, x_valid, sizeof(x_valid));
    cr_assert_arr_eq(p->children[0].fixed, x, sizeof(x));
    cr_assert_arr_eq(p->children[1].valid, name_valid, sizeof(name_valid));
    cr_assert_eq(p->children[0].count, 3u);
    cr_assert_eq(p->children[0].null_count, 2u);
    struct row_value first = row_batch_value(b, 0, 0, &arena);
    cr_assert_eq(first.item_count, 2u);
    cr_assert_eq(first.items[0].i64, 7);
    cr_assert(slice_eq(first.items[1].bytes, slice_str("seven")));
    cr_assert(row_batch_value(b, 0, 1, &arena).null);
    struct row_value third = row_batch_value(b, 0, 2, &arena);
    cr_assert_not(third.null);
    cr_assert(third.items[0].null);
    arena_deinit(&arena);
    row_batch_free(b);
}

Test(row_batch, arrays_stand_one_after_the_other_in_their_child)
{
    struct row_batch *b = batch_of("a array<int>");
    struct arena arena = ARENA_NULL;

    row_batch_append(b, &(struct row_value){ITEMS({.i64 = 1}, {.null = true}, {.i64 = 3})});
    row_batch_append(b, &(struct row_value){.item_count = 0});
    row_batch_append(b, &(struct row_value){.null = true});
    row_batch_append(b, &(struct row_value){ITEMS({.i64 = 4})});

    static const uint32_t offsets[] = {0, 3, 3, 3, 4};
    static const uint8_t valid[] = {1, 1, 0, 1}, child_valid[] = {1, 0, 1, 1};
    static const int32_t cells[] = {1, 0, 3, 4};
    const struct row_vector *a = &b->columns[0];
    cr_assert_arr_eq(a->offsets, offsets, sizeof(offsets));
    cr_assert_arr_eq(a->valid, valid, sizeof(valid));
    cr_assert_eq(a->children[0].count, 4u);
    cr_assert_arr_eq(a->children[0].valid, child_valid, sizeof(child_valid));
    cr_assert_arr_eq(a->children[0].fixed, cells, sizeof(cells));
    struct row_value first = row_batch_value(b, 0, 0, &arena);
    cr_assert_eq(first.item_count, 3u);
    cr_assert(first.items[1].null);
    cr_assert_eq(first.items[2].i64, 3);
    struct row_value empty = row_batch_value(b, 0, 1, &arena);
    cr_assert_not(empty.null);
    cr_assert_eq(empty.item_count, 0u);
    cr_assert(row_batch_value(b, 0, 2, &arena).null);
    arena_deinit(&arena);
    row_batch_free(b);
}

Test(row_batch, a_maps_keys_and_values_stand_in_two_children)
{
    struct row_batch *b = batch_of("m map<string, array<bigint>>");
    struct arena arena = ARENA_NULL;
    struct row_value one = {ITEMS({.i64 = 1})}, none = {.item_count = 0};

    row_batch_append(b, &(struct row_value){ITEMS({.bytes = slice_str("a")}, one,
                                                  {.bytes = slice_str("b")}, none)});
    row_batch_append(b, &(struct row_value){ITEMS({.bytes = slice_str("c")}, one)});

    static const uint32_t offsets[] = {0, 2, 3}, inner[] = {0, 1, 1, 2};
    const struct row_vector *m = &b->columns[0];
    cr_assert_arr_eq(m->offsets, offsets, sizeof(offsets));
    cr_assert_eq(m->children[0].count, 3u);
    cr_assert(slice_eq(buf_slice(&m->children[0].bytes), slice_str("abc")));
    cr_assert_arr_eq(m->children[1].offsets, inner, sizeof(inner));
    struct row_value first = row_batch_value(b, 0, 0, &arena);
    cr_assert_eq(first.item_count, 4u);
    cr_assert(slice_eq(first.items[2].bytes, slice_str("b")));
    cr_assert_eq(first.items[1].item_count, 1u);
    cr_assert_eq(first.items[1].items[0].i64, 1);
    cr_assert_eq(first.items[3].item_count, 0u);
    arena_deinit(&arena);
    row_batch_free(b);
}

Test(row_batch, a_variant_is_kept_as_metadata_and_value)
{
    struct row_batch *b = batch_of("v variant");
    struct arena arena = ARENA_NULL;

    row_batch_append(b, &(struct row_value){.bytes = VARIANT("\x0c\x07")});
    row_batch_append(b, &(struct row_value){.null = true});

    const struct row_vector *v = &b->columns[0];
    static const uint32_t metadata[] = {0, 3, 3}, value[] = {0, 2, 2};
    cr_assert_eq(v->child_count, 2u);
    cr_assert_arr_eq(v->children[0].offsets, metadata, sizeof(metadata));
    cr_assert_arr_eq(v->children[1].offsets, value, sizeof(value));
    cr_assert_eq(v->children[1].null_count, 1u);
    cr_assert(slice_eq(row_batch_value(b, 0, 0, &arena).bytes, VARIANT("\x0c\x07")));
    cr_assert(row_batch_value(b, 0, 1, &arena).null);
    arena_deinit(&arena);
    row_batch_free(b);
}

Test(row_batch, nested_vectors_grow_and_are_empty_after_a_reset)
{
    struct row_batch *b = batch_of("a array<struct<i bigint, v variant>>, n bigint");
    struct arena arena = ARENA_NULL;
    for (int round = 0; round < 2; round++) {
        size_t used = 0;
        for (int64_t i = 0; i < 1000; i++) {
            struct row_value inner[2] = {{.i64 = i}, {.bytes = VARIANT("\0")}};
            struct row_value items[4];
            for (int k = 0; k < 4; k++)
                items[k] = (struct row_value){.items = inner, .item_count = 2};
            row_batch_append(b, (struct row_value[]){
                                    {.items = items, .item_count = (uint32_t)(i % 5)}, {.i64 = i}});
            /* array: valid and place; struct: valid; bigint; variant: valid, two places, bytes */
            used += 5 + 9 + (size_t)(i % 5) * (1 + 9 + 1 + 5 + 3 + 5 + 1);
        }

        cr_assert_eq(b->columns[0].children[0].count, 2000u);
        cr_assert_eq(b->bytes_used, used);
        for (uint32_t i = 0; i < 1000; i++) {
            arena_reset(&arena);
            struct row_value v = row_batch_value(b, 0, i, &arena);
            cr_assert_eq(v.item_count, i % 5);
            for (uint32_t k = 0; k < v.item_count; k++)
                cr_assert_eq(v.items[k].items[0].i64, i);
        }
        row_batch_reset(b);
        cr_assert_eq(b->columns[0].children[0].count, 0u);
        cr_assert_eq(b->columns[0].children[0].children[1].children[1].bytes.len, 0u);
    }
    arena_deinit(&arena);
    row_batch_free(b);
}

Test(row_batch, room_is_made_for_one_who_fills_the_vectors_himself)
{
    struct row_batch *b = batch_of("s struct<a array<int>, v variant>");

    row_batch_reserve(b, 700);
    struct row_vector *s = &b->columns[0];
    struct row_vector *a = &s->children[0], *v = &s->children[1];
    row_vector_reserve(&a->children[0], 5000);

    cr_assert_geq(b->row_cap, 700u);
    cr_assert_geq(a->cap, 700u);
    cr_assert_geq(v->children[1].cap, 700u);
    cr_assert_geq(a->children[0].cap, 5000u);
    memset(a->children[0].fixed, 1, 5000 * sizeof(int32_t)); /* for the sanitizer to see */
    a->offsets[700] = 5000;
    v->children[0].offsets[700] = 0;
    row_batch_free(b);
}

Test(row_batch, freeing_nothing_is_fine)
{
    cr_assert_null(row_batch_free(NULL));
}
