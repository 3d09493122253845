/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One header for all tests. Normally Criterion: each test is a process of its own, with timeouts
 * and death tests. With TEST_PLAIN the same Test() bodies register themselves and run one after
 * the other in one process, so that leak and race detection see them (Criterion hides leaks from
 * LeakSanitizer and does not start under ThreadSanitizer).
 *
 * Test(module_thing, states_a_fact) { cr_assert(…); cr_assert_eq(a, b); cr_assert_str_eq(a, b); }
 * DeathTest(module_thing, states_a_fact) { … must abort … }   (skipped in the plain runner)
 */

#ifndef TEST_PLAIN

#include <criterion/criterion.h>
#include <signal.h>

#define DeathTest(suite, name) Test(suite, name, .signal = SIGABRT)

#else

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plain_test {
    const char *suite, *name;
    void (*run)(void);
    struct plain_test *next;
};
void plain_register(struct plain_test *t);

#define Test(suite_, name_, ...)                                                                   \
    static void suite_##_##name_(void);                                                            \
    static struct plain_test suite_##_##name_##_entry = {#suite_, #name_, suite_##_##name_, NULL}; \
    __attribute__((constructor)) static void suite_##_##name_##_register(void)                     \
    {                                                                                              \
        plain_register(&suite_##_##name_##_entry);                                                 \
    }                                                                                              \
    static void suite_##_##name_(void)

#define DeathTest(suite_, name_)                                                                   \
    __attribute__((unused)) static void suite_##_##name_##_skipped(void)

#define PLAIN_FAIL(text)                                                                           \
    do {                                                                                           \
        fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, (text));                        \
        exit(1);                                                                                   \
    } while (0)
#define cr_assert(x, ...)                                                                          \
    do {                                                                                           \
        if (!(x))                                                                                  \
            PLAIN_FAIL(#x);                                                                        \
    } while (0)
#define cr_assert_not(x, ...)            cr_assert(!(x))
#define cr_assert_eq(a, b, ...)          cr_assert((a) == (b))
#define cr_assert_neq(a, b, ...)         cr_assert((a) != (b))
#define cr_assert_lt(a, b, ...)          cr_assert((a) < (b))
#define cr_assert_leq(a, b, ...)         cr_assert((a) <= (b))
#define cr_assert_gt(a, b, ...)          cr_assert((a) > (b))
#define cr_assert_geq(a, b, ...)         cr_assert((a) >= (b))
#define cr_assert_null(a, ...)           cr_assert((a) == NULL)
#define cr_assert_not_null(a, ...)       cr_assert((a) != NULL)
#define cr_assert_str_eq(a, b, ...)      cr_assert(strcmp((a), (b)) == 0)
#define cr_assert_str_neq(a, b, ...)     cr_assert(strcmp((a), (b)) != 0)
#define cr_assert_arr_eq(a, b, n, ...)   cr_assert(memcmp((a), (b), (n)) == 0)
#define cr_assert_float_eq(a, b, e, ...) cr_assert((a) - (b) <= (e) && (b) - (a) <= (e))
#define cr_assert_fail(...)              PLAIN_FAIL("cr_assert_fail")

#endif
