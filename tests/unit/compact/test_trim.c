/* SPDX-License-Identifier: Apache-2.0 */
/* The log loses only what lake and store have, and never the catalog. */
#include "rig.h"

static void fill(struct rig *x, struct catalog_table *t, unsigned units)
{
    for (unsigned i = 0; i < units; i++)
        rig_rows(x, t, 1, RIG_UNIT);
}

Test(compact_trim, frees_what_is_committed_and_applied)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    fill(&x, t, 24); /* a segment has 16; the log is not half full, so there is no snapshot yet */
    cr_assert_eq(catalog_snapshot_pos(x.catalog), 0);
    rig_settle(&x, t);
    rig_applied(&x, bronze_durable_pos(x.log));

    compact__trim(x.c);

    cr_assert_gt(bronze_trimmed_pos(x.log), 1);
    cr_assert_leq(bronze_trimmed_pos(x.log), catalog_snapshot_pos(x.catalog));
    char *name = mem_strdup(t->name);
    catalog_table_unref(t);
    rig_restart(&x); /* the catalog is still there */
    cr_assert_eq(catalog_table_by_name(x.catalog, name, &t, NULL), 0);
    rig_rows(&x, t, 1, 5);
    rig_settle(&x, t);
    cr_assert_eq(rig_delta(&x, t->location).rows, 25);
    mem_free(name);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_trim, keeps_as_much_of_the_log_as_was_asked_for)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    fill(&x, t, 24);
    rig_settle(&x, t);
    rig_applied(&x, bronze_durable_pos(x.log));

    x.c->log_keep_bytes = 1u << 30;
    compact__trim(x.c);
    cr_assert_eq(bronze_trimmed_pos(x.log), 1);

    x.c->log_keep_bytes = 16 * RIG_UNIT;
    compact__trim(x.c);
    cr_assert_gt(bronze_trimmed_pos(x.log), 1);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_trim, waits_for_the_lake)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_turn(&x);
    objstore_fake_order(x.lake, "quotes", OBJSTORE_FAIL, 0, 1000);
    fill(&x, t, 40);
    x.c->draining = true;
    rig_turn(&x);
    rig_applied(&x, bronze_durable_pos(x.log));

    compact__trim(x.c);

    cr_assert_eq(bronze_trimmed_pos(x.log), 1);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_trim, waits_for_the_store)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    fill(&x, t, 40);
    rig_settle(&x, t);
    rig_applied(&x, 1);

    compact__trim(x.c);

    cr_assert_eq(bronze_trimmed_pos(x.log), 1);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_trim, half_full_log_gets_a_snapshot_while_there_is_room)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_turn(&x);
    objstore_fake_order(x.lake, "quotes", OBJSTORE_FAIL, 0, 1000);
    fill(&x, t, 48); /* four segments, and two are ready: more than half of ten */
    bronze_pos end = bronze_durable_pos(x.log);

    compact__trim(x.c);
    bronze_pos snapshot = catalog_snapshot_pos(x.catalog);
    compact__trim(x.c);

    cr_assert_gt(snapshot, end);
    cr_assert_eq(catalog_snapshot_pos(x.catalog), snapshot); /* one is enough */
    catalog_table_unref(t);
    rig_down(&x);
}

/* A full log takes no snapshot: there must be one that frees a segment before it is full. */
Test(compact_trim, half_full_log_gets_another_snapshot_when_the_last_is_used_up)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    fill(&x, t, 48);
    rig_settle(&x, t);
    rig_applied(&x, bronze_durable_pos(x.log));
    compact__trim(x.c);
    bronze_pos first = catalog_snapshot_pos(x.catalog);
    cr_assert_gt(first, 0);
    fill(&x, t, 48); /* not applied: nothing of it can be trimmed */

    compact__trim(x.c);

    struct bronze_usage u;
    bronze_usage(x.log, &u);
    cr_assert_lt(first, u.next_trim_pos);
    cr_assert_geq(catalog_snapshot_pos(x.catalog), u.next_trim_pos);
    catalog_table_unref(t);
    rig_down(&x);
}
