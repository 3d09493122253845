/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIKE. A pattern is made ready once: 0xff stands for %, 0xfe for _ (bytes that UTF-8 never has),
 * everything else for itself. Matching goes back to the last % only, so that it takes at most
 * length of the text times length of the pattern. Thread: any.
 */
#include "rule_priv.h"

#define ANY_RUN  0xff
#define ANY_CHAR 0xfe

/* The first byte behind the character at @p; the text is UTF-8. */
static const uint8_t *behind_char(const uint8_t *p, const uint8_t *end)
{
    p++;
    while (p < end && (*p & 0xc0) == 0x80)
        p++;
    return p;
}

int rule__like_compile(struct rule__compiler *c, const uint8_t *at, struct slice pattern,
                       struct slice escape, struct slice *ret)
{
    if (pattern.len > RULE_PATTERN_BYTES_MAX)
        return rule__fail(c, at, "a pattern has at most %d bytes", RULE_PATTERN_BYTES_MAX);
    if (escape.len != 1 || escape.data[0] >= 0x80 || escape.data[0] == '%' || escape.data[0] == '_')
        return rule__fail(c, at, "ESCAPE takes one ASCII character, neither %% nor _");
    uint8_t *out = arena_alloc(c->arena, pattern.len + 1), *o = out;
    const uint8_t *p = pattern.data, *end = p + pattern.len;
    for (; p < end; p++) {
        if (*p == escape.data[0]) {
            p++;
            if (p == end || (*p != '%' && *p != '_' && *p != escape.data[0]))
                return rule__fail(c, at,
                                  "behind the pattern's escape character %c only %%, _ or "
                                  "itself may stand",
                                  escape.data[0]);
            *o++ = *p;
        } else {
            *o++ = *p == '%' ? ANY_RUN : *p == '_' ? ANY_CHAR : *p;
        }
    }
    *ret = slice_of(out, (size_t)(o - out));
    return 0;
}

bool rule__like(struct slice pattern, struct slice text, enum rule__fold fold)
{
    const uint8_t *p = pattern.data, *p_end = p + pattern.len;
    const uint8_t *t = text.data, *t_end = t + text.len;
    const uint8_t *again_p = NULL, *again_t = NULL; /* behind the last %: try here next */
    if (fold == FOLD_NONE)                          /* most patterns begin with plain text */
        for (; p < p_end && *p < ANY_CHAR && t < t_end && *p == *t; p++)
            t++;
    while (t < t_end || p < p_end) {
        if (p < p_end && *p == ANY_RUN) {
            if (++p == p_end)
                return true;
            again_p = p;
            again_t = t;
        } else if (p < p_end && t < t_end && *p == ANY_CHAR) {
            p++;
            t = behind_char(t, t_end);
        } else if (p < p_end && t < t_end && *p == rule__fold_byte(*t, fold)) {
            p++;
            t++;
        } else if (again_p != NULL && again_t < t_end) {
            /* May stand within a character: no literal begins there, and the rest counts as one. */
            t = ++again_t;
            p = again_p;
        } else {
            return false;
        }
    }
    return true;
}

bool rule__like_is_prefix(struct slice pattern, struct slice *ret_text)
{
    size_t len = 0;
    while (len < pattern.len && pattern.data[len] < ANY_CHAR)
        len++;
    if (len + 1 != pattern.len || pattern.data[len] != ANY_RUN)
        return false;
    *ret_text = slice_of(pattern.data, len);
    return true;
}
