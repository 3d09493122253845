/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by the files of row: letter case, type words, DDL text, the digits of decimals. */

#include "row/row.h"

static inline uint8_t row__lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* Equal when the case of ASCII letters is ignored. */
bool row__same_word(struct slice a, struct slice b);

/* A word that starts a type in DDL. @type 0: a type of the lakehouse that is not supported. */
struct row__type_word {
    const char *word;
    enum row_type type;
};
/* NULL: no type has that name. */
const struct row__type_word *row__type_find(struct slice word);

/* The word for a type in DDL. */
const char *row__word_of(enum row_type type);

/* How a type is written out. */
enum row__style {
    ROW__PEOPLE,
    ROW__DELTA, /* flat types in Delta's own words */
    ROW__DDL,   /* parses back to the same type */
};
void row__type_put(const struct row_column *c, enum row__style style, struct buf *out);
/* NOT NULL and comment as they stand behind a column's type. */
void row__remarks_put(const struct row_column *c, enum row__style style, struct buf *out);

/* Index of a field by name (letter case ignored), or -1. */
int row__column_find(const struct row_column *fields, uint32_t count, struct slice name);
/* Leaves that @c adds beside those of its fields. */
static inline uint32_t row__own_leaves(const struct row_column *c)
{
    return row_type_is_flat(c->type) ? 1 : c->type == ROW_VARIANT ? 2 : 0;
}

/* ---- ddl_text.c: a DDL text that is being read ---- */

struct row__ddl {
    const uint8_t *start, *p, *end;
    struct err *e;
    struct buf path; /* of the column that is being read */
    uint32_t leaves; /* so far */
};

void row__ddl_skip_space(struct row__ddl *d);
/* The next word without taking it; empty when none stands there. */
struct slice row__ddl_peek_word(struct row__ddl *d);
bool row__ddl_take_word(struct row__ddl *d, const char *word); /* letter case ignored */
bool row__ddl_take_char(struct row__ddl *d, char c);
/* A name, perhaps in backquotes; a number; a text in single quotes, where a backslash takes the
 * next byte as it is and '' is one quote. The texts are given. */
must_use int row__ddl_name(struct row__ddl *d, char **ret_name);
must_use int row__ddl_number(struct row__ddl *d, uint32_t *ret_number);
must_use int row__ddl_text(struct row__ddl *d, char **ret_text);
/* Into column @name; what row__ddl_leave() needs to step out again. */
must_use size_t row__ddl_enter(struct row__ddl *d, const char *name);
void row__ddl_leave(struct row__ddl *d, size_t outside);
/* The error at this place. Returns @code. */
int row__ddl_fail(struct row__ddl *d, int code, const char *sentence);
