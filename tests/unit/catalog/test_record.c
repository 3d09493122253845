/* SPDX-License-Identifier: Apache-2.0 */
/* Control records: what is not one is refused, by recovery and quietly by the apply thread. */
#include "rig.h"

#include "base/bits.h"

static struct bronze_frame frame_of(uint8_t *memory, const char *bytes, size_t len)
{
    put_le32(memory, (uint32_t)len);
    memcpy(memory + 4, bytes, len);
    return (struct bronze_frame){.first_pos = 1,
                                 .row_count = 1,
                                 .kind = BRONZE_CONTROL,
                                 .payload = slice_of(memory, len + 4)};
}

Test(catalog_record, damaged_or_unknown_one_stops_the_replay)
{
    struct sys *s = NULL;
    cr_assert_eq(sys_new_uring(&s, NULL), 0);
    struct catalog *c = catalog_new(s);
    uint8_t memory[64];
    struct bronze_frame garbage = frame_of(memory, "\xff\xff", 2);
    cr_assert_eq(catalog_on_control(c, &garbage), ERR_DAMAGED);

    struct bronze_frame unknown = frame_of(memory, "\xfa\x07\x00", 3); /* field 127, empty */
    cr_assert_eq(catalog_on_control(c, &unknown), ERR_DAMAGED);

    struct bronze_frame empty = frame_of(memory, "", 0);
    cr_assert_eq(catalog_on_control(c, &empty), ERR_DAMAGED);

    catalog_free(c);
    sys_free(s);
}

Test(catalog_record, packs_and_reads_back)
{
    Sluice__Control__TableDropped m = SLUICE__CONTROL__TABLE_DROPPED__INIT;
    m.table_id = 77;
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_TABLE_DROPPED;
    r.table_dropped = &m;
    struct buf bytes = BUF_NULL;
    catalog__record_pack(&r, &bytes);
    uint8_t memory[64];
    struct bronze_frame f = frame_of(memory, (const char *)bytes.data, bytes.len);

    record *back = catalog__record_of(&f);

    cr_assert_not_null(back);
    cr_assert_eq(back->what_case, SLUICE__CONTROL__RECORD__WHAT_TABLE_DROPPED);
    cr_assert_eq(back->table_dropped->table_id, 77);
    catalog__record_free(back);
    buf_deinit(&bytes);
}

Test(catalog_record, failures_of_a_full_log_say_what_to_do)
{
    struct err e = {0};

    cr_assert_eq(catalog__full(BRONZE_FULL, &e), ERR_EXHAUSTED);
    cr_assert_not_null(strstr(e.text, "try again"));
    cr_assert_eq(catalog__full(BRONZE_NO_SPACE, &e), ERR_NO_SPACE);
    cr_assert_not_null(strstr(e.text, "free space"));
}
