/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compact protocol's bytes: a field is a byte (id step << 4 | type), or the type and the id
 * as a zigzag varint where the step is not 1..15; integers are zigzag varints; a struct ends with
 * 0. Invariant: within a struct, ids rise.
 */
#include "thrift_priv.h"

#include "base/must.h"

#define LIST_SHORT_MAX 14

void parquet__varint(struct buf *out, uint64_t v)
{
    uint8_t *p = buf_reserve(out, 10);
    size_t n = 0;
    while (v >= 0x80) {
        p[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (uint8_t)v;
    out->len += n;
}

static void put_zigzag(struct buf *out, int64_t v)
{
    parquet__varint(out, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

static void put_field(struct parquet_thrift *t, int id, enum parquet_thrift_type type)
{
    int step = id - t->last_id[t->depth];
    must(step > 0);
    if (step <= 15) {
        buf_add_byte(t->out, (uint8_t)((step << 4) | (int)type));
    } else {
        buf_add_byte(t->out, (uint8_t)type);
        put_zigzag(t->out, id);
    }
    t->last_id[t->depth] = id;
}

static void push(struct parquet_thrift *t)
{
    must(t->depth + 1 < PARQUET_THRIFT_DEPTH_MAX);
    t->last_id[++t->depth] = 0;
}

void parquet__thrift_init(struct parquet_thrift *t, struct buf *out)
{
    *t = (struct parquet_thrift){.out = out};
}

void parquet__thrift_end(struct parquet_thrift *t)
{
    buf_add_byte(t->out, 0);
    if (t->depth > 0)
        t->depth--;
}

void parquet__thrift_bool(struct parquet_thrift *t, int id, bool v)
{
    put_field(t, id, v ? THRIFT_TRUE : THRIFT_FALSE);
}

void parquet__thrift_i8(struct parquet_thrift *t, int id, int8_t v)
{
    put_field(t, id, THRIFT_BYTE);
    buf_add_byte(t->out, (uint8_t)v);
}

void parquet__thrift_i16(struct parquet_thrift *t, int id, int16_t v)
{
    put_field(t, id, THRIFT_I16);
    put_zigzag(t->out, v);
}

void parquet__thrift_i32(struct parquet_thrift *t, int id, int32_t v)
{
    put_field(t, id, THRIFT_I32);
    put_zigzag(t->out, v);
}

void parquet__thrift_i64(struct parquet_thrift *t, int id, int64_t v)
{
    put_field(t, id, THRIFT_I64);
    put_zigzag(t->out, v);
}

void parquet__thrift_binary(struct parquet_thrift *t, int id, struct slice v)
{
    put_field(t, id, THRIFT_BINARY);
    parquet__thrift_item_binary(t, v);
}

void parquet__thrift_struct(struct parquet_thrift *t, int id)
{
    put_field(t, id, THRIFT_STRUCT);
    push(t);
}

void parquet__thrift_list(struct parquet_thrift *t, int id, enum parquet_thrift_type of,
                          size_t count)
{
    put_field(t, id, THRIFT_LIST);
    if (count <= LIST_SHORT_MAX) {
        buf_add_byte(t->out, (uint8_t)((count << 4) | (unsigned)of));
    } else {
        buf_add_byte(t->out, (uint8_t)(0xf0 | (unsigned)of));
        parquet__varint(t->out, count);
    }
}

void parquet__thrift_item_bool(struct parquet_thrift *t, bool v)
{
    buf_add_byte(t->out, v ? THRIFT_TRUE : THRIFT_FALSE);
}

void parquet__thrift_item_int(struct parquet_thrift *t, int64_t v)
{
    put_zigzag(t->out, v);
}

void parquet__thrift_item_binary(struct parquet_thrift *t, struct slice v)
{
    parquet__varint(t->out, v.len);
    buf_add_slice(t->out, v);
}

void parquet__thrift_item_struct(struct parquet_thrift *t)
{
    push(t);
}
