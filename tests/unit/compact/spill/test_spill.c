/* SPDX-License-Identifier: Apache-2.0 */
/* One slow table does not pin the log: its rows leave it for files, and the log goes on (L9). */
#include "rig.h"

#include "base/bits.h"
#include "store/model.h"
#include "sys/sys.h"

#define FOR_EVER 1000000u

/* Two segments of log for a table that the lake does not take. */
static void up(struct rig *x, uint64_t memory_bytes)
{
    rig_up(x);
    rig_kill(x);
    x->options.memory_bytes = memory_bytes;
    x->options.file_bytes = memory_bytes / 4;
    x->options.table_log_bytes = 32 * RIG_UNIT;
    x->options.spill_bytes = 1024ull * RIG_UNIT;
    rig_open(x);
}

static size_t files_in_folder(struct rig *x)
{
    char *path = mem_printf("%s/spill", x->path);
    struct sys_names names = {0};
    bool there = false;
    cr_assert_eq(sys_exists(x->sys, path, &there, &x->e), 0);
    if (there)
        cr_assert_eq(sys_list(x->sys, path, &names, &x->e), 0);
    size_t count = names.count;
    sys_names_deinit(&names);
    mem_free(path);
    return count;
}

static struct catalog_table *lagging(struct rig *x)
{
    struct catalog_table *t = rig_table(x, "main.farm.quotes");
    rig_turn(x);
    objstore_fake_order(x->lake, "quotes", OBJSTORE_FAIL, 0, FOR_EVER);
    return t;
}

/* A pass has begun, and has @units of rows before it. */
static void begin_pass(struct rig *x, struct catalog_table *t, unsigned units)
{
    uint64_t bytes_max = x->c->spilling.bytes_max;
    x->c->spilling.bytes_max = 0; /* no pass yet */
    rig_load(x, t, units);
    x->c->spilling.bytes_max = bytes_max;
    compact__spill_look(x->c);
    cr_assert_not_null(x->c->spilling.reader);
}

static void finish_pass(struct rig *x)
{
    while (x->c->spilling.reader != NULL)
        (void)compact__spill(x->c);
}

static void lake_returns(struct rig *x)
{
    objstore_fake_chances(x->lake, NULL, NULL);
}

Test(compact_spill, a_table_without_its_lake_does_not_hold_the_log)
{
    struct rig x;
    up(&x, 8 * RIG_UNIT);
    struct catalog_table *t = lagging(&x);
    struct catalog_table *other = rig_table(&x, "main.farm.other");

    bronze_pos first = rig_rows(&x, t, 1, RIG_UNIT);
    bronze_pos last = rig_load(&x, t, 64);
    rig_load(&x, other, 200); /* more than the log holds */

    struct compact_table_status s = rig_status(&x, t);
    cr_assert_gt(s.spill_files, 0);
    cr_assert_gt(bronze_trimmed_pos(x.log), last);
    cr_assert_eq(s.first_waiting, first); /* it is not committed */
    cr_assert_eq(s.rows_waiting, 65);
    cr_assert_leq(compact_floor(x.c), first);
    lake_returns(&x);
    rig_settle(&x, t);
    rig_settle(&x, other);
    cr_assert_eq(rig_delta(&x, t->location).rows, 65);
    cr_assert_eq(rig_delta(&x, other->location).rows, 200);
    (void)compact_step(x.c, 0);
    cr_assert_eq(files_in_folder(&x), 0);
    cr_assert_eq(rig_status(&x, t).spill_files, 0);
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_down(&x);
}

Test(compact_spill, rows_that_stayed_in_memory_are_committed_from_there)
{
    struct rig x;
    up(&x, 1024 * RIG_UNIT);
    struct catalog_table *t = lagging(&x);
    x.c->draining = true; /* so that it tries, and fails */
    bronze_pos last = rig_load(&x, t, 64);
    x.c->draining = false;
    cr_assert_gt(rig_status(&x, t).spill_files, 0);
    uint64_t rewinds = x.c->totals.rewinds;

    lake_returns(&x);
    rig_settle(&x, t);

    struct rig_delta d = rig_delta(&x, t->location);
    cr_assert_eq(d.rows, 64);
    cr_assert_eq(d.last, last);
    cr_assert_eq(x.c->totals.rewinds, rewinds);
    (void)compact_step(x.c, 0);
    cr_assert_eq(files_in_folder(&x), 0);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_spill, the_next_life_goes_on_with_the_files)
{
    struct rig x;
    up(&x, 8 * RIG_UNIT);
    struct catalog_table *t = lagging(&x);
    rig_load(&x, t, 64);
    cr_assert_gt(bronze_trimmed_pos(x.log), 40);
    char *name = mem_strdup(t->name);
    catalog_table_unref(t);

    rig_restart(&x);
    cr_assert_eq(catalog_table_by_name(x.catalog, name, &t, NULL), 0);
    rig_load(&x, t, 40);
    cr_assert_gt(rig_status(&x, t).spill_files, 1);
    lake_returns(&x);
    rig_settle(&x, t);

    cr_assert_eq(rig_delta(&x, t->location).rows, 104);
    (void)compact_step(x.c, 0);
    cr_assert_eq(files_in_folder(&x), 0);
    mem_free(name);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_spill, a_life_that_ends_between_commit_and_removal_takes_no_row_twice)
{
    struct rig x;
    up(&x, 8 * RIG_UNIT);
    struct catalog_table *t = lagging(&x);
    rig_load(&x, t, 64);
    lake_returns(&x);
    while (rig_delta(&x, t->location).rows < 20) { /* some of it */
        (void)compact_step(x.c, 20000);
        x.c->spilling.tidy = false;
    }
    cr_assert_gt(files_in_folder(&x), 0);
    char *name = mem_strdup(t->name);
    catalog_table_unref(t);

    rig_restart(&x);
    cr_assert_eq(catalog_table_by_name(x.catalog, name, &t, NULL), 0);
    rig_settle(&x, t);

    cr_assert_eq(rig_delta(&x, t->location).rows, 64); /* rig_delta looks for overlaps */
    mem_free(name);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_spill, a_stopped_table_is_spilled_too)
{
    struct rig x;
    up(&x, 8 * RIG_UNIT);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 1, 10);
    rig_settle(&x, t);
    struct compact_table *ct = compact__table(x.c, t->id);
    struct err e;
    (void)err_set(&e, ERR_DAMAGED, "as if its commits were damaged");
    compact__table_stop(ct, &e);

    rig_load(&x, t, 200);

    cr_assert_gt(rig_status(&x, t).spill_files, 0);
    cr_assert_gt(bronze_trimmed_pos(x.log), 100);
    char *name = mem_strdup(t->name);
    catalog_table_unref(t);
    rig_restart(&x); /* what was wrong is mended */
    cr_assert_eq(catalog_table_by_name(x.catalog, name, &t, NULL), 0);
    rig_settle(&x, t);
    cr_assert_eq(rig_delta(&x, t->location).rows, 201);
    mem_free(name);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_spill, a_healthy_table_that_holds_the_log_commits_at_once)
{
    struct rig x;
    up(&x, 1024 * RIG_UNIT); /* neither size nor age ask for a commit */
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    rig_rows(&x, t, 1, 10);

    rig_load(&x, other, 64);

    cr_assert_eq(rig_delta(&x, t->location).rows, 1);
    cr_assert_eq(files_in_folder(&x), 0);
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_down(&x);
}

Test(compact_spill, beyond_the_limit_only_tables_with_files_are_slowed)
{
    struct rig x;
    up(&x, 8 * RIG_UNIT);
    x.c->spilling.bytes_max = 16 * RIG_UNIT;
    struct catalog_table *t = lagging(&x);
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    rig_load(&x, other, 2);

    rig_load(&x, t, 80);
    cr_assert(atomic_load(&t->live->slowed));
    cr_assert_not(atomic_load(&other->live->slowed));
    cr_assert_gt(bronze_trimmed_pos(x.log), 40); /* what is acknowledged does not hold the log */
    lake_returns(&x);
    rig_settle(&x, t);
    (void)compact_step(x.c, 0);

    cr_assert_not(atomic_load(&t->live->slowed));
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_down(&x);
}

/* Else each further table whose lake goes away would bring as much as it may hold. */
Test(compact_spill, beyond_the_limit_a_refused_table_without_files_is_slowed_too)
{
    struct rig x;
    up(&x, 8 * RIG_UNIT);
    x.c->spilling.bytes_max = 16 * RIG_UNIT;
    struct catalog_table *t = lagging(&x);
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    rig_load(&x, t, 80);
    cr_assert(x.c->spilling.is_over);
    cr_assert_not(atomic_load(&other->live->slowed));

    objstore_fake_order(x.lake, "other", OBJSTORE_FAIL, 0, FOR_EVER);
    rig_rows(&x, other, 1, 10);
    x.c->draining = true; /* so that it tries, and fails */
    rig_turn(&x);
    x.c->draining = false;

    cr_assert_eq(rig_status(&x, other).spill_files, 0);
    cr_assert(atomic_load(&other->live->slowed));
    lake_returns(&x);
    rig_settle(&x, other);
    cr_assert_not(x.c->spilling.failures);
    cr_assert_not(atomic_load(&other->live->slowed));
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_down(&x);
}

/* The log holds 160 units: the first half is for everybody. */
Test(compact_spill, a_refused_table_that_cannot_be_spilled_waits_at_half_of_the_log)
{
    struct rig x;
    up(&x, 8 * RIG_UNIT);
    x.c->spilling.bytes_max = 0;
    struct catalog_table *t = lagging(&x);
    struct catalog_table *other = rig_table(&x, "main.farm.other");

    rig_load(&x, t, 64);
    cr_assert_not(atomic_load(&t->live->slowed));
    rig_load(&x, t, 28);
    rig_load(&x, other, 8);

    cr_assert(atomic_load(&t->live->slowed));
    cr_assert_not(atomic_load(&other->live->slowed));
    lake_returns(&x);
    rig_settle(&x, t);
    cr_assert_not(atomic_load(&t->live->slowed));
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_down(&x);
}

/* Rows are in files, and the log was not trimmed since. */
static struct catalog_table *spilled_untrimmed(struct rig *x)
{
    up(x, 8 * RIG_UNIT);
    struct catalog_table *t = lagging(x);
    for (unsigned i = 0; i < 32; i++) {
        rig_rows(x, t, 2, RIG_UNIT);
        rig_turn(x);
    }
    cr_assert_gt(rig_status(x, t).spill_files, 0);
    return t;
}

/* What the store has durably for the table: up to where its rows are spilled. */
static void expect_noted(struct rig *x, const struct compact_table *ct)
{
    uint8_t key[5] = {'s'};
    put_be32(key + 1, ct->id);
    struct buf b = BUF_NULL;
    cr_assert_eq(store_get_persisted(x->store, slice_of(key, 5), &b, NULL), STORE_FOUND);
    cr_assert_eq(get_le64(b.data), ct->spill.last);
    buf_deinit(&b);
}

Test(compact_spill, a_log_is_not_trimmed_into_spilled_rows_before_the_store_knows)
{
    struct rig x;
    struct catalog_table *t = spilled_untrimmed(&x);
    rig_applied(&x, bronze_durable_pos(x.log));
    struct compact_table *ct = compact__table(x.c, t->id);

    compact__trim(x.c);

    cr_assert_gt(bronze_trimmed_pos(x.log), 1);
    expect_noted(&x, ct);
    catalog_table_unref(t);
    rig_down(&x);
}

/* As after a write that failed: what the store had not flushed is gone (rule S5). */
Test(compact_spill, a_store_that_forgot_is_told_again_before_the_log_is_trimmed)
{
    struct rig x;
    struct catalog_table *t = spilled_untrimmed(&x);
    struct compact_table *ct = compact__table(x.c, t->id);
    cr_assert_eq(ct->spill.marked, ct->spill.last);
    cr_assert_gt(ct->spill.last, 0);
    store_model_crash(x.store);
    rig_applied(&x, bronze_durable_pos(x.log));

    compact__trim(x.c);
    cr_assert_eq(bronze_trimmed_pos(x.log), 1);
    compact__trim(x.c);

    cr_assert_gt(bronze_trimmed_pos(x.log), 1);
    expect_noted(&x, ct);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_spill, a_drop_takes_the_files_along)
{
    struct rig x;
    up(&x, 8 * RIG_UNIT);
    struct catalog_table *t = lagging(&x);
    rig_load(&x, t, 64);
    cr_assert_gt(files_in_folder(&x), 0);
    struct compact_table *ct = compact__table(x.c, t->id);
    struct err e;
    (void)err_set(&e, ERR_DAMAGED, "as if its commits were damaged");
    compact__table_stop(ct, &e); /* so the drop gives it up */

    cr_assert_eq(catalog_drop_table(x.catalog, t->name, &x.e), 0);
    for (unsigned i = 0; i < 200 && rig_status(&x, t).state != COMPACT_GONE; i++)
        (void)compact_step(x.c, 20000);

    cr_assert_eq(rig_status(&x, t).state, COMPACT_GONE);
    cr_assert_eq(files_in_folder(&x), 0);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_spill, a_dropped_table_without_its_lake_does_not_hold_the_log_either)
{
    struct rig x;
    up(&x, 8 * RIG_UNIT);
    struct catalog_table *t = lagging(&x);
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    rig_load(&x, t, 64);
    cr_assert_eq(catalog_drop_table(x.catalog, t->name, &x.e), 0);
    bronze_pos dropped = bronze_durable_pos(x.log);
    uint32_t id = t->id;
    char *location = mem_printf("dropped/%s-%s", t->location, t->delta_id);
    catalog_table_unref(t);

    rig_load(&x, other, 120);
    cr_assert_gt(bronze_trimmed_pos(x.log), dropped);
    char *name = mem_strdup(other->name);
    catalog_table_unref(other);
    rig_restart(&x);
    lake_returns(&x);
    for (unsigned i = 0; i < 200 && compact__table(x.c, id)->state != COMPACT_GONE; i++)
        (void)compact_step(x.c, 20000);

    cr_assert_eq(compact__table(x.c, id)->state, COMPACT_GONE);
    cr_assert_eq(rig_delta(&x, location).rows, 64);
    cr_assert_eq(files_in_folder(&x), 0);
    mem_free(location);
    mem_free(name);
    rig_down(&x);
}

Test(compact_spill, a_disk_that_is_nearly_full_is_left_to_log_and_lake)
{
    struct rig x;
    up(&x, 8 * RIG_UNIT);
    struct catalog_table *t = lagging(&x);
    uint64_t file_bytes = x.c->policy.file_bytes;
    x.c->policy.file_bytes = 1ull << 60; /* two of them do not fit */
    rig_load(&x, t, 92);
    cr_assert_eq(files_in_folder(&x), 0);
    cr_assert_eq(bronze_trimmed_pos(x.log), 1);
    cr_assert(atomic_load(&t->live->slowed)); /* it holds half of the log */

    x.c->policy.file_bytes = file_bytes;
    x.c->spilling.retry_ns = 0;
    rig_load(&x, t, 4);

    cr_assert_gt(rig_status(&x, t).spill_files, 0);
    cr_assert_not(atomic_load(&t->live->slowed));
    lake_returns(&x);
    rig_settle(&x, t);
    cr_assert_eq(rig_delta(&x, t->location).rows, 96);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_spill, a_disk_that_fills_up_in_a_pass_ends_it)
{
    struct rig x;
    up(&x, 8 * RIG_UNIT);
    struct catalog_table *t = lagging(&x);
    begin_pass(&x, t, 64);

    x.c->policy.file_bytes = 1ull << 60;
    finish_pass(&x);

    cr_assert_eq(x.c->spilling.failures, 1);
    cr_assert_eq(files_in_folder(&x), 0);
    catalog_table_unref(t);
    rig_down(&x);
}

/* One file is finished at SPILL_FILE_BYTES, and the next begins behind it. */
Test(compact_spill, a_pass_over_many_rows_writes_several_files)
{
    struct rig x;
    up(&x, 8 * RIG_UNIT);
    x.log_bytes_max = 320 * RIG_UNIT;
    rig_restart(&x);
    struct catalog_table *t = lagging(&x);
    begin_pass(&x, t, 170);

    finish_pass(&x);

    cr_assert_eq(files_in_folder(&x), 2);
    lake_returns(&x);
    rig_settle(&x, t);
    cr_assert_eq(rig_delta(&x, t->location).rows, 170);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_spill, a_table_may_hold_half_of_the_log_at_most)
{
    struct rig x;
    struct bronze_usage u;
    rig_up(&x);
    rig_kill(&x);
    x.options.table_log_bytes = 1ull << 40;
    rig_open(&x);

    bronze_usage(x.log, &u);

    cr_assert_eq(x.c->spilling.table_log_bytes, u.log_bytes_max / 2);
    rig_down(&x);
}

/* An alteration waits for its commit, and the log was trimmed above it. */
Test(compact_spill, an_altered_table_without_rows_does_not_hold_the_log_in_the_next_life)
{
    struct rig x;
    up(&x, 8 * RIG_UNIT);
    struct catalog_table *t = lagging(&x);
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    struct catalog_table *two = rig_alter(&x, t->name, "note STRING", NULL);
    bronze_pos altered = two->since_pos;
    uint32_t id = t->id;
    catalog_table_unref(t);
    catalog_table_unref(two);
    rig_load(&x, other, 64);
    bronze_pos trimmed = bronze_trimmed_pos(x.log);
    cr_assert_gt(trimmed, altered);
    char *name = mem_strdup(other->name);
    catalog_table_unref(other);

    rig_restart(&x);
    cr_assert_eq(catalog_table_by_name(x.catalog, name, &other, NULL), 0);
    struct compact_table *ct = compact__table(x.c, id);
    rig_turn(&x);
    ct->alter_pos = altered; /* as after a look at the lake, which takes no commit */
    rig_load(&x, other, 64);

    cr_assert_gt(bronze_trimmed_pos(x.log), trimmed);
    mem_free(name);
    catalog_table_unref(other);
    rig_down(&x);
}
