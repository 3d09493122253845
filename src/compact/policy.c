/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a table's rows become a file. Pure.
 *
 * By size always. By age in two ways: while the follower keeps up, by the arrival of the oldest
 * row; while it is behind, when everything is old, by the time the rows have been held, so that
 * catching up writes full files instead of one per block.
 */
#include "compact/compact.h"

#include "compact_priv.h"

/* How old, never negative: the wall clock may have gone back. */
static uint64_t age_us(const struct compact_load *l, const struct compact_now *now)
{
    return now->us > l->oldest_us ? (uint64_t)(now->us - l->oldest_us) : 0;
}

static uint64_t held_us(const struct compact_load *l, const struct compact_now *now)
{
    return now->ns > l->since_ns ? (now->ns - l->since_ns) / 1000 : 0;
}

bool compact__is_due(const struct compact_policy *p, const struct compact_load *l,
                     const struct compact_now *now)
{
    if (l->rows == 0)
        return false;
    if (l->bytes >= p->file_bytes || held_us(l, now) >= p->freshness_us)
        return true;
    return now->caught_up && age_us(l, now) >= p->freshness_us;
}

uint64_t compact__due_in_us(const struct compact_policy *p, const struct compact_load *l,
                            const struct compact_now *now)
{
    if (l->rows == 0)
        return UINT64_MAX;
    uint64_t oldest = MAX(age_us(l, now), held_us(l, now));
    return oldest >= p->freshness_us ? 0 : p->freshness_us - oldest;
}

uint64_t compact__backoff_ns(unsigned failures)
{
    unsigned doublings = failures > 0 ? failures - 1 : 0;
    return COMPACT_BACKOFF_FIRST_NS << MIN(doublings, COMPACT_BACKOFF_DOUBLINGS_MAX);
}

/* Acks come first: the log is there to take a burst of half a minute at full speed. */
#define PRESS_US 30000000u
#define EASE_US  2000000u

bool compact__is_pressing(const struct compact_lag *lag, bool pressing)
{
    if (lag->us >= PRESS_US || lag->log_bytes >= lag->log_bytes_max / 4)
        return true;
    return pressing && (lag->us >= EASE_US || lag->log_bytes >= lag->log_bytes_max / 8);
}
