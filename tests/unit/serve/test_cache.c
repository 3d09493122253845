/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that lookups have read: never older than what is applied, and bounded. */
#include "rig.h"

#include "base/map.h"

static const struct slice key = {(const uint8_t *)"rkey", 4};

static bool get(struct serve__cache *c, struct serve__cache_place *place, const char *want)
{
    struct buf value = BUF_NULL;
    bool found = serve__cache_get(c, key, &value, place);
    if (found)
        cr_assert(slice_eq(buf_slice(&value), slice_str(want)));
    buf_deinit(&value);
    return found;
}

Test(serve_cache, row_that_was_put_is_found_with_its_position)
{
    struct serve__cache *c = serve__cache_new(1 << 20);
    struct serve__cache_place place;

    cr_assert(!get(c, &place, NULL));
    place.pos = 77;
    serve__cache_put(c, key, slice_str("row"), &place);

    cr_assert(get(c, &place, "row"));
    cr_assert_eq(place.pos, 77);
    cr_assert_eq(serve__cache_hits(c), 1);
    serve__cache_free(c);
}

Test(serve_cache, what_was_read_before_a_change_is_refused)
{
    struct serve__cache *c = serve__cache_new(1 << 20);
    struct serve__cache_place place;

    cr_assert(!get(c, &place, NULL)); /* and the store is read: the old row */
    serve__cache_drop(c, map_hash(key));
    serve__cache_put(c, key, slice_str("old"), &place);

    cr_assert(!get(c, &place, NULL));
    serve__cache_put(c, key, slice_str("new"), &place);
    cr_assert(get(c, &place, "new"));
    serve__cache_free(c);
}

Test(serve_cache, changed_row_is_dropped)
{
    struct serve__cache *c = serve__cache_new(1 << 20);
    struct serve__cache_place place;
    cr_assert(!get(c, &place, NULL));
    serve__cache_put(c, key, slice_str("old"), &place);

    serve__cache_drop(c, map_hash(key));

    cr_assert(!get(c, &place, NULL));
    serve__cache_free(c);
}

Test(serve_cache, oldest_rows_leave_when_a_set_is_full)
{
    struct serve__cache *c = serve__cache_new(0); /* one set */
    char row[500];
    memset(row, 'x', sizeof(row));
    unsigned kept = 0;
    for (uint32_t i = 0; i < 100; i++) {
        struct slice k = slice_of(&i, sizeof(i));
        struct buf value = BUF_NULL;
        struct serve__cache_place place;
        cr_assert(!serve__cache_get(c, k, &value, &place));
        serve__cache_put(c, k, slice_of(row, sizeof(row)), &place);
        cr_assert(serve__cache_get(c, k, &value, &place));
        buf_deinit(&value);
    }

    for (uint32_t i = 0; i < 100; i++) {
        struct buf value = BUF_NULL;
        struct serve__cache_place place;
        bool found = serve__cache_get(c, slice_of(&i, sizeof(i)), &value, &place);
        cr_assert_eq(found, i >= 93); /* 4096 bytes hold seven of them */
        kept += found;
        buf_deinit(&value);
    }
    cr_assert_eq(kept, 7);
    serve__cache_free(c);
}

Test(serve_cache, row_that_is_large_is_not_kept)
{
    struct serve__cache *c = serve__cache_new(1 << 20);
    struct serve__cache_place place;
    char row[2000] = {0};

    cr_assert(!get(c, &place, NULL));
    serve__cache_put(c, key, slice_of(row, sizeof(row)), &place);

    cr_assert(!get(c, &place, NULL));
    serve__cache_free(c);
}

static int64_t number_of(struct rig *x, const char *want_json)
{
    struct rpc_call *c = rig_get(x, "{\"k\":\"a\"}");
    cr_assert(rig_is_answered(c));
    struct rig_row row = rig_row_of(rig_reply(c));
    cr_assert(row.found);
    cr_assert(slice_eq(row.row, slice_str(want_json)));
    int64_t position = (int64_t)row.position;
    rig_end(c);
    return position;
}

Test(serve_cache, lookup_sees_the_row_that_was_applied_last)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    struct serve_counters seen;

    for (int i = 0; i < 3; i++) {
        char json[64];
        (void)snprintf(json, sizeof(json), "{\"k\":\"a\",\"n\":%d}", i);
        bronze_pos pos = rig_put(&x, x.table, json);
        rig_apply(&x);
        cr_assert_eq((bronze_pos)number_of(&x, json), pos);
        cr_assert_eq((bronze_pos)number_of(&x, json), pos);
    }

    serve_read_counters(x.serve, &seen);
    cr_assert_eq(seen.cached, 3);
    rig_down(&x);
}
