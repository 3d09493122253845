/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a DescriptorProto: its fields, and the message types that are nested in it.
 *
 * A field says the type of its message by name, in one of two dialects: absolute,
 * ".pkg.Row.Nested", where the package is known to nobody here, so that what stands before the
 * record's own name is passed over; or relative, "Nested", looked for in the message that has the
 * field, then in the one around it, and so on outwards.
 *
 * All types are read once into a table, level by level, with a hash of (parent, name).
 * Thread: any.
 */
#include "codec_priv.h"

#include "base/mem.h"

/* Parts of an absolute name that may be the package. */
#define PACKAGE_PARTS_MAX 64

int codec__fail_descriptor(struct err *e)
{
    return err_set(e, ERR_INVALID, "the descriptor is not a serialised DescriptorProto");
}

/* ---- fields ---- */

static int read_field(struct slice bytes, struct codec__field_descriptor *f)
{
    const uint8_t *p = bytes.data, *end = p + bytes.len;
    struct wire_field w;
    int r;
    *f = (struct codec__field_descriptor){.label = CODEC__LABEL_OPTIONAL};
    while ((r = wire_next(&p, end, &w)) > 0) {
        bool is_text = w.number == 1 || w.number == 6;
        bool is_number = w.number >= 3 && w.number <= 5;
        if ((is_text && w.type != WIRE_LEN) || (is_number && w.type != WIRE_VARINT))
            return -1;
        switch (w.number) {
        case 1: f->name = w.bytes; break;
        case 3: f->number = w.value; break;
        case 4: f->label = w.value; break;
        case 5: f->type = w.value; break;
        case 6: f->type_name = w.bytes; break;
        default: break;
        }
    }
    return r < 0 || f->name.len == 0 ? -1 : 1;
}

int codec__next_field(const uint8_t **at, const uint8_t *end, struct codec__field_descriptor *ret)
{
    struct wire_field w;
    int r;
    while ((r = wire_next(at, end, &w)) > 0)
        if (w.number == 2) /* the others: names, nested types, options */
            return w.type == WIRE_LEN ? read_field(w.bytes, ret) : -1;
    return r;
}

/* ---- types ---- */

static uint32_t hash_type(uint32_t parent, struct slice name)
{
    uint32_t h = 2166136261u ^ parent * 0x9e3779b1u;
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ name.data[i]) * 16777619u;
    return h ^ h >> 15;
}

static int add_type(struct codec__types *t, struct slice body, uint32_t parent, struct err *e)
{
    if (t->count == t->max)
        return err_set(e, ERR_INVALID, "the descriptor has more than %u message types", t->max);
    if (t->count == t->cap) {
        t->cap = t->cap == 0 ? 16 : t->cap * 2;
        t->types = mem_realloc(t->types, t->cap * sizeof(*t->types));
    }
    t->types[t->count++] = (struct codec__type){.body = body, .parent = parent};
    return 0;
}

static bool options_say_map(struct slice options)
{
    const uint8_t *p = options.data, *end = p + options.len;
    struct wire_field w;
    bool is_map_entry = false;
    while (wire_next(&p, end, &w) > 0)
        if (w.number == 7 && w.type == WIRE_VARINT)
            is_map_entry = w.value != 0;
    return is_map_entry;
}

/* Name and options of type @i; the types in it go to the end of the table. */
static int read_type(struct codec__types *t, uint32_t i, struct err *e)
{
    struct slice body = t->types[i].body;
    const uint8_t *p = body.data, *end = p + body.len;
    struct wire_field w;
    int r;
    while ((r = wire_next(&p, end, &w)) > 0) {
        if (w.number != 1 && w.number != 3 && w.number != 7)
            continue;
        if (w.type != WIRE_LEN)
            return codec__fail_descriptor(e);
        if (w.number == 1)
            t->types[i].name = w.bytes;
        else if (w.number == 3)
            TRY(add_type(t, w.bytes, i, e));
        else
            t->types[i].is_map_entry = options_say_map(w.bytes);
    }
    return r < 0 ? codec__fail_descriptor(e) : 0;
}

static void index_types(struct codec__types *t)
{
    uint32_t slots = 4;
    while (slots < t->count * 2)
        slots *= 2;
    t->mask = slots - 1;
    t->slots = mem_calloc(slots, sizeof(*t->slots));
    for (uint32_t k = 1; k < t->count; k++) {
        uint32_t i = hash_type(t->types[k].parent, t->types[k].name) & t->mask;
        while (t->slots[i] != 0)
            i = (i + 1) & t->mask;
        t->slots[i] = k;
    }
}

int codec__types_read(struct slice descriptor, uint32_t max, struct codec__types *ret_types,
                      struct err *e)
{
    struct codec__types t = {.max = max};
    int r = add_type(&t, descriptor, 0, e);
    for (uint32_t i = 0; r == 0 && i < t.count; i++)
        r = read_type(&t, i, e);
    if (r < 0) {
        codec__types_deinit(&t);
        return r;
    }
    index_types(&t);
    *ret_types = t;
    return 0;
}

void codec__types_deinit(struct codec__types *t)
{
    mem_free(t->types);
    mem_free(t->slots);
    *t = (struct codec__types){0};
}

static int find_child(const struct codec__types *t, uint32_t parent, struct slice name)
{
    for (uint32_t i = hash_type(parent, name) & t->mask;; i = (i + 1) & t->mask) {
        uint32_t k = t->slots[i];
        if (k == 0)
            return -1;
        if (t->types[k].parent == parent && slice_eq(t->types[k].name, name))
            return (int)k;
    }
}

/* The part of *name up to the next dot, taken away. */
static struct slice take_part(struct slice *name)
{
    const uint8_t *dot = memchr(name->data, '.', name->len);
    size_t len = dot == NULL ? name->len : (size_t)(dot - name->data);
    struct slice part = slice_of(name->data, len);
    size_t taken = dot == NULL ? len : len + 1;
    *name = slice_of(name->data + taken, name->len - taken);
    return part;
}

/* The type "A.B" inside of @type. */
static int descend(const struct codec__types *t, int type, struct slice name)
{
    while (type >= 0 && name.len > 0) {
        struct slice part = take_part(&name);
        type = find_child(t, (uint32_t)type, part);
    }
    return type;
}

int codec__types_find(const struct codec__types *t, uint32_t scope, struct slice name)
{
    bool is_absolute = name.len > 0 && name.data[0] == '.';
    if (is_absolute)
        name = slice_of(name.data + 1, name.len - 1);
    for (uint32_t s = scope; !is_absolute && name.len > 0; s = t->types[s].parent) {
        int found = descend(t, (int)s, name);
        if (found >= 0)
            return found;
        if (s == 0)
            break;
    }
    for (int i = 0; name.len > 0 && i < PACKAGE_PARTS_MAX; i++) {
        struct slice part = take_part(&name);
        int found = slice_eq(part, t->types[0].name) ? descend(t, 0, name) : -1;
        if (found >= 0)
            return found;
    }
    return -1;
}
