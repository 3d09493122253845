/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table's own message: its DescriptorProto, and the plan that reads it. Which message types it
 * has, where they stand and what they are called: docs/formats/rows.md, "Nested types".
 *
 * A message's fields are written first, then the types nested in it, each by the same function;
 * names are handed out to the types while the fields are written. Thread: any.
 */
#include "codec_priv.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"

#include <stdio.h>

/* FieldDescriptorProto.Type */
enum {
    TYPE_DOUBLE = 1,
    TYPE_FLOAT = 2,
    TYPE_INT64 = 3,
    TYPE_INT32 = 5,
    TYPE_BOOL = 8,
    TYPE_STRING = 9,
    TYPE_MESSAGE = 11,
    TYPE_BYTES = 12,
};

/* A field of a message that is being written. */
struct field {
    const char *name;
    uint32_t number, label, type;
    const char *type_name; /* of a message */
    bool is_packed;
};

/* Names that are taken in a message: its fields', and those of the types so far. */
struct scope {
    const struct row_column *columns;
    uint32_t column_count; /* 0: a wrapper's, whose field has no capital */
    /* Each with how many underscores behind it are known to be taken too, plus one. Empty until the
     * first type. */
    struct map taken;
};

static uint32_t type_of(enum row_type type)
{
    switch (type) {
    case ROW_BOOLEAN: return TYPE_BOOL;
    case ROW_BYTE:
    case ROW_SHORT:
    case ROW_INT:
    case ROW_DATE: return TYPE_INT32;
    case ROW_FLOAT: return TYPE_FLOAT;
    case ROW_DOUBLE: return TYPE_DOUBLE;
    case ROW_DECIMAL:
    case ROW_STRING:
    case ROW_VARIANT: return TYPE_STRING;
    case ROW_BINARY: return TYPE_BYTES;
    case ROW_STRUCT:
    case ROW_ARRAY:
    case ROW_MAP: return TYPE_MESSAGE;
    default: return TYPE_INT64;
    }
}

static bool is_list(enum row_type type)
{
    return type == ROW_ARRAY || type == ROW_MAP;
}

static void put_field(struct buf *out, const struct field *f)
{
    struct buf b = BUF_NULL;
    wire_add_bytes(&b, 1, slice_str(f->name));
    wire_add_u64(&b, 3, f->number);
    wire_add_u64(&b, 4, f->label);
    wire_add_u64(&b, 5, f->type);
    if (f->type_name != NULL)
        wire_add_bytes(&b, 6, slice_str(f->type_name));
    if (f->is_packed)
        wire_add_bytes(&b, 8, slice_str("\x10\x01"));
    wire_add_bytes(out, 2, buf_slice(&b));
    buf_deinit(&b);
}

/* ---- names of types ---- */

static void take_name(struct scope *s, struct slice name, uintptr_t underscores)
{
    (void)map_put(&s->taken, name, (void *)(underscores + 1)); /* a number, not an address */
}

/* Appends what makes @name a free one, and takes it. As many underscores as the last type of that
 * name has are taken, so that thousands of equal names are no work for each other. Returns how many
 * it has now. */
static size_t make_free(struct scope *s, struct buf *name)
{
    if (s->taken.len == 0)
        for (uint32_t i = 0; i < s->column_count; i++)
            take_name(s, slice_str(s->columns[i].name), 0);
    size_t plain_len = name->len;
    uintptr_t known = (uintptr_t)map_get(&s->taken, buf_slice(name));
    for (uintptr_t i = 1; i < known; i++)
        buf_add_byte(name, '_');
    while (map_get(&s->taken, buf_slice(name)) != NULL)
        buf_add_byte(name, '_');
    size_t underscores = name->len - plain_len;
    take_name(s, buf_slice(name), 0);
    take_name(s, slice_of(name->data, plain_len), underscores);
    return underscores;
}

/* "unit_price" → "UnitPrice" */
static void add_camel(struct buf *out, const char *name)
{
    bool large = true;
    for (const char *c = name; *c != '\0'; c++) {
        bool is_small = *c >= 'a' && *c <= 'z';
        if (*c != '_')
            buf_add_byte(out, (uint8_t)(large && is_small ? *c - 'a' + 'A' : *c));
        large = *c == '_';
    }
}

/* A free name for a type of field @field, taken from now on; the caller frees it. *ret_plain: it is
 * what every protobuf compiler calls the entry of that field's map. */
static char *type_name(struct scope *s, const char *field, const char *ending, bool *ret_plain)
{
    struct buf name = BUF_NULL;
    add_camel(&name, field);
    *ret_plain = name.len > 0 && !(name.data[0] >= '0' && name.data[0] <= '9');
    if (!*ret_plain) {
        buf_reset(&name);
        buf_add_byte(&name, 'T');
        add_camel(&name, field);
    }
    buf_add_str(&name, ending);
    *ret_plain &= make_free(s, &name) == 0;
    char *text = mem_strdup(buf_cstr(&name));
    buf_deinit(&name);
    return text;
}

/* ---- messages ---- */

static void put_struct(struct buf *out, const char *name, const struct row_column *columns,
                       uint32_t count);
static void put_column(struct buf *out, struct buf *types, struct scope *s,
                       const struct row_column *c, const struct field *as);

/* The message that holds an inner ARRAY or MAP. */
static void put_wrapper(struct buf *out, const char *name, const struct row_column *inner)
{
    struct scope s = {0};
    struct buf types = BUF_NULL;
    const struct field f = {.name = inner->type == ROW_MAP ? "entries" : "element", .number = 1};
    wire_add_bytes(out, 1, slice_str(name));
    put_column(out, &types, &s, inner, &f);
    buf_add_slice(out, buf_slice(&types));
    buf_deinit(&types);
    map_deinit(&s.taken);
}

/* The type of one value of column @c, when that is a message: its name, which the caller frees. */
static char *put_item_type(struct buf *types, struct scope *s, const struct row_column *c,
                           const char *field)
{
    if (type_of(c->type) != TYPE_MESSAGE)
        return NULL;
    bool is_plain;
    struct buf b = BUF_NULL;
    char *name = type_name(s, field, "", &is_plain);
    if (c->type == ROW_STRUCT)
        put_struct(&b, name, c->fields, c->field_count);
    else
        put_wrapper(&b, name, c);
    wire_add_bytes(types, 3, buf_slice(&b));
    buf_deinit(&b);
    return name;
}

/* Map @c's entry; returns its name, which the caller frees. */
static char *put_entry_type(struct buf *types, struct scope *s, const struct row_column *c,
                            const char *field)
{
    const struct row_column *key = &c->fields[ROW_KEY], *value = &c->fields[ROW_VALUE];
    char *value_name = put_item_type(types, s, value, field);
    bool is_plain;
    char *name = type_name(s, field, "Entry", &is_plain);
    struct buf b = BUF_NULL;
    wire_add_bytes(&b, 1, slice_str(name));
    put_field(&b, &(struct field){"key", 1, CODEC__LABEL_OPTIONAL, type_of(key->type), NULL, 0});
    put_field(&b, &(struct field){"value", 2, CODEC__LABEL_OPTIONAL, type_of(value->type),
                                  value_name, 0});
    if (is_plain)
        wire_add_bytes(&b, 7, slice_str("\x38\x01")); /* map_entry */
    wire_add_bytes(types, 3, buf_slice(&b));
    buf_deinit(&b);
    mem_free(value_name);
    return name;
}

/* The field of column @c, with the name and number of @as; its message types go to @types. */
static void put_column(struct buf *out, struct buf *types, struct scope *s,
                       const struct row_column *c, const struct field *as)
{
    struct field f = *as;
    const struct row_column *item = c->type == ROW_ARRAY ? &c->fields[ROW_ELEMENT] : c;
    char *name = c->type == ROW_MAP ? put_entry_type(types, s, c, f.name)
                                    : put_item_type(types, s, item, f.name);
    f.type = type_of(item->type);
    f.type_name = name;
    f.label = is_list(c->type) ? CODEC__LABEL_REPEATED
              : c->not_null    ? CODEC__LABEL_REQUIRED
                               : CODEC__LABEL_OPTIONAL;
    f.is_packed = c->type == ROW_ARRAY && f.type < TYPE_STRING;
    put_field(out, &f);
    mem_free(name);
}

static void put_struct(struct buf *out, const char *name, const struct row_column *columns,
                       uint32_t count)
{
    struct scope s = {columns, count, MAP_NULL};
    struct buf types = BUF_NULL;
    wire_add_bytes(out, 1, slice_str(name));
    for (uint32_t i = 0; i < count; i++) {
        const struct field f = {.name = columns[i].name, .number = columns[i].field_id};
        put_column(out, &types, &s, &columns[i], &f);
    }
    buf_add_slice(out, buf_slice(&types));
    buf_deinit(&types);
    map_deinit(&s.taken);
}

void codec_table_descriptor(const struct row_schema *s, const char *message_name, struct buf *out)
{
    put_struct(out, message_name, s->columns, s->column_count);
}

static void must_match(const struct codec__message *m)
{
    must(m->field_count == m->column_count);
    for (uint32_t i = 0; i < m->field_count; i++)
        must(m->fields[i].column == i); /* I2 */
}

struct codec_plan *codec_plan_new_own(struct row_schema *schema)
{
    struct buf descriptor = BUF_NULL;
    struct codec_plan *p = NULL;
    codec_table_descriptor(schema, "Row", &descriptor);
    int r = codec__plan_make(buf_slice(&descriptor), UINT32_MAX, schema, &p, NULL);
    must(r == 0);
    must_match(&p->root);
    buf_deinit(&descriptor);
    return p;
}

void codec_plan_take_iso8601(struct codec_plan *own)
{
    must(own->refs == 1);
    own->iso8601 = true;
}
