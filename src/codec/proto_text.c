/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DescriptorProto → text for protoc, message by message: fields first, then the types nested in it.
 * The entry type of a map is written as map<key, value> where the field stands. Types are named by
 * the last part of their name, for each stands in the message that uses it. Thread: any.
 */
#include "codec/show.h"

#include "codec/wire.h"
#include "codec_priv.h"

#define DEPTH_MAX 100

struct field {
    struct slice name, type_name;
    uint64_t number, label, type;
    bool is_packed;
};

static const char *const type_words[] = {
    [1] = "double",  [2] = "float",     [3] = "int64",     [4] = "uint64",  [5] = "int32",
    [6] = "fixed64", [7] = "fixed32",   [8] = "bool",      [9] = "string",  [12] = "bytes",
    [13] = "uint32", [15] = "sfixed32", [16] = "sfixed64", [17] = "sint32", [18] = "sint64",
};
#define TYPE_MESSAGE 11

/* The value of a number field of a small message (options); 0 when it is not there. */
static uint64_t find_number(struct slice message, uint32_t number)
{
    const uint8_t *p = message.data, *end = p + message.len;
    struct wire_field w;
    uint64_t found = 0;
    while (wire_next(&p, end, &w) > 0)
        if (w.number == number && w.type == WIRE_VARINT)
            found = w.value;
    return found;
}

static struct slice find_bytes(struct slice message, uint32_t number)
{
    const uint8_t *p = message.data, *end = p + message.len;
    struct wire_field w;
    struct slice found = slice_of("", 0);
    while (wire_next(&p, end, &w) > 0)
        if (w.number == number && w.type == WIRE_LEN)
            found = w.bytes;
    return found;
}

static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return s.len > 0;
}

static struct slice last_part(struct slice name)
{
    for (size_t i = name.len; i > 0; i--)
        if (name.data[i - 1] == '.')
            return slice_of(name.data + i, name.len - i);
    return name;
}

static struct field read_field(struct slice bytes)
{
    return (struct field){.name = find_bytes(bytes, 1),
                          .type_name = last_part(find_bytes(bytes, 6)),
                          .number = find_number(bytes, 3),
                          .label = find_number(bytes, 4),
                          .type = find_number(bytes, 5),
                          .is_packed = find_number(find_bytes(bytes, 8), 2) != 0};
}

/* The map entry of that name in @message; empty when there is none. */
static struct slice find_entry(struct slice message, struct slice name)
{
    const uint8_t *p = message.data, *end = p + message.len;
    struct wire_field w;
    while (wire_next(&p, end, &w) > 0)
        if (w.number == 3 && w.type == WIRE_LEN && slice_eq(find_bytes(w.bytes, 1), name) &&
            find_number(find_bytes(w.bytes, 7), 7) != 0)
            return w.bytes;
    return slice_of("", 0);
}

static int fail(struct err *e, struct slice name, const char *reason)
{
    return err_set(e, ERR_INVALID, "the descriptor's field \"%s\" %s", codec__show(name).text,
                   reason);
}

static int add_type(struct buf *out, const struct field *f, struct err *e)
{
    bool is_word = f->type < ARRAY_LEN(type_words) && type_words[f->type] != NULL;
    if (is_word) {
        buf_add_str(out, type_words[f->type]);
        return 0;
    }
    if (f->type != TYPE_MESSAGE || !is_name(f->type_name))
        return fail(e, f->name, "has a type that cannot be written");
    buf_add_slice(out, f->type_name);
    return 0;
}

static int add_map(struct buf *out, struct slice entry, struct err *e)
{
    const uint8_t *p = entry.data, *end = p + entry.len;
    struct wire_field w;
    struct field parts[2] = {0};
    while (wire_next(&p, end, &w) > 0) {
        struct field f =
            read_field(w.type == WIRE_LEN && w.number == 2 ? w.bytes : slice_of("", 0));
        if (f.number == 1 || f.number == 2)
            parts[f.number - 1] = f;
    }
    buf_add_str(out, "map<");
    TRY(add_type(out, &parts[0], e));
    buf_add_str(out, ", ");
    TRY(add_type(out, &parts[1], e));
    buf_add_byte(out, '>');
    return 0;
}

static void add_indent(struct buf *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        buf_add_str(out, "  ");
}

static int add_field(struct buf *out, struct slice message, struct slice bytes, unsigned depth,
                     struct err *e)
{
    static const char *const labels[] = {
        [CODEC__LABEL_OPTIONAL] = "optional ",
        [CODEC__LABEL_REQUIRED] = "required ",
        [CODEC__LABEL_REPEATED] = "repeated ",
    };
    struct field f = read_field(bytes);
    if (!is_name(f.name) || f.label < CODEC__LABEL_OPTIONAL || f.label > CODEC__LABEL_REPEATED)
        return fail(e, f.name, "has no name or no label");
    struct slice entry = slice_of("", 0);
    if (f.type == TYPE_MESSAGE && f.label == CODEC__LABEL_REPEATED)
        entry = find_entry(message, f.type_name);
    add_indent(out, depth);
    if (entry.len > 0) {
        TRY(add_map(out, entry, e));
    } else {
        buf_add_str(out, labels[f.label]);
        TRY(add_type(out, &f, e));
    }
    buf_add_byte(out, ' ');
    buf_add_slice(out, f.name);
    buf_printf(out, " = %llu%s;\n", (unsigned long long)f.number,
               f.is_packed ? " [packed = true]" : "");
    return 0;
}

static int add_message(struct buf *out, struct slice message, unsigned depth, struct err *e)
{
    struct slice name = find_bytes(message, 1);
    const uint8_t *p = message.data, *end = p + message.len;
    struct wire_field w;
    int r;
    if (!is_name(name))
        return err_set(e, ERR_INVALID, "the descriptor's message \"%s\" cannot be written",
                       codec__show(name).text);
    if (depth > DEPTH_MAX)
        return err_set(e, ERR_INVALID, "the descriptor's messages stand too deep in each other");
    add_indent(out, depth);
    buf_add_str(out, "message ");
    buf_add_slice(out, name);
    buf_add_str(out, " {\n");
    while ((r = wire_next(&p, end, &w)) > 0)
        if (w.number == 2 && w.type == WIRE_LEN)
            TRY(add_field(out, message, w.bytes, depth + 1, e));
    if (r < 0)
        return codec__fail_descriptor(e);
    for (p = message.data; wire_next(&p, end, &w) > 0;) {
        if (w.number != 3 || w.type != WIRE_LEN || find_number(find_bytes(w.bytes, 7), 7) != 0)
            continue;
        buf_add_byte(out, '\n');
        TRY(add_message(out, w.bytes, depth + 1, e));
    }
    add_indent(out, depth);
    buf_add_str(out, "}\n");
    return 0;
}

int codec_proto_text(struct slice descriptor, struct buf *out, struct err *e)
{
    size_t len = out->len;
    buf_add_str(out, "syntax = \"proto2\";\n\n");
    int r = add_message(out, descriptor, 0, e);
    if (r < 0)
        out->len = len;
    return r;
}

void codec_base64(struct slice bytes, struct buf *out)
{
    codec__base64_add(out, bytes);
}
