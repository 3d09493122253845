/* SPDX-License-Identifier: Apache-2.0 */
/* A spill file is read whole, or the place where it is damaged is named. */
#include "rig.h"

Test(spill_read, gives_every_row_once)
{
    struct rig x;
    int end;
    rig_up(&x);
    struct spill_file f = rig_file(&x, 7, 100, 100, 20000);

    cr_assert_eq(rig_rows_of(&x, &f, &end), 300);

    cr_assert_eq(end, SPILL_END);
    rig_down(&x);
}

/* One bit of each kind of byte: headers of blocks, frames, rows, padding. */
Test(spill_read, every_flipped_bit_is_damage_with_its_offset)
{
    struct rig x;
    int end;
    rig_up(&x);
    struct spill_file f = rig_file(&x, 7, 100, 3, 21);
    for (uint64_t at = SPILL_HEADER_BYTES; at < f.bytes; at++) {
        rig_flip(&x, f.name, at);
        (void)rig_rows_of(&x, &f, &end);
        cr_assert_eq(end, ERR_DAMAGED, "byte %llu", (unsigned long long)at);
        cr_assert_not_null(strstr(x.e.text, f.name));
        cr_assert_not_null(strstr(x.e.text, "at byte 128"));
        rig_flip(&x, f.name, at);
    }
    cr_assert_eq(rig_rows_of(&x, &f, &end), 9);
    cr_assert_eq(end, SPILL_END);
    rig_down(&x);
}

Test(spill_read, blocks_that_changed_places_are_damage)
{
    struct rig x;
    int end;
    rig_up(&x);
    struct spill_file a = rig_file(&x, 7, 100, 3, 21);
    x.prev = 122;
    struct spill_file b = rig_file(&x, 7, 200, 3, 21); /* of the same size */
    char *from = mem_printf("%s/spill/%s", x.path, b.name);
    char *to = mem_printf("%s/spill/%s", x.path, a.name);
    cr_assert_eq(sys_rename(x.sys, from, to, &x.e), 0);

    (void)rig_rows_of(&x, &a, &end);

    cr_assert_eq(end, ERR_DAMAGED);
    mem_free(from);
    mem_free(to);
    rig_down(&x);
}

Test(spill_read, a_file_whose_header_is_not_whole_is_not_read)
{
    struct rig x;
    int end;
    rig_up(&x);
    struct spill_file f = rig_file(&x, 7, 100, 3, 21);
    f.damaged = true;

    cr_assert_eq(rig_rows_of(&x, &f, &end), 0);

    cr_assert_eq(end, ERR_DAMAGED);
    rig_down(&x);
}
