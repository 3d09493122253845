/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the codec tests share: schemas from DDL, descriptors by hand, expectations on errors. */

#include "codec/codec.h"
#include "codec/wire.h"

#include "base/mem.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum proto_type {
    PB_DOUBLE = 1,
    PB_FLOAT,
    PB_INT64,
    PB_UINT64,
    PB_INT32,
    PB_FIXED64,
    PB_FIXED32,
    PB_BOOL,
    PB_STRING,
    PB_GROUP,
    PB_MESSAGE,
    PB_BYTES,
    PB_UINT32,
    PB_ENUM,
    PB_SFIXED32,
    PB_SFIXED64,
    PB_SINT32,
    PB_SINT64,
};
enum proto_label { PB_OPTIONAL = 1, PB_REQUIRED, PB_REPEATED };

static inline struct row_schema *help_schema(const char *ddl, const char *key)
{
    struct row_schema *s = NULL;
    cr_assert_eq(row_schema_parse(slice_str(ddl), &key, key != NULL, &s, NULL), 0);
    return s;
}

static inline void help_field(struct buf *descriptor, const char *name, uint32_t number,
                              enum proto_label label, enum proto_type type)
{
    struct buf f = BUF_NULL;
    wire_add_bytes(&f, 1, slice_str(name));
    wire_add_u64(&f, 3, number);
    wire_add_u64(&f, 4, label);
    wire_add_u64(&f, 5, type);
    wire_add_bytes(&f, 10, slice_str(name)); /* json_name */
    wire_add_u64(&f, 17, 1);                 /* proto3_optional */
    wire_add_bytes(descriptor, 2, buf_slice(&f));
    buf_deinit(&f);
}

/* A field of message type. */
static inline void help_message_field(struct buf *descriptor, const char *name, uint32_t number,
                                      enum proto_label label, const char *type_name)
{
    struct buf f = BUF_NULL;
    wire_add_bytes(&f, 1, slice_str(name));
    wire_add_u64(&f, 3, number);
    wire_add_u64(&f, 4, label);
    wire_add_u64(&f, 5, PB_MESSAGE);
    wire_add_bytes(&f, 6, slice_str(type_name));
    wire_add_bytes(descriptor, 2, buf_slice(&f));
    buf_deinit(&f);
}

/* The fields and types in @body become a message type nested in @descriptor; @body is freed. */
static inline void help_type(struct buf *descriptor, const char *name, struct buf *body,
                             bool is_map_entry)
{
    struct buf t = BUF_NULL;
    wire_add_bytes(&t, 1, slice_str(name));
    buf_add_slice(&t, buf_slice(body));
    if (is_map_entry)
        wire_add_bytes(&t, 7, slice_str("\x38\x01"));
    wire_add_bytes(descriptor, 3, buf_slice(&t));
    buf_deinit(&t);
    buf_deinit(body);
}

/*
 * Protobuf from text: "1:5 2'abc' 3{1:-1} 4[1 2] #ff00" is field 1 = varint 5, field 2 = text,
 * field 3 = a message, field 4 = packed varints, then raw bytes. Returns where it stopped.
 */
static inline const char *help_wire(struct buf *out, const char *text)
{
    while (*text != '\0' && *text != '}') {
        struct buf inner = BUF_NULL;
        char *next;
        if (*text == ' ') {
            text++;
            continue;
        }
        if (*text == '#') {
            for (text++; (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'f');
                 text += 2)
                buf_add_byte(out, (uint8_t)strtoul((char[]){text[0], text[1], '\0'}, NULL, 16));
            continue;
        }
        uint32_t number = (uint32_t)strtoul(text, &next, 10);
        char kind = *next++;
        text = next;
        if (kind == ':') {
            wire_add_u64(out, number, (uint64_t)strtoll(text, &next, 10));
            text = next;
            continue;
        }
        if (kind == '{') {
            text = help_wire(&inner, text) + 1;
        } else if (kind == '\'') {
            next = strchr(text, '\'');
            buf_add(&inner, text, (size_t)(next - text));
            text = next + 1;
        } else {
            cr_assert_eq(kind, '[');
            for (; *text != ']'; text = next + (*next == ' '))
                wire_add_varint(&inner, (uint64_t)strtoll(text, &next, 10));
            text++;
        }
        wire_add_bytes(out, number, inner.len == 0 ? slice_of("", 0) : buf_slice(&inner));
        buf_deinit(&inner);
    }
    return text;
}

/* A value as text: {a=1 b=-} for a struct (- is null), [1 2], ["k"=1], 'text'. */
static inline void help_show(const struct row_column *c, const struct row_value *v, struct buf *out)
{
    if (v->null) {
        buf_add_byte(out, '-');
        return;
    }
    switch (c->type) {
    case ROW_STRUCT:
        buf_add_byte(out, '{');
        cr_assert_eq(v->item_count, c->field_count);
        for (uint32_t i = 0; i < v->item_count; i++) {
            buf_printf(out, "%s%s=", i == 0 ? "" : " ", c->fields[i].name);
            help_show(&c->fields[i], &v->items[i], out);
        }
        buf_add_byte(out, '}');
        break;
    case ROW_ARRAY:
    case ROW_MAP:
        buf_add_byte(out, '[');
        for (uint32_t i = 0; i < v->item_count; i++) {
            bool is_value = c->type == ROW_MAP && i % 2 == 1;
            buf_add_str(out, is_value ? "=" : i == 0 ? "" : " ");
            help_show(&c->fields[is_value ? ROW_VALUE : 0], &v->items[i], out);
        }
        buf_add_byte(out, ']');
        break;
    case ROW_STRING:
    case ROW_BINARY:
    case ROW_VARIANT:
        buf_printf(out, "'%.*s'", (int)v->bytes.len, (const char *)v->bytes.data);
        break;
    case ROW_BOOLEAN: buf_add_str(out, v->boolean ? "true" : "false"); break;
    case ROW_FLOAT: buf_printf(out, "%g", (double)v->f32); break;
    case ROW_DOUBLE: buf_printf(out, "%g", v->f64); break;
    case ROW_DECIMAL: row_decimal_format(v->decimal, c->scale, out); break;
    default: buf_printf(out, "%lld", (long long)v->i64); break;
    }
}

/* The record as help_show() shows a struct of its columns. */
static inline void help_show_row(const struct row_schema *s, const struct row_value *values,
                                 struct buf *out)
{
    struct row_column record = {
        .type = ROW_STRUCT, .field_count = s->column_count, .fields = s->columns};
    help_show(&record, &(struct row_value){.item_count = s->column_count, .items = values}, out);
}

/* The row (help_wire()) is accepted and says @expected. */
static inline void help_expect_row(const struct codec_plan *p, const char *wire,
                                   const char *expected)
{
    const struct row_schema *s = codec_plan_schema(p);
    struct arena arena = ARENA_NULL;
    struct buf row = BUF_NULL, text = BUF_NULL;
    struct err e = {0};
    struct row_value *values = mem_calloc(s->column_count, sizeof(*values));
    (void)help_wire(&row, wire);

    int r = codec_check(p, buf_slice(&row), &e);
    cr_assert_eq(codec_decode(p, buf_slice(&row), &arena, values), r == 0 ? 0 : ERR_DAMAGED);

    if (r == 0)
        help_show_row(s, values, &text);
    if (r != 0 || strcmp(buf_cstr(&text), expected) != 0)
        fprintf(stderr, "%s: %s %s, expected %s\n", wire, e.text, buf_cstr(&text), expected);
    cr_assert_eq(r, 0);
    cr_assert_str_eq(buf_cstr(&text), expected);
    mem_free(values);
    buf_deinit(&row);
    buf_deinit(&text);
    arena_deinit(&arena);
}

static inline void help_expect(const char *what, int r, const struct err *e, int code,
                               const char *part)
{
    if (r != code || e->code != code || strstr(e->text, part) == NULL)
        fprintf(stderr, "%s: %d \"%s\", expected \"%s\"\n", what, r, e->text, part);
    cr_assert_eq(r, code);
    cr_assert_eq(e->code, code);
    cr_assert(strstr(e->text, part) != NULL);
}

/* The row (help_wire()) is refused with @part in the sentence, and @path is to blame. */
static inline void help_expect_refused(const struct codec_plan *p, const char *wire,
                                       const char *part, const char *path)
{
    const struct row_schema *s = codec_plan_schema(p);
    struct arena arena = ARENA_NULL;
    struct buf row = BUF_NULL;
    struct err e = {0};
    struct row_value *values = mem_calloc(s->column_count, sizeof(*values));
    (void)help_wire(&row, wire);
    /* in memory of exactly its size, so that a read behind the end is seen */
    uint8_t *exact = mem_alloc(row.len + 1);
    if (row.len > 0)
        memcpy(exact + 1, row.data, row.len);

    int r = codec_check(p, slice_of(exact + 1, row.len), &e);

    help_expect(wire, r, &e, ERR_INVALID, part);
    if (strcmp(e.field, path) != 0)
        fprintf(stderr, "%s: blames \"%s\", expected \"%s\"\n", wire, e.field, path);
    cr_assert_str_eq(e.field, path);
    cr_assert_eq(codec_decode(p, slice_of(exact + 1, row.len), &arena, values), ERR_DAMAGED);
    mem_free(exact);
    mem_free(values);
    buf_deinit(&row);
    arena_deinit(&arena);
}
