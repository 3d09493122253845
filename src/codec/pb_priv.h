/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Walking over protobuf rows: what the flat walk (pb.c) and the nested one (pb_nested.c) share, and
 * what is kept of a fault. The reading of flat values is inline: it is the hot path.
 */

#include "codec_priv.h"

#include "row/utf8.h"

enum codec__why {
    WHY_MALFORMED = 1,
    WHY_GROUP,
    WHY_WIRE_TYPE,
    WHY_RANGE,
    WHY_UTF8,
    WHY_DECIMAL,
    WHY_JSON,
    WHY_TOO_MANY,
    WHY_MISSING,
};

/* Two per level of the schema: the field, and the place in it. */
#define CODEC__STEPS_MAX (2 * ROW_DEPTH_MAX + 2)

/* Where a walk stopped; written only then. */
struct codec__fault {
    enum codec__why why;
    const uint8_t *at;                    /* start of the field */
    const struct codec__message *message; /* the one that has @field or misses @column */
    const struct codec__field *field;     /* NULL: unknown field */
    uint64_t tag;
    int64_t number;
    struct slice bytes;
    int column;          /* WHY_MISSING */
    bool in_value;       /* of the map whose entry was left last */
    uint32_t step_count; /* the innermost one first; the decoder of nested rows fills them */
    struct codec__step steps[CODEC__STEPS_MAX];
};

/* The sentence for a fault in @row. Returns ERR_INVALID. */
int codec__fault_tell(const struct codec__fault *f, struct slice row, struct err *e);

/* codec_check(), codec_decode() of a plan that is not flat. */
int codec__check_nested(const struct codec_plan *p, struct slice row, struct err *e);
int codec__decode_nested(const struct codec_plan *p, struct slice row, struct arena *arena,
                         struct row_value *values);

/* The parts of a value that is being decoded. */
static inline struct row_value *codec__items(struct row_value *v)
{
    return (struct row_value *)v->items;
}

/* Of a MAP's entries (key, value, key, value …) those whose key does not come again later; each
 * stands where its key came first. @c: the MAP; @arena: scratch. */
void codec__map_unique(const struct row_column *c, struct row_value *map, struct arena *arena);

const struct codec__field *codec__find_far(const struct codec__message *m, uint64_t number);
/* Passes over a field that the descriptor does not have. */
enum codec__why codec__skip_unknown(const uint8_t **p, const uint8_t *end, uint64_t tag);
/* The decimal whose text is v->bytes. */
enum codec__why codec__get_decimal(const struct row_column *c, struct row_value *v);

#define FORCE_INLINE static inline __attribute__((always_inline))

FORCE_INLINE const struct codec__field *codec__find_field(const struct codec__message *m,
                                                          uint64_t tag)
{
    uint64_t number = tag >> 3;
    if (likely(number < m->direct_count)) {
        uint16_t i = m->direct[number];
        return i == CODEC__NONE ? NULL : &m->fields[i];
    }
    return codec__find_far(m, number);
}

FORCE_INLINE bool codec__get_fixed(const uint8_t **p, const uint8_t *end, void *to, size_t len)
{
    if (unlikely((size_t)(end - *p) < len))
        return false;
    memcpy(to, *p, len);
    *p += len;
    return true;
}

FORCE_INLINE bool codec__get_bytes(const uint8_t **p, const uint8_t *end, struct slice *ret)
{
    uint64_t len;
    if (unlikely(!wire_get_varint(p, end, &len) || len > (uint64_t)(end - *p)))
        return false;
    *ret = slice_of(*p, (size_t)len);
    *p += len;
    return true;
}

/* The integer forms. @ret_big: an unsigned value beyond int64. */
FORCE_INLINE bool codec__get_integer(const struct codec__field *f, const uint8_t **p,
                                     const uint8_t *end, int64_t *ret, bool *ret_big)
{
    uint64_t u64 = 0;
    uint32_t u32 = 0;
    bool ok;
    switch (f->op) {
    case CODEC__INT:
        ok = wire_get_varint(p, end, &u64);
        *ret = (int64_t)u64;
        return ok;
    case CODEC__ZIGZAG:
        ok = wire_get_varint(p, end, &u64);
        *ret = wire_unzigzag(u64);
        return ok;
    case CODEC__UINT: ok = wire_get_varint(p, end, &u64); break;
    case CODEC__FIXED64: ok = codec__get_fixed(p, end, &u64, 8); break;
    case CODEC__SFIXED64: return codec__get_fixed(p, end, ret, 8);
    case CODEC__FIXED32:
        ok = codec__get_fixed(p, end, &u32, 4);
        u64 = u32;
        break;
    default:
        ok = codec__get_fixed(p, end, &u32, 4);
        *ret = (int32_t)u32;
        return ok;
    }
    *ret = (int64_t)u64;
    *ret_big = u64 > INT64_MAX;
    return ok;
}

/* One flat value at *at, as field @f says; @c: what it is, for a decimal. */
FORCE_INLINE enum codec__why codec__get_value(const struct row_column *c,
                                              const struct codec__field *f, const uint8_t **at,
                                              const uint8_t *end, struct row_value *v)
{
    uint64_t u64;
    bool big = false;
    switch (f->op) {
    case CODEC__STRING:
        if (unlikely(!codec__get_bytes(at, end, &v->bytes)))
            return WHY_MALFORMED;
        return likely(row_utf8_ok(v->bytes)) ? 0 : WHY_UTF8;
    case CODEC__BYTES: return codec__get_bytes(at, end, &v->bytes) ? 0 : WHY_MALFORMED;
    case CODEC__DECIMAL:
        return codec__get_bytes(at, end, &v->bytes) ? codec__get_decimal(c, v) : WHY_MALFORMED;
    case CODEC__DOUBLE: return codec__get_fixed(at, end, &v->f64, 8) ? 0 : WHY_MALFORMED;
    case CODEC__FLOAT: return codec__get_fixed(at, end, &v->f32, 4) ? 0 : WHY_MALFORMED;
    case CODEC__BOOL:
        if (unlikely(!wire_get_varint(at, end, &u64)))
            return WHY_MALFORMED;
        v->boolean = u64 != 0;
        return 0;
    default:
        if (unlikely(!codec__get_integer(f, at, end, &v->i64, &big)))
            return WHY_MALFORMED;
        return likely(!big && v->i64 >= f->min && v->i64 <= f->max) ? 0 : WHY_RANGE;
    }
}
