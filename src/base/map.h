/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A hash map from bytes to pointers; keys are copied. Not thread-safe. Open addressing with linear
 * probing, grown at 3/4. Zero-initialised (MAP_NULL) is empty and valid.
 */

#include "base/slice.h"

#include <stdint.h>

struct map_entry;
struct map {
    struct map_entry *entries;
    size_t cap, len;
};

#define MAP_NULL ((struct map){NULL, 0, 0})

void map_deinit(struct map *m); /* values stay the caller's */
void *map_get(const struct map *m, struct slice key);
/* Set; returns the value that stood there before, or NULL. @value is not NULL. */
void *map_put(struct map *m, struct slice key, void *value);
void *map_remove(struct map *m, struct slice key); /* the value that was there, or NULL */

/* for (size_t i = 0; (v = map_next(m, &i)) != NULL;) — no change to the map meanwhile. */
void *map_next(const struct map *m, size_t *i);

uint64_t map_hash(struct slice key); /* its low bits are good to choose by */

static inline struct slice map_key_u64(const uint64_t *k)
{
    return slice_of(k, sizeof(*k));
}
