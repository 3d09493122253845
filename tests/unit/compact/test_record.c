/* SPDX-License-Identifier: Apache-2.0 */
/* What the log is told of the lake: every commit of ours, version 0 too, whoever was killed. */
#include "rig.h"

struct seen {
    uint64_t versions[8]; /* records by version */
    uint8_t hashes[8][16];
};

/* The records of the log, as a restart reads them. */
static int on_block(void *ctx, const char *segment, const struct bronze_block *b)
{
    struct seen *s = ctx;
    struct bronze_frame f;
    (void)segment;
    for (size_t at = 0; bronze_block_frame(b, &at, &f);) {
        char name[CATALOG_FILE_NAME_MAX];
        struct catalog_lake_commit k;
        struct slice bytes;
        size_t row_at = 0;
        if (f.kind != BRONZE_CONTROL || !bronze_frame_row(&f, &row_at, &bytes) ||
            !catalog_lake_commit_of(bytes, name, &k))
            continue;
        cr_assert_lt(k.delta_version, 8);
        s->versions[k.delta_version]++;
        memcpy(s->hashes[k.delta_version], k.commit_hash, 16);
    }
    return 0;
}

static struct seen records(struct rig *x)
{
    struct seen s;
    memset(&s, 0, sizeof(s));
    cr_assert_eq(bronze_dump(x->sys, x->path, on_block, &s, &x->e), 0, "%s", x->e.text);
    return s;
}

static void check_hash(struct rig *x, const struct catalog_table *t, const struct seen *s,
                       int64_t version)
{
    struct buf text = BUF_NULL;
    uint8_t hash[16];
    char *name = mem_printf("%s/_delta_log/%020lld.json", t->location, (long long)version);
    cr_assert_eq(objstore_get(x->lake, name, 1 << 20, &text, &x->e), 0, "%s", x->e.text);
    delta_hash(buf_slice(&text), hash);
    cr_assert_eq(memcmp(hash, s->hashes[version], 16), 0);
    mem_free(name);
    buf_deinit(&text);
}

Test(compact_record, version_0_and_each_commit_are_recorded_once_with_their_hash)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    rig_rows(&x, t, 3, 5);
    rig_settle(&x, t);

    rig_restart(&x);
    rig_turn(&x);

    struct seen s = records(&x);
    cr_assert(s.versions[0] == 1 && s.versions[1] == 1 && s.versions[2] == 0);
    check_hash(&x, t, &s, 0);
    check_hash(&x, t, &s, 1);
    catalog_table_unref(t);
    rig_down(&x);
}

/* A life that is killed between its commit and the record leaves the next one to write it. */
Test(compact_record, a_commit_without_a_record_is_recorded_when_the_table_is_opened_again)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    bronze_pos last = rig_rows(&x, t, 3, 5);
    rig_turn(&x);
    struct compact_table *c = compact__table(x.c, t->id);
    struct delta_file f = {.path = "sluice-x.zstd.parquet",
                           .size = 3,
                           .row_count = 3,
                           .first_pos = last - 2,
                           .last_pos = last,
                           .stats = slice_str("{}")};
    struct delta_commit k = {.app_id = c->app_id,
                             .txn_version = (int64_t)last,
                             .files = &f,
                             .file_count = 1,
                             .now_us = 1};
    int checkpoint;
    cr_assert_eq(delta_commit(c->delta, &k, &checkpoint, &x.e), 0, "%s", x.e.text);
    cr_assert_eq(records(&x).versions[1], 0);

    rig_restart(&x);
    rig_turn(&x);
    cr_assert_eq(bronze_wait(x.log, bronze_durable_ticket(x.log) + 1, 1000) <= 0, true);

    struct seen s = records(&x);
    cr_assert(s.versions[0] == 1 && s.versions[1] == 1);
    check_hash(&x, t, &s, 1);
    catalog_table_unref(t);
    rig_down(&x);
}
