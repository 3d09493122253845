/* SPDX-License-Identifier: Apache-2.0 */
/* Rule L8: rows below an alteration are committed, then the columns, then the rows above. */
#include "rig.h"

static void assert_story(struct rig *x, const struct catalog_table *t, const char *expected)
{
    char is[RIG_STORY_MAX];
    rig_story(x, t->location, is);
    cr_assert_str_eq(is, expected);
}

Test(compact_alter, cuts_rows_below_then_columns_then_rows_above)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");
    (void)rig_rows(&x, one, 10, 5);
    struct catalog_table *two = rig_alter(&x, "a.b.t", "note STRING", NULL);
    bronze_pos old = rig_rows(&x, one, 3, 5); /* a stream that was open before */
    bronze_pos last = rig_rows(&x, two, 4, 5);

    rig_settle(&x, two);

    struct rig_delta d = rig_delta(&x, two->location);
    assert_story(&x, two, "CRMR");
    cr_assert_eq(d.rows, 17);
    cr_assert_eq(d.last, last);
    cr_assert_lt(two->since_pos, old);
    cr_assert_geq((bronze_pos)d.txn, last);
    catalog_table_unref(one);
    catalog_table_unref(two);
    rig_down(&x);
}

Test(compact_alter, without_rows_is_a_commit_of_its_own)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");
    rig_settle(&x, one);
    struct catalog_table *two = rig_alter(&x, "a.b.t", "note STRING", NULL);

    rig_settle(&x, two);

    assert_story(&x, two, "CM");
    cr_assert_eq((bronze_pos)rig_delta(&x, two->location).txn, two->since_pos);
    cr_assert_eq(rig_status(&x, two).committed_pos, two->since_pos);
    catalog_table_unref(one);
    catalog_table_unref(two);
    rig_down(&x);
}

Test(compact_alter, several_are_several_cuts_in_order)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");
    struct catalog_table *two = rig_alter(&x, "a.b.t", "n INT", NULL);
    (void)rig_rows(&x, one, 2, 5);
    struct catalog_table *three = rig_alter(&x, "a.b.t", NULL, "n BIGINT");
    struct catalog_table *four = rig_alter(&x, "a.b.t", "m DATE", NULL);
    (void)rig_rows(&x, two, 2, 5);
    (void)rig_rows(&x, three, 2, 5);

    rig_settle(&x, four);

    assert_story(&x, four, "CMRMMR");
    cr_assert_eq(rig_delta(&x, four->location).rows, 6);
    catalog_table_unref(one);
    catalog_table_unref(two);
    catalog_table_unref(three);
    catalog_table_unref(four);
    rig_down(&x);
}

Test(compact_alter, of_properties_is_nothing_to_delta)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t"), *two = NULL;
    struct catalog_property p = {"timestamps", "iso8601"};
    struct catalog_alter r = {.name = "a.b.t", .sets = &p, .set_count = 1};
    (void)rig_rows(&x, one, 2, 5);
    cr_assert_eq(catalog_alter_table(x.catalog, &r, &two, &x.e), 0);
    (void)rig_rows(&x, two, 2, 5);

    rig_settle(&x, two);

    assert_story(&x, two, "CR");
    catalog_table_unref(one);
    catalog_table_unref(two);
    rig_down(&x);
}

Test(compact_alter, holds_the_log_until_delta_has_the_columns)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");
    struct catalog_table *other = rig_table(&x, "a.b.other");
    rig_settle(&x, one);
    objstore_fake_order(x.lake, "b/t/_delta_log", OBJSTORE_FAIL, 0, 1000);
    struct catalog_table *two = rig_alter(&x, "a.b.t", "note STRING", NULL);
    (void)rig_rows(&x, other, 5, 5);

    rig_settle(&x, other);

    cr_assert_eq(compact__floor(x.c), two->since_pos);
    assert_story(&x, two, "");
    catalog_table_unref(one);
    catalog_table_unref(other);
    catalog_table_unref(two);
    rig_down(&x);
}

Test(compact_alter, goes_on_after_memory_was_short)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");
    (void)rig_rows(&x, one, 10, 5);
    rig_turn(&x);
    objstore_fake_order(x.lake, "b/t/", OBJSTORE_FAIL, 0, 3);
    struct catalog_table *two = rig_alter(&x, "a.b.t", "note STRING", NULL);
    (void)rig_rows(&x, two, 5, 5);
    rig_turn(&x);
    struct compact_table *t = compact__table(x.c, one->id);
    cr_assert_eq(t->alter_pos, two->since_pos);

    (void)compact__table_forget(t); /* what is below the cut is read again */
    cr_assert_lt(t->missed, t->alter_pos);
    rig_settle(&x, two);

    assert_story(&x, two, "CRMR");
    cr_assert_eq(rig_delta(&x, two->location).rows, 15);
    catalog_table_unref(one);
    catalog_table_unref(two);
    rig_down(&x);
}

Test(compact_alter, that_is_durable_and_not_in_force_yet_is_waited_for)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");
    struct catalog_table *two = rig_alter(&x, "a.b.t", "note STRING", NULL);
    rig_kill(&x);
    bronze_pos since = two->since_pos;
    two->since_pos = 0; /* as if the catalog had not applied the record */
    rig_open(&x);
    x.c->draining = true;

    rig_turn(&x);
    assert_story(&x, two, "C");
    two->since_pos = since;
    rig_settle(&x, two);

    assert_story(&x, two, "CM");
    catalog_table_unref(one);
    catalog_table_unref(two);
    rig_down(&x);
}

Test(compact_alter, and_drop_follow_each_other)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");
    (void)rig_rows(&x, one, 3, 5);
    struct catalog_table *two = rig_alter(&x, "a.b.t", "note STRING", NULL);
    (void)rig_rows(&x, two, 3, 5);
    cr_assert_eq(catalog_drop_table(x.catalog, "a.b.t", &x.e), 0);
    char *moved = mem_printf("dropped/%s-%s", one->location, one->delta_id);

    for (unsigned i = 0; i < 4; i++)
        rig_turn(&x);

    char is[RIG_STORY_MAX];
    rig_story(&x, moved, is);
    cr_assert_str_eq(is, "CRMR");
    mem_free(moved);
    catalog_table_unref(one);
    catalog_table_unref(two);
    rig_down(&x);
}
