/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include <math.h>

struct outcome_case {
    const char *predicate;
    char outcome;
};

static void check_all(const char *ddl, const struct row_value *values,
                      const struct outcome_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char outcome = help_outcome(ddl, cases[i].predicate, values);
        if (outcome != cases[i].outcome)
            fprintf(stderr, "%s: %c, not %c\n", cases[i].predicate, outcome, cases[i].outcome);
        cr_assert_eq(outcome, cases[i].outcome);
    }
}

#define CHECK_ALL(ddl, values, cases) check_all(ddl, values, cases, ARRAY_LEN(cases))

Test(rule_eval, and_or_not_know_three_values)
{
    /* TRUE, FALSE, NULL by row and column, as SQL's truth tables have them. */
    static const char and_table[] = "TFNFFFNFN", or_table[] = "TTTTFNTNN", not_table[] = "FTN";
    static const char *const words[] = {"t", "f", "n"};
    struct row_value values[] = {{.boolean = true}, {.boolean = false}, {.null = true}};
    char text[64];

    for (int a = 0; a < 3; a++) {
        (void)snprintf(text, sizeof(text), "NOT %s", words[a]);
        cr_assert_eq(help_outcome("t boolean, f boolean, n boolean", text, values), not_table[a]);
        for (int b = 0; b < 3; b++) {
            (void)snprintf(text, sizeof(text), "%s AND %s", words[a], words[b]);
            cr_assert_eq(help_outcome("t boolean, f boolean, n boolean", text, values),
                         and_table[a * 3 + b]);
            (void)snprintf(text, sizeof(text), "%s OR %s", words[a], words[b]);
            cr_assert_eq(help_outcome("t boolean, f boolean, n boolean", text, values),
                         or_table[a * 3 + b]);
        }
    }
}

Test(rule_eval, a_test_for_null_true_or_false_is_never_null)
{
    static const struct outcome_case cases[] = {
        {"t IS TRUE", 'T'},      {"t IS NOT TRUE", 'F'},     {"t IS FALSE", 'F'},
        {"f IS TRUE", 'F'},      {"f IS NOT TRUE", 'T'},     {"f IS FALSE", 'T'},
        {"n IS TRUE", 'F'},      {"n IS NOT TRUE", 'T'},     {"n IS FALSE", 'F'},
        {"n IS NOT FALSE", 'T'}, {"n IS NULL", 'T'},         {"t IS NULL", 'F'},
        {"t IS NOT NULL", 'T'},  {"NULL IS NULL", 'T'},      {"n", 'N'},
        {"NOT n IS NULL", 'F'},  {"(t AND n) IS NULL", 'T'}, {"t = f IS NOT TRUE", 'T'},
        {"NULL AND f", 'F'},     {"NULL OR t", 'T'},         {"NOT NULL", 'N'},
    };
    struct row_value values[] = {{.boolean = true}, {.boolean = false}, {.null = true}};

    CHECK_ALL("t boolean, f boolean, n boolean", values, cases);
}

Test(rule_eval, comparisons_and_lists_with_null_are_null)
{
    static const struct outcome_case cases[] = {
        {"n > 1", 'N'},
        {"1 = NULL", 'N'},
        {"NULL = NULL", 'N'},
        {"n = n", 'N'},
        {"i IN (1, 2, NULL)", 'N'},
        {"i IN (5, NULL)", 'T'},
        {"i IN (5, 1, 9, 2)", 'T'},
        {"i IN (9, 7, 6, 5)", 'T'},
        {"i IN (9, 6, 2, 1, 6)", 'F'},
        {"i NOT IN (1, NULL)", 'N'},
        {"n IN (1)", 'N'},
        {"i IN (NULL)", 'N'},
        {"i BETWEEN 6 AND n", 'F'},
        {"i BETWEEN n AND 4", 'F'},
        {"i BETWEEN 1 AND n", 'N'},
        {"n BETWEEN 1 AND 2", 'N'},
        {"n NOT BETWEEN 1 AND 2", 'N'},
        {"i + n > 0", 'N'},
        {"-n < 0", 'N'},
        {"abs(n) > 0", 'N'},
        {"coalesce(n, 7) = 7", 'T'},
        {"coalesce(n, n, i) = 5", 'T'},
        {"coalesce(n, NULL) IS NULL", 'T'},
        {"coalesce(i, 1.5) = 5", 'T'},
        {"coalesce(n, 1.25, i) = 1.25", 'T'},
    };
    struct row_value values[] = {{.i64 = 5}, {.null = true}};

    CHECK_ALL("i int, n bigint", values, cases);
}

Test(rule_eval, operators_bind_as_in_sql)
{
    static const struct outcome_case cases[] = {
        {"a + b * 2 = 7", 'T'},
        {"(a + b) * 2 = 8", 'T'},
        {"a - b - 1 = -3", 'T'},
        {"b % 2 * 4 = 4", 'T'},
        {"- a + 2 = 1", 'T'},
        {"-(-a) = +1", 'T'},
        {"- -a = 1", 'T'},
        {"NOT a = 1 OR b = 3", 'T'},
        {"NOT (a = 1 OR b = 3)", 'F'},
        {"a = 1 OR a = 2 AND b = 9", 'T'},
        {"(a = 1 OR a = 2) AND b = 9", 'F'},
        {"a BETWEEN 0 AND 2 AND b = 3", 'T'},
        {"a BETWEEN 0 AND 2 AND b = 4", 'F'},
        {"NOT a BETWEEN 2 AND 3", 'T'},
        {"a NOT IN (2, 3) AND NOT b IN (2)", 'T'},
        {"a < b = TRUE", 'T'},
        {"7 > a", 'T'},
        {"7 < a", 'F'},
        {"1 >= a", 'T'},
        {"a == 1 and b != 2 AND b <> 2 And not False", 'T'},
    };
    struct row_value values[] = {{.i64 = 1}, {.i64 = 3}};

    CHECK_ALL("a int, b int", values, cases);
}

Test(rule_eval, numbers_are_exact)
{
    static const struct outcome_case cases[] = {
        {"d = 0.30", 'T'},
        {"d = 0.1 + 0.2", 'T'},
        {"d * 3 = 0.9", 'T'},
        {"d < 0.3000000000000000000000001", 'T'},
        {"d > 0.2999999999999999999999999", 'T'},
        {"big > 9223372036854775806", 'T'},
        {"big < 9223372036854775808", 'T'},
        {"big < 18446744073709551616", 'T'},
        {"big IN (18446744073709551615)", 'F'},
        {"big BETWEEN 0 AND 18446744073709551616", 'T'},
        {"big + 1 = 9223372036854775808", 'T'},
        {"big * big > 85070591730234615847396907784232501248", 'T'},
        {"big * big < 85070591730234615847396907784232501250", 'T'},
        {"big * big * big > 0", 'O'},
        {"wide + 1 > 0", 'O'},
        {"-wide - 1 < 0", 'O'},
        {"wide = 99999999999999999999999999999999999999", 'T'},
        {"wide > 0.5", 'T'},
        {"-wide < 0.00000000000000000000000000000000000001", 'T'},
        {"0.00000000000000000000000000000000000001 < wide", 'T'},
        {"d < wide", 'T'},
        {"d + wide > 0", 'O'},
        {"big % 10 = 7", 'T'},
        {"-big % 10 = -7", 'T'},
        {"d % 0.07 = 0.02", 'T'},
        {"big / 0 > 1", 'Z'},
        {"big % 0 > 1", 'Z'},
        {"d / 0.0 > 1", 'Z'},
        {"1e3 = 1000", 'T'},
        {"1.5e-2 = 0.015", 'T'},
        {"big > 1e300", 'F'},
        {"d IN (0.1, 0.3, 5)", 'T'},
        {"d IN (-0.3, 0.31)", 'F'},
        {"d BETWEEN 0.299 AND 0.3", 'T'},
        {"d NOT BETWEEN 0.301 AND 1", 'T'},
        {"-d = -0.3 AND abs(-d) = 0.3", 'T'},
        {"coalesce(d, wide) = 0.3", 'T'},
        {"coalesce(wide, d) > 0", 'O'},
    };
    struct row_value values[] = {
        {.decimal = 30},
        {.i64 = INT64_MAX},
        {.decimal = (row_i128)10000000000000000000u * 10000000000000000000u - 1}};

    CHECK_ALL("d decimal(5,2), big bigint, wide decimal(38,0)", values, cases);
}

Test(rule_eval, every_type_of_whole_number_compares_alike)
{
    static const char *const types[] = {"tinyint", "smallint", "int", "bigint"};
    static const struct outcome_case cases[] = {
        {"x = -7", 'T'},   {"x < 0", 'T'},        {"x > -7.5", 'T'},   {"x >= -7", 'T'},
        {"x > -7", 'F'},   {"x = -7.0", 'T'},     {"x IN (-7)", 'T'},  {"x <> -7", 'F'},
        {"x < 1e30", 'T'}, {"x / 2 = -3.5", 'T'}, {"x > -1e300", 'T'}, {"x % 4 = -3", 'T'},
    };
    struct row_value values[] = {{.i64 = -7}};
    char ddl[32];

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        (void)snprintf(ddl, sizeof(ddl), "x %s", types[i]);
        CHECK_ALL(ddl, values, cases);
    }
}

Test(rule_eval, floats_follow_sparks_order)
{
    static const struct outcome_case cases[] = {
        {"d = 0.1", 'T'},
        {"f = 0.1", 'F'},
        {"f = 0.5 OR f > 0.1", 'T'},
        {"nan = nan", 'T'},
        {"nan > 1e308", 'T'},
        {"nan > inf", 'T'},
        {"isnan(nan)", 'T'},
        {"isnan(d)", 'F'},
        {"isnan(none)", 'F'},
        {"inf > 1e308", 'T'},
        {"zero = 0", 'T'},
        {"zero < 0", 'F'},
        {"d / zero > 0", 'Z'},
        {"d % zero > 0", 'Z'},
        {"inf * 2 = inf", 'T'},
        {"-inf < -1e308", 'T'},
        {"abs(-inf) = inf", 'T'},
        {"d + 1 = 1.1", 'T'},
        {"d IN (0.1, 2)", 'T'},
        {"d IN (1, 2e0)", 'F'},
        {"d BETWEEN 0 AND 1", 'T'},
        {"1 > d", 'T'},
        {"d - 1 < 0", 'T'},
        {"5.5 % 2 - d > 1.39", 'T'},
        {"d * 10 = 1", 'T'},
        {"coalesce(none, 1) = 1", 'T'},
        {"-d = -0.1", 'T'},
    };
    struct row_value values[] = {{.f64 = 0.1},      {.f32 = 0.1f}, {.f64 = NAN},
                                 {.f64 = INFINITY}, {.f64 = -0.0}, {.null = true}};

    CHECK_ALL("d double, f float, nan double, inf double, zero double, none double", values, cases);
}

Test(rule_eval, exact_numbers_meet_doubles_rounded_once)
{
    /* 2^53 + 1 and 0.1 with 30 digits are no doubles: the nearest ones are compared. */
    static const struct outcome_case cases[] = {
        {"big = d", 'T'},
        {"big + 0 = d", 'T'},
        {"small = e", 'T'},
        {"d = 9007199254740993", 'T'},
        {"e = 0.100000000000000000000000000001", 'T'},
        {"big = 9007199254740992", 'F'},
    };
    struct row_value values[] = {{.i64 = 9007199254740993},
                                 {.f64 = 9007199254740992.0},
                                 {.decimal = (row_i128)10000000000000000u * 10000000000000u + 1},
                                 {.f64 = 0.1}};

    CHECK_ALL("big bigint, d double, small decimal(38,30), e double", values, cases);
}

Test(rule_eval, texts_are_bytes_in_order_and_characters_in_length)
{
    static const struct outcome_case cases[] = {
        {"s = 'Grüße'", 'T'},
        {"s <> 'Grüße'", 'F'},
        {"s > 'Gr'", 'T'},
        {"s < 'Grz'", 'F'},
        {"'Grüße' = s", 'T'},
        {"length(s) = 5", 'T'},
        {"length(empty) = 0", 'T'},
        {"empty = ''", 'T'},
        {"empty LIKE '%'", 'T'},
        {"empty LIKE '_%'", 'F'},
        {"length(s) < 5", 'F'},
        {"length(s) <> 5.5 AND length(s) < 5.5", 'T'},
        {"8 > length(s) AND length(none) IS NULL", 'T'},
        {"none LIKE 'x%'", 'N'},
        {"s LIKE 'Gr_%' AND s NOT LIKE 'Gru%'", 'T'},
        {"length(b) = 3", 'T'},
        {"b = X'00fF41'", 'T'},
        {"b > X'00'", 'T'},
        {"b > X'01'", 'F'},
        {"lower(s) = 'grüße'", 'T'},
        {"upper(s) = 'GRüßE'", 'T'},
        {"lower(s) = upper(s)", 'F'},
        {"lower(s) < upper(s)", 'F'},
        {"lower(s) IN ('a', 'grüße', 'z')", 'T'},
        {"lower(s) = lower('GRüßE')", 'T'},
        {"trim(spaced) = 'a b'", 'T'},
        {"length(trim(blank)) = 0", 'T'},
        {"quoted = 'it''s'", 'T'},
        {"s IN ('x', 'Grüße')", 'T'},
        {"s BETWEEN 'G' AND 'H'", 'T'},
        {"coalesce(none, 'x') = 'x'", 'T'},
        {"length(none) > 0", 'N'},
        {"lower(none) = 'a'", 'N'},
    };
    struct row_value values[] = {{.bytes = slice_str("Grüße")},
                                 {.bytes = SLICE_NULL},
                                 {.bytes = slice_of("\x00\xff\x41", 3)},
                                 {.bytes = slice_str("  a b ")},
                                 {.bytes = slice_str("   ")},
                                 {.bytes = slice_str("it's")},
                                 {.null = true}};

    CHECK_ALL("s string, empty string, b binary, spaced string, blank string, quoted string, "
              "none string",
              values, cases);
}

Test(rule_eval, dates_and_times_compare_with_their_literals)
{
    static const struct outcome_case cases[] = {
        {"day = DATE '2026-02-28'", 'T'},
        {"day < date '2026-03-01'", 'T'},
        {"day BETWEEN DATE '2026-01-01' AND DATE '2026-12-31'", 'T'},
        {"day IN (DATE '1970-01-01', DATE '2026-02-28')", 'T'},
        {"old = DATE '1969-12-31' AND old < DATE '1970-01-01'", 'T'},
        {"at = TIMESTAMP '2026-01-01T00:00:00.000001Z'", 'T'},
        {"at = TIMESTAMP '2026-01-01 01:30:00.000001+01:30'", 'T'},
        {"at > TIMESTAMP '2025-12-31T23:59Z'", 'T'},
        {"at < TIMESTAMP '2026-01-01T00:00:00.1-00:30'", 'T'},
        {"wall = TIMESTAMP_NTZ '1999-12-31 23:59:59.5'", 'T'},
        {"wall >= TIMESTAMP_NTZ '2000-01-01T00:00'", 'F'},
        {"`date` = day", 'T'},
        {"date = day", 'T'},
    };
    struct row_value values[] = {{.i64 = 20512},
                                 {.i64 = -1},
                                 {.i64 = 1767225600000001},
                                 {.i64 = 946684799500000},
                                 {.i64 = 20512}};

    CHECK_ALL("day date, old date, at timestamp, wall timestamp_ntz, date date", values, cases);
}

Test(rule_eval, the_left_side_of_and_and_or_spares_the_right_one)
{
    static const struct outcome_case cases[] = {
        {"b = 0 OR a / b > 1", 'T'},        {"b <> 0 AND a / b > 1", 'F'},
        {"a / b > 1 OR b = 0", 'Z'},        {"NULL OR a / b > 1", 'Z'},
        {"NULL AND a / b > 1", 'Z'},        {"coalesce(a, a / b) = 1", 'T'},
        {"coalesce(NULL, a / b) = 1", 'Z'}, {"a = 1 OR a / b > 1 OR a / b < 1", 'T'},
    };
    struct row_value values[] = {{.i64 = 1}, {.i64 = 0}};

    CHECK_ALL("a int, b int", values, cases);
}

/* ---- tests of one column: each has a form of its own ---- */

Test(rule_eval, whole_numbers_are_compared_up_to_the_ends_of_their_range)
{
    static const struct outcome_case cases[] = {
        {"low < -9223372036854775808", 'F'},
        {"low <= -9223372036854775808", 'T'},
        {"low = -9223372036854775808", 'T'},
        {"low <> -9223372036854775808", 'F'},
        {"low > -9223372036854775808", 'F'},
        {"low < -9223372036854775807", 'T'},
        {"high > 9223372036854775807", 'F'},
        {"high >= 9223372036854775807", 'T'},
        {"high < 9223372036854775807", 'F'},
        {"high > 9223372036854775806", 'T'},
        {"five <> 5", 'F'},
        {"five <> 4", 'T'},
        {"five < 6", 'T'},
        {"five < 5", 'F'},
        {"five > 4", 'T'},
        {"five > 5", 'F'},
        {"5 <= five", 'T'},
        {"6 <= five", 'F'},
        {"five BETWEEN 5 AND 5", 'T'},
        {"five BETWEEN 6 AND 4", 'F'},
        {"five NOT BETWEEN 1 AND 4", 'T'},
        {"none <> 5", 'N'},
        {"high > 9223372036854775808", 'F'},
        {"low < -9223372036854775809", 'F'},
        {"five > 0 AND high > 0 AND low < 0", 'T'},
        {"five > 0 AND high < 0 AND low < 0", 'F'},
        {"five > 0 AND none > 0", 'N'},
    };
    struct row_value values[] = {
        {.i64 = INT64_MIN}, {.i64 = INT64_MAX}, {.i64 = 5}, {.null = true}};

    CHECK_ALL("low bigint, high bigint, five int, none bigint", values, cases);
}

/* "n OP constant" is one test, "n + 0 OP constant" a program. */
Test(rule_eval, a_test_and_a_program_agree_for_every_operator)
{
    static const char *const operators[] = {"<", "<=", "=", "<>", ">=", ">"};
    static const int64_t numbers[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    char test[80], program[80];

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        for (size_t k = 0; k < ARRAY_LEN(numbers) * ARRAY_LEN(operators); k++) {
            const char *op = operators[k % ARRAY_LEN(operators)];
            long long constant = numbers[k / ARRAY_LEN(operators)];
            struct row_value values[] = {{.i64 = numbers[i]}};
            (void)snprintf(test, sizeof(test), "n %s %lld", op, constant);
            (void)snprintf(program, sizeof(program), "n + 0 %s %lld", op, constant);
            cr_assert_eq(help_outcome("n bigint", test, values),
                         help_outcome("n bigint", program, values));
        }
}

Test(rule_eval, floats_and_doubles_are_compared_with_nan_above_all)
{
    static const struct outcome_case cases[] = {
        {"f >= 1.5", 'T'},
        {"f > 1.5", 'F'},
        {"f < 2", 'T'},
        {"f = 1.5", 'T'},
        {"f <> 1.5", 'F'},
        {"f BETWEEN 1 AND 2", 'T'},
        {"f BETWEEN 1.5 AND 1.5", 'T'},
        {"f BETWEEN 2 AND 3", 'F'},
        {"d BETWEEN -100 AND 1000", 'T'},
        {"d BETWEEN 0 AND 1000", 'F'},
        {"d = -0.25", 'T'},
        {"nan > 1e308", 'T'},
        {"nan BETWEEN 0 AND 1e308", 'F'},
        {"nan <= 1e308", 'F'},
        {"none BETWEEN 0 AND 1", 'N'},
        {"none > 0", 'N'},
        {"zero = 0", 'T'},
        {"zero BETWEEN 0 AND 1", 'T'},
    };
    struct row_value values[] = {
        {.f32 = 1.5f}, {.f64 = -0.25}, {.f64 = NAN}, {.null = true}, {.f64 = -0.0}};

    CHECK_ALL("f float, d double, nan double, none double, zero double", values, cases);
}

Test(rule_eval, lengths_count_characters_and_not_bytes)
{
    static const struct outcome_case cases[] = {
        {"length(two) = 2", 'T'},    {"length(two) <= 2", 'T'},   {"length(two) > 2", 'F'},
        {"length(two) >= 2", 'T'},   {"length(two) < 3", 'T'},    {"length(two) <> 2", 'F'},
        {"length(two) <> 8", 'T'},   {"length(two) <= 1", 'F'},   {"length(empty) = 0", 'T'},
        {"length(empty) > 0", 'F'},  {"length(empty) <= 5", 'T'}, {"length(none) <= 5", 'N'},
        {"length(plain) = 6", 'T'},  {"length(plain) < 6", 'F'},  {"length(plain) >= 1", 'T'},
        {"length(plain) <> 6", 'F'},
    };
    struct row_value values[] = {{.bytes = slice_str("\xf0\x9f\x8c\xb1\xf0\x9f\x8c\xbf")},
                                 {.bytes = SLICE_NULL},
                                 {.null = true},
                                 {.bytes = slice_str("abcdef")}};

    CHECK_ALL("two string, empty string, none string, plain string", values, cases);
}

Test(rule_eval, a_pattern_that_is_only_a_beginning_is_one)
{
    static const struct outcome_case cases[] = {
        {"url LIKE 'http%'", 'T'},     {"url LIKE 'https%'", 'F'},
        {"url LIKE '%'", 'T'},         {"empty LIKE '%'", 'T'},
        {"empty LIKE 'h%'", 'F'},      {"none LIKE '%'", 'N'},
        {"url LIKE 'http://a%'", 'T'}, {"url LIKE 'http://a/%'", 'F'},
        {"url LIKE 'http'", 'F'},      {"url LIKE 'http%%'", 'T'},
        {"url LIKE 'h_tp%'", 'T'},     {"url LIKE '%a'", 'T'},
        {"url NOT LIKE 'ftp%'", 'T'},  {"empty = ''", 'T'},
        {"empty <> ''", 'F'},          {"url = 'http://a'", 'T'},
        {"url <> 'http://b'", 'T'},
    };
    struct row_value values[] = {
        {.bytes = slice_str("http://a")}, {.bytes = SLICE_NULL}, {.null = true}};

    CHECK_ALL("url string, empty string, none string", values, cases);
}

Test(rule_eval, a_set_tells_which_of_mixed_rules_fail)
{
    struct row_schema *s = help_schema("a int, b string, c double");
    struct rule_text texts[] = {help_text("r0", "a > 1 AND b IS NOT NULL"),
                                help_text("r1", "a > 1 OR c > 1"),
                                help_text("r2", "c < 0"),
                                help_text("r3", "a + 1 = 4"),
                                help_text("r4", "b LIKE 'x%' AND a < 3"),
                                help_text("r5", "c IS NULL")};
    struct row_value values[] = {{.i64 = 3}, {.bytes = slice_str("xyz")}, {.f64 = 0.5}};
    struct rule_set *set = NULL;

    cr_assert_eq(rule_set_new(s, texts, ARRAY_LEN(texts), &set, NULL), 0);
    cr_assert_eq(rule_set_check(set, values), 1u << 2 | 1u << 4 | 1u << 5);
    values[0].i64 = 1;
    cr_assert_eq(rule_set_check(set, values), 1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 5);
    set = rule_set_unref(set);
    s = row_schema_unref(s);
}
