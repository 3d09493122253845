/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Random rows of any schema, and whether two values are the same. */

#include "base/arena.h"
#include "row/row.h"

struct random {
    uint64_t state;
};

uint64_t random_below(struct random *r, uint64_t n);
/* A value for the column; a third of those that may be null are. Lists hold up to 3 entries. */
struct row_value random_value(struct random *r, const struct row_column *c, struct arena *arena);
void random_rows(struct random *r, struct row_batch *b, uint32_t count);
bool value_same(const struct row_column *c, const struct row_value *a, const struct row_value *b);
/* Same rows, the columns of @a; @b may have more. */
bool batch_same(const struct row_batch *a, const struct row_batch *b);
