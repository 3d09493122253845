/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#define DDL                                                                                        \
    "a STRUCT<street: STRING, geo: STRUCT<lat: DOUBLE, `Alt`: INT>>, gone STRUCT<x: INT>, "        \
    "tags ARRAY<STRING>, points ARRAY<STRUCT<x: INT, y: INT>>, none ARRAY<INT>, "                  \
    "attrs MAP<STRING, STRING>, counts MAP<INT, INT>, v VARIANT, b ARRAY<BINARY>"

static const struct row_value geo[] = {{.f64 = 48.5}, {.i64 = 300}};
static const struct row_value street[] = {{.bytes = {(const uint8_t *)"Main St", 7}},
                                          {.item_count = 2, .items = geo}};
static const struct row_value tags[] = {{.bytes = {(const uint8_t *)"new", 3}}, {.null = true}};
static const struct row_value p0[] = {{.i64 = 1}, {.i64 = 2}}, p1[] = {{.i64 = 3}, {.null = true}};
static const struct row_value points[] = {
    {.item_count = 2, .items = p0}, {.item_count = 2, .items = p1}, {.null = true}};
static const struct row_value attrs[] = {{.bytes = {(const uint8_t *)"env", 3}},
                                         {.bytes = {(const uint8_t *)"prod", 4}},
                                         {.bytes = {(const uint8_t *)"zone", 4}},
                                         {.null = true}};
static const struct row_value counts[] = {{.i64 = -150}, {.i64 = 7}};

static const struct row_value values[] = {
    {.item_count = 2, .items = street},
    {.null = true},
    {.item_count = 2, .items = tags},
    {.item_count = 3, .items = points},
    {.item_count = 0},
    {.item_count = 4, .items = attrs},
    {.item_count = 2, .items = counts},
    {.bytes = {(const uint8_t *)"\x01\x00\x00\x00", 4}},
    {.null = true},
};

Test(rule_nested, fields_elements_and_keys_are_reached)
{
    static const struct {
        const char *predicate;
        char outcome;
    } cases[] = {
        {"a.street = 'Main St'", 'T'},
        {"A.Street LIKE 'Main%' AND a.geo.lat BETWEEN -90 AND 90", 'T'},
        {"a.`geo`.ALT > 500", 'F'},
        {"a.geo.alt IN (100, 300)", 'T'},
        {"a IS NOT NULL AND gone IS NULL", 'T'},
        {"gone.x = 1", 'N'},
        {"gone.x IS NULL", 'T'},
        {"size(tags) = 2 AND size(none) = 0", 'T'},
        {"size(b) = 0", 'N'},
        {"tags[0] = 'new'", 'T'},
        {"tags[1] IS NULL", 'T'},
        {"tags[2] IS NULL", 'I'},
        {"tags[-1] = 'new'", 'I'},
        {"size(tags) > 2 AND tags[2] = 'x'", 'F'},
        {"b[0] = X'00'", 'N'},
        {"tags[NULL] = 'x'", '?'},
        {"points[0].x + points[1].x = 4", 'T'},
        {"points[points[0].x].x = 3", 'T'},
        {"points[1].y = 2", 'N'},
        {"points[2].y = 2", 'N'},
        {"attrs['env'] = 'prod'", 'T'},
        {"attrs['ENV'] = 'prod'", 'N'},
        {"attrs[lower('ENV')] = 'prod'", 'T'},
        {"attrs['zone'] IS NULL AND attrs['other'] IS NULL", 'T'},
        {"attrs[NULL] = 'x'", 'N'},
        {"size(attrs) = 2", 'T'},
        {"counts[-150] = 7", 'T'},
        {"counts[-150.00] = 7", 'T'},
        {"counts[150] = 7", 'N'},
        {"v IS NOT NULL", 'T'},
        {"upper(a.street) = 'MAIN ST'", 'T'},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char outcome = help_outcome(DDL, cases[i].predicate, values);
        if (outcome != cases[i].outcome)
            fprintf(stderr, "%s: %c\n", cases[i].predicate, outcome);
        cr_assert_eq(outcome, cases[i].outcome);
    }
}

Test(rule_nested, mistakes_are_found_when_the_rule_is_made)
{
    static const struct {
        const char *predicate, *says;
    } cases[] = {
        {"a.nope = 1", "byte 3, at \"nope = 1\": a has no field of this name"},
        {"a.geo.nope = 1", "byte 7, at \"nope = 1\": geo has no field of this name"},
        {"a. = 1", "byte 4, at \"= 1\": the name of a field is expected"},
        {"a.street.x = 1", "byte 9, at \".x = 1\": STRING has no fields"},
        {"a[0] = 1", "byte 2, at \"[0] = 1\": STRUCT has no elements"},
        {"tags.x = 1", "byte 5, at \".x = 1\": ARRAY has no fields"},
        {"tags['x'] = 1", "byte 6, at \"'x'] = 1\": the place of an element is a whole number, "
                          "from 0"},
        {"tags[0.5] = 1", "byte 6, at \"0.5] = 1\": the place of an element is a whole number, "
                          "from 0"},
        {"attrs[1] = 1", "byte 7, at \"1] = 1\": the map's keys are of type STRING, not "
                         "INTEGER/DECIMAL"},
        {"tags[0) = 1", "byte 7, at \") = 1\": ] is expected"},
        {"a = a", "byte 3, at \"= a\": values of type STRUCT have no order; compare what they "
                  "hold"},
        {"tags IN ('x')", "byte 6, at \"IN ('x')\": ARRAY is not comparable with STRING"},
        {"v = 'x'", "byte 3, at \"= 'x'\": VARIANT is not comparable with STRING"},
        {"v BETWEEN v AND v", "byte 3, at \"BETWEEN v AND v\": values of type VARIANT have no "
                              "order; compare what they hold"},
        {"coalesce(a, a) IS NULL", "byte 10, at \"a, a) IS NULL\": coalesce() takes values of one "
                                   "flat type, not STRUCT"},
    };
    struct row_schema *s = help_schema(DDL);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = {0};
        struct rule_set *set = help_rule(s, cases[i].predicate, &e);
        if (set != NULL || strstr(e.text, cases[i].says) == NULL)
            fprintf(stderr, "%s: %s\n", cases[i].predicate, e.text);
        cr_assert_null(set);
        cr_assert_not_null(strstr(e.text, cases[i].says));
    }
    row_schema_unref(s);
}

Test(rule_nested, a_failure_names_the_path_and_its_value)
{
    struct row_schema *s = help_schema(DDL);
    struct err e = {0};
    struct rule_set *set =
        help_rule(s, "a.GEO.lat > 50 OR gone.x > 1 OR tags IS NULL OR size(attrs) < 1", &e);

    cr_assert_not_null(set);
    cr_assert(rule_set_reads(set, 0) && rule_set_reads(set, 1) && !rule_set_reads(set, 3));
    cr_assert_eq(rule_set_explain(set, 0, values, &e), ERR_INVALID);

    cr_assert_str_eq(e.text,
                     "rule \"r\": a.GEO.lat > 50 OR gone.x > 1 OR tags IS NULL OR size(attrs) < 1 "
                     "is NULL for a.geo.lat = 48.5, gone.x = NULL, tags = ARRAY of 2, "
                     "attrs = MAP of 2");
    cr_assert_str_eq(e.field, "a.geo.lat");
    rule_set_unref(set);
    row_schema_unref(s);
}
