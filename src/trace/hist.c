/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histograms. Values below 32 have a bucket each; every power of two above is cut into 32 equal
 * buckets, so a bucket is at most 1/32 of its values wide:
 *
 *   bucket  0 … 31   32 … 63   64 … 95          …   1152
 *   value   0 … 31   32 … 63   64, 66, 68 … 126 …   2^40
 *
 * Readers see each bucket at some moment, not all at one: good enough for people. Any thread.
 */
#include "trace/trace.h"

#define SUB_BITS  5
#define SUBS      (1u << SUB_BITS)
#define VALUE_MAX (UINT64_C(1) << 40)

static unsigned bucket_of(uint64_t value)
{
    if (value < SUBS)
        return (unsigned)value;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(value);
    unsigned sub = (unsigned)(value >> (exponent - SUB_BITS)) & (SUBS - 1);
    return SUBS * (exponent - SUB_BITS + 1) + sub;
}

/* The largest value that falls into @bucket. */
static uint64_t upper_edge(unsigned bucket)
{
    if (bucket < SUBS)
        return bucket;
    unsigned shift = bucket / SUBS - 1;
    return ((uint64_t)(SUBS + bucket % SUBS + 1) << shift) - 1;
}

static void raise_max(struct trace_hist *h, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(&h->max, memory_order_relaxed);

    while (value > seen && !atomic_compare_exchange_weak_explicit(
                               &h->max, &seen, value, memory_order_relaxed, memory_order_relaxed))
        ;
}

void trace_hist_add_n(struct trace_hist *h, uint64_t value, uint64_t n)
{
    if (n == 0)
        return;
    value = value > VALUE_MAX ? VALUE_MAX : value;
    atomic_fetch_add_explicit(&h->buckets[bucket_of(value)], n, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->count, n, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, value * n, memory_order_relaxed);
    raise_max(h, value);
}

void trace_hist_add(struct trace_hist *h, uint64_t value)
{
    trace_hist_add_n(h, value, 1);
}

static uint64_t load(const _Atomic uint64_t *p)
{
    return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)p, memory_order_relaxed);
}

uint64_t trace_hist_quantile(const struct trace_hist *h, double q)
{
    uint64_t total = 0, max = load(&h->max), below = 0;

    for (unsigned i = 0; i < TRACE_HIST_BUCKETS; i++)
        total += load(&h->buckets[i]);
    if (total == 0)
        return 0;
    double share = q < 0 ? 0 : q > 1 ? 1 : q;
    double rank = share * (double)total;
    for (unsigned i = 0; i < TRACE_HIST_BUCKETS; i++) {
        uint64_t here = load(&h->buckets[i]);
        below += here;
        if (here > 0 && (double)below >= rank)
            return upper_edge(i) < max ? upper_edge(i) : max;
    }
    return max;
}

void trace_hist_merge(struct trace_hist *into, const struct trace_hist *from)
{
    for (unsigned i = 0; i < TRACE_HIST_BUCKETS; i++) {
        uint64_t n = load(&from->buckets[i]);
        if (n > 0)
            atomic_fetch_add_explicit(&into->buckets[i], n, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&into->count, load(&from->count), memory_order_relaxed);
    atomic_fetch_add_explicit(&into->sum, load(&from->sum), memory_order_relaxed);
    raise_max(into, load(&from->max));
}

void trace_hist_reset(struct trace_hist *h)
{
    for (unsigned i = 0; i < TRACE_HIST_BUCKETS; i++)
        atomic_store_explicit(&h->buckets[i], 0, memory_order_relaxed);
    atomic_store_explicit(&h->count, 0, memory_order_relaxed);
    atomic_store_explicit(&h->sum, 0, memory_order_relaxed);
    atomic_store_explicit(&h->max, 0, memory_order_relaxed);
}
