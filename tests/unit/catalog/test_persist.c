/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog's keys in the store. */
#include "rig.h"

#include "base/bits.h"
#include "store/store.h"

static void persist_all(struct rig *x, struct store *st)
{
    struct rig_frames f = rig_controls(x);
    struct store_batch *b = store_batch_new(st);
    for (size_t i = 0; i < f.count; i++)
        catalog_persist(x->c, &f.frames[i], b);
    cr_assert_eq(store_write(st, b, &x->e), 0);
    store_batch_free(b);
    rig_frames_free(&f);
}

static size_t count_keys(struct store *st, const char *prefix)
{
    size_t count = 0;
    struct store_iter *it = store_iter_new(st, NULL);
    for (store_iter_seek(it, slice_str(prefix)); store_iter_valid(it); store_iter_next(it)) {
        struct slice key = store_iter_key(it);
        if (key.len < strlen(prefix) || memcmp(key.data, prefix, strlen(prefix)) != 0)
            break;
        count++;
    }
    store_iter_free(it);
    return count;
}

Test(catalog_persist, keeps_what_is_in_force_and_lake_commits)
{
    struct rig x;
    rig_up(&x);
    struct store *st = store_open_model();
    struct catalog_table *t = rig_table(&x, "a.b.c");
    struct catalog_table *u = rig_table(&x, "a.b.d");
    rig_token(&x, "kept", "*", 1);
    rig_token(&x, "revoked", "*", 2);
    cr_assert_eq(catalog_revoke_token(x.c, "revoked", &x.e), 0);
    struct buf d = BUF_NULL;
    rig_descriptor(&x, "One", &d);
    struct catalog_stream s, ended;
    cr_assert_eq(catalog_open_stream(x.c, t, buf_slice(&d), "me", &s, &x.e), 0);
    cr_assert_eq(catalog_open_stream(x.c, u, buf_slice(&d), "me", &ended, &x.e), 0);
    catalog_close_stream(x.c, &ended);
    struct catalog_lake_commit k = {
        .table_id = t->id, .delta_version = 3, .data_file = "f.parquet"};
    cr_assert_eq(catalog_log_commit(x.c, &k), 0);
    k.table_id = u->id;
    cr_assert_eq(catalog_log_commit(x.c, &k), 0);
    cr_assert_eq(catalog_drop_table(x.c, "a.b.d", &x.e), 0);

    persist_all(&x, st);

    cr_assert_eq(count_keys(st, "ct"), 1);
    cr_assert_eq(count_keys(st, "ck"), 1);
    cr_assert_eq(count_keys(st, "cd"), 1);
    cr_assert_eq(count_keys(st, "cs"), 1);
    cr_assert_eq(count_keys(st, "k"), 1);
    struct buf value = BUF_NULL;
    uint8_t key[6] = {'c', 't'};
    put_be32(key + 2, t->id);
    cr_assert_eq(store_get(st, NULL, slice_of(key, 6), false, &value, &x.e), STORE_FOUND);
    cr_assert_eq(get_le64(value.data), t->created_pos);
    record *r = sluice__control__record__unpack(NULL, value.len - 8, value.data + 8);
    cr_assert_str_eq(r->table_created->name, "a.b.c");
    catalog__record_free(r);
    buf_deinit(&value);
    buf_deinit(&d);
    catalog_close_stream(x.c, &s);
    catalog_table_unref(t);
    catalog_table_unref(u);
    store_close(st);
    rig_down(&x);
}
