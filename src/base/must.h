/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * must(x): a claim that stays checked in production; when it is false the process ends, before it
 * can acknowledge anything else. must_slow(x): the same in debug, simulation and fuzz builds only.
 * Bad input is never a must: it is an error.
 */

#include "base/attr.h"

_Noreturn void must_fail(const char *file, int line, const char *claim);
/* End the process with a sentence: a broken promise, said loudly. */
_Noreturn void must_die(const char *fmt, ...) printf_like(1, 2);

/*
 * Test builds only: whoever watches the process die. Called with the sentence, on the thread that
 * dies; it may leave with longjmp, and is the simulation's way to see a fail-stop (I8). When it
 * returns, the process aborts. NULL: nobody. Set while no other thread runs.
 */
#if defined(SLUICE_SLOW_CHECKS) || defined(SLUICE_PLANTED_BUGS)
#define SLUICE_MUST_HANDLER
typedef void must_handler_fn(void *ctx, const char *sentence);
void must_set_handler(must_handler_fn *fn, void *ctx);
#endif

#define must(x)                                                                                    \
    do {                                                                                           \
        if (unlikely(!(x)))                                                                        \
            must_fail(__FILE__, __LINE__, #x);                                                     \
    } while (0)

#ifdef SLUICE_SLOW_CHECKS
#define must_slow(x) must(x)
#else
#define must_slow(x) ((void)sizeof(!(x)))
#endif
