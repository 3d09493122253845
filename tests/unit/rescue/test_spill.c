/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that left the log for spill files are not lost with the store, nor with the log. */
#include "rig.h"

#include "spill/spill.h"

static int rebuild(struct rig *x, struct rescue_store *r)
{
    *r = (struct rescue_store){.data = x->data, .lake = x->lake_path};
    return rescue_store(x->sys, r, &x->e);
}

/* Rows of one table from @from on leave the log, as with the compactor. */
static void spill_table(struct rig *x, uint32_t table_id, bronze_pos from)
{
    struct spill_folder d = {x->sys, x->data, bronze_uuid(x->log), bronze_timeline(x->log)};
    struct spill_writer *w;
    struct spill_file file;
    struct bronze_reader *r;
    struct bronze_block b;
    struct bronze_frame f;
    cr_assert_eq(spill_writer_new(&d, table_id, from, 0, &w, &x->e), 0);
    cr_assert_eq(bronze_reader_open(x->log, "test", from, &r, &x->e), 0);
    while (bronze_reader_next(r, &b, &x->e) == 0)
        for (size_t at = 0; bronze_block_frame(&b, &at, &f);)
            if (f.kind != BRONZE_CONTROL && f.table_id == table_id && f.first_pos >= from)
                cr_assert_eq(spill_writer_add(w, &f, &x->e), 0);
    bronze_reader_close(r);
    cr_assert_eq(spill_writer_finish(w, bronze_durable_pos(x->log), &file, &x->e), 0);
    spill_writer_free(w);
}

/* Some rows in the lake, some in spill files, a few in the log. */
static void spilled(struct rig *x)
{
    rig_up(x);
    rig_load(x, 100, 3000);
    rig_commit(x);
    bronze_pos from = x->last + 1;
    rig_load(x, 400, 3000);
    for (unsigned i = 0; i < RIG_TABLES; i++)
        spill_table(x, x->table_ids[i], from);
    rig_trim(x);
    rig_load(x, 20, 100);
    rig_close(x);
}

Test(rescue_spill, a_store_is_made_of_lake_spill_files_and_log)
{
    struct rig x;
    struct rescue_store r;
    spilled(&x);

    cr_assert_eq(rebuild(&x, &r), 0, "%s", x.e.text);

    cr_assert_gt(r.rows_spilled, 100);
    rig_check_store(&x);
    rig_down(&x);
}

Test(rescue_spill, a_damaged_file_ends_the_rebuild_with_its_name)
{
    struct rig x;
    struct rescue_store r;
    spilled(&x);
    char *path = rig_file(&x, "data/spill", ".spill", 1);
    rig_flip(path, -100);

    cr_assert_eq(rebuild(&x, &r), ERR_DAMAGED);

    cr_assert_not_null(strstr(x.e.text, strrchr(path, '/') + 1), "%s", x.e.text);
    mem_free(path);
    rig_down(&x);
}

Test(rescue_spill, a_salvage_writes_their_rows_too)
{
    struct rig x;
    char line[8192];
    uint64_t lines = 0, first = 0;
    spilled(&x);
    FILE *out = tmpfile(), *told = tmpfile();
    struct rescue_log r = {.data = x.data, .out = out, .tell = told};

    cr_assert_eq(rescue_log(x.sys, &r, &x.e), 0, "%s", x.e.text);

    rewind(out);
    for (; fgets(line, sizeof(line), out) != NULL; lines++)
        first += strstr(line, "\"position\":") != NULL;
    cr_assert_eq(r.faults, 0);
    cr_assert_eq(lines, r.rows);
    cr_assert_geq(lines, 420); /* but for those in the lake, which the log has no more */
    cr_assert_leq(lines, 520);
    cr_assert_eq(first, lines);
    fclose(out);
    fclose(told);
    rig_down(&x);
}
