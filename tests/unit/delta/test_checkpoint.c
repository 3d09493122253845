/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: when, of what, and that they never hide a hole. What engines read from them:
 * tests/interop/delta_readers.py. */
#include "lake.h"

#define FOREIGN                                                                                    \
    "{\"commitInfo\":{\"inCommitTimestamp\":1790000000000,\"operation\":\"OPTIMIZE\"}}\n"
#define HINT       TABLE "/_delta_log/_last_checkpoint"
#define CHECKPOINT TABLE "/_delta_log/00000000000000000100.checkpoint.parquet"

static bool contains(const char *text, const char *part)
{
    return text && strstr(text, part) != NULL;
}

static void commit_many(struct delta_table *t, uint64_t from, uint64_t to)
{
    struct delta_commit c;
    for (uint64_t v = from; v <= to; v++) {
        struct delta_file f = lake_file(v, v);
        cr_assert_eq(lake_commit(t, &f, &c), 0);
    }
}

Test(delta_checkpoint, comes_with_version_100)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    commit_many(t, 1, 99);
    bool early = lake_has(&l, HINT);

    struct delta_file f = lake_file(100, 100);
    struct delta_commit c;
    cr_assert_eq(lake_commit(t, &f, &c), 0);

    char *hint = lake_read(&l, HINT);
    cr_assert_not(early);
    cr_assert(c.checkpoint);
    cr_assert(
        contains(hint, "{\"version\":100,\"size\":103,")); /* 100 adds, txn, protocol, metaData */
    cr_assert(contains(hint, "\"numOfAddFiles\":100}"));
    cr_assert(lake_has(&l, CHECKPOINT));
    t = delta_close(t);
    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), 0);
    cr_assert_eq(delta_version(t), 100);
    cr_assert_eq(
        lake_commit(t, &(struct delta_file){.path = "y", .last_pos = 101, .stats = slice_str("{}")},
                    &c),
        0);
    cr_assert_not(c.checkpoint);
    mem_free(hint);
    delta_close(t);
    lake_close(&l);
}

Test(delta_checkpoint, removed_files_are_not_in_it)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    commit_many(t, 1, 50);
    struct delta_file gone = lake_file(7, 7), again = lake_file(8, 8);
    char *text = mem_printf(
        FOREIGN "{\"remove\":{\"path\":\"%s\",\"deletionTimestamp\":%lld,\"dataChange\":false}}\n"
                "{\"remove\":{\"path\":\"%s\",\"deletionTimestamp\":5,\"dataChange\":false}}\n",
        gone.path, NOW_US / 1000, again.path);
    lake_foreign(&l, 51, text);
    mem_free(text);

    commit_many(t, 52, 100);

    char *hint = lake_read(&l, HINT);
    cr_assert(contains(hint, "\"numOfAddFiles\":97}"));
    cr_assert(contains(
        hint, "\"size\":101,")); /* 97 adds, one young tombstone, txn, protocol, metaData */
    mem_free(hint);
    delta_close(t);
    lake_close(&l);
}

Test(delta_checkpoint, failure_is_not_the_commits)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    commit_many(t, 1, 99);
    objstore_fake_order(l.store, "checkpoint.parquet", OBJSTORE_NO_SPACE, 0, 1);
    struct delta_file f = lake_file(100, 100);
    struct delta_commit c = {
        .app_id = APP, .txn_version = 100, .files = &f, .file_count = 1, .now_us = NOW_US};
    int checkpoint = 0;

    cr_assert_eq(delta_commit(t, &c, &checkpoint, NULL), 0);

    cr_assert_eq(checkpoint, ERR_NO_SPACE);
    cr_assert_eq(c.version, 100);
    cr_assert_not(lake_has(&l, HINT));
    commit_many(t, 101, 110);
    cr_assert(lake_has(&l, HINT));
    delta_close(t);
    lake_close(&l);
}

Test(delta_checkpoint, a_missing_commit_is_not_papered_over)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    commit_many(t, 1, 99);
    char *name = lake_log_name(40);
    cr_assert_eq(objstore_delete(l.store, name, NULL), 0);
    struct delta_file f = lake_file(100, 100);
    struct delta_commit c = {
        .app_id = APP, .txn_version = 100, .files = &f, .file_count = 1, .now_us = NOW_US};
    int checkpoint = 0;

    cr_assert_eq(delta_commit(t, &c, &checkpoint, NULL), 0);

    cr_assert_eq(checkpoint, ERR_DAMAGED);
    cr_assert_not(lake_has(&l, CHECKPOINT));
    mem_free(name);
    delta_close(t);
    lake_close(&l);
}

/* How many calls into the lake the commit of this version makes, with its checkpoint. */
static uint64_t calls_of(struct lake *l, struct delta_table *t, uint64_t version)
{
    struct delta_file f = lake_file(version, version);
    struct delta_commit c;
    uint64_t before = objstore_fake_calls(l->store);
    cr_assert_eq(lake_commit(t, &f, &c), 0);
    cr_assert(c.checkpoint);
    return objstore_fake_calls(l->store) - before;
}

static bool hint_says(struct lake *l, const char *text)
{
    char *hint = lake_read(l, HINT);
    bool says = contains(hint, text);
    mem_free(hint);
    return says;
}

Test(delta_checkpoint, cost_does_not_grow_with_the_tables_age)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    uint64_t calls[5];

    for (unsigned i = 0; i < 5; i++) {
        commit_many(t, i * 100 + 1, i * 100 + 99);
        calls[i] = calls_of(&l, t, (i + 1) * 100);
    }

    cr_assert_eq(calls[1], calls[2]);
    cr_assert_eq(calls[2], calls[3]);
    cr_assert_eq(calls[3], calls[4]);
    cr_assert_leq(calls[4],
                  108); /* 100 commits; state, its commit, and what is put; a look before */
    cr_assert(hint_says(&l, "{\"version\":500,\"size\":503,"));
    cr_assert(hint_says(&l, "\"numOfAddFiles\":500}"));
    delta_close(t);
    lake_close(&l);
}

/* What was removed, or added again, since the last checkpoint counts, not what that one said. */
Test(delta_checkpoint, later_commits_override_the_last_one)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    commit_many(t, 1, 100);
    struct delta_file gone = lake_file(7, 7);
    char *text = mem_printf(FOREIGN "{\"remove\":{\"path\":\"%s\",\"deletionTimestamp\":5}}\n"
                                    "{\"txn\":{\"appId\":\"other\",\"version\":9}}\n",
                            gone.path);
    lake_foreign(&l, 101, text);
    mem_free(text);

    commit_many(t, 102, 200);

    cr_assert(hint_says(&l, "{\"version\":200,\"size\":202,")); /* 198 adds, 2 txns, … */
    cr_assert(hint_says(&l, "\"numOfAddFiles\":198}"));
    delta_close(t);
    lake_close(&l);
}

Test(delta_checkpoint, goes_without_the_state_when_that_cannot_be_kept)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    objstore_fake_order(l.store, "_sluice_state", OBJSTORE_NO_SPACE, 0, 1);

    commit_many(t, 1, 200);

    cr_assert(hint_says(&l, "\"numOfAddFiles\":200}"));
    cr_assert_eq(delta_state_check(l.store, TABLE, NULL), 0);
    delta_close(t);
    lake_close(&l);
}
