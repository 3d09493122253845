/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a real log into Delta: each position once, whatever fails in between. */
#include "rig.h"

#include <sys/resource.h>

Test(compact_rows, become_one_version_that_reaches_to_the_scanned_position)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 10, 5);
    bronze_pos last = rig_rows(&x, t, 7, 5);

    rig_settle(&x, t);

    struct rig_delta d = rig_delta(&x, t->location);
    struct compact_table_status s = rig_status(&x, t);
    struct compact_totals totals;
    compact_totals(x.c, &totals);
    cr_assert_eq(d.version, 1);
    cr_assert_eq(d.rows, 17);
    cr_assert_eq(d.last, last);
    cr_assert_eq(d.txn, (int64_t)last);
    cr_assert_eq(s.committed_pos, last);
    cr_assert_eq(s.rows_committed, 17);
    cr_assert_eq(s.delta_version, 1);
    cr_assert_eq(totals.files, 1);
    cr_assert_eq(compact_wait(x.c, t->id, last, 0, NULL), 0);
    cr_assert_eq(compact_wait(x.c, COMPACT_ALL, last, 0, NULL), 0);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_rows, wait_in_memory_until_they_are_due)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    bronze_pos last = rig_rows(&x, t, 10, 5);

    rig_turn(&x);

    struct compact_table_status s = rig_status(&x, t);
    cr_assert_eq(rig_delta(&x, t->location).version, 0);
    cr_assert_eq(s.rows_waiting, 10);
    cr_assert_eq(s.first_waiting, last - 9);
    cr_assert_eq(compact_floor(x.c), last - 9);
    cr_assert_eq(compact_wait(x.c, t->id, last - 10, 0, NULL), 0);
    cr_assert_eq(compact_wait(x.c, t->id, last, 0, NULL), ERR_TIMEOUT);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_rows, are_cut_by_size_between_blocks)
{
    struct rig x;
    rig_up(&x);
    rig_kill(&x);
    x.options.file_bytes = 10000;
    rig_open(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    bronze_pos last = 0;
    for (unsigned i = 0; i < 5; i++)
        last = rig_rows(&x, t, 100, 100);

    rig_turn(&x);

    struct rig_delta d = rig_delta(&x, t->location);
    cr_assert_eq(d.rows, 500);
    cr_assert_eq(d.files, 5);
    cr_assert_eq(d.last, last);
    cr_assert_eq(rig_status(&x, t).first_waiting, 0);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_rows, of_many_row_groups_are_all_there)
{
    struct rig x;
    rig_up(&x);
    x.options.file_bytes = 1ull << 30;
    x.log_bytes_max = 320 * RIG_UNIT;
    rig_restart(&x);
    x.c->spilling.table_log_bytes = UINT64_MAX; /* it may hold the whole log */
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    for (unsigned i = 0; i < 72; i++)
        rig_rows(&x, t, 1, 1024 * 1024); /* more than one row group of 64 MiB */

    rig_settle(&x, t);

    struct rig_delta d = rig_delta(&x, t->location);
    cr_assert_eq(d.rows, 72);
    cr_assert_eq(d.files, 1);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_start, skips_what_is_committed)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 10, 5);
    rig_settle(&x, t);
    rig_rows(&x, t, 5, 5);
    rig_turn(&x);
    catalog_table_unref(t);
    rig_restart(&x);
    x.store = (store_close(x.store), store_open_model()); /* and the store is lost */
    rig_kill(&x);
    rig_open(&x);

    cr_assert_eq(catalog_table_by_name(x.catalog, "main.farm.quotes", &t, NULL), 0);
    rig_rows(&x, t, 3, 5);
    rig_settle(&x, t);

    struct rig_delta d = rig_delta(&x, t->location);
    cr_assert_eq(d.rows, 18);
    cr_assert_eq(d.files, 2);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_start, lake_ahead_of_the_log_stops_the_table)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    rig_rows(&x, t, 1, 5);
    rig_settle(&x, t);
    struct uuid u = bronze_uuid(x.log);
    char uuid[UUID_TEXT_LEN + 1];
    uuid_format(&u, uuid);
    char *name = mem_printf("%s/_delta_log/%020d.json", t->location, 2);
    char *text =
        mem_printf("{\"commitInfo\":{\"inCommitTimestamp\":1,\"engineInfo\":\"sluice/0.1.0\"}}\n"
                   "{\"txn\":{\"appId\":\"sluice/0/%s/%llu/%u\",\"version\":999999}}\n",
                   uuid, (unsigned long long)bronze_timeline(x.log), t->id);
    cr_assert_eq(objstore_put_absent(x.lake, name, slice_str(text), NULL), 0);
    rig_kill(&x);
    rig_open(&x);
    bronze_pos first = rig_rows(&x, t, 1, 5);
    rig_rows(&x, other, 4, 5);

    rig_settle(&x, other);

    cr_assert_eq(rig_status(&x, t).state, COMPACT_STOPPED);
    cr_assert(rig_has_fault(&x, t, "the lake is ahead of the log"));
    cr_assert_eq(rig_delta(&x, other->location).rows, 4);
    cr_assert_leq(compact_floor(x.c), first); /* its rows are not trimmed away */
    mem_free(name);
    mem_free(text);
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_down(&x);
}

/* A mount that is gone leaves an empty folder, which would take files. */
Test(compact_push, a_lake_that_is_not_there_takes_nothing_and_may_come_back)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 10, 5);
    rig_settle(&x, t);
    char *lake = mem_printf("%s/lake", x.path), *away = mem_printf("%s/away", x.path);
    cr_assert_eq(rename(lake, away), 0);
    rig_rows(&x, t, 5, 5);
    x.c->draining = true;
    for (unsigned i = 0; i < 20; i++)
        (void)compact_step(x.c, 20000);
    cr_assert(rig_has_fault(&x, t, "is the lake another one"), "%s", rig_status(&x, t).fault);
    cr_assert_eq(rig_status(&x, t).state, COMPACT_READY);
    bool there = true;
    cr_assert_eq(sys_exists(x.sys, lake, &there, &x.e), 0);
    cr_assert_not(there);

    cr_assert_eq(rename(away, lake), 0);
    rig_settle(&x, t);

    cr_assert_eq(rig_delta(&x, t->location).rows, 15);
    mem_free(lake);
    mem_free(away);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_start, lake_that_lost_commits_stops_the_table)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 10, 5);
    rig_settle(&x, t);
    char *name = mem_printf("%s/_delta_log/%020d.json", t->location, 1);
    cr_assert_eq(objstore_delete(x.lake, name, NULL), 0);
    rig_kill(&x);
    rig_open(&x);

    rig_turn(&x);

    cr_assert_eq(rig_status(&x, t).state, COMPACT_STOPPED);
    cr_assert(rig_has_fault(&x, t, "has lost commits"));
    mem_free(name);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_create, table_without_rows_is_there_for_readers)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");

    rig_turn(&x);
    rig_turn(&x);

    cr_assert_eq(rig_delta(&x, t->location).version, 0);
    cr_assert_eq(rig_status(&x, t).state, COMPACT_READY);
    cr_assert_eq(compact_check_location(x.lake, t->location, NULL), ERR_EXISTS);
    cr_assert_eq(compact_check_location(x.lake, "main/farm/new", NULL), 0);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_create, occupied_location_stops_only_that_table)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    char *name = mem_printf("%s/stray", t->location);
    cr_assert_eq(objstore_put(x.lake, name, slice_str("x"), NULL), 0);
    rig_rows(&x, t, 2, 5);
    rig_rows(&x, other, 3, 5);

    rig_settle(&x, other);

    cr_assert_eq(rig_delta(&x, other->location).rows, 3);
    cr_assert_eq(rig_status(&x, t).state, COMPACT_STOPPED);
    cr_assert(rig_has_fault(&x, t, "is not empty"));
    mem_free(name);
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_down(&x);
}

Test(compact_faults, lost_answer_commits_the_same_cut_once)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    bronze_pos one = rig_rows(&x, t, 10, 5);
    objstore_fake_order(x.lake, "0001.json", OBJSTORE_LOSE_ANSWER, 0, 1);
    x.c->draining = true;
    rig_turn(&x);
    cr_assert(rig_has_fault(&x, t, "the answer was lost"));
    bronze_pos two = rig_rows(&x, t, 4, 5); /* must not widen the cut */

    rig_settle(&x, t);

    struct rig_delta d = rig_delta(&x, t->location);
    cr_assert_eq(d.rows, 14);
    cr_assert_eq(d.files, 2);
    cr_assert_eq(d.version, 2);
    cr_assert_eq(d.last, two);
    cr_assert_lt(one, two);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_faults, kill_after_a_lost_answer_doubles_nothing)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 10, 5);
    objstore_fake_order(x.lake, "0001.json", OBJSTORE_LOSE_ANSWER, 0, 1);
    x.c->draining = true;
    rig_turn(&x);
    rig_kill(&x);
    rig_open(&x);
    rig_rows(&x, t, 4, 5);

    rig_settle(&x, t);

    cr_assert_eq(rig_delta(&x, t->location).rows, 14);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_faults, kill_between_file_and_commit_loses_nothing)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 10, 5);
    objstore_fake_order(x.lake, "0001.json", OBJSTORE_FAIL, 0, 1);
    x.c->draining = true;
    rig_turn(&x);
    rig_kill(&x);
    rig_open(&x);

    rig_settle(&x, t);

    struct rig_delta d = rig_delta(&x, t->location);
    cr_assert_eq(d.rows, 10);
    cr_assert_eq(d.files, 1);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_faults, one_tables_lake_does_not_hold_the_others)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    rig_turn(&x);
    objstore_fake_order(x.lake, "quotes", OBJSTORE_NO_SPACE, 0, 2);
    rig_rows(&x, t, 10, 5);
    rig_rows(&x, other, 5, 5);
    x.c->draining = true;
    rig_turn(&x);

    cr_assert_eq(rig_delta(&x, other->location).rows, 5);
    cr_assert(rig_has_fault(&x, t, "no space"));
    rig_settle(&x, t);

    cr_assert_eq(rig_delta(&x, t->location).rows, 10);
    cr_assert_str_eq(rig_status(&x, t).fault, "");
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_down(&x);
}

Test(compact_faults, what_does_not_fit_in_memory_is_read_again)
{
    struct rig x;
    rig_up(&x);
    rig_kill(&x);
    x.options.memory_bytes = 1024 * 1024;
    x.options.file_bytes = 300 * 1024;
    rig_open(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    rig_turn(&x);
    objstore_fake_order(x.lake, "quotes/", OBJSTORE_FAIL, 0, 4);
    for (unsigned i = 0; i < 40; i++) { /* 4 MB and 2 MB: the budget is 1 MiB */
        rig_rows(&x, t, 10, 10000);
        rig_rows(&x, other, 5, 10000);
        (void)compact_step(x.c, 0);
    }

    rig_settle(&x, t);
    rig_settle(&x, other);

    struct compact_totals totals;
    compact_totals(x.c, &totals);
    cr_assert_eq(rig_delta(&x, t->location).rows, 400);
    cr_assert_eq(rig_delta(&x, other->location).rows, 200);
    cr_assert_gt(totals.rewinds, 0);
    cr_assert_eq(totals.rows, 600);
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_down(&x);
}

/* The process has used up its open files: segments cannot be read just now. */
Test(compact_faults, log_that_cannot_be_opened_is_read_later)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 10, 5);
    rig_turn(&x);
    char *name = mem_strdup(t->name);
    catalog_table_unref(t);
    rig_restart(&x); /* nothing is in memory now */
    cr_assert_eq(catalog_table_by_name(x.catalog, name, &t, NULL), 0);
    struct rlimit old, low;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = (struct rlimit){3, old.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);

    bool read = compact_step(x.c, 0);
    bronze_pos scanned = x.c->scanned;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    rig_settle(&x, t);

    cr_assert_not(read);
    cr_assert_eq(scanned, 0);
    cr_assert_eq(rig_delta(&x, t->location).rows, 10);
    mem_free(name);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_faults, rows_that_are_passed_over_are_counted_as_waiting)
{
    struct rig x;
    rig_up(&x);
    rig_kill(&x);
    x.options.memory_bytes = 1024 * 1024;
    rig_open(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    rig_turn(&x);
    objstore_fake_order(x.lake, "quotes", OBJSTORE_FAIL, 0, 4);
    objstore_fake_order(x.lake, "other", OBJSTORE_FAIL, 0, 2);
    for (unsigned i = 0; i < 20; i++) { /* 4 MB and 2 MB */
        rig_rows(&x, t, 20, 10000);
        rig_rows(&x, other, 10, 10000);
        (void)compact_step(x.c, 0);
    }
    rig_turn(&x);

    uint64_t waiting = rig_status(&x, t).rows_waiting + rig_delta(&x, t->location).rows;
    rig_settle(&x, other);
    uint64_t later = rig_status(&x, t).rows_waiting + rig_delta(&x, t->location).rows;
    rig_settle(&x, t);

    cr_assert_eq(waiting, 400);
    cr_assert_eq(later, 400); /* reading again for the other one counts nothing twice */
    cr_assert_eq(rig_status(&x, t).rows_waiting, 0);
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_down(&x);
}

Test(compact_faults, tables_share_the_memory_budget)
{
    struct rig x;
    rig_up(&x);
    rig_kill(&x);
    x.options.memory_bytes = 300000;
    rig_open(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    rig_rows(&x, t, 20, 10000);
    rig_rows(&x, other, 15, 10000);

    rig_turn(&x);

    cr_assert_eq(rig_delta(&x, t->location).rows, 20); /* the largest was cut early */
    cr_assert_eq(rig_delta(&x, other->location).rows, 0);
    cr_assert_eq(rig_status(&x, other).rows_waiting, 15);
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_down(&x);
}

Test(compact_drop, commits_what_is_below_and_moves_the_folder)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 10, 5);
    cr_assert_eq(catalog_drop_table(x.catalog, "main.farm.quotes", &x.e), 0);

    rig_turn(&x);
    rig_turn(&x);

    char *moved = mem_printf("dropped/%s-%s", t->location, t->delta_id);
    bool empty = false;
    cr_assert_eq(rig_delta(&x, moved).rows, 10);
    cr_assert_eq(objstore_is_empty(x.lake, t->location, &empty, NULL), 0);
    cr_assert(empty);
    cr_assert_eq(rig_status(&x, t).state, COMPACT_GONE);
    struct catalog_table *again = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, again, 2, 5);
    rig_settle(&x, again);
    cr_assert_eq(rig_delta(&x, again->location).rows, 2);
    mem_free(moved);
    catalog_table_unref(t);
    catalog_table_unref(again);
    rig_down(&x);
}

Test(compact_drop, waits_until_the_rows_below_are_committed)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_turn(&x);
    rig_turn(&x);
    rig_rows(&x, t, 10, 5);
    cr_assert_eq(catalog_drop_table(x.catalog, "main.farm.quotes", &x.e), 0);
    objstore_fake_order(x.lake, ".zstd.parquet", OBJSTORE_FAIL, 0, 1);

    rig_turn(&x);
    enum compact_state early = rig_status(&x, t).state;
    rig_settle(&x, t);

    char *moved = mem_printf("dropped/%s-%s", t->location, t->delta_id);
    cr_assert_eq(early, COMPACT_READY);
    cr_assert_eq(rig_status(&x, t).state, COMPACT_GONE);
    cr_assert_eq(rig_delta(&x, moved).rows, 10);
    mem_free(moved);
    catalog_table_unref(t);
    rig_down(&x);
}

/* A stopped table is given up as it is, and then nothing is left to do for it. */
Test(compact_drop, of_a_stopped_table_with_new_columns_leaves_the_worker_at_rest)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 10, 5);
    rig_settle(&x, t);
    struct compact_table *ct = compact__table(x.c, t->id);
    struct err e;
    (void)err_set(&e, ERR_DAMAGED, "as if its commits were damaged");
    compact__table_stop(ct, &e);
    catalog_table_unref(rig_alter(&x, "main.farm.quotes", "note STRING", NULL));
    rig_turn(&x);
    cr_assert_neq(ct->alter_pos, 0);

    cr_assert_eq(catalog_drop_table(x.catalog, "main.farm.quotes", &x.e), 0);
    rig_turn(&x);

    cr_assert_eq(ct->state, COMPACT_GONE);
    cr_assert_not(compact__table_is_busy(ct));
    bool rested = false; /* once what the drop left in the log is read, nothing is due */
    for (unsigned i = 0; i < 20 && !rested; i++) {
        uint64_t before_ns = sys_mono_ns(x.sys);
        (void)compact_step(x.c, 100000);
        rested = sys_mono_ns(x.sys) - before_ns >= 80000000u;
    }
    cr_assert(rested);
    catalog_table_unref(t);
    rig_down(&x);
}

/* The drop's record lies below where the reading begins: nothing else would tell. */
Test(compact_drop, that_is_over_frees_the_name_after_a_restart_too)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    rig_rows(&x, t, 10, 5);
    cr_assert_eq(catalog_drop_table(x.catalog, "main.farm.quotes", &x.e), 0);
    rig_settle(&x, t);
    rig_rows(&x, other, 1, 5);
    rig_settle(&x, other); /* its commit keeps the floor, above the drop */
    catalog_table_unref(t);
    catalog_table_unref(other);

    rig_restart(&x);
    rig_turn(&x);

    t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 2, 5);
    rig_settle(&x, t);
    cr_assert_eq(rig_delta(&x, t->location).rows, 2);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_drop, is_finished_after_a_restart)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 10, 5);
    cr_assert_eq(catalog_drop_table(x.catalog, "main.farm.quotes", &x.e), 0);
    objstore_fake_order(x.lake, "quotes", OBJSTORE_FAIL, 0, 1);
    rig_turn(&x);
    char *location = mem_strdup(t->location);
    char *moved = mem_printf("dropped/%s-%s", t->location, t->delta_id);
    catalog_table_unref(t);
    rig_restart(&x);

    rig_turn(&x);
    rig_turn(&x);

    bool empty = false;
    cr_assert_eq(objstore_is_empty(x.lake, location, &empty, NULL), 0);
    cr_assert(empty);
    cr_assert_eq(rig_delta(&x, moved).rows, 10);
    rig_restart(&x);
    rig_turn(&x);
    cr_assert_eq(rig_delta(&x, moved).rows, 10);
    cr_assert_eq(objstore_is_empty(x.lake, location, &empty, NULL), 0);
    cr_assert(empty);
    mem_free(location);
    mem_free(moved);
    rig_down(&x);
}

Test(compact_worker, commits_by_age_and_stops_clean)
{
    struct rig x;
    rig_up(&x);
    rig_kill(&x);
    x.options.freshness_ms = 1;
    rig_open(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    cr_assert_eq(compact_start(x.c, NULL), 0);
    bronze_pos one = rig_rows(&x, t, 10, 5);

    int waited = compact_wait(x.c, t->id, one, 10000, NULL);
    bronze_pos two = rig_rows(&x, t, 10, 5);
    compact_stop(x.c, 10000);

    struct rig_delta d = rig_delta(&x, t->location);
    cr_assert_eq(waited, 0);
    cr_assert_eq(d.rows, 20);
    cr_assert_eq(d.last, two);
    cr_assert_gt(trace_hist_quantile(compact_freshness_hist(x.c), 0.5), 0);
    struct compact_table_status *all = NULL;
    cr_assert_eq(compact_tables(x.c, &all), 1);
    cr_assert_eq(all[0].rows_committed, 20);
    mem_free(all);
    catalog_table_unref(t);
    rig_down(&x);
}

/* The record is durable, and read, a moment before the catalog has it in force. */
Test(compact_tables, a_table_is_opened_though_its_record_was_read_before_the_catalog_knew_it)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *first = rig_table(&x, "main.farm.first");
    uint8_t record[] = {0x0a, 2, 0x08, (uint8_t)(first->id + 1)}; /* TableCreated {table_id} */
    struct slice payload = slice_of(record, sizeof(record));
    struct bronze_append a = {.kind = BRONZE_CONTROL, .rows = &payload, .row_count = 1};
    cr_assert_eq(bronze_append(x.log, &a), 0);
    cr_assert_eq(bronze_wait(x.log, a.ticket, 10000), 0);
    rig_turn(&x);

    x.c->read_next_ns = UINT64_MAX; /* what the catalog writes itself is not read */
    struct catalog_table *t = rig_table(&x, "main.farm.late");
    cr_assert_eq(t->id, first->id + 1);
    (void)compact_step(x.c, 0);

    bool empty = true;
    cr_assert_eq(objstore_is_empty(x.lake, t->location, &empty, &x.e), 0);
    cr_assert_not(empty);
    catalog_table_unref(first);
    catalog_table_unref(t);
    rig_down(&x);
}
