/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values → a row of the table's own message, fields in column order. A nested message is written
 * where it belongs with one byte for its length; when that turns out to need more, the message
 * moves up. Thread: any.
 */
#include "codec_priv.h"

#include "codec/variant.h"

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

static void put_decimal(struct buf *out, uint32_t number, const struct row_column *c, row_i128 v)
{
    uint8_t room[48]; /* 38 digits, sign, point, terminator */
    struct buf text = {room, 0, sizeof(room)};
    row_decimal_format(v, c->scale, &text);
    put_bytes(out, number, buf_slice(&text));
}

/* ---- nested ---- */

size_t codec__row_open(struct buf *out, uint32_t number)
{
    uint8_t *start = buf_reserve(out, 16);
    uint8_t *p = wire_put_varint(start, (uint64_t)number << 3 | WIRE_LEN);
    *p++ = 0;
    out->len += (size_t)(p - start);
    return out->len;
}

void codec__row_close(struct buf *out, size_t start)
{
    size_t len = out->len - start, more = wire_varint_len(len) - 1;
    if (more > 0) {
        (void)buf_reserve(out, more);
        memmove(out->data + start + more, out->data + start, len);
        out->len += more;
    }
    (void)wire_put_varint(out->data + start - 1, len);
}

/* JSON text; a variant that is damaged leaves no field. */
static void put_variant(struct buf *out, uint32_t number, struct slice variant)
{
    size_t before = out->len, start = codec__row_open(out, number);
    if (codec_variant_to_json(variant, out, NULL) < 0)
        out->len = before;
    else
        codec__row_close(out, start);
}

static void put_list(struct buf *out, uint32_t number, const struct row_column *c,
                     const struct row_value *v);

static void put_message(struct buf *out, uint32_t number, const struct row_column *c,
                        const struct row_value *v)
{
    size_t start = codec__row_open(out, number);
    if (c->type == ROW_STRUCT)
        for (uint32_t i = 0; i < c->field_count; i++)
            codec__put_value(out, &c->fields[i], &v->items[i]);
    else
        put_list(out, 1, c, v); /* a wrapper */
    codec__row_close(out, start);
}

void codec__put_packed(struct buf *out, enum row_type type, const struct row_value *v)
{
    switch (type) {
    case ROW_BOOLEAN: buf_add_byte(out, v->boolean); break;
    case ROW_FLOAT: buf_add(out, &v->f32, sizeof(v->f32)); break;
    case ROW_DOUBLE: buf_add(out, &v->f64, sizeof(v->f64)); break;
    default: wire_add_varint(out, (uint64_t)v->i64); break;
    }
}

static bool is_packed(enum row_type type)
{
    return row_type_is_flat(type) && type != ROW_DECIMAL && type != ROW_STRING &&
           type != ROW_BINARY;
}

static void put_map(struct buf *out, uint32_t number, const struct row_column *c,
                    const struct row_value *v)
{
    for (uint32_t i = 0; i + 1 < v->item_count; i += 2) {
        size_t start = codec__row_open(out, number);
        codec__put_item(out, 1, &c->fields[ROW_KEY], &v->items[i]);
        codec__put_item(out, 2, &c->fields[ROW_VALUE], &v->items[i + 1]);
        codec__row_close(out, start);
    }
}

/* An ARRAY or MAP: a repeated field. Protobuf has no null elements: one is not written. */
static void put_list(struct buf *out, uint32_t number, const struct row_column *c,
                     const struct row_value *v)
{
    if (c->type == ROW_MAP) {
        put_map(out, number, c, v);
        return;
    }
    const struct row_column *element = &c->fields[ROW_ELEMENT];
    bool packed = is_packed(element->type);
    if (v->item_count == 0)
        return;
    size_t start = packed ? codec__row_open(out, number) : 0;
    for (uint32_t i = 0; i < v->item_count; i++)
        if (!packed)
            codec__put_item(out, number, element, &v->items[i]);
        else if (!v->items[i].null)
            codec__put_packed(out, element->type, &v->items[i]);
    if (packed)
        codec__row_close(out, start);
}

void codec__put_item(struct buf *out, uint32_t number, const struct row_column *c,
                     const struct row_value *v)
{
    if (v->null)
        return;
    switch (c->type) {
    case ROW_BOOLEAN: wire_add_u64(out, number, v->boolean); break;
    case ROW_FLOAT: put_fixed(out, number, WIRE_I32, &v->f32); break;
    case ROW_DOUBLE: put_fixed(out, number, WIRE_I64, &v->f64); break;
    case ROW_DECIMAL: put_decimal(out, number, c, v->decimal); break;
    case ROW_STRING:
    case ROW_BINARY: put_bytes(out, number, v->bytes); break;
    case ROW_VARIANT: put_variant(out, number, v->bytes); break;
    case ROW_STRUCT:
    case ROW_ARRAY:
    case ROW_MAP: put_message(out, number, c, v); break;
    default: wire_add_u64(out, number, (uint64_t)v->i64); break;
    }
}

void codec__put_value(struct buf *out, const struct row_column *c, const struct row_value *v)
{
    if (v->null)
        return;
    if (c->type == ROW_ARRAY || c->type == ROW_MAP)
        put_list(out, c->field_id, c, v);
    else
        codec__put_item(out, c->field_id, c, v);
}

void codec_values_to_row(const struct row_schema *s, const struct row_value *values,
                         struct buf *out)
{
    for (uint32_t i = 0; i < s->column_count; i++)
        codec__put_value(out, &s->columns[i], &values[i]);
}
