/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan: making, sharing, and what is known of it once all fields have their columns.
 *
 *   compile.c fills the tree of messages; then, here:
 *   fields by number    by index for numbers up to 4095, by binary search above
 *   columns by name     a small hash, letter case ignored
 *   places of marks     one array of words for the whole tree (codec__message.seen): a message and
 *                       the single messages below it lie side by side, for they are cleared and
 *                       asked together; what is below a list has a place of its own, used again by
 *                       each element
 *
 * Thread: any. A plan never changes once made; its count is atomic.
 */
#include "codec_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <stdlib.h>

/* ---- names ---- */

static uint32_t hash_name(struct slice name)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (name.data[i] | 0x20)) * 16777619u;
    return h ^ h >> 15;
}

static bool same_name(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        uint8_t differ = a.data[i] ^ b.data[i], lower = a.data[i] | 0x20;
        if (differ != 0 && (differ != 0x20 || lower < 'a' || lower > 'z'))
            return false;
    }
    return true;
}

int codec__column_find(const struct codec__message *m, struct slice name)
{
    for (uint32_t i = hash_name(name) & m->name_mask;; i = (i + 1) & m->name_mask) {
        uint16_t column = m->names[i];
        if (column == CODEC__NONE)
            return -1;
        if (same_name(name, m->column_names[column]))
            return column;
    }
}

/* What the column @i of a message is called there. */
static struct slice column_name(const struct codec__message *m, uint32_t i)
{
    if (m->kind == CODEC__WRAPPER)
        return slice_str(m->columns[i].type == ROW_MAP ? "entries" : "element");
    return slice_str(m->columns[i].name);
}

static void index_names(struct codec__message *m)
{
    uint32_t slots = 4;
    while (slots < m->column_count * 2)
        slots *= 2;
    m->name_mask = slots - 1;
    m->names = mem_alloc(slots * sizeof(*m->names));
    memset(m->names, 0xff, slots * sizeof(*m->names));
    m->column_names = mem_calloc(m->column_count, sizeof(*m->column_names));
    for (uint32_t c = 0; c < m->column_count; c++) {
        m->column_names[c] = column_name(m, c);
        uint32_t i = hash_name(m->column_names[c]) & m->name_mask;
        while (m->names[i] != CODEC__NONE)
            i = (i + 1) & m->name_mask;
        m->names[i] = (uint16_t)c;
    }
}

/* ---- messages ---- */

void codec__message_init(struct codec__message *m, enum codec__kind kind,
                         const struct row_column *columns, uint32_t count)
{
    must(count >= 1 && count <= COLUMNS_MAX);
    *m = (struct codec__message){
        .kind = kind, .columns = columns, .column_count = count, .words = (count + 63) / 64};
    m->fields = mem_calloc(count + 1, sizeof(*m->fields));
    m->required = mem_calloc(m->words, sizeof(*m->required));
    if (kind == CODEC__STRUCT)
        for (uint32_t i = 0; i < count; i++)
            if (columns[i].type != ROW_ARRAY && columns[i].type != ROW_MAP)
                m->required[i / 64] |= (uint64_t)columns[i].not_null << i % 64;
    index_names(m);
}

static bool has_message(const struct codec__field *f)
{
    return f->op == CODEC__MESSAGE || f->op == CODEC__MAP ||
           (f->op == CODEC__REPEATED && f->item == CODEC__MESSAGE);
}

static void message_deinit(struct codec__message *m)
{
    for (uint32_t i = 0; i < m->field_count; i++)
        if (has_message(&m->fields[i]) && m->fields[i].message != NULL) {
            message_deinit(m->fields[i].message);
            mem_free(m->fields[i].message);
        }
    mem_free(m->fields);
    mem_free(m->direct);
    mem_free(m->names);
    mem_free(m->column_names);
    mem_free(m->required);
    mem_free(m->inner);
    mem_free(m->blank);
}

static int compare_fields(const void *a, const void *b)
{
    const struct codec__field *x = a, *y = b;
    return x->tag < y->tag ? -1 : x->tag > y->tag;
}

/* How many bytes a varint may have that fits the field's range for sure. */
static uint8_t sure_bytes(const struct codec__field *f, uint8_t op)
{
    unsigned bits = 0; /* of the largest number that fits, unsigned or not */
    if (op == CODEC__INT || op == CODEC__UINT)
        bits = 63 - (unsigned)__builtin_clzll((uint64_t)f->max | 1) + 1;
    else if (op == CODEC__ZIGZAG)
        bits = 64 - (unsigned)__builtin_clzll((uint64_t)f->max | 1) + 1;
    return (uint8_t)MIN(bits / 7, 8u);
}

/* What a walk tries first: that the field comes as it usually does. */
static void make_guess(struct codec__field *f)
{
    uint8_t bytes[8] = {0};
    size_t len = f->op == 0 ? 3 : (size_t)(wire_put_varint(bytes, f->tag) - bytes);
    bool is_number =
        f->op < CODEC__VARIANT || (f->op == CODEC__REPEATED && f->item != CODEC__MESSAGE);
    f->tag_len = (uint8_t)len;
    f->tag_mask = len == 1 ? 0xff : len == 2 ? 0xffff : 0;
    f->tag_bytes = (uint16_t)(len <= 2 ? bytes[0] | bytes[1] << 8 : 1);
    f->sure_bytes = is_number ? sure_bytes(f, f->op == CODEC__REPEATED ? f->item : f->op) : 0;
}

int codec__message_index(struct codec__message *m)
{
    qsort(m->fields, m->field_count, sizeof(*m->fields), compare_fields);
    for (uint32_t i = 1; i < m->field_count; i++)
        if (m->fields[i].tag >> 3 == m->fields[i - 1].tag >> 3)
            return (int)i;
    for (uint32_t i = 0; i <= m->field_count; i++)
        make_guess(&m->fields[i]);
    uint32_t largest = m->field_count == 0 ? 0 : m->fields[m->field_count - 1].tag >> 3;
    m->direct_count = MIN(largest, CODEC__DIRECT_MAX) + 1;
    m->direct = mem_alloc(m->direct_count * sizeof(*m->direct));
    memset(m->direct, 0xff, m->direct_count * sizeof(*m->direct));
    for (uint32_t i = 0; i < m->field_count; i++)
        if (m->fields[i].tag >> 3 < m->direct_count)
            m->direct[m->fields[i].tag >> 3] = (uint16_t)i;
    return 0;
}

/* ---- the tree, once all fields are there ---- */

/* The values of a message of which nothing came. */
static void make_blank(struct codec__message *m)
{
    m->blank = mem_calloc(m->column_count, sizeof(*m->blank));
    for (uint32_t i = 0; i < m->column_count; i++)
        m->blank[i].null = true;
    for (uint32_t i = 0; i < m->field_count; i++)
        if (m->fields[i].op == CODEC__REPEATED || m->fields[i].op == CODEC__MAP)
            m->blank[m->fields[i].column].null = false; /* an empty list */
}

/* @m and the single messages below it. */
static void place_singles(struct codec_plan *p, struct codec__message *m)
{
    make_blank(m);
    m->inner = mem_calloc(m->column_count, sizeof(*m->inner));
    m->seen = p->seen_words;
    p->seen_words += m->words;
    for (uint32_t w = 0; w < m->words; w++)
        m->asks |= m->required[w] != 0;
    for (uint32_t i = 0; i < m->field_count; i++) {
        const struct codec__field *f = &m->fields[i];
        if (f->op == CODEC__MESSAGE) {
            place_singles(p, f->message);
            m->asks |= f->message->asks;
            m->holds_maps |= f->message->holds_maps;
        }
        m->holds_maps |= f->op == CODEC__MAP;
        if (f->op == CODEC__MAP ||
            (f->op == CODEC__MESSAGE && (f->message->asks || f->message->holds_maps)))
            m->inner[m->inner_count++] = (uint16_t)i;
    }
    m->seen_words = p->seen_words - m->seen;
}

static uint32_t count_values(const struct row_column *columns, uint32_t count)
{
    uint32_t values = count;
    for (uint32_t i = 0; i < count; i++)
        if (columns[i].type == ROW_STRUCT)
            values += count_values(columns[i].fields, columns[i].field_count);
    return values;
}

static void place_lists(struct codec_plan *p, struct codec__message *m);

static void place(struct codec_plan *p, struct codec__message *m)
{
    m->values = count_values(m->columns, m->column_count);
    place_singles(p, m);
    place_lists(p, m);
}

static void place_lists(struct codec_plan *p, struct codec__message *m)
{
    for (uint32_t i = 0; i < m->field_count; i++) {
        struct codec__field *f = &m->fields[i];
        if (f->op == CODEC__MESSAGE)
            place_lists(p, f->message);
        else if (has_message(f))
            place(p, f->message);
    }
}

/* ---- plans ---- */

int codec__plan_make(struct slice descriptor, uint32_t types_max, struct row_schema *schema,
                     struct codec_plan **ret_plan, struct err *e)
{
    must(schema->column_count <= COLUMNS_MAX);
    _cleanup_(codec_plan_unrefp) struct codec_plan *p = mem_zalloc(sizeof(*p));
    p->refs = 1;
    p->schema = row_schema_ref(schema);
    p->is_flat = schema->is_flat;
    codec__message_init(&p->root, CODEC__STRUCT, schema->columns, schema->column_count);
    TRY(codec__compile(p, descriptor, types_max, e));
    if (!p->is_flat)
        place(p, &p->root);
    *ret_plan = TAKE(p);
    return 0;
}

int codec_plan_new(struct slice descriptor, struct row_schema *schema, struct codec_plan **ret_plan,
                   struct err *e)
{
    if (descriptor.len == 0)
        return err_set(e, ERR_INVALID, "the descriptor is empty");
    if (descriptor.len > DESCRIPTOR_BYTES_MAX)
        return err_set(e, ERR_INVALID, "the descriptor has %zu bytes; at most %d are allowed",
                       descriptor.len, DESCRIPTOR_BYTES_MAX);
    return codec__plan_make(descriptor, DESCRIPTOR_TYPES_MAX, schema, ret_plan, e);
}

struct codec_plan *codec_plan_ref(struct codec_plan *p)
{
    uint32_t before = __atomic_fetch_add(&p->refs, 1, __ATOMIC_RELAXED);
    must(before > 0 && before < UINT32_MAX);
    return p;
}

struct codec_plan *codec_plan_unref(struct codec_plan *p)
{
    if (p == NULL)
        return NULL;
    uint32_t before = __atomic_fetch_sub(&p->refs, 1, __ATOMIC_ACQ_REL);
    must(before > 0);
    if (before > 1)
        return NULL;
    message_deinit(&p->root);
    row_schema_unref(p->schema);
    mem_free(p);
    return NULL;
}

struct row_schema *codec_plan_schema(const struct codec_plan *p)
{
    return p->schema;
}

int codec__missing(const struct codec__message *m, const uint64_t *seen)
{
    for (uint32_t w = 0; w < m->words; w++) {
        uint64_t missing = m->required[w] & ~seen[w];
        if (unlikely(missing != 0))
            return (int)(w * 64) + __builtin_ctzll(missing);
    }
    return -1;
}
