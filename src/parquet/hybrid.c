/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parquet's RLE/bit-packed hybrid: small integers of a fixed bit width as a sequence of
 *
 *   varint(count << 1)      value in ceil(width / 8) bytes          a run
 *   varint(groups << 1 | 1) groups × 8 values, low bits first       as they are
 *
 * Values are looked at in groups of 8. Where a run of RUN_MIN starts, the groups before it are
 * packed and the run is taken whole; otherwise the group joins those to pack. So only the last
 * group of all can be partial, and is filled with zeros.
 */
#include "parquet_priv.h"

#include "thrift_priv.h"

#include "base/bits.h"
#include "base/must.h"

#define GROUP 8
/* A run must save more than the two headers it costs. */
#define RUN_BITS_MIN 32

uint32_t parquet__bit_width(uint32_t value_max)
{
    return value_max == 0 ? 0 : 32 - (uint32_t)__builtin_clz(value_max);
}

static inline __attribute__((always_inline)) uint32_t at(const void *values, size_t i, size_t size)
{
    return size == 1 ? ((const uint8_t *)values)[i] : ((const uint32_t *)values)[i];
}

static void put_run(struct buf *out, uint32_t value, size_t count, uint32_t width)
{
    parquet__varint(out, (uint64_t)count << 1);
    uint8_t le[4];
    put_le32(le, value);
    buf_add(out, le, (width + 7) / 8);
}

static inline __attribute__((always_inline)) void
put_packed(struct buf *out, const void *values, size_t count, uint32_t width, size_t size)
{
    if (count == 0)
        return;
    size_t groups = (count + GROUP - 1) / GROUP;
    parquet__varint(out, (uint64_t)groups << 1 | 1);
    uint8_t *start = buf_reserve(out, groups * width + 8);
    uint8_t *p = start;
    uint64_t pending = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        pending |= (uint64_t)at(values, i, size) << bits;
        bits += width;
        if (bits >= 32) {
            put_le32(p, (uint32_t)pending);
            p += 4;
            pending >>= 32;
            bits -= 32;
        }
    }
    put_le64(p, pending);
    p += (bits + 7) / 8;
    uint8_t *end = start + groups * width;
    if (p < end)
        memset(p, 0, (size_t)(end - p));
    out->len += groups * width;
}

static inline __attribute__((always_inline)) void
put_hybrid(struct buf *out, const void *values, size_t count, uint32_t width, size_t size)
{
    if (count == 0)
        return;
    const size_t run_min = MAX((size_t)GROUP, width == 0 ? 1 : RUN_BITS_MIN / width);
    size_t packed_from = 0;
    size_t i = 0;
    while (i < count) {
        uint32_t v = at(values, i, size);
        size_t run = i + 1;
        while (run < count && at(values, run, size) == v)
            run++;
        if (run - i >= run_min || (i == packed_from && run == count)) {
            const uint8_t *from = (const uint8_t *)values + packed_from * size;
            put_packed(out, from, i - packed_from, width, size);
            put_run(out, v, run - i, width);
            i = run;
            packed_from = i;
        } else {
            i = MIN(count, i + GROUP);
        }
    }
    const uint8_t *from = (const uint8_t *)values + packed_from * size;
    put_packed(out, from, count - packed_from, width, size);
}

void parquet__hybrid_u8(struct buf *out, const uint8_t *values, size_t count, uint32_t width)
{
    must(width <= 8);
    put_hybrid(out, values, count, width, 1);
}

void parquet__hybrid_u32(struct buf *out, const uint32_t *values, size_t count, uint32_t width)
{
    must(width <= 32);
    put_hybrid(out, values, count, width, 4);
}
