/* SPDX-License-Identifier: Apache-2.0 */
#include "read_priv.h"

#include "test.h"

Test(parquet_widen, extremes_of_each_type_survive)
{
    struct parquet_leaf i32, i64, narrow, wide;
    union {
        int32_t i32[2];
        int64_t i64[2];
        row_i128 i128[2];
    } cells = {.i32 = {INT32_MIN, INT32_MAX}};
    parquet__leaf_init(&i32, ROW_INT, 0, 0);
    parquet__leaf_init(&i64, ROW_LONG, 0, 0);
    parquet__leaf_init(&narrow, ROW_DECIMAL, 20, 0);
    parquet__leaf_init(&wide, ROW_DECIMAL, 38, 18);

    cr_assert(parquet__widen(&i32, &i64, (uint8_t *)&cells, 2));
    cr_assert(cells.i64[0] == INT32_MIN && cells.i64[1] == INT32_MAX);
    cells.i64[0] = INT64_MIN;
    cells.i64[1] = INT64_MAX;
    cr_assert(parquet__widen(&i64, &narrow, (uint8_t *)&cells, 2));
    cr_assert(cells.i128[0] == INT64_MIN && cells.i128[1] == INT64_MAX);
    cr_assert(parquet__widen(&narrow, &wide, (uint8_t *)&cells, 2));
    cr_assert(cells.i128[0] == (row_i128)INT64_MIN * 1000000000000000000);
}

Test(parquet_widen, values_beyond_their_own_type_are_told)
{
    struct parquet_leaf date, ntz, narrow, wide;
    union {
        int32_t i32;
        row_i128 i128;
        int64_t i64;
    } cell = {.i32 = INT32_MAX};
    parquet__leaf_init(&date, ROW_DATE, 0, 0);
    parquet__leaf_init(&ntz, ROW_TIMESTAMP_NTZ, 0, 0);
    parquet__leaf_init(&narrow, ROW_DECIMAL, 9, 0);
    parquet__leaf_init(&wide, ROW_DECIMAL, 38, 29);

    cr_assert_not(parquet__widen(&date, &ntz, (uint8_t *)&cell, 1));
    cell.i128 = 1000000000;
    cr_assert_not(parquet__widen(&narrow, &wide, (uint8_t *)&cell, 1));
    cell.i128 = -999999999;
    cr_assert(parquet__widen(&narrow, &wide, (uint8_t *)&cell, 1));
}
