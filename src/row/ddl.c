/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DDL text → schema. Recursive descent over words:
 *
 *   fields = field { "," field }
 *   field  = name [":"] type { "NOT" "NULL" | "NULL" | "COMMENT" 'text' }
 *   type   = word [ more words ] [ "(" number [ "," number ] ")" ]
 *          | "STRUCT" "<" fields ">"
 *          | "ARRAY" "<" held ">" | "MAP" "<" held "," held ">"
 *   held   = type [ "NOT" "NULL" | "NULL" ]
 *
 * Depth and number of types are limited, so the recursion is too. Thread: any.
 */
#include "row_priv.h"

#include "base/limits.h"
#include "base/mem.h"
#include "row/utf8.h"

#include <stdio.h>

/* "(p)" or "(p, s)"; how many numbers there were. */
static int parse_arguments(struct row__ddl *d, uint32_t numbers[2])
{
    if (!row__ddl_take_char(d, '('))
        return 0;
    TRY(row__ddl_number(d, &numbers[0]));
    int count = 1;
    if (row__ddl_take_char(d, ',')) {
        TRY(row__ddl_number(d, &numbers[1]));
        count = 2;
    }
    if (!row__ddl_take_char(d, ')'))
        return row__ddl_fail(d, ERR_INVALID, "a closing parenthesis is expected");
    return count;
}

/* Words behind some types: DOUBLE PRECISION, TIMESTAMP WITHOUT TIME ZONE … */
static int parse_more_words(struct row__ddl *d, struct slice word, struct row_column *c)
{
    if (c->type == ROW_DOUBLE)
        (void)row__ddl_take_word(d, "precision"); /* a filler */
    if (row__same_word(word, slice_str("character")) || row__same_word(word, slice_str("char")))
        (void)row__ddl_take_word(d, "varying"); /* length is not kept either way */
    if (!row__same_word(word, slice_str("timestamp")))
        return 0;
    bool without = row__ddl_take_word(d, "without");
    if (!without && !row__ddl_take_word(d, "with"))
        return 0;
    if (!row__ddl_take_word(d, "time") || !row__ddl_take_word(d, "zone"))
        return row__ddl_fail(d, ERR_INVALID, "TIME ZONE is expected");
    c->type = without ? ROW_TIMESTAMP_NTZ : ROW_TIMESTAMP;
    return 0;
}

static int check_arguments(struct row__ddl *d, struct row_column *c, const uint32_t numbers[2],
                           int count)
{
    switch (c->type) {
    case ROW_DECIMAL:
        if (numbers[0] < 1 || numbers[0] > DECIMAL_DIGITS_MAX)
            return row__ddl_fail(d, ERR_INVALID, "the precision before this must be 1 to 38");
        if (numbers[1] > numbers[0])
            return row__ddl_fail(d, ERR_INVALID,
                                 "the scale before this is larger than the precision");
        c->precision = (uint8_t)numbers[0];
        c->scale = (uint8_t)numbers[1];
        return 0;
    case ROW_STRING:
    case ROW_BINARY:
        if (count > 1)
            return row__ddl_fail(d, ERR_INVALID, "the type before this takes one number");
        return 0;
    default:
        if (count > 0)
            return row__ddl_fail(d, ERR_INVALID, "the type before this takes no number");
        return 0;
    }
}

static int parse_flat(struct row__ddl *d, struct slice word, struct row_column *c)
{
    TRY(parse_more_words(d, word, c));
    uint32_t numbers[2] = {10, 0};
    int count = parse_arguments(d, numbers);
    TRY(count);
    return check_arguments(d, c, numbers, count);
}

static int parse_type(struct row__ddl *d, struct row_column *c, unsigned depth);
static int parse_fields(struct row__ddl *d, struct row_column *in, unsigned depth);

static bool is_key_type(enum row_type type)
{
    return type == ROW_BOOLEAN || type == ROW_STRING || (type >= ROW_BYTE && type <= ROW_LONG);
}

/* What an ARRAY or MAP holds: field @which of @in. */
static int parse_held(struct row__ddl *d, struct row_column *in, uint32_t which, unsigned depth)
{
    bool is_key = in->type == ROW_MAP && which == ROW_KEY;
    struct row_column *c = &in->fields[which];
    c->name = mem_strdup(in->type == ROW_ARRAY ? "element" : is_key ? "key" : "value");
    c->field_id = which + 1;
    c->not_null = is_key;
    size_t outside = row__ddl_enter(d, c->name);
    row__ddl_skip_space(d);
    const uint8_t *at = d->p;
    TRY(parse_type(d, c, depth));
    if (is_key && !is_key_type(c->type)) {
        d->p = at;
        return row__ddl_fail(d, ERR_INVALID,
                             "the key of a map is of type boolean, tinyint, smallint, int, bigint "
                             "or string");
    }
    if (row__ddl_take_word(d, "not")) {
        if (!row__ddl_take_word(d, "null"))
            return row__ddl_fail(d, ERR_INVALID, "NULL is expected after NOT");
        c->not_null = true;
    } else if (!is_key) {
        (void)row__ddl_take_word(d, "null"); /* what holds anyway */
    }
    row__ddl_leave(d, outside);
    return 0;
}

static int parse_lists(struct row__ddl *d, struct row_column *c, unsigned depth)
{
    uint32_t count = c->type == ROW_MAP ? 2 : 1;
    c->fields = mem_calloc(count, sizeof(*c->fields));
    c->field_count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && !row__ddl_take_char(d, ','))
            return row__ddl_fail(d, ERR_INVALID,
                                 "a comma and the type of the map's values are "
                                 "expected");
        TRY(parse_held(d, c, i, depth));
    }
    return 0;
}

static int parse_nested(struct row__ddl *d, struct row_column *c, unsigned depth)
{
    if (depth == ROW_DEPTH_MAX)
        return row__ddl_fail(d, ERR_INVALID, "types stand at most 32 deep within each other");
    if (!row__ddl_take_char(d, '<'))
        return row__ddl_fail(d, ERR_INVALID, "< is expected");
    if (c->type == ROW_STRUCT)
        TRY(parse_fields(d, c, depth + 1));
    else
        TRY(parse_lists(d, c, depth + 1));
    if (!row__ddl_take_char(d, '>'))
        return row__ddl_fail(d, ERR_INVALID,
                             c->type == ROW_STRUCT ? "a comma or > is expected" : "> is expected");
    return 0;
}

static int fail_unsupported(struct row__ddl *d, const struct row__type_word *t)
{
    char sentence[ERR_FIELD_MAX + 80];
    (void)snprintf(sentence, sizeof(sentence), "column %.*s: columns of type %s are not supported",
                   (int)MIN(d->path.len, (size_t)ERR_FIELD_MAX), (const char *)d->path.data,
                   t->word);
    return row__ddl_fail(d, ERR_UNSUPPORTED, sentence);
}

/* The type of @c, which stands within @depth other types. */
static int parse_type(struct row__ddl *d, struct row_column *c, unsigned depth)
{
    struct slice word = row__ddl_peek_word(d);
    if (word.len == 0)
        return row__ddl_fail(d, ERR_INVALID, "a type is expected");
    const struct row__type_word *t = row__type_find(word);
    if (t == NULL && row__same_word(word, slice_str("key")))
        return row__ddl_fail(d, ERR_INVALID, "the primary key is named apart from the column list");
    if (t == NULL)
        return row__ddl_fail(d, ERR_INVALID, "no type has this name");
    if (t->type == 0)
        return fail_unsupported(d, t);
    c->type = t->type;
    d->leaves += row__own_leaves(c);
    if (d->leaves > ROW_LEAVES_MAX)
        return row__ddl_fail(d, ERR_INVALID,
                             "a table has at most 4000 flat columns at all depths together");
    d->p += word.len;
    if (row_type_is_flat(c->type))
        return parse_flat(d, word, c);
    return c->type == ROW_VARIANT ? 0 : parse_nested(d, c, depth);
}

/* What may stand behind the type of a column or of a STRUCT's field. */
static int parse_remarks(struct row__ddl *d, struct row_column *c)
{
    for (;;) {
        if (row__ddl_take_word(d, "not")) {
            if (!row__ddl_take_word(d, "null"))
                return row__ddl_fail(d, ERR_INVALID, "NULL is expected after NOT");
            c->not_null = true;
        } else if (row__ddl_take_word(d, "comment")) {
            mem_free(TAKE(c->comment));
            TRY(row__ddl_text(d, &c->comment));
        } else if (!row__ddl_take_word(d, "null")) {
            break;
        }
    }
    struct slice next = row__ddl_peek_word(d);
    if (row__same_word(next, slice_str("default")) || row__same_word(next, slice_str("generated")))
        return row__ddl_fail(d, ERR_UNSUPPORTED,
                             "defaults and generated columns are not supported");
    return 0;
}

/* The last field of @in, whose name begins here. */
static int parse_field(struct row__ddl *d, struct row_column *in, unsigned depth)
{
    struct row_column *c = &in->fields[in->field_count - 1];
    const uint8_t *at = d->p;
    TRY(row__ddl_name(d, &c->name));
    size_t outside = row__ddl_enter(d, c->name);
    if (row__column_find(in->fields, in->field_count - 1, slice_str(c->name)) >= 0) {
        d->p = at;
        return row__ddl_fail(d, ERR_INVALID, "a column of this name is there already");
    }
    (void)row__ddl_take_char(d, ':'); /* may stand there, as in Spark's struct<name: type> */
    TRY(parse_type(d, c, depth));
    TRY(parse_remarks(d, c));
    row__ddl_leave(d, outside);
    return 0;
}

/* The fields of a STRUCT, or the columns of the table as those of @in at depth 0. */
static int parse_fields(struct row__ddl *d, struct row_column *in, unsigned depth)
{
    uint32_t cap = 0;
    do {
        if (in->field_count == COLUMNS_MAX)
            return row__ddl_fail(d, ERR_INVALID,
                                 depth == 0 ? "a table has at most 2000 columns"
                                            : "a STRUCT has at most 2000 fields");
        if (in->field_count == cap) {
            cap = cap == 0 ? 4 : cap * 2;
            in->fields = mem_realloc(in->fields, cap * sizeof(*in->fields));
        }
        in->fields[in->field_count] = (struct row_column){.field_id = in->field_count + 1};
        in->field_count++;
        TRY(parse_field(d, in, depth));
    } while (row__ddl_take_char(d, ','));
    return 0;
}

static int parse_list(struct row__ddl *d, struct row_schema *s)
{
    struct row_column root = {.type = ROW_STRUCT};
    int r = parse_fields(d, &root, 0);
    s->columns = root.fields; /* for the schema to free, whatever came of them */
    s->column_count = root.field_count;
    TRY(r);
    row__ddl_skip_space(d);
    if (d->p != d->end)
        return row__ddl_fail(d, ERR_INVALID, "a comma or the end is expected");
    s->leaf_count = d->leaves;
    s->is_flat = true;
    for (uint32_t i = 0; i < s->column_count; i++)
        s->is_flat &= row_type_is_flat(s->columns[i].type);
    return 0;
}

static int set_key(struct row_schema *s, const char *name, struct err *e)
{
    int column = row_schema_find(s, slice_str(name));
    if (column < 0)
        return err_set(e, ERR_INVALID, "primary key column \"%.255s\" is not in the column list",
                       name);
    struct row_column *c = &s->columns[column];
    for (uint32_t k = 0; k < s->key_count; k++)
        if (s->key_columns[k] == (uint32_t)column) {
            (void)err_set(e, ERR_INVALID, "primary key column \"%.255s\" is named twice", name);
            (void)err_blame(e, c->name);
            return ERR_INVALID;
        }
    if (!row_type_is_flat(c->type)) {
        (void)err_set(e, ERR_INVALID, "primary key column \"%s\" is a %s; a key is of flat types",
                      c->name, row__word_of(c->type));
        (void)err_blame(e, c->name);
        return ERR_INVALID;
    }
    c->not_null = true;
    s->key_columns[s->key_count++] = (uint32_t)column;
    return 0;
}

static int set_keys(struct row_schema *s, const char *const *keys, size_t key_count, struct err *e)
{
    if (key_count > KEY_COLUMNS_MAX)
        return err_set(e, ERR_INVALID, "a primary key has at most %d columns, not %zu",
                       KEY_COLUMNS_MAX, key_count);
    s->key_columns = key_count == 0 ? NULL : mem_calloc(key_count, sizeof(*s->key_columns));
    for (size_t i = 0; i < key_count; i++)
        TRY(set_key(s, keys[i], e));
    return 0;
}

/* The log keeps a schema as DDL in full, which must be short enough to be read again. */
static int check_length(const struct row_schema *s, struct err *e)
{
    struct buf ddl = BUF_NULL;
    row_schema_to_ddl(s, &ddl);
    size_t len = ddl.len;
    buf_deinit(&ddl);
    if (len > DDL_BYTES_MAX)
        return err_set(e, ERR_INVALID,
                       "the column list has %zu bytes when it is written out; at most %d are "
                       "allowed",
                       len, DDL_BYTES_MAX);
    return 0;
}

int row_schema_parse(struct slice ddl, const char *const *keys, size_t key_count,
                     struct row_schema **ret_schema, struct err *e)
{
    if (ddl.len > DDL_BYTES_MAX)
        return err_set(e, ERR_INVALID, "the column list is longer than %d bytes", DDL_BYTES_MAX);
    if (!row_utf8_ok(ddl) || (ddl.len > 0 && memchr(ddl.data, 0, ddl.len) != NULL))
        return err_set(e, ERR_INVALID, "the column list is not UTF-8 text");
    struct row__ddl d = {.start = ddl.data, .p = ddl.data, .end = ddl.data + ddl.len, .e = e};
    _cleanup_(row_schema_unrefp) struct row_schema *s = mem_zalloc(sizeof(*s));
    s->refs = 1;
    int r = parse_list(&d, s);
    buf_deinit(&d.path);
    TRY(r);
    TRY(set_keys(s, keys, key_count, e));
    TRY(check_length(s, e));
    *ret_schema = TAKE(s);
    return 0;
}
