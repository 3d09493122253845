/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The columns that a descriptor has and a table has not, for tables that take them up (evolve =
 * add_columns). A field's type gives the column's by the table of docs/formats/rows.md, first form;
 * what only a person can know (a time, a decimal, a NOT NULL) is never guessed.
 *
 * Thread: any.
 */
#include "codec_priv.h"

#include "base/mem.h"

#include <strings.h>

enum { TYPE_MESSAGE = 11, ENTRY_KEY = 1, ENTRY_VALUE = 2 };

/* By FieldDescriptorProto.Type; NULL: not a type of one value that a column can hold. */
static const char *const words[] = {
    [1] = "DOUBLE", [2] = "FLOAT", [3] = "BIGINT",  [4] = "BIGINT", [5] = "INT",
    [6] = "BIGINT", [7] = "INT",   [8] = "BOOLEAN", [9] = "STRING", [12] = "BINARY",
    [13] = "INT",   [15] = "INT",  [16] = "BIGINT", [17] = "INT",   [18] = "BIGINT",
};

struct evolve {
    struct codec__types types;
    struct buf *out;
    size_t count;
    struct err *e;
};

static int fail(struct evolve *x, const struct codec__field_descriptor *f, const char *why)
{
    struct codec__text name = codec__show(f->name);
    return err_set(x->e, ERR_INVALID, "the new field %s cannot become a column: %s", name.text,
                   why);
}

/* It goes into DDL as it is. */
static int check_name(struct evolve *x, const struct codec__field_descriptor *f)
{
    bool fits = f->name.len <= COLUMN_NAME_BYTES_MAX;
    for (size_t i = 0; fits && i < f->name.len; i++) {
        uint8_t c = f->name.data[i], lower = c | 0x20;
        fits = c == '_' || (lower >= 'a' && lower <= 'z') || (i > 0 && c >= '0' && c <= '9');
    }
    return fits ? 0 : fail(x, f, "its name is not one that a column can have");
}

/* ---- the DDL of a field's type ---- */

static int put_type(struct evolve *x, uint32_t scope, const struct codec__field_descriptor *f,
                    unsigned depth);

static int put_struct(struct evolve *x, uint32_t type, unsigned depth)
{
    const uint8_t *at = x->types.types[type].body.data;
    const uint8_t *end = at + x->types.types[type].body.len;
    struct codec__field_descriptor f;
    const char *before = "STRUCT<";
    int r;
    while ((r = codec__next_field(&at, end, &f)) > 0) {
        TRY(check_name(x, &f));
        buf_printf(x->out, "%s`%.*s` ", before, (int)f.name.len, (const char *)f.name.data);
        TRY(put_type(x, type, &f, depth));
        before = ", ";
    }
    if (r < 0)
        return codec__fail_descriptor(x->e);
    buf_add_str(x->out, *before == 'S' ? "STRUCT<>" : ">"); /* an empty one is no type */
    return 0;
}

/* The type of one value of the field. */
static int put_single(struct evolve *x, uint32_t scope, const struct codec__field_descriptor *f,
                      unsigned depth)
{
    if (f->type < ARRAY_LEN(words) && words[f->type] != NULL) {
        buf_add_str(x->out, words[f->type]);
        return 0;
    }
    int type = f->type == TYPE_MESSAGE || f->type == 0
                   ? codec__types_find(&x->types, scope, f->type_name)
                   : -1;
    if (type < 0)
        return fail(x, f, "its type is an enum, a group, or not in the descriptor");
    return put_struct(x, (uint32_t)type, depth);
}

static int put_map(struct evolve *x, uint32_t type, unsigned depth)
{
    const uint8_t *at = x->types.types[type].body.data;
    const uint8_t *end = at + x->types.types[type].body.len;
    struct codec__field_descriptor f, key = {.type = 9}, value = {.type = 9};
    int r;
    while ((r = codec__next_field(&at, end, &f)) > 0)
        *(f.number == ENTRY_KEY ? &key : &value) = f;
    if (r < 0)
        return codec__fail_descriptor(x->e);
    buf_add_str(x->out, "MAP<");
    TRY(put_single(x, type, &key, depth));
    buf_add_str(x->out, ", ");
    TRY(put_single(x, type, &value, depth));
    buf_add_byte(x->out, '>');
    return 0;
}

/* One type may stand in many places: the text is limited, not only its depth. */
static int put_type(struct evolve *x, uint32_t scope, const struct codec__field_descriptor *f,
                    unsigned depth)
{
    if (depth == ROW_DEPTH_MAX || x->out->len > DDL_BYTES_MAX)
        return fail(x, f, "its type is too deep or too large");
    if (f->label != CODEC__LABEL_REPEATED)
        return put_single(x, scope, f, depth + 1);
    int type = codec__types_find(&x->types, scope, f->type_name);
    if (type >= 0 && x->types.types[type].is_map_entry)
        return put_map(x, (uint32_t)type, depth + 1);
    buf_add_str(x->out, "ARRAY<");
    TRY(put_single(x, scope, f, depth + 1));
    buf_add_byte(x->out, '>');
    return 0;
}

/* ---- what is new ---- */

static const struct row_column *find(const struct row_column *columns, uint32_t count,
                                     struct slice name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strlen(columns[i].name) == name.len &&
            strncasecmp(columns[i].name, (const char *)name.data, name.len) == 0)
            return &columns[i];
    return NULL;
}

static int walk(struct evolve *x, uint32_t type, const struct row_column *columns, uint32_t count,
                const char *path);

/* The STRUCT inside a column that is there, and the message that goes with it. */
static int walk_inside(struct evolve *x, uint32_t scope, const struct codec__field_descriptor *f,
                       const struct row_column *c, const char *path)
{
    int type = codec__types_find(&x->types, scope, f->type_name);
    const char *step = "";
    if (type >= 0 && c->type == ROW_ARRAY) {
        step = ".element";
        c = &c->fields[ROW_ELEMENT];
    } else if (type >= 0 && c->type == ROW_MAP) {
        const uint8_t *at = x->types.types[type].body.data;
        const uint8_t *end = at + x->types.types[type].body.len;
        struct codec__field_descriptor value;
        int entry = type;
        for (type = -1; codec__next_field(&at, end, &value) > 0;)
            if (value.number == ENTRY_VALUE)
                type = codec__types_find(&x->types, (uint32_t)entry, value.type_name);
        step = ".value";
        c = &c->fields[ROW_VALUE];
    }
    if (type < 0 || c->type != ROW_STRUCT)
        return 0; /* whether it fits is the plan's matter */
    _cleanup_(mem_freep) char *below =
        mem_printf("%s%.*s%s.", path, (int)f->name.len, (const char *)f->name.data, step);
    return walk(x, (uint32_t)type, c->fields, c->field_count, below);
}

static int walk(struct evolve *x, uint32_t type, const struct row_column *columns, uint32_t count,
                const char *path)
{
    const uint8_t *at = x->types.types[type].body.data;
    const uint8_t *end = at + x->types.types[type].body.len;
    struct codec__field_descriptor f;
    int r;
    while ((r = codec__next_field(&at, end, &f)) > 0) {
        const struct row_column *c = find(columns, count, f.name);
        if (c != NULL) {
            TRY(walk_inside(x, type, &f, c, path));
            continue;
        }
        TRY(check_name(x, &f));
        buf_printf(x->out, "%s%.*s ", path, (int)f.name.len, (const char *)f.name.data);
        TRY(put_type(x, type, &f, 0));
        buf_add_byte(x->out, '\0');
        x->count++;
    }
    return r < 0 ? codec__fail_descriptor(x->e) : 0;
}

int codec_new_columns(struct slice descriptor, const struct row_schema *s, struct buf *out,
                      size_t *ret_count, struct err *e)
{
    struct evolve x = {.out = out, .e = e};
    TRY(codec__types_read(descriptor, DESCRIPTOR_TYPES_MAX, &x.types, e));
    int rc = walk(&x, 0, s->columns, s->column_count, "");
    codec__types_deinit(&x.types);
    if (rc == 0)
        *ret_count = x.count;
    return rc;
}
