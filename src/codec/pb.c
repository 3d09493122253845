/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf rows: checking and decoding are one walk over the wire, compiled twice, so what the
 * check accepts is what the decoder understands.
 *
 * For each field: tag → struct codec__field → operation. The tag holds the wire type, so one
 * compare settles both. A bit per column remembers what was seen; at the end the NOT NULL columns'
 * bits must be there. Fields that the descriptor does not have are skipped; of a field that comes
 * twice the last value wins; groups are malformed.
 *
 * Thread: any. No allocation, but for the text of an error.
 */
#include "codec_priv.h"

#include "row/utf8.h"

enum why {
    WHY_MALFORMED = 1,
    WHY_GROUP,
    WHY_WIRE_TYPE,
    WHY_RANGE,
    WHY_UTF8,
    WHY_DECIMAL,
    WHY_MISSING,
};

/* Where a walk stopped; written only then. */
struct fault {
    enum why why;
    const uint8_t *at;                /* start of the field */
    const struct codec__field *field; /* NULL: unknown field */
    uint64_t tag;
    int64_t number;
    struct slice bytes;
    int column; /* WHY_MISSING */
};

#define FORCE_INLINE static inline __attribute__((always_inline))

static const struct codec__field *find_far(const struct codec__message *m, uint64_t number)
{
    uint32_t low = 0, high = m->field_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        uint32_t n = m->fields[middle].tag >> 3;
        if (n == number)
            return &m->fields[middle];
        if (n < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

FORCE_INLINE const struct codec__field *find_field(const struct codec__message *m, uint64_t tag)
{
    uint64_t number = tag >> 3;
    if (likely(number < m->direct_count)) {
        uint16_t i = m->direct[number];
        return i == CODEC__NONE ? NULL : &m->fields[i];
    }
    return find_far(m, number);
}

static enum why skip_unknown(const uint8_t **p, const uint8_t *end, uint64_t tag)
{
    uint64_t v;
    if (tag >> 3 == 0 || tag >> 3 > 536870911)
        return WHY_MALFORMED;
    size_t left = (size_t)(end - *p), len;
    switch (tag & 7) {
    case WIRE_VARINT: return wire_get_varint(p, end, &v) ? 0 : WHY_MALFORMED;
    case WIRE_I64: len = 8; break;
    case WIRE_I32: len = 4; break;
    case WIRE_LEN:
        if (!wire_get_varint(p, end, &v) || v > (uint64_t)(end - *p))
            return WHY_MALFORMED;
        *p += v;
        return 0;
    case WIRE_SGROUP:
    case WIRE_EGROUP: return WHY_GROUP;
    default: return WHY_MALFORMED;
    }
    if (left < len)
        return WHY_MALFORMED;
    *p += len;
    return 0;
}

FORCE_INLINE bool get_fixed(const uint8_t **p, const uint8_t *end, void *to, size_t len)
{
    if (unlikely((size_t)(end - *p) < len))
        return false;
    memcpy(to, *p, len);
    *p += len;
    return true;
}

FORCE_INLINE bool get_bytes(const uint8_t **p, const uint8_t *end, struct slice *ret)
{
    uint64_t len;
    if (unlikely(!wire_get_varint(p, end, &len) || len > (uint64_t)(end - *p)))
        return false;
    *ret = slice_of(*p, (size_t)len);
    *p += len;
    return true;
}

/* The integer forms. @ret_big: an unsigned value beyond int64. */
FORCE_INLINE bool get_integer(const struct codec__field *f, const uint8_t **p, const uint8_t *end,
                              int64_t *ret, bool *ret_big)
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
    case CODEC__FIXED64: ok = get_fixed(p, end, &u64, 8); break;
    case CODEC__SFIXED64: return get_fixed(p, end, ret, 8);
    case CODEC__FIXED32:
        ok = get_fixed(p, end, &u32, 4);
        u64 = u32;
        break;
    default:
        ok = get_fixed(p, end, &u32, 4);
        *ret = (int32_t)u32;
        return ok;
    }
    *ret = (int64_t)u64;
    *ret_big = u64 > INT64_MAX;
    return ok;
}

static enum why check_decimal(const struct codec__message *m, const struct codec__field *f,
                              struct row_value *v)
{
    struct slice text = v->bytes;
    if (row_decimal_parse(text, &m->columns[f->column], &v->decimal) == 0)
        return 0;
    v->bytes = text;
    return WHY_DECIMAL;
}

/* The value at *at, of field @f. */
FORCE_INLINE enum why get_value(const struct codec__message *m, const struct codec__field *f,
                                const uint8_t **at, const uint8_t *end, struct row_value *v)
{
    uint64_t u64;
    bool big = false;
    switch (f->op) {
    case CODEC__STRING:
        if (unlikely(!get_bytes(at, end, &v->bytes)))
            return WHY_MALFORMED;
        return likely(row_utf8_ok(v->bytes)) ? 0 : WHY_UTF8;
    case CODEC__BYTES: return get_bytes(at, end, &v->bytes) ? 0 : WHY_MALFORMED;
    case CODEC__DECIMAL:
        return get_bytes(at, end, &v->bytes) ? check_decimal(m, f, v) : WHY_MALFORMED;
    case CODEC__DOUBLE: return get_fixed(at, end, &v->f64, 8) ? 0 : WHY_MALFORMED;
    case CODEC__FLOAT: return get_fixed(at, end, &v->f32, 4) ? 0 : WHY_MALFORMED;
    case CODEC__BOOL:
        if (unlikely(!wire_get_varint(at, end, &u64)))
            return WHY_MALFORMED;
        v->boolean = u64 != 0;
        return 0;
    default:
        if (unlikely(!get_integer(f, at, end, &v->i64, &big)))
            return WHY_MALFORMED;
        return likely(!big && v->i64 >= f->min && v->i64 <= f->max) ? 0 : WHY_RANGE;
    }
}

static int stop(struct fault *fault, struct fault as)
{
    *fault = as;
    return -1;
}

/* One walk. @values NULL: check only. @seen has p->root.words cleared words. */
FORCE_INLINE int walk(const struct codec__message *m, struct slice row, struct row_value *values,
                      uint64_t *seen, struct fault *fault)
{
    const uint8_t *at = row.data, *end = row.len == 0 ? at : at + row.len;
    while (at < end) {
        const uint8_t *start = at;
        uint64_t tag;
        if (unlikely(!wire_get_varint(&at, end, &tag)))
            return stop(fault, (struct fault){.why = WHY_MALFORMED, .at = start});
        const struct codec__field *f = find_field(m, tag);
        struct row_value v = {.null = false};
        enum why why;
        if (unlikely(f == NULL))
            why = skip_unknown(&at, end, tag);
        else if (unlikely(f->tag != tag))
            why = WHY_WIRE_TYPE;
        else
            why = get_value(m, f, &at, end, &v);
        if (unlikely(why != 0))
            return stop(fault, (struct fault){why, start, f, tag, v.i64, v.bytes, 0});
        if (unlikely(f == NULL))
            continue;
        seen[f->column / 64] |= 1ull << f->column % 64;
        if (values != NULL)
            values[f->column] = v;
    }
    int missing = codec__missing(m, seen);
    if (unlikely(missing >= 0))
        return stop(fault, (struct fault){.why = WHY_MISSING, .column = missing});
    return 0;
}

static int fail_value(const struct row_column *c, const struct fault *f, size_t at, struct err *e)
{
    switch (f->why) {
    case WHY_WIRE_TYPE:
        return err_set(e, ERR_INVALID, "column %s: the field at byte %zu has wire type %u, not %u",
                       c->name, at, (unsigned)(f->tag & 7), f->field->tag & 7);
    case WHY_RANGE:
        if (f->field->op == CODEC__UINT || f->field->op == CODEC__FIXED64)
            return err_set(e, ERR_INVALID, "column %s: %llu is out of range for %s", c->name,
                           (unsigned long long)f->number, codec__type_text(c).text);
        return err_set(e, ERR_INVALID, "column %s: %lld is out of range for %s", c->name,
                       (long long)f->number, codec__type_text(c).text);
    case WHY_UTF8:
        return err_set(e, ERR_INVALID, "column %s: the text is not valid UTF-8", c->name);
    case WHY_DECIMAL:
        return err_set(e, ERR_INVALID, "column %s: \"%s\" is not a %s", c->name,
                       codec__show(f->bytes).text, codec__type_text(c).text);
    default:
        return err_set(e, ERR_INVALID, "column %s: malformed protobuf at byte %zu", c->name, at);
    }
}

static int fail(const struct codec_plan *p, const struct fault *f, struct slice row, struct err *e)
{
    if (f->why == WHY_MISSING)
        return codec__fail_missing(p->schema->columns[f->column].name, e);
    size_t at = (size_t)(f->at - row.data);
    if (f->why == WHY_GROUP)
        return err_set(e, ERR_INVALID, "malformed protobuf at byte %zu: groups are not supported",
                       at);
    if (f->field == NULL)
        return err_set(e, ERR_INVALID, "malformed protobuf at byte %zu", at);
    return fail_value(&p->schema->columns[f->field->column], f, at, e);
}

int codec_check(const struct codec_plan *p, struct slice row, struct err *e)
{
    uint64_t seen[CODEC__WORDS_MAX];
    struct fault fault;
    memset(seen, 0, p->root.words * sizeof(*seen));
    if (likely(walk(&p->root, row, NULL, seen, &fault) == 0))
        return 0;
    return fail(p, &fault, row, e);
}

int codec_decode(const struct codec_plan *p, struct slice row, struct arena *arena,
                 struct row_value *values)
{
    (void)arena;
    uint64_t seen[CODEC__WORDS_MAX];
    struct fault fault;
    memset(seen, 0, p->root.words * sizeof(*seen));
    for (uint32_t i = 0; i < p->schema->column_count; i++)
        values[i].null = true;
    return walk(&p->root, row, values, seen, &fault) == 0 ? 0 : ERR_DAMAGED;
}
