/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memcomparable form of a key: the parts of its columns back to back, each of a form where byte
 * order is value order and no part is the beginning of another. Byte table: docs/formats/rows.md.
 * Thread: any.
 */
#include "row_priv.h"

#include "base/bits.h"
#include "base/limits.h"

static void add_be64(struct buf *out, uint64_t v)
{
    put_be64(buf_reserve(out, 8), v);
    out->len += 8;
}

/* All NaNs are one, behind +infinity; -0 is +0. Negative: all bits flipped; else the sign bit. */
static void add_double(struct buf *out, double v)
{
    uint64_t bits = 0x7ff8000000000000u;
    if (v == 0)
        bits = 0;
    else if (v == v)
        memcpy(&bits, &v, 8);
    add_be64(out, bits >> 63 ? ~bits : bits | 1ull << 63);
}

static void add_bytes(struct buf *out, struct slice s)
{
    while (s.len > 0) {
        const uint8_t *zero = memchr(s.data, 0, s.len);
        size_t run = zero == NULL ? s.len : (size_t)(zero - s.data);
        buf_add(out, s.data, run);
        if (zero != NULL) {
            buf_add(out, "\x00\xff", 2);
            run++;
        }
        s = slice_of(s.data + run, s.len - run);
    }
    buf_add(out, "\x00\x00", 2);
}

static void add_value(struct buf *out, enum row_type type, const struct row_value *v)
{
    switch (type) {
    case ROW_BOOLEAN: buf_add_byte(out, v->boolean); break;
    case ROW_FLOAT: add_double(out, (double)v->f32); break;
    case ROW_DOUBLE: add_double(out, v->f64); break;
    case ROW_DECIMAL: {
        unsigned __int128 bits = (unsigned __int128)v->decimal ^ (unsigned __int128)1 << 127;
        add_be64(out, (uint64_t)(bits >> 64));
        add_be64(out, (uint64_t)bits);
        break;
    }
    case ROW_STRING:
    case ROW_BINARY: add_bytes(out, v->bytes); break;
    default: add_be64(out, (uint64_t)v->i64 ^ 1ull << 63); break;
    }
}

static bool is_too_long(enum row_type type, const struct row_value *v)
{
    return (type == ROW_STRING || type == ROW_BINARY) && v->bytes.len > KEY_BYTES_MAX;
}

int row_key_encode(const struct row_schema *s, const struct row_value *values, struct buf *out,
                   struct err *e)
{
    size_t start = out->len;
    for (uint32_t i = 0; i < s->key_count; i++) {
        const struct row_column *c = &s->columns[s->key_columns[i]];
        const struct row_value *v = &values[s->key_columns[i]];
        if (v->null || is_too_long(c->type, v)) {
            out->len = start;
            return err_set(e, ERR_INVALID,
                           v->null ? "key column %s has no value"
                                   : "key column %s: the key is too long",
                           c->name);
        }
        add_value(out, c->type, v);
    }
    if (out->len - start > KEY_BYTES_MAX) {
        size_t len = out->len - start;
        out->len = start;
        return err_set(e, ERR_INVALID, "the key takes %zu bytes; at most %d are allowed", len,
                       KEY_BYTES_MAX);
    }
    return 0;
}
