/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text: what is not on the fast way of json_priv.h. Escapes, numbers' grammar, names that come
 * twice, failures. Thread: any.
 */
#include "codec_priv.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void codec__json_init(struct codec__json *j, struct slice text, struct buf *scratch, struct err *e)
{
    if (text.len == 0)
        text = slice_str("");
    j->start = j->value = j->p = text.data;
    j->end = text.data + text.len;
    j->e = e;
    j->scratch = scratch;
    j->names.count = 0;
    j->names.cap = CODEC__NAMES_INLINE;
    j->names.list = j->names.room; /* which needs no clearing */
    j->arena = ARENA_NULL;
    j->dictionary = NULL;
    j->place = NULL;
    j->room = ROW_VALUES_MAX;
    j->iso8601 = false;
}

void codec__json_deinit(struct codec__json *j)
{
    if (j->names.list != j->names.room)
        mem_free(j->names.list);
    arena_deinit(&j->arena);
}

/* ---- failures ---- */

#define SENTENCE_MAX 512

static void add_place(struct codec__path *path, const struct codec__place *place)
{
    if (place == NULL)
        return;
    add_place(path, place->outer); /* as deep as the schema */
    codec__path_add(path, &place->step);
}

static int fail_at(struct codec__json *j, const char *sentence)
{
    struct codec__path path = {.len = 0};
    add_place(&path, j->place);
    (void)err_set(j->e, ERR_INVALID, "JSON, byte %zu: column %s%s", (size_t)(j->p - j->start),
                  path.text, sentence);
    (void)err_blame(j->e, path.text);
    return ERR_INVALID;
}

int codec__json_fail_at(struct codec__json *j, const char *fmt, ...)
{
    char sentence[SENTENCE_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(sentence, sizeof(sentence), fmt, args); /* cut at the limit on purpose */
    va_end(args);
    return fail_at(j, sentence);
}

int codec__json_fail(struct codec__json *j, const char *fmt, ...)
{
    char sentence[SENTENCE_MAX] = ": ";
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(sentence + 2, sizeof(sentence) - 2, fmt, args); /* likewise */
    va_end(args);
    if (j->place != NULL)
        return fail_at(j, sentence);
    return err_set(j->e, ERR_INVALID, "JSON, byte %zu%s", (size_t)(j->p - j->start), sentence);
}

int codec__json_fail_missing(struct codec__json *j)
{
    struct codec__path path = {.len = 0};
    add_place(&path, j->place);
    return codec__fail_missing(path.text, j->e);
}

int codec__json_end(struct codec__json *j, const char *what)
{
    codec__json_space(j);
    return j->p == j->end ? 0 : codec__json_fail(j, "the %s has ended, but more follows", what);
}

/* ---- names ---- */

void codec__json_name(struct codec__json *j, struct codec__name name)
{
    struct codec__names *n = &j->names;
    if (unlikely(n->count == n->cap)) {
        struct codec__name *old = n->list == n->room ? NULL : n->list;
        n->list = mem_realloc(old, sizeof(*n->list) * n->cap * 2);
        if (old == NULL)
            memcpy(n->list, n->room, sizeof(n->room));
        n->cap *= 2;
    }
    n->list[n->count++] = name;
}

/* Longer names first by length: an order that is cheap to tell, and equal names are neighbours. */
static int compare_names(const void *a, const void *b)
{
    const struct codec__name *x = a, *y = b;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    int r = x->data == NULL || x->len == 0 ? 0 : memcmp(x->data, y->data, x->len);
    return r != 0 ? r : x->at < y->at ? -1 : x->at > y->at;
}

static bool same_name(const struct codec__name *x, const struct codec__name *y)
{
    return x->len == y->len &&
           (x->data == NULL || x->len == 0 || memcmp(x->data, y->data, x->len) == 0);
}

/* The second of two equal ones, or NULL. */
static const struct codec__name *find_twice(struct codec__name *list, uint32_t count)
{
    if (count <= 16) {
        for (uint32_t i = 1; i < count; i++)
            for (uint32_t k = 0; k < i; k++)
                if (unlikely(same_name(&list[i], &list[k])))
                    return &list[i];
        return NULL;
    }
    qsort(list, count, sizeof(*list), compare_names);
    for (uint32_t i = 1; i < count; i++)
        if (same_name(&list[i], &list[i - 1]))
            return &list[i];
    return NULL;
}

int codec__json_close_names(struct codec__json *j, uint32_t first)
{
    struct codec__names *n = &j->names;
    const struct codec__name *twice = find_twice(n->list + first, n->count - first);
    n->count = first;
    if (likely(twice == NULL))
        return 0;
    j->p = j->start + twice->at;
    if (twice->data == NULL)
        return codec__json_fail(j, "this key comes twice");
    return codec__json_fail(j, "the name \"%s\" comes twice",
                            codec__show(slice_of(twice->data, twice->len)).text);
}

/* ---- strings ---- */

static int read_hex4(struct codec__json *j, uint32_t *ret)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = j->p < j->end ? *j->p : 0, lower = c | 0x20;
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            v = v << 4 | (uint32_t)(lower - 'a' + 10);
        else
            return codec__json_fail(j, "four hexadecimal digits are expected after \\u");
        j->p++;
    }
    *ret = v;
    return 0;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (uint8_t)c;
        return to;
    }
    if (c < 0x800) {
        *to++ = (uint8_t)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *to++ = (uint8_t)(0xe0 | c >> 12);
        } else {
            *to++ = (uint8_t)(0xf0 | c >> 18);
            *to++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        }
        *to++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    }
    *to++ = (uint8_t)(0x80 | (c & 0x3f));
    return to;
}

/* Behind "\u". */
static int read_code_point(struct codec__json *j, uint32_t *ret)
{
    uint32_t c, low;
    TRY(read_hex4(j, &c));
    if (c >= 0xdc00 && c <= 0xdfff)
        return codec__json_fail(j, "a low surrogate stands alone");
    if (c >= 0xd800 && c <= 0xdbff) {
        if (j->end - j->p < 2 || j->p[0] != '\\' || j->p[1] != 'u')
            return codec__json_fail(j, "a high surrogate stands alone");
        j->p += 2;
        TRY(read_hex4(j, &low));
        if (low < 0xdc00 || low > 0xdfff)
            return codec__json_fail(j, "a high surrogate stands alone");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    *ret = c;
    return 0;
}

/* Behind the backslash. */
static int read_escape(struct codec__json *j, uint8_t **to)
{
    uint32_t c;
    if (j->p == j->end)
        return codec__json_fail(j, "the text is not closed");
    switch (*j->p++) {
    case '"': c = '"'; break;
    case '\\': c = '\\'; break;
    case '/': c = '/'; break;
    case 'b': c = '\b'; break;
    case 'f': c = '\f'; break;
    case 'n': c = '\n'; break;
    case 'r': c = '\r'; break;
    case 't': c = '\t'; break;
    case 'u': TRY(read_code_point(j, &c)); break;
    default: j->p--; return codec__json_fail(j, "this escape is unknown");
    }
    *to = put_utf8(*to, c);
    return 0;
}

int codec__json_fail_string(struct codec__json *j)
{
    if (j->p == j->end)
        return codec__json_fail(j, "the text is not closed");
    return codec__json_fail(j, "a control character must be written as an escape");
}

int codec__json_fail_utf8(struct codec__json *j, const uint8_t *from)
{
    j->p = from;
    return codec__json_fail(j, "the text is not valid UTF-8");
}

int codec__json_unescape(struct codec__json *j, const uint8_t *from, struct slice *ret)
{
    uint8_t *to = buf_reserve(j->scratch, CODEC__SCRATCH_GAP + (size_t)(j->end - from));
    uint8_t *start = to += CODEC__SCRATCH_GAP;
    for (;;) {
        size_t run = (size_t)(j->p - from);
        memcpy(to, from, run);
        to += run;
        if (j->p < j->end && *j->p == '"')
            break;
        if (j->p == j->end || *j->p != '\\')
            return codec__json_fail_string(j);
        j->p++;
        TRY(read_escape(j, &to));
        from = j->p;
        j->p = codec__json_special(j->p, j->end);
    }
    j->p++;
    *ret = slice_of(start, (size_t)(to - start));
    return 0;
}

int codec__json_skip_string(struct codec__json *j)
{
    const uint8_t *from = j->p;
    for (;;) {
        j->p = codec__json_special(j->p, j->end);
        if (likely(j->p < j->end && *j->p == '"'))
            break;
        if (j->p == j->end || *j->p != '\\')
            return codec__json_fail_string(j);
        uint8_t nowhere[4], *to = nowhere;
        j->p++;
        TRY(read_escape(j, &to));
    }
    struct slice raw = slice_of(from, (size_t)(j->p - from)); /* escapes are ASCII */
    j->p++;
    return likely(row_utf8_ok(raw)) ? 0 : codec__json_fail_utf8(j, from);
}

int codec__json_keep_string(struct codec__json *j, struct slice *ret)
{
    TRY(codec__json_string(j, ret));
    if (likely(ret->data >= j->start && ret->data < j->end))
        return 0; /* borrowed from the text */
    uint8_t *copy = arena_alloc(&j->arena, ret->len);
    memcpy(copy, ret->data, ret->len);
    ret->data = copy;
    return 0;
}

/* ---- numbers ---- */

static const uint8_t *digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

bool codec__json_is_number(struct slice text)
{
    const uint8_t *p = text.data, *end = p + text.len, *from;
    p += p < end && *p == '-';
    from = p;
    p = digits(p, end);
    if (p == from || (*from == '0' && p - from > 1))
        return false;
    if (p < end && *p == '.') {
        from = ++p;
        p = digits(p, end);
        if (p == from)
            return false;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        p += p < end && (*p == '-' || *p == '+');
        from = p;
        p = digits(p, end);
        if (p == from)
            return false;
    }
    return p == end;
}

bool codec__json_plain_integer(struct slice text, int64_t *ret)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    size_t i = negative;
    if (text.len == i || text.len - i > 18 || (text.data[i] == '0' && text.len - i > 1))
        return false;
    int64_t v = 0;
    for (; i < text.len; i++) {
        unsigned digit = text.data[i] - '0';
        if (digit > 9)
            return false;
        v = v * 10 + (int64_t)digit;
    }
    *ret = negative ? -v : v;
    return true;
}
