/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * trace: counters, histograms and log lines. No globals but the log level and its sink; counters
 * and histograms are members of whatever owns them. Safe from any thread; adding never blocks.
 */

#include "base/attr.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* ---- counters: one writer or many, read at any time ---- */

struct trace_counter {
    _Atomic uint64_t value;
};
static inline void trace_add(struct trace_counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}
static inline uint64_t trace_read(const struct trace_counter *c)
{
    return atomic_load_explicit(&((struct trace_counter *)(uintptr_t)c)->value,
                                memory_order_relaxed);
}

/*
 * ---- histograms ----
 * HDR style: 32 buckets per power of two, so a quantile is off by at most 3.2 %. Values 0..2^40
 * (a unit of the owner's choice), larger ones count as 2^40.
 */
#define TRACE_HIST_BUCKETS (32 * 37)
struct trace_hist {
    _Atomic uint64_t buckets[TRACE_HIST_BUCKETS];
    _Atomic uint64_t count, sum, max;
};
void trace_hist_add(struct trace_hist *h, uint64_t value);
void trace_hist_add_n(struct trace_hist *h, uint64_t value, uint64_t n);
/* The value below which the share @q (0..1) lies: upper edge of its bucket, never above max; 0
 * when empty. */
uint64_t trace_hist_quantile(const struct trace_hist *h, double q);
void trace_hist_merge(struct trace_hist *into, const struct trace_hist *from);
void trace_hist_reset(struct trace_hist *h);

/* ---- log lines: "2026-01-31T12:00:00.123Z info bronze: …" on stderr ---- */

enum trace_level { TRACE_DEBUG, TRACE_INFO, TRACE_WARN, TRACE_ERROR };
void trace_set_level(enum trace_level level);
/* Where finished lines go, their newline included; NULL = stderr. Called from any thread. */
typedef void trace_sink_fn(const char *line, size_t len);
void trace_set_sink(trace_sink_fn *sink);
/* A line longer than 2 KiB is cut; control characters become '?', so text from outside stays one
 * line. */
void trace_log(enum trace_level level, const char *module, const char *fmt, ...) printf_like(3, 4);
#define LOG_DEBUG(module, ...) trace_log(TRACE_DEBUG, (module), __VA_ARGS__)
#define LOG_INFO(module, ...)  trace_log(TRACE_INFO, (module), __VA_ARGS__)
#define LOG_WARN(module, ...)  trace_log(TRACE_WARN, (module), __VA_ARGS__)
#define LOG_ERROR(module, ...) trace_log(TRACE_ERROR, (module), __VA_ARGS__)
