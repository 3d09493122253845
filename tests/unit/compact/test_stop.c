/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a life: what can be committed is, what cannot is left to the log, and it takes no
 * longer than was granted. */
#include "rig.h"

#include "store/model.h"

#define FOR_EVER 1000000u
#define SECOND   1000000000ull

/* 6 MB of rows, where the memory takes one. */
static bronze_pos backlog(struct rig *x, struct catalog_table *t)
{
    bronze_pos last = 0;
    for (unsigned i = 0; i < 60; i++)
        last = rig_rows(x, t, 10, 10000);
    return last;
}

static void up(struct rig *x)
{
    rig_up(x);
    rig_kill(x);
    x->options.memory_bytes = 1024 * 1024;
    x->options.file_bytes = 300 * 1024;
    rig_open(x);
}

Test(compact_stop, leaves_a_backlog_to_the_log_when_the_lake_is_away)
{
    struct rig x;
    up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    rig_turn(&x);
    objstore_fake_order(x.lake, "quotes", OBJSTORE_FAIL, 0, FOR_EVER);
    bronze_pos last = backlog(&x, t);
    rig_rows(&x, other, 5, 10);
    uint64_t began = sys_mono_ns(x.sys);

    bool is_all = compact_drain(x.c);

    cr_assert_not(is_all);
    cr_assert_lt(sys_mono_ns(x.sys) - began, 5 * SECOND);
    cr_assert_eq(rig_delta(&x, other->location).rows, 5); /* its own lake is there */
    cr_assert_gt(rig_status(&x, t).first_waiting, 0);
    cr_assert_leq(compact_floor(x.c), rig_status(&x, t).first_waiting);
    rig_kill(&x);
    x.lake = objstore_close(x.lake);
    char *lake = mem_printf("%s/lake", x.path);
    cr_assert_eq(objstore_open_folder(x.sys, lake, &x.lake, &x.e), 0);
    rig_open(&x);
    rig_settle(&x, t);
    struct rig_delta d = rig_delta(&x, t->location);
    cr_assert_eq(d.rows, 600);
    cr_assert_eq(d.last, last);
    mem_free(lake);
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_down(&x);
}

Test(compact_stop, tries_again_what_fails_once_or_twice)
{
    struct rig x;
    up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_turn(&x);
    backlog(&x, t);
    objstore_fake_order(x.lake, "quotes", OBJSTORE_FAIL, 0, 2);

    bool is_all = compact_drain(x.c);

    cr_assert(is_all);
    cr_assert_eq(rig_delta(&x, t->location).rows, 600);
    cr_assert_eq(rig_status(&x, t).first_waiting, 0);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_stop, ends_when_its_time_is_over_and_the_next_life_goes_on)
{
    struct rig x;
    up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_turn(&x);
    backlog(&x, t);
    atomic_store(&x.c->drain_end_ns, sys_mono_ns(x.sys));

    bool is_all = compact_drain(x.c);

    cr_assert_not(is_all);
    cr_assert_eq(rig_delta(&x, t->location).rows, 0);
    rig_kill(&x);
    rig_open(&x);
    compact_drain(x.c);
    cr_assert_eq(rig_delta(&x, t->location).rows, 600);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_stop, makes_the_watermarks_say_what_delta_says)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    rig_rows(&x, t, 10, 5);
    rig_settle(&x, t);
    rig_kill(&x);
    x.store = (store_close(x.store), store_open_model()); /* the watermark was not flushed */
    rig_open(&x);
    bronze_pos last = rig_rows(&x, other, 3, 5);

    compact_drain(x.c);

    struct compact_table a = {.id = t->id}, b = {.id = other->id};
    cr_assert_eq(compact__watermark_get(x.c, &a), (uint64_t)rig_delta(&x, t->location).txn);
    cr_assert_eq(compact__watermark_get(x.c, &b), (uint64_t)rig_delta(&x, other->location).txn);
    rig_kill(&x);
    rig_open(&x);
    cr_assert_geq(x.c->scanned, last); /* no row is read again */
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_down(&x);
}

static void reopen_soon(void *arg)
{
    struct rig *x = arg;
    sys_sleep_ms(x->sys, 50);
    cr_assert_eq(store_reopen(x->store, NULL), 0);
}

/* As the apply thread does it. */
Test(compact_stop, waits_for_a_store_that_is_being_opened_again)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 10, 5);
    rig_settle(&x, t);
    store_model_crash(x.store); /* the watermark was not flushed */
    store_model_fail(x.store, 1);
    struct sys_thread *apply = NULL;
    cr_assert_eq(sys_thread_start(x.sys, "apply", reopen_soon, &x, &apply), 0);

    compact_drain(x.c);
    sys_thread_join(apply);

    struct compact_table a = {.id = t->id};
    cr_assert_eq(compact__watermark_get(x.c, &a), (uint64_t)rig_delta(&x, t->location).txn);
    catalog_table_unref(t);
    rig_down(&x);
}
