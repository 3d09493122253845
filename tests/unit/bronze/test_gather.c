/* SPDX-License-Identifier: Apache-2.0 */
/* When writes begin, in virtual time: at once where rows are few, with more in each where they come
 * fast. */
#include "bronze/bronze.h"

#include "base/limits.h"
#include "sys/sys.h"

#include "test.h"

#define MIB       (1024u * 1024)
#define ROW_BYTES 1024u
#define LOAD_ROWS (GATHER_FROM_BYTES / ROW_BYTES + 1) /* what makes a write a large one */
#define MORE_ROWS (LOAD_ROWS / 2)                     /* too few for a write beside it */

struct fixture {
    struct sys *sys;
    struct bronze *log;
    uint64_t offset;
};

static int no_control(void *ctx, const struct bronze_frame *f)
{
    (void)ctx;
    (void)f;
    return 0;
}

static void set_up(struct fixture *x)
{
    struct err e = {0};
    struct bronze_options o = {"data", 16 * MIB, 128 * MIB, 32 * MIB, 0, false};
    *x = (struct fixture){.sys = sys_new_sim(1)};
    cr_assert_eq(bronze_init(x->sys, o.path, &e), 0);
    cr_assert_eq(bronze_open(x->sys, &o, no_control, x, &x->log, &e), 0, "%s", e.text);
    bronze_segment_step(x->log);
}

static void tear_down(struct fixture *x)
{
    x->log = bronze_close(x->log);
    x->sys = sys_free(x->sys);
}

static void rows(struct fixture *x, unsigned count)
{
    static const uint8_t bytes[ROW_BYTES];
    struct slice row = slice_of(bytes, sizeof(bytes));
    for (unsigned i = 0; i < count; i++) {
        struct bronze_append a = {.kind = BRONZE_SINGLES,
                                  .stream_id = 1,
                                  .offset = x->offset++,
                                  .rows = &row,
                                  .row_count = 1};
        cr_assert_eq(bronze_append(x->log, &a), 0);
    }
}

static uint64_t writes(const struct fixture *x)
{
    struct bronze_usage u;
    bronze_usage(x->log, &u);
    return u.writes;
}

/* Of the virtual machine: a write takes 80 of them. */
static uint64_t now_us(const struct fixture *x)
{
    return sys_mono_ns(x->sys) / 1000;
}

static void finish(struct fixture *x, uint64_t wanted)
{
    for (int i = 0; i < 10 && bronze_durable_pos(x->log) < wanted; i++)
        bronze_step(x->log, 10);
    cr_assert_geq(bronze_durable_pos(x->log), wanted);
}

/* A large write has completed, and @more rows came meanwhile. Returns when it began. */
static uint64_t load(struct fixture *x, unsigned more)
{
    uint64_t began_us = now_us(x);
    rows(x, LOAD_ROWS);
    bronze_step(x->log, 0);
    cr_assert_eq(writes(x), 1);
    uint64_t end = bronze_appended_pos(x->log);
    rows(x, more);
    finish(x, end);
    return began_us;
}

Test(bronze_gather, few_rows_are_written_at_once)
{
    struct fixture x;
    set_up(&x);
    for (unsigned i = 1; i < 10; i++) {
        rows(&x, 1);
        bronze_step(x.log, 0);
        cr_assert_eq(writes(&x), i);
        finish(&x, bronze_appended_pos(x.log));
    }
    tear_down(&x);
}

Test(bronze_gather, a_batch_is_written_at_once_when_none_came_during_the_last)
{
    struct fixture x;
    set_up(&x);
    (void)load(&x, 0);

    rows(&x, LOAD_ROWS);
    bronze_step(x.log, 0);

    cr_assert_eq(writes(&x), 2);
    tear_down(&x);
}

Test(bronze_gather, under_load_a_write_waits_until_much_is_there)
{
    struct fixture x;
    set_up(&x);
    (void)load(&x, MORE_ROWS);

    bronze_step(x.log, 0);
    cr_assert_eq(writes(&x), 1);
    rows(&x, GATHER_BYTES / ROW_BYTES - MORE_ROWS);
    bronze_step(x.log, 0);

    cr_assert_eq(writes(&x), 2);
    tear_down(&x);
}

Test(bronze_gather, but_not_for_long)
{
    struct fixture x;
    set_up(&x);
    uint64_t began_us = load(&x, MORE_ROWS);

    while (writes(&x) == 1) {
        rows(&x, 20);
        bronze_step(x.log, 100);
        cr_assert_leq(now_us(&x), began_us + GATHER_US + 100);
    }

    cr_assert_geq(now_us(&x), began_us + GATHER_US);
    tear_down(&x);
}

Test(bronze_gather, and_two_steps_at_most_when_no_more_come)
{
    struct fixture x;
    set_up(&x);
    uint64_t began_us = load(&x, MORE_ROWS);

    while (writes(&x) == 1)
        bronze_step(x.log, 10000);

    cr_assert_leq(now_us(&x), began_us + 2 * GATHER_STEP_US + 100);
    cr_assert_geq(now_us(&x), began_us + 2 * GATHER_STEP_US);
    cr_assert_lt(now_us(&x), began_us + GATHER_US);
    tear_down(&x);
}

/* Whose rows are all in one write, and who send the next ones when they hear of it. */
Test(bronze_gather, clients_that_wait_for_their_acks_wait_for_nothing_else)
{
    struct fixture x;
    set_up(&x);
    for (unsigned i = 0; i < 10; i++) {
        uint64_t before = writes(&x);
        rows(&x, 2 * LOAD_ROWS);
        bronze_step(x.log, 0);
        cr_assert_eq(writes(&x), before + 1);
        finish(&x, bronze_appended_pos(x.log));
    }
    tear_down(&x);
}

Test(bronze_gather, a_row_alone_does_not_wait_behind_a_large_write)
{
    struct fixture x;
    set_up(&x);
    (void)load(&x, 0);

    rows(&x, 1);
    bronze_step(x.log, 0);

    cr_assert_eq(writes(&x), 2);
    tear_down(&x);
}

Test(bronze_gather, nothing_waits_when_the_log_is_closed)
{
    struct fixture x;
    set_up(&x);
    (void)load(&x, MORE_ROWS);
    bronze_step(x.log, 0);
    cr_assert_lt(bronze_durable_pos(x.log), bronze_appended_pos(x.log));

    bronze_stop(x.log);

    cr_assert_eq(bronze_durable_pos(x.log), bronze_appended_pos(x.log));
    tear_down(&x);
}

Test(bronze_gather, when_the_load_is_over_few_rows_are_written_at_once_again)
{
    struct fixture x;
    set_up(&x);
    (void)load(&x, MORE_ROWS);
    sys_sleep_ms(x.sys, 2);

    rows(&x, 1);
    bronze_step(x.log, 0);

    cr_assert_eq(writes(&x), 2);
    finish(&x, bronze_appended_pos(x.log));
    rows(&x, 1);
    bronze_step(x.log, 0);
    cr_assert_eq(writes(&x), 3);
    tear_down(&x);
}
