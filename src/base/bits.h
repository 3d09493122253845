/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Little- and big-endian loads and stores at any address; alignment; powers of two. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Sluice runs on little-endian machines only"
#endif

static inline uint16_t get_le16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, 2);
    return v;
}
static inline uint32_t get_le32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
static inline uint64_t get_le64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}
static inline void put_le16(void *p, uint16_t v)
{
    memcpy(p, &v, 2);
}
static inline void put_le32(void *p, uint32_t v)
{
    memcpy(p, &v, 4);
}
static inline void put_le64(void *p, uint64_t v)
{
    memcpy(p, &v, 8);
}
static inline uint32_t get_be32(const void *p)
{
    return __builtin_bswap32(get_le32(p));
}
static inline uint64_t get_be64(const void *p)
{
    return __builtin_bswap64(get_le64(p));
}
static inline void put_be32(void *p, uint32_t v)
{
    put_le32(p, __builtin_bswap32(v));
}
static inline void put_be64(void *p, uint64_t v)
{
    put_le64(p, __builtin_bswap64(v));
}

/* @alignment is a power of two. */
static inline uint64_t align_up(uint64_t v, uint64_t alignment)
{
    return (v + alignment - 1) & ~(alignment - 1);
}
