/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a process whose claims do not hold. */
#include "base/must.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void must_fail(const char *file, int line, const char *claim)
{
    fprintf(stderr, "sluice: fatal: %s:%d: this must hold: %s\n", file, line, claim);
    abort();
}

_Noreturn void must_die(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("sluice: fatal: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}
