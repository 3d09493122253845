/* SPDX-License-Identifier: Apache-2.0 */
/* A table dropped and made again as one operation: what is in force at each step. */
#include "rig.h"

static struct catalog_create next_of(const char *name)
{
    return (struct catalog_create){.name = name, .ddl = "icao STRING NOT NULL, n INT"};
}

Test(catalog_replace, name_is_unavailable_until_the_table_is_made_again)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *before = rig_table(&x, "a.b.c"), *t = NULL;
    struct catalog_create r = next_of("a.b.c");

    cr_assert_eq(catalog_replace_begin(x.c, &r, &x.e), 0, "%s", x.e.text);

    cr_assert(atomic_load(&before->live->dropped));
    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c", &t, &x.e), ERR_UNAVAILABLE);
    cr_assert_not_null(strstr(x.e.text, "a.b.c is being replaced"), "%s", x.e.text);
    cr_assert_eq(catalog_table_by_name(x.c, "a.b.d", &t, &x.e), ERR_NOT_FOUND);
    catalog_forget_table(x.c, before->id);
    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c", &t, &x.e), ERR_UNAVAILABLE);
    cr_assert_eq(catalog_create_table(x.c, &r, &t, &x.e), 0, "%s", x.e.text);
    catalog_replace_end(x.c);
    cr_assert_gt(t->id, before->id);
    cr_assert_eq(t->version, 1);
    cr_assert_eq(t->schema->column_count, 2);
    catalog_table_unref(t);
    catalog_table_unref(before);
    rig_down(&x);
}

/* The compactor reads the drop in the log, and may be done with it before it takes effect here. */
Test(catalog_replace, a_table_that_is_aside_before_its_drop_takes_effect_frees_its_name_too)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *before = rig_table(&x, "a.b.c"), *t = NULL;
    struct catalog_create r = next_of("a.b.c");

    catalog_forget_table(x.c, before->id);
    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c", &t, &x.e), 0); /* in force until then */
    catalog_table_unref(t);
    cr_assert_eq(catalog_drop_table(x.c, "a.b.c", &x.e), 0);

    cr_assert_eq(catalog_create_table(x.c, &r, &t, &x.e), 0, "%s", x.e.text);
    cr_assert_null(catalog_table_by_id(x.c, before->id));
    catalog_table_unref(t);
    catalog_table_unref(before);
    rig_down(&x);
}

Test(catalog_replace, streams_hear_the_columns_that_come_and_none_opens_meanwhile)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");
    struct catalog_create r = next_of("a.b.c");
    struct catalog_stream s;
    cr_assert_null(catalog_replaced_by(x.c, t));

    cr_assert_eq(catalog_replace_begin(x.c, &r, &x.e), 0, "%s", x.e.text);

    struct row_schema *next = catalog_replaced_by(x.c, t);
    cr_assert_eq(next->column_count, 2);
    row_schema_unref(next);
    cr_assert_eq(catalog_open_stream(x.c, t, SLICE_NULL, "me", &s, &x.e), ERR_UNAVAILABLE);
    catalog_forget_table(x.c, t->id);
    cr_assert_eq(catalog_open_stream(x.c, t, SLICE_NULL, "me", &s, &x.e), ERR_UNAVAILABLE);
    catalog_replace_end(x.c);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(catalog_replace, a_table_that_cannot_be_made_is_not_dropped_for_it)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c"), *same = NULL;
    struct catalog_create r = {.name = "a.b.c", .ddl = "icao NOTHING"};
    struct catalog_property odd = {"colour", "red"};

    cr_assert_lt(catalog_replace_begin(x.c, &r, &x.e), 0);
    cr_assert_not_null(strstr(x.e.text, "a.b.c"), "%s", x.e.text);
    r = next_of("a.b.c");
    r.properties = &odd;
    r.property_count = 1;
    cr_assert_eq(catalog_replace_begin(x.c, &r, &x.e), ERR_INVALID);

    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c", &same, &x.e), 0);
    cr_assert_eq(same, t);
    cr_assert_not(atomic_load(&t->live->dropped));
    cr_assert_null(catalog_replaced_by(x.c, t));
    catalog_table_unref(same);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(catalog_replace, an_absent_table_is_not_made_and_a_quarantine_table_stays)
{
    struct rig x;
    rig_up(&x);
    struct catalog_create r = next_of("a.b.absent");
    struct catalog_table *t = NULL;

    cr_assert_eq(catalog_replace_begin(x.c, &r, &x.e), ERR_NOT_FOUND);
    cr_assert_not_null(strstr(x.e.text, "table create"), "%s", x.e.text);
    cr_assert_eq(catalog_table_by_name(x.c, "a.b.absent", &t, &x.e), ERR_NOT_FOUND);
    r = next_of("a.b.c__quarantine");
    cr_assert_eq(catalog_replace_begin(x.c, &r, &x.e), ERR_INVALID);

    rig_down(&x);
}

/* A crash between the two records: a dropped table, and nothing that says it was to come back. */
Test(catalog_replace, cut_off_after_the_drop_leaves_a_dropped_table)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");
    struct catalog_create r = next_of("a.b.c");
    uint32_t id = t->id;
    catalog_table_unref(t);
    cr_assert_eq(catalog_replace_begin(x.c, &r, &x.e), 0, "%s", x.e.text);

    rig_restart(&x);

    cr_assert_eq(catalog_replace_begin(x.c, &r, &x.e), ERR_NOT_FOUND);
    catalog_forget_table(x.c, id);
    cr_assert_eq(catalog_create_table(x.c, &r, &t, &x.e), 0, "%s", x.e.text);
    catalog_table_unref(t);
    rig_down(&x);
}
