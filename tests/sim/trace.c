/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event trace: the events of a run as lines. All lines go into a hash, and every turn with its
 * time and actor: the same seed gives the same run, byte for byte. The last lines are kept, and
 * shown when the seed fails.
 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void sim_trace(struct world *w, const char *fmt, ...)
{
    struct sim_trace *t = &w->trace;
    char *line = t->ring[t->lines++ % SIM_TRACE_LINES];
    va_list args;
    int n = snprintf(line, SIM_TRACE_CHARS, "%10.6f ", (double)sim_now(w) / 1e9);
    va_start(args, fmt);
    (void)vsnprintf(line + n, SIM_TRACE_CHARS - (size_t)n, fmt, args);
    va_end(args);
    for (const char *p = line; *p != '\0'; p++)
        t->hash = (t->hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    t->hash = (t->hash ^ '\n') * UINT64_C(0x100000001b3);
    if (t->live)
        printf("%s\n", line);
}

void sim_trace_mix(struct world *w, uint64_t number)
{
    w->trace.hash = (w->trace.hash ^ number) * UINT64_C(0x100000001b3);
}

void sim_trace_tail(struct world *w, unsigned lines)
{
    struct sim_trace *t = &w->trace;
    uint64_t from = t->lines > lines ? t->lines - lines : 0;
    for (uint64_t i = from; i < t->lines; i++)
        printf("    %s\n", t->ring[i % SIM_TRACE_LINES]);
}
