/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of a column as it was, made values of the column as it is (row_widening_ok). Cells never
 * become smaller, so they are widened in place, from the last to the first.
 */
#include "read_priv.h"

#include "base/must.h"

#define DAY_US INT64_C(86400000000)

uint32_t parquet__cell_bytes(const struct parquet_leaf *leaf)
{
    return leaf->type == ROW_DECIMAL ? sizeof(row_i128) : leaf->width;
}

static row_i128 power_of_ten(unsigned n)
{
    row_i128 v = 1;
    while (n-- > 0)
        v *= 10;
    return v;
}

/* One value: a number, or what stands for one. */
union number {
    row_i128 whole;
    double real;
};

static union number load(const struct parquet_leaf *from, const uint8_t *cell)
{
    union number n = {.whole = 0};
    int32_t i32;
    int64_t i64;
    float f32;
    switch (from->type) {
    case ROW_FLOAT:
        memcpy(&f32, cell, sizeof(f32));
        n.real = (double)f32;
        return n;
    case ROW_DECIMAL: memcpy(&n.whole, cell, sizeof(n.whole)); return n;
    case ROW_LONG:
        memcpy(&i64, cell, sizeof(i64));
        n.whole = i64;
        return n;
    default:
        memcpy(&i32, cell, sizeof(i32));
        n.whole = i32;
        return n;
    }
}

static bool store_decimal(const struct parquet_leaf *from, const struct parquet_leaf *to,
                          row_i128 v, uint8_t *cell)
{
    if (from->type == ROW_DECIMAL) {
        row_i128 limit = power_of_ten(from->precision);
        if (v <= -limit || v >= limit)
            return false;
    }
    v *= power_of_ten(to->scale - (from->type == ROW_DECIMAL ? from->scale : 0u));
    memcpy(cell, &v, sizeof(v));
    return true;
}

static bool store(const struct parquet_leaf *from, const struct parquet_leaf *to, union number n,
                  uint8_t *cell)
{
    int64_t i64 = (int64_t)n.whole;
    int32_t i32 = (int32_t)n.whole;
    double real = from->type == ROW_FLOAT ? n.real : (double)n.whole;
    switch (to->type) {
    case ROW_DECIMAL: return store_decimal(from, to, n.whole, cell);
    case ROW_DOUBLE: memcpy(cell, &real, sizeof(real)); return true;
    case ROW_TIMESTAMP_NTZ:
        if (n.whole > INT64_MAX / DAY_US || n.whole < INT64_MIN / DAY_US)
            return false;
        i64 *= DAY_US;
        memcpy(cell, &i64, sizeof(i64));
        return true;
    case ROW_LONG: memcpy(cell, &i64, sizeof(i64)); return true;
    default: memcpy(cell, &i32, sizeof(i32)); return true;
    }
}

bool parquet__widen(const struct parquet_leaf *from, const struct parquet_leaf *to, uint8_t *cells,
                    size_t count)
{
    size_t from_size = parquet__cell_bytes(from), to_size = parquet__cell_bytes(to);
    must(from_size <= to_size);
    for (size_t i = count; i-- > 0;)
        if (!store(from, to, load(from, cells + i * from_size), cells + i * to_size))
            return false;
    return true;
}
