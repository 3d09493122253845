/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of a table: what an alteration makes, and what a restart and a snapshot keep of it. */
#include "rig.h"

static struct catalog_table *alter(struct rig *x, const char *add, const char *widen)
{
    struct catalog_alter r = {
        .name = "a.b.t",
        .change = {&add, add != NULL, &widen, widen != NULL},
    };
    struct catalog_table *t = NULL;
    cr_assert_eq(catalog_alter_table(x->c, &r, &t, &x->e), 0);
    return t;
}

static struct catalog_table *set(struct rig *x, const char *key, const char *value)
{
    struct catalog_property p = {(char *)(uintptr_t)key, (char *)(uintptr_t)value};
    struct catalog_alter r = {.name = "a.b.t"};
    struct catalog_table *t = NULL;
    if (value != NULL)
        r.sets = &p, r.set_count = 1;
    else
        r.unsets = &key, r.unset_count = 1;
    cr_assert_eq(catalog_alter_table(x->c, &r, &t, &x->e), 0);
    return t;
}

/* The own plan's schema of a descriptor id. */
static uint32_t columns_of(struct catalog *c, uint32_t table_id, uint32_t descriptor_id)
{
    struct codec_plan *p = catalog_plan(c, table_id, descriptor_id);
    cr_assert_not_null(p);
    return codec_plan_schema(p)->column_count;
}

Test(catalog_version, an_alteration_makes_a_new_one_beside_the_old)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");

    struct catalog_table *two = alter(&x, "note STRING", NULL);

    cr_assert_eq(one->version, 1);
    cr_assert_eq(one->schema->column_count, 3);
    cr_assert_eq(two->version, 2);
    cr_assert_eq(two->id, one->id);
    cr_assert_eq(two->schema->column_count, 4);
    cr_assert_eq(two->live, one->live);
    cr_assert_eq(atomic_load(&one->live->version), 2);
    cr_assert_gt(two->since_pos, one->created_pos);
    catalog_table_unref(one);
    catalog_table_unref(two);
    rig_down(&x);
}

Test(catalog_version, each_set_of_columns_has_its_own_message)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");
    struct catalog_stream before;
    cr_assert_eq(catalog_open_stream(x.c, one, SLICE_NULL, "me", &before, &x.e), 0);
    struct catalog_table *two = alter(&x, "note STRING", NULL);
    struct catalog_stream after;

    cr_assert_eq(catalog_open_stream(x.c, one, SLICE_NULL, "me", &after, &x.e), 0);

    cr_assert_eq(before.descriptor_id, 0);
    cr_assert_eq(after.descriptor_id, two->own_id);
    cr_assert_eq(before.table, one);
    cr_assert_eq(after.table, two);
    cr_assert_eq(columns_of(x.c, one->id, before.descriptor_id), 3);
    cr_assert_eq(columns_of(x.c, one->id, after.descriptor_id), 4);
    catalog_close_stream(x.c, &before);
    catalog_close_stream(x.c, &after);
    catalog_table_unref(one);
    catalog_table_unref(two);
    rig_down(&x);
}

Test(catalog_version, a_descriptor_keeps_the_version_it_came_under)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");
    struct buf known = BUF_NULL, late = BUF_NULL;
    struct catalog_stream s, again, other;
    rig_descriptor(&x, "Known", &known);
    rig_descriptor(&x, "Late", &late);
    cr_assert_eq(catalog_open_stream(x.c, one, buf_slice(&known), "me", &s, &x.e), 0);
    struct catalog_table *two = alter(&x, "note STRING", NULL);

    cr_assert_eq(catalog_open_stream(x.c, two, buf_slice(&known), "me", &again, &x.e), 0);
    cr_assert_eq(catalog_open_stream(x.c, two, buf_slice(&late), "me", &other, &x.e), 0);
    cr_assert_eq(again.descriptor_id, s.descriptor_id);
    rig_restart(&x);

    cr_assert_eq(columns_of(x.c, one->id, s.descriptor_id), 3);
    cr_assert_eq(columns_of(x.c, one->id, other.descriptor_id), 4);
    codec_plan_unref(s.plan);
    codec_plan_unref(again.plan);
    codec_plan_unref(other.plan);
    catalog_table_unref(s.table);
    catalog_table_unref(again.table);
    catalog_table_unref(other.table);
    catalog_table_unref(one);
    catalog_table_unref(two);
    buf_deinit(&known);
    buf_deinit(&late);
    rig_down(&x);
}

Test(catalog_version, rows_below_an_alteration_belong_to_the_columns_before)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");
    struct catalog_table *two = alter(&x, "note STRING", NULL), *at;

    at = catalog_table_at(x.c, one->id, two->since_pos - 1);
    cr_assert_eq(at->version, 1);
    catalog_table_unref(at);
    at = catalog_table_at(x.c, one->id, two->since_pos);
    cr_assert_eq(at->version, 2);
    catalog_table_unref(at);
    catalog_table_unref(one);
    catalog_table_unref(two);
    rig_down(&x);
}

Test(catalog_version, a_property_alone_changes_no_columns)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");

    struct catalog_table *two = set(&x, "timestamps", "iso8601");
    struct catalog_table *three = set(&x, "timestamps", NULL);

    cr_assert(two->properties.iso8601);
    cr_assert_eq(two->version, 2);
    cr_assert_eq(two->schema_version, 1);
    cr_assert_eq(two->schema, one->schema);
    cr_assert_eq(two->own_id, 0);
    cr_assert_not(three->properties.iso8601);
    cr_assert_eq(three->properties.count, 0);
    catalog_table_unref(one);
    catalog_table_unref(two);
    catalog_table_unref(three);
    rig_down(&x);
}

Test(catalog_version, a_change_that_cannot_be_leaves_all_as_it_was)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t"), *t = NULL;
    const char *add = "note STRING NOT NULL";
    struct catalog_property p = {"colour", "red"};
    struct catalog_alter columns = {.name = "a.b.t", .change = {.adds = &add, .add_count = 1}};
    struct catalog_alter property = {.name = "a.b.t", .sets = &p, .set_count = 1};
    struct catalog_alter nowhere = {.name = "a.b.u", .sets = &p, .set_count = 1};

    cr_assert_eq(catalog_alter_table(x.c, &columns, &t, &x.e), ERR_UNSUPPORTED);
    cr_assert_not_null(strstr(x.e.text, "table a.b.t: column note"));
    cr_assert_eq(catalog_alter_table(x.c, &property, &t, &x.e), ERR_INVALID);
    cr_assert_eq(catalog_alter_table(x.c, &nowhere, &t, &x.e), ERR_NOT_FOUND);
    cr_assert_eq(atomic_load(&one->live->version), 1);
    catalog_table_unref(one);
    rig_down(&x);
}

/* A descriptor for the rig's table with the field "extra" STRING beside. */
static void with_extra(struct rig *x, struct buf *out)
{
    struct row_schema *s = NULL;
    cr_assert_eq(row_schema_parse(slice_str(RIG_DDL ", extra STRING"), NULL, 0, &s, &x->e), 0);
    codec_table_descriptor(s, "Extra", out);
    row_schema_unref(s);
}

Test(catalog_version, a_table_takes_up_new_fields_only_when_it_was_told_to)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");
    struct buf d = BUF_NULL;
    struct catalog_stream s;
    with_extra(&x, &d);

    cr_assert_eq(catalog_open_stream(x.c, one, buf_slice(&d), "me", &s, &x.e), ERR_INVALID);

    cr_assert_not_null(strstr(x.e.text, "extra"));
    cr_assert_eq(atomic_load(&one->live->version), 1);
    catalog_table_unref(one);
    buf_deinit(&d);
    rig_down(&x);
}

Test(catalog_version, new_fields_of_a_stream_become_columns)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");
    struct catalog_table *two = set(&x, "evolve", "add_columns");
    struct buf d = BUF_NULL;
    struct catalog_stream s, again;
    with_extra(&x, &d);

    cr_assert_eq(catalog_open_stream(x.c, one, buf_slice(&d), "me", &s, &x.e), 0);
    cr_assert_eq(catalog_open_stream(x.c, one, buf_slice(&d), "me", &again, &x.e), 0);

    cr_assert_eq(s.table->version, 3);
    cr_assert_eq(s.table->schema->column_count, 4);
    cr_assert_str_eq(s.table->schema->columns[3].name, "extra");
    cr_assert_eq(codec_plan_schema(s.plan), s.table->schema);
    cr_assert_eq(again.descriptor_id, s.descriptor_id);
    cr_assert_eq(again.table, s.table);
    uint32_t id = one->id, descriptor_id = s.descriptor_id;
    catalog_close_stream(x.c, &s);
    catalog_close_stream(x.c, &again);
    rig_restart(&x);
    cr_assert_eq(columns_of(x.c, id, descriptor_id), 4);
    struct catalog_table *t = catalog_table_by_id(x.c, id);
    cr_assert_eq(t->version, 3);
    catalog_table_unref(t);
    catalog_table_unref(one);
    catalog_table_unref(two);
    buf_deinit(&d);
    rig_down(&x);
}

Test(catalog_version, a_stream_with_new_fields_waits_while_a_control_operation_is_under_way)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *one = rig_table(&x, "a.b.t");
    struct catalog_table *two = set(&x, "evolve", "add_columns");
    struct buf d = BUF_NULL;
    struct catalog_stream s;
    with_extra(&x, &d);
    cr_assert_eq(catalog__enter(x.c, &x.e), 0);

    int busy = catalog_open_stream(x.c, one, buf_slice(&d), "me", &s, &x.e);
    catalog__leave(x.c);
    int free = catalog_open_stream(x.c, one, buf_slice(&d), "me", &s, &x.e);

    cr_assert_eq(busy, BRONZE_FULL);
    cr_assert_eq(free, 0);
    catalog_close_stream(x.c, &s);
    catalog_table_unref(one);
    catalog_table_unref(two);
    buf_deinit(&d);
    rig_down(&x);
}

/* Two sets of columns, then a property, and streams of each. */
struct scene {
    struct rig x;
    uint32_t id, descriptor_id, own_id;
    bronze_pos since;
};

static void make(struct scene *s)
{
    rig_up(&s->x);
    struct catalog_table *one = rig_table(&s->x, "a.b.t");
    struct buf d = BUF_NULL;
    struct catalog_stream open;
    rig_descriptor(&s->x, "One", &d);
    cr_assert_eq(catalog_open_stream(s->x.c, one, buf_slice(&d), "me", &open, &s->x.e), 0);
    struct catalog_table *two = alter(&s->x, "note STRING", NULL);
    struct catalog_table *three = set(&s->x, "on_error", "reject");
    s->id = one->id;
    s->descriptor_id = open.descriptor_id;
    s->own_id = two->own_id;
    s->since = two->since_pos;
    catalog_close_stream(s->x.c, &open);
    catalog_table_unref(one);
    catalog_table_unref(two);
    catalog_table_unref(three);
    buf_deinit(&d);
}

static void check(const struct scene *s, struct catalog *c)
{
    struct catalog_table *t = NULL, *at;
    struct err e;
    cr_assert_eq(catalog_table_by_name(c, "a.b.t", &t, &e), 0);
    cr_assert_eq(t->version, 3);
    cr_assert_eq(t->schema_version, 2);
    cr_assert_eq(t->schema->column_count, 4);
    cr_assert_eq(t->own_id, s->own_id);
    cr_assert_eq(t->properties.count, 1);
    at = catalog_table_at(c, s->id, s->since - 1);
    cr_assert_eq(at->schema->column_count, 3);
    catalog_table_unref(at);
    at = catalog_table_at(c, s->id, s->since);
    cr_assert_eq(at->schema, t->schema);
    catalog_table_unref(at);
    cr_assert_eq(columns_of(c, s->id, 0), 3);
    cr_assert_eq(columns_of(c, s->id, s->descriptor_id), 3);
    cr_assert_eq(columns_of(c, s->id, s->own_id), 4);
    cr_assert_gt(c->next_descriptor_id, s->own_id);
    catalog_table_unref(t);
}

Test(catalog_version, a_restart_keeps_them)
{
    struct scene s;
    make(&s);

    rig_restart(&s.x);

    check(&s, s.x.c);
    rig_down(&s.x);
}

Test(catalog_version, a_snapshot_alone_states_them)
{
    struct scene s;
    make(&s);
    bronze_pos pos;
    cr_assert_eq(catalog_snapshot(s.x.c, &pos, &s.x.e), 0);
    struct rig_frames f = rig_controls(&s.x);
    size_t begun = rig_find(&f, 0, SLUICE__CONTROL__RECORD__WHAT_SNAPSHOT_BEGUN);

    struct catalog *alone = rig_replay(&s.x, &f, begun, f.count);
    struct catalog *twice = rig_replay(&s.x, &f, 0, f.count);

    check(&s, alone);
    check(&s, twice);
    for (size_t i = begun; i < f.count; i++)
        cr_assert_eq(catalog_altered_table(&f.frames[i]), 0); /* stated again: no cut */
    catalog_free(alone);
    catalog_free(twice);
    rig_frames_free(&f);
    rig_down(&s.x);
}

Test(catalog_version, a_log_that_begins_in_the_middle_waits_for_the_snapshot)
{
    struct scene s;
    make(&s);
    bronze_pos pos;
    cr_assert_eq(catalog_snapshot(s.x.c, &pos, &s.x.e), 0);
    struct rig_frames f = rig_controls(&s.x);
    size_t altered = rig_find(&f, 0, SLUICE__CONTROL__RECORD__WHAT_TABLE_ALTERED);
    cr_assert_eq(catalog_altered_table(&f.frames[altered]), s.id);

    struct catalog *c = rig_replay(&s.x, &f, altered, f.count);

    check(&s, c);
    catalog_free(c);
    rig_frames_free(&f);
    rig_down(&s.x);
}
