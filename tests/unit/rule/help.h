/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the tests of rule share: one rule against one row. */

#include "rule/rule.h"

#include "test.h"

#include <stdio.h>

static inline struct row_schema *help_schema(const char *ddl)
{
    struct row_schema *s = NULL;
    struct err e = {0};
    if (row_schema_parse(slice_str(ddl), NULL, 0, &s, &e) != 0)
        fprintf(stderr, "%s: %s\n", ddl, e.text);
    cr_assert_not_null(s);
    return s;
}

static inline struct rule_text help_text(const char *name, const char *predicate)
{
    return (struct rule_text){slice_str(name), RULE_REJECT, slice_str(predicate)};
}

/* One rule named r; NULL with the reason in @e. */
static inline struct rule_set *help_rule(struct row_schema *s, const char *predicate, struct err *e)
{
    struct rule_text t = help_text("r", predicate);
    struct rule_set *set = NULL;
    if (rule_set_new(s, &t, 1, &set, e) != 0)
        return NULL;
    return set;
}

/* 'T' satisfied; 'F' FALSE; 'N' NULL; 'O' overflow; 'Z' divided by zero; 'I' no such element; '?'
 * not a predicate. */
static inline char help_outcome(const char *ddl, const char *predicate,
                                const struct row_value *values)
{
    struct row_schema *s = help_schema(ddl);
    struct err e = {0};
    struct rule_set *set = help_rule(s, predicate, &e);
    char outcome = '?';
    if (set != NULL && rule_set_check(set, values) == 0) {
        (void)rule_set_explain(set, 0, values, &e);
        outcome = strstr(e.text, " is TRUE") != NULL ? 'T' : '!'; /* both ways agree */
    } else if (set != NULL) {
        cr_assert_eq(rule_set_explain(set, 0, values, &e), ERR_INVALID);
        outcome = strstr(e.text, " is FALSE") != NULL      ? 'F'
                  : strstr(e.text, " is NULL for") != NULL ? 'N'
                  : strstr(e.text, " 38 digits") != NULL   ? 'O'
                  : strstr(e.text, " by zero") != NULL     ? 'Z'
                  : strstr(e.text, " an element ") != NULL ? 'I'
                  : strstr(e.text, " is NULL") != NULL     ? 'N'
                                                           : '!';
    } else {
        fprintf(stderr, "%s: %s\n", predicate, e.text);
    }
    rule_set_unref(set);
    row_schema_unref(s);
    return outcome;
}
