/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

static void take_nothing(void *ctx, const struct delta_entry *f)
{
    (void)ctx;
    (void)f;
}

/* One commit, and its record in the store as the apply thread would have put it there. */
static struct catalog_table *committed(struct rig *x, const char *name, uint64_t size_off)
{
    struct catalog_table *t = rig_table(x, name);
    rig_rows(x, t, 3, 10);
    compact_drain(x->c);
    struct delta_version v = {.version = 1};
    struct store_batch *b = store_batch_new(x->store);
    cr_assert_eq(delta_version_read(x->lake, t->location, &v, take_nothing, NULL, &x->e), 0);
    struct catalog_lake_commit k = {.table_id = t->id,
                                    .delta_version = 1,
                                    .commit_size = v.commit.size + size_off,
                                    .data_file = ""};
    memcpy(k.commit_hash, v.commit.hash, sizeof(k.commit_hash));
    catalog_persist_lake(&k, b);
    cr_assert_eq(store_write(x->store, b, &x->e), 0);
    store_batch_free(b);
    return t;
}

/* The commit file of version 1 with @from in it changed to @to, of the same length. */
static void change(struct rig *x, const struct catalog_table *t, const char *from, const char *to)
{
    char name[200];
    struct buf text = BUF_NULL;
    (void)snprintf(name, sizeof(name), "%s/_delta_log/%020d.json", t->location, 1);
    cr_assert_eq(objstore_get(x->lake, name, 1 << 20, &text, &x->e), 0);
    char *at = memmem(text.data, text.len, from, strlen(from));
    cr_assert_not_null(at);
    memcpy(at, to, strlen(to));
    cr_assert_eq(objstore_put(x->lake, name, buf_slice(&text), &x->e), 0);
    buf_deinit(&text);
}

Test(compact_seal, a_commit_that_is_as_recorded_opens)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = committed(&x, "a.b.whole", 0);
    uint32_t id = t->id;
    catalog_table_unref(t);
    rig_restart(&x);
    rig_turn(&x);

    struct compact_table_status st;
    cr_assert(compact_table(x.c, id, &st));
    cr_assert_eq(st.state, COMPACT_READY);
    rig_down(&x);
}

Test(compact_seal, a_commit_that_parses_and_differs_stops_its_table_only)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = committed(&x, "a.b.changed", 0);
    struct catalog_table *other = committed(&x, "a.b.whole", 0);
    change(&x, t, "\"numRecords\\\":3", "\"numRecords\\\":4");
    uint32_t id = t->id, other_id = other->id;
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_restart(&x);
    rig_turn(&x);

    struct compact_table_status st;
    cr_assert(compact_table(x.c, id, &st));
    cr_assert_eq(st.state, COMPACT_STOPPED);
    cr_assert_not_null(strstr(st.fault, "a/b/changed/_delta_log/00000000000000000001.json"));
    cr_assert_not_null(strstr(st.fault, "another hash"));
    cr_assert(compact_table(x.c, other_id, &st));
    cr_assert_eq(st.state, COMPACT_READY);
    rig_down(&x);
}

Test(compact_seal, a_commit_that_does_not_parse_is_named_with_its_line)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = committed(&x, "a.b.broken", 0);
    change(&x, t, "\"txn\":{", "\"txn\":[");
    uint32_t id = t->id;
    catalog_table_unref(t);
    rig_restart(&x);
    rig_turn(&x);

    struct compact_table_status st;
    cr_assert(compact_table(x.c, id, &st));
    cr_assert_eq(st.state, COMPACT_STOPPED);
    cr_assert_not_null(strstr(st.fault, "00000000000000000001.json line 2"));
    rig_down(&x);
}
