/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C. With SSE4.2 three interleaved streams hide the 3-cycle latency of the instruction; their
 * results are joined by shifting with a table of x^n mod P. Elsewhere a plain table.
 */
#include "base/crc.h"

#include "base/bits.h"

#define POLY 0x82f63b78u

#if defined(__SSE4_2__)
#include <nmmintrin.h>

/* a * b mod P in the reflected representation. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t p = 0;
    for (uint32_t m = 1u << 31; m != 0; m >>= 1) {
        if (a & m)
            p ^= b;
        b = b & 1 ? (b >> 1) ^ POLY : b >> 1;
    }
    return p;
}

/* The CRC register after @bytes zero bytes: multiply by x^(8*bytes). */
static uint32_t shift_by(size_t bytes)
{
    uint32_t result = 1u << 31, square = 1u << 23; /* x^0, x^8 */
    for (; bytes != 0; bytes >>= 1) {
        if (bytes & 1)
            result = multiply(square, result);
        square = multiply(square, square);
    }
    return result;
}

enum { LANE = 4096 };

static uint32_t three_lanes(uint32_t crc, const uint8_t *p, uint32_t lane_shift)
{
    uint64_t a = crc, b = 0, c = 0;
    for (size_t i = 0; i < LANE; i += 8) {
        a = _mm_crc32_u64(a, get_le64(p + i));
        b = _mm_crc32_u64(b, get_le64(p + LANE + i));
        c = _mm_crc32_u64(c, get_le64(p + 2 * LANE + i));
    }
    uint32_t ab = multiply(lane_shift, (uint32_t)a) ^ (uint32_t)b;
    return multiply(lane_shift, ab) ^ (uint32_t)c;
}

uint32_t crc32c(uint32_t seed, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint32_t crc = ~seed;
    if (len >= 3 * LANE) {
        uint32_t lane_shift = shift_by(LANE);
        for (; len >= 3 * LANE; len -= 3 * LANE, p += 3 * LANE)
            crc = three_lanes(crc, p, lane_shift);
    }
    uint64_t c = crc;
    for (; len >= 8; len -= 8, p += 8)
        c = _mm_crc32_u64(c, get_le64(p));
    crc = (uint32_t)c;
    for (; len > 0; len--, p++)
        crc = _mm_crc32_u8(crc, *p);
    return ~crc;
}

#else

uint32_t crc32c(uint32_t seed, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint32_t crc = ~seed;
    for (; len > 0; len--, p++) {
        crc ^= *p;
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? (crc >> 1) ^ POLY : crc >> 1;
    }
    return ~crc;
}

#endif

uint32_t crc32_ieee(uint32_t seed, const void *data, size_t len)
{
    static const uint32_t nibbles[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    const uint8_t *p = data;
    uint32_t crc = ~seed;
    for (; len > 0; len--, p++) {
        crc = (crc >> 4) ^ nibbles[(crc ^ *p) & 15];
        crc = (crc >> 4) ^ nibbles[(crc ^ (uint32_t)(*p >> 4)) & 15];
    }
    return ~crc;
}
