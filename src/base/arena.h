/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Memory that is given back all at once: a bump allocator over chunks that are kept from one use to
 * the next. For the parts of a value that a row holds. Zero-initialised (ARENA_NULL) is empty and
 * valid. Thread: its owner's.
 */

#include "base/attr.h"

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks; /* the one in use first */
    uint8_t *at, *end;          /* free room of that one */
};
#define ARENA_NULL ((struct arena){NULL, NULL, NULL})

void arena_deinit(struct arena *a); /* frees; empty and valid afterwards */
/* Empty again. The largest chunk is kept, up to ARENA_KEEP_BYTES. */
#define ARENA_KEEP_BYTES ((size_t)1 << 20)
void arena_reset(struct arena *a);
void *arena_alloc_slow(struct arena *a, size_t size);

/* @size bytes, aligned to 16, not cleared; they live until the reset. Never NULL, for none
 * either. */
static inline void *arena_alloc(struct arena *a, size_t size)
{
    size = ((size | !size) + 15) & ~(size_t)15;
    if (unlikely((size_t)(a->end - a->at) < size))
        return arena_alloc_slow(a, size);
    void *p = a->at;
    a->at += size;
    return p;
}
