/* SPDX-License-Identifier: Apache-2.0 */
/* Quarantine tables: made with the table that needs one, taken over, kept while in use. */
#include "rig.h"

static struct catalog_property asks[] = {{"on_error", "quarantine"}};

static int create(struct rig *x, const char *name, struct catalog_table **ret)
{
    struct catalog_create r = {
        .name = name, .ddl = RIG_DDL, .properties = asks, .property_count = 1};
    return catalog_create_table(x->c, &r, ret, &x->e);
}

Test(catalog_quarantine, table_is_made_with_the_one_that_needs_it_and_is_back_after_a_restart)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t, *q;

    cr_assert_eq(create(&x, "a.b.c", &t), 0, "%s", x.e.text);

    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c__quarantine", &q, &x.e), 0);
    cr_assert_lt(q->id, t->id);
    cr_assert_eq(q->schema->column_count, CATALOG_QUARANTINE_COLUMNS);
    cr_assert_str_eq(q->schema->columns[CATALOG_Q_REASON].name, "reason");
    cr_assert_str_eq(q->schema->columns[CATALOG_Q_RAW].name, "raw");
    cr_assert_str_eq(q->schema->columns[CATALOG_Q_DESCRIPTOR_ID].name, "descriptor_id");
    catalog_table_unref(t);
    catalog_table_unref(q);
    rig_restart(&x);
    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c__quarantine", &q, &x.e), 0);
    catalog_table_unref(q);
    rig_down(&x);
}

Test(catalog_quarantine, a_table_that_rejects_has_none)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *q;

    catalog_table_unref(rig_table(&x, "a.b.c"));

    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c__quarantine", &q, &x.e), ERR_NOT_FOUND);
    rig_down(&x);
}

Test(catalog_quarantine, outlives_its_table_and_is_taken_over_by_the_next_of_that_name)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t, *q;
    cr_assert_eq(create(&x, "a.b.c", &t), 0);
    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c__quarantine", &q, &x.e), 0);
    uint32_t id = q->id;
    catalog_table_unref(q);
    cr_assert_eq(catalog_drop_table(x.c, "a.b.c", &x.e), 0);
    catalog_forget_table(x.c, t->id);
    catalog_table_unref(t);

    cr_assert_eq(create(&x, "a.b.c", &t), 0, "%s", x.e.text);

    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c__quarantine", &q, &x.e), 0);
    cr_assert_eq(q->id, id);
    catalog_table_unref(q);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(catalog_quarantine, one_in_use_cannot_be_dropped_and_one_not_in_use_can)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t;
    cr_assert_eq(create(&x, "a.b.c", &t), 0);
    catalog_table_unref(t);

    cr_assert_eq(catalog_drop_table(x.c, "a.b.c__quarantine", &x.e), ERR_PRECONDITION);

    cr_assert_not_null(strstr(x.e.text, "table a.b.c sends"), "%s", x.e.text);
    cr_assert_eq(catalog_drop_table(x.c, "a.b.c", &x.e), 0);
    cr_assert_eq(catalog_drop_table(x.c, "a.b.c__quarantine", &x.e), 0);
    rig_down(&x);
}

Test(catalog_quarantine, its_name_is_kept_from_users)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = NULL;

    cr_assert_eq(create(&x, "a.b.c__quarantine", &t), ERR_INVALID);

    cr_assert_not_null(strstr(x.e.text, "kept for the quarantine table"));
    cr_assert(catalog_is_quarantine("a.b.c__quarantine"));
    cr_assert_not(catalog_is_quarantine("a.b.__quarantine_of_c"));
    cr_assert_not(catalog_is_quarantine("__quarantine"));
    rig_down(&x);
}

Test(catalog_quarantine, too_long_a_name_is_refused_before_anything_is_made)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = NULL;
    char name[TABLE_NAME_BYTES_MAX + 1];
    memset(name, 'n', sizeof(name) - 1);
    memcpy(name, "a.b.", 4);
    name[sizeof(name) - 1] = '\0';

    cr_assert_eq(create(&x, name, &t), ERR_INVALID, "%s", x.e.text);

    cr_assert_eq(catalog_table_by_name(x.c, name, &t, &x.e), ERR_NOT_FOUND);
    rig_down(&x);
}

Test(catalog_quarantine, table_is_made_when_a_change_asks_for_it_and_cannot_be_changed_itself)
{
    struct rig x;
    rig_up(&x);
    catalog_table_unref(rig_table(&x, "a.b.c"));
    struct catalog_property rule[] = {{"rule.n", "quarantine: n > 0"}};
    struct catalog_alter r = {.name = "a.b.c", .sets = rule, .set_count = 1};
    struct catalog_alter own = {.name = "a.b.c__quarantine", .sets = asks, .set_count = 1};
    struct catalog_table *t, *q;

    cr_assert_eq(catalog_alter_table(x.c, &r, &t, &x.e), 0, "%s", x.e.text);

    cr_assert_not_null(t->properties.rules);
    catalog_table_unref(t);
    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c__quarantine", &q, &x.e), 0);
    catalog_table_unref(q);
    cr_assert_eq(catalog_alter_table(x.c, &own, &t, &x.e), ERR_INVALID);
    rig_down(&x);
}
