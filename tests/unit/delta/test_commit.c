/* SPDX-License-Identifier: Apache-2.0 */
/* Commits, races and lost answers. */
#include "lake.h"

#define FOREIGN                                                                                    \
    "{\"commitInfo\":{\"inCommitTimestamp\":1790000000000,\"operation\":\"OPTIMIZE\"}}\n"

static bool contains(const char *text, const char *part)
{
    return text && strstr(text, part) != NULL;
}

Test(delta_commit, file_txn_and_tags_are_in_one_version)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_file f = lake_file(1, 10);
    struct delta_commit c;

    cr_assert_eq(lake_commit(t, &f, &c), 0);

    char *text = lake_log(&l, 1);
    uint8_t hash[16];
    cr_assert_eq(c.version, 1);
    cr_assert_not(c.was_there);
    cr_assert(contains(text, "{\"txn\":{\"appId\":\"" APP "\",\"version\":10,\"lastUpdated\":"));
    cr_assert(contains(text, "\"stats\":\"{\\\"numRecords\\\":1}\""));
    cr_assert(contains(
        text, "\"tags\":{\"sluice.firstPosition\":\"1\",\"sluice.lastPosition\":\"10\","
              "\"sluice.rows\":\"10\",\"sluice.xxh3\":\"abababababababababababababababab\"}"));
    cr_assert(contains(text, "\"isBlindAppend\":true"));
    cr_assert_eq(c.size, strlen(text));
    delta_hash(slice_str(text), hash);
    cr_assert_arr_eq(hash, c.hash, 16);
    mem_free(text);
    delta_close(t);
    lake_close(&l);
}

Test(delta_commit, txn_may_move_without_a_file)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c = {.app_id = APP, .txn_version = 77, .now_us = NOW_US};
    int checkpoint;

    cr_assert_eq(delta_commit(t, &c, &checkpoint, NULL), 0);

    char *text = lake_log(&l, 1);
    int64_t txn = 0;
    cr_assert_not(contains(text, "\"add\""));
    cr_assert_eq(delta_txn(t, APP, &txn, NULL), 0);
    cr_assert_eq(txn, 77);
    mem_free(text);
    delta_close(t);
    lake_close(&l);
}

Test(delta_commit, txn_says_when_it_was_made)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c = {.app_id = APP, .txn_version = 77, .now_us = NOW_US + 5000000};
    int checkpoint;
    int64_t txn;

    cr_assert_eq(delta_txn_ms(t, APP), -1);
    cr_assert_eq(delta_commit(t, &c, &checkpoint, NULL), 0);
    cr_assert_eq(delta_txn_ms(t, APP), (NOW_US + 5000000) / 1000);

    delta_close(t);
    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), 0);
    cr_assert_eq(delta_txn(t, APP, &txn, NULL), 0);
    cr_assert_eq(delta_txn_ms(t, APP), (NOW_US + 5000000) / 1000);
    delta_close(t);
    lake_close(&l);
}

/* As when the lake's mount is gone, and its empty mountpoint takes files. */
Test(delta_commit, nothing_is_put_where_the_present_version_is_not)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c = {.app_id = APP, .txn_version = 77, .now_us = NOW_US};
    int checkpoint;
    struct err e;
    bool empty = false;
    cr_assert_eq(objstore_move(l.store, TABLE, "elsewhere", &e), 0);

    cr_assert_eq(delta_commit(t, &c, &checkpoint, &e), ERR_UNAVAILABLE);
    cr_assert(contains(e.text, "not there any more"));
    cr_assert_eq(objstore_is_empty(l.store, TABLE, &empty, &e), 0);
    cr_assert(empty);

    cr_assert_eq(objstore_move(l.store, "elsewhere", TABLE, &e), 0);
    cr_assert_eq(delta_commit(t, &c, &checkpoint, &e), 0);
    cr_assert_eq(c.version, 1);
    delta_close(t);
    lake_close(&l);
}

Test(delta_commit, in_commit_timestamp_never_goes_back)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c = {.app_id = APP, .txn_version = 1, .now_us = NOW_US - 60000000};
    int checkpoint;

    cr_assert_eq(delta_commit(t, &c, &checkpoint, NULL), 0);
    c.txn_version = 2;
    cr_assert_eq(delta_commit(t, &c, &checkpoint, NULL), 0);

    char *one = lake_log(&l, 1), *two = lake_log(&l, 2);
    cr_assert(contains(one, "\"inCommitTimestamp\":1760000000001,"));
    cr_assert(contains(two, "\"inCommitTimestamp\":1760000000002,"));
    mem_free(one);
    mem_free(two);
    delta_close(t);
    lake_close(&l);
}

Test(delta_commit, lost_answer_is_committed_once)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_file f = lake_file(1, 10);
    struct delta_commit c;
    objstore_fake_order(l.store, "1.json", OBJSTORE_LOSE_ANSWER, 0, 1);

    int first = lake_commit(t, &f, &c);
    int second = lake_commit(t, &f, &c);

    char *two = lake_log(&l, 2);
    cr_assert_eq(first, ERR_TIMEOUT);
    cr_assert_eq(second, 0);
    cr_assert(c.was_there);
    cr_assert_eq(c.version, 1);
    cr_assert_null(two);
    char *one = lake_log(&l, 1);
    uint8_t hash[16];
    delta_hash(slice_str(one), hash);
    cr_assert_arr_eq(hash, c.hash, 16);
    mem_free(one);
    delta_close(t);
    lake_close(&l);
}

Test(delta_commit, lost_answer_then_restart_shows_in_the_txn)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_file f = lake_file(1, 10);
    struct delta_commit c;
    objstore_fake_order(l.store, "1.json", OBJSTORE_LOSE_ANSWER, 0, 1);
    cr_assert_eq(lake_commit(t, &f, &c), ERR_TIMEOUT);
    t = delta_close(t);

    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), 0);

    int64_t txn = 0;
    cr_assert_eq(delta_txn(t, APP, &txn, NULL), 0);
    cr_assert_eq(txn, 10);
    delta_close(t);
    lake_close(&l);
}

Test(delta_commit, failure_may_be_tried_again)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_file f = lake_file(1, 10);
    struct delta_commit c;
    objstore_fake_order(l.store, "1.json", OBJSTORE_NO_SPACE, 0, 1);
    objstore_fake_order(l.store, "1.json", OBJSTORE_FAIL, 0, 1);

    cr_assert_eq(lake_commit(t, &f, &c), ERR_NO_SPACE);
    cr_assert_eq(lake_commit(t, &f, &c), ERR_UNAVAILABLE);
    cr_assert_eq(lake_commit(t, &f, &c), 0);

    cr_assert_eq(c.version, 1);
    cr_assert_not(c.was_there);
    delta_close(t);
    lake_close(&l);
}

Test(delta_commit, lost_race_goes_behind_the_winner)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_file f = lake_file(1, 10);
    struct delta_commit c;
    lake_foreign(&l, 1, FOREIGN);
    lake_foreign(&l, 2, FOREIGN "{\"txn\":{\"appId\":\"x\",\"version\":10}}\n");

    cr_assert_eq(lake_commit(t, &f, &c), 0);

    char *text = lake_log(&l, 3);
    cr_assert_eq(c.version, 3);
    cr_assert(contains(text, "\"inCommitTimestamp\":1790000000001,"));
    mem_free(text);
    delta_close(t);
    lake_close(&l);
}

Test(delta_commit, changed_schema_or_protocol_stops_the_table)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_file f = lake_file(1, 10);
    struct delta_commit c;
    lake_foreign(&l, 1, FOREIGN "{\"metaData\":{\"id\":\"x\"}}\n");

    cr_assert_eq(lake_commit(t, &f, &c), ERR_PRECONDITION);
    cr_assert_eq(lake_commit(t, &f, &c), ERR_PRECONDITION);

    cr_assert_null(lake_log(&l, 2));
    delta_close(t);
    lake_close(&l);
}

Test(delta_commit, somebody_elses_commit_of_our_log_is_told)
{
    struct lake l;
    struct delta_table *t = lake_table(&l), *twin = NULL;
    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &twin, NULL), 0);
    struct delta_file narrow = lake_file(1, 10), wide = lake_file(1, 12), same = lake_file(2, 10);
    struct delta_commit c;
    cr_assert_eq(lake_commit(twin, &narrow, &c), 0);

    cr_assert_eq(lake_commit(t, &wide, &c), ERR_PRECONDITION);
    cr_assert_eq(lake_commit(t, &same, &c), ERR_PRECONDITION);
    cr_assert_eq(lake_commit(t, &narrow, &c), 0);

    cr_assert(c.was_there);
    delta_close(t);
    delta_close(twin);
    lake_close(&l);
}
