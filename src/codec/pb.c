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
 * The check only says no; then the row is decoded once more, to find out where and why.
 *
 * Thread: any. No allocation, but for the text of an error.
 */
#include "pb_priv.h"

#include "base/must.h"

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

struct codec__tag codec__read_tag(const struct codec__message *m, const uint8_t *at,
                                  const uint8_t *end)
{
    struct wire_varint tag = wire_varint_at(at, end);
    return (struct codec__tag){
        tag.behind, tag.behind == NULL ? NULL : codec__find_field(m, tag.value), tag.value};
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
static const uint8_t *get_fixed(enum codec__op op, const uint8_t *at, const uint8_t *end,
                                uint64_t *ret)
{
    size_t size = op == CODEC__FIXED64 || op == CODEC__SFIXED64 ? 8 : 4;
    uint32_t u32;
    if ((size_t)(end - at) < size)
        return NULL;
    memcpy(size == 8 ? (void *)ret : &u32, at, size);
    if (size == 4)
        *ret = op == CODEC__SFIXED32 ? (uint64_t)(int32_t)u32 : u32;
    return at + size;
}

struct codec__behind codec__get_integer(const struct codec__field *f, enum codec__op op,
                                        const uint8_t *at, const uint8_t *end, struct row_value *v)
{
    uint64_t u64 = 0;
    if (op == CODEC__INT || op == CODEC__UINT || op == CODEC__ZIGZAG) {
        struct wire_varint number = wire_varint_at(at, end);
        at = number.behind;
        u64 = op == CODEC__ZIGZAG ? (uint64_t)wire_unzigzag(number.value) : number.value;
    } else {
        at = get_fixed(op, at, end, &u64);
    }
    bool is_unsigned = op == CODEC__UINT || op == CODEC__FIXED32 || op == CODEC__FIXED64;
    bool big = is_unsigned && u64 > INT64_MAX;
    v->i64 = (int64_t)u64;
    bool fits = !big && v->i64 >= f->min && v->i64 <= f->max;
    return (struct codec__behind){likely(fits) ? at : NULL, at == NULL ? WHY_MALFORMED : WHY_RANGE};
}

const uint8_t *codec__check_integer(const struct codec__field *f, enum codec__op op,
                                    const uint8_t *at, const uint8_t *end)
{
    struct row_value v;
    return codec__get_integer(f, op, at, end, &v).at;
}

struct wire_varint wire_varint_long(const uint8_t *p, const uint8_t *end)
{
    struct wire_varint v = {NULL, 0};
    if (wire_get_varint(&p, end, &v.value))
        v.behind = p;
    return v;
}

/* @v has what was read only where @why speaks of a value: else nobody looks at it. */
static int stop(struct codec__fault *fault, int why, const uint8_t *at,
                const struct codec__tag *tag, const struct row_value *v)
{
    fault->why = why;
    fault->at = at;
    fault->field = tag->field;
    fault->tag = tag->value;
    fault->number = v->i64;
    fault->bytes = v->bytes;
    return -1;
}

/* One walk. @values NULL: check only, and @fault is NULL. @seen has m->words cleared words. */
FORCE_INLINE int walk(const struct codec__message *m, struct slice row, struct row_value *values,
                      uint64_t *seen, struct codec__fault *fault)
{
    const uint8_t *at = row.data, *end = row.len == 0 ? at : at + row.len;
    const struct codec__field *next = m->fields;
    struct row_value scratch = {.null = false}, *v = &scratch;
    while (at < end) {
        struct codec__tag tag = {NULL, next, next->tag};
        int why = WHY_WIRE_TYPE;
        const uint8_t *start = at;
        if (unlikely(!codec__guess_tag(next, start, end, &at))) {
            tag = codec__read_tag(m, start, end);
            at = tag.behind;
        }
        const struct codec__field *f = tag.field;
        if (values != NULL) { /* in place, and only its type's member; one that comes twice anew */
            v = likely(f != NULL) ? &values[f->column] : &scratch;
            v->null = false;
        }
        if (unlikely(f == NULL)) {
            int unknown = WHY_MALFORMED;
            at = at == NULL ? NULL : codec__skip_unknown(at, end, tag.value, &unknown);
            why = unknown;
        } else if (likely(f->tag == tag.value)) {
            at = codec__get_value(&m->columns[f->column], f,
                                  (struct codec__from){at, end, end, f->op}, values == NULL, v,
                                  &why);
        } else {
            at = NULL;
        }
        if (unlikely(at == NULL))
            return values == NULL ? -1 : stop(fault, why, start, &tag, v);
        if (unlikely(f == NULL))
            continue;
        next = f + 1;
        seen[f->column / 64] |= 1ull << f->column % 64;
    }
    int missing = codec__missing(m, seen);
    if (values != NULL) {
        fault->column = missing;
        fault->why = WHY_MISSING;
    }
    return likely(missing < 0) ? 0 : -1;
}

static int decode(const struct codec_plan *p, struct slice row, struct row_value *values,
                  struct codec__fault *fault)
{
    uint64_t seen[CODEC__WORDS_MAX];
    memset(seen, 0, p->root.words * sizeof(*seen));
    for (uint32_t i = 0; i < p->root.column_count; i++)
        values[i].null = true;
    return walk(&p->root, row, values, seen, fault);
}

/* The row has been refused: why, and where? */
static int explain(const struct codec_plan *p, struct slice row, struct err *e)
{
    struct arena arena = ARENA_NULL;
    struct codec__fault fault;
    struct row_value *values = arena_alloc(&arena, p->root.column_count * sizeof(*values));
    int r = decode(p, row, values, &fault);
    must(r < 0);
    fault.message = &p->root;
    fault.step_count = 0;
    if (fault.why == WHY_MISSING)
        fault.steps[fault.step_count++].name = p->root.columns[fault.column].name;
    else if (fault.field != NULL)
        fault.steps[fault.step_count++].name = p->root.columns[fault.field->column].name;
    arena_deinit(&arena);
    return codec__fault_tell(&fault, row, e);
}

int codec_check(const struct codec_plan *p, struct slice row, struct err *e)
{
    if (unlikely(!p->is_flat))
        return codec__check_nested(p, row, e);
    uint64_t seen[CODEC__WORDS_MAX];
    memset(seen, 0, p->root.words * sizeof(*seen));
    return likely(walk(&p->root, row, NULL, seen, NULL) == 0) ? 0 : explain(p, row, e);
}

int codec_decode(const struct codec_plan *p, struct slice row, struct arena *arena,
                 struct row_value *values)
{
    if (unlikely(!p->is_flat))
        return codec__decode_nested(p, row, arena, values);
    struct codec__fault fault;
    return decode(p, row, values, &fault) == 0 ? 0 : ERR_DAMAGED;
}
