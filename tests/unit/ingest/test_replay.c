/* SPDX-License-Identifier: Apache-2.0 */
/* Quarantined records judged again: row and mark in one block, or nothing. */
#include "ingest/ingest.h"

#include "base/buf.h"
#include "base/limits.h"
#include "codec/codec.h"

#include "unit/rig_server.h"

struct replay_rig {
    struct rig r;
    struct ingest *ingest;
    struct catalog_table *t, *q;
    struct ingest_replay *replay;
};

static void set_up(struct replay_rig *x)
{
    rig_open(&x->r);
    struct ingest_options o = {x->r.sys, x->r.log, x->r.catalog, x->r.server};
    x->ingest = ingest_new(&o);
    rig_start(&x->r);
    struct catalog_property set[] = {{"on_error", "quarantine"}, {"rule.small", "drop: id >= 100"}};
    struct catalog_create c = {.name = "a.b.c",
                               .ddl = "id BIGINT NOT NULL, many ARRAY<DECIMAL(38,0)>",
                               .properties = set,
                               .property_count = 2};
    struct err e = {0};
    cr_assert_eq(catalog_create_table(x->r.catalog, &c, &x->t, &e), 0, "%s", e.text);
    cr_assert_eq(catalog_table_by_name(x->r.catalog, "a.b.c__quarantine", &x->q, &e), 0);
    x->replay = ingest_replay_new(x->ingest, x->t, x->q, "someone");
}

static void tear_down(struct replay_rig *x)
{
    struct err e = {0};
    cr_assert_eq(ingest_replay_end(x->replay, &e), 0, "%s", e.text);
    catalog_table_unref(x->t);
    catalog_table_unref(x->q);
    rig_stop(&x->r);
    x->ingest = ingest_free(x->ingest);
    rig_close(&x->r);
}

static int replay(struct replay_rig *x, const char *format, const char *raw, int64_t descriptor,
                  struct err *e)
{
    struct row_value bad[CATALOG_QUARANTINE_COLUMNS] = {
        [CATALOG_Q_ARRIVED] = {.i64 = 5},
        [CATALOG_Q_STREAM_ID] = {.bytes = slice_str("a-stream")},
        [CATALOG_Q_REASON] = {.bytes = slice_str("bad")},
        [CATALOG_Q_RULE] = {.null = true},
        [CATALOG_Q_COLUMN_PATH] = {.null = true},
        [CATALOG_Q_PRINCIPAL] = {.bytes = slice_str("someone")},
        [CATALOG_Q_RAW] = {.bytes = slice_str(raw)},
        [CATALOG_Q_JSON] = {.null = true},
        [CATALOG_Q_FORMAT] = {.bytes = slice_str(format)},
        [CATALOG_Q_DESCRIPTOR_ID] = {.i64 = descriptor},
        [CATALOG_Q_REPLAYED] = {.null = true},
    };
    return ingest_replay_row(x->replay, bad, e);
}

Test(ingest_replay, stores_a_good_record_and_its_mark_in_one_block)
{
    struct replay_rig x;
    struct err e = {0};
    set_up(&x);

    cr_assert_eq(replay(&x, "json", "{\"id\":100}", 0, &e), 0, "%s", e.text);

    cr_assert_eq(atomic_load(&x.t->live->rows_replayed), 1);
    cr_assert_eq(atomic_load(&x.q->live->last_pos), atomic_load(&x.t->live->last_pos) + 1);
    cr_assert_eq(bronze_wait(x.r.log, bronze_durable_ticket(x.r.log), 1000), 0);
    cr_assert_eq(atomic_load(&x.q->live->rows_appended), 1);
    tear_down(&x);
}

Test(ingest_replay, leaves_a_bad_record_and_says_why)
{
    struct replay_rig x;
    struct err e = {0};
    set_up(&x);
    bronze_pos before = bronze_appended_pos(x.r.log);

    cr_assert_eq(replay(&x, "protobuf", "\x08\x01", 77, &e), INGEST_STILL_BAD);
    cr_assert_not_null(strstr(e.text, "not known any more"), "%s", e.text);
    cr_assert_eq(replay(&x, "json", "{}", 0, &e), INGEST_STILL_BAD);
    cr_assert_not_null(strstr(e.text, "id"), "%s", e.text);
    cr_assert_eq(replay(&x, "json", "{\"id\":1}", 0, &e), INGEST_STILL_BAD);
    cr_assert_not_null(strstr(e.text, "rule \"small\" drops it"), "%s", e.text);

    cr_assert_eq(atomic_load(&x.t->live->rows_replayed), 0);
    cr_assert_eq(bronze_appended_pos(x.r.log), before + 1); /* the stream's own record */
    tear_down(&x);
}

Test(ingest_replay, judges_by_the_version_of_the_table_that_is_in_force)
{
    struct replay_rig x;
    struct err e = {0};
    set_up(&x);
    struct catalog_property set[] = {{"rule.small", "drop: more = 1"}};
    struct catalog_alter a = {.name = "a.b.c",
                              .change = {.adds = (const char *[]){"more INT"}, .add_count = 1},
                              .sets = set,
                              .set_count = 1};
    struct catalog_table *next = NULL;
    cr_assert_eq(catalog_alter_table(x.r.catalog, &a, &next, &e), 0, "%s", e.text);

    cr_assert_eq(replay(&x, "json", "{\"id\":1,\"more\":1}", 0, &e), 0, "%s", e.text);
    cr_assert_eq(replay(&x, "json", "{\"id\":1,\"more\":2}", 0, &e), INGEST_STILL_BAD);

    catalog_table_unref(next);
    tear_down(&x);
}

Test(ingest_replay, leaves_a_record_that_no_block_takes_and_goes_on_behind_it)
{
    struct replay_rig x;
    struct err e = {0};
    set_up(&x);
    struct buf raw = BUF_NULL;
    buf_printf(&raw, "{\"id\":100,\"many\":[1");
    for (uint32_t i = 0; i < BLOCK_BYTES_MAX / 38; i++)
        buf_printf(&raw, ",1e37");
    buf_printf(&raw, "]}");
    buf_add(&raw, "", 1);

    cr_assert_eq(replay(&x, "json", (const char *)raw.data, 0, &e), INGEST_STILL_BAD);
    cr_assert_not_null(strstr(e.text, "does not fit into a block"), "%s", e.text);
    cr_assert_eq(replay(&x, "json", "{\"id\":100}", 0, &e), 0, "%s", e.text);

    cr_assert_eq(atomic_load(&x.t->live->rows_replayed), 1);
    buf_deinit(&raw);
    tear_down(&x);
}
