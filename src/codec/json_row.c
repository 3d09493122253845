/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON objects → rows and keys. A row of the table's own message is written while the JSON is read,
 * along the plan's tree of messages:
 *
 *   STRUCT    object   a message; keys are matched to fields by name
 *   ARRAY     array    a repeated field, packed when it holds numbers or booleans
 *   MAP       object   a repeated message of key and value
 *   VARIANT   any      its text as it stands, once it is checked
 *
 * An ARRAY or MAP inside of another one stands in a wrapper. On failure the output is cut back to
 * where it began. Keys usually come in column order, so the next column is tried before the name
 * index. Recursion ends with the schema (ROW_DEPTH_MAX). Thread: any.
 */
#include "codec_priv.h"

/* ---- values ---- */

static int read_object(struct codec__json *j, const struct codec__message *m);
static int put_list(struct codec__json *j, uint32_t number, const struct codec__field *f,
                    const struct row_column *c);

/* What a row may hold is counted as the walk over protobuf counts it. */
static int take_room(struct codec__json *j, uint32_t values)
{
    if (unlikely(values > j->room))
        return codec__json_fail(j, "the record holds more than %u values", ROW_VALUES_MAX);
    j->room -= values;
    return 0;
}

static bool take_null(struct codec__json *j)
{
    codec__json_space(j);
    j->value = j->p;
    return j->p < j->end && *j->p == 'n' && codec__json_literal(j, "null");
}

static int put_variant(struct codec__json *j, uint32_t number)
{
    codec__json_space(j);
    const uint8_t *from = j->p;
    TRY(codec__variant_skip(j));
    struct row_value v = {.bytes = slice_of(from, (size_t)(j->p - from))};
    static const struct row_column text = {.type = ROW_STRING};
    codec__put_item(j->scratch, number, &text, &v);
    return 0;
}

/* A STRUCT's message, or the wrapper of an ARRAY or MAP. */
static int put_message(struct codec__json *j, uint32_t number, const struct codec__message *m)
{
    size_t start = codec__row_open(j->scratch, number);
    if (m->kind == CODEC__STRUCT)
        TRY(read_object(j, m));
    else
        TRY(put_list(j, 1, &m->fields[0], &m->columns[0]));
    codec__row_close(j->scratch, start);
    return 0;
}

/* An element or a map's value: there is none that is null. */
static int put_one(struct codec__json *j, uint32_t number, const struct row_column *c,
                   const struct codec__message *m)
{
    struct row_value v;
    if (c->type == ROW_VARIANT)
        return put_variant(j, number);
    if (m != NULL)
        return put_message(j, number, m);
    TRY(codec__json_value(j, c, &v));
    if (unlikely(v.null))
        return codec__json_fail_value(j, c, "elements and values of maps cannot be null");
    codec__put_item(j->scratch, number, c, &v);
    return 0;
}

/* ---- arrays ---- */

static int put_element(struct codec__json *j, uint32_t number, const struct codec__field *f,
                       const struct row_column *c)
{
    bool is_message = f->item == CODEC__MESSAGE;
    TRY(take_room(j, is_message ? f->message->values : 1));
    if (is_message)
        return put_one(j, number, c, f->message);
    if (f->item > CODEC__DOUBLE)
        return put_one(j, number, c, NULL);
    struct row_value v;
    TRY(codec__json_value(j, c, &v));
    if (unlikely(v.null))
        return codec__json_fail_value(j, c, "elements and values of maps cannot be null");
    codec__put_packed(j->scratch, c->type, &v);
    return 0;
}

static int put_array(struct codec__json *j, uint32_t number, const struct codec__field *f,
                     const struct row_column *c)
{
    struct codec__place here = {.outer = j->place};
    bool packed = f->item <= CODEC__DOUBLE;
    if (!codec__json_take(j, '['))
        return codec__json_fail_value(j, c, "an array is expected");
    if (codec__json_take(j, ']'))
        return 0;
    size_t start = packed ? codec__row_open(j->scratch, number) : 0;
    j->place = &here;
    do {
        TRY(put_element(j, number, f, &c->fields[ROW_ELEMENT]));
        here.step.index++;
    } while (codec__json_take(j, ','));
    j->place = here.outer;
    if (!codec__json_take(j, ']'))
        return codec__json_fail(j, "a comma or a closing bracket is expected");
    if (packed)
        codec__row_close(j->scratch, start);
    return 0;
}

/* ---- maps ---- */

/* The key, at j->p behind its opening quote, to behind the colon. */
static int put_key(struct codec__json *j, const struct row_column *c, struct row_value *ret_key)
{
    struct slice text;
    j->value = j->p - 1;
    TRY(codec__json_keep_string(j, &text));
    TRY(codec__json_map_key(j, c, text, ret_key));
    struct codec__name name = {text.data, text.len, (size_t)(j->value - j->start)};
    if (c->type != ROW_STRING) {
        name.data = NULL;
        name.len = c->type == ROW_BOOLEAN ? ret_key->boolean : (uint64_t)ret_key->i64;
    }
    codec__json_name(j, name);
    codec__put_item(j->scratch, 1, c, ret_key);
    return codec__json_take(j, ':') ? 0 : codec__json_fail(j, "a colon is expected");
}

/* @m: the entry's message, whose fields are key and value. */
static int put_entry(struct codec__json *j, uint32_t number, const struct codec__message *m)
{
    struct codec__place here = {.outer = j->place};
    const struct codec__field *value = &m->fields[ROW_VALUE];
    if (!codec__json_take(j, '"'))
        return codec__json_fail(j, "a key in quotes is expected");
    TRY(take_room(j, m->values));
    size_t start = codec__row_open(j->scratch, number);
    here.step.key_type = &m->columns[ROW_KEY];
    TRY(put_key(j, here.step.key_type, &here.step.key));
    j->place = &here;
    TRY(put_one(j, 2, &m->columns[ROW_VALUE], value->op == CODEC__MESSAGE ? value->message : NULL));
    j->place = here.outer;
    codec__row_close(j->scratch, start);
    return 0;
}

static int put_map(struct codec__json *j, uint32_t number, const struct codec__field *f,
                   const struct row_column *c)
{
    uint32_t first = j->names.count;
    if (!codec__json_take(j, '{'))
        return codec__json_fail_value(j, c, "an object is expected");
    if (codec__json_take(j, '}'))
        return 0;
    do
        TRY(put_entry(j, number, f->message));
    while (codec__json_take(j, ','));
    if (!codec__json_take(j, '}'))
        return codec__json_fail(j, "a comma or a closing brace is expected");
    return codec__json_close_names(j, first);
}

static int put_list(struct codec__json *j, uint32_t number, const struct codec__field *f,
                    const struct row_column *c)
{
    codec__json_space(j);
    j->value = j->p;
    return f->op == CODEC__MAP ? put_map(j, number, f, c) : put_array(j, number, f, c);
}

/* ---- objects ---- */

/* The value of a column that is not flat. */
static int put_nested(struct codec__json *j, const struct codec__field *f,
                      const struct row_column *c, bool *ret_has_value)
{
    bool is_list = c->type == ROW_ARRAY || c->type == ROW_MAP;
    const uint8_t *from = j->p;
    *ret_has_value = true;
    if (take_null(j)) {
        if (is_list)
            return codec__json_fail_value(j, c, "null does not fit; no value is an empty one");
        *ret_has_value = c->type == ROW_VARIANT && c->not_null;
        if (!*ret_has_value)
            return 0;
        j->p = from;
    }
    if (is_list)
        return put_list(j, c->field_id, f, c);
    if (c->type == ROW_VARIANT)
        return put_variant(j, c->field_id);
    return put_message(j, c->field_id, f->message);
}

static int put_column(struct codec__json *j, const struct codec__field *f,
                      const struct row_column *c, bool *ret_has_value)
{
    struct row_value v;
    if (unlikely(f->op >= CODEC__VARIANT))
        return put_nested(j, f, c, ret_has_value);
    TRY(codec__json_value(j, c, &v));
    *ret_has_value = !v.null;
    codec__put_value(j->scratch, c, &v);
    return 0;
}

/* The column of a key; @guess is the one that would come next. */
static int find_column(const struct codec__message *m, struct slice key, uint32_t guess)
{
    if (guess < m->column_count && slice_eq(key, m->column_names[guess]))
        return (int)guess;
    return codec__column_find(m, key);
}

static int fail_unknown(struct codec__json *j, struct slice key)
{
    struct codec__text name = codec__show(key);
    struct codec__place here = {.outer = j->place, .step.name = name.text};
    if (j->place != NULL) {
        j->place = &here;
        return codec__json_fail(j, "there is no such field");
    }
    (void)codec__json_fail(j, "the table has no column \"%s\"", name.text);
    (void)err_blame(j->e, name.text);
    return ERR_INVALID;
}

/* One object, all of it: the record, or a STRUCT. */
static int read_object(struct codec__json *j, const struct codec__message *m)
{
    uint64_t seen[CODEC__WORDS_MAX], has_value[CODEC__WORDS_MAX];
    memset(seen, 0, m->words * sizeof(*seen));
    memset(has_value, 0, m->words * sizeof(*has_value));
    struct codec__place here = {.outer = j->place};
    struct slice key;
    uint32_t guess = 0;
    int r;
    TRY(codec__json_open(j));
    while ((r = codec__json_key(j, &key)) > 0) {
        int column = find_column(m, key, guess);
        if (column < 0)
            return fail_unknown(j, key);
        const struct row_column *c = &m->columns[column];
        uint64_t bit = 1ull << column % 64;
        bool given;
        here.step.name = c->name;
        j->place = &here;
        if (seen[column / 64] & bit)
            return codec__json_fail_at(j, " comes twice");
        TRY(put_column(j, &m->fields[column], c, &given));
        j->place = here.outer;
        seen[column / 64] |= bit;
        has_value[column / 64] |= given ? bit : 0;
        guess = (uint32_t)column + 1;
    }
    TRY(r);
    int missing = codec__missing(m, has_value);
    if (likely(missing < 0))
        return 0;
    here.step.name = m->columns[missing].name;
    j->place = &here;
    return codec__json_fail_missing(j);
}

int codec_json_to_row(const struct codec_plan *own, struct slice json, struct buf *out,
                      struct err *e)
{
    size_t start = out->len;
    struct codec__json j;
    codec__json_init(&j, json, out, e);
    j.iso8601 = own->iso8601;
    int r = read_object(&j, &own->root);
    if (r == 0)
        r = codec__json_end(&j, "object");
    codec__json_deinit(&j);
    if (r < 0)
        out->len = start;
    return r;
}

/* ---- keys ---- */

/* Place of column @name in the key, or -1. */
static int find_key_column(const struct row_schema *s, struct slice name)
{
    int column = row_schema_find(s, name);
    for (uint32_t i = 0; column >= 0 && i < s->key_count; i++)
        if (s->key_columns[i] == (uint32_t)column)
            return (int)i;
    return -1;
}

static int fail_key(struct err *e, const char *column)
{
    (void)err_set(e, ERR_INVALID, "key column %s is missing", column);
    (void)err_blame(e, column);
    return ERR_INVALID;
}

static int read_key(const struct row_schema *s, struct codec__json *j, struct row_value *values)
{
    uint32_t seen = 0;
    struct codec__place here = {.outer = NULL};
    struct slice name;
    int r;
    TRY(codec__json_open(j));
    while ((r = codec__json_key(j, &name)) > 0) {
        int at = find_key_column(s, name);
        if (at < 0)
            return codec__json_fail(j, "the key has no column \"%s\"", codec__show(name).text);
        const struct row_column *c = &s->columns[s->key_columns[at]];
        struct row_value *v = &values[s->key_columns[at]];
        here.step.name = c->name;
        j->place = &here;
        if (seen >> at & 1)
            return codec__json_fail_at(j, " comes twice in the key");
        seen |= 1u << at;
        TRY(codec__json_value(j, c, v));
        j->place = NULL;
        if (!v->null && (c->type == ROW_STRING || c->type == ROW_BINARY))
            j->scratch->len += 32 + v->bytes.len; /* the value may stand there */
    }
    TRY(r);
    TRY(codec__json_end(j, "object"));
    for (uint32_t i = 0; i < s->key_count; i++)
        if (!(seen >> i & 1))
            return fail_key(j->e, s->columns[s->key_columns[i]].name);
    return 0;
}

int codec_json_to_key(const struct row_schema *s, struct slice json, struct buf *out, struct err *e)
{
    if (s->key_count == 0)
        return err_set(e, ERR_PRECONDITION, "the table has no primary key");
    if (json.len > 2 * REQUEST_BYTES_MAX)
        return err_set(e, ERR_INVALID, "the key is too long");
    struct row_value values[COLUMNS_MAX];
    struct buf scratch = BUF_NULL;
    struct codec__json j;
    codec__json_init(&j, json, &scratch, e);
    /* Room for all values at once, so that none moves. */
    (void)buf_reserve(&scratch, 2 * json.len + 64 * (KEY_COLUMNS_MAX + 1));
    int r = read_key(s, &j, values);
    if (r == 0)
        r = row_key_encode(s, values, out, e);
    codec__json_deinit(&j);
    buf_deinit(&scratch);
    return r;
}
