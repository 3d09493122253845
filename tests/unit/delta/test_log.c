/* SPDX-License-Identifier: Apache-2.0 */
/* Creating, opening and reading back a table's log. */
#include "lake.h"

#define FOREIGN                                                                                    \
    "{\"commitInfo\":{\"inCommitTimestamp\":1760000009000,\"operation\":\"OPTIMIZE\"}}\n"

Test(delta_create, only_an_empty_location_or_our_own_table_will_do)
{
    struct lake l;
    lake_open(&l, "id BIGINT");
    cr_assert_eq(lake_create(&l, TABLE_ID), 0);

    cr_assert_eq(lake_create(&l, TABLE_ID), 0);
    cr_assert_eq(lake_create(&l, "1f8b1c1e-7f5e-4a5e-9d0a-3c2a1b4d5e6f"), ERR_EXISTS);

    lake_close(&l);
}

Test(delta_create, a_stray_file_is_in_the_way)
{
    struct lake l;
    lake_open(&l, "id BIGINT");
    cr_assert_eq(objstore_put(l.store, TABLE "/part-1.parquet", slice_str("x"), NULL), 0);

    cr_assert_eq(lake_create(&l, TABLE_ID), ERR_EXISTS);

    lake_close(&l);
}

Test(delta_create, lost_answer_is_found_by_the_next_try)
{
    struct lake l;
    lake_open(&l, "id BIGINT");
    objstore_fake_order(l.store, ".json", OBJSTORE_LOSE_ANSWER, 0, 1);

    cr_assert_eq(lake_create(&l, TABLE_ID), ERR_TIMEOUT);
    cr_assert_eq(lake_create(&l, TABLE_ID), 0);

    lake_close(&l);
}

Test(delta_open, missing_table_is_not_found)
{
    struct lake l;
    lake_open(&l, "id BIGINT");
    struct delta_table *t = NULL;

    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), ERR_NOT_FOUND);

    lake_close(&l);
}

Test(delta_open, version_and_txn_survive)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c;
    int64_t txn = 0;
    struct delta_file one = lake_file(1, 10), two = lake_file(11, 25);
    cr_assert_eq(delta_txn(t, APP, &txn, NULL), 0);
    cr_assert_eq(txn, -1);
    cr_assert_eq(lake_commit(t, &one, &c), 0);
    cr_assert_eq(lake_commit(t, &two, &c), 0);
    t = delta_close(t);

    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), 0);

    cr_assert_eq(delta_version(t), 2);
    cr_assert_str_eq(delta_id(t), TABLE_ID);
    cr_assert_eq(delta_txn(t, APP, &txn, NULL), 0);
    cr_assert_eq(txn, 25);
    cr_assert_eq(delta_txn(t, "somebody/else", &txn, NULL), 0);
    cr_assert_eq(txn, -1);
    delta_close(t);
    lake_close(&l);
}

Test(delta_open, txn_is_found_below_other_writers_commits)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c;
    struct delta_file one = lake_file(1, 10);
    cr_assert_eq(lake_commit(t, &one, &c), 0);
    lake_foreign(&l, 2, FOREIGN "{\"txn\":{\"appId\":\"x\",\"version\":99}}\n");
    lake_foreign(&l, 3, FOREIGN);
    t = delta_close(t);

    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), 0);

    int64_t txn = 0;
    cr_assert_eq(delta_version(t), 3);
    cr_assert_eq(delta_txn(t, APP, &txn, NULL), 0);
    cr_assert_eq(txn, 10);
    cr_assert_eq(delta_txn(t, "x", &txn, NULL), 0);
    cr_assert_eq(txn, 99);
    delta_close(t);
    lake_close(&l);
}

Test(delta_open, a_hole_in_the_log_is_refused)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    t = delta_close(t);
    lake_foreign(&l, 2, FOREIGN);

    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), ERR_DAMAGED);

    lake_foreign(&l, 1, FOREIGN);
    char *zero = lake_log_name(0);
    cr_assert_eq(objstore_delete(l.store, zero, NULL), 0);
    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), ERR_DAMAGED);
    mem_free(zero);
    lake_close(&l);
}

Test(delta_open, a_hole_below_our_own_commits_is_refused)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c;
    for (uint64_t v = 1; v <= 3; v++) {
        struct delta_file f = lake_file(v, v);
        cr_assert_eq(lake_commit(t, &f, &c), 0);
    }
    t = delta_close(t);
    char *one = lake_log_name(1);
    cr_assert_eq(objstore_delete(l.store, one, NULL), 0);

    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), ERR_DAMAGED);

    mem_free(one);
    lake_close(&l);
}

static int64_t version_with_hint(const char *hint)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c;
    for (uint64_t v = 1; v <= 3; v++) {
        struct delta_file f = lake_file(v, v);
        cr_assert_eq(lake_commit(t, &f, &c), 0);
    }
    t = delta_close(t);
    cr_assert_eq(objstore_put(l.store, TABLE "/_delta_log/_last_checkpoint", slice_str(hint), NULL),
                 0);
    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), 0);
    int64_t version = delta_version(t);
    delta_close(t);
    lake_close(&l);
    return version;
}

Test(delta_open, the_checkpoint_hint_is_only_a_hint)
{
    cr_assert_eq(version_with_hint("{\"version\":2}"), 3);
    cr_assert_eq(version_with_hint("{\"version\":900}"), 3);
    cr_assert_eq(version_with_hint("{\"version\":-5}"), 3);
    cr_assert_eq(version_with_hint("{\"version\":\"2\"}"), 3);
    cr_assert_eq(version_with_hint("not json"), 3);
}
