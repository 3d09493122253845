/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Walking over protobuf rows: what the flat walk (pb.c) and the nested one (pb_nested.c) share, and
 * what is kept of a fault. The reading of flat values is inline: it is the hot path.
 */

#include "codec_priv.h"

#include "row/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What may be wrong, in the ret_why of what reads values. */
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
    int why;                              /* enum codec__why */
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
/* Any tag: what is behind it (NULL: malformed), and the field that has its number (NULL: none). */
struct codec__tag {
    const uint8_t *behind;
    const struct codec__field *field;
    uint64_t value;
};
struct codec__tag codec__read_tag(const struct codec__message *m, const uint8_t *at,
                                  const uint8_t *end);
/* Passes over a field that the descriptor does not have; NULL: malformed. */
const uint8_t *codec__skip_unknown(const uint8_t *at, const uint8_t *end, uint64_t tag,
                                   int *ret_why);
/* The decimal whose text is v->bytes; false, and the text as it was: it is none. */
bool codec__get_decimal(const struct row_column *c, struct row_value *v);

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

/* Is it the tag of @f that stands at @at, in the usual form? Then *ret_at is behind it. */
FORCE_INLINE bool codec__guess_tag(const struct codec__field *f, const uint8_t *at,
                                   const uint8_t *end, const uint8_t **ret_at)
{
    uint16_t two;
    if (unlikely(end - at < 2))
        return false;
    memcpy(&two, at, 2);
    *ret_at = at + f->tag_len;
    return (two & f->tag_mask) == f->tag_bytes;
}

/* The bytes behind their length; NULL: malformed. */
FORCE_INLINE const uint8_t *codec__get_bytes(const uint8_t *at, const uint8_t *end,
                                             struct slice *ret)
{
    struct wire_varint len = wire_varint_at(at, end);
    if (unlikely(len.behind == NULL || len.value > (uint64_t)(end - len.behind)))
        return NULL;
    *ret = slice_of(len.behind, (size_t)len.value);
    return len.behind + len.value;
}

/* Where a value stands, in a message that ends at @end, in a row that ends at @limit; and as what:
 * its field's op, or of an element the field's item. */
struct codec__from {
    const uint8_t *at, *end, *limit;
    enum codec__op op;
};

/* What is behind a value; NULL with why. */
struct codec__behind {
    const uint8_t *at;
    int why;
};

/* An integer that is not what it usually is: any form, any length. @op: as codec__from.op. */
struct codec__behind codec__get_integer(const struct codec__field *f, enum codec__op op,
                                        const uint8_t *at, const uint8_t *end, struct row_value *v);
const uint8_t *codec__check_integer(const struct codec__field *f, enum codec__op op,
                                    const uint8_t *at, const uint8_t *end);

/* Behind a varint that fits @f for sure; NULL: not so short, or near the end. */
FORCE_INLINE const uint8_t *codec__skip_sure(const struct codec__field *f, struct codec__from from)
{
    uint64_t eight;
    if (unlikely(from.limit - from.at < 8))
        return NULL;
    memcpy(&eight, from.at, 8);
    eight = ~eight & 0x8080808080808080u;
    unsigned len = eight == 0 ? 9 : ((unsigned)__builtin_ctzll(eight) >> 3) + 1;
    return likely(len <= f->sure_bytes && len <= (size_t)(from.end - from.at)) ? from.at + len
                                                                               : NULL;
}

#ifdef __SSE2__
/* A bit for each of 32 bytes: is its highest bit set? */
FORCE_INLINE uint64_t codec__high_bits(const uint8_t *p)
{
    const __m128i *v = (const __m128i *)(const void *)p;
    unsigned low = (unsigned)_mm_movemask_epi8(_mm_loadu_si128(v));
    return low | (unsigned)_mm_movemask_epi8(_mm_loadu_si128(v + 1)) << 16;
}
#endif

/* Is it UTF-8? Bytes up to @limit may be read, so that short text is looked at whole. */
FORCE_INLINE bool codec__utf8_ok(struct slice s, const uint8_t *limit)
{
#ifdef __SSE2__
    if (likely(s.len < 64 && limit - s.data >= 64)) {
        uint64_t high = codec__high_bits(s.data) | codec__high_bits(s.data + 32) << 32;
        return likely((high & ((1ull << s.len) - 1)) == 0) || row_utf8_ok_slow(s);
    }
#endif
    return row_utf8_ok(s);
}

FORCE_INLINE const uint8_t *codec__get_text(const struct row_column *c, struct codec__from from,
                                            struct row_value *v, int *ret_why)
{
    struct slice text;
    const uint8_t *behind = codec__get_bytes(from.at, from.end, &text);
    *ret_why = WHY_MALFORMED;
    if (unlikely(behind == NULL))
        return NULL;
    v->bytes = text;
    *ret_why = WHY_UTF8;
    if (from.op != CODEC__DECIMAL)
        return likely(from.op == CODEC__BYTES || codec__utf8_ok(text, from.limit)) ? behind : NULL;
    struct row_value decimal = {.bytes = text};
    bool ok = codec__get_decimal(c, &decimal);
    *v = decimal;
    *ret_why = WHY_DECIMAL;
    return ok ? behind : NULL;
}

/*
 * One flat value at @from, as field @f says; @c: what it is, for a decimal. Returns what is behind
 * it; NULL with *ret_why and what was read in @v. @check: nobody wants the value.
 */
FORCE_INLINE const uint8_t *codec__get_value(const struct row_column *c,
                                             const struct codec__field *f, struct codec__from from,
                                             bool check, struct row_value *v, int *ret_why)
{
    const uint8_t *at = from.at, *end = from.end, *behind;
    struct wire_varint number;
    switch (from.op) {
    case CODEC__STRING:
    case CODEC__BYTES:
    case CODEC__DECIMAL: return codec__get_text(c, from, v, ret_why);
    case CODEC__DOUBLE:
    case CODEC__FLOAT:
        *ret_why = WHY_MALFORMED;
        behind = at + (from.op == CODEC__DOUBLE ? 8 : 4);
        if (unlikely(end - at < behind - at))
            return NULL;
        if (from.op == CODEC__DOUBLE)
            memcpy(&v->f64, at, sizeof(v->f64));
        else
            memcpy(&v->f32, at, sizeof(v->f32));
        return behind;
    case CODEC__BOOL:
        *ret_why = WHY_MALFORMED;
        number = wire_varint_at(at, end);
        v->boolean = number.value != 0;
        return number.behind;
    case CODEC__INT:
        if (!check && likely(at < end && *at < 0x80 && f->sure_bytes > 0)) {
            v->i64 = *at;
            return at + 1;
        }
        break;
    default: break;
    }
    if (!check) {
        struct codec__behind got = codec__get_integer(f, from.op, at, end, v);
        *ret_why = got.why;
        return got.at;
    }
    behind = codec__skip_sure(f, from);
    return likely(behind != NULL) ? behind : codec__check_integer(f, from.op, at, end);
}
