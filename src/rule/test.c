/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests: one column against constants that stand in the test itself.
 *
 * Most rules are one test, or some joined by AND. A set keeps the tests of all such rules back to
 * back, more than two in a cache line, and runs them without looking at a program: behind a request
 * nothing of the rules is in the caches, and programs and constants of their own are several lines
 * for each rule. Thread: any.
 */
#include "rule_priv.h"

#include "base/must.h"

void rule__test_compare(struct rule__test *t, enum rule__test_op op, unsigned with, int64_t word)
{
    bool is_length = op == TEST_LENGTH;
    t->op = (uint8_t)op;
    t->words[0] = (with & IF_LESS) != 0 ? INT64_MIN : word;
    t->words[1] = (with & IF_GREATER) != 0 ? INT64_MAX : word;
    if (with == (IF_LESS | IF_GREATER)) {
        t->op = is_length ? TEST_NOT_LENGTH : TEST_NOT_WORD;
        t->words[0] = t->words[1] = word;
    } else if ((with == IF_LESS && __builtin_sub_overflow(word, 1, &t->words[1])) ||
               (with == IF_GREATER && __builtin_add_overflow(word, 1, &t->words[0]))) {
        t->words[0] = INT64_MAX; /* nothing is beyond the last one */
        t->words[1] = INT64_MIN;
    }
}

static bool is_in_words(const struct rule__test *t, int64_t v)
{
    return v >= t->words[0] && v <= t->words[1];
}

static bool doubles_hold(const struct rule__test *t, const struct row_value *v)
{
    double x = t->type == ROW_FLOAT ? (double)v->f32 : v->f64;
    int order = rule__compare_double(x, t->doubles[0]);
    if (t->op == TEST_IN_DOUBLES)
        return order >= 0 && rule__compare_double(x, t->doubles[1]) <= 0;
    return rule__accepts(t->with, order);
}

/* A character has one to four bytes: mostly their number says enough. */
static bool length_holds(const struct rule__test *t, struct slice s)
{
    bool is_not = t->op == TEST_NOT_LENGTH;
    if (!is_not && (int64_t)s.len <= t->words[1] && (int64_t)(s.len / 4) >= t->words[0])
        return true;
    return is_in_words(t, (int64_t)rule__char_count(s)) != is_not;
}

bool rule__test_holds(const struct rule__test *t, const struct row_value *v)
{
    if (t->op == TEST_NULL)
        return v->null != (t->with != 0);
    if (v->null)
        return false;
    switch ((enum rule__test_op)t->op) {
    case TEST_WORD: return is_in_words(t, v->i64);
    case TEST_NOT_WORD: return v->i64 != t->words[0];
    case TEST_DOUBLE:
    case TEST_IN_DOUBLES: return doubles_hold(t, v);
    case TEST_TEXT: return slice_eq(v->bytes, t->bytes) != (t->with != 0);
    case TEST_PREFIX:
        return v->bytes.len >= t->bytes.len &&
               slice_eq(slice_of(v->bytes.data, t->bytes.len), t->bytes);
    case TEST_LIKE: return rule__like(t->bytes, rule__bytes_of(v), FOLD_NONE);
    case TEST_LENGTH:
    case TEST_NOT_LENGTH: return length_holds(t, v->bytes);
    case TEST_NULL: break; /* above */
    }
    must_die("rule: an unknown test");
    return false;
}
