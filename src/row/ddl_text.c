/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a DDL text: names, numbers, texts in quotes, single characters, one after the other.
 * A failure says the byte of the text (from 1), what was found there, and the path of the column
 * that was being read. Thread: any.
 */
#include "row_priv.h"

#include "base/limits.h"
#include "base/mem.h"

static bool is_word_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void row__ddl_skip_space(struct row__ddl *d)
{
    while (d->p < d->end && (*d->p == ' ' || *d->p == '\t' || *d->p == '\n' || *d->p == '\r'))
        d->p++;
}

struct slice row__ddl_peek_word(struct row__ddl *d)
{
    row__ddl_skip_space(d);
    const uint8_t *q = d->p;
    while (q < d->end && is_word_char(*q))
        q++;
    return slice_of(d->p, (size_t)(q - d->p));
}

bool row__ddl_take_word(struct row__ddl *d, const char *word)
{
    struct slice w = row__ddl_peek_word(d);
    if (!row__same_word(w, slice_str(word)))
        return false;
    d->p += w.len;
    return true;
}

bool row__ddl_take_char(struct row__ddl *d, char c)
{
    row__ddl_skip_space(d);
    if (d->p == d->end || *d->p != (uint8_t)c)
        return false;
    d->p++;
    return true;
}

int row__ddl_fail(struct row__ddl *d, int code, const char *sentence)
{
    row__ddl_skip_space(d);
    size_t place = (size_t)(d->p - d->start) + 1;
    char found[25];
    size_t len = 0;
    for (const uint8_t *q = d->p; q < d->end && len < sizeof(found) - 1; q++)
        found[len++] = *q >= 0x20 && *q < 0x7f ? (char)*q : '?';
    found[len] = '\0';
    if (d->p == d->end)
        err_set(d->e, code, "column list, at its end: %s", sentence);
    else
        err_set(d->e, code, "column list, byte %zu, at \"%s\": %s", place, found, sentence);
    err_blame(d->e, buf_cstr(&d->path));
    return code;
}

size_t row__ddl_enter(struct row__ddl *d, const char *name)
{
    size_t outside = d->path.len;
    if (outside > 0)
        buf_add_byte(&d->path, '.');
    buf_add_str(&d->path, name);
    return outside;
}

void row__ddl_leave(struct row__ddl *d, size_t outside)
{
    d->path.len = outside;
}

int row__ddl_name(struct row__ddl *d, char **ret_name)
{
    bool quoted = row__ddl_take_char(d, '`');
    const uint8_t *name = d->p;
    struct slice w = quoted ? slice_of(d->p, 0) : row__ddl_peek_word(d);
    if (quoted)
        while (w.len < (size_t)(d->end - d->p) && is_word_char(name[w.len]))
            w.len++;
    else
        name = w.data;
    if (w.len == 0)
        return row__ddl_fail(d, ERR_INVALID, "a column name is expected");
    if (name[0] >= '0' && name[0] <= '9')
        return row__ddl_fail(d, ERR_INVALID, "a column name starts with a letter or an underscore");
    if (w.len > COLUMN_NAME_BYTES_MAX)
        return row__ddl_fail(d, ERR_INVALID, "the column name is too long");
    d->p = name + w.len;
    bool bad_quote = quoted && !row__ddl_take_char(d, '`');
    if (bad_quote || (d->p < d->end && *d->p >= 0x80))
        return row__ddl_fail(d, ERR_INVALID,
                             "a column name has only ASCII letters, digits and underscores");
    *ret_name = mem_strndup((const char *)name, w.len);
    return 0;
}

int row__ddl_number(struct row__ddl *d, uint32_t *ret_number)
{
    struct slice w = row__ddl_peek_word(d);
    uint32_t v = 0;
    for (size_t i = 0; i < w.len; i++) {
        if (w.data[i] < '0' || w.data[i] > '9' || v > 100000000)
            return row__ddl_fail(d, ERR_INVALID, "a number is expected");
        v = v * 10 + (w.data[i] - '0');
    }
    if (w.len == 0)
        return row__ddl_fail(d, ERR_INVALID, "a number is expected");
    d->p += w.len;
    *ret_number = v;
    return 0;
}

int row__ddl_text(struct row__ddl *d, char **ret_text)
{
    if (!row__ddl_take_char(d, '\''))
        return row__ddl_fail(d, ERR_INVALID, "a text in single quotes is expected");
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
        return row__ddl_fail(d, ERR_INVALID, "the text's closing quote is missing");
    }
    d->p++;
    *ret_text = mem_strndup((const char *)text.data, text.len);
    buf_deinit(&text);
    return 0;
}
