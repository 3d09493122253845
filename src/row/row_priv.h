/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by the files of row: letter case, type words, the digits of decimals. */

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

/* 10^exponent, exponent 0..38. */
row_i128 row__pow10(unsigned exponent);
