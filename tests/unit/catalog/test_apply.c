/* SPDX-License-Identifier: Apache-2.0 */
/* Records that refer to what is not known (trimmed) are taken without complaint. */
#include "rig.h"

static struct catalog *empty(struct sys **ret_sys)
{
    cr_assert_eq(sys_new_uring(ret_sys, NULL), 0);
    return catalog_new(*ret_sys);
}

Test(catalog_apply, unknown_references_are_no_damage)
{
    struct sys *s;
    struct catalog *c = empty(&s);
    record r = SLUICE__CONTROL__RECORD__INIT;
    Sluice__Control__TableDropped dropped = SLUICE__CONTROL__TABLE_DROPPED__INIT;
    Sluice__Control__TokenRevoked revoked = SLUICE__CONTROL__TOKEN_REVOKED__INIT;
    Sluice__Control__StreamClosed closed = SLUICE__CONTROL__STREAM_CLOSED__INIT;
    Sluice__Control__DescriptorAdded added = SLUICE__CONTROL__DESCRIPTOR_ADDED__INIT;
    Sluice__Control__SnapshotEnded ended = SLUICE__CONTROL__SNAPSHOT_ENDED__INIT;
    added.descriptor_id = 5;

    r.what_case = SLUICE__CONTROL__RECORD__WHAT_TABLE_DROPPED;
    r.table_dropped = &dropped;
    cr_assert_eq(catalog__apply(c, 1, &r), 0);
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_TOKEN_REVOKED;
    r.token_revoked = &revoked;
    cr_assert_eq(catalog__apply(c, 2, &r), 0);
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_STREAM_CLOSED;
    r.stream_closed = &closed;
    cr_assert_eq(catalog__apply(c, 3, &r), 0);
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_DESCRIPTOR_ADDED;
    r.descriptor_added = &added;
    cr_assert_eq(catalog__apply(c, 4, &r), 0);
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_SNAPSHOT_ENDED;
    r.snapshot_ended = &ended;
    cr_assert_eq(catalog__apply(c, 5, &r), 0);

    cr_assert_eq(catalog_snapshot_pos(c), 0);
    cr_assert_eq(c->next_descriptor_id, 6); /* it was given out */
    catalog_free(c);
    sys_free(s);
}

Test(catalog_apply, table_or_token_that_makes_no_sense_is_damage)
{
    struct sys *s;
    struct catalog *c = empty(&s);
    record r = SLUICE__CONTROL__RECORD__INIT;
    Sluice__Control__TableCreated table = SLUICE__CONTROL__TABLE_CREATED__INIT;
    table.table_id = 1;
    table.name = (char *)"a.b.c";
    table.ddl = (char *)"nonsense";
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_TABLE_CREATED;
    r.table_created = &table;
    cr_assert_eq(catalog__apply(c, 1, &r), ERR_DAMAGED);

    Sluice__Control__TokenCreated token = SLUICE__CONTROL__TOKEN_CREATED__INIT;
    token.name = (char *)"t";
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_TOKEN_CREATED;
    r.token_created = &token;
    cr_assert_eq(catalog__apply(c, 2, &r), ERR_DAMAGED);

    catalog_free(c);
    sys_free(s);
}
