/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DDL text → schema. Recursive descent over words:
 *
 *   list   = column { "," column }
 *   column = name [":"] type { "NOT" "NULL" | "NULL" | "COMMENT" 'text' }
 *   type   = word [ more words ] [ "(" number [ "," number ] ")" ]
 *
 * A failure says the byte of the text (from 1) and what was found there. Thread: any.
 */
#include "row_priv.h"

#include "base/limits.h"
#include "base/mem.h"
#include "row/utf8.h"

#include <stdio.h>

struct ddl {
    const uint8_t *start, *p, *end;
    struct err *e;
};

static bool is_word_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void skip_space(struct ddl *d)
{
    while (d->p < d->end && (*d->p == ' ' || *d->p == '\t' || *d->p == '\n' || *d->p == '\r'))
        d->p++;
}

/* The next word without taking it; empty when none stands there. */
static struct slice peek_word(struct ddl *d)
{
    skip_space(d);
    const uint8_t *q = d->p;
    while (q < d->end && is_word_char(*q))
        q++;
    return slice_of(d->p, (size_t)(q - d->p));
}

static bool take_word(struct ddl *d, const char *word)
{
    struct slice w = peek_word(d);
    if (!row__same_word(w, slice_str(word)))
        return false;
    d->p += w.len;
    return true;
}

static bool take_char(struct ddl *d, char c)
{
    skip_space(d);
    if (d->p == d->end || *d->p != (uint8_t)c)
        return false;
    d->p++;
    return true;
}

static int fail(struct ddl *d, int code, const char *sentence)
{
    skip_space(d);
    size_t place = (size_t)(d->p - d->start) + 1;
    if (d->p == d->end)
        return err_set(d->e, code, "column list, at its end: %s", sentence);
    char found[25];
    size_t len = 0;
    for (const uint8_t *q = d->p; q < d->end && len < sizeof(found) - 1; q++)
        found[len++] = *q >= 0x20 && *q < 0x7f ? (char)*q : '?';
    found[len] = '\0';
    return err_set(d->e, code, "column list, byte %zu, at \"%s\": %s", place, found, sentence);
}

static int parse_name(struct ddl *d, char **ret_name)
{
    bool quoted = take_char(d, '`');
    const uint8_t *name = d->p;
    struct slice w = quoted ? slice_of(d->p, 0) : peek_word(d);
    if (quoted)
        while (w.len < (size_t)(d->end - d->p) && is_word_char(name[w.len]))
            w.len++;
    else
        name = w.data;
    if (w.len == 0)
        return fail(d, ERR_INVALID, "a column name is expected");
    if (name[0] >= '0' && name[0] <= '9')
        return fail(d, ERR_INVALID, "a column name starts with a letter or an underscore");
    if (w.len > COLUMN_NAME_BYTES_MAX)
        return fail(d, ERR_INVALID, "the column name is too long");
    d->p = name + w.len;
    bool bad_quote = quoted && !take_char(d, '`');
    if (bad_quote || (d->p < d->end && *d->p >= 0x80))
        return fail(d, ERR_INVALID, "a column name has only ASCII letters, digits and underscores");
    *ret_name = mem_strndup((const char *)name, w.len);
    return 0;
}

static int parse_number(struct ddl *d, uint32_t *ret)
{
    struct slice w = peek_word(d);
    uint32_t v = 0;
    for (size_t i = 0; i < w.len; i++) {
        if (w.data[i] < '0' || w.data[i] > '9' || v > 100000000)
            return fail(d, ERR_INVALID, "a number is expected");
        v = v * 10 + (w.data[i] - '0');
    }
    if (w.len == 0)
        return fail(d, ERR_INVALID, "a number is expected");
    d->p += w.len;
    *ret = v;
    return 0;
}

/* "(p)" or "(p, s)"; how many numbers there were. */
static int parse_arguments(struct ddl *d, uint32_t numbers[2])
{
    if (!take_char(d, '('))
        return 0;
    TRY(parse_number(d, &numbers[0]));
    int count = 1;
    if (take_char(d, ',')) {
        TRY(parse_number(d, &numbers[1]));
        count = 2;
    }
    if (!take_char(d, ')'))
        return fail(d, ERR_INVALID, "a closing parenthesis is expected");
    return count;
}

/* Words behind some types: DOUBLE PRECISION, TIMESTAMP WITHOUT TIME ZONE … */
static int parse_more_words(struct ddl *d, struct slice word, struct row_column *c)
{
    if (c->type == ROW_DOUBLE)
        (void)take_word(d, "precision"); /* a filler */
    if (row__same_word(word, slice_str("character")) || row__same_word(word, slice_str("char")))
        (void)take_word(d, "varying"); /* length is not kept either way */
    if (!row__same_word(word, slice_str("timestamp")))
        return 0;
    bool without = take_word(d, "without");
    if (!without && !take_word(d, "with"))
        return 0;
    if (!take_word(d, "time") || !take_word(d, "zone"))
        return fail(d, ERR_INVALID, "TIME ZONE is expected");
    c->type = without ? ROW_TIMESTAMP_NTZ : ROW_TIMESTAMP;
    return 0;
}

static int check_arguments(struct ddl *d, struct row_column *c, const uint32_t numbers[2],
                           int count)
{
    switch (c->type) {
    case ROW_DECIMAL:
        if (numbers[0] < 1 || numbers[0] > DECIMAL_DIGITS_MAX)
            return fail(d, ERR_INVALID, "the precision before this must be 1 to 38");
        if (numbers[1] > numbers[0])
            return fail(d, ERR_INVALID, "the scale before this is larger than the precision");
        c->precision = (uint8_t)numbers[0];
        c->scale = (uint8_t)numbers[1];
        return 0;
    case ROW_STRING:
    case ROW_BINARY:
        if (count > 1)
            return fail(d, ERR_INVALID, "the type before this takes one number");
        return 0;
    default:
        if (count > 0)
            return fail(d, ERR_INVALID, "the type before this takes no number");
        return 0;
    }
}

static int parse_type(struct ddl *d, struct row_column *c)
{
    struct slice word = peek_word(d);
    if (word.len == 0)
        return fail(d, ERR_INVALID, "a type is expected");
    const struct row__type_word *t = row__type_find(word);
    if (t == NULL && row__same_word(word, slice_str("key")))
        return fail(d, ERR_INVALID, "the primary key is named apart from the column list");
    if (t == NULL)
        return fail(d, ERR_INVALID, "no type has this name");
    if (t->type == 0) {
        char sentence[COLUMN_NAME_BYTES_MAX + 80];
        (void)snprintf(sentence, sizeof(sentence),
                       "column %s: columns of type %s are not supported", c->name, t->word);
        return fail(d, ERR_UNSUPPORTED, sentence);
    }
    d->p += word.len;
    c->type = t->type;
    TRY(parse_more_words(d, word, c));
    uint32_t numbers[2] = {10, 0};
    int count = parse_arguments(d, numbers);
    TRY(count);
    return check_arguments(d, c, numbers, count);
}

/* A string in single quotes; a backslash takes the next byte as it is, '' is one quote. */
static int parse_comment(struct ddl *d, char **ret_text)
{
    if (!take_char(d, '\''))
        return fail(d, ERR_INVALID, "a text in single quotes is expected");
    struct buf text = BUF_NULL;
    for (; d->p < d->end; d->p++) {
        bool pair = d->p + 1 < d->end && (*d->p == '\\' || (*d->p == '\'' && d->p[1] == '\''));
        if (pair)
            d->p++;
        else if (*d->p == '\'')
            break;
        buf_add_byte(&text, *d->p);
    }
    if (d->p == d->end) {
        buf_deinit(&text);
        return fail(d, ERR_INVALID, "the comment's closing quote is missing");
    }
    d->p++;
    mem_free(*ret_text);
    *ret_text = mem_strndup((const char *)text.data, text.len);
    buf_deinit(&text);
    return 0;
}

static int parse_column(struct ddl *d, struct row_column *c)
{
    TRY(parse_name(d, &c->name));
    (void)take_char(d, ':'); /* may stand there, as in Spark's struct<name: type> */
    TRY(parse_type(d, c));
    for (;;) {
        if (take_word(d, "not")) {
            if (!take_word(d, "null"))
                return fail(d, ERR_INVALID, "NULL is expected after NOT");
            c->not_null = true;
        } else if (take_word(d, "comment")) {
            TRY(parse_comment(d, &c->comment));
        } else if (!take_word(d, "null")) {
            break;
        }
    }
    struct slice next = peek_word(d);
    if (row__same_word(next, slice_str("default")) || row__same_word(next, slice_str("generated")))
        return fail(d, ERR_UNSUPPORTED, "defaults and generated columns are not supported");
    return 0;
}

static int parse_list(struct ddl *d, struct row_schema *s)
{
    uint32_t cap = 0;
    do {
        if (s->column_count == COLUMNS_MAX)
            return fail(d, ERR_INVALID, "a table has at most 2000 columns");
        if (s->column_count == cap) {
            cap = cap == 0 ? 16 : cap * 2;
            s->columns = mem_realloc(s->columns, cap * sizeof(*s->columns));
        }
        struct row_column *c = &s->columns[s->column_count++];
        *c = (struct row_column){.field_id = s->column_count};
        const uint8_t *at = d->p;
        TRY(parse_column(d, c));
        if (row_schema_find(s, slice_str(c->name)) != (int)s->column_count - 1) {
            d->p = at;
            return fail(d, ERR_INVALID, "a column of this name is there already");
        }
    } while (take_char(d, ','));
    skip_space(d);
    if (d->p != d->end)
        return fail(d, ERR_INVALID, "a comma or the end is expected");
    return 0;
}

static int set_keys(struct row_schema *s, const char *const *keys, size_t key_count, struct err *e)
{
    if (key_count > KEY_COLUMNS_MAX)
        return err_set(e, ERR_INVALID, "a primary key has at most %d columns, not %zu",
                       KEY_COLUMNS_MAX, key_count);
    s->key_columns = key_count == 0 ? NULL : mem_calloc(key_count, sizeof(*s->key_columns));
    for (size_t i = 0; i < key_count; i++) {
        int column = row_schema_find(s, slice_str(keys[i]));
        if (column < 0)
            return err_set(e, ERR_INVALID,
                           "primary key column \"%.255s\" is not in the column list", keys[i]);
        for (uint32_t k = 0; k < s->key_count; k++)
            if (s->key_columns[k] == (uint32_t)column)
                return err_set(e, ERR_INVALID, "primary key column \"%.255s\" is named twice",
                               keys[i]);
        s->columns[column].not_null = true;
        s->key_columns[s->key_count++] = (uint32_t)column;
    }
    return 0;
}

int row_schema_parse(struct slice ddl, const char *const *keys, size_t key_count,
                     struct row_schema **ret_schema, struct err *e)
{
    if (ddl.len > DDL_BYTES_MAX)
        return err_set(e, ERR_INVALID, "the column list is longer than %d bytes", DDL_BYTES_MAX);
    if (!row_utf8_ok(ddl) || (ddl.len > 0 && memchr(ddl.data, 0, ddl.len) != NULL))
        return err_set(e, ERR_INVALID, "the column list is not UTF-8 text");
    struct ddl d = {ddl.data, ddl.data, ddl.data + ddl.len, e};
    _cleanup_(row_schema_unrefp) struct row_schema *s = mem_zalloc(sizeof(*s));
    s->refs = 1;
    s->is_flat = true;
    TRY(parse_list(&d, s));
    TRY(set_keys(s, keys, key_count, e));
    *ret_schema = TAKE(s);
    return 0;
}
