/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Is it UTF-8? Short ASCII, which nearly all text in rows is, costs a few loads and no branch per
 * byte; the rest goes to the full check (no surrogates, no overlong forms, at most U+10FFFF).
 */

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

bool row_utf8_ok_slow(struct slice s);

#define ROW_ASCII_MASK 0x8080808080808080u

/* Only bytes below 0x80? */
static inline bool row_ascii_ok(const uint8_t *p, size_t len)
{
    uint64_t a = 0, b = 0;
    if (len >= 8) {
        const uint8_t *last = p + len - 8;
        for (; p < last; p += 8) {
            memcpy(&a, p, 8);
            b |= a;
        }
        memcpy(&a, last, 8);
        return ((a | b) & ROW_ASCII_MASK) == 0;
    }
    if (len >= 4) {
        uint32_t c, d;
        memcpy(&c, p, 4);
        memcpy(&d, p + len - 4, 4);
        return ((c | d) & (uint32_t)ROW_ASCII_MASK) == 0;
    }
    if (len == 0)
        return true;
    return ((p[0] | p[len / 2] | p[len - 1]) & 0x80) == 0;
}

static inline bool row_utf8_ok(struct slice s)
{
    return row_ascii_ok(s.data, s.len) || row_utf8_ok_slow(s);
}
