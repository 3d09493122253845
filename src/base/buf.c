/* SPDX-License-Identifier: Apache-2.0 */
/* Growth of a buffer: by half, from 64 bytes. */
#include "base/buf.h"

#include "base/mem.h"
#include "base/must.h"

#include <stdarg.h>
#include <stdio.h>

void buf_deinit(struct buf *b)
{
    mem_free(b->data);
    *b = BUF_NULL;
}

void buf_grow(struct buf *b, size_t cap_min)
{
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < cap_min) {
        must(cap <= SIZE_MAX / 2);
        cap += cap / 2;
    }
    b->data = mem_realloc(b->data, cap);
    b->cap = cap;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf((char *)buf_reserve(b, 64), 64, fmt, args);
    must(n >= 0);
    if (n >= 64)
        (void)vsnprintf((char *)buf_reserve(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    b->len += (size_t)n;
}
