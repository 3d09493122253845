/* SPDX-License-Identifier: Apache-2.0 */
/* Orphans are removed; whatever may be anybody's stays. */
#include "rig.h"

#define GRACE_MS 1000u
#define UUID     "01234567-89ab-4cde-8f01-23456789abcd"
#define FOOTER   "PAR1 rows, sluice version 0.1.0 (build 1) ....PAR1"

struct place {
    struct rig x;
    struct catalog_table *t;
};

/* A table with one committed file, whose files are an hour old for the search. */
static void up(struct place *p)
{
    rig_up(&p->x);
    rig_kill(&p->x);
    p->x.options.orphan_grace_ms = GRACE_MS;
    rig_open(&p->x);
    p->t = rig_table(&p->x, "main.farm.quotes");
    rig_rows(&p->x, p->t, 10, 5);
    rig_settle(&p->x, p->t);
}

static void down(struct place *p)
{
    catalog_table_unref(p->t);
    rig_down(&p->x);
}

static char *data_name(const struct place *p, unsigned pos, const char *rest)
{
    return mem_printf("%s/sluice-%020u-%s", p->t->location, pos, rest);
}

static void put(struct place *p, char *name, const char *content)
{
    cr_assert_eq(objstore_put(p->x.lake, name, slice_str(content), NULL), 0);
    mem_free(name);
}

static bool is_there(struct place *p, char *name)
{
    struct buf b = BUF_NULL;
    bool there = objstore_get(p->x.lake, name, 1u << 20, &b, NULL) == 0;
    buf_deinit(&b);
    mem_free(name);
    return there;
}

/* A whole round, with files as old as @grace_us says. */
static void sweep(struct place *p, uint64_t grace_us)
{
    struct compact_sweep *s = &p->x.c->sweep;
    s->grace_us = grace_us;
    do {
        s->next_ns = 0;
        compact__sweep(p->x.c);
    } while (s->phase != COMPACT_SWEEP_NONE);
    compact__publish(p->x.c);
}

static struct compact_totals totals(struct place *p)
{
    struct compact_totals t;
    compact_totals(p->x.c, &t);
    return t;
}

Test(compact_sweep, orphan_of_a_killed_life_goes_and_committed_files_stay)
{
    struct place p;
    up(&p);
    rig_rows(&p.x, p.t, 10, 5);
    objstore_fake_order(p.x.lake, "0002.json", OBJSTORE_FAIL, 0, 1);
    p.x.c->draining = true;
    rig_turn(&p.x); /* the file is there, the commit is not */
    rig_kill(&p.x);
    rig_open(&p.x);
    rig_settle(&p.x, p.t);

    sweep(&p, 0);

    struct objstore_list l;
    struct rig_delta d = rig_delta(&p.x, p.t->location);
    cr_assert_eq(objstore_list(p.x.lake, p.t->location, "", &l, NULL), 0);
    cr_assert_eq(l.count, 2);
    cr_assert_eq(d.files, 2);
    cr_assert_eq(d.rows, 20);
    cr_assert_eq(totals(&p).orphans_removed, 1);
    cr_assert_gt(totals(&p).orphan_bytes_removed, 0);
    objstore_list_deinit(&l);
    down(&p);
}

Test(compact_sweep, young_orphan_is_counted_and_stays)
{
    struct place p;
    up(&p);
    put(&p, data_name(&p, 1, UUID ".zstd.parquet"), FOOTER);

    sweep(&p, 3600ull * 1000000);

    cr_assert(is_there(&p, data_name(&p, 1, UUID ".zstd.parquet")));
    cr_assert_eq(totals(&p).orphans_young, 1);
    sweep(&p, 0);
    cr_assert_not(is_there(&p, data_name(&p, 1, UUID ".zstd.parquet")));
    cr_assert_eq(totals(&p).orphans_young, 0);
    down(&p);
}

Test(compact_sweep, files_of_others_stay)
{
    struct place p;
    up(&p);
    const char *location = p.t->location;
    put(&p, mem_printf("%s/part-00000-" UUID ".snappy.parquet", location), FOOTER);
    put(&p, mem_printf("%s/notes.txt", location), "x");
    put(&p, mem_printf("%s/deletion_vector_" UUID ".bin", location), "x");
    put(&p, data_name(&p, 1, "x.zstd.parquet"), FOOTER);
    put(&p, data_name(&p, 1, UUID ".snappy.parquet"), FOOTER);
    put(&p, data_name(&p, 1, UUID ".zstd.parquet"), "PAR1 by somebody else, not us PAR1");

    sweep(&p, 0);

    cr_assert(is_there(&p, mem_printf("%s/part-00000-" UUID ".snappy.parquet", location)));
    cr_assert(is_there(&p, mem_printf("%s/notes.txt", location)));
    cr_assert(is_there(&p, mem_printf("%s/deletion_vector_" UUID ".bin", location)));
    cr_assert(is_there(&p, data_name(&p, 1, "x.zstd.parquet")));
    cr_assert(is_there(&p, data_name(&p, 1, UUID ".snappy.parquet")));
    cr_assert(is_there(&p, data_name(&p, 1, UUID ".zstd.parquet")));
    cr_assert_eq(totals(&p).orphans_removed, 0);
    down(&p);
}

Test(compact_sweep, file_whose_rows_are_not_committed_stays)
{
    struct place p;
    up(&p);
    put(&p, data_name(&p, 999999, UUID ".zstd.parquet"), FOOTER);

    sweep(&p, 0);

    cr_assert(is_there(&p, data_name(&p, 999999, UUID ".zstd.parquet")));
    down(&p);
}

/* Named once is enough: readers of an older version still want it. Whoever named it. */
Test(compact_sweep, file_that_any_commit_names_stays)
{
    struct place p;
    up(&p);
    put(&p, data_name(&p, 1, UUID ".zstd.parquet"), FOOTER);
    char *name = mem_printf("%s/_delta_log/%020d.json", p.t->location, 2);
    char *text =
        mem_printf("{\"commitInfo\":{\"inCommitTimestamp\":1,\"operation\":\"OPTIMIZE\"}}\n"
                   "{\"remove\":{\"path\":\"sluice-%020u-" UUID ".zstd.parquet\","
                   "\"dataChange\":false}}\n",
                   1u);
    cr_assert_eq(objstore_put_absent(p.x.lake, name, slice_str(text), NULL), 0);

    sweep(&p, 0); /* beyond the version that the compactor knows */

    cr_assert(is_there(&p, data_name(&p, 1, UUID ".zstd.parquet")));
    mem_free(name);
    mem_free(text);
    down(&p);
}

Test(compact_sweep, hole_in_the_log_ends_the_search)
{
    struct place p;
    up(&p);
    rig_rows(&p.x, p.t, 3, 5);
    rig_settle(&p.x, p.t);
    put(&p, data_name(&p, 1, UUID ".zstd.parquet"), FOOTER);
    char *name = mem_printf("%s/_delta_log/%020d.json", p.t->location, 1);
    cr_assert_eq(objstore_delete(p.x.lake, name, NULL), 0);

    sweep(&p, 0);

    cr_assert(is_there(&p, data_name(&p, 1, UUID ".zstd.parquet")));
    cr_assert_eq(totals(&p).orphans_removed, 0);
    mem_free(name);
    down(&p);
}

Test(compact_sweep, lake_that_fails_is_searched_in_the_next_round)
{
    struct place p;
    up(&p);
    put(&p, data_name(&p, 1, UUID ".zstd.parquet"), FOOTER);
    objstore_fake_order(p.x.lake, "0000.json", OBJSTORE_FAIL, 0, 1);

    sweep(&p, 0);
    cr_assert(is_there(&p, data_name(&p, 1, UUID ".zstd.parquet")));
    sweep(&p, 0);

    cr_assert_not(is_there(&p, data_name(&p, 1, UUID ".zstd.parquet")));
    down(&p);
}

Test(compact_sweep, begins_by_itself_and_rests_between_rounds)
{
    struct place p;
    up(&p);
    put(&p, data_name(&p, 1, UUID ".zstd.parquet"), FOOTER);
    struct compact_sweep *s = &p.x.c->sweep;
    cr_assert_gt(s->next_ns, 0);
    s->grace_us = 0;

    for (unsigned i = 0; i < 6; i++) { /* begin and list, read, remove, end */
        s->next_ns = MIN(s->next_ns, sys_mono_ns(p.x.sys));
        (void)compact_step(p.x.c, 0);
        if (s->phase == COMPACT_SWEEP_NONE)
            break;
    }

    cr_assert_eq(totals(&p).orphans_removed, 1);
    cr_assert_geq(compact__sweep_wait_us(p.x.c), 9000000);
    down(&p);
}
