/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The protobuf wire format by hand: reading front to back, and appending. For the hot path, where
 * messages do not pass through protobuf-c. Source: protobuf encoding specification.
 */

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_I64 = 1,
    WIRE_LEN = 2,
    WIRE_SGROUP = 3,
    WIRE_EGROUP = 4,
    WIRE_I32 = 5
};

static inline bool wire_get_varint_slow(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    const uint8_t *q = *p;
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && q < end; shift += 7) {
        uint8_t byte = *q++;
        if (shift == 63 && byte > 1)
            return false;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = v;
            *p = q;
            return true;
        }
    }
    return false;
}

/*
 * More than one byte. Eight bytes at once: where the first byte without the continuation bit
 * stands, then 7-bit groups joined pair by pair.
 */
static inline bool wire_get_varint_long(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    if (end - *p < 8)
        return wire_get_varint_slow(p, end, ret);
    uint64_t v;
    memcpy(&v, *p, 8);
    uint64_t stops = ~v & 0x8080808080808080u;
    if (stops == 0)
        return wire_get_varint_slow(p, end, ret);
    unsigned bits = (unsigned)__builtin_ctzll(stops) + 1;
    v &= ~0ull >> (64 - bits);
    v = (v & 0x007f007f007f007fu) | (v & 0x7f007f007f007f00u) >> 1;
    v = (v & 0x00003fff00003fffu) | (v & 0x3fff00003fff0000u) >> 2;
    *ret = (v & 0x000000000fffffffu) | (v & 0x0fffffff00000000u) >> 4;
    *p += bits / 8;
    return true;
}

/* A varint of at most 10 bytes at *p, moving *p; false when cut or too long. */
static inline __attribute__((always_inline)) bool wire_get_varint(const uint8_t **p,
                                                                  const uint8_t *end, uint64_t *ret)
{
    if (__builtin_expect(*p < end && **p < 0x80, 1)) {
        *ret = *(*p)++;
        return true;
    }
    return wire_get_varint_long(p, end, ret);
}

/* The same by value, for a walk that keeps its place in a register. @behind NULL: cut, or too long.
 */
struct wire_varint {
    const uint8_t *behind;
    uint64_t value;
};
struct wire_varint wire_varint_long(const uint8_t *p, const uint8_t *end);
static inline __attribute__((always_inline)) struct wire_varint wire_varint_at(const uint8_t *p,
                                                                               const uint8_t *end)
{
    if (__builtin_expect(p < end && *p < 0x80, 1))
        return (struct wire_varint){p + 1, *p};
    return wire_varint_long(p, end);
}

/* One field. For WIRE_LEN @bytes is its content, for the others @number its value (I32, I64: raw
 * bits). */
struct wire_field {
    uint32_t number;
    uint32_t type;
    uint64_t value;
    struct slice bytes;
};

/* The next field at *p. 1 = got one, 0 = at the end, -1 = malformed (groups are malformed here). */
static inline int wire_next(const uint8_t **p, const uint8_t *end, struct wire_field *f)
{
    if (*p == end)
        return 0;
    uint64_t tag;
    if (!wire_get_varint(p, end, &tag) || tag >> 3 == 0 || tag >> 3 > 536870911)
        return -1;
    f->number = (uint32_t)(tag >> 3);
    f->type = (uint32_t)(tag & 7);
    f->value = 0;
    size_t left = (size_t)(end - *p);
    switch (f->type) {
    case WIRE_VARINT: return wire_get_varint(p, end, &f->value) ? 1 : -1;
    case WIRE_I64:
        if (left < 8)
            return -1;
        memcpy(&f->value, *p, 8);
        *p += 8;
        return 1;
    case WIRE_I32:
        if (left < 4)
            return -1;
        memcpy(&f->value, *p, 4);
        *p += 4;
        return 1;
    case WIRE_LEN: {
        uint64_t len;
        if (!wire_get_varint(p, end, &len) || len > (uint64_t)(end - *p))
            return -1;
        f->bytes = slice_of(*p, (size_t)len);
        *p += len;
        return 1;
    }
    default: return -1;
    }
}

static inline size_t wire_varint_len(uint64_t v)
{
    return (size_t)(63 - __builtin_clzll(v | 1)) / 7 + 1;
}
static inline uint8_t *wire_put_varint(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}
static inline void wire_add_varint(struct buf *b, uint64_t v)
{
    uint8_t *p = buf_reserve(b, 10);
    b->len += (size_t)(wire_put_varint(p, v) - p);
}
static inline uint64_t wire_zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}
static inline int64_t wire_unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (~(v & 1) + 1));
}
static inline void wire_add_tag(struct buf *b, uint32_t number, enum wire_type type)
{
    wire_add_varint(b, (uint64_t)number << 3 | type);
}
static inline void wire_add_u64(struct buf *b, uint32_t number, uint64_t v)
{
    wire_add_tag(b, number, WIRE_VARINT);
    wire_add_varint(b, v);
}
static inline void wire_add_bytes(struct buf *b, uint32_t number, struct slice s)
{
    wire_add_tag(b, number, WIRE_LEN);
    wire_add_varint(b, s.len);
    buf_add_slice(b, s);
}
