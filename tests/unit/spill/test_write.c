/* SPDX-License-Identifier: Apache-2.0 */
/* A spill file has its name when it is whole, and not before. */
#include "rig.h"

static bool exists(struct rig *x, const char *name)
{
    char *path = mem_printf("%s/spill/%s", x->path, name);
    bool there = false;
    cr_assert_eq(sys_exists(x->sys, path, &there, &x->e), 0);
    mem_free(path);
    return there;
}

Test(spill_write, what_is_not_finished_has_no_name_and_is_removed)
{
    struct rig x;
    struct spill_writer *w;
    rig_up(&x);
    cr_assert_eq(spill_writer_new(&x.d, 7, 1, 0, &w, &x.e), 0);
    for (unsigned i = 0; i < 30; i++) { /* more than a block */
        struct bronze_frame f = rig_frame(&x, 7, 1 + i, 1, 100000);
        cr_assert_eq(spill_writer_add(w, &f, &x.e), 0);
    }
    cr_assert_gt(spill_writer_bytes(w), 3000000);
    cr_assert_not(exists(&x, "0000000007-00000000000000000001.spill"));
    cr_assert(exists(&x, "0000000007-00000000000000000001.spill.new"));

    spill_writer_free(w);

    cr_assert_not(exists(&x, "0000000007-00000000000000000001.spill.new"));
    rig_down(&x);
}

Test(spill_write, frames_come_back_as_they_were)
{
    struct rig x;
    struct spill_reader *r;
    struct bronze_block b;
    struct bronze_frame got;
    rig_up(&x);
    struct spill_file f = rig_file(&x, 7, 100, 2, 33);
    struct bronze_frame want = rig_frame(&x, 7, 110, 3, 33);
    cr_assert_eq(spill_reader_open(&x.d, &f, &r, &x.e), 0);

    cr_assert_eq(spill_reader_next(r, &b, &x.e), 0);

    size_t at = 0;
    cr_assert(bronze_block_frame(&b, &at, &got));
    cr_assert(bronze_block_frame(&b, &at, &got));
    cr_assert(slice_eq(got.payload, want.payload));
    cr_assert_eq(got.first_pos, want.first_pos);
    cr_assert_eq(got.descriptor_id, want.descriptor_id);
    cr_assert_eq(got.stream_id, want.stream_id);
    cr_assert_eq(got.first_offset, want.first_offset);
    cr_assert_eq(got.time_us, want.time_us);
    cr_assert_not(bronze_block_frame(&b, &at, &got));
    cr_assert_eq(b.end_pos, 113);
    spill_reader_close(r);
    rig_down(&x);
}

Test(spill_write, a_file_says_what_it_holds)
{
    struct rig x;
    rig_up(&x);

    x.prev = 42;
    struct spill_file f = rig_file(&x, 7, 100, 40, 50000);

    cr_assert_eq(f.first_pos, 100);
    cr_assert_eq(f.last_pos, 492);
    cr_assert_eq(f.to, 500);
    cr_assert_eq(f.prev_last, 42);
    cr_assert_eq(f.row_count, 120);
    cr_assert_gt(f.block_count, 4);
    rig_down(&x);
}
