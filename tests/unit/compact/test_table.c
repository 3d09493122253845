/* SPDX-License-Identifier: Apache-2.0 */
/* Where a table's positions are: committed < frozen cut < open < missed. */
#include "compact_priv.h"
#include "row/row.h"

#include "test.h"

/* Committed to 10; a frozen cut 11..20; open 21..30. */
static struct compact_table full(void)
{
    struct compact_table t = {.id = 1, .state = COMPACT_READY, .committed = 10, .taken = 30};
    t.cut.frozen = true;
    t.cut.meta.first_pos = 11;
    t.cut.meta.last_pos = 20;
    t.open.first_pos = 21;
    t.open.last_pos = 30;
    t.open.load.rows = 10;
    return t;
}

Test(compact_table, floor_is_its_first_row_that_is_not_committed)
{
    struct compact_table t = full();
    cr_assert_eq(compact__table_floor(&t, 40), 11);

    t.cut.frozen = false;
    cr_assert_eq(compact__table_floor(&t, 40), 21);

    t.open.load.rows = 0;
    cr_assert_eq(compact__table_floor(&t, 40), 41);

    t.missed = 35;
    cr_assert_eq(compact__table_floor(&t, 40), 35);

    t.state = COMPACT_GONE;
    cr_assert_eq(compact__table_floor(&t, 40), 41);
}

Test(compact_table, unfinished_drop_holds_the_floor)
{
    struct compact_table t = {.state = COMPACT_READY, .taken = 30, .drop_pos = 33};

    cr_assert_eq(compact__table_floor(&t, 40), 33);
    cr_assert(compact__table_is_busy(&t));
}

Test(compact_table, reaches_to_what_was_scanned_unless_it_missed_rows)
{
    struct compact_table t = {.state = COMPACT_READY, .taken = 30};

    cr_assert_eq(compact__table_reach(&t, 40), 40);
    cr_assert_eq(compact__table_reach(&t, 20), 30);
    t.missed = 35;
    cr_assert_eq(compact__table_reach(&t, 40), 30);
}

Test(compact_table, cut_that_was_tried_is_never_forgotten)
{
    struct compact_table t = full();
    t.cut.commit_tried = true;

    (void)compact__table_forget(&t);

    cr_assert(t.cut.frozen);
    cr_assert_eq(t.missed, 21);
    cr_assert_eq(t.taken, 20);
    cr_assert_eq(compact__table_floor(&t, 40), 11);
}

Test(compact_table, cut_that_was_not_tried_may_be_read_again)
{
    struct compact_table t = full();

    (void)compact__table_forget(&t);

    cr_assert_not(t.cut.frozen);
    cr_assert_eq(t.missed, 11);
    cr_assert_eq(t.taken, 10);
}

Test(compact_table, what_was_missed_first_stays_missed)
{
    struct compact_table t = {.state = COMPACT_OPENING};
    struct bronze_frame empty = {.first_pos = 5}, one = {.first_pos = 6, .row_count = 2},
                        two = {.first_pos = 8, .row_count = 1};

    compact__table_miss(&t, &empty);
    compact__table_miss(&t, &one);
    compact__table_miss(&t, &two);

    cr_assert_eq(t.missed, 6);
}

Test(compact_table, stopping_holds_the_rows_it_had)
{
    struct compact_table t = full();
    struct catalog_table meta = {.name = (char[]){"a.b.t"}};
    struct err e;
    t.meta = &meta;
    t.cut.commit_tried = true;
    (void)err_set(&e, ERR_PRECONDITION, "why");

    compact__table_stop(&t, &e);

    cr_assert_eq(t.state, COMPACT_STOPPED);
    cr_assert_eq(compact__table_floor(&t, 40), 11);
    cr_assert_str_eq(t.fault, "why");
}

Test(compact_table, memory_is_kept_for_more_rows_only_while_they_come)
{
    struct row_schema *schema = NULL;
    struct err e;
    cr_assert_eq(row_schema_parse(slice_str("a LONG"), NULL, 0, &schema, &e), 0);
    struct compact_table t = {.state = COMPACT_READY, .taken_ns = 1000};
    t.open.batch = row_batch_new(schema);
    t.open.kept_bytes = 5000;

    compact__table_cool(&t, 1000 + COMPACT_KEEP_NS);
    cr_assert_eq(compact__table_memory(&t), 5000);
    cr_assert(!compact__table_is_busy(&t));
    t.open.load.rows = 1;
    compact__table_cool(&t, UINT64_MAX);
    cr_assert_not_null(t.open.batch);

    t.open.load.rows = 0;
    compact__table_cool(&t, 1001 + COMPACT_KEEP_NS);
    cr_assert_null(t.open.batch);
    cr_assert_eq(compact__table_memory(&t), 0);
    row_schema_unref(schema);
}
