/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

Test(rule_like, matches_as_sql_says)
{
    static const struct {
        const char *text, *pattern;
        char outcome;
    } cases[] = {
        {"abc", "'abc'", 'T'},
        {"abc", "'ab'", 'F'},
        {"abc", "'a%'", 'T'},
        {"abc", "'%c'", 'T'},
        {"abc", "'%b%'", 'T'},
        {"abc", "'%'", 'T'},
        {"", "'%'", 'T'},
        {"", "'%%'", 'T'},
        {"", "''", 'T'},
        {"", "'_'", 'F'},
        {"a", "''", 'F'},
        {"abc", "'___'", 'T'},
        {"abc", "'__'", 'F'},
        {"abc", "'____'", 'F'},
        {"abc", "'_%_'", 'T'},
        {"aab", "'%ab'", 'T'},
        {"ababac", "'%abac'", 'T'},
        {"ababac", "'a%b%c'", 'T'},
        {"ababac", "'a%d%c'", 'F'},
        {"abc", "'A%'", 'F'},
        {"Grüße", "'Gr__e'", 'T'},
        {"Grüße", "'Gr_e'", 'F'},
        {"Grüße", "'%_ße'", 'T'},
        {"Grüße", "'%ü%'", 'T'},
        {"日本語", "'_本_'", 'T'},
        {"日本語", "'%_語'", 'T'},
        {"日本語", "'____'", 'F'},
        {"日本語", "'%____'", 'F'},
        {"日本語", "'%___%'", 'T'},
        {"日本語", "'%_語_%'", 'F'},
        {"10%", "'10\\%'", 'T'},
        {"10x", "'10\\%'", 'F'},
        {"a_b", "'a\\_b'", 'T'},
        {"axb", "'a\\_b'", 'F'},
        {"a\\b", "'a\\\\b'", 'T'},
        {"10%", "'10!%' ESCAPE '!'", 'T'},
        {"a!b", "'a!!b' ESCAPE '!'", 'T'},
        {"a\\b", "'a\\b' ESCAPE '!'", 'T'},
        {"it's", "'it''_'", 'T'},
    };
    char predicate[64];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct row_value v = {.bytes = slice_str(cases[i].text)};
        (void)snprintf(predicate, sizeof(predicate), "s LIKE %s", cases[i].pattern);
        char outcome = help_outcome("s string", predicate, &v);
        if (outcome != cases[i].outcome)
            fprintf(stderr, "'%s' %s: %c\n", cases[i].text, predicate, outcome);
        cr_assert_eq(outcome, cases[i].outcome);
        (void)snprintf(predicate, sizeof(predicate), "s NOT LIKE %s", cases[i].pattern);
        cr_assert_eq(help_outcome("s string", predicate, &v), outcome == 'T' ? 'F' : 'T');
    }
}

Test(rule_like, null_is_null_and_case_can_be_ignored)
{
    struct row_value null = {.null = true}, v = {.bytes = slice_str("AbC")};

    cr_assert_eq(help_outcome("s string", "s LIKE '%'", &null), 'N');
    cr_assert_eq(help_outcome("s string", "lower(s) LIKE 'ab_'", &v), 'T');
    cr_assert_eq(help_outcome("s string", "upper(s) LIKE 'ab_'", &v), 'F');
}

/* Going back to the last % only: a text of a million bytes takes text times pattern at most. */
Test(rule_like, a_long_text_that_nearly_matches_takes_its_time_once)
{
    struct buf text = BUF_NULL;
    struct row_value v = {0};
    for (int i = 0; i < 1000000; i++)
        buf_add_byte(&text, 'a');
    v.bytes = buf_slice(&text);

    cr_assert_eq(help_outcome("s string", "s LIKE '%a%a%a%a%a%a%a%a%aab'", &v), 'F');
    buf_deinit(&text);
}
