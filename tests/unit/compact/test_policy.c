/* SPDX-License-Identifier: Apache-2.0 */
/* When rows become a file. */
#include "compact_priv.h"

#include "test.h"

static const struct compact_policy policy = {
    .file_bytes = 1000, .memory_bytes = 10000, .freshness_us = 2000000};

static struct compact_load load(uint64_t bytes, int64_t oldest_us, uint64_t since_ns)
{
    return (struct compact_load){
        .rows = 1, .bytes = bytes, .oldest_us = oldest_us, .since_ns = since_ns};
}

static struct compact_now at(int64_t us, uint64_t ns, bool caught_up)
{
    return (struct compact_now){us, ns, caught_up};
}

Test(compact_policy, size_alone_is_enough)
{
    struct compact_load small = load(999, 0, 0), large = load(1000, 0, 0);
    struct compact_now now = at(0, 0, false);

    cr_assert_not(compact__is_due(&policy, &small, &now));
    cr_assert(compact__is_due(&policy, &large, &now));
}

Test(compact_policy, arrival_counts_while_keeping_up)
{
    struct compact_load l = load(1, 1000000, 0);
    struct compact_now early = at(2999999, 0, true), late = at(3000000, 0, true);

    cr_assert_not(compact__is_due(&policy, &l, &early));
    cr_assert(compact__is_due(&policy, &l, &late));
}

Test(compact_policy, old_rows_are_gathered_while_behind)
{
    struct compact_load l = load(1, 0, 5000000000ull);
    struct compact_now behind = at(3600000000ll, 5000000001ull, false);
    struct compact_now held = at(3600000000ll, 7000000000ull, false);

    cr_assert_not(compact__is_due(&policy, &l, &behind));
    cr_assert(compact__is_due(&policy, &l, &held));
}

Test(compact_policy, clock_that_goes_back_does_not_hold_rows_for_ever)
{
    struct compact_load l = load(1, 1000000000, 0);
    struct compact_now back = at(5, 2000000000ull, true);

    cr_assert(compact__is_due(&policy, &l, &back));
}

Test(compact_policy, nothing_is_never_due)
{
    struct compact_load l = {0};
    struct compact_now now = at(1ll << 60, 1ull << 60, true);

    cr_assert_not(compact__is_due(&policy, &l, &now));
    cr_assert_eq(compact__due_in_us(&policy, &l, &now), UINT64_MAX);
}

Test(compact_policy, the_wait_ends_when_the_oldest_row_is_due)
{
    struct compact_load l = load(1, 1000000, 0);
    struct compact_now now = at(1500000, 0, true), over = at(9000000, 0, true);

    cr_assert_eq(compact__due_in_us(&policy, &l, &now), 1500000);
    cr_assert_eq(compact__due_in_us(&policy, &l, &over), 0);
}

Test(compact_policy, pauses_grow_and_end_growing)
{
    cr_assert_eq(compact__backoff_ns(1), 100000000ull);
    cr_assert_eq(compact__backoff_ns(2), 200000000ull);
    cr_assert_eq(compact__backoff_ns(7), 6400000000ull);
    cr_assert_eq(compact__backoff_ns(1000), 6400000000ull);
}

Test(compact_trim, both_the_lake_and_the_store_must_be_past)
{
    cr_assert_eq(compact__trim_bound(100, 99, 100), 100);
    cr_assert_eq(compact__trim_bound(99, 500, 100), 0);
    cr_assert_eq(compact__trim_bound(500, 98, 100), 0);
    cr_assert_eq(compact__trim_bound(500, 300, 100), 301);
    cr_assert_eq(compact__trim_bound(500, 300, 0), 0);
}

Test(compact_policy, lives_on_the_rest_until_it_is_late)
{
    struct compact_lag soon = {29999999, 0, 1000}, late = {30000000, 0, 1000};

    cr_assert_not(compact__is_pressing(&soon, false));
    cr_assert(compact__is_pressing(&late, false));
}

Test(compact_policy, presses_until_it_is_nearly_caught_up)
{
    struct compact_lag behind = {2000000, 0, 1000}, near = {1999999, 124, 1000};

    cr_assert(compact__is_pressing(&behind, true));
    cr_assert_not(compact__is_pressing(&near, true));
}

Test(compact_policy, presses_when_a_quarter_of_the_log_is_in_use)
{
    struct compact_lag full = {0, 250, 1000}, half_way = {0, 249, 1000}, eighth = {0, 124, 1000};

    cr_assert(compact__is_pressing(&full, false));
    cr_assert_not(compact__is_pressing(&half_way, false));
    cr_assert(compact__is_pressing(&half_way, true));
    cr_assert_not(compact__is_pressing(&eighth, true));
}
