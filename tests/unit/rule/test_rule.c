/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "base/limits.h"

#define ROW_DDL "price decimal(8,2), sku string, at timestamp, qty int"

static const struct row_value good_row[] = {
    {.decimal = 1250}, {.bytes = {(const uint8_t *)"A-1", 3}}, {.i64 = 0}, {.i64 = 3}};

Test(rule_set, gives_one_bit_for_each_rule_that_fails)
{
    struct row_schema *s = help_schema(ROW_DDL);
    struct rule_text rules[] = {
        {slice_str("positive"), RULE_REJECT, slice_str("price > 0")},
        {slice_str("short"), RULE_WARN, slice_str("length(sku) <= 2")},
        {slice_str("many"), RULE_DROP, slice_str("qty > 10")},
        {slice_str("known"), RULE_QUARANTINE, slice_str("sku IS NOT NULL")},
    };
    struct rule_set *set = NULL;
    struct row_value bad[] = {{.null = true}, {.null = true}, {.null = true}, {.i64 = 11}};

    cr_assert_eq(rule_set_new(s, rules, 4, &set, NULL), 0);

    cr_assert_eq(rule_set_check(set, good_row), 2 + 4);
    cr_assert_eq(rule_set_check(set, bad), 1 + 2 + 8);
    cr_assert_eq(rule_set_with(set, RULE_WARN), 2);
    cr_assert_eq(rule_set_with(set, RULE_REJECT), 1);
    cr_assert_eq(rule_set_deciding(set, 2 + 4), 2);
    cr_assert_eq(rule_set_deciding(set, 1 + 2 + 8), 0);
    cr_assert_eq(rule_set_deciding(set, 2 + 8), 3);
    cr_assert_eq(rule_set_deciding(set, 2), 1);
    cr_assert_eq(rule_set_count(set), 4);
    cr_assert(slice_eq(rule_set_text(set, 2)->name, slice_str("many")));
    cr_assert(slice_eq(rule_set_text(set, 2)->predicate, slice_str("qty > 10")));
    cr_assert_eq(rule_set_text(set, 2)->action, RULE_DROP);
    cr_assert_null(rule_set_unref(set));
    row_schema_unref(s);
}

Test(rule_set, knows_which_columns_it_reads)
{
    struct row_schema *s = help_schema(ROW_DDL);
    struct rule_text rules[] = {help_text("a", "PRICE > 0"), help_text("b", "`At` IS NULL")};
    struct rule_set *set = NULL, *none = NULL;

    cr_assert_eq(rule_set_new(s, rules, 2, &set, NULL), 0);
    cr_assert_eq(rule_set_new(s, NULL, 0, &none, NULL), 0);

    cr_assert(rule_set_reads(set, 0) && rule_set_reads(set, 2));
    cr_assert(!rule_set_reads(set, 1) && !rule_set_reads(set, 3));
    cr_assert(!rule_set_reads(none, 0));
    cr_assert_eq(rule_set_check(none, NULL), 0);
    rule_set_unref(set);
    rule_set_unref(none);
    row_schema_unref(s);
}

Test(rule_set, lives_as_long_as_somebody_holds_it_and_keeps_its_texts)
{
    struct row_schema *s = help_schema(ROW_DDL);
    char name[] = "r", predicate[] = "sku = 'A-1'";
    struct rule_text t = help_text(name, predicate);
    struct rule_set *set = NULL;

    cr_assert_eq(rule_set_new(s, &t, 1, &set, NULL), 0);
    memset(predicate, 'x', sizeof(predicate) - 1);
    name[0] = 'x';
    row_schema_unref(s);
    rule_set_ref(set);
    rule_set_unref(set);

    cr_assert_eq(rule_set_check(set, good_row), 0);
    cr_assert(slice_eq(rule_set_text(set, 0)->name, slice_str("r")));
    rule_set_unref(set);
    cr_assert_null(rule_set_unref(NULL));
}

Test(rule_set, refuses_names_and_numbers_of_rules_that_do_not_fit)
{
    struct row_schema *s = help_schema(ROW_DDL);
    struct rule_set *set = NULL;
    struct err e = {0};
    char long_name[RULE_NAME_BYTES_MAX + 2] = {0}, names[RULES_PER_TABLE_MAX + 1][16];
    static char long_text[RULE_PREDICATE_BYTES_MAX + 2];
    struct rule_text rules[RULES_PER_TABLE_MAX + 1], one;
    memset(long_name, 'n', sizeof(long_name) - 1);
    memset(long_text, ' ', sizeof(long_text) - 1);
    memcpy(long_text, "qty > 1", 7);
    const struct {
        const char *name, *text;
        int r;
        const char *says;
    } cases[] = {
        {"", "qty > 1", ERR_INVALID, "\"\" is no name for a rule"},
        {"1st", "qty > 1", ERR_INVALID, "\"1st\" is no name for a rule"},
        {"a-b", "qty > 1", ERR_INVALID, "\"a-b\" is no name for a rule"},
        {"a\nb", "qty > 1", ERR_INVALID, "\"a?b\" is no name for a rule"},
        {long_name, "qty > 1", ERR_INVALID, "is no name for a rule"},
        {"r", long_text, ERR_INVALID, "rule \"r\": the predicate has 4097 bytes, at most 4096"},
        {"r", "qty > 1 -- \xff", ERR_INVALID, "rule \"r\": the predicate is not UTF-8 text"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        one = help_text(cases[i].name, cases[i].text);
        cr_assert_eq(rule_set_new(s, &one, 1, &set, &e), cases[i].r);
        if (strstr(e.text, cases[i].says) == NULL)
            fprintf(stderr, "%s: %s\n", cases[i].name, e.text);
        cr_assert_not_null(strstr(e.text, cases[i].says));
    }
    for (int i = 0; i <= RULES_PER_TABLE_MAX; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "r%d", i);
        rules[i] = help_text(names[i], "qty > 1");
    }
    cr_assert_eq(rule_set_new(s, rules, RULES_PER_TABLE_MAX + 1, &set, &e), ERR_INVALID);
    cr_assert_str_eq(e.text, "a table has at most 64 rules, not 65");
    rules[1].name = slice_str("R0");
    cr_assert_eq(rule_set_new(s, rules, 2, &set, &e), ERR_INVALID);
    cr_assert_str_eq(e.text, "two rules have the name \"R0\"");
    rules[1].name = slice_str("r1");
    cr_assert_eq(rule_set_new(s, rules, RULES_PER_TABLE_MAX, &set, &e), 0);
    struct row_value few[] = {{.null = true}, {.null = true}, {.null = true}, {.i64 = 1}};
    cr_assert_eq(rule_set_check(set, few), UINT64_MAX);
    rule_set_unref(set);
    row_schema_unref(s);
}

Test(rule_text, is_an_action_and_a_predicate)
{
    struct rule_text t;
    struct err e = {0};
    static const char *const bad[] = {"", "price > 0", ": price > 0", "stop: price > 0",
                                      "warn price > 0"};

    cr_assert_eq(
        rule_text_parse(slice_str("r"), slice_str(" Quarantine :\n at < TIMESTAMP 'x:y' "), &t, &e),
        0);
    cr_assert_eq(t.action, RULE_QUARANTINE);
    cr_assert(slice_eq(t.predicate, slice_str("at < TIMESTAMP 'x:y'")));
    for (int a = RULE_WARN; a <= RULE_REJECT; a++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "%s:", rule_action_name((enum rule_action)a));
        cr_assert_eq(rule_text_parse(slice_str("r"), slice_str(text), &t, &e), 0);
        cr_assert_eq(t.action, (enum rule_action)a);
        cr_assert_eq(t.predicate.len, 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_assert_eq(rule_text_parse(slice_str("r"), slice_str(bad[i]), &t, &e), ERR_INVALID);
        cr_assert_str_eq(e.text, "rule \"r\": \"ACTION: PREDICATE\" is expected, with warn, drop, "
                                 "quarantine or reject before the colon");
    }
}

Test(rule_explain, says_rule_predicate_outcome_and_values)
{
    static const struct {
        const char *predicate, *says, *field;
    } cases[] = {
        {"price > 0", "rule \"r\": price > 0 is FALSE for price = -12.50", "price"},
        {"PRICE>0\nAND sku='x'",
         "rule \"r\": PRICE>0?AND sku='x' is FALSE for price = -12.50, "
         "sku = 'it's?new'",
         "price"},
        {"qty > 0", "rule \"r\": qty > 0 is NULL for qty = NULL", "qty"},
        {"price / (price + 12.5) > 1",
         "rule \"r\": price / (price + 12.5) > 1 divides by zero for price = -12.50", "price"},
        {"at < TIMESTAMP '2020-01-01T00:00Z'",
         "rule \"r\": at < TIMESTAMP '2020-01-01T00:00Z' is FALSE for at = "
         "2026-01-01T00:00:00.000001Z",
         "at"},
        {"1 = 2", "rule \"r\": 1 = 2 is FALSE", ""},
    };
    struct row_value values[] = {{.decimal = -1250},
                                 {.bytes = slice_str("it's\nnew")},
                                 {.i64 = 1767225600000001},
                                 {.null = true}};
    struct row_schema *s = help_schema(ROW_DDL);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = {0};
        struct rule_set *set = help_rule(s, cases[i].predicate, &e);
        cr_assert_not_null(set);
        cr_assert_eq(rule_set_explain(set, 0, values, &e), ERR_INVALID);
        if (strcmp(e.text, cases[i].says) != 0)
            fprintf(stderr, "%s\n", e.text);
        cr_assert_str_eq(e.text, cases[i].says);
        cr_assert_str_eq(e.field, cases[i].field);
        rule_set_unref(set);
    }
    row_schema_unref(s);
}

Test(rule_explain, cuts_long_texts_between_characters)
{
    struct row_schema *s = help_schema("s string, b binary");
    struct err e = {0};
    struct rule_set *set = help_rule(s, "s = 'x' OR b = X''", &e);
    struct buf text = BUF_NULL;
    for (int i = 0; i < 100; i++)
        buf_add_str(&text, "ü-");
    struct row_value values[] = {{.bytes = buf_slice(&text)}, {.bytes = buf_slice(&text)}};

    cr_assert_eq(rule_set_explain(set, 0, values, &e), ERR_INVALID);

    cr_assert_str_eq(e.text, "rule \"r\": s = 'x' OR b = X'' is FALSE for "
                             "s = 'ü-ü-ü-ü-ü-ü-ü-ü-ü-ü-ü-ü-ü-...', "
                             "b = X'c3bc2dc3bc2dc3bc2dc3bc2dc3bc2dc3bc2dc3bc...'");
    buf_deinit(&text);
    rule_set_unref(set);
    row_schema_unref(s);
}
