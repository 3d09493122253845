/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The messages of the stream protocol, by hand: what is sent is sized first and written once. */

#include "sluice/client.h"

#include <string.h>

static inline size_t varint_len(uint64_t v)
{
    return (size_t)(63 - __builtin_clzll(v | 1)) / 7 + 1;
}

static inline uint8_t *varint_put(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

static inline uint8_t *bytes_put(uint8_t *p, const void *data, size_t len)
{
    if (len > 0)
        memcpy(p, data, len);
    return p + len;
}

/* A varint at *p, moving it; false when cut short or too long. */
static inline bool varint_get(const uint8_t **p, const uint8_t *end, uint64_t *ret_value)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && *p < end; shift += 7) {
        uint8_t byte = *(*p)++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_value = v;
            return true;
        }
    }
    return false;
}

/* How a request with one row is laid out; sizes are of what stands behind the length. */
struct row_layout {
    size_t inner_len, total_len;
    uint8_t record_tag;
};
struct row_layout encode_row_layout(enum sluice_record record, uint64_t offset, size_t row_len);
void encode_row(uint8_t *p, const struct row_layout *l, uint64_t offset, struct sluice_bytes row);

/* The same for a batch. */
struct batch_layout {
    size_t records_len, inner_len, total_len;
    uint8_t batch_tag;
};
struct batch_layout encode_batch_layout(enum sluice_record record, uint64_t offset,
                                        const struct sluice_bytes *rows, size_t count);
void encode_batch(uint8_t *p, const struct batch_layout *l, uint64_t offset,
                  const struct sluice_bytes *rows, size_t count);

/* create_stream. Its length with @p NULL. */
size_t encode_create(uint8_t *p, const char *table, enum sluice_record record,
                     struct sluice_bytes descriptor);

/* What a message from the server says. */
enum answer_kind { ANSWER_BAD, ANSWER_NOTHING, ANSWER_CREATED, ANSWER_ACK, ANSWER_CLOSING };
struct answer {
    enum answer_kind kind;
    int64_t offset;                /* ANSWER_ACK */
    struct sluice_bytes stream_id; /* ANSWER_CREATED; borrowed */
};
struct answer decode_answer(const uint8_t *data, size_t len);
