/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The full UTF-8 check (RFC 3629, table of well-formed sequences): eight ASCII bytes at a time,
 * else one sequence at a time. Thread: any.
 */
#include "row/utf8.h"

static bool is_tail(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

/* Length of the well-formed sequence at @p (not ASCII), or 0. */
static size_t sequence_len(const uint8_t *p, size_t left)
{
    uint8_t lead = p[0];
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    if (lead < 0xe0)
        return left >= 2 && is_tail(p[1]) ? 2 : 0;
    if (lead < 0xf0) {
        if (left < 3 || !is_tail(p[1]) || !is_tail(p[2]))
            return 0;
        bool overlong = lead == 0xe0 && p[1] < 0xa0;
        bool surrogate = lead == 0xed && p[1] >= 0xa0;
        return overlong || surrogate ? 0 : 3;
    }
    if (left < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3]))
        return 0;
    bool overlong = lead == 0xf0 && p[1] < 0x90;
    bool beyond = lead == 0xf4 && p[1] >= 0x90;
    return overlong || beyond ? 0 : 4;
}

bool row_utf8_ok_slow(struct slice s)
{
    const uint8_t *p = s.data, *end = p + s.len;
    while (p < end) {
        uint64_t eight;
        if (end - p >= 8 && (memcpy(&eight, p, 8), (eight & ROW_ASCII_MASK) == 0)) {
            p += 8;
            continue;
        }
        size_t step = *p < 0x80 ? 1 : sequence_len(p, (size_t)(end - p));
        if (step == 0)
            return false;
        p += step;
    }
    return true;
}
