/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the fuzz targets share. A target is one function over one input: deterministic, bounded in
 * time and memory, and it checks a property, not only that nothing crashes. Linked with libFuzzer
 * (preset fuzz) or with replay.c, which runs the corpus as an ordinary test.
 */

#include "base/bits.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that must hold; the input that breaks it is the finding. */
#define FUZZ_CHECK(x)                                                                              \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: property broken: %s\n", __FILE__, __LINE__, #x);               \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The input, taken from the front; what is missing at the end reads as zero. */
struct fuzz_in {
    const uint8_t *p, *end;
};

static inline struct fuzz_in fuzz_in(const uint8_t *data, size_t size)
{
    return (struct fuzz_in){data, size == 0 ? data : data + size};
}

static inline size_t fuzz_left(const struct fuzz_in *in)
{
    return (size_t)(in->end - in->p);
}

static inline uint8_t fuzz_u8(struct fuzz_in *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

static inline uint16_t fuzz_u16(struct fuzz_in *in)
{
    uint16_t low = fuzz_u8(in);
    return (uint16_t)(low | fuzz_u8(in) << 8);
}

static inline uint64_t fuzz_u64(struct fuzz_in *in)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v |= (uint64_t)fuzz_u8(in) << i * 8;
    return v;
}

/* At most @len bytes. */
static inline struct slice fuzz_take(struct fuzz_in *in, size_t len)
{
    size_t left = fuzz_left(in);
    struct slice s = slice_of(in->p, len < left ? len : left);
    if (s.len > 0)
        in->p += s.len;
    return s;
}

/* Two bytes of length, then so many bytes. */
static inline struct slice fuzz_part(struct fuzz_in *in)
{
    size_t len = fuzz_u16(in);
    return fuzz_take(in, len);
}

static inline struct slice fuzz_rest(struct fuzz_in *in)
{
    return fuzz_take(in, fuzz_left(in));
}
