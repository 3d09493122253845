/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A growing buffer of bytes. Zero-initialised (BUF_NULL) is empty and valid. */

#include "base/attr.h"
#include "base/slice.h"

#include <stdint.h>

struct buf {
    uint8_t *data;
    size_t len, cap;
};

#define BUF_NULL ((struct buf){NULL, 0, 0})

void buf_deinit(struct buf *b); /* frees; empty and valid afterwards */
void buf_grow(struct buf *b, size_t cap_min);
void buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);

/* Room for @len more bytes; returns where they go. The caller adds to b->len what it wrote. */
static inline uint8_t *buf_reserve(struct buf *b, size_t len)
{
    if (unlikely(b->cap - b->len < len))
        buf_grow(b, b->len + len);
    return b->data + b->len;
}

static inline void buf_reset(struct buf *b)
{
    b->len = 0;
}

static inline void buf_add(struct buf *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    memcpy(buf_reserve(b, len), data, len);
    b->len += len;
}

static inline void buf_add_byte(struct buf *b, uint8_t byte)
{
    *buf_reserve(b, 1) = byte;
    b->len++;
}

static inline void buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

static inline void buf_add_slice(struct buf *b, struct slice s)
{
    buf_add(b, s.data, s.len);
}

/* The content, borrowed until the next change. */
static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->data, b->len);
}

/* The content as a terminated string, borrowed until the next change. */
static inline const char *buf_cstr(struct buf *b)
{
    *buf_reserve(b, 1) = '\0';
    return (const char *)b->data;
}
