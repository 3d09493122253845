/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet_priv.h"

#include "base/mem.h"

#include "reader.h"
#include "test.h"

#include <stdio.h>

static void assert_reads_back(const uint32_t *values, size_t count, uint32_t width)
{
    struct buf b = BUF_NULL;
    uint32_t *got = mem_calloc(count + 1, sizeof(*got));
    parquet__hybrid_u32(&b, values, count, width);
    cr_assert_eq(hybrid_read(buf_slice(&b), width, count, got), b.len);
    cr_assert_arr_eq(got, values, count * sizeof(*got));
    mem_free(got);
    buf_deinit(&b);
}

Test(parquet_hybrid, bit_width_is_that_of_the_largest_value)
{
    cr_assert_eq(parquet__bit_width(0), 0);
    cr_assert_eq(parquet__bit_width(1), 1);
    cr_assert_eq(parquet__bit_width(7), 3);
    cr_assert_eq(parquet__bit_width(8), 4);
    cr_assert_eq(parquet__bit_width(UINT32_MAX), 32);
}

Test(parquet_hybrid, equal_values_are_one_run)
{
    struct buf b = BUF_NULL;
    uint8_t ones[1000];
    static const uint8_t want[] = {0xd0, 0x0f, 0x01}; /* 1000 << 1, value 1 */
    memset(ones, 1, sizeof(ones));

    parquet__hybrid_u8(&b, ones, sizeof(ones), 1);

    cr_assert(slice_eq(buf_slice(&b), slice_of(want, sizeof(want))));
    buf_deinit(&b);
}

/* The example of the format's own description: 0..7 in three bits. */
Test(parquet_hybrid, mixed_values_are_packed_low_bits_first)
{
    struct buf b = BUF_NULL;
    static const uint32_t values[] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const uint8_t want[] = {0x03, 0x88, 0xc6, 0xfa};

    parquet__hybrid_u32(&b, values, ARRAY_LEN(values), 3);

    cr_assert(slice_eq(buf_slice(&b), slice_of(want, sizeof(want))));
    buf_deinit(&b);
}

Test(parquet_hybrid, the_last_group_is_filled_with_zeros)
{
    struct buf b = BUF_NULL;
    static const uint32_t values[] = {1, 0, 1};
    static const uint8_t want[] = {0x03, 0x05};

    parquet__hybrid_u32(&b, values, ARRAY_LEN(values), 1);

    cr_assert(slice_eq(buf_slice(&b), slice_of(want, sizeof(want))));
    buf_deinit(&b);
}

Test(parquet_hybrid, a_run_takes_over_where_it_starts_between_groups)
{
    struct buf b = BUF_NULL;
    uint32_t values[111];
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        values[i] = i < 3 ? (uint32_t)i : 9;
    static const uint8_t want[] = {0x03, 0x10, 0x92, 0x99, 0x99, 0xce, 0x01, 0x09};

    parquet__hybrid_u32(&b, values, ARRAY_LEN(values), 4);

    /* one group 0 1 2 9 9 9 9 9, then a run of 103 nines */
    static const uint8_t group[] = {0x03, 0x10, 0x92, 0x99, 0x99};
    cr_assert_arr_eq(b.data, group, sizeof(group));
    cr_assert(slice_eq(buf_slice(&b), slice_of(want, sizeof(want))));
    buf_deinit(&b);
}

Test(parquet_hybrid, no_values_are_no_bytes)
{
    struct buf b = BUF_NULL;
    parquet__hybrid_u32(&b, NULL, 0, 5);
    cr_assert_eq(b.len, 0);
    buf_deinit(&b);
}

Test(parquet_hybrid, every_width_and_mixture_reads_back)
{
    uint64_t seed = 7;
    uint32_t values[3000];
    for (uint32_t width = 1; width <= 32; width++) {
        for (size_t count = 1; count < ARRAY_LEN(values); count = count * 3 + 1) {
            for (size_t i = 0; i < count; i++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                bool same = i > 0 && (seed >> 20) % 40 != 0 && i / 300 % 2;
                values[i] = same ? values[i - 1] : (uint32_t)((seed >> 32) & ((1ull << width) - 1));
            }
            assert_reads_back(values, count, width);
        }
    }
}
