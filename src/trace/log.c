/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines. One line is built on the stack and handed over in one piece, so lines of several
 * threads do not mix. Its time is for people only, nothing decides by it; that is why it may come
 * straight from the C library and not from the simulated clock. Any thread.
 */
#include "trace/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define LINE_BYTES_MAX 2048

/* The two globals that the module is allowed (rule: the log level and its sink). */
static _Atomic int lowest_level = TRACE_INFO;
static _Atomic(trace_sink_fn *) current_sink;

void trace_set_level(enum trace_level level)
{
    atomic_store_explicit(&lowest_level, (int)level, memory_order_relaxed);
}

void trace_set_sink(trace_sink_fn *sink)
{
    atomic_store_explicit(&current_sink, sink, memory_order_release);
}

static size_t format_head(char *line, size_t size, enum trace_level level, const char *module)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    struct timespec now = {0, 0};
    struct tm tm;

    (void)timespec_get(&now, TIME_UTC);
    (void)gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &tm);
    int m = snprintf(line + n, size - n, ".%03dZ %s %s: ", (int)(now.tv_nsec / 1000000),
                     names[level], module);
    return n + (m > 0 ? (size_t)m : 0);
}

void trace_log(enum trace_level level, const char *module, const char *fmt, ...)
{
    char line[LINE_BYTES_MAX];
    size_t room = sizeof(line) - 1; /* the newline */

    if ((int)level < atomic_load_explicit(&lowest_level, memory_order_relaxed))
        return;
    size_t head = format_head(line, room, level, module);
    if (head >= room)
        head = room - 1;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line + head, room - head, fmt, args);
    va_end(args);
    size_t len = head + (n > 0 ? (size_t)n : 0);
    if (len >= room)
        len = room - 1;
    for (size_t i = head; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    line[len++] = '\n';

    trace_sink_fn *sink = atomic_load_explicit(&current_sink, memory_order_acquire);
    if (sink != NULL)
        sink(line, len);
    else
        (void)fwrite(line, 1, len, stderr); /* where nobody listens nothing is lost */
}
