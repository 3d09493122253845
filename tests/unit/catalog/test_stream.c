/* SPDX-License-Identifier: Apache-2.0 */
/* Streams and the descriptors they bring. */
#include "rig.h"

static struct catalog_stream open_stream(struct rig *x, struct catalog_table *t, struct slice d)
{
    struct catalog_stream s = {0};
    int rc = catalog_open_stream(x->c, t, d, "me", &s, &x->e);
    cr_assert_eq(rc, 0, "%s", x->e.text);
    return s;
}

Test(catalog_stream, same_descriptor_of_a_table_has_one_id)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");
    struct buf one = BUF_NULL, other = BUF_NULL;
    rig_descriptor(&x, "One", &one);
    rig_descriptor(&x, "Other", &other);

    struct catalog_stream a = open_stream(&x, t, buf_slice(&one));
    struct catalog_stream b = open_stream(&x, t, buf_slice(&one));
    struct catalog_stream d = open_stream(&x, t, buf_slice(&other));

    cr_assert_eq(a.descriptor_id, b.descriptor_id);
    cr_assert_neq(a.descriptor_id, d.descriptor_id);
    cr_assert_neq(a.descriptor_id, 0);
    cr_assert_eq(a.plan, b.plan);
    cr_assert_neq(a.id, b.id);
    cr_assert_str_neq(a.uuid, b.uuid);
    cr_assert_eq(catalog_plan(x.c, t->id, d.descriptor_id), d.plan);
    cr_assert_null(catalog_plan(x.c, t->id + 1, d.descriptor_id));
    catalog_close_stream(x.c, &a);
    catalog_close_stream(x.c, &b);
    catalog_close_stream(x.c, &d);
    catalog_table_unref(t);
    buf_deinit(&one);
    buf_deinit(&other);
    rig_down(&x);
}

Test(catalog_stream, same_descriptor_of_two_tables_has_two_ids)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");
    struct catalog_table *u = rig_table(&x, "a.b.d");
    struct buf d = BUF_NULL;
    rig_descriptor(&x, "One", &d);

    struct catalog_stream a = open_stream(&x, t, buf_slice(&d));
    struct catalog_stream b = open_stream(&x, u, buf_slice(&d));

    cr_assert_neq(a.descriptor_id, b.descriptor_id);
    catalog_close_stream(x.c, &a);
    catalog_close_stream(x.c, &b);
    catalog_table_unref(t);
    catalog_table_unref(u);
    buf_deinit(&d);
    rig_down(&x);
}

Test(catalog_stream, without_descriptor_uses_the_tables_own_message)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");

    struct catalog_stream s = open_stream(&x, t, SLICE_NULL);

    cr_assert_eq(s.descriptor_id, 0);
    cr_assert_eq(s.plan, t->own);
    cr_assert_gt(s.ticket, 0);
    cr_assert_eq(bronze_wait(x.log, s.ticket, 5000), 0);
    catalog_close_stream(x.c, &s);
    cr_assert_null(s.plan);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(catalog_stream, is_known_by_uuid_also_after_its_end_and_a_restart)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");
    struct catalog_stream ended = open_stream(&x, t, SLICE_NULL);
    struct catalog_stream cut = open_stream(&x, t, SLICE_NULL);
    catalog_table_unref(t);
    catalog_close_stream(x.c, &ended);
    codec_plan_unref(cut.plan); /* its close is never seen */
    catalog_table_unref(cut.table);

    rig_restart(&x);

    uint64_t id = 0;
    char uuid[UUID_TEXT_LEN + 1];
    cr_assert_eq(catalog_stream_by_uuid(x.c, ended.uuid, &id, &x.e), 0);
    cr_assert_eq(id, ended.id);
    cr_assert_eq(catalog_stream_by_uuid(x.c, cut.uuid, &id, &x.e), 0);
    cr_assert_eq(id, cut.id);
    cr_assert(catalog_stream_uuid(x.c, cut.id, uuid));
    cr_assert_str_eq(uuid, cut.uuid);
    cr_assert_eq(x.c->open_count, 0);
    cr_assert_eq(catalog_stream_by_uuid(x.c, "nobody", &id, &x.e), ERR_NOT_FOUND);
    cr_assert_not(catalog_stream_uuid(x.c, cut.id + 1000, uuid));
    rig_down(&x);
}

Test(catalog_stream, descriptor_survives_a_restart_with_its_id)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");
    struct buf d = BUF_NULL;
    rig_descriptor(&x, "One", &d);
    struct catalog_stream s = open_stream(&x, t, buf_slice(&d));
    catalog_close_stream(x.c, &s);
    uint32_t id = t->id;
    catalog_table_unref(t);

    rig_restart(&x);

    cr_assert_not_null(catalog_plan(x.c, id, s.descriptor_id));
    cr_assert_eq(catalog_table_by_name(x.c, "a.b.c", &t, &x.e), 0);
    struct catalog_stream again = open_stream(&x, t, buf_slice(&d));
    cr_assert_eq(again.descriptor_id, s.descriptor_id);
    cr_assert_gt(again.id, s.id);
    catalog_close_stream(x.c, &again);
    catalog_table_unref(t);
    buf_deinit(&d);
    rig_down(&x);
}

Test(catalog_stream, descriptor_that_does_not_fit_is_refused)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");
    struct catalog_stream s;
    bronze_pos before = bronze_appended_pos(x.log);

    cr_assert_eq(catalog_open_stream(x.c, t, slice_str("\xff\xff\xff"), "me", &s, &x.e),
                 ERR_INVALID);

    cr_assert_eq(bronze_appended_pos(x.log), before);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(catalog_stream, dropped_table_takes_no_new_ones)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");
    struct catalog_stream s;
    cr_assert_eq(catalog_drop_table(x.c, "a.b.c", &x.e), 0);

    cr_assert_eq(catalog_open_stream(x.c, t, SLICE_NULL, "me", &s, &x.e), ERR_NOT_FOUND);

    catalog_table_unref(t);
    rig_down(&x);
}

Test(catalog_stream, only_so_many_ended_ones_are_kept)
{
    struct rig x;
    rig_up(&x);
    Sluice__Control__StreamOpened m = SLUICE__CONTROL__STREAM_OPENED__INIT;
    char uuid[UUID_TEXT_LEN + 1];
    m.uuid = uuid;

    for (m.stream_id = 1; m.stream_id <= STREAMS_ENDED_KEPT_MAX + 5; m.stream_id++) {
        snprintf(uuid, sizeof(uuid), "%036llu", (unsigned long long)m.stream_id);
        catalog__stream_opened(x.c, &m);
        catalog__stream_closed(x.c, m.stream_id);
    }

    char text[UUID_TEXT_LEN + 1];
    cr_assert_eq(x.c->ended_count, STREAMS_ENDED_KEPT_MAX);
    cr_assert_not(catalog_stream_uuid(x.c, 5, text));
    cr_assert(catalog_stream_uuid(x.c, 6, text));
    rig_down(&x);
}
