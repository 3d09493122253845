/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf rows: checking and decoding are one walk over the wire, compiled twice, so what the
 * check accepts is what the decoder understands. This file has the walk over flat rows and the
 * doors; nested rows go on in pb_nested.c.
 *
 * For each field: tag → struct codec__field → operation. The tag holds the wire type, so one
 * compare settles both. A bit per column remembers what was seen; at the end the NOT NULL columns'
 * bits must be there. Fields that the descriptor does not have are skipped; of a field that comes
 * twice the last value wins; groups are malformed.
 *
 * Thread: any. No allocation, but for the text of an error.
 */
#include "pb_priv.h"

const struct codec__field *codec__find_far(const struct codec__message *m, uint64_t number)
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

enum codec__why codec__skip_unknown(const uint8_t **p, const uint8_t *end, uint64_t tag)
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

enum codec__why codec__get_decimal(const struct row_column *c, struct row_value *v)
{
    struct slice text = v->bytes;
    if (row_decimal_parse(text, c, &v->decimal) == 0)
        return 0;
    v->bytes = text;
    return WHY_DECIMAL;
}

static int stop(struct codec__fault *fault, enum codec__why why, const struct codec__field *f,
                uint64_t tag)
{
    fault->why = why;
    fault->field = f;
    fault->tag = tag;
    return -1;
}

/* One walk. @values NULL: check only. @seen has m->words cleared words. */
FORCE_INLINE int walk(const struct codec__message *m, struct slice row, struct row_value *values,
                      uint64_t *seen, struct codec__fault *fault)
{
    const uint8_t *at = row.data, *end = row.len == 0 ? at : at + row.len;
    while (at < end) {
        const uint8_t *start = at;
        uint64_t tag;
        if (unlikely(!wire_get_varint(&at, end, &tag))) {
            fault->at = start;
            return stop(fault, WHY_MALFORMED, NULL, 0);
        }
        const struct codec__field *f = codec__find_field(m, tag);
        struct row_value v = {.null = false};
        enum codec__why why;
        if (unlikely(f == NULL))
            why = codec__skip_unknown(&at, end, tag);
        else if (unlikely(f->tag != tag))
            why = WHY_WIRE_TYPE;
        else
            why = codec__get_value(&m->columns[f->column], f, &at, end, &v);
        if (unlikely(why != 0)) {
            fault->at = start;
            fault->number = v.i64;
            fault->bytes = v.bytes;
            return stop(fault, why, f, tag);
        }
        if (unlikely(f == NULL))
            continue;
        seen[f->column / 64] |= 1ull << f->column % 64;
        if (values != NULL)
            values[f->column] = v;
    }
    fault->column = codec__missing(m, seen);
    return likely(fault->column < 0) ? 0 : stop(fault, WHY_MISSING, NULL, 0);
}

static int tell(const struct codec_plan *p, struct codec__fault *f, struct slice row, struct err *e)
{
    f->message = &p->root;
    f->step_count = 0;
    if (f->why == WHY_MISSING)
        f->steps[f->step_count++].name = p->root.columns[f->column].name;
    else if (f->field != NULL)
        f->steps[f->step_count++].name = p->root.columns[f->field->column].name;
    return codec__fault_tell(f, row, e);
}

int codec_check(const struct codec_plan *p, struct slice row, struct err *e)
{
    if (unlikely(!p->is_flat))
        return codec__check_nested(p, row, e);
    uint64_t seen[CODEC__WORDS_MAX];
    struct codec__fault fault;
    memset(seen, 0, p->root.words * sizeof(*seen));
    if (likely(walk(&p->root, row, NULL, seen, &fault) == 0))
        return 0;
    return tell(p, &fault, row, e);
}

int codec_decode(const struct codec_plan *p, struct slice row, struct arena *arena,
                 struct row_value *values)
{
    if (unlikely(!p->is_flat))
        return codec__decode_nested(p, row, arena, values);
    uint64_t seen[CODEC__WORDS_MAX];
    struct codec__fault fault;
    memset(seen, 0, p->root.words * sizeof(*seen));
    for (uint32_t i = 0; i < p->root.column_count; i++)
        values[i].null = true;
    return walk(&p->root, row, values, seen, &fault) == 0 ? 0 : ERR_DAMAGED;
}
