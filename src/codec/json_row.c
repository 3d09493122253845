/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON objects → rows and keys. A row is written while the JSON is read; on failure the output is
 * cut back to where it began. Keys usually come in column order, so the next column is tried before
 * the name index. Thread: any.
 */
#include "codec_priv.h"

/* The column of a key; @guess is the one that would come next. */
static int find_column(const struct codec__message *m, struct slice key, uint32_t guess)
{
    if (guess < m->column_count && slice_eq(key, m->column_names[guess]))
        return (int)guess;
    return codec__column_find(m, key);
}

static int convert(const struct codec__message *m, struct codec__json *j)
{
    uint64_t seen[CODEC__WORDS_MAX], has_value[CODEC__WORDS_MAX];
    memset(seen, 0, m->words * sizeof(*seen));
    memset(has_value, 0, m->words * sizeof(*has_value));
    struct slice key;
    uint32_t guess = 0;
    int r;
    TRY(codec__json_open(j));
    while ((r = codec__json_key(j, &key)) > 0) {
        int column = find_column(m, key, guess);
        if (column < 0)
            return codec__json_fail(j, "the table has no column \"%s\"", codec__show(key).text);
        const struct row_column *c = &m->columns[column];
        uint64_t bit = 1ull << column % 64;
        if (seen[column / 64] & bit)
            return codec__json_fail(j, "column %s comes twice", c->name);
        struct row_value v;
        TRY(codec__json_value(j, c, &v));
        seen[column / 64] |= bit;
        has_value[column / 64] |= v.null ? 0 : bit;
        codec__put_value(j->scratch, c, &v);
        guess = (uint32_t)column + 1;
    }
    TRY(r);
    int missing = codec__missing(m, has_value);
    return missing < 0 ? 0 : codec__fail_missing(m->columns[missing].name, j->e);
}

int codec_json_to_row(const struct codec_plan *own, struct slice json, struct buf *out,
                      struct err *e)
{
    size_t start = out->len;
    struct codec__json j;
    codec__json_init(&j, json, out, e);
    int r = convert(&own->root, &j);
    codec__json_deinit(&j);
    if (r < 0)
        out->len = start;
    return r;
}

/* Place of column @name in the key, or -1. */
static int find_key_column(const struct row_schema *s, struct slice name)
{
    int column = row_schema_find(s, name);
    for (uint32_t i = 0; column >= 0 && i < s->key_count; i++)
        if (s->key_columns[i] == (uint32_t)column)
            return (int)i;
    return -1;
}

static int read_key(const struct row_schema *s, struct codec__json *j, struct row_value *values)
{
    uint32_t seen = 0;
    struct slice name;
    int r;
    TRY(codec__json_open(j));
    while ((r = codec__json_key(j, &name)) > 0) {
        int at = find_key_column(s, name);
        if (at < 0)
            return codec__json_fail(j, "the key has no column \"%s\"", codec__show(name).text);
        const struct row_column *c = &s->columns[s->key_columns[at]];
        struct row_value *v = &values[s->key_columns[at]];
        if (seen >> at & 1)
            return codec__json_fail(j, "key column %s comes twice", c->name);
        seen |= 1u << at;
        TRY(codec__json_value(j, c, v));
        if (!v->null && (c->type == ROW_STRING || c->type == ROW_BINARY))
            j->scratch->len += 32 + v->bytes.len; /* the value may stand there */
    }
    TRY(r);
    for (uint32_t i = 0; i < s->key_count; i++)
        if (!(seen >> i & 1))
            return err_set(j->e, ERR_INVALID, "key column %s is missing",
                           s->columns[s->key_columns[i]].name);
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
