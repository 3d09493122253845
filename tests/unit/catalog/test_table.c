/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: created, dropped, forgotten. */
#include "rig.h"

Test(catalog_table, created_one_is_found_by_name_and_id)
{
    struct rig x;
    rig_up(&x);

    struct catalog_table *t = rig_table(&x, "main.air.ports");

    struct catalog_table *same;
    cr_assert_eq(catalog_table_by_name(x.c, "main.air.ports", &same, &x.e), 0);
    cr_assert_eq(same, t);
    catalog_table_unref(same);
    same = catalog_table_by_id(x.c, t->id);
    cr_assert_eq(same, t);
    catalog_table_unref(same);
    cr_assert_str_eq(t->location, "main/air/ports");
    cr_assert_eq(t->schema->key_count, 1);
    cr_assert_eq(strlen(t->delta_id), UUID_TEXT_LEN);
    cr_assert_eq(catalog_plan(x.c, t->id, 0), t->own);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(catalog_table, is_durable_when_create_returns_and_back_after_restart)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");
    bronze_pos pos = t->created_pos;
    uint32_t id = t->id;
    char *delta_id = mem_strdup(t->delta_id);
    catalog_table_unref(t);
    cr_assert_geq(bronze_durable_pos(x.log), pos);

    rig_restart(&x);

    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c", &t, &x.e), 0);
    cr_assert_eq(t->id, id);
    cr_assert_eq(t->created_pos, pos);
    cr_assert_str_eq(t->delta_id, delta_id);
    cr_assert_geq(atomic_load(&t->live->last_pos),
                  pos); /* lookups wait for all that was recovered */
    mem_free(delta_id);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(catalog_table, bad_requests_are_refused_with_the_reason)
{
    struct rig x;
    rig_up(&x);
    catalog_table_unref(rig_table(&x, "a.b.c"));
    struct catalog_table *t = NULL;
    struct catalog_create twice = {.name = "a.b.c", .ddl = RIG_DDL};
    struct catalog_create name = {.name = "a.b", .ddl = RIG_DDL};
    struct catalog_create ddl = {.name = "a.b.d", .ddl = "x NOTATYPE"};

    cr_assert_eq(catalog_create_table(x.c, &twice, &t, &x.e), ERR_EXISTS);
    cr_assert_not_null(strstr(x.e.text, "a.b.c"));
    cr_assert_eq(catalog_create_table(x.c, &name, &t, &x.e), ERR_INVALID);
    cr_assert_lt(catalog_create_table(x.c, &ddl, &t, &x.e), 0);
    cr_assert_not_null(strstr(x.e.text, "a.b.d"));
    cr_assert_eq(catalog_table_by_name(x.c, "a.b.d", &t, &x.e), ERR_NOT_FOUND);
    cr_assert_not_null(strstr(x.e.text, "a.b.d"));
    rig_down(&x);
}

Test(catalog_table, list_is_sorted_by_name)
{
    struct rig x;
    rig_up(&x);
    catalog_table_unref(rig_table(&x, "b.b.b"));
    catalog_table_unref(rig_table(&x, "c.c.c"));
    catalog_table_unref(rig_table(&x, "a.a.a"));

    struct catalog_table **tables;
    size_t count = catalog_tables(x.c, &tables);

    cr_assert_eq(count, 3);
    cr_assert_str_eq(tables[0]->name, "a.a.a");
    cr_assert_str_eq(tables[2]->name, "c.c.c");
    for (size_t i = 0; i < count; i++)
        catalog_table_unref(tables[i]);
    mem_free(tables);
    rig_down(&x);
}

Test(catalog_table, dropped_one_is_gone_by_name_but_known_by_id_until_forgotten)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");
    struct catalog_table *again;
    uint32_t id = t->id;

    cr_assert_eq(catalog_drop_table(x.c, "a.b.c", &x.e), 0);

    cr_assert(atomic_load(&t->live->dropped));
    catalog_table_unref(t);
    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c", &again, &x.e), ERR_NOT_FOUND);
    cr_assert_eq(catalog_drop_table(x.c, "a.b.c", &x.e), ERR_NOT_FOUND);
    rig_restart(&x);
    again = catalog_table_by_id(x.c, id);
    cr_assert_not_null(again);
    cr_assert(atomic_load(&again->live->dropped));
    catalog_table_unref(again);
    catalog_forget_table(x.c, id);
    cr_assert_null(catalog_table_by_id(x.c, id));
    cr_assert_null(catalog_plan(x.c, id, 0));
    rig_down(&x);
}

Test(catalog_table, name_is_free_again_when_the_drop_is_over_and_the_id_is_new)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");
    uint32_t id = t->id;
    catalog_table_unref(t);
    cr_assert_eq(catalog_drop_table(x.c, "a.b.c", &x.e), 0);
    struct catalog_create r = {.name = "a.b.c", .ddl = RIG_DDL};

    cr_assert_eq(catalog_create_table(x.c, &r, &t, &x.e), ERR_PRECONDITION);
    catalog_forget_table(x.c, id);
    t = rig_table(&x, "a.b.c");

    cr_assert_gt(t->id, id);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(catalog_table, forget_does_nothing_to_a_table_in_force)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");

    catalog_forget_table(x.c, t->id);

    struct catalog_table *same = catalog_table_by_id(x.c, t->id);
    cr_assert_eq(same, t);
    catalog_table_unref(same);
    catalog_table_unref(t);
    rig_down(&x);
}
