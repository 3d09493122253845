# SPDX-License-Identifier: Apache-2.0
"""Two ways of doing the same, compared on a machine that changes its speed meanwhile.

They run in pairs, one right after the other, and the second pair begins with the other one
(A B, B A, ...): what changes slowly hits both alike. The figure is the median of the pairs'
ratios, so a pair that something else disturbed does not count for more than its place.
"""
import statistics


def pairs(plain, other, count):
    """Run both count times, by turns; returns [(rate of plain, rate of other)]."""
    seen = []
    for i in range(count):
        if i % 2 == 0:
            a = plain()
            seen.append((a, other()))
        else:
            b = other()
            seen.append((plain(), b))
    return seen


def ratio(seen):
    """How fast the other is, as a share of plain."""
    return statistics.median(b / a for a, b in seen)


def rounded(seen):
    """For the report: their spread says what the median is worth."""
    return [[round(a), round(b)] for a, b in seen]


def medians(seen):
    return tuple(statistics.median(column) for column in zip(*seen))
