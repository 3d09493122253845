/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that left the log for spill files are looked at as those of the log are. */
#include "rig.h"

#include "base/bits.h"
#include "spill/spill.h"

static bool told(const struct rig *x, const char *part)
{
    return strstr(x->all, part) != NULL;
}

/* What the compactor does with rows above @after: a file, and the store's mark. */
static struct spill_file spill(struct rig *x, bronze_pos after)
{
    struct spill_folder d = {x->sys, x->data, bronze_uuid(x->log), bronze_timeline(x->log)};
    struct spill_file file = {.name = ""};
    struct spill_writer *w;
    struct bronze_reader *r;
    struct bronze_block b;
    struct bronze_frame f;
    uint8_t key[5] = {'s'}, value[8];
    cr_assert_eq(spill_writer_new(&d, x->table->id, after + 1, 0, &w, &x->e), 0);
    cr_assert_eq(bronze_reader_open(x->log, "test", after + 1, &r, &x->e), 0);
    while (bronze_reader_next(r, &b, &x->e) == 0)
        for (size_t at = 0; bronze_block_frame(&b, &at, &f);)
            if (f.kind != BRONZE_CONTROL && f.row_count > 0 && f.first_pos > after)
                cr_assert_eq(spill_writer_add(w, &f, &x->e), 0);
    bronze_reader_close(r);
    cr_assert_eq(spill_writer_finish(w, bronze_durable_pos(x->log), &file, &x->e), 0);
    spill_writer_free(w);
    struct store_batch *batch = store_batch_new(x->store);
    put_be32(key + 1, x->table->id);
    put_le64(value, file.last_pos);
    store_batch_put(batch, slice_of(key, sizeof(key)), slice_of(value, sizeof(value)));
    cr_assert_eq(store_write(x->store, batch, &x->e), 0);
    store_batch_free(batch);
    return file;
}

/* Ten rows in Delta, ten in a spill file and not in the log, three in the log. */
static struct spill_file spilled(struct rig *x, const char *ledger)
{
    rig_up_keyed(x);
    rig_rows(x, 0, 10, ledger);
    rig_commit(x);
    bronze_pos after = bronze_durable_pos(x->log);
    rig_rows(x, 10, 10, ledger);
    struct spill_file f = spill(x, after);
    rig_next_life(x);
    rig_trim(x);
    rig_rows(x, 20, 3, ledger);
    rig_close(x);
    return f;
}

static char *path_of(const struct rig *x, const struct spill_file *f)
{
    return mem_printf("%s/spill/%s", x->data, f->name);
}

Test(verify_spill, rows_in_files_count_as_those_of_the_log)
{
    struct rig x;
    char ledger[] = "/tmp/verify-spill-XXXXXX";
    const char *const ledgers[] = {ledger};
    cr_assert_geq(mkstemp(ledger), 0);
    spilled(&x, ledger);

    struct verify_options o = {.ledgers = ledgers, .ledger_count = 1};
    cr_assert_eq(rig_verify(&x, o), 0, "%s", x.all);

    cr_assert_eq(x.report.spill_files, 1);
    cr_assert_eq(x.report.rows_waiting, 13);
    cr_assert_eq(x.report.rows_keyed, 23);
    cr_assert_eq(x.report.ledger_acked, 23);
    cr_assert_eq(x.report.ledger_missing, 0);
    remove(ledger);
    rig_down(&x);
}

Test(verify_spill, a_flipped_bit_is_told_with_file_and_offset)
{
    struct rig x;
    struct sys_file *file;
    uint8_t byte;
    struct spill_file f = spilled(&x, NULL);
    char *path = path_of(&x, &f);
    cr_assert_eq(sys_open(x.sys, path, SYS_WRITE, &file, &x.e), 0);
    cr_assert_eq(sys_read(file, &byte, 1, f.bytes - 20, &x.e), 0);
    byte ^= 1;
    cr_assert_eq(sys_write(file, &byte, 1, f.bytes - 20, &x.e), 0);
    (void)sys_close(file);

    cr_assert_gt(rig_verify(&x, (struct verify_options){.no_rows = true}), 0);

    cr_assert(told(&x, "fault damaged") && told(&x, f.name), "%s", x.all);
    cr_assert(told(&x, "the checksum of a block does not match"), "%s", x.all);
    mem_free(path);
    rig_down(&x);
}

Test(verify_spill, a_file_that_is_gone_is_missed)
{
    struct rig x;
    struct spill_file f = spilled(&x, NULL);
    char *path = path_of(&x, &f);
    cr_assert_eq(sys_unlink(x.sys, path, &x.e), 0);

    cr_assert_gt(rig_verify(&x, (struct verify_options){.no_rows = true}), 0);

    cr_assert(told(&x, "fault missing") && told(&x, "a spill file is missing"), "%s", x.all);
    cr_assert(told(&x, "before it was in Delta or a spill file"), "%s", x.all);
    mem_free(path);
    rig_down(&x);
}
