/* SPDX-License-Identifier: Apache-2.0 */
/* Control records: what is not one is refused, by recovery and quietly by the apply thread. */
#include "rig.h"

#include "base/bits.h"
#include "sys/sim.h"

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

static bool is_in_force(struct catalog *c, uint8_t secret)
{
    uint8_t hash[CATALOG_HASH_BYTES];
    struct catalog_token *t = NULL;
    memset(hash, secret, sizeof(hash));
    bool found = catalog_token_by_hash(c, hash, 1, &t, NULL) == 0;
    catalog_token_unref(t);
    return found;
}

/* Without another operation; what a client was told. */
Test(catalog_record, that_was_durable_too_late_takes_effect_by_itself)
{
    struct rig x = {.path = "data", .sys = sys_new_sim(1)};
    struct bronze_options o = {x.path, 128 * 1024, 512 * 1024, 512 * 1024, 32 * 1024, false};
    x.c = catalog_new(x.sys);
    cr_assert_eq(bronze_init(x.sys, x.path, &x.e), 0);
    cr_assert_eq(bronze_open(x.sys, &o, catalog_on_control, x.c, &x.log, &x.e), 0);
    catalog_attach(x.c, x.log);
    rig_token(&x, "reader", "*", 7);
    cr_assert(!catalog_settle(x.c)); /* nothing waits */
    struct sys_sim_faults stuck = {.stuck_ns = UINT64_C(3600000000000)};
    sys_sim_set_faults(x.sys, &stuck);
    sys_sim_order(x.sys, SYS_SIM_STUCK, "log/", 0, 1);

    cr_assert_eq(catalog_revoke_token(x.c, "reader", &x.e), ERR_UNAVAILABLE);
    cr_assert(catalog_settle(x.c));
    cr_assert(is_in_force(x.c, 7)); /* a crash could bring it back */
    sys_sim_advance(x.sys, stuck.stuck_ns);
    cr_assert_eq(bronze_wait(x.log, x.c->pending_ticket, 1000), 0);

    cr_assert(!catalog_settle(x.c));
    cr_assert(!is_in_force(x.c, 7));
    cr_assert(!catalog_settle(x.c));
    x.c = catalog_free(x.c);
    x.log = bronze_close(x.log);
    x.sys = sys_free(x.sys);
}

Test(catalog_record, is_not_settled_beside_an_operation)
{
    struct rig x;
    rig_up(&x);
    cr_assert_eq(catalog__enter(x.c, &x.e), 0);

    cr_assert(catalog_settle(x.c)); /* it may leave one */

    catalog__leave(x.c);
    cr_assert(!catalog_settle(x.c));
    rig_down(&x);
}
