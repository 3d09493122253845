/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DescriptorProto + schema → the plan's tree of messages. Each field is matched to a column by
 * name; type and label decide whether it fits (docs/formats/rows.md). The tree grows along the
 * schema, so its size and depth are the schema's, whatever the descriptor says.
 *
 *   column                    field                       operation
 *   flat, VARIANT             single, of its type         the type's own
 *   STRUCT                    single message              MESSAGE
 *   ARRAY                     repeated                    REPEATED, item = that of the element
 *   MAP                       repeated entry              MAP, message = the entry (key, value)
 *   ARRAY or MAP as element   a wrapper in its place      MESSAGE
 *   or value
 *
 * Thread: any.
 */
#include "codec_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <stdio.h>

/* What a column of one value asks for. */
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

#define TYPE_GROUP   10
#define TYPE_MESSAGE 11
#define TYPE_ENUM    14

/* Where the work stands. */
struct compile {
    struct codec__types types; /* none when the schema is flat */
    struct err *e;
    size_t path_len;
    char path[ERR_FIELD_MAX];
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
    case ROW_VARIANT:
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

/* ---- paths ---- */

/* Goes into the field @name; returns what path_leave() takes. NULL: no part of the path. */
static size_t path_enter(struct compile *x, const char *name)
{
    size_t before = x->path_len;
    if (name == NULL)
        return before;
    int n =
        snprintf(x->path + before, sizeof(x->path) - before, "%s%s", before == 0 ? "" : ".", name);
    x->path_len = MIN(before + (size_t)n, sizeof(x->path) - 1); /* cut at the limit on purpose */
    return before;
}

static void path_leave(struct compile *x, size_t before)
{
    x->path_len = before;
    x->path[before] = '\0';
}

static const char *path_part(const struct codec__message *m, uint32_t column)
{
    return m->kind == CODEC__WRAPPER ? NULL : m->columns[column].name;
}

/* ---- one field ---- */

/* The field is no single value of a flat type: say what it is. */
static int fail_nested(struct compile *x, const struct codec__field_descriptor *f,
                       const struct row_column *c)
{
    struct codec__text type = codec__type_text(c), name = codec__show(f->type_name);
    if (f->type == TYPE_GROUP)
        return codec__fail_at(x->e, ERR_UNSUPPORTED, x->path, ": the field is a group");
    const char *what = f->type == TYPE_ENUM      ? "enum"
                       : f->type == TYPE_MESSAGE ? "message"
                                                 : "message or enum";
    return codec__fail_at(x->e, ERR_INVALID, x->path, " is %s, but the field is of %s type %s",
                          type.text, what, name.text[0] == '\0' ? "(no name)" : name.text);
}

static int fit_value(struct compile *x, const struct codec__field_descriptor *f,
                     const struct row_column *c, struct codec__field *field, uint8_t *ret_op)
{
    if (f->type == 0 || proto_types[f->type].kind == 0)
        return fail_nested(x, f, c);
    const struct proto_type *t = &proto_types[f->type];
    if (t->kind != kind_of(c->type))
        return codec__fail_at(x->e, ERR_INVALID, x->path,
                              " is %s and takes a field of type %s, not %s",
                              codec__type_text(c).text, kind_names[kind_of(c->type)], t->name);
    codec__range(c->type, &field->min, &field->max);
    field->tag |= t->wire;
    *ret_op = c->type == ROW_DECIMAL   ? CODEC__DECIMAL
              : c->type == ROW_VARIANT ? CODEC__VARIANT
                                       : t->op;
    return 0;
}

static int fill(struct compile *x, struct codec__message *m, uint32_t type);

/* The field's message type, which @field->message shall read. */
static int fit_message(struct compile *x, uint32_t scope, const struct codec__field_descriptor *f,
                       const struct row_column *c, struct codec__field *field)
{
    if (f->type == TYPE_GROUP || f->type == TYPE_ENUM || (f->type == 0 && f->type_name.len == 0))
        return fail_nested(x, f, c);
    if (f->type != 0 && f->type != TYPE_MESSAGE)
        return codec__fail_at(x->e, ERR_INVALID, x->path,
                              " is %s and takes a field of message type, not %s",
                              codec__type_text(c).text, proto_types[f->type].name);
    struct codec__text name = codec__show(f->type_name);
    int type = codec__types_find(&x->types, scope, f->type_name);
    if (type < 0)
        return codec__fail_at(x->e, ERR_INVALID, x->path,
                              ": the message type %s is not nested in the descriptor", name.text);
    if (x->types.types[type].is_map_entry && field->message->kind != CODEC__ENTRY)
        return codec__fail_at(x->e, ERR_INVALID, x->path, " is %s, but the field is a map",
                              codec__type_text(c).text);
    if (x->types.types[type].is_open)
        return codec__fail_at(x->e, ERR_INVALID, x->path,
                              ": the message type %s contains itself; a column cannot", name.text);
    field->tag |= WIRE_LEN;
    return fill(x, field->message, (uint32_t)type);
}

static struct codec__message *new_message(enum codec__kind kind, const struct row_column *columns,
                                          uint32_t count)
{
    struct codec__message *m = mem_alloc(sizeof(*m));
    codec__message_init(m, kind, columns, count);
    return m;
}

/* What stands for one value of column @c: of a single field, an element, a key or a map's value. */
static int fit_item(struct compile *x, uint32_t scope, const struct codec__field_descriptor *f,
                    const struct row_column *c, struct codec__field *field, uint8_t *ret_op)
{
    if (row_type_is_flat(c->type) || c->type == ROW_VARIANT)
        return fit_value(x, f, c, field, ret_op);
    *ret_op = CODEC__MESSAGE;
    field->message = c->type == ROW_STRUCT ? new_message(CODEC__STRUCT, c->fields, c->field_count)
                                           : new_message(CODEC__WRAPPER, c, 1);
    return fit_message(x, scope, f, c, field);
}

static int fit_list(struct compile *x, uint32_t scope, const struct codec__field_descriptor *f,
                    const struct row_column *c, struct codec__field *field)
{
    if (c->type == ROW_MAP) {
        field->op = CODEC__MAP;
        field->message = new_message(CODEC__ENTRY, c->fields, 2);
        return fit_message(x, scope, f, c, field);
    }
    field->op = CODEC__REPEATED;
    size_t before = path_enter(x, c->fields[ROW_ELEMENT].name);
    TRY(fit_item(x, scope, f, &c->fields[ROW_ELEMENT], field, &field->item));
    path_leave(x, before);
    return 0;
}

static int check_field(struct compile *x, const struct codec__field_descriptor *f,
                       const struct row_column *c, bool is_list)
{
    if (f->number < 1 || f->number > 536870911)
        return codec__fail_at(x->e, ERR_INVALID, x->path,
                              ": the field number %llu is outside 1 to 536870911",
                              (unsigned long long)f->number);
    if (!is_list && f->label == CODEC__LABEL_REPEATED)
        return codec__fail_at(x->e, ERR_INVALID, x->path, " is %s, but the field is repeated",
                              codec__type_text(c).text);
    if (is_list && f->label != CODEC__LABEL_REPEATED)
        return codec__fail_at(x->e, ERR_INVALID, x->path, " is %s, but the field is not repeated",
                              codec__type_text(c).text);
    bool is_known = f->type < ARRAY_LEN(proto_types) && proto_types[f->type].name != NULL;
    if (!is_known && f->type != 0)
        return codec__fail_at(x->e, ERR_INVALID, x->path, ": the field's type %llu is unknown",
                              (unsigned long long)f->type);
    return 0;
}

/* ---- one message ---- */

/* The path stands in the column. */
static int add_field(struct compile *x, struct codec__message *m, uint32_t scope, uint32_t column,
                     const struct codec__field_descriptor *f)
{
    const struct row_column *c = &m->columns[column];
    bool is_list = (c->type == ROW_ARRAY || c->type == ROW_MAP) && m->kind != CODEC__ENTRY;
    TRY(check_field(x, f, c, is_list));
    struct codec__field *field = &m->fields[m->field_count++];
    *field = (struct codec__field){.tag = (uint32_t)f->number << 3, .column = (uint16_t)column};
    return is_list ? fit_list(x, scope, f, c, field) : fit_item(x, scope, f, c, field, &field->op);
}

/* Its column is in @matched now. */
static int match_field(struct compile *x, struct codec__message *m, uint32_t scope,
                       const struct codec__field_descriptor *f, uint64_t *matched)
{
    int column = codec__column_find(m, f->name);
    struct codec__text name = codec__show(f->name);
    if (column < 0 && x->path_len == 0)
        return err_set(x->e, ERR_INVALID,
                       "the table has no column for the descriptor's field \"%s\"", name.text);
    if (column < 0)
        return codec__fail_at(x->e, ERR_INVALID, x->path,
                              " has no field for the descriptor's field \"%s\"", name.text);
    size_t before = path_enter(x, path_part(m, (uint32_t)column));
    if (matched[column / 64] >> column % 64 & 1)
        return codec__fail_at(x->e, ERR_INVALID, x->path, ": two fields have its name");
    matched[column / 64] |= 1ull << column % 64;
    TRY(add_field(x, m, scope, (uint32_t)column, f));
    path_leave(x, before);
    return 0;
}

static int check_complete(struct compile *x, const struct codec__message *m,
                          const uint64_t *matched)
{
    for (uint32_t i = 0; i < m->column_count; i++) {
        if (matched[i / 64] >> i % 64 & 1)
            continue;
        if (m->kind == CODEC__STRUCT && !m->columns[i].not_null)
            continue;
        (void)path_enter(x, path_part(m, i));
        if (m->kind == CODEC__STRUCT)
            return codec__fail_at(x->e, ERR_INVALID, x->path,
                                  " is NOT NULL but the descriptor has no field for it");
        return codec__fail_at(x->e, ERR_INVALID, x->path, ": its message has no field \"%.*s\"",
                              (int)m->column_names[i].len, (const char *)m->column_names[i].data);
    }
    return 0;
}

static int index_message(struct compile *x, struct codec__message *m)
{
    int i = codec__message_index(m);
    if (i == 0)
        return 0;
    (void)path_enter(x, path_part(m, m->fields[i - 1].column));
    return codec__fail_at(x->e, ERR_INVALID, x->path,
                          " and column %s: both fields have the number %u",
                          m->columns[m->fields[i].column].name, m->fields[i].tag >> 3);
}

static int fill_from(struct compile *x, struct codec__message *m, uint32_t scope, struct slice body)
{
    uint64_t matched[CODEC__WORDS_MAX] = {0};
    const uint8_t *at = body.data, *end = at + body.len;
    struct codec__field_descriptor f;
    int r;
    while ((r = codec__next_field(&at, end, &f)) > 0)
        TRY(match_field(x, m, scope, &f, matched));
    if (r < 0)
        return codec__fail_descriptor(x->e);
    TRY(check_complete(x, m, matched));
    return index_message(x, m);
}

static int fill(struct compile *x, struct codec__message *m, uint32_t type)
{
    struct codec__type *t = &x->types.types[type];
    t->is_open = true;
    TRY(fill_from(x, m, type, t->body));
    t->is_open = false;
    return 0;
}

int codec__compile(struct codec_plan *p, struct slice descriptor, uint32_t types_max, struct err *e)
{
    struct compile x = {.e = e};
    if (p->is_flat)
        return fill_from(&x, &p->root, 0, descriptor);
    TRY(codec__types_read(descriptor, types_max, &x.types, e));
    int r = fill(&x, &p->root, 0);
    codec__types_deinit(&x.types);
    return r;
}
