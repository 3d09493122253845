/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EphemeralStreamRequest and EphemeralStreamResponse on the wire (proto/databricks). Pure.
 *
 *   request   1 create_stream   2 ingest_record        3 ingest_record_batch
 *             { 1 table         { 1 offset             { 1 offset
 *               3 descriptor      2 protobuf | 3 JSON }   2 protobuf | 3 JSON { 1 record … } }
 *               4 record type }
 *   response  1 { 1 stream id }   2 { 1 acknowledged offset }   3 close signal
 */
#include "encode.h"

enum { TAG_BYTES_1 = 0x0a, TAG_BYTES_2 = 0x12, TAG_BYTES_3 = 0x1a };
enum { TAG_INT_1 = 0x08, TAG_INT_4 = 0x20 };

/* Length of a field with a length prefix and a one-byte tag. */
static size_t field_len(size_t len)
{
    return 1 + varint_len(len) + len;
}

struct row_layout encode_row_layout(enum sluice_record record, uint64_t offset, size_t row_len)
{
    struct row_layout l;
    l.record_tag = record == SLUICE_JSON ? TAG_BYTES_3 : TAG_BYTES_2;
    l.inner_len = 1 + varint_len(offset) + field_len(row_len);
    l.total_len = field_len(l.inner_len);
    return l;
}

void encode_row(uint8_t *p, const struct row_layout *l, uint64_t offset, struct sluice_bytes row)
{
    *p++ = TAG_BYTES_2;
    p = varint_put(p, l->inner_len);
    *p++ = TAG_INT_1;
    p = varint_put(p, offset);
    *p++ = l->record_tag;
    p = varint_put(p, row.len);
    bytes_put(p, row.data, row.len);
}

struct batch_layout encode_batch_layout(enum sluice_record record, uint64_t offset,
                                        const struct sluice_bytes *rows, size_t count)
{
    struct batch_layout l = {.batch_tag = record == SLUICE_JSON ? TAG_BYTES_3 : TAG_BYTES_2};
    for (size_t i = 0; i < count; i++)
        l.records_len += field_len(rows[i].len);
    l.inner_len = 1 + varint_len(offset) + field_len(l.records_len);
    l.total_len = field_len(l.inner_len);
    return l;
}

void encode_batch(uint8_t *p, const struct batch_layout *l, uint64_t offset,
                  const struct sluice_bytes *rows, size_t count)
{
    *p++ = TAG_BYTES_3;
    p = varint_put(p, l->inner_len);
    *p++ = TAG_INT_1;
    p = varint_put(p, offset);
    *p++ = l->batch_tag;
    p = varint_put(p, l->records_len);
    for (size_t i = 0; i < count; i++) {
        *p++ = TAG_BYTES_1;
        p = varint_put(p, rows[i].len);
        p = bytes_put(p, rows[i].data, rows[i].len);
    }
}

size_t encode_create(uint8_t *p, const char *table, enum sluice_record record,
                     struct sluice_bytes descriptor)
{
    size_t table_len = strlen(table);
    size_t inner = field_len(table_len) + 2;
    if (descriptor.len > 0)
        inner += field_len(descriptor.len);
    if (p == NULL)
        return field_len(inner);
    *p++ = TAG_BYTES_1;
    p = varint_put(p, inner);
    *p++ = TAG_BYTES_1;
    p = varint_put(p, table_len);
    p = bytes_put(p, table, table_len);
    if (descriptor.len > 0) {
        *p++ = TAG_BYTES_3;
        p = varint_put(p, descriptor.len);
        p = bytes_put(p, descriptor.data, descriptor.len);
    }
    *p++ = TAG_INT_4;
    *p = (uint8_t)record;
    return field_len(inner);
}

/* Skip a field's value; false when malformed. @ret_number: of a varint; @ret_bytes: of a length. */
static bool value_get(const uint8_t **p, const uint8_t *end, unsigned type, uint64_t *ret_number,
                      struct sluice_bytes *ret_bytes)
{
    switch (type) {
    case 0: return varint_get(p, end, ret_number);
    case 1:
        if (end - *p < 8)
            return false;
        *p += 8;
        return true;
    case 2:
        if (!varint_get(p, end, ret_number) || *ret_number > (uint64_t)(end - *p))
            return false;
        *ret_bytes = (struct sluice_bytes){*p, (size_t)*ret_number};
        *p += *ret_number;
        return true;
    case 5:
        if (end - *p < 4)
            return false;
        *p += 4;
        return true;
    default: return false;
    }
}

/* The last field 1 of type @type in @message: 1 found, 0 absent, -1 malformed. */
static int first_field(struct sluice_bytes message, unsigned type, uint64_t *ret_number,
                       struct sluice_bytes *ret_bytes)
{
    const uint8_t *p = message.data, *end = p + message.len;
    int found = 0;
    while (p < end) {
        uint64_t tag, number = 0;
        struct sluice_bytes bytes = {NULL, 0};
        if (!varint_get(&p, end, &tag) || !value_get(&p, end, (unsigned)(tag & 7), &number, &bytes))
            return -1;
        if (tag != (1u << 3 | type))
            continue;
        *ret_number = number;
        *ret_bytes = bytes;
        found = 1;
    }
    return found;
}

static struct answer decode_payload(uint64_t field, struct sluice_bytes payload)
{
    struct answer a = {.kind = ANSWER_NOTHING};
    uint64_t number = 0;
    switch (field) {
    case 1:
        a.kind = first_field(payload, 2, &number, &a.stream_id) == 1 ? ANSWER_CREATED : ANSWER_BAD;
        return a;
    case 2:
        a.kind = first_field(payload, 0, &number, &a.stream_id) == 1 ? ANSWER_ACK : ANSWER_BAD;
        a.offset = (int64_t)number;
        return a;
    case 3: a.kind = ANSWER_CLOSING; return a;
    default: return a;
    }
}

struct answer decode_answer(const uint8_t *data, size_t len)
{
    const uint8_t *p = data, *end = data + len;
    struct answer a = {.kind = ANSWER_NOTHING};
    while (p < end) {
        uint64_t tag, number = 0;
        struct sluice_bytes payload = {NULL, 0};
        if (!varint_get(&p, end, &tag) ||
            !value_get(&p, end, (unsigned)(tag & 7), &number, &payload))
            return (struct answer){.kind = ANSWER_BAD};
        if ((tag & 7) == 2)
            a = decode_payload(tag >> 3, payload);
        if (a.kind == ANSWER_BAD)
            return a;
    }
    return a;
}
