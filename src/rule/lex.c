/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a predicate: names, numbers, texts, symbols; and the sentence for a word that does
 * not fit. Thread: any.
 */
#include "rule_priv.h"

#include <stdarg.h>
#include <stdio.h>

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_word_char(uint8_t c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int rule__fail(struct rule__compiler *c, const uint8_t *at, const char *fmt, ...)
{
    char sentence[512], found[25];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(sentence, sizeof(sentence), fmt, args);
    va_end(args);
    const uint8_t *end = c->text.data + c->text.len;
    if (at == end)
        return err_set(c->e, ERR_INVALID, "at the predicate's end: %s", sentence);
    size_t len = 0;
    for (const uint8_t *q = at; q < end && len < sizeof(found) - 1; q++)
        found[len++] = *q >= 0x20 && *q < 0x7f ? (char)*q : '?';
    found[len] = '\0';
    return err_set(c->e, ERR_INVALID, "byte %zu, at \"%s\": %s", (size_t)(at - c->text.data) + 1,
                   found, sentence);
}

bool rule__same_word(struct slice a, const char *word)
{
    if (a.len != strlen(word))
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (rule__fold_byte(a.data[i], FOLD_LOWER) != rule__fold_byte((uint8_t)word[i], FOLD_LOWER))
            return false;
    return true;
}

bool rule__is_word(const struct rule__compiler *c, const char *word)
{
    return c->token.kind == TOKEN_WORD && rule__same_word(c->token.text, word);
}

bool rule__is_symbol(const struct rule__compiler *c, const char *symbol)
{
    return c->token.kind == TOKEN_SYMBOL && slice_eq(c->token.text, slice_str(symbol));
}

static void take(struct rule__compiler *c, enum rule__token_kind kind, const uint8_t *end)
{
    c->token.kind = kind;
    c->token.text = slice_of(c->token.at, (size_t)(end - c->token.at));
    c->next = end;
}

/* digits [. digits] [e [+-] digits] */
static int take_number(struct rule__compiler *c, const uint8_t *p, const uint8_t *end)
{
    while (p < end && is_digit(*p))
        p++;
    if (p + 1 < end && *p == '.' && is_digit(p[1])) {
        p++;
        while (p < end && is_digit(*p))
            p++;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        if (p == end || !is_digit(*p))
            return rule__fail(c, p, "the number's exponent is expected");
        while (p < end && is_digit(*p))
            p++;
    }
    if (p < end && is_word_char(*p))
        return rule__fail(c, p, "the number before this is not a number, nor a name");
    take(c, TOKEN_NUMBER, p);
    return 0;
}

/* 'it''s', `name`: the quote twice is one. */
static int take_quoted(struct rule__compiler *c, const uint8_t *p, const uint8_t *end)
{
    uint8_t quote = *p;
    const uint8_t *first = p + 1;
    for (p = first; p < end; p++) {
        if (*p != quote)
            continue;
        if (p + 1 == end || p[1] != quote)
            break;
        p++;
    }
    if (p == end)
        return rule__fail(c, c->token.at, "the closing quote is missing");
    c->token.kind = quote == '`' ? TOKEN_QUOTED : TOKEN_TEXT;
    c->token.text = slice_of(first, (size_t)(p - first));
    c->next = p + 1;
    return 0;
}

static int take_symbol(struct rule__compiler *c, const uint8_t *p, const uint8_t *end)
{
    static const char *const symbols[] = {"<=", ">=", "<>", "!=", "==", "=", "<", ">", "+", "-",
                                          "*",  "/",  "%",  "(",  ")",  ",", ".", "[", "]"};
    size_t left = (size_t)(end - p);
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        size_t len = strlen(symbols[i]);
        if (len <= left && memcmp(p, symbols[i], len) == 0) {
            take(c, TOKEN_SYMBOL, p + len);
            return 0;
        }
    }
    if (*p == '"')
        return rule__fail(c, p, "texts stand in single quotes, names in backquotes");
    if (*p == ';')
        return rule__fail(c, p, "a predicate has no semicolon");
    return rule__fail(c, p, "no word begins with this");
}

int rule__advance(struct rule__compiler *c)
{
    const uint8_t *p = c->next, *end = c->text.data + c->text.len;
    while (p < end && is_space(*p))
        p++;
    c->token.at = p;
    if (p == end) {
        take(c, TOKEN_END, p);
        return 0;
    }
    if (is_digit(*p))
        return take_number(c, p, end);
    if (*p == '\'' || *p == '`')
        return take_quoted(c, p, end);
    if (!is_word_char(*p))
        return take_symbol(c, p, end);
    while (p < end && is_word_char(*p))
        p++;
    take(c, TOKEN_WORD, p);
    return 0;
}
