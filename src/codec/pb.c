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

const uint8_t *codec__skip_unknown(const uint8_t *at, const uint8_t *end, uint64_t tag,
                                   int *ret_why)
{
    uint64_t len = 0;
    *ret_why = WHY_MALFORMED;
    if (tag >> 3 == 0 || tag >> 3 > 536870911)
        return NULL;
    struct wire_varint number;
    struct slice bytes;
    switch (tag & 7) {
    case WIRE_VARINT: number = wire_varint_at(at, end); return number.behind;
    case WIRE_LEN: return codec__get_bytes(at, end, &bytes);
    case WIRE_I64: len = 8; break;
    case WIRE_I32: len = 4; break;
    case WIRE_SGROUP:
    case WIRE_EGROUP: *ret_why = WHY_GROUP; return NULL;
    default: return NULL;
    }
    return (uint64_t)(end - at) < len ? NULL : at + len;
}

const uint8_t *codec__read_tag(const struct codec__message *m, const uint8_t *at,
                               const uint8_t *end, uint64_t *ret_tag,
                               const struct codec__field **ret_field)
{
    struct wire_varint tag = wire_varint_at(at, end);
    *ret_tag = tag.value;
    *ret_field = tag.behind == NULL ? NULL : codec__find_field(m, tag.value);
    return tag.behind;
}

bool codec__get_decimal(const struct row_column *c, struct row_value *v)
{
    struct slice text = v->bytes;
    if (row_decimal_parse(text, c, &v->decimal) == 0)
        return true;
    v->bytes = text;
    return false;
}

/* The 32 or 64 bits at @at. */
static const uint8_t *get_fixed(const struct codec__field *f, const uint8_t *at, const uint8_t *end,
                                uint64_t *ret)
{
    size_t size = f->op == CODEC__FIXED64 || f->op == CODEC__SFIXED64 ? 8 : 4;
    uint32_t u32;
    if ((size_t)(end - at) < size)
        return NULL;
    memcpy(size == 8 ? (void *)ret : &u32, at, size);
    if (size == 4)
        *ret = f->op == CODEC__SFIXED32 ? (uint64_t)(int32_t)u32 : u32;
    return at + size;
}

const uint8_t *codec__get_integer(const struct codec__field *f, const uint8_t *at,
                                  const uint8_t *end, struct row_value *v, int *ret_why)
{
    uint64_t u64 = 0;
    if (f->op == CODEC__INT || f->op == CODEC__UINT || f->op == CODEC__ZIGZAG) {
        struct wire_varint number = wire_varint_at(at, end);
        at = number.behind;
        u64 = f->op == CODEC__ZIGZAG ? (uint64_t)wire_unzigzag(number.value) : number.value;
    } else {
        at = get_fixed(f, at, end, &u64);
    }
    bool is_unsigned = f->op == CODEC__UINT || f->op == CODEC__FIXED32 || f->op == CODEC__FIXED64;
    bool big = is_unsigned && u64 > INT64_MAX;
    v->i64 = (int64_t)u64;
    *ret_why = at == NULL ? WHY_MALFORMED : WHY_RANGE;
    return likely(!big && v->i64 >= f->min && v->i64 <= f->max) ? at : NULL;
}

struct wire_varint wire_varint_long(const uint8_t *p, const uint8_t *end)
{
    struct wire_varint v = {NULL, 0};
    if (wire_get_varint(&p, end, &v.value))
        v.behind = p;
    return v;
}

/* One walk. @values NULL: check only. @seen has m->words cleared words. */
FORCE_INLINE int walk(const struct codec__message *m, struct slice row, struct row_value *values,
                      uint64_t *seen, struct codec__fault *fault)
{
    const uint8_t *at = row.data, *end = row.len == 0 ? at : at + row.len;
    const struct codec__field *next = m->fields;
    while (at < end) {
        const uint8_t *start = at;
        const struct codec__field *f = next;
        struct row_value v = {.null = false};
        int why = WHY_WIRE_TYPE;
        uint64_t tag = f->tag;
        if (unlikely(!codec__guess_tag(f, start, end, &at)))
            at = codec__read_tag(m, start, end, &tag, &f);
        if (unlikely(at == NULL || f == NULL)) {
            why = WHY_MALFORMED;
            at = at == NULL ? NULL : codec__skip_unknown(at, end, tag, &why);
            f = NULL;
        } else if (likely(f->tag == tag)) {
            at = codec__get_value(&m->columns[f->column], f, slice_of(at, (size_t)(end - at)),
                                  values == NULL, &v, &why);
        } else {
            at = NULL;
        }
        if (unlikely(at == NULL)) {
            fault->why = why;
            fault->at = start;
            fault->field = f;
            fault->tag = tag;
            fault->number = v.i64;
            fault->bytes = v.bytes;
            return -1;
        }
        if (unlikely(f == NULL))
            continue;
        next = f + 1;
        seen[f->column / 64] |= 1ull << f->column % 64;
        if (values != NULL)
            values[f->column] = v;
    }
    fault->column = codec__missing(m, seen);
    fault->why = WHY_MISSING;
    return likely(fault->column < 0) ? 0 : -1;
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
