/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DescriptorProto + schema → plan.
 *
 * Each field of the descriptor is matched to a column by name; type and label decide whether it
 * fits (docs/formats/rows.md). What a record walk needs of a field is one struct of 24 bytes, found
 * by field number: by index for numbers up to 4095, by binary search above.
 *
 * Thread: any. A plan never changes once made; its count is atomic.
 */
#include "codec_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <stdlib.h>

/* What a column asks for. */
enum kind {
    KIND_BOOL = 1,
    KIND_INT32,
    KIND_INT64,
    KIND_FLOAT,
    KIND_DOUBLE,
    KIND_STRING,
    KIND_BYTES
};

static const char *const kind_names[] = {
    [KIND_BOOL] = "bool",   [KIND_INT32] = "int32",   [KIND_INT64] = "int64",
    [KIND_FLOAT] = "float", [KIND_DOUBLE] = "double", [KIND_STRING] = "string",
    [KIND_BYTES] = "bytes",
};

/* By FieldDescriptorProto.Type. */
static const struct proto_type {
    const char *name;
    uint8_t kind, op, wire;
} proto_types[] = {
    [1] = {"double", KIND_DOUBLE, CODEC__DOUBLE, WIRE_I64},
    [2] = {"float", KIND_FLOAT, CODEC__FLOAT, WIRE_I32},
    [3] = {"int64", KIND_INT64, CODEC__INT, WIRE_VARINT},
    [4] = {"uint64", KIND_INT64, CODEC__UINT, WIRE_VARINT},
    [5] = {"int32", KIND_INT32, CODEC__INT, WIRE_VARINT},
    [6] = {"fixed64", KIND_INT64, CODEC__FIXED64, WIRE_I64},
    [7] = {"fixed32", KIND_INT32, CODEC__FIXED32, WIRE_I32},
    [8] = {"bool", KIND_BOOL, CODEC__BOOL, WIRE_VARINT},
    [9] = {"string", KIND_STRING, CODEC__STRING, WIRE_LEN},
    [10] = {"group", 0, 0, 0},
    [11] = {"message", 0, 0, 0},
    [12] = {"bytes", KIND_BYTES, CODEC__BYTES, WIRE_LEN},
    [13] = {"uint32", KIND_INT32, CODEC__UINT, WIRE_VARINT},
    [14] = {"enum", 0, 0, 0},
    [15] = {"sfixed32", KIND_INT32, CODEC__SFIXED32, WIRE_I32},
    [16] = {"sfixed64", KIND_INT64, CODEC__SFIXED64, WIRE_I64},
    [17] = {"sint32", KIND_INT32, CODEC__ZIGZAG, WIRE_VARINT},
    [18] = {"sint64", KIND_INT64, CODEC__ZIGZAG, WIRE_VARINT},
};

#define TYPE_GROUP     10
#define LABEL_REPEATED 3

/* What a plan wants to know of a FieldDescriptorProto. */
struct field_descriptor {
    struct slice name, type_name;
    uint64_t number, label, type;
};

static enum kind kind_of(enum row_type type)
{
    switch (type) {
    case ROW_BOOLEAN: return KIND_BOOL;
    case ROW_BYTE:
    case ROW_SHORT:
    case ROW_INT:
    case ROW_DATE: return KIND_INT32;
    case ROW_FLOAT: return KIND_FLOAT;
    case ROW_DOUBLE: return KIND_DOUBLE;
    case ROW_DECIMAL:
    case ROW_STRING: return KIND_STRING;
    case ROW_BINARY: return KIND_BYTES;
    default: return KIND_INT64;
    }
}

void codec__range(enum row_type type, int64_t *ret_min, int64_t *ret_max)
{
    switch (type) {
    case ROW_BYTE: *ret_min = INT8_MIN, *ret_max = INT8_MAX; break;
    case ROW_SHORT: *ret_min = INT16_MIN, *ret_max = INT16_MAX; break;
    case ROW_INT:
    case ROW_DATE: *ret_min = INT32_MIN, *ret_max = INT32_MAX; break;
    default: *ret_min = INT64_MIN, *ret_max = INT64_MAX; break;
    }
}

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

int codec__column_find(const struct codec_plan *p, struct slice name)
{
    for (uint32_t i = hash_name(name) & p->name_mask;; i = (i + 1) & p->name_mask) {
        uint16_t column = p->names[i];
        if (column == CODEC__NONE)
            return -1;
        if (same_name(name, p->column_names[column]))
            return column;
    }
}

static void index_names(struct codec_plan *p)
{
    const struct row_schema *s = p->schema;
    uint32_t slots = 4;
    while (slots < s->column_count * 2)
        slots *= 2;
    p->name_mask = slots - 1;
    p->names = mem_alloc(slots * sizeof(*p->names));
    memset(p->names, 0xff, slots * sizeof(*p->names));
    p->column_names = mem_calloc(s->column_count, sizeof(*p->column_names));
    for (uint32_t c = 0; c < s->column_count; c++) {
        p->column_names[c] = slice_str(s->columns[c].name);
        uint32_t i = hash_name(p->column_names[c]) & p->name_mask;
        while (p->names[i] != CODEC__NONE)
            i = (i + 1) & p->name_mask;
        p->names[i] = (uint16_t)c;
    }
}

/* ---- fields ---- */

static int fail_malformed(const uint8_t *start, const uint8_t *at, struct err *e)
{
    return err_set(e, ERR_INVALID, "the descriptor is not a serialised DescriptorProto (byte %zu)",
                   (size_t)(at - start));
}

static int read_field_descriptor(struct slice bytes, struct field_descriptor *f)
{
    const uint8_t *p = bytes.data, *end = p + bytes.len;
    struct wire_field w;
    int r;
    *f = (struct field_descriptor){.label = 1};
    while ((r = wire_next(&p, end, &w)) > 0) {
        bool is_text = w.number == 1 || w.number == 6;
        bool is_number = w.number >= 3 && w.number <= 5;
        if ((is_text && w.type != WIRE_LEN) || (is_number && w.type != WIRE_VARINT))
            return ERR_INVALID;
        switch (w.number) {
        case 1: f->name = w.bytes; break;
        case 3: f->number = w.value; break;
        case 4: f->label = w.value; break;
        case 5: f->type = w.value; break;
        case 6: f->type_name = w.bytes; break;
        default: break;
        }
    }
    return r < 0 || f->name.len == 0 ? ERR_INVALID : 0;
}

/* A field whose type no flat column can hold: say what it is. */
static int fail_nested(const struct field_descriptor *f, const struct row_column *c, struct err *e)
{
    struct codec__text type = codec__type_text(c), name = codec__show(f->type_name);
    if (f->type == TYPE_GROUP)
        return err_set(e, ERR_UNSUPPORTED, "column %s: the field is a group", c->name);
    const char *what = f->type == 14 ? "enum" : f->type == 11 ? "message" : "message or enum";
    return err_set(e, ERR_INVALID, "column %s is %s, but the field is of %s type %s", c->name,
                   type.text, what, name.text[0] == '\0' ? "(no name)" : name.text);
}

static int check_field(const struct field_descriptor *f, const struct row_column *c, struct err *e)
{
    if (f->number < 1 || f->number > 536870911)
        return err_set(e, ERR_INVALID, "column %s: the field number %llu is outside 1 to 536870911",
                       c->name, (unsigned long long)f->number);
    struct codec__text type = codec__type_text(c);
    if (f->label == LABEL_REPEATED)
        return err_set(e, ERR_INVALID, "column %s is %s, but the field is repeated", c->name,
                       type.text);
    bool is_known = f->type < ARRAY_LEN(proto_types) && proto_types[f->type].name != NULL;
    if (!is_known && f->type != 0)
        return err_set(e, ERR_INVALID, "column %s: the field's type %llu is unknown", c->name,
                       (unsigned long long)f->type);
    if (f->type == 0 || proto_types[f->type].kind == 0)
        return fail_nested(f, c, e);
    if (proto_types[f->type].kind != kind_of(c->type))
        return err_set(e, ERR_INVALID, "column %s is %s and takes a field of type %s, not %s",
                       c->name, type.text, kind_names[kind_of(c->type)], proto_types[f->type].name);
    return 0;
}

static int add_field(struct codec_plan *p, const struct field_descriptor *f, uint64_t *matched,
                     struct err *e)
{
    int column = codec__column_find(p, f->name);
    if (column < 0)
        return err_set(e, ERR_INVALID, "the table has no column for the descriptor's field \"%s\"",
                       codec__show(f->name).text);
    const struct row_column *c = &p->schema->columns[column];
    TRY(check_field(f, c, e));
    if (matched[column / 64] >> column % 64 & 1)
        return err_set(e, ERR_INVALID, "column %s: two fields have its name", c->name);
    matched[column / 64] |= 1ull << column % 64;
    const struct proto_type *t = &proto_types[f->type];
    struct codec__field *field = &p->fields[p->field_count++];
    *field = (struct codec__field){
        .tag = (uint32_t)f->number << 3 | t->wire, .column = (uint16_t)column, .op = t->op};
    if (c->type == ROW_DECIMAL)
        field->op = CODEC__DECIMAL;
    codec__range(c->type, &field->min, &field->max);
    return 0;
}

static int compare_fields(const void *a, const void *b)
{
    const struct codec__field *x = a, *y = b;
    return x->tag < y->tag ? -1 : x->tag > y->tag;
}

static int index_fields(struct codec_plan *p, struct err *e)
{
    qsort(p->fields, p->field_count, sizeof(*p->fields), compare_fields);
    for (uint32_t i = 1; i < p->field_count; i++)
        if (p->fields[i].tag >> 3 == p->fields[i - 1].tag >> 3)
            return err_set(e, ERR_INVALID, "columns %s and %s: both fields have the number %u",
                           p->schema->columns[p->fields[i - 1].column].name,
                           p->schema->columns[p->fields[i].column].name, p->fields[i].tag >> 3);
    uint32_t largest = p->field_count == 0 ? 0 : p->fields[p->field_count - 1].tag >> 3;
    p->direct_count = MIN(largest, CODEC__DIRECT_MAX) + 1;
    p->direct = mem_alloc(p->direct_count * sizeof(*p->direct));
    memset(p->direct, 0xff, p->direct_count * sizeof(*p->direct));
    for (uint32_t i = 0; i < p->field_count; i++)
        if (p->fields[i].tag >> 3 < p->direct_count)
            p->direct[p->fields[i].tag >> 3] = (uint16_t)i;
    return 0;
}

static int read_descriptor(struct codec_plan *p, struct slice descriptor, struct err *e)
{
    const uint8_t *at = descriptor.data, *end = at + descriptor.len;
    uint64_t matched[CODEC__WORDS_MAX] = {0};
    struct wire_field w;
    int r;
    while ((r = wire_next(&at, end, &w)) > 0) {
        if (w.number != 2)
            continue; /* names, nested types, options: nothing that a flat row needs */
        struct field_descriptor f;
        if (w.type != WIRE_LEN || read_field_descriptor(w.bytes, &f) != 0)
            return fail_malformed(descriptor.data, at, e);
        TRY(add_field(p, &f, matched, e));
    }
    if (r < 0)
        return fail_malformed(descriptor.data, at, e);
    int missing = codec__missing(p, matched);
    if (missing >= 0)
        return err_set(e, ERR_INVALID,
                       "column %s is NOT NULL but the descriptor has no field for it",
                       p->schema->columns[missing].name);
    return index_fields(p, e);
}

int codec_plan_new(struct slice descriptor, struct row_schema *schema, struct codec_plan **ret_plan,
                   struct err *e)
{
    must(schema->column_count <= COLUMNS_MAX);
    if (descriptor.len == 0)
        return err_set(e, ERR_INVALID, "the descriptor is empty");
    if (descriptor.len > DESCRIPTOR_BYTES_MAX)
        return err_set(e, ERR_INVALID, "the descriptor has %zu bytes; at most %d are allowed",
                       descriptor.len, DESCRIPTOR_BYTES_MAX);
    _cleanup_(codec_plan_unrefp) struct codec_plan *p = mem_zalloc(sizeof(*p));
    p->refs = 1;
    p->schema = row_schema_ref(schema);
    p->words = (schema->column_count + 63) / 64;
    p->fields = mem_calloc(schema->column_count, sizeof(*p->fields));
    for (uint32_t i = 0; i < schema->column_count; i++)
        p->required[i / 64] |= (uint64_t)schema->columns[i].not_null << i % 64;
    index_names(p);
    TRY(read_descriptor(p, descriptor, e));
    *ret_plan = TAKE(p);
    return 0;
}

struct codec_plan *codec_plan_new_own(struct row_schema *schema)
{
    struct buf descriptor = BUF_NULL;
    struct codec_plan *p = NULL;
    codec_table_descriptor(schema, "Row", &descriptor);
    int r = codec_plan_new(buf_slice(&descriptor), schema, &p, NULL);
    must(r == 0);
    must(p->field_count == schema->column_count);
    for (uint32_t i = 0; i < p->field_count; i++)
        must(p->fields[i].column == i);
    buf_deinit(&descriptor);
    return p;
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
    row_schema_unref(p->schema);
    mem_free(p->fields);
    mem_free(p->direct);
    mem_free(p->names);
    mem_free(p->column_names);
    mem_free(p);
    return NULL;
}

struct row_schema *codec_plan_schema(const struct codec_plan *p)
{
    return p->schema;
}

int codec__missing(const struct codec_plan *p, const uint64_t *seen)
{
    for (uint32_t w = 0; w < p->words; w++) {
        uint64_t missing = p->required[w] & ~seen[w];
        if (unlikely(missing != 0))
            return (int)(w * 64) + __builtin_ctzll(missing);
    }
    return -1;
}

int codec__fail_missing(const struct row_column *c, struct err *e)
{
    return err_set(e, ERR_INVALID, "column %s is NOT NULL but the record has no value", c->name);
}

struct codec__text codec__show(struct slice s)
{
    struct codec__text t = {{0}};
    size_t len = MIN(s.len, 48);
    for (size_t i = 0; i < len; i++)
        t.text[i] = s.data[i] >= 0x20 && s.data[i] < 0x7f ? (char)s.data[i] : '?';
    if (s.len > 48)
        memcpy(t.text + 48, "...", 4);
    return t;
}

struct codec__text codec__type_text(const struct row_column *c)
{
    struct buf b = BUF_NULL;
    row_type_name(c, false, &b);
    struct codec__text t = codec__show(buf_slice(&b));
    buf_deinit(&b);
    return t;
}

/* ---- the table's own message ---- */

void codec_table_descriptor(const struct row_schema *s, const char *message_name, struct buf *out)
{
    static const uint8_t types[] = {
        [KIND_BOOL] = 8,   [KIND_INT32] = 5,  [KIND_INT64] = 3,  [KIND_FLOAT] = 2,
        [KIND_DOUBLE] = 1, [KIND_STRING] = 9, [KIND_BYTES] = 12,
    };
    struct buf field = BUF_NULL;
    wire_add_bytes(out, 1, slice_str(message_name));
    for (uint32_t i = 0; i < s->column_count; i++) {
        const struct row_column *c = &s->columns[i];
        buf_reset(&field);
        wire_add_bytes(&field, 1, slice_str(c->name));
        wire_add_u64(&field, 3, c->field_id);
        wire_add_u64(&field, 4, c->not_null ? 2 : 1); /* required, optional */
        wire_add_u64(&field, 5, types[kind_of(c->type)]);
        wire_add_bytes(out, 2, buf_slice(&field));
    }
    buf_deinit(&field);
}
