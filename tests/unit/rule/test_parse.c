/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "base/limits.h"

#define DDL                                                                                        \
    "i int, d double, n decimal(5,2), w decimal(38,20), s string, b binary, t boolean, day date, " \
    "at timestamp, wall timestamp_ntz"

static int parse(const char *predicate, struct err *e)
{
    struct row_schema *s = help_schema(DDL);
    struct rule_text t = help_text("r", predicate);
    struct rule_set *set = NULL;
    int r = rule_set_new(s, &t, 1, &set, e);
    rule_set_unref(set);
    row_schema_unref(s);
    return r;
}

static const struct {
    const char *predicate, *says;
} refused[] = {
    {"", "at the predicate's end: a column, a literal or a function is expected"},
    {"   ", "at the predicate's end: a column, a literal or a function is expected"},
    {"i", "byte 1, at \"i\": a predicate is a BOOLEAN, this is INTEGER/DECIMAL"},
    {"NULL", "byte 1, at \"NULL\": a predicate is a BOOLEAN, this is NULL"},
    {"i >", "at the predicate's end: a column, a literal or a function is expected"},
    {"i > > 1", "byte 5, at \"> 1\": a column, a literal or a function is expected"},
    {"i > 1 2", "byte 7, at \"2\": an operator or the end is expected"},
    {"i > 1)", "byte 6, at \")\": an operator or the end is expected"},
    {"(i > 1", "at the predicate's end: ) is expected"},
    {"nope > 1", "byte 1, at \"nope > 1\": no column has this name"},
    {"`nope` > 1", "byte 1, at \"`nope` > 1\": no column has this name"},
    {"and", "byte 1, at \"and\": a column, a literal or a function is expected"},
    {"i > 1 AND", "at the predicate's end: a column, a literal or a function is expected"},
    {"i AND t", "byte 1, at \"i AND t\": a BOOLEAN is expected here, not INTEGER/DECIMAL"},
    {"t AND s", "byte 7, at \"s\": a BOOLEAN is expected here, not STRING"},
    {"t OR i", "byte 6, at \"i\": a BOOLEAN is expected here, not INTEGER/DECIMAL"},
    {"NOT i", "byte 5, at \"i\": a BOOLEAN is expected here, not INTEGER/DECIMAL"},
    {"i IS TRUE", "byte 1, at \"i IS TRUE\": a BOOLEAN is expected here, not INTEGER/DECIMAL"},
    {"i IS 5", "byte 6, at \"5\": NULL, TRUE or FALSE is expected"},
    {"i IS NOT", "at the predicate's end: NULL, TRUE or FALSE is expected"},
    {"i = 's'", "byte 3, at \"= 's'\": INTEGER/DECIMAL is not comparable with STRING"},
    {"b = 's'", "byte 3, at \"= 's'\": BINARY is not comparable with STRING"},
    {"day > '2026-01-01'",
     "byte 5, at \"> '2026-01-01'\": DATE is not comparable with STRING; write DATE '...'"},
    {"'x' > at",
     "byte 5, at \"> at\": TIMESTAMP is not comparable with STRING; write TIMESTAMP '...'"},
    {"day > at", "byte 5, at \"> at\": DATE is not comparable with TIMESTAMP"},
    {"at > wall", "byte 4, at \"> wall\": TIMESTAMP is not comparable with TIMESTAMP_NTZ"},
    {"i < 1 < 2", "byte 7, at \"< 2\": BOOLEAN is not comparable with INTEGER/DECIMAL"},
    {"s + 1 = 2", "byte 3, at \"+ 1 = 2\": arithmetic takes numbers, not STRING"},
    {"1 * day = 2", "byte 3, at \"* day = 2\": arithmetic takes numbers, not DATE"},
    {"-s = 2", "byte 1, at \"-s = 2\": arithmetic takes numbers, not STRING"},
    {"w * w > 0",
     "byte 3, at \"* w > 0\": the product would have 40 digits behind the point, at most 38"},
    {"i BETWEEN 1", "at the predicate's end: BETWEEN needs AND and an upper bound"},
    {"i BETWEEN 1 AND 'x'",
     "byte 3, at \"BETWEEN 1 AND 'x'\": INTEGER/DECIMAL is not comparable with STRING"},
    {"i NOT 5", "byte 7, at \"5\": BETWEEN, IN or LIKE is expected after NOT"},
    {"i IN 5", "byte 6, at \"5\": ( is expected"},
    {"i IN ()", "byte 7, at \")\": a literal is expected"},
    {"i IN (1, d)", "byte 10, at \"d)\": a literal is expected"},
    {"i IN (1, -x)", "byte 11, at \"x)\": a number is expected"},
    {"i IN (1 2)", "byte 9, at \"2)\": ) is expected"},
    {"i IN (1, 'x')", "byte 3, at \"IN (1, 'x')\": INTEGER/DECIMAL is not comparable with STRING"},
    {"i IN (99999999999999999999999999999999999999, 0.00001)",
     "byte 3, at \"IN (99999999999999999999\": the numbers of the list differ by too many "
     "digits"},
    {"i LIKE 'x'", "byte 3, at \"LIKE 'x'\": LIKE takes a STRING, not INTEGER/DECIMAL"},
    {"s LIKE s", "byte 8, at \"s\": a pattern in single quotes is expected"},
    {"s LIKE 'a\\b'", "byte 8, at \"'a\\b'\": behind the pattern's escape character \\ only %, "
                      "_ or itself may stand"},
    {"s LIKE 'a!' ESCAPE '!'", "byte 8, at \"'a!' ESCAPE '!'\": behind the pattern's escape "
                               "character ! only %, _ or itself may stand"},
    {"s LIKE 'a' ESCAPE 'ab'",
     "byte 8, at \"'a' ESCAPE 'ab'\": ESCAPE takes one ASCII character, neither % nor _"},
    {"s LIKE 'a' ESCAPE '_'",
     "byte 8, at \"'a' ESCAPE '_'\": ESCAPE takes one ASCII character, neither % nor _"},
    {"s LIKE 'a' ESCAPE 5", "byte 19, at \"5\": a character in single quotes is expected"},
    {"nofun(i) > 1", "byte 1, at \"nofun(i) > 1\": no function has this name (there are "
                     "length, size, abs, lower, upper, trim, isnan, coalesce)"},
    {"length(i) > 1",
     "byte 8, at \"i) > 1\": length() takes a STRING or BINARY, not INTEGER/DECIMAL"},
    {"length() > 1", "byte 8, at \") > 1\": a column, a literal or a function is expected"},
    {"length(s, s) > 1", "byte 9, at \", s) > 1\": ) is expected"},
    {"size(s) > 1", "byte 6, at \"s) > 1\": size() takes an ARRAY or MAP, not STRING"},
    {"abs(s) > 1", "byte 5, at \"s) > 1\": abs() takes a number, not STRING"},
    {"lower(b) = 'x'", "byte 7, at \"b) = 'x'\": lower() takes a STRING, not BINARY"},
    {"isnan(i)", "byte 7, at \"i)\": isnan() takes a DOUBLE or FLOAT, not INTEGER/DECIMAL"},
    {"coalesce(i, s) > 1",
     "byte 13, at \"s) > 1\": coalesce() takes values of one flat type, not STRING"},
    {"i.x > 1", "byte 2, at \".x > 1\": INTEGER/DECIMAL has no fields"},
    {"i[0] > 1", "byte 2, at \"[0] > 1\": INTEGER/DECIMAL has no elements"},
    {"s = 'x", "byte 5, at \"'x\": the closing quote is missing"},
    {"`s = 'x'", "byte 1, at \"`s = 'x'\": the closing quote is missing"},
    {"s = \"x\"", "byte 5, at \"\"x\"\": texts stand in single quotes, names in backquotes"},
    {"i > 1;", "byte 6, at \";\": a predicate has no semicolon"},
    {"i > 1 & 2", "byte 7, at \"& 2\": no word begins with this"},
    {"i > 1x", "byte 6, at \"x\": the number before this is not a number, nor a name"},
    {"i > 1e", "at the predicate's end: the number's exponent is expected"},
    {"i > 1e+x", "byte 8, at \"x\": the number's exponent is expected"},
    {"i > 1e400", "byte 5, at \"1e400\": the number is too large for a DOUBLE"},
    {"i > 123456789012345678901234567890123456789",
     "byte 5, at \"123456789012345678901234\": a number has at most 38 digits"},
    {"b = X'0'", "byte 6, at \"'0'\": pairs of hexadecimal digits are expected in X''"},
    {"b = X'0g'", "byte 6, at \"'0g'\": pairs of hexadecimal digits are expected in X''"},
    {"day > DATE '2026-02-29'", "byte 12, at \"'2026-02-29'\": a date 'YYYY-MM-DD' is expected"},
    {"at > TIMESTAMP '2026-01-01T00:00:00'",
     "byte 16, at \"'2026-01-01T00:00:00'\": a time 'YYYY-MM-DDTHH:MM[:SS[.ffffff]]' with Z or "
     "+HH:MM at its end is expected"},
    {"wall > TIMESTAMP_NTZ '2026-01-01T00:00:00Z'",
     "byte 22, at \"'2026-01-01T00:00:00Z'\": a time 'YYYY-MM-DDTHH:MM[:SS[.ffffff]]' without "
     "a zone is expected"},
};

Test(rule_parse, says_the_byte_and_what_is_expected)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct err e = {0};
        char whole[ERR_TEXT_MAX];
        int r = parse(refused[i].predicate, &e);
        (void)snprintf(whole, sizeof(whole), "rule \"r\": %s", refused[i].says);
        if (r != ERR_INVALID || strcmp(e.text, whole) != 0)
            fprintf(stderr, "%s: %d %s\n", refused[i].predicate, r, e.text);
        cr_assert_eq(r, ERR_INVALID);
        cr_assert_str_eq(e.text, whole);
    }
}

Test(rule_parse, takes_what_is_just_within_its_limits)
{
    struct buf text = BUF_NULL;
    struct err e = {0};
    for (int depth = RULE_DEPTH_MAX; depth <= RULE_DEPTH_MAX + 1; depth++) {
        static const char *const opens[] = {"(", "NOT ", "- "}, *const ends[] = {")", "", ""};
        for (size_t k = 0; k < ARRAY_LEN(opens); k++) {
            buf_reset(&text);
            buf_add_str(&text, k == 2 ? "i = " : "");
            for (int i = 0; i < depth; i++)
                buf_add_str(&text, opens[k]);
            buf_add_str(&text, k == 2 ? "i" : "t");
            for (int i = 0; i < depth; i++)
                buf_add_str(&text, ends[k]);
            int r = parse(buf_cstr(&text), &e);
            cr_assert_eq(r, depth == RULE_DEPTH_MAX ? 0 : ERR_INVALID);
        }
    }
    cr_assert_not_null(strstr(e.text, "nesting is at most 32 levels deep"));
    for (int count = RULE_LIST_MAX; count <= RULE_LIST_MAX + 1; count++) {
        buf_reset(&text);
        buf_add_str(&text, "i IN (0");
        for (int i = 1; i < count; i++)
            buf_printf(&text, ", %d", i * 7 % 256);
        buf_add_str(&text, ")");
        cr_assert_eq(parse(buf_cstr(&text), &e), count == RULE_LIST_MAX ? 0 : ERR_INVALID);
    }
    cr_assert_not_null(strstr(e.text, "a list holds at most 256 values"));
    for (int len = RULE_PATTERN_BYTES_MAX; len <= RULE_PATTERN_BYTES_MAX + 1; len++) {
        buf_reset(&text);
        buf_printf(&text, "s LIKE '%0*d'", len, 0);
        cr_assert_eq(parse(buf_cstr(&text), &e), len == RULE_PATTERN_BYTES_MAX ? 0 : ERR_INVALID);
    }
    cr_assert_not_null(strstr(e.text, "a pattern has at most 256 bytes"));
    buf_deinit(&text);
}

/* The stack's own limit: each level keeps a value, a sum, a comparison and an AND waiting. */
Test(rule_parse, refuses_a_text_that_needs_too_much_stack)
{
    struct buf text = BUF_NULL;
    struct err e = {0};
    for (int i = 0; i < 30; i++)
        buf_add_str(&text, "t AND t = (");
    buf_add_str(&text, "t");
    for (int i = 0; i < 30; i++)
        buf_add_str(&text, ")");
    cr_assert_eq(parse(buf_cstr(&text), &e), 0);

    buf_reset(&text);
    for (int i = 0; i < 30; i++)
        buf_add_str(&text, "t OR t AND t = (");
    buf_add_str(&text, "t");
    for (int i = 0; i < 30; i++)
        buf_add_str(&text, ")");
    cr_assert_eq(parse(buf_cstr(&text), &e), ERR_INVALID);
    cr_assert_not_null(strstr(e.text, "the predicate is too deeply nested"));
    buf_deinit(&text);
}

Test(rule_parse, words_are_names_where_nothing_else_fits)
{
    struct row_schema *s = help_schema("length int, x int, date date, `like` int");
    static const char *const good[] = {"length > 1", "x = 1 AND X = 1", "date IS NULL",
                                       "`like` > 0", "abs(length) > 0"};
    struct err e = {0};

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct rule_set *set = help_rule(s, good[i], &e);
        if (set == NULL)
            fprintf(stderr, "%s: %s\n", good[i], e.text);
        cr_assert_not_null(set);
        rule_set_unref(set);
    }
    cr_assert_null(help_rule(s, "like > 0", &e));
    row_schema_unref(s);
}
