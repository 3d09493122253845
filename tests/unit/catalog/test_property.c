/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of tables: checked, kept, back after a restart. */
#include "rig.h"

#include "rule/rule.h"

static int parse(struct catalog_property *list, size_t count, struct catalog_properties *ret,
                 struct err *e)
{
    *ret = (struct catalog_properties){0};
    struct row_schema *schema = NULL;
    cr_assert_eq(row_schema_parse(slice_str(RIG_DDL), NULL, 0, &schema, e), 0);
    int r = catalog_properties_parse(list, count, schema, ret, e);
    row_schema_unref(schema);
    return r;
}

Test(catalog_property, what_is_not_set_is_as_usual)
{
    struct catalog_properties p;
    struct err e = {0};

    cr_assert_eq(parse(NULL, 0, &p, &e), 0);

    cr_assert(!p.quarantine && !p.iso8601 && !p.add_columns);
    cr_assert_eq(p.count, 0);
    catalog_properties_deinit(&p);
}

Test(catalog_property, each_key_sets_its_flag_and_the_list_is_sorted)
{
    struct catalog_property set[] = {
        {"timestamps", "iso8601"}, {"on_error", "quarantine"}, {"evolve", "add_columns"}};
    struct catalog_properties p;
    struct err e = {0};

    cr_assert_eq(parse(set, 3, &p, &e), 0);

    cr_assert(p.quarantine && p.iso8601 && p.add_columns);
    cr_assert_eq(p.count, 3);
    cr_assert_str_eq(p.list[0].key, "evolve");
    cr_assert_str_eq(p.list[2].value, "iso8601");
    catalog_properties_deinit(&p);
}

Test(catalog_property, usual_words_may_be_said_too)
{
    struct catalog_property set[] = {
        {"timestamps", "micros"}, {"on_error", "reject"}, {"evolve", "none"}};
    struct catalog_properties p;
    struct err e = {0};

    cr_assert_eq(parse(set, 3, &p, &e), 0);

    cr_assert(!p.quarantine && !p.iso8601 && !p.add_columns);
    cr_assert_eq(p.count, 3);
    catalog_properties_deinit(&p);
}

static void refused(struct catalog_property *list, size_t count, const char *says)
{
    struct catalog_properties p;
    struct err e = {0};
    cr_assert_eq(parse(list, count, &p, &e), ERR_INVALID);
    cr_assert_not_null(strstr(e.text, says), "%s", e.text);
}

Test(catalog_property, unknown_keys_and_words_are_refused_by_name)
{
    struct catalog_property key[] = {{"colour", "red"}};
    struct catalog_property word[] = {{"on_error", "ignore"}};
    struct catalog_property twice[] = {{"evolve", "none"}, {"evolve", "add_columns"}};

    refused(key, 1, "\"colour\"");
    refused(word, 1, "reject or quarantine, not \"ignore\"");
    refused(twice, 2, "evolve comes twice");
}

Test(catalog_property, rules_are_compiled_and_their_order_is_that_of_their_names)
{
    struct catalog_property set[] = {{"rule.short", "quarantine: length(icao) <= 4"},
                                     {"rule.north", "drop: lat >= 0"}};
    struct catalog_properties p;
    struct err e = {0};

    cr_assert_eq(parse(set, 2, &p, &e), 0, "%s", e.text);

    cr_assert_eq(rule_set_count(p.rules), 2);
    cr_assert(slice_eq(rule_set_text(p.rules, 0)->name, slice_str("north")));
    cr_assert_eq(rule_set_text(p.rules, 1)->action, RULE_QUARANTINE);
    cr_assert(catalog_quarantines(&p) && !p.quarantine);
    catalog_properties_deinit(&p);
}

Test(catalog_property, bad_rules_are_refused_with_their_name)
{
    struct catalog_property action[] = {{"rule.a", "delete: lat > 0"}};
    struct catalog_property column[] = {{"rule.b", "drop: altitude > 0"}};
    struct catalog_property name[] = {{"rule.", "drop: lat > 0"}};

    refused(action, 1, "rule.a");
    refused(column, 1, "altitude");
    refused(name, 1, "no name for a rule");
}

Test(catalog_property, rules_are_read_without_a_schema_too)
{
    struct catalog_property set[] = {{"rule.short", "quarantine: length(icao) <= 4"}};
    struct catalog_properties p;
    struct err e = {0};

    cr_assert_eq(catalog_properties_parse(set, 1, NULL, &p, &e), 0);

    cr_assert(catalog_quarantines(&p) && p.rules == NULL);
    catalog_properties_deinit(&p);
}

Test(catalog_property, too_many_or_too_long_are_refused)
{
    static struct catalog_property many[PROPERTIES_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct catalog_property){"on_error", "reject"};
    char *text = mem_zalloc(PROPERTY_VALUE_BYTES_MAX + 2);
    memset(text, 'x', PROPERTY_VALUE_BYTES_MAX + 1);
    struct catalog_property longer[] = {{"on_error", text}};

    refused(many, ARRAY_LEN(many), "at most 256 properties");
    refused(longer, 1, "on_error holds more than");
    mem_free(text);
}

Test(catalog_property, a_table_keeps_its_properties_over_a_restart_and_a_snapshot)
{
    struct rig x;
    rig_up(&x);
    struct catalog_property set[] = {{"timestamps", "iso8601"}, {"evolve", "none"}};
    struct catalog_create r = {
        .name = "a.b.c", .ddl = RIG_DDL, .properties = set, .property_count = ARRAY_LEN(set)};
    struct catalog_table *t;
    cr_assert_eq(catalog_create_table(x.c, &r, &t, &x.e), 0, "%s", x.e.text);
    catalog_table_unref(t);
    bronze_pos at;
    cr_assert_eq(catalog_snapshot(x.c, &at, &x.e), 0);

    rig_restart(&x);

    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c", &t, &x.e), 0);
    cr_assert_eq(t->properties.count, 2);
    cr_assert_str_eq(t->properties.list[0].key, "evolve");
    cr_assert_str_eq(t->properties.list[1].value, "iso8601");
    cr_assert(t->properties.iso8601);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(catalog_property, timestamps_as_text_are_taken_where_the_table_says_so)
{
    struct rig x;
    rig_up(&x);
    for (int text = 0; text < 2; text++) {
        struct catalog_property set[] = {{"timestamps", text ? "iso8601" : "micros"}};
        struct catalog_create r = {.name = text ? "a.b.text" : "a.b.number",
                                   .ddl = "at TIMESTAMP",
                                   .properties = set,
                                   .property_count = 1};
        struct buf row = BUF_NULL;
        struct catalog_table *t;
        cr_assert_eq(catalog_create_table(x.c, &r, &t, &x.e), 0, "%s", x.e.text);

        int took =
            codec_json_to_row(t->own, slice_str("{\"at\":\"1970-01-01T00:00:00Z\"}"), &row, &x.e);

        cr_assert_eq(took, text ? 0 : ERR_INVALID);
        catalog_table_unref(t);
        buf_deinit(&row);
    }
    rig_down(&x);
}

Test(catalog_property, a_table_with_a_bad_property_is_not_made)
{
    struct rig x;
    rig_up(&x);
    struct catalog_property set[] = {{"colour", "red"}};
    struct catalog_create r = {
        .name = "a.b.c", .ddl = RIG_DDL, .properties = set, .property_count = 1};
    struct catalog_table *t = NULL;

    cr_assert_eq(catalog_create_table(x.c, &r, &t, &x.e), ERR_INVALID);

    cr_assert_not_null(strstr(x.e.text, "a.b.c"));
    cr_assert_not_null(strstr(x.e.text, "colour"));
    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c", &t, &x.e), ERR_NOT_FOUND);
    rig_down(&x);
}
