/* SPDX-License-Identifier: Apache-2.0 */
/* The log into the store. */
#include "rig.h"

#include "base/bits.h"
#include "store/keys.h"
#include "store/model.h"

#include <stdio.h>

static size_t count_rows(struct rig *x, uint32_t table_id)
{
    struct buf prefix = BUF_NULL;
    serve__row_prefix(&prefix, table_id);
    size_t count = 0;
    struct store_iter *it = store_iter_new(x->store, NULL);
    for (store_iter_seek(it, buf_slice(&prefix)); store_iter_valid(it); store_iter_next(it)) {
        struct slice key = store_iter_key(it);
        if (key.len < prefix.len || memcmp(key.data, prefix.data, prefix.len) != 0)
            break;
        count++;
    }
    store_iter_free(it);
    buf_deinit(&prefix);
    return count;
}

static bronze_pos applied_in_store(struct rig *x)
{
    struct buf value = BUF_NULL;
    int rc = store_get(x->store, NULL, slice_str("m/applied"), false, &value, &x->e);
    bronze_pos pos = rc == STORE_FOUND ? get_le64(value.data) : 0;
    buf_deinit(&value);
    return pos;
}

Test(serve_apply, keeps_every_version_and_the_applied_position)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    bronze_pos pos = rig_put(&x, x.table, "{\"k\":\"one\",\"n\":2}");

    rig_apply(&x);

    cr_assert_eq(count_rows(&x, x.table->id), 2);
    cr_assert_eq(applied_in_store(&x), pos);
    cr_assert_eq(serve_applied_pos(x.serve), pos);
    rig_down(&x);
}

Test(serve_apply, row_key_is_table_key_and_inverted_position)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    bronze_pos pos = rig_put(&x, x.table, "{\"k\":\"ab\",\"n\":1}");
    rig_apply(&x);
    uint8_t key[17] = {'r', 0, 0, 0, 0, 'a', 'b', 0, 0};
    put_be32(key + 1, x.table->id);
    put_be64(key + 9, ~pos);

    struct buf value = BUF_NULL;
    int rc = store_get(x.store, NULL, slice_of(key, sizeof(key)), false, &value, &x.e);

    cr_assert_eq(rc, STORE_FOUND);
    cr_assert(slice_eq(buf_slice(&value), slice_of("\0\0\0\0\x0a\x02"
                                                   "ab\x10\x01",
                                                   10)));
    buf_deinit(&value);
    rig_down(&x);
}

Test(serve_apply, table_without_key_leaves_no_rows)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    struct catalog_table *t = rig_table(&x, "a.b.keyless", NULL);
    bronze_pos pos = rig_put(&x, t, "{\"k\":\"one\",\"n\":1}");

    rig_apply(&x);

    cr_assert_eq(count_rows(&x, t->id), 0);
    cr_assert_eq(serve_applied_pos(x.serve), pos);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(serve_apply, goes_on_where_the_store_left_off)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    bronze_pos first = rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);
    cr_assert_eq(store_flush(x.store, &x.e), 0);
    rig_put(&x, x.table, "{\"k\":\"two\",\"n\":2}");
    rig_apply(&x);
    x.serve = serve_free(x.serve);
    store_model_crash(x.store);

    cr_assert_eq(rig_renew(&x), 0);

    cr_assert_eq(serve_applied_pos(x.serve), first);
    cr_assert_eq(count_rows(&x, x.table->id), 1);
    rig_apply(&x);
    cr_assert_eq(count_rows(&x, x.table->id), 2);
    rig_down(&x);
}

Test(serve_apply, store_ahead_of_the_log_is_refused)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    uint8_t value[8];
    put_le64(value, 1000000);
    struct store_batch *b = store_batch_new(x.store);
    store_batch_put(b, slice_str("m/applied"), slice_of(value, 8));
    cr_assert_eq(store_write(x.store, b, &x.e), 0);
    store_batch_free(b);

    cr_assert_eq(rig_renew(&x), ERR_PRECONDITION);

    cr_assert_not_null(strstr(x.e.text, "1000000"));
    rig_down(&x);
}

static void put_raw(struct rig *x, const char *key, const void *value, size_t len)
{
    struct store_batch *b = store_batch_new(x->store);
    store_batch_put(b, slice_str(key), slice_of(value, len));
    cr_assert_eq(store_write(x->store, b, &x->e), 0);
    store_batch_free(b);
}

/* S3 */
Test(serve_apply, store_of_another_log_is_refused_and_the_way_out_is_said)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);
    cr_assert_eq(rig_renew(&x), 0);
    uint8_t name[24] = {1, 2, 3};
    put_raw(&x, "m/log", name, sizeof(name));

    cr_assert_eq(rig_renew(&x), ERR_PRECONDITION);

    cr_assert_not_null(strstr(x.e.text, "another log"));
    cr_assert_not_null(strstr(x.e.text, "sluice store rebuild"));
    rig_down(&x);
}

/* S3 */
Test(serve_apply, store_whose_index_does_not_fit_the_log_is_refused)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    bronze_pos pos = rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);
    uint8_t mark[10] = {'l', 'p'}, place[40];
    put_be64(mark + 2, pos);
    put_le64(place, 1); /* segment, offset, ticket, first position */
    put_le64(place + 8, 8192);
    put_le64(place + 16, 77);
    put_le64(place + 24, pos);
    put_le64(place + 32, 1);
    struct store_batch *b = store_batch_new(x.store);
    store_batch_put(b, slice_of(mark, sizeof(mark)), slice_of(place, sizeof(place)));
    cr_assert_eq(store_write(x.store, b, &x.e), 0);
    store_batch_free(b);

    cr_assert_eq(rig_renew(&x), ERR_PRECONDITION);

    cr_assert_not_null(strstr(x.e.text, "another past"));
    rig_down(&x);
}

/* I7: nothing more is applied, rows go on being taken, and the fault says what to do. */
Test(serve_apply, damage_halts_applying_and_does_not_end_the_process)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    bronze_pos pos = rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);

    atomic_store(&x.serve->flush_failed, ERR_DAMAGED);
    cr_assert_not(serve_step(x.serve, 0));
    bronze_pos next = rig_put(&x, x.table, "{\"k\":\"two\",\"n\":2}");
    cr_assert_not(serve_step(x.serve, 0));

    char fault[1000];
    cr_assert_gt(serve_fault(x.serve, fault, sizeof(fault)), 0);
    cr_assert_not_null(strstr(fault, "sluice store rebuild"));
    cr_assert_gt(next, pos);
    cr_assert_eq(serve_applied_pos(x.serve), pos);
    rig_down(&x);
}

Test(serve_apply, catching_up_offline_applies_all_that_is_durable)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    bronze_pos last = rig_put(&x, x.table, "{\"k\":\"two\",\"n\":2}");
    struct store *fresh = store_open_model();
    struct serve_options o = {x.sys, x.log, x.catalog, fresh, NULL, 0};

    cr_assert_eq(serve_catch_up(&o, NULL, NULL, &x.e), 0);

    struct buf value = BUF_NULL;
    cr_assert_eq(store_get_persisted(fresh, slice_str("m/applied"), &value, &x.e), STORE_FOUND);
    cr_assert_eq(get_le64(value.data), last);
    buf_deinit(&value);
    store_close(fresh);
    rig_down(&x);
}

Test(serve_apply, drop_removes_the_tables_rows_and_only_those)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    struct catalog_table *t = rig_table(&x, "a.b.gone", "k");
    rig_put(&x, t, "{\"k\":\"one\",\"n\":1}");
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);
    cr_assert_eq(count_rows(&x, t->id), 1);

    cr_assert_eq(catalog_drop_table(x.catalog, "a.b.gone", &x.e), 0);
    rig_apply(&x);

    cr_assert_eq(count_rows(&x, t->id), 0);
    cr_assert_eq(count_rows(&x, x.table->id), 1);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(serve_apply, rows_of_a_forgotten_table_are_passed_over)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    struct catalog_table *t = rig_table(&x, "a.b.gone", "k");
    rig_put(&x, t, "{\"k\":\"one\",\"n\":1}");
    cr_assert_eq(catalog_drop_table(x.catalog, "a.b.gone", &x.e), 0);
    catalog_forget_table(x.catalog, t->id);

    rig_apply(&x);

    cr_assert_eq(count_rows(&x, t->id), 0);
    catalog_table_unref(t);
    rig_down(&x);
}

/* S5: what was written and not flushed is applied again after the store was opened again. */
Test(serve_apply, failed_flush_opens_the_store_again_and_lookups_wait_meanwhile)
{
    struct rig x;
    rig_up(&x, RIG_ROCKSDB);
    bronze_pos pos = rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);
    atomic_store(&x.serve->shut, true);
    struct rpc_call *c = rig_get(&x, "{\"k\":\"one\"}");
    rig_run_posts(&x);
    cr_assert_not(rig_is_answered(c));

    atomic_store(&x.serve->flush_failed, ERR_IO);
    (void)serve_step(x.serve, 0);
    char fault[100];
    cr_assert_gt(serve_fault(x.serve, fault, sizeof(fault)), 0);
    rig_apply(&x);
    (void)serve_step(x.serve, 0);
    rig_run_posts(&x);

    cr_assert_eq(rig_row_of(rig_reply(c)).position, pos);
    rig_end(c);
    struct serve_counters n;
    serve_read_counters(x.serve, &n);
    cr_assert_eq(n.reopens, 1);
    cr_assert_eq(serve_fault(x.serve, fault, sizeof(fault)), 0);
    rig_down(&x);
}

/* Whoever flushed: here as the compactor does before a trim, with the folder away. */
Test(serve_apply, flush_that_failed_elsewhere_opens_the_store_again)
{
    struct rig x;
    rig_up(&x, RIG_ROCKSDB);
    bronze_pos pos = rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);
    char store[128], aside[128];
    snprintf(store, sizeof(store), "%s/store", x.path);
    snprintf(aside, sizeof(aside), "%s/aside", x.path);
    cr_assert_eq(rename(store, aside), 0);

    int failed = store_flush(x.store, NULL);
    cr_assert_eq(rename(aside, store), 0);
    (void)serve_step(x.serve, 0); /* heals */
    rig_apply(&x);

    struct serve_counters n;
    serve_read_counters(x.serve, &n);
    cr_assert_lt(failed, 0);
    cr_assert_eq(n.reopens, 1);
    cr_assert_eq(store_failure(x.store), 0);
    cr_assert_eq(store_flush(x.store, NULL), 0);
    cr_assert_eq(serve_applied_pos(x.serve), pos);
    cr_assert_eq(count_rows(&x, x.table->id), 1);
    rig_down(&x);
}

Test(serve_apply, stop_applies_and_flushes_what_is_durable)
{
    struct rig x;
    rig_up(&x, RIG_ROCKSDB);
    cr_assert_eq(serve_start(x.serve, &x.e), 0);
    bronze_pos pos = rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");

    serve_stop(x.serve);

    struct buf value = BUF_NULL;
    cr_assert_eq(store_get_persisted(x.store, slice_str("m/applied"), &value, &x.e), STORE_FOUND);
    cr_assert_eq(get_le64(value.data), pos);
    buf_deinit(&value);
    rig_down(&x);
}

Test(serve_apply, key_that_is_too_long_is_counted_and_passed_over)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    char *json = mem_alloc(KEY_BYTES_MAX + 100);
    int len = snprintf(json, 100, "{\"k\":\"");
    memset(json + len, 'x', KEY_BYTES_MAX + 1);
    strcpy(json + len + KEY_BYTES_MAX + 1, "\",\"n\":1}");
    rig_put(&x, x.table, json);

    rig_apply(&x);

    struct serve_counters n;
    serve_read_counters(x.serve, &n);
    cr_assert_eq(n.rows_unkeyed, 1);
    cr_assert_eq(n.rows_applied, 0);
    mem_free(json);
    rig_down(&x);
}
