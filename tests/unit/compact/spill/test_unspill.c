/* SPDX-License-Identifier: Apache-2.0 */
/* Spilled rows come back whole, in order, or the table stops with file and offset. */
#include "rig.h"

#include "sys/sys.h"

#define FOR_EVER 1000000u

/* A table with some files, of which the log has nothing any more. */
static struct catalog_table *spilled(struct rig *x)
{
    rig_up(x);
    rig_kill(x);
    x->options.memory_bytes = 8 * RIG_UNIT;
    x->options.file_bytes = 2 * RIG_UNIT;
    x->options.table_log_bytes = 32 * RIG_UNIT;
    x->options.spill_bytes = 1024ull * RIG_UNIT;
    rig_open(x);
    struct catalog_table *t = rig_table(x, "main.farm.quotes");
    rig_turn(x);
    objstore_fake_order(x->lake, "quotes", OBJSTORE_FAIL, 0, FOR_EVER);
    rig_load(x, t, 64);
    cr_assert_gt(rig_status(x, t).spill_files, 1);
    return t;
}

static char *file_of(struct rig *x, struct catalog_table *t, size_t index)
{
    struct compact_table *ct = compact__table(x->c, t->id);
    cr_assert_lt(index, ct->spill.count);
    return mem_printf("%s/spill/%s", x->path, ct->spill.files[index].name);
}

static void flip(struct rig *x, const char *path, uint64_t offset)
{
    struct sys_file *f;
    uint8_t byte;
    cr_assert_eq(sys_open(x->sys, path, SYS_WRITE, &f, &x->e), 0);
    cr_assert_eq(sys_read(f, &byte, 1, offset, &x->e), 0);
    byte ^= 0x10;
    cr_assert_eq(sys_write(f, &byte, 1, offset, &x->e), 0);
    (void)sys_close(f);
}

static void next_life(struct rig *x, struct catalog_table **t)
{
    char *name = mem_strdup((*t)->name);
    catalog_table_unref(*t);
    rig_restart(x);
    objstore_fake_chances(x->lake, NULL, NULL);
    cr_assert_eq(catalog_table_by_name(x->catalog, name, t, NULL), 0);
    mem_free(name);
    x->c->draining = true;
    for (unsigned i = 0; i < 100; i++)
        (void)compact_step(x->c, 1000);
}

Test(compact_unspill, a_flipped_bit_stops_the_table_and_names_the_place)
{
    struct rig x;
    struct catalog_table *t = spilled(&x);
    char *path = file_of(&x, t, 1);
    flip(&x, path, 128 + 64 + 1000);

    next_life(&x, &t);

    cr_assert_eq(rig_status(&x, t).state, COMPACT_STOPPED);
    cr_assert(rig_has_fault(&x, t, strrchr(path, '/') + 1));
    cr_assert(rig_has_fault(&x, t, "at byte 128 is damaged"));
    mem_free(path);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_unspill, a_damaged_header_stops_the_table_and_others_go_on)
{
    struct rig x;
    struct catalog_table *t = spilled(&x);
    struct catalog_table *other = rig_table(&x, "main.farm.other");
    char *path = file_of(&x, t, 0);
    flip(&x, path, 80);
    rig_rows(&x, other, 3, 10);
    char *location = mem_strdup(other->location);
    catalog_table_unref(other);

    next_life(&x, &t);

    cr_assert_eq(rig_status(&x, t).state, COMPACT_STOPPED);
    cr_assert(rig_has_fault(&x, t, strrchr(path, '/') + 1));
    cr_assert_eq(rig_delta(&x, location).rows, 3);
    cr_assert_eq(rig_delta(&x, t->location).rows, 0);
    mem_free(path);
    mem_free(location);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_unspill, a_file_that_is_gone_stops_the_table)
{
    struct rig x;
    struct catalog_table *t = spilled(&x);
    char *path = file_of(&x, t, 0);
    cr_assert_eq(sys_unlink(x.sys, path, &x.e), 0);

    next_life(&x, &t);

    cr_assert_eq(rig_status(&x, t).state, COMPACT_STOPPED);
    cr_assert(rig_has_fault(&x, t, "a spill file is missing"));
    mem_free(path);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_unspill, the_newest_file_is_missed_too)
{
    struct rig x;
    struct catalog_table *t = spilled(&x);
    char *path = file_of(&x, t, compact__table(x.c, t->id)->spill.count - 1);
    cr_assert_eq(sys_unlink(x.sys, path, &x.e), 0);

    next_life(&x, &t);

    cr_assert_eq(rig_status(&x, t).state, COMPACT_STOPPED);
    cr_assert(rig_has_fault(&x, t, "a spill file is missing"));
    mem_free(path);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_unspill, files_written_behind_a_lost_one_do_not_hide_that)
{
    struct rig x;
    struct catalog_table *t = spilled(&x);
    size_t count = compact__table(x.c, t->id)->spill.count;
    char *path = file_of(&x, t, count - 1);
    cr_assert_eq(sys_unlink(x.sys, path, &x.e), 0);
    next_life(&x, &t);
    cr_assert_eq(rig_status(&x, t).state, COMPACT_STOPPED);

    rig_load(&x, t, 64);
    cr_assert_gt(compact__table(x.c, t->id)->spill.count, count - 1);
    next_life(&x, &t);

    cr_assert_eq(rig_status(&x, t).state, COMPACT_STOPPED);
    cr_assert(rig_has_fault(&x, t, "a spill file is missing"));
    cr_assert_eq(rig_delta(&x, t->location).rows, 0);
    mem_free(path);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_unspill, a_damaged_file_that_is_put_back_heals_its_table)
{
    struct rig x;
    struct catalog_table *t = spilled(&x);
    char *path = file_of(&x, t, compact__table(x.c, t->id)->spill.count - 1);
    flip(&x, path, 80);
    next_life(&x, &t);
    cr_assert_eq(rig_status(&x, t).state, COMPACT_STOPPED);
    rig_load(&x, t, 64);

    flip(&x, path, 80);
    next_life(&x, &t);
    rig_settle(&x, t);

    cr_assert_eq(rig_delta(&x, t->location).rows, 128);
    mem_free(path);
    catalog_table_unref(t);
    rig_down(&x);
}

/* A file for rows up to @to. */
static void write_file(struct rig *x, uint32_t table_id, bronze_pos to)
{
    struct spill_writer *w;
    struct spill_file file;
    struct bronze_reader *r;
    struct bronze_block b;
    struct bronze_frame f;
    bronze_pos from = bronze_trimmed_pos(x->log);
    cr_assert_eq(spill_writer_new(&x->c->spilling.folder, table_id, from, 0, &w, &x->e), 0);
    cr_assert_eq(bronze_reader_open(x->log, "test", from, &r, &x->e), 0);
    while (bronze_reader_next(r, &b, &x->e) == 0)
        for (size_t at = 0; bronze_block_frame(&b, &at, &f);)
            if (f.kind != BRONZE_CONTROL && f.table_id == table_id)
                cr_assert_eq(spill_writer_add(w, &f, &x->e), 0);
    bronze_reader_close(r);
    cr_assert_eq(spill_writer_finish(w, to, &file, &x->e), 0);
    spill_writer_free(w);
}

Test(compact_unspill, files_that_are_ahead_of_the_log_stop_their_table)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "main.farm.quotes");
    bronze_pos last = rig_rows(&x, t, 3, 10);
    write_file(&x, t->id, last + 1000); /* as if that log had gone on */

    next_life(&x, &t);

    cr_assert_eq(rig_status(&x, t).state, COMPACT_STOPPED);
    cr_assert(rig_has_fault(&x, t, "ahead of the log"));
    cr_assert_leq(compact__table(x.c, t->id)->spill.to, last);
    cr_assert_leq(compact__log_floor(x.c), last); /* its rows stay */
    catalog_table_unref(t);
    rig_down(&x);
}

Test(compact_unspill, a_file_that_was_not_finished_is_removed)
{
    struct rig x;
    struct catalog_table *t = spilled(&x);
    char *path = mem_printf("%s/spill/0000000001-00000000000000000001.spill.new", x.path);
    cr_assert_eq(sys_write_file(x.sys, path, slice_str("SLUICSPL and no more"), &x.e), 0);

    next_life(&x, &t);
    rig_settle(&x, t);

    bool there = true;
    cr_assert_eq(sys_exists(x.sys, path, &there, &x.e), 0);
    cr_assert_not(there);
    cr_assert_eq(rig_delta(&x, t->location).rows, 64);
    mem_free(path);
    catalog_table_unref(t);
    rig_down(&x);
}
