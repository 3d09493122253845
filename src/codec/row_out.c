/* SPDX-License-Identifier: Apache-2.0 */
/* Values → a row of the table's own message, fields in column order. Thread: any. */
#include "codec_priv.h"

static void put_bytes(struct buf *out, uint32_t number, struct slice s)
{
    uint8_t *start = buf_reserve(out, 16 + s.len);
    uint8_t *p = wire_put_varint(start, (uint64_t)number << 3 | WIRE_LEN);
    p = wire_put_varint(p, s.len);
    if (s.len > 0)
        memmove(p, s.data, s.len); /* @s may stand in the same room, further on */
    out->len += (size_t)(p - start) + s.len;
}

static void put_fixed(struct buf *out, uint32_t number, enum wire_type type, const void *v)
{
    size_t len = type == WIRE_I64 ? 8 : 4;
    uint8_t *start = buf_reserve(out, 16);
    uint8_t *p = wire_put_varint(start, (uint64_t)number << 3 | type);
    memcpy(p, v, len);
    out->len += (size_t)(p - start) + len;
}

static void put_decimal(struct buf *out, const struct row_column *c, row_i128 v)
{
    uint8_t room[48]; /* 38 digits, sign, point, terminator */
    struct buf text = {room, 0, sizeof(room)};
    row_decimal_format(v, c->scale, &text);
    put_bytes(out, c->field_id, buf_slice(&text));
}

void codec__put_value(struct buf *out, const struct row_column *c, const struct row_value *v)
{
    if (v->null)
        return;
    switch (c->type) {
    case ROW_BOOLEAN: wire_add_u64(out, c->field_id, v->boolean); break;
    case ROW_FLOAT: put_fixed(out, c->field_id, WIRE_I32, &v->f32); break;
    case ROW_DOUBLE: put_fixed(out, c->field_id, WIRE_I64, &v->f64); break;
    case ROW_DECIMAL: put_decimal(out, c, v->decimal); break;
    case ROW_STRING:
    case ROW_BINARY: put_bytes(out, c->field_id, v->bytes); break;
    default: wire_add_u64(out, c->field_id, (uint64_t)v->i64); break;
    }
}

void codec_values_to_row(const struct row_schema *s, const struct row_value *values,
                         struct buf *out)
{
    for (uint32_t i = 0; i < s->column_count; i++)
        codec__put_value(out, &s->columns[i], &values[i]);
}
