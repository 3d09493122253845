/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet_priv.h"

#include "base/mem.h"

#include "test.h"

#define COUNT 100000u

static const uint32_t *indexes_of(const struct parquet_dict *d)
{
    return (const uint32_t *)(const void *)d->indexes.data;
}

static bool build_longs(struct parquet_dict *d, const int64_t *values, uint32_t count,
                        struct buf *plain)
{
    struct parquet_leaf leaf;
    struct parquet_data data = {.value_count = count, .fixed = (const uint8_t *)values};
    parquet__leaf_init(&leaf, ROW_LONG, 0, 0);
    bool pays = parquet__dict_build(d, &leaf, &data);
    if (pays)
        parquet__dict_plain(d, &leaf, &data, plain);
    return pays;
}

Test(parquet_dict, few_distinct_numbers_get_one)
{
    struct parquet_dict d = {0};
    struct buf plain = BUF_NULL;
    int64_t *values = mem_calloc(COUNT, sizeof(*values));
    for (uint32_t i = 0; i < COUNT; i++)
        values[i] = (int64_t)(i * 7919 % 5000) << 40; /* only high bits differ */

    bool pays = build_longs(&d, values, COUNT, &plain);

    cr_assert(pays);
    cr_assert_eq(d.entry_count, 5000);
    cr_assert_eq(plain.len, 5000 * 8);
    for (uint32_t i = 0; i < COUNT; i++)
        cr_assert_arr_eq(plain.data + 8 * (size_t)indexes_of(&d)[i], &values[i], 8);
    buf_deinit(&plain);
    mem_free(values);
    parquet__dict_deinit(&d);
}

Test(parquet_dict, distinct_numbers_get_none)
{
    struct parquet_dict d = {0};
    int64_t *values = mem_calloc(COUNT, sizeof(*values));
    for (uint32_t i = 0; i < COUNT; i++)
        values[i] = i;

    cr_assert_not(build_longs(&d, values, COUNT, NULL));
    cr_assert_lt(d.entry_count, COUNT / 2); /* given up early */
    mem_free(values);
    parquet__dict_deinit(&d);
}

Test(parquet_dict, is_ready_again_after_giving_up)
{
    struct parquet_dict d = {0};
    struct buf plain = BUF_NULL;
    int64_t *values = mem_calloc(COUNT, sizeof(*values));
    for (uint32_t i = 0; i < COUNT; i++)
        values[i] = i;
    cr_assert_not(build_longs(&d, values, COUNT, NULL));

    memset(values, 0, COUNT * sizeof(*values));
    bool pays = build_longs(&d, values, COUNT, &plain);

    cr_assert(pays);
    cr_assert_eq(d.entry_count, 1);
    cr_assert_eq(indexes_of(&d)[COUNT - 1], 0);
    buf_deinit(&plain);
    mem_free(values);
    parquet__dict_deinit(&d);
}

Test(parquet_dict, floats_are_told_apart_by_their_bits)
{
    struct parquet_dict d = {0};
    struct parquet_leaf leaf;
    double values[64];
    struct parquet_data data = {.value_count = 64, .fixed = (const uint8_t *)values};
    for (int i = 0; i < 64; i++)
        values[i] = i % 2 ? 0.0 : -0.0;
    parquet__leaf_init(&leaf, ROW_DOUBLE, 0, 0);

    cr_assert(parquet__dict_build(&d, &leaf, &data));
    cr_assert_eq(d.entry_count, 2);
    parquet__dict_deinit(&d);
}

Test(parquet_dict, strings_of_all_lengths_find_themselves)
{
    struct parquet_dict d = {0};
    struct buf bytes = BUF_NULL, plain = BUF_NULL;
    struct parquet_leaf leaf;
    uint32_t offsets[40 * 30 + 1] = {0};
    for (uint32_t i = 0; i < 40 * 30; i++) { /* "", "a", "ab", … thirty times over */
        for (uint32_t k = 0; k < i % 40; k++)
            buf_add_byte(&bytes, (uint8_t)('a' + k));
        offsets[i + 1] = (uint32_t)bytes.len;
    }
    struct parquet_data data = {.value_count = 40 * 30, .offsets = offsets, .bytes = bytes.data};
    parquet__leaf_init(&leaf, ROW_STRING, 0, 0);

    cr_assert(parquet__dict_build(&d, &leaf, &data));
    parquet__dict_plain(&d, &leaf, &data, &plain);

    cr_assert_eq(d.entry_count, 40);
    for (uint32_t i = 0; i < 40 * 30; i++)
        cr_assert_eq(indexes_of(&d)[i], i % 40);
    cr_assert_eq(plain.len, 40 * 4 + 39 * 40 / 2);
    buf_deinit(&bytes);
    buf_deinit(&plain);
    parquet__dict_deinit(&d);
}

Test(parquet_dict, booleans_never_get_one)
{
    struct parquet_dict d = {0};
    struct parquet_leaf leaf;
    uint8_t values[64] = {0};
    struct parquet_data data = {.value_count = 64, .fixed = values};
    parquet__leaf_init(&leaf, ROW_BOOLEAN, 0, 0);
    cr_assert_not(parquet__dict_build(&d, &leaf, &data));
    parquet__dict_deinit(&d);
}

/* What a chunk of 65,536 longs gets, whose value @i is of(i). */
static bool gets_one(uint64_t (*of)(uint64_t i))
{
    enum { N = 65536 };
    struct parquet_leaf leaf;
    parquet__leaf_init(&leaf, ROW_LONG, 0, 0);
    uint64_t *values = mem_calloc(N, sizeof(*values));
    for (uint64_t i = 0; i < N; i++)
        values[i] = of(i);
    struct parquet_data data = {.row_count = N, .value_count = N, .fixed = (const uint8_t *)values};
    struct parquet_dict d = {0};
    bool built = parquet__dict_build(&d, &leaf, &data);
    parquet__dict_deinit(&d);
    mem_free(values);
    return built;
}

static uint64_t each_once(uint64_t i)
{
    return i * 0x9e3779b97f4a7c15u;
}

static uint64_t four_in_a_row(uint64_t i)
{
    return i / 4 * 0x9e3779b97f4a7c15u;
}

static uint64_t sixteen_thousand_in_turn(uint64_t i)
{
    return i % 16384 * 0x9e3779b97f4a7c15u;
}

static uint64_t three_quarters_alike(uint64_t i)
{
    return i % 4 != 0 ? 7 : each_once(i);
}

Test(parquet_dict, a_large_chunk_is_judged_by_a_sample)
{
    cr_assert_not(gets_one(each_once));
    cr_assert(gets_one(four_in_a_row));
    cr_assert(gets_one(sixteen_thousand_in_turn));
    cr_assert(gets_one(three_quarters_alike));
}
