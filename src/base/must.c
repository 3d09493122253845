/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a process whose claims do not hold. */
#include "base/must.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SENTENCE_BYTES_MAX 1024

#ifdef SLUICE_MUST_HANDLER

static struct {
    must_handler_fn *fn;
    void *ctx;
} handler;

void must_set_handler(must_handler_fn *fn, void *ctx)
{
    handler.fn = fn;
    handler.ctx = ctx;
}

static void tell_handler(const char *sentence)
{
    if (handler.fn != NULL)
        handler.fn(handler.ctx, sentence);
}

#else

static void tell_handler(const char *sentence)
{
    (void)sentence;
}

#endif

_Noreturn static void die(const char *sentence)
{
    tell_handler(sentence);
    fprintf(stderr, "sluice: fatal: %s\n", sentence);
    abort();
}

_Noreturn void must_fail(const char *file, int line, const char *claim)
{
    char sentence[SENTENCE_BYTES_MAX];
    (void)snprintf(sentence, sizeof(sentence), "%s:%d: this must hold: %s", file, line, claim);
    die(sentence);
}

_Noreturn void must_die(const char *fmt, ...)
{
    char sentence[SENTENCE_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(sentence, sizeof(sentence), fmt, args);
    va_end(args);
    die(sentence);
}
