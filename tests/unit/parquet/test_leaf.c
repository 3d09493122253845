/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet_priv.h"

#include "reader.h"
#include "test.h"

static struct parquet_leaf leaf_of(enum row_type type, uint8_t precision, uint8_t scale)
{
    struct parquet_leaf leaf;
    parquet__leaf_init(&leaf, type, precision, scale);
    return leaf;
}

static void element(const struct parquet_leaf *leaf, struct buf *b, struct node *ret_node)
{
    parquet__schema_leaf(b, leaf, "c", REP_OPTIONAL, 9);
    cr_assert_eq(node_parse(buf_slice(b), ret_node), b->len);
}

Test(parquet_leaf, decimals_take_the_fewest_bytes)
{
    static const struct {
        uint8_t precision, width;
        enum parquet_physical physical;
    } cases[] = {
        {1, 4, PHYS_INT32},   {9, 4, PHYS_INT32},   {10, 8, PHYS_INT64},  {18, 8, PHYS_INT64},
        {19, 9, PHYS_FIXED},  {21, 9, PHYS_FIXED},  {22, 10, PHYS_FIXED}, {28, 12, PHYS_FIXED},
        {36, 16, PHYS_FIXED}, {38, 16, PHYS_FIXED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct parquet_leaf leaf = leaf_of(ROW_DECIMAL, cases[i].precision, 0);
        cr_assert_eq(leaf.physical, cases[i].physical);
        cr_assert_eq(leaf.width, cases[i].width);
    }
}

Test(parquet_leaf, nulls_take_no_place_among_the_values)
{
    struct parquet_leaf leaf = leaf_of(ROW_INT, 0, 0);
    struct parquet_dense scratch = {0};
    struct parquet_data data = {0};
    int32_t cells[] = {7, 0, 0, 9, 0};
    uint8_t valid[] = {1, 0, 0, 1, 0};
    struct row_vector v = {.type = ROW_INT,
                           .cell_bytes = 4,
                           .null_count = 3,
                           .valid = valid,
                           .fixed = (uint8_t *)cells};

    parquet__leaf_values(&leaf, &v, 5, &scratch, &data);

    static const int32_t want[] = {7, 9};
    cr_assert_eq(data.value_count, 2);
    cr_assert_arr_eq(data.fixed, want, sizeof(want));
    buf_deinit(&scratch.fixed);
}

Test(parquet_leaf, values_without_nulls_are_not_copied)
{
    struct parquet_leaf leaf = leaf_of(ROW_LONG, 0, 0);
    struct parquet_dense scratch = {0};
    struct parquet_data data = {0};
    int64_t cells[] = {1, 2};
    struct row_vector v = {.type = ROW_LONG, .cell_bytes = 8, .fixed = (uint8_t *)cells};

    parquet__leaf_values(&leaf, &v, 2, &scratch, &data);

    cr_assert_eq((const void *)data.fixed, (const void *)cells);
    cr_assert_null(scratch.fixed.data);
}

Test(parquet_leaf, strings_keep_their_bytes_and_lose_the_places_of_nulls)
{
    struct parquet_leaf leaf = leaf_of(ROW_STRING, 0, 0);
    struct parquet_dense scratch = {0};
    struct parquet_data data = {0};
    uint32_t offsets[] = {0, 0, 2, 2, 2, 5};
    uint8_t valid[] = {0, 1, 1, 0, 1};
    struct row_vector v = {.type = ROW_STRING, .null_count = 2, .valid = valid, .offsets = offsets};
    buf_add_str(&v.bytes, "abcde");

    parquet__leaf_values(&leaf, &v, 5, &scratch, &data);

    static const uint32_t want[] = {0, 2, 2, 5};
    cr_assert_eq(data.value_count, 3);
    cr_assert_arr_eq(data.offsets, want, sizeof(want));
    buf_deinit(&scratch.offsets);
    buf_deinit(&v.bytes);
}

Test(parquet_leaf, wide_decimals_are_big_endian)
{
    struct parquet_leaf leaf = leaf_of(ROW_DECIMAL, 20, 0);
    struct parquet_dense scratch = {0};
    struct parquet_data data = {0};
    row_i128 cells[] = {-2, 258};
    struct row_vector v = {.type = ROW_DECIMAL, .cell_bytes = 16, .fixed = (uint8_t *)cells};

    parquet__leaf_values(&leaf, &v, 2, &scratch, &data);

    static const uint8_t want[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
                                   0,    0,    0,    0,    0,    0,    0,    1,    2};
    cr_assert_eq(leaf.width, 9);
    cr_assert_arr_eq(data.fixed, want, sizeof(want));
    buf_deinit(&scratch.fixed);
}

Test(parquet_leaf, narrow_decimals_are_numbers)
{
    struct parquet_leaf leaf = leaf_of(ROW_DECIMAL, 9, 2);
    struct parquet_dense scratch = {0};
    struct parquet_data data = {0};
    row_i128 cells[] = {-999999999, 0, 5};
    uint8_t valid[] = {1, 0, 1};
    struct row_vector v = {.type = ROW_DECIMAL,
                           .cell_bytes = 16,
                           .null_count = 1,
                           .valid = valid,
                           .fixed = (uint8_t *)cells};

    parquet__leaf_values(&leaf, &v, 3, &scratch, &data);

    static const int32_t want[] = {-999999999, 5};
    cr_assert_arr_eq(data.fixed, want, sizeof(want));
    buf_deinit(&scratch.fixed);
}

Test(parquet_leaf, each_type_says_what_it_means_in_both_ways)
{
    /* physical, converted (-1: none), field of the LogicalType union (0: none) */
    static const struct {
        enum row_type type;
        int physical, converted, logical;
    } cases[] = {
        {ROW_BOOLEAN, 0, -1, 0},       {ROW_BYTE, 1, 15, 10},  {ROW_SHORT, 1, 16, 10},
        {ROW_INT, 1, -1, 0},           {ROW_LONG, 2, -1, 0},   {ROW_FLOAT, 4, -1, 0},
        {ROW_DOUBLE, 5, -1, 0},        {ROW_DECIMAL, 2, 5, 5}, {ROW_STRING, 6, 0, 1},
        {ROW_BINARY, 6, -1, 0},        {ROW_DATE, 1, 6, 6},    {ROW_TIMESTAMP, 2, 10, 8},
        {ROW_TIMESTAMP_NTZ, 2, -1, 8},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct parquet_leaf leaf = leaf_of(cases[i].type, 12, 3);
        struct buf b = BUF_NULL;
        struct node n;
        element(&leaf, &b, &n);
        cr_assert_eq(INT_AT(&n, 1), cases[i].physical);
        cr_assert_eq(INT_AT(&n, 3), 1);
        cr_assert(slice_eq(TEXT_AT(&n, 4), slice_str("c")));
        cr_assert_eq(INT_AT(&n, 9), 9);
        const struct node *converted = node_at(&n, 6, -1), *logical = node_at(&n, 10, -1);
        cr_assert_eq(converted != NULL ? converted->i : -1, cases[i].converted);
        cr_assert_eq(logical != NULL ? logical->kids[0].id : 0, cases[i].logical);
        node_free(&n);
        buf_deinit(&b);
    }
}

Test(parquet_leaf, details_of_logical_types_are_there)
{
    struct parquet_leaf decimal = leaf_of(ROW_DECIMAL, 30, 4), byte = leaf_of(ROW_BYTE, 0, 0);
    struct parquet_leaf ts = leaf_of(ROW_TIMESTAMP, 0, 0), ntz = leaf_of(ROW_TIMESTAMP_NTZ, 0, 0);
    struct buf b[4] = {0};
    struct node d, i, t, n;
    element(&decimal, &b[0], &d);
    element(&byte, &b[1], &i);
    element(&ts, &b[2], &t);
    element(&ntz, &b[3], &n);

    cr_assert_eq(INT_AT(&d, 2), decimal.width);
    cr_assert_eq(INT_AT(&d, 7), 4);
    cr_assert_eq(INT_AT(&d, 8), 30);
    cr_assert_eq(INT_AT(&d, 10, 5, 1), 4);
    cr_assert_eq(INT_AT(&d, 10, 5, 2), 30);
    cr_assert_eq(INT_AT(&i, 10, 10, 1), 8);
    cr_assert_eq(INT_AT(&i, 10, 10, 2), 1);
    cr_assert_eq(INT_AT(&t, 10, 8, 1), 1);
    cr_assert_eq(INT_AT(&n, 10, 8, 1), 0);
    cr_assert_not_null(node_at(&t, 10, 8, 2, 2, -1)); /* microseconds */

    node_free(&d);
    node_free(&i);
    node_free(&t);
    node_free(&n);
    for (size_t k = 0; k < 4; k++)
        buf_deinit(&b[k]);
}
