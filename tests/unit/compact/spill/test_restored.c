/* SPDX-License-Identifier: Apache-2.0 */
/* An old copy of the data folder is put back, and the log goes on from there (rule D2): positions
 * come again, for other rows. */
#include "rig.h"

#define FOR_EVER 1000000

/* 5 rows in the backup, 1,000 more in the lake. *ret_end: the newest position of the copy. */
static struct catalog_table *restored(struct rig *x, bronze_pos *ret_end)
{
    struct catalog_table *t = rig_table(x, "main.farm.quotes");
    catalog_table_unref(rig_table(x, "main.farm.other"));
    rig_rows(x, t, 5, 5);
    rig_settle(x, t);
    catalog_table_unref(t);
    rig_backup(x);
    cr_assert_eq(catalog_table_by_name(x->catalog, "main.farm.quotes", &t, NULL), 0);
    rig_rows(x, t, 1000, 5);
    rig_settle(x, t);
    cr_assert_eq(rig_delta(x, t->location).rows, 1005);
    catalog_table_unref(t);
    rig_restore(x);
    *ret_end = bronze_durable_pos(x->log);
    cr_assert_eq(catalog_table_by_name(x->catalog, "main.farm.quotes", &t, NULL), 0);
    cr_assert_lt(*ret_end, (bronze_pos)rig_delta(x, t->location).txn);
    return t;
}

/* Rows of the other table, until the log is longer than the lake knows it. */
static void pass_the_lake(struct rig *x, struct catalog_table *t)
{
    struct catalog_table *other = NULL;
    cr_assert_eq(catalog_table_by_name(x->catalog, "main.farm.other", &other, NULL), 0);
    while (bronze_durable_pos(x->log) <= (bronze_pos)rig_delta(x, t->location).txn)
        rig_rows(x, other, 500, 5);
    catalog_table_unref(other);
}

static void next_life(struct rig *x, struct catalog_table **t)
{
    char *name = mem_strdup((*t)->name);
    catalog_table_unref(*t);
    rig_restart(x);
    cr_assert_eq(catalog_table_by_name(x->catalog, name, t, NULL), 0);
    mem_free(name);
    rig_turn(x);
}

static void expect_stopped(struct rig *x, struct catalog_table *t, bronze_pos end)
{
    cr_assert_eq(rig_status(x, t).state, COMPACT_STOPPED);
    cr_assert(rig_has_fault(x, t, "the lake is ahead of the log"), "%s", rig_status(x, t).fault);
    cr_assert_leq(compact_floor(x->c), end + 1); /* its rows stay */
    cr_assert_eq(rig_delta(x, t->location).rows, 1005);
}

Test(compact_restored, a_log_that_is_behind_the_lake_stops_the_table)
{
    struct rig x;
    bronze_pos end;
    rig_up(&x);
    struct catalog_table *t = restored(&x, &end);
    rig_rows(&x, t, 3, 5);

    rig_turn(&x);

    expect_stopped(&x, t, end);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_restored, and_it_stays_so_when_the_log_has_passed_the_lake)
{
    struct rig x;
    bronze_pos end;
    rig_up(&x);
    struct catalog_table *t = restored(&x, &end);
    rig_rows(&x, t, 3, 5);
    pass_the_lake(&x, t);
    rig_rows(&x, t, 3, 5);

    for (unsigned life = 0; life < 3; life++) {
        next_life(&x, &t);
        expect_stopped(&x, t, end);
        cr_assert(rig_has_fault(&x, t, "an older one that went on"));
    }
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_restored, it_is_found_in_the_same_life_too)
{
    struct rig x;
    bronze_pos end;
    rig_up(&x);
    struct catalog_table *t = restored(&x, &end);
    objstore_fake_order(x.lake, "quotes", OBJSTORE_FAIL, 0, FOR_EVER); /* it cannot be opened */
    rig_rows(&x, t, 3, 5);
    rig_turn(&x);
    cr_assert_eq(rig_status(&x, t).state, COMPACT_OPENING);
    objstore_fake_chances(x.lake, NULL, NULL);
    pass_the_lake(&x, t);

    for (unsigned i = 0; i < 100 && rig_status(&x, t).state != COMPACT_STOPPED; i++)
        (void)compact_step(x.c, 20000);

    expect_stopped(&x, t, end);
    catalog_table_unref(t);
    rig_down(&x);
}

/* Up of @x too. Rows since the restore are in files; the log is longer than the lake knows. */
static struct catalog_table *restored_and_spilled(struct rig *x, bronze_pos *ret_end)
{
    rig_up(x);
    rig_kill(x);
    x->options.table_log_bytes = 32 * RIG_UNIT;
    x->options.spill_bytes = 1024ull * RIG_UNIT;
    rig_open(x);
    struct catalog_table *t = restored(x, ret_end);
    for (unsigned i = 0; i < 60; i++) {
        rig_rows(x, t, 2, RIG_UNIT);
        rig_turn(x);
    }
    cr_assert_gt(rig_status(x, t).spill_files, 0);
    pass_the_lake(x, t);
    return t;
}

Test(compact_restored, rows_that_were_spilled_meanwhile_are_kept)
{
    struct rig x;
    bronze_pos end;
    struct catalog_table *t = restored_and_spilled(&x, &end);
    uint64_t files = rig_status(&x, t).spill_files;

    next_life(&x, &t);

    expect_stopped(&x, t, end);
    cr_assert_eq(rig_status(&x, t).spill_files, files);
    catalog_table_unref(t);
    rig_down(&x);
}

/* What cannot be judged is not removed. */
Test(compact_restored, a_spill_file_that_does_not_read_stops_the_table)
{
    struct rig x;
    bronze_pos end;
    struct catalog_table *t = restored_and_spilled(&x, &end);
    uint64_t files = rig_status(&x, t).spill_files;
    struct sys_file *f;
    char *name = mem_printf("%s/spill/%s", x.path, compact__table(x.c, t->id)->spill.files[0].name);
    cr_assert_eq(sys_open(x.sys, name, SYS_WRITE, &f, &x.e), 0);
    cr_assert_eq(sys_write(f, "no", 2, 4096, &x.e),
                 0); /* in its first block, before any frame ends */
    f = sys_close(f);

    next_life(&x, &t);

    cr_assert_eq(rig_status(&x, t).state, COMPACT_STOPPED);
    cr_assert(rig_has_fault(&x, t, "damaged"), "%s", rig_status(&x, t).fault);
    cr_assert_eq(rig_status(&x, t).spill_files, files);
    mem_free(name);
    catalog_table_unref(t);
    rig_down(&x);
}

/* Not a restored log: killed between a commit and everything that tells of it. */
Test(compact_restored, a_commit_that_nobody_was_told_of_is_believed)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 7, 5);
    rig_settle(&x, t);
    x.store = (store_close(x.store), store_open_model());
    next_life(&x, &t);
    rig_rows(&x, t, 2, 5);

    rig_settle(&x, t);

    cr_assert_eq(rig_delta(&x, t->location).rows, 9);
    catalog_table_unref(t);
    rig_down(&x);
}
