/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog's life as a whole. */
#include "rig.h"

#include "sys/sim.h"

Test(catalog_life, empty_log_gives_an_empty_catalog)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table **tables;
    struct catalog_token **tokens;

    cr_assert_eq(catalog_tables(x.c, &tables), 0);
    cr_assert_eq(catalog_tokens(x.c, &tokens), 0);
    cr_assert_eq(catalog_snapshot_pos(x.c), 0);

    mem_free(tables);
    mem_free(tokens);
    rig_down(&x);
}

Test(catalog_life, ids_are_not_given_twice_over_restarts)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");
    uint32_t id = t->id;
    catalog_table_unref(t);
    cr_assert_eq(catalog_drop_table(x.c, "a.b.c", &x.e), 0);

    rig_restart(&x);

    t = rig_table(&x, "a.b.d");
    cr_assert_gt(t->id, id);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(catalog_life, lake_commit_is_logged_with_all_its_fields)
{
    struct rig x;
    rig_up(&x);
    struct catalog_lake_commit k = {.table_id = 4,
                                    .delta_version = 9,
                                    .position = 100,
                                    .first_pos = 10,
                                    .last_pos = 90,
                                    .commit_size = 5,
                                    .data_size = 6,
                                    .row_count = 7,
                                    .data_file = "x.parquet"};
    memset(k.commit_hash, 1, sizeof(k.commit_hash));
    memset(k.data_hash, 2, sizeof(k.data_hash));

    cr_assert_eq(catalog_log_commit(x.c, &k), 0);

    struct rig_frames f = rig_controls(&x);
    size_t at = rig_find(&f, 0, SLUICE__CONTROL__RECORD__WHAT_LAKE_COMMITTED);
    record *r = catalog__record_of(&f.frames[at]);
    const Sluice__Control__LakeCommitted *m = r->lake_committed;
    cr_assert(m->table_id == 4 && m->delta_version == 9 && m->position == 100);
    cr_assert(m->first_position == 10 && m->last_position == 90 && m->row_count == 7);
    cr_assert(m->commit_size == 5 && m->data_size == 6);
    cr_assert(m->commit_hash.len == 16 && m->commit_hash.data[15] == 1);
    cr_assert(m->data_hash.len == 16 && m->data_hash.data[0] == 2);
    cr_assert_str_eq(m->data_file, "x.parquet");
    catalog__record_free(r);
    rig_frames_free(&f);
    rig_down(&x);
}

#define KIB (1024u)

/* The log's threads work while somebody sleeps. */
static void on_sleep(void *ctx, uint64_t ns)
{
    struct rig *x = ctx;
    sys_sim_advance(x->sys, ns);
    bronze_step(x->log, 0);
    bronze_segment_step(x->log);
}

static int append_row(struct rig *x)
{
    static const uint8_t bytes[1000];
    struct slice row = slice_of(bytes, sizeof(bytes));
    struct bronze_append a = {.kind = BRONZE_ROWS, .table_id = 1, .rows = &row, .row_count = 1};
    int rc = bronze_append(x->log, &a);
    bronze_step(x->log, 1000);
    bronze_segment_step(x->log);
    return rc;
}

/* A table, a token, and a log that takes nothing more. */
static void fill(struct rig *x)
{
    struct bronze_options o = {"data", 128 * KIB, 512 * KIB, 512 * KIB, 32 * KIB, false};
    struct bronze_usage u;
    x->sys = sys_new_sim(1);
    x->c = catalog_new(x->sys);
    cr_assert_eq(bronze_init(x->sys, "data", &x->e), 0);
    cr_assert_eq(bronze_open(x->sys, &o, catalog_on_control, x->c, &x->log, &x->e), 0);
    catalog_attach(x->c, x->log);
    catalog_table_unref(rig_table(x, "a.b.c"));
    rig_token(x, "reader", "*", 7);
    sys_sim_on_sleep(x->sys, on_sleep, x);
    for (int i = 0; i < 2000; i++)
        (void)append_row(x);
    bronze_usage(x->log, &u);
    cr_assert(u.stalled);
}

Test(catalog_life, drop_and_revoke_get_through_a_full_log)
{
    struct rig x = {0};
    fill(&x);
    struct catalog_token more = {.name = (char *)"more", .admin = true};
    cr_assert_eq(catalog_create_token(x.c, &more, &x.e), ERR_EXHAUSTED);

    int dropped = catalog_drop_table(x.c, "a.b.c", &x.e);
    int row = append_row(&x);
    int revoked = catalog_revoke_token(x.c, "reader", &x.e);

    cr_assert_eq(dropped, 0, "%s", x.e.text);
    cr_assert_eq(row, BRONZE_FULL);
    cr_assert_eq(revoked, 0, "%s", x.e.text);
    bronze_pos pos;
    cr_assert_eq(catalog_snapshot(x.c, &pos, &x.e), 0, "%s", x.e.text);
    bronze_trim(x.log, pos);
    bronze_segment_step(x.log);
    cr_assert_eq(append_row(&x), 0);
    x.c = catalog_free(x.c);
    x.log = bronze_close(x.log);
    x.sys = sys_free(x.sys);
}
