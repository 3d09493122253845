/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reading JSON text token by token, by RFC 8259 and no more. What the fast way needs is inline
 * here; the rest is in json_text.c.
 *
 * Text without escapes is borrowed from the input; other text is unescaped into the scratch buffer,
 * CODEC__SCRATCH_GAP bytes behind its length, where the room is reserved first: a caller who
 * appends the value to that very buffer overwrites it from the front and never catches up.
 *
 * I1  Outside of strings only ASCII passes (by the grammar); inside, text is checked to be UTF-8.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "row/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define CODEC__SCRATCH_GAP 32

/* A name that must not come twice beside its neighbours. */
struct codec__name {
    const uint8_t *data; /* NULL: a number, which is @len */
    uint64_t len;
    size_t at; /* where it stands in the text */
};
#define CODEC__NAMES_INLINE 64
struct codec__names {
    uint32_t count, cap;
    struct codec__name *list; /* @room, or on the heap when there are many */
    struct codec__name room[CODEC__NAMES_INLINE];
};

struct codec__place;

struct codec__json {
    const uint8_t *start, *value, *p, *end; /* @value: where the last value starts */
    struct err *e;
    struct buf *scratch;
    struct codec__names names; /* of the objects and maps that are open */
    struct arena arena;        /* names that had escapes */
    struct buf *dictionary;    /* collects a variant's names (struct slice); NULL: nobody does */
    const struct codec__place *place; /* in the row; NULL: in no column */
    uint32_t room;                    /* values that the row may still hold */
    bool iso8601;                     /* timestamps may be text */
};

void codec__json_init(struct codec__json *j, struct slice text, struct buf *scratch, struct err *e);
void codec__json_deinit(struct codec__json *j);
/* ERR_INVALID with "JSON, byte N: " in front, and the column if there is one. */
int codec__json_fail(struct codec__json *j, const char *fmt, ...) printf_like(2, 3);
/* A failure in a string that ends at j->p neither with a quote nor with a backslash. */
int codec__json_fail_string(struct codec__json *j);
/* ERR_INVALID: nothing but space may follow @what. */
must_use int codec__json_end(struct codec__json *j, const char *what);

/* Adds a name to those that are open. It lives as long as they do. */
void codec__json_name(struct codec__json *j, struct codec__name name);
/* Behind a name's opening quote: the name, which lives as long as @j. */
must_use int codec__json_keep_string(struct codec__json *j, struct slice *ret);
/* Forgets the names from place @first on. ERR_INVALID when one of them came twice. */
must_use int codec__json_close_names(struct codec__json *j, uint32_t first);

static inline void codec__json_space(struct codec__json *j)
{
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\t' || *j->p == '\r'))
        j->p++;
}

static inline bool codec__json_take(struct codec__json *j, char c)
{
    if (likely(j->p < j->end && *j->p == (uint8_t)c)) {
        j->p++;
        return true;
    }
    codec__json_space(j);
    if (j->p == j->end || *j->p != (uint8_t)c)
        return false;
    j->p++;
    return true;
}

static inline bool codec__json_literal(struct codec__json *j, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(j->end - j->p) < len || memcmp(j->p, word, len) != 0)
        return false;
    j->p += len;
    return true;
}

/* ---- strings ---- */

/* The first quote, backslash or control character at or after @p; @end when there is none. */
static inline const uint8_t *codec__json_special(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(_mm_max_epu8(v, control), control));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask != 0)
            return p + __builtin_ctz(mask);
    }
#endif
    while (p < end && *p != '"' && *p != '\\' && *p >= 0x20)
        p++;
    return p;
}

/* @from: the text's first byte; j->p: its first backslash. Unescaped text is never longer. */
must_use int codec__json_unescape(struct codec__json *j, const uint8_t *from, struct slice *ret);
int codec__json_fail_utf8(struct codec__json *j, const uint8_t *from);
/* As codec__json_string(), without the text. */
must_use int codec__json_skip_string(struct codec__json *j);

/* Behind the opening quote, to behind the closing one. */
must_use static inline int codec__json_string(struct codec__json *j, struct slice *ret)
{
    const uint8_t *from = j->p;
    j->p = codec__json_special(from, j->end);
    if (likely(j->p < j->end && *j->p == '"')) {
        *ret = slice_of(from, (size_t)(j->p - from));
        j->p++;
    } else if (j->p < j->end && *j->p == '\\') {
        TRY(codec__json_unescape(j, from, ret));
    } else {
        return codec__json_fail_string(j);
    }
    return likely(row_utf8_ok(*ret)) ? 0 : codec__json_fail_utf8(j, from);
}

/* ---- numbers ---- */

/* A run of number characters; whether it is a number is settled by whoever reads it. */
static inline struct slice codec__json_number(struct codec__json *j)
{
    const uint8_t *from = j->p;
    while (j->p < j->end && ((*j->p >= '0' && *j->p <= '9') || *j->p == '-' || *j->p == '+' ||
                             *j->p == '.' || (*j->p | 0x20) == 'e'))
        j->p++;
    return slice_of(from, (size_t)(j->p - from));
}

/* Does @text have the form of a JSON number? (Values that only look like one are refused.) */
bool codec__json_is_number(struct slice text);
/* Digits with an optional minus, up to 18 of them: nearly all integers. */
bool codec__json_plain_integer(struct slice text, int64_t *ret);
