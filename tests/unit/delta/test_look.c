/* SPDX-License-Identifier: Apache-2.0 */
/* What one commit says, and the seals of what lies behind it. */
#include "lake.h"

struct files {
    unsigned adds, removes;
    struct delta_entry last;
    char path[64];
};

static void on_entry(void *ctx, const struct delta_entry *f)
{
    struct files *x = ctx;
    x->adds += !f->removed;
    x->removes += f->removed;
    x->last = *f;
    snprintf(x->path, sizeof(x->path), "%s", f->path);
}

Test(delta_look, reads_our_commit_with_its_file_its_txn_and_the_hash_that_was_told)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_file f = lake_file(5, 9);
    struct delta_commit c;
    struct files x = {0};
    cr_assert_eq(lake_commit(t, &f, &c), 0);

    struct delta_version v = {.version = 1, .app_id = APP};
    cr_assert_eq(delta_version_read(l.store, TABLE, &v, on_entry, &x, NULL), 0);

    cr_assert(v.ours && !v.changes_table && v.txn == 9);
    cr_assert_eq(v.commit.size, c.size);
    cr_assert_eq(memcmp(v.commit.hash, c.hash, 16), 0);
    cr_assert(x.adds == 1 && x.removes == 0 && x.last.has_tags);
    cr_assert_str_eq(x.path, f.path);
    cr_assert(x.last.first_pos == 5 && x.last.last_pos == 9 && x.last.row_count == 5);
    cr_assert(x.last.size == 1234 && x.last.hash[7] == 0xab);
    delta_close(t);
    lake_close(&l);
}

Test(delta_look, tells_the_table_of_version_0_and_another_writers_commit)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct files x = {0};
    lake_foreign(&l, 1,
                 "{\"commitInfo\":{\"engineInfo\":\"other/1\"}}\n"
                 "{\"add\":{\"path\":\"b\",\"size\":3}}\n{\"remove\":{\"path\":\"a\"}}\n");

    struct delta_version first = {.version = 0}, second = {.version = 1, .app_id = APP};
    cr_assert_eq(delta_version_read(l.store, TABLE, &first, on_entry, &x, NULL), 0);
    cr_assert_eq(delta_version_read(l.store, TABLE, &second, on_entry, &x, NULL), 0);

    cr_assert(first.ours && first.changes_table);
    cr_assert_str_eq(first.table_id, TABLE_ID);
    cr_assert(!second.ours && second.txn == -1);
    cr_assert_str_eq(second.engine, "other/1");
    cr_assert(x.adds == 1 && x.removes == 1 && !x.last.has_tags);
    delta_close(t);
    lake_close(&l);
}

Test(delta_look, a_commit_that_does_not_read_is_damaged_and_a_missing_one_not_found)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct files x = {0};
    lake_foreign(&l, 1, "{\"add\":{\"path\":\n");

    struct delta_version v = {.version = 1}, w = {.version = 2};
    cr_assert_eq(delta_version_read(l.store, TABLE, &v, on_entry, &x, NULL), ERR_DAMAGED);
    cr_assert_eq(delta_version_read(l.store, TABLE, &w, on_entry, &x, NULL), ERR_NOT_FOUND);

    delta_close(t);
    lake_close(&l);
}

Test(delta_look, seals_of_a_checkpoint_are_those_that_its_commit_gave)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c = {.app_id = NULL};
    for (uint64_t v = 1; v <= 100; v++) {
        struct delta_file f = lake_file(v, v);
        cr_assert_eq(c.checkpoint_file.size, 0);
        cr_assert_eq(lake_commit(t, &f, &c), 0);
    }
    struct delta_seal file, hint;

    cr_assert_eq(delta_checkpoint_seals(l.store, TABLE, 100, &file, &hint, NULL), 0);

    cr_assert(c.checkpoint && file.size > 0 && hint.size > 0);
    cr_assert_eq(memcmp(&file, &c.checkpoint_file, sizeof(file)), 0);
    cr_assert_eq(memcmp(&hint, &c.hint_file, sizeof(hint)), 0);
    cr_assert_eq(delta_checkpoint_seals(l.store, TABLE, 99, &file, &hint, NULL), 0);
    cr_assert(file.size == 0 && hint.size == 0);
    delta_close(t);
    lake_close(&l);
}
