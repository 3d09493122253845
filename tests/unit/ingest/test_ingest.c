/* SPDX-License-Identifier: Apache-2.0 */
/* Streams over a real connection into a real log: what is acknowledged is there, what is wrong
 * is named. */
#include "ingest/ingest.h"

#include "unit/rig_server.h"

struct ingest_rig {
    struct rig r;
    struct ingest *ingest;
};

static void on_idle(struct rpc_queue *q, void *ctx)
{
    ingest_on_idle(((struct ingest_rig *)ctx)->ingest, q);
}

static void on_tick(struct rpc_queue *q, void *ctx)
{
    ingest_on_tick(((struct ingest_rig *)ctx)->ingest, q);
}

static void set_up(struct ingest_rig *x)
{
    rig_open(&x->r);
    struct ingest_options o = {x->r.sys, x->r.log, x->r.catalog, x->r.server};
    x->ingest = ingest_new(&o);
    rpc_server_hooks(x->r.server, on_idle, on_tick, x);
    rig_start(&x->r);
    const char *keys[] = {"id"};
    struct catalog_create c = {
        .name = "a.b.c", .ddl = "id BIGINT NOT NULL, note STRING", .keys = keys, .key_count = 1};
    struct catalog_table *t;
    struct err e = {0};
    cr_assert_eq(catalog_create_table(x->r.catalog, &c, &t, &e), 0);
    t = catalog_table_unref(t);
}

static void tear_down(struct ingest_rig *x)
{
    rig_stop(&x->r);
    x->ingest = ingest_free(x->ingest);
    rig_close(&x->r);
}

static struct sluice_stream *open_json(struct ingest_rig *x)
{
    struct sluice_stream_options o = {.table = "a.b.c", .record = SLUICE_JSON};
    struct sluice_stream *s;
    struct sluice_error e = {0};
    int r = sluice_stream_open(x->r.client, &o, &s, &e);
    cr_assert_eq(r, 0, "%s", e.text);
    return s;
}

static int append(struct sluice_stream *s, const char *json)
{
    return sluice_stream_append(s, (struct sluice_bytes){json, strlen(json)}, 10000, NULL);
}

static uint64_t rows_in_log(struct ingest_rig *x)
{
    struct err e = {0};
    struct bronze_reader *r;
    struct bronze_block b;
    uint64_t rows = 0;
    cr_assert_eq(bronze_reader_open(x->r.log, "test", 1, &r, &e), 0);
    while (bronze_reader_next(r, &b, &e) == 0) {
        size_t at = 0;
        struct bronze_frame f;
        while (bronze_block_frame(&b, &at, &f))
            rows += f.kind != BRONZE_CONTROL ? f.row_count : 0;
    }
    r = bronze_reader_close(r);
    return rows;
}

Test(ingest_stream, is_acknowledged_when_its_rows_are_in_the_log)
{
    struct ingest_rig x;
    set_up(&x);
    struct sluice_stream *s = open_json(&x);

    for (int i = 0; i < 2000; i++) {
        char json[64];
        snprintf(json, sizeof(json), "{\"id\":%d,\"note\":\"row %d\"}", i, i);
        cr_assert_eq(append(s, json), 0);
    }
    cr_assert_eq(sluice_stream_flush(s, 10000), 0);

    cr_assert_eq(sluice_stream_acked(s), 1999);
    cr_assert_eq(rows_in_log(&x), 2000);
    struct sluice_error e = {0};
    cr_assert_eq(sluice_stream_close(s, 10000, &e), 0);
    tear_down(&x);
}

Test(ingest_stream, names_the_bad_row_and_keeps_those_before_it)
{
    struct ingest_rig x;
    set_up(&x);
    struct sluice_stream *s = open_json(&x);

    cr_assert_eq(append(s, "{\"id\":1}"), 0);
    cr_assert_eq(append(s, "{\"id\":2}"), 0);
    cr_assert_eq(append(s, "{\"note\":\"no id\"}"), 0);
    cr_assert_eq(append(s, "{\"id\":4}"), 0);
    cr_assert_neq(sluice_stream_flush(s, 10000), 0);

    cr_assert_eq(sluice_stream_acked(s), 1);
    cr_assert_eq(rows_in_log(&x), 2);
    struct sluice_error e = {0};
    cr_assert(sluice_stream_error(s, &e));
    cr_assert_eq(e.status, 3);
    cr_assert_not_null(strstr(e.text, "a.b.c"), "%s", e.text);
    cr_assert_not_null(strstr(e.text, "offset 2"), "%s", e.text);
    cr_assert_not_null(strstr(e.text, "id"), "%s", e.text);
    (void)sluice_stream_close(s, 10000, NULL);
    tear_down(&x);
}

Test(ingest_stream, takes_a_batch_whole_or_not_at_all)
{
    struct ingest_rig x;
    set_up(&x);
    struct sluice_stream *s = open_json(&x);
    struct sluice_bytes good[] = {{"{\"id\":1}", 8}, {"{\"id\":2}", 8}, {"{\"id\":3}", 8}};
    struct sluice_bytes bad[] = {{"{\"id\":4}", 8}, {"{\"id\":\"x\"}", 10}};

    cr_assert_eq(sluice_stream_append_batch(s, good, 3, 1000, NULL), 0);
    cr_assert_eq(sluice_stream_append_batch(s, bad, 2, 1000, NULL), 0);
    cr_assert_neq(sluice_stream_flush(s, 10000), 0);

    cr_assert_eq(sluice_stream_acked(s), 0);
    cr_assert_eq(rows_in_log(&x), 3);
    struct sluice_error e = {0};
    cr_assert(sluice_stream_error(s, &e));
    cr_assert_not_null(strstr(e.text, "record 1"), "%s", e.text);
    (void)sluice_stream_close(s, 10000, NULL);
    tear_down(&x);
}

Test(ingest_stream, is_refused_without_a_grant_a_token_or_a_table)
{
    struct ingest_rig x;
    set_up(&x);
    struct sluice_client *nobody = rig_client(&x.r, NULL), *wrong = rig_client(&x.r, "slcwrong");
    struct sluice_stream_options o = {.table = "a.b.c", .record = SLUICE_JSON};
    struct sluice_stream *s;
    struct sluice_error e = {0};

    cr_assert_lt(sluice_stream_open(nobody, &o, &s, &e), 0);
    cr_assert_eq(e.status, 16);
    cr_assert_lt(sluice_stream_open(wrong, &o, &s, &e), 0);
    cr_assert_eq(e.status, 16);
    o.table = "a.b.none";
    cr_assert_lt(sluice_stream_open(x.r.client, &o, &s, &e), 0);
    cr_assert_eq(e.status, 5);
    nobody = sluice_client_free(nobody);
    wrong = sluice_client_free(wrong);
    tear_down(&x);
}

Test(ingest_stream, ends_when_its_table_is_dropped)
{
    struct ingest_rig x;
    set_up(&x);
    struct sluice_stream *s = open_json(&x);
    struct err e = {0};
    cr_assert_eq(append(s, "{\"id\":1}"), 0);
    cr_assert_eq(sluice_stream_flush(s, 10000), 0);

    cr_assert_eq(catalog_drop_table(x.r.catalog, "a.b.c", &e), 0, "%s", e.text);
    (void)append(s, "{\"id\":2}"); /* refused by the client when the end is there already */
    for (int i = 0; i < 1000 && !sluice_stream_error(s, NULL); i++)
        sys_sleep_ms(x.r.sys, 10);

    cr_assert_eq(sluice_stream_acked(s), 0);
    struct sluice_error se = {0};
    cr_assert(sluice_stream_error(s, &se));
    cr_assert_eq(se.status, 5);
    (void)sluice_stream_close(s, 10000, NULL);
    tear_down(&x);
}

struct replacing {
    struct ingest_rig *x;
    const char *ddl;
    struct catalog_table *table;
    int rc;
    uint32_t streams_left; /* when the drop was logged */
};

static void replace_main(void *arg)
{
    struct replacing *r = arg;
    struct catalog_create next = {.name = "a.b.c", .ddl = r->ddl};
    struct err e = {0};
    r->rc = catalog_replace_begin(r->x->r.catalog, &next, &e);
    r->streams_left = atomic_load(&r->table->live->streams_open);
    catalog_replace_end(r->x->r.catalog);
}

/* Streams a row, replaces the table by one of @ddl, sends another one, and waits for the end. */
static void check_replaced(const char *ddl, const char *sentence)
{
    struct ingest_rig x;
    set_up(&x);
    struct sluice_stream *s = open_json(&x);
    struct sys_thread *thread;
    struct catalog_table *t = NULL;
    cr_assert_eq(append(s, "{\"id\":1}"), 0);
    cr_assert_eq(sluice_stream_flush(s, 10000), 0);
    cr_assert_eq(catalog_table_by_name(x.r.catalog, "a.b.c", &t, NULL), 0);
    struct replacing r = {&x, ddl, t, -1, 0};

    cr_assert_eq(sys_thread_start(x.r.sys, "replace", replace_main, &r, &thread), 0);
    while (!atomic_load(&t->live->dropped))
        sys_sleep_ms(x.r.sys, 1);
    cr_assert_eq(append(s, "{\"id\":2}"), 0);
    for (int i = 0; i < 1000 && !sluice_stream_error(s, NULL); i++)
        sys_sleep_ms(x.r.sys, 10);
    sys_thread_join(thread);

    cr_assert_eq(r.rc, 0);
    cr_assert_eq(r.streams_left, 0);
    cr_assert_eq(sluice_stream_acked(s), 0);
    cr_assert_eq(rows_in_log(&x), 1);
    struct sluice_error e = {0};
    cr_assert(sluice_stream_error(s, &e));
    cr_assert_eq(e.status, 3);
    cr_assert_not_null(strstr(e.text, sentence), "%s", e.text);
    (void)sluice_stream_close(s, 10000, NULL);
    catalog_table_unref(t);
    tear_down(&x);
}

Test(ingest_stream, of_a_replaced_table_takes_no_row_and_hears_which_column_is_gone)
{
    check_replaced("id BIGINT NOT NULL", "table a.b.c was replaced: column note is gone");
}

Test(ingest_stream, of_a_replaced_table_whose_columns_still_fit_hears_only_that)
{
    check_replaced("id BIGINT NOT NULL, note STRING, n INT",
                   "table a.b.c was replaced; open a new stream");
}

Test(ingest_stream, is_acknowledged_and_ended_when_the_grace_of_a_shutdown_is_over)
{
    struct ingest_rig x;
    set_up(&x);
    struct sluice_stream *s = open_json(&x);
    cr_assert_eq(append(s, "{\"id\":1}"), 0);

    ingest_drain(x.ingest, 50);
    for (int i = 0; i < 500 && !sluice_stream_error(s, NULL); i++)
        sys_sleep_ms(x.r.sys, 10);

    struct sluice_error e = {0};
    cr_assert(sluice_stream_error(s, &e));
    cr_assert_eq(e.status, 14);
    cr_assert_eq(sluice_stream_acked(s), 0);
    (void)sluice_stream_close(s, 10000, NULL);
    tear_down(&x);
}

Test(ingest_stream, ends_when_its_quarantine_table_is_dropped)
{
    struct ingest_rig x;
    set_up(&x);
    struct err e = {0};
    struct catalog_property set[] = {{"on_error", "quarantine"}},
                            reset[] = {{"on_error", "reject"}};
    struct catalog_alter a = {.name = "a.b.c", .sets = set, .set_count = 1};
    struct catalog_table *t = NULL;
    cr_assert_eq(catalog_alter_table(x.r.catalog, &a, &t, &e), 0, "%s", e.text);
    t = catalog_table_unref(t);
    struct sluice_stream *s = open_json(&x);
    cr_assert_eq(append(s, "{\"note\":\"no id\"}"), 0);
    cr_assert_eq(sluice_stream_flush(s, 10000), 0);
    a.sets = reset;
    cr_assert_eq(catalog_alter_table(x.r.catalog, &a, &t, &e), 0, "%s", e.text);
    t = catalog_table_unref(t);

    cr_assert_eq(catalog_drop_table(x.r.catalog, "a.b.c__quarantine", &e), 0, "%s", e.text);
    (void)append(s, "{\"note\":\"no id\"}"); /* to a table that is not there any more */
    for (int i = 0; i < 1000 && !sluice_stream_error(s, NULL); i++)
        sys_sleep_ms(x.r.sys, 10);

    cr_assert_eq(sluice_stream_acked(s), 0);
    struct sluice_error se = {0};
    cr_assert(sluice_stream_error(s, &se));
    cr_assert_eq(se.status, 14);
    (void)sluice_stream_close(s, 10000, NULL);
    tear_down(&x);
}
