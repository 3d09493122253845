/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A schema's next version: columns added behind the others, types widened; and the judge of it.
 * The new schema is made as DDL text and parsed again, so that every rule of a new table holds for
 * it too. Pure.
 */
#include "row_priv.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/must.h"

/* For "%.*s". */
#define ARG(s)    (int)(s).len, (const char *)(s).data
#define NOT_WIDER "Delta knows no such widening"

/* ---- the judge ---- */

/* Do the key bytes of a value stay when its column is widened? (docs/formats/rows.md, Keys) */
static bool keeps_key_bytes(const struct row_column *from, const struct row_column *to)
{
    bool was_integer = from->type >= ROW_BYTE && from->type <= ROW_LONG;
    if (was_integer)
        return to->type >= ROW_BYTE && to->type <= ROW_LONG;
    if (from->type == ROW_DECIMAL)
        return to->type == ROW_DECIMAL && to->scale == from->scale;
    return from->type == to->type || from->type == ROW_FLOAT;
}

static int refuse(const struct row_column *from, const struct row_column *to, const char *why,
                  struct err *e)
{
    struct buf a = BUF_NULL, b = BUF_NULL;
    row_type_name(from, false, &a);
    row_type_name(to, false, &b);
    int rc = err_set(e, ERR_UNSUPPORTED, "column %s cannot become %.200s from %.200s: %s",
                     from->name, buf_cstr(&b), buf_cstr(&a), why);
    buf_deinit(&a);
    buf_deinit(&b);
    return rc;
}

static int check_column(const struct row_column *from, const struct row_column *to, struct err *e)
{
    if (!row__same_word(slice_str(from->name), slice_str(to->name)))
        return err_set(e, ERR_UNSUPPORTED, "column %s: another one (%s) cannot take its place",
                       from->name, to->name);
    if (from->not_null != to->not_null)
        return err_set(e, ERR_UNSUPPORTED, "column %s: whether it may be null cannot change",
                       from->name);
    if (!row_widening_ok(from, to))
        return refuse(from, to, NOT_WIDER, e);
    return 0;
}

static int check_columns(const struct row_schema *from, const struct row_schema *to, struct err *e)
{
    if (to->column_count < from->column_count)
        return err_set(e, ERR_UNSUPPORTED, "column %s cannot be dropped",
                       from->columns[to->column_count].name);
    for (uint32_t i = 0; i < from->column_count; i++)
        TRY(check_column(&from->columns[i], &to->columns[i], e));
    for (uint32_t i = from->column_count; i < to->column_count; i++)
        if (to->columns[i].not_null)
            return err_set(e, ERR_UNSUPPORTED,
                           "column %s is new and NOT NULL: the rows that are there have no value "
                           "for it",
                           to->columns[i].name);
    return 0;
}

int row_schema_change_check(const struct row_schema *from, const struct row_schema *to,
                            struct err *e)
{
    if (from->key_count != to->key_count)
        return err_set(e, ERR_UNSUPPORTED, "the primary key cannot change");
    for (uint32_t i = 0; i < from->key_count; i++) {
        uint32_t k = from->key_columns[i];
        if (to->key_columns[i] != k || k >= to->column_count)
            return err_set(e, ERR_UNSUPPORTED, "the primary key cannot change");
        if (!keeps_key_bytes(&from->columns[k], &to->columns[k]))
            return refuse(&from->columns[k], &to->columns[k],
                          "it is a key column, and its keys would read differently", e);
    }
    return check_columns(from, to, e);
}

/* ---- making it ---- */

/* "address.zip STRING": where the path ends and what stands behind it. */
struct spec {
    struct slice path, rest;
};

static int read_spec(const char *text, struct spec *ret, struct err *e)
{
    const char *p = text + strspn(text, " \t\n");
    size_t len = strcspn(p, " \t\n");
    const char *rest = p + len + strspn(p + len, " \t\n");
    if (len == 0 || *rest == '\0')
        return err_set(e, ERR_INVALID,
                       "\"%.200s\" is not a column and its type, as in: note STRING", text);
    *ret = (struct spec){slice_of(p, len), slice_str(rest)};
    return 0;
}

static struct slice take_part(struct slice *path)
{
    const uint8_t *dot = memchr(path->data, '.', path->len);
    struct slice part = slice_of(path->data, dot ? (size_t)(dot - path->data) : path->len);
    size_t used = part.len + (dot != NULL);
    *path = slice_of(path->data + used, path->len - used);
    return part;
}

/* The fields that a path leads to, of the table or of a nested column. */
struct place {
    struct row_column **fields;
    uint32_t *count;
    bool may_grow; /* the table, or a STRUCT */
};

/* All of the path but its last part, which is *ret_name. */
static int find_place(struct row_schema *s, struct slice path, struct place *ret,
                      struct slice *ret_name, struct err *e)
{
    struct slice whole = path;
    struct place at = {&s->columns, &s->column_count, true};
    struct slice part = take_part(&path);
    while (path.len > 0) {
        int i = row__column_find(*at.fields, *at.count, part);
        if (i < 0)
            return err_set(e, ERR_INVALID, "column %.*s: there is no %.*s", ARG(whole), ARG(part));
        struct row_column *c = &(*at.fields)[i];
        at = (struct place){&c->fields, &c->field_count, c->type == ROW_STRUCT};
        part = take_part(&path);
    }
    *ret = at;
    *ret_name = part;
    return 0;
}

/* The one column of "`name` rest", parsed as the column of a table. */
static int parse_column(const struct spec *spec, struct slice name, struct row_schema **ret,
                        struct err *e)
{
    _cleanup_(buf_deinit) struct buf ddl = BUF_NULL;
    buf_printf(&ddl, "%.*s %.*s", ARG(name), ARG(spec->rest));
    _cleanup_(row_schema_unrefp) struct row_schema *s = NULL;
    if (row_schema_parse(buf_slice(&ddl), NULL, 0, &s, e) < 0)
        return err_wrap(e, "column %.*s", ARG(spec->path));
    if (s->column_count != 1)
        return err_set(e, ERR_INVALID, "\"%.*s\" holds more than one column", ARG(buf_slice(&ddl)));
    *ret = TAKE(s);
    return 0;
}

static int add_column(struct row_schema *s, const char *text, struct err *e)
{
    struct spec spec;
    struct place at;
    struct slice name;
    TRY(read_spec(text, &spec, e));
    TRY(find_place(s, spec.path, &at, &name, e));
    if (!at.may_grow)
        return err_set(e, ERR_INVALID, "column %.*s: only a table and a STRUCT have columns to add",
                       ARG(spec.path));
    if (row__column_find(*at.fields, *at.count, name) >= 0)
        return err_set(e, ERR_INVALID, "column %.*s is there already", ARG(spec.path));
    _cleanup_(row_schema_unrefp) struct row_schema *one = NULL;
    TRY(parse_column(&spec, name, &one, e));
    *at.fields = mem_realloc(*at.fields, (*at.count + 1) * sizeof(**at.fields));
    (*at.fields)[(*at.count)++] = one->columns[0];
    one->column_count = 0; /* its insides have moved */
    return 0;
}

static int widen_column(struct row_schema *s, const char *text, struct err *e)
{
    struct spec spec;
    struct place at;
    struct slice name;
    TRY(read_spec(text, &spec, e));
    TRY(find_place(s, spec.path, &at, &name, e));
    int i = row__column_find(*at.fields, *at.count, name);
    if (i < 0)
        return err_set(e, ERR_INVALID, "there is no column %.*s to widen", ARG(spec.path));
    _cleanup_(row_schema_unrefp) struct row_schema *one = NULL;
    TRY(parse_column(&spec, slice_str("x"), &one, e));
    struct row_column *c = &(*at.fields)[i];
    const struct row_column *to = &one->columns[0];
    if (!row_widening_ok(c, to))
        return refuse(c, to, NOT_WIDER, e);
    c->type = to->type;
    c->precision = to->precision;
    c->scale = to->scale;
    return 0;
}

/* A copy that may be changed, and changed ones as a schema: both through DDL. */
static int parse_again(const struct row_schema *s, struct row_schema **ret, struct err *e)
{
    const char *keys[KEY_COLUMNS_MAX];
    _cleanup_(buf_deinit) struct buf ddl = BUF_NULL;
    must(s->key_count <= KEY_COLUMNS_MAX);
    for (uint32_t i = 0; i < s->key_count; i++)
        keys[i] = s->columns[s->key_columns[i]].name;
    row_schema_to_ddl(s, &ddl);
    return row_schema_parse(buf_slice(&ddl), keys, s->key_count, ret, e);
}

int row_schema_alter(const struct row_schema *s, const struct row_change *c,
                     struct row_schema **ret_schema, struct err *e)
{
    _cleanup_(row_schema_unrefp) struct row_schema *draft = NULL;
    _cleanup_(row_schema_unrefp) struct row_schema *next = NULL;
    TRY(parse_again(s, &draft, e));
    for (size_t i = 0; i < c->add_count; i++)
        TRY(add_column(draft, c->adds[i], e));
    for (size_t i = 0; i < c->widen_count; i++)
        TRY(widen_column(draft, c->widens[i], e));
    TRY(parse_again(draft, &next, e));
    TRY(row_schema_change_check(s, next, e));
    *ret_schema = TAKE(next);
    return 0;
}
