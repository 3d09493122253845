/* SPDX-License-Identifier: Apache-2.0 */
/* Scans: the newest row of each key, in order, from a cursor on. */
#include "rig.h"

#include <stdio.h>
#include <string.h>

struct seen {
    char keys[256];
    bronze_pos pos[16];
    int count, stop_at;
    char last[64]; /* key of the last row */
    size_t last_len;
};

static int note(void *ctx, const struct serve_scanned *row)
{
    struct seen *s = ctx;
    size_t used = strlen(s->keys);
    (void)snprintf(s->keys + used, sizeof(s->keys) - used, "%.*s ", (int)row->key.len,
                   (const char *)row->key.data);
    s->pos[s->count++] = row->pos;
    memcpy(s->last, row->key.data, row->key.len);
    s->last_len = row->key.len;
    return s->count == s->stop_at ? 7 : 0;
}

static int scan(struct rig *x, struct catalog_table *t, struct slice after, struct seen *s)
{
    struct err e = {0};
    int r = serve_scan(x->serve, t, after, note, s, &e);
    cr_assert_geq(r, 0, "%s", e.text);
    return r;
}

Test(serve_scan, shows_the_newest_row_of_each_key_in_order_and_of_this_table_only)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    struct catalog_table *t = rig_table(&x, "a.b.c", "k"), *other = rig_table(&x, "a.b.d", "k");
    (void)rig_put(&x, t, "{\"k\":\"b\",\"n\":1}");
    bronze_pos a = rig_put(&x, t, "{\"k\":\"a\",\"n\":1}");
    (void)rig_put(&x, other, "{\"k\":\"0\",\"n\":1}");
    bronze_pos b = rig_put(&x, t, "{\"k\":\"b\",\"n\":2}");
    bronze_pos ab = rig_put(&x, t, "{\"k\":\"ab\",\"n\":2}");
    rig_apply(&x);
    struct seen s = {0};

    cr_assert_eq(scan(&x, t, SLICE_NULL, &s), 0);

    cr_assert_eq(s.count, 3);
    cr_assert_eq(s.pos[0], a);
    cr_assert_eq(s.pos[1], ab);
    cr_assert_eq(s.pos[2], b);
    catalog_table_unref(t);
    catalog_table_unref(other);
    rig_down(&x);
}

Test(serve_scan, ends_when_it_is_told_to_and_goes_on_behind_the_key_it_is_given)
{
    struct rig x;
    rig_up(&x, RIG_ROCKSDB);
    struct catalog_table *t = rig_table(&x, "a.b.c", "k");
    for (int i = 0; i < 5; i++) {
        char json[64];
        (void)snprintf(json, sizeof(json), "{\"k\":\"k%d\",\"n\":%d}", i % 4, i);
        (void)rig_put(&x, t, json);
    }
    rig_apply(&x);
    struct seen first = {.stop_at = 2}, rest = {0};

    cr_assert_eq(scan(&x, t, SLICE_NULL, &first), 7);
    cr_assert_eq(scan(&x, t, slice_of(first.last, first.last_len), &rest), 0);

    cr_assert_eq(first.count, 2);
    cr_assert_eq(rest.count, 2);
    cr_assert_lt(first.pos[1], rest.pos[0]);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(serve_scan, of_a_table_without_rows_shows_none)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    struct catalog_table *t = rig_table(&x, "a.b.c", "k");
    rig_apply(&x);
    struct seen s = {0};

    cr_assert_eq(scan(&x, t, SLICE_NULL, &s), 0);

    cr_assert_eq(s.count, 0);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(serve_scan, waits_for_rows_that_are_appended_also_when_they_are_not_durable)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    struct catalog_table *t = rig_table(&x, "a.b.c", "k");
    bronze_pos a = rig_put(&x, t, "{\"k\":\"a\",\"n\":1}");
    rig_apply(&x);
    atomic_store(&t->live->last_pos, a + 1000);
    struct seen s = {0};
    struct err e = {0};

    cr_assert_eq(serve_scan(x.serve, t, SLICE_NULL, note, &s, &e), ERR_UNAVAILABLE);

    cr_assert_eq(s.count, 0);
    catalog_table_unref(t);
    rig_down(&x);
}
