/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks double in size from 4 KiB, or are as large as one request needs. A reset keeps the largest
 * one, so that what recurs costs no allocation. I1: at and end lie in the first chunk.
 */
#include "base/arena.h"

#include "base/mem.h"
#include "base/must.h"

#include <stdalign.h>

#define CHUNK_BYTES_FIRST ((size_t)4096)
#define CHUNK_BYTES_MAX   ((size_t)1 << 20)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of data */
    alignas(16) uint8_t data[];
};

static void use(struct arena *a, struct arena_chunk *k)
{
    k->next = a->chunks;
    a->chunks = k;
    a->at = k->data;
    a->end = k->data + k->size;
}

void *arena_alloc_slow(struct arena *a, size_t size)
{
    size_t cap = a->chunks == NULL ? CHUNK_BYTES_FIRST : a->chunks->size * 2;
    cap = MAX(MIN(cap, CHUNK_BYTES_MAX), size);
    must(cap <= SIZE_MAX - sizeof(struct arena_chunk));
    struct arena_chunk *k = mem_aligned(alignof(struct arena_chunk), sizeof(*k) + cap);
    k->size = cap;
    use(a, k);
    a->at += size;
    return k->data;
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *keep = NULL, *next;
    for (struct arena_chunk *k = a->chunks; k != NULL; k = next) {
        next = k->next;
        if (k->size > ARENA_KEEP_BYTES || (keep != NULL && k->size <= keep->size)) {
            mem_free(k);
            continue;
        }
        mem_free(keep);
        keep = k;
    }
    *a = ARENA_NULL;
    if (keep != NULL)
        use(a, keep);
}

void arena_deinit(struct arena *a)
{
    arena_reset(a);
    mem_free(a->chunks);
    *a = ARENA_NULL;
}
