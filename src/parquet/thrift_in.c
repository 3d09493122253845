/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thrift's compact protocol, reading, from bytes that may be anything. Nothing is read beyond the
 * end; nesting is bounded; what does not fit sets @bad, after which every answer is zero.
 */
#include "read_priv.h"
#include "thrift_priv.h"

#include "base/must.h"

uint8_t parquet__in_byte(struct parquet_in *in)
{
    if (in->bad || in->at == in->end) {
        in->bad = true;
        return 0;
    }
    return *in->at++;
}

uint64_t parquet__in_varint(struct parquet_in *in)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b = parquet__in_byte(in);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return in->bad ? 0 : v;
    }
    in->bad = true;
    return 0;
}

static int64_t zigzag(struct parquet_in *in)
{
    uint64_t v = parquet__in_varint(in);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

bool parquet__in_field(struct parquet_in *in, int *last_id, int *ret_type)
{
    uint8_t head = parquet__in_byte(in);
    if (in->bad || head == 0)
        return false;
    int64_t id = head >> 4 ? *last_id + (head >> 4) : zigzag(in);
    if (id <= *last_id || id > INT16_MAX)
        in->bad = true;
    *last_id = (int)id;
    *ret_type = head & 15;
    return !in->bad;
}

int64_t parquet__in_int(struct parquet_in *in, int type)
{
    if (type == THRIFT_I16 || type == THRIFT_I32 || type == THRIFT_I64)
        return zigzag(in);
    in->bad = true;
    return 0;
}

struct slice parquet__in_binary(struct parquet_in *in, int type)
{
    uint64_t len = type == THRIFT_BINARY ? parquet__in_varint(in) : UINT64_MAX;
    if (in->bad || len > (uint64_t)(in->end - in->at)) {
        in->bad = true;
        return slice_of("", 0);
    }
    struct slice s = slice_of(in->at, (size_t)len);
    in->at += len;
    return s;
}

static uint32_t list_head(struct parquet_in *in, int *ret_of)
{
    uint8_t head = parquet__in_byte(in);
    uint64_t count = head >> 4 == 15 ? parquet__in_varint(in) : head >> 4;
    *ret_of = head & 15;
    if (in->bad || count > (uint64_t)(in->end - in->at)) /* an element takes a byte at least */
        in->bad = true;
    return in->bad ? 0 : (uint32_t)count;
}

uint32_t parquet__in_list(struct parquet_in *in, int type, int of)
{
    int found;
    if (type != THRIFT_LIST) {
        in->bad = true;
        return 0;
    }
    uint32_t count = list_head(in, &found);
    if (count > 0 && found != of)
        in->bad = true;
    return in->bad ? 0 : count;
}

static void skip(struct parquet_in *in, int type, bool in_list, unsigned depth);

static void skip_list(struct parquet_in *in, unsigned depth)
{
    int of;
    uint32_t count = list_head(in, &of);
    for (uint32_t i = 0; i < count && !in->bad; i++)
        skip(in, of, true, depth);
}

static void skip_struct(struct parquet_in *in, unsigned depth)
{
    int last = 0, type;
    while (parquet__in_field(in, &last, &type))
        skip(in, type, false, depth);
}

static void skip(struct parquet_in *in, int type, bool in_list, unsigned depth)
{
    if (depth > PARQUET_THRIFT_DEPTH_MAX) {
        in->bad = true;
        return;
    }
    switch (type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        if (in_list)
            (void)parquet__in_byte(in);
        return;
    case THRIFT_BYTE: (void)parquet__in_byte(in); return;
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64: (void)zigzag(in); return;
    case THRIFT_BINARY: (void)parquet__in_binary(in, type); return;
    case THRIFT_LIST: skip_list(in, depth + 1); return;
    case THRIFT_STRUCT: skip_struct(in, depth + 1); return;
    default: in->bad = true;
    }
}

void parquet__in_skip(struct parquet_in *in, int type)
{
    skip(in, type, false, 0);
}
