/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups as calls: who may, what they wait for, and that nothing is forgotten. */
#include "rig.h"

static void expect_row(struct rpc_call *c, const char *json, bronze_pos pos)
{
    struct rig_row r = rig_row_of(rig_reply(c));
    cr_assert(r.found);
    cr_assert_eq(r.row.len, strlen(json));
    cr_assert(memcmp(r.row.data, json, r.row.len) == 0);
    cr_assert_eq(r.position, pos);
    rig_end(c);
}

static void expect_error(struct rpc_call *c, int code, const char *words)
{
    cr_assert_eq(rig_code(c), code, "%s", rig_text(c));
    cr_assert_not_null(strstr(rig_text(c), words), "%s", rig_text(c));
    rig_end(c);
}

Test(serve_rows, get_finds_the_newest_version)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_put(&x, x.table, "{\"k\":\"on\",\"n\":2}");
    bronze_pos pos = rig_put(&x, x.table, "{\"k\":\"one\",\"n\":3}");
    rig_put(&x, x.table, "{\"k\":\"onee\",\"n\":4}");
    rig_apply(&x);

    struct rpc_call *c = rig_get(&x, "{\"k\":\"one\"}");

    expect_row(c, "{\"k\":\"one\",\"n\":3}", pos);
    rig_down(&x);
}

Test(serve_rows, absent_key_is_an_empty_answer_and_no_error)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);

    struct rpc_call *c = rig_get(&x, "{\"k\":\"two\"}");

    cr_assert_eq(rig_reply(c).len, 0);
    rig_end(c);
    rig_down(&x);
}

Test(serve_rows, proto_format_gives_the_tables_own_message)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":5}");
    rig_apply(&x);
    struct buf request = BUF_NULL;
    const char *key = "{\"k\":\"one\"}";
    rig_request(&request, "a.b.keyed", &key, 1);
    buf_add(&request, "\x18\x01", 2);

    struct rpc_call *c = rig_call(&x, "reader-token", buf_slice(&request), false);

    struct rig_row r = rig_row_of(rig_reply(c));
    cr_assert(slice_eq(r.row, slice_of("\x0a\x03one\x10\x05", 7)));
    rig_end(c);
    buf_deinit(&request);
    rig_down(&x);
}

/* The next version of the rig's table. */
static struct catalog_table *alter(struct rig *x, const char *add, const char *widen)
{
    struct catalog_alter r = {
        .name = "a.b.keyed",
        .change = {&add, add != NULL, &widen, widen != NULL},
    };
    struct catalog_table *t = NULL;
    cr_assert_eq(catalog_alter_table(x->catalog, &r, &t, &x->e), 0, "%s", x->e.text);
    return t;
}

Test(serve_rows, rows_of_every_version_have_todays_columns)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    struct catalog_table *two = alter(&x, "f FLOAT", NULL);
    bronze_pos a = rig_put(&x, two, "{\"k\":\"a\",\"n\":1,\"f\":0.5}");
    rig_apply(&x);
    expect_row(rig_get(&x, "{\"k\":\"a\"}"), /* the lane knows this version now */
               "{\"k\":\"a\",\"n\":1,\"f\":0.5}", a);
    struct catalog_table *three = alter(&x, "s STRING", "f DOUBLE");
    bronze_pos b = rig_put(&x, x.table, "{\"k\":\"b\",\"n\":2}");
    bronze_pos c = rig_put(&x, three, "{\"k\":\"c\",\"f\":1e300,\"s\":\"x\"}");
    rig_apply(&x);

    expect_row(rig_get(&x, "{\"k\":\"a\"}"), "{\"k\":\"a\",\"n\":1,\"f\":0.5,\"s\":null}", a);
    expect_row(rig_get(&x, "{\"k\":\"b\"}"), "{\"k\":\"b\",\"n\":2,\"f\":null,\"s\":null}", b);
    expect_row(rig_get(&x, "{\"k\":\"c\"}"), "{\"k\":\"c\",\"n\":null,\"f\":1e+300,\"s\":\"x\"}",
               c);

    catalog_table_unref(two);
    catalog_table_unref(three);
    rig_down(&x);
}

Test(serve_rows, proto_format_is_todays_own_message_for_rows_of_before)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    struct catalog_table *two = alter(&x, "f FLOAT", NULL);
    rig_put(&x, two, "{\"k\":\"a\",\"f\":0.5}");
    struct catalog_table *three = alter(&x, NULL, "f DOUBLE");
    rig_apply(&x);
    struct buf request = BUF_NULL;
    const char *key = "{\"k\":\"a\"}";
    rig_request(&request, "a.b.keyed", &key, 1);
    buf_add(&request, "\x18\x01", 2);

    struct rpc_call *c = rig_call(&x, "reader-token", buf_slice(&request), false);

    struct rig_row r = rig_row_of(rig_reply(c));
    cr_assert(slice_eq(r.row, slice_of("\x0a\x01"
                                       "a"
                                       "\x19\0\0\0\0\0\0\xe0\x3f",
                                       12)));
    rig_end(c);
    buf_deinit(&request);
    catalog_table_unref(two);
    catalog_table_unref(three);
    rig_down(&x);
}

/* I2: the row is durable, but not applied when the lookup arrives. */
Test(serve_rows, lookup_waits_for_what_was_durable_when_it_arrived)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);
    bronze_pos pos = rig_put(&x, x.table, "{\"k\":\"one\",\"n\":2}");

    struct rpc_call *c = rig_get(&x, "{\"k\":\"one\"}");
    rig_run_posts(&x);
    cr_assert_not(rig_is_answered(c));
    rig_apply(&x);
    rig_run_posts(&x);

    expect_row(c, "{\"k\":\"one\",\"n\":2}", pos);
    struct serve_counters n;
    serve_read_counters(x.serve, &n);
    cr_assert(n.waited == 1 && n.lookups == 1 && n.found == 1);
    rig_down(&x);
}

Test(serve_rows, lookup_does_not_wait_for_other_tables)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    struct catalog_table *other = rig_table(&x, "a.b.other", "k");
    bronze_pos pos = rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);
    rig_put(&x, other, "{\"k\":\"one\",\"n\":2}");

    struct rpc_call *c = rig_get(&x, "{\"k\":\"one\"}");

    expect_row(c, "{\"k\":\"one\",\"n\":1}", pos);
    catalog_table_unref(other);
    rig_down(&x);
}

/* A row that is appended but not durable must not hold a lookup up. */
Test(serve_rows, fence_is_at_most_the_durable_position)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    bronze_pos pos = rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);
    atomic_store(&x.table->live->last_pos, pos + 1000);

    struct rpc_call *c = rig_get(&x, "{\"k\":\"one\"}");

    expect_row(c, "{\"k\":\"one\",\"n\":1}", pos);
    rig_down(&x);
}

Test(serve_rows, parked_lookup_ends_at_its_deadline)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    rig_set_deadline(&x, -1);
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");

    struct rpc_call *c = rig_get(&x, "{\"k\":\"one\"}");
    cr_assert_not(rig_is_answered(c));
    serve_on_tick(x.serve, rpc_queue_at(x.server, 0));

    expect_error(c, ERR_UNAVAILABLE, "position");
    rig_down(&x);
}

Test(serve_rows, parked_lookup_that_is_cancelled_leaves_nothing_behind)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    struct rpc_call *c = rig_get(&x, "{\"k\":\"one\"}");

    rig_cancel(c);

    rig_end(c);
    cr_assert_eq(atomic_load(&x.serve->parked_total), 0);
    rig_apply(&x);
    rig_run_posts(&x);
    rig_down(&x);
}

Test(serve_rows, only_so_many_are_parked)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    atomic_store(&x.serve->parked_total, LOOKUPS_PARKED_MAX);

    struct rpc_call *c = rig_get(&x, "{\"k\":\"one\"}");

    expect_error(c, ERR_EXHAUSTED, "too many");
    atomic_store(&x.serve->parked_total, 0);
    rig_down(&x);
}

Test(serve_rows, bad_requests_say_what_is_wrong)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    struct catalog_table *keyless = rig_table(&x, "a.b.keyless", NULL);
    rig_apply(&x);
    const char *key = "{\"k\":\"one\"}";
    struct buf good = BUF_NULL, unknown = BUF_NULL, without_key = BUF_NULL;
    rig_request(&good, "a.b.keyed", &key, 1);
    rig_request(&unknown, "a.b.nothing", &key, 1);
    rig_request(&without_key, "a.b.keyless", &key, 1);

    expect_error(rig_call(&x, NULL, buf_slice(&good), false), ERR_UNAUTHENTICATED, "no token");
    expect_error(rig_call(&x, "forged", buf_slice(&good), false), ERR_UNAUTHENTICATED, "not known");
    expect_error(rig_call(&x, "stranger-token", buf_slice(&good), false), ERR_DENIED, "a.b.keyed");
    expect_error(rig_call(&x, "reader-token", buf_slice(&unknown), false), ERR_NOT_FOUND,
                 "a.b.nothing");
    expect_error(rig_call(&x, "reader-token", buf_slice(&without_key), false), ERR_PRECONDITION,
                 "no primary key");
    expect_error(rig_call(&x, "reader-token", slice_str("\x0a\xff"), false), ERR_INVALID,
                 "well-formed");
    expect_error(rig_get(&x, "{\"wrong\":1}"), ERR_INVALID, "a.b.keyed");
    expect_error(rig_get(&x, "nonsense"), ERR_INVALID, "key_json");

    buf_deinit(&good);
    buf_deinit(&unknown);
    buf_deinit(&without_key);
    catalog_table_unref(keyless);
    rig_down(&x);
}

Test(serve_rows, revoked_token_is_refused_at_once)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);
    rig_end(rig_get(&x, "{\"k\":\"one\"}"));

    cr_assert_eq(catalog_revoke_token(x.catalog, "reader-token", &x.e), 0);

    expect_error(rig_get(&x, "{\"k\":\"one\"}"), ERR_UNAUTHENTICATED, "revoked");
    rig_down(&x);
}

Test(serve_rows, multi_get_answers_in_order_and_names_its_snapshot)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    bronze_pos one = rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    bronze_pos two = rig_put(&x, x.table, "{\"k\":\"two\",\"n\":2}");
    rig_apply(&x);
    const char *keys[] = {"{\"k\":\"two\"}", "{\"k\":\"none\"}", "{\"k\":\"one\"}"};
    struct buf request = BUF_NULL;
    rig_request(&request, "a.b.keyed", keys, 3);

    struct rpc_call *c = rig_call(&x, "reader-token", buf_slice(&request), true);

    struct rig_row rows[3];
    uint64_t snapshot;
    cr_assert_eq(rig_rows_of(rig_reply(c), rows, &snapshot), 3);
    cr_assert(rows[0].found && rows[0].position == two);
    cr_assert_not(rows[1].found);
    cr_assert(rows[2].found && rows[2].position == one);
    cr_assert_eq(snapshot, serve_applied_pos(x.serve));
    rig_end(c);
    buf_deinit(&request);
    rig_down(&x);
}

/* ---- reads that miss the cache ---- */

/* Rows that fill the blocks between m/applied, which is read at start, and the row of the test. */
static void put_filler(struct rig *x)
{
    for (char first = 'a'; first <= 'h'; first++) {
        char *json = mem_printf("{\"k\":\"%c%03000d\",\"n\":1}", first, 0);
        rig_put(x, x->table, json);
        mem_free(json);
    }
}

/* All rows are on the disk and none in memory: RocksDB opened again. */
static void chill(struct rig *x)
{
    put_filler(x);
    rig_apply(x);
    x->serve = serve_free(x->serve);
    cr_assert_eq(store_flush(x->store, &x->e), 0);
    cr_assert_eq(store_reopen(x->store, &x->e), 0);
    cr_assert_eq(rig_renew(x), 0, "%s", x->e.text);
    cr_assert_eq(serve_start(x->serve, &x->e), 0);
}

Test(serve_rows, cold_read_goes_to_the_worker_and_comes_back)
{
    struct rig x;
    rig_up(&x, RIG_ROCKSDB);
    bronze_pos pos = rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);
    chill(&x);

    struct rpc_call *c = rig_get(&x, "{\"k\":\"one\"}");
    cr_assert_not(rig_is_answered(c));
    cr_assert_gt(rig_wait_post(&x), 0);

    expect_row(c, "{\"k\":\"one\",\"n\":1}", pos);
    serve_stop(x.serve);
    rig_down(&x);
}

Test(serve_rows, cancelled_cold_read_is_dropped_when_it_comes_back)
{
    struct rig x;
    rig_up(&x, RIG_ROCKSDB);
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);
    chill(&x);

    struct rpc_call *c = rig_get(&x, "{\"k\":\"one\"}");
    rig_cancel(c);
    cr_assert_gt(rig_wait_post(&x), 0);

    cr_assert_not(rig_is_answered(c));
    rig_end(c);
    serve_stop(x.serve);
    rig_down(&x);
}

Test(serve_rows, cold_read_whose_answer_nobody_takes_is_given_back_at_the_stop)
{
    struct rig x;
    rig_up(&x, RIG_ROCKSDB);
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);
    chill(&x);
    struct rpc_call *c = rig_get(&x, "{\"k\":\"one\"}");
    rig_cancel(c);

    serve_stop(x.serve);

    rig_end(c);
    rig_down(&x);
}
