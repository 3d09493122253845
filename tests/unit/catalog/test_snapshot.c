/* SPDX-License-Identifier: Apache-2.0 */
/* Rule L7: what is in force is written again, so that what lies below may go. */
#include "rig.h"

/* Two tables (one dropped), two tokens (one revoked), a descriptor, an open and an ended stream. */
struct scene {
    struct rig x;
    uint32_t kept_id, dropped_id, descriptor_id;
    struct catalog_stream open;
    bronze_pos snapshot;
};

static void set(struct scene *s)
{
    rig_up(&s->x);
    struct rig *x = &s->x;
    struct catalog_table *kept = rig_table(x, "a.b.kept");
    struct catalog_table *dropped = rig_table(x, "a.b.dropped");
    s->kept_id = kept->id;
    s->dropped_id = dropped->id;
    rig_token(x, "kept", "*", 1);
    rig_token(x, "revoked", "*", 2);
    struct buf d = BUF_NULL;
    rig_descriptor(x, "One", &d);
    struct catalog_stream ended;
    cr_assert_eq(catalog_open_stream(x->c, kept, SLICE_NULL, "me", &ended, &x->e), 0);
    cr_assert_eq(catalog_open_stream(x->c, kept, buf_slice(&d), "me", &s->open, &x->e), 0);
    s->descriptor_id = s->open.descriptor_id;
    catalog_close_stream(x->c, &ended);
    cr_assert_eq(catalog_drop_table(x->c, "a.b.dropped", &x->e), 0);
    cr_assert_eq(catalog_revoke_token(x->c, "revoked", &x->e), 0);
    cr_assert_eq(catalog_snapshot(x->c, &s->snapshot, &x->e), 0);
    catalog_table_unref(kept);
    catalog_table_unref(dropped);
    buf_deinit(&d);
}

static void unset(struct scene *s)
{
    catalog_close_stream(s->x.c, &s->open);
    rig_down(&s->x);
}

static void check(const struct scene *s, struct catalog *c)
{
    struct catalog_table *t;
    struct catalog_token *k;
    struct err e;
    cr_assert_eq(catalog_table_by_name(c, "a.b.kept", &t, &e), 0);
    cr_assert_eq(t->id, s->kept_id);
    cr_assert_str_eq(t->location, "a/b/kept");
    catalog_table_unref(t);
    cr_assert_eq(catalog_table_by_name(c, "a.b.dropped", &t, &e), ERR_NOT_FOUND);
    t = catalog_table_by_id(c, s->dropped_id);
    cr_assert_not_null(t);
    cr_assert(atomic_load(&t->live->dropped));
    catalog_table_unref(t);
    uint8_t hash[CATALOG_HASH_BYTES];
    memset(hash, 1, sizeof(hash));
    cr_assert_eq(catalog_token_by_hash(c, hash, 1, &k, &e), 0);
    cr_assert_eq(k->grant_count, 1);
    cr_assert_str_eq(k->grants[0].table, "*");
    catalog_token_unref(k);
    memset(hash, 2, sizeof(hash));
    cr_assert_eq(catalog_token_by_hash(c, hash, 1, &k, &e), ERR_UNAUTHENTICATED);
    cr_assert_not_null(catalog_plan(c, s->kept_id, s->descriptor_id));
    char uuid[UUID_TEXT_LEN + 1];
    cr_assert(catalog_stream_uuid(c, s->open.id, uuid));
    cr_assert_eq(c->open_count, 1);
    cr_assert_gt(c->next_table_id, s->dropped_id);
    cr_assert_gt(c->next_descriptor_id, s->descriptor_id);
    cr_assert_gt(c->next_stream_id, s->open.id);
}

Test(catalog_snapshot, alone_states_all_that_is_in_force)
{
    struct scene s;
    set(&s);
    struct rig_frames f = rig_controls(&s.x);
    size_t begun = rig_find(&f, 0, SLUICE__CONTROL__RECORD__WHAT_SNAPSHOT_BEGUN);

    struct catalog *c = rig_replay(&s.x, &f, begun, f.count);

    cr_assert_eq(f.frames[begun].first_pos, s.snapshot);
    cr_assert_eq(catalog_snapshot_pos(c), s.snapshot);
    cr_assert_eq(catalog_snapshot_pos(s.x.c), s.snapshot);
    check(&s, c);
    catalog_free(c);
    rig_frames_free(&f);
    unset(&s);
}

Test(catalog_snapshot, repeats_change_nothing)
{
    struct scene s;
    set(&s);
    struct rig_frames f = rig_controls(&s.x);

    struct catalog *c = rig_replay(&s.x, &f, 0, f.count);

    check(&s, c);
    cr_assert_eq(c->tables_alive, 2);
    catalog_free(c);
    rig_frames_free(&f);
    unset(&s);
}

Test(catalog_snapshot, cut_anywhere_changes_nothing_and_does_not_count)
{
    struct scene s;
    set(&s);
    struct rig_frames f = rig_controls(&s.x);
    size_t begun = rig_find(&f, 0, SLUICE__CONTROL__RECORD__WHAT_SNAPSHOT_BEGUN);

    for (size_t end = begun; end < f.count; end++) {
        struct catalog *c = rig_replay(&s.x, &f, 0, end);
        cr_assert_eq(catalog_snapshot_pos(c), 0);
        check(&s, c);
        catalog_free(c);
    }

    rig_frames_free(&f);
    unset(&s);
}

/* The log is trimmed by segments: a tail of the old records may precede the snapshot. */
Test(catalog_snapshot, after_any_tail_of_older_records_states_the_same)
{
    struct scene s;
    set(&s);
    struct rig_frames f = rig_controls(&s.x);
    size_t begun = rig_find(&f, 0, SLUICE__CONTROL__RECORD__WHAT_SNAPSHOT_BEGUN);

    for (size_t from = 0; from <= begun; from++) {
        struct catalog *c = rig_replay(&s.x, &f, from, f.count);
        check(&s, c);
        catalog_free(c);
    }

    rig_frames_free(&f);
    unset(&s);
}

Test(catalog_snapshot, leaves_out_what_is_forgotten_expired_or_ended)
{
    struct scene s;
    set(&s);
    catalog_forget_table(s.x.c, s.dropped_id);
    struct catalog_token expired = {.name = (char *)"old", .admin = true, .expires_at_us = 5};
    memset(expired.hash, 9, sizeof(expired.hash));
    cr_assert_eq(catalog_create_token(s.x.c, &expired, &s.x.e), 0);
    bronze_pos pos;
    cr_assert_eq(catalog_snapshot(s.x.c, &pos, &s.x.e), 0);
    struct rig_frames f = rig_controls(&s.x);
    size_t begun = rig_find(&f, 0, SLUICE__CONTROL__RECORD__WHAT_SNAPSHOT_BEGUN);
    begun = rig_find(&f, begun + 1, SLUICE__CONTROL__RECORD__WHAT_SNAPSHOT_BEGUN);

    struct catalog *c = rig_replay(&s.x, &f, begun, f.count);

    cr_assert_eq(catalog_snapshot_pos(c), pos);
    cr_assert_null(catalog_table_by_id(c, s.dropped_id));
    cr_assert_eq(c->tokens_by_name.len, 1);
    cr_assert_eq(c->streams_by_id.len, 1);
    cr_assert_gt(c->next_table_id, s.dropped_id);
    catalog_free(c);
    rig_frames_free(&f);
    unset(&s);
}

Test(catalog_snapshot, survives_a_restart)
{
    struct scene s;
    set(&s);

    catalog_close_stream(s.x.c, &s.open);
    rig_restart(&s.x);

    cr_assert_eq(catalog_snapshot_pos(s.x.c), s.snapshot);
    rig_down(&s.x);
}

static record *record_at(const struct rig_frames *f, size_t i)
{
    return i < f->count ? catalog__record_of(&f->frames[i]) : NULL;
}

/* Forgetting is not held back by a snapshot: were the drops to come last, one forgotten in between
 * would be missing,
 * and its table would be in force again once the log below is trimmed. */
Test(catalog_snapshot, states_a_drop_right_behind_its_table)
{
    struct scene s;
    set(&s);
    catalog_table_unref(rig_table(&s.x, "a.b.second"));
    cr_assert_eq(catalog_drop_table(s.x.c, "a.b.second", &s.x.e), 0);
    bronze_pos pos;
    cr_assert_eq(catalog_snapshot(s.x.c, &pos, &s.x.e), 0);
    struct rig_frames f = rig_controls(&s.x);
    unsigned drops = 0;

    for (size_t i = 0; i < f.count; i++) {
        record *r = record_at(&f, i), *next = record_at(&f, i + 1);
        bool stated = r->what_case == SLUICE__CONTROL__RECORD__WHAT_TABLE_CREATED &&
                      f.frames[i].first_pos > pos;
        if (stated && r->table_created->table_id != s.kept_id) {
            cr_assert_eq(next->what_case, SLUICE__CONTROL__RECORD__WHAT_TABLE_DROPPED);
            cr_assert_eq(next->table_dropped->table_id, r->table_created->table_id);
            drops++;
        }
        catalog__record_free(r);
        catalog__record_free(next);
    }

    cr_assert_eq(drops, 2);
    rig_frames_free(&f);
    unset(&s);
}

/* A restart knows a dropped table again until its folder has been looked at; a new one may have
 * its name. */
Test(catalog_snapshot, keeps_the_newer_of_two_tables_with_one_name)
{
    static const char *const names[] = {"a.b.0", "a.b.1", "a.b.2", "a.b.3", "a.b.4", "a.b.5"};
    struct rig x;
    rig_up(&x);
    uint32_t ids[6];
    for (size_t i = 0; i < 6; i++) {
        struct catalog_table *t = rig_table(&x, names[i]);
        cr_assert_eq(catalog_drop_table(x.c, names[i], &x.e), 0);
        catalog_forget_table(x.c, t->id);
        catalog_table_unref(t);
        t = rig_table(&x, names[i]);
        ids[i] = t->id;
        catalog_table_unref(t);
    }
    rig_restart(&x);
    bronze_pos pos;
    cr_assert_eq(catalog_snapshot(x.c, &pos, &x.e), 0);
    struct rig_frames f = rig_controls(&x);

    for (size_t from = 0; from < f.count && f.frames[from].first_pos <= pos; from++) {
        struct catalog *c = rig_replay(&x, &f, from, f.count);
        for (size_t i = 0; i < 6; i++) {
            struct catalog_table *t;
            cr_assert_eq(catalog_table_by_name(c, names[i], &t, &x.e), 0, "%s", x.e.text);
            cr_assert_eq(t->id, ids[i]);
            catalog_table_unref(t);
        }
        catalog_free(c);
    }

    rig_frames_free(&f);
    rig_down(&x);
}

static struct catalog_table *add_note(struct rig *x)
{
    const char *add = "note STRING";
    struct catalog_alter r = {.name = "a.b.kept", .change = {.adds = &add, .add_count = 1}};
    struct catalog_table *t = NULL;
    cr_assert_eq(catalog_alter_table(x->c, &r, &t, &x->e), 0, "%s", x->e.text);
    return t;
}

/* The columns that rows of this descriptor have; 0: it is not known. */
static uint32_t columns_of(struct catalog *c, uint32_t table_id, uint32_t descriptor_id)
{
    const struct codec_plan *p = catalog_plan(c, table_id, descriptor_id);
    return p == NULL ? 0 : codec_plan_schema(p)->column_count;
}

static void apply_descriptors(struct catalog *c, const struct rig_frames *f, size_t from)
{
    for (size_t i = from; i < f->count; i++) {
        record *r = record_at(f, i);
        if (r->what_case == SLUICE__CONTROL__RECORD__WHAT_DESCRIPTOR_ADDED)
            cr_assert_eq(catalog_on_control(c, &f->frames[i]), 0);
        catalog__record_free(r);
    }
}

/* Frames from @from on; behind frame @at stand the descriptors, which come again in their place. */
static struct catalog *replay_opened_within(struct rig *x, const struct rig_frames *f, size_t from,
                                            size_t at)
{
    struct catalog *c = rig_replay(x, f, from, at + 1);
    apply_descriptors(c, f, from);
    for (size_t i = at + 1; i < f->count; i++)
        cr_assert_eq(catalog_on_control(c, &f->frames[i]), 0);
    return c;
}

/* A stream opens between any two records of a snapshot, and brings a descriptor for the table's
 * second columns. */
static void check_opened_within(struct scene *s, struct catalog_table *two, struct buf *d)
{
    struct rig *x = &s->x;
    struct catalog_stream open;
    cr_assert_eq(catalog_open_stream(x->c, two, buf_slice(d), "me", &open, &x->e), 0);
    bronze_pos pos;
    cr_assert_eq(catalog_snapshot(x->c, &pos, &x->e), 0);
    struct rig_frames f = rig_controls(x);
    size_t begun = 0;
    while (f.frames[begun].first_pos < pos)
        begun++;

    for (size_t at = begun; at < f.count; at++) {
        struct catalog *c = replay_opened_within(x, &f, begun, at);
        cr_assert_eq(columns_of(c, s->kept_id, open.descriptor_id), 4, "behind record %zu", at);
        cr_assert_eq(columns_of(c, s->kept_id, s->descriptor_id), 3);
        cr_assert_gt(c->next_descriptor_id, open.descriptor_id);
        catalog_free(c);
    }

    rig_frames_free(&f);
    catalog_close_stream(x->c, &open);
    catalog_table_unref(two);
    buf_deinit(d);
}

Test(catalog_snapshot, takes_a_descriptor_of_columns_that_it_states_later)
{
    struct scene s;
    set(&s);
    struct catalog_table *two = add_note(&s.x);
    struct buf d = BUF_NULL;
    codec_table_descriptor(two->schema, "WithNote", &d);

    check_opened_within(&s, two, &d);

    unset(&s);
}

/* It fits the first columns as well, and must not be taken for theirs. */
Test(catalog_snapshot, takes_a_descriptor_that_fits_columns_before_its_own)
{
    struct scene s;
    set(&s);
    struct catalog_table *two = add_note(&s.x);
    struct buf d = BUF_NULL;
    rig_descriptor(&s.x, "WithoutNote", &d);

    check_opened_within(&s, two, &d);

    unset(&s);
}
