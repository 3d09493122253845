/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that succeeds or ends the process. */
#include "base/mem.h"

#include "base/must.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *check(void *p, size_t size)
{
    if (unlikely(p == NULL && size != 0))
        must_die("out of memory: %zu bytes refused by the system", size);
    return p;
}

void *mem_alloc(size_t size)
{
    return check(malloc(size), size);
}

void *mem_zalloc(size_t size)
{
    return check(calloc(1, size), size);
}

void *mem_calloc(size_t count, size_t size)
{
    must(size == 0 || count <= SIZE_MAX / size);
    return check(calloc(count, size), count * size);
}

void *mem_realloc(void *p, size_t size)
{
    return check(realloc(p, size), size);
}

void *mem_aligned(size_t alignment, size_t size)
{
    void *p = NULL;
    if (posix_memalign(&p, alignment, size) != 0)
        p = NULL;
    return check(p, size);
}

char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *s, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (len != 0)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *mem_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    must(n >= 0);
    return text;
}

void mem_free(void *p)
{
    free(p);
}
