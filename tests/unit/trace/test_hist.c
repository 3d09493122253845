/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/trace.h"

#include "base/mem.h"
#include "test.h"

static struct trace_hist *hist_new(void)
{
    return mem_zalloc(sizeof(struct trace_hist));
}

Test(trace_hist, is_zero_while_empty)
{
    struct trace_hist *h = hist_new();

    cr_assert_eq(trace_hist_quantile(h, 0.5), 0);
    mem_free(h);
}

Test(trace_hist, is_exact_for_small_values)
{
    struct trace_hist *h = hist_new();

    for (uint64_t v = 1; v <= 20; v++)
        trace_hist_add(h, v);

    cr_assert_eq(trace_hist_quantile(h, 0.5), 10);
    cr_assert_eq(trace_hist_quantile(h, 1.0), 20);
    cr_assert_eq(trace_hist_quantile(h, 0.0), 1);
    cr_assert_eq(h->count, 20);
    cr_assert_eq(h->sum, 210);
    mem_free(h);
}

Test(trace_hist, is_off_by_at_most_a_thirtysecond)
{
    struct trace_hist *h = hist_new();

    for (uint64_t v = 1; v < (UINT64_C(1) << 40); v += v / 7 + 1) {
        trace_hist_reset(h);
        trace_hist_add(h, v);
        trace_hist_add(h, UINT64_C(1) << 40);

        uint64_t q = trace_hist_quantile(h, 0.5);

        cr_assert_geq(q, v);
        cr_assert_leq(q - v, v / 32);
    }
    mem_free(h);
}

Test(trace_hist, never_tells_more_than_the_maximum)
{
    struct trace_hist *h = hist_new();

    trace_hist_add(h, 1000001);

    cr_assert_eq(trace_hist_quantile(h, 0.99), 1000001);
    mem_free(h);
}

Test(trace_hist, counts_huge_values_as_the_limit)
{
    struct trace_hist *h = hist_new();

    trace_hist_add(h, UINT64_MAX);

    cr_assert_eq(trace_hist_quantile(h, 1.0), UINT64_C(1) << 40);
    mem_free(h);
}

Test(trace_hist, merges_like_one)
{
    struct trace_hist *a = hist_new(), *b = hist_new(), *both = hist_new();

    for (uint64_t v = 0; v < 1000; v++) {
        trace_hist_add_n(v % 2 ? a : b, v * v, 3);
        trace_hist_add_n(both, v * v, 3);
    }
    trace_hist_merge(a, b);

    cr_assert_eq(a->count, 3000);
    cr_assert_eq(a->sum, both->sum);
    cr_assert_eq(trace_hist_quantile(a, 0.9), trace_hist_quantile(both, 0.9));
    cr_assert_eq(trace_hist_quantile(a, 1.0), 999u * 999u);
    mem_free(a);
    mem_free(b);
    mem_free(both);
}

Test(trace_hist, weighs_many_at_once)
{
    struct trace_hist *h = hist_new();

    trace_hist_add_n(h, 5, 99);
    trace_hist_add_n(h, 1000, 1);
    trace_hist_add_n(h, 7, 0);

    cr_assert_eq(trace_hist_quantile(h, 0.99), 5);
    cr_assert_eq(trace_hist_quantile(h, 0.999), 1000);
    mem_free(h);
}
