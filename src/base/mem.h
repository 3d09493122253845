/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Allocation that ends the process when it fails. Memory whose size a client decides is taken out
 * of a budget first (and refused there); everything else comes from here.
 */

#include "base/attr.h"

#include <stddef.h>

void *mem_alloc(size_t size);                /* not cleared */
void *mem_zalloc(size_t size);               /* cleared */
void *mem_calloc(size_t count, size_t size); /* cleared, overflow checked */
void *mem_realloc(void *p, size_t size);
void *mem_aligned(size_t alignment, size_t size); /* not cleared; give back with mem_free() */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t len); /* terminated copy of @len bytes */
char *mem_printf(const char *fmt, ...) printf_like(1, 2);
void mem_free(void *p);

CLEANUP_FUNC(char *, mem_free)
