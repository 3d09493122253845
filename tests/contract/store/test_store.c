/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CONTRACT(gives_back_what_was_put)
{
    char a[64];

    put(w, "a", "1");
    put(w, "a", "2");
    put(w, "b", "");

    cr_assert_str_eq(get(w, NULL, "a", a), "2");
    cr_assert_str_eq(get(w, NULL, "b", a), "");
    cr_assert_str_eq(get(w, NULL, "c", a), "-");
    del(w, "a");
    cr_assert_str_eq(get(w, NULL, "a", a), "-");
}

CONTRACT(appends_values_to_the_buffer)
{
    struct buf out = BUF_NULL;

    put(w, "a", "xyz");
    buf_add_str(&out, "before:");
    int r = store_get(w->s, NULL, slice_str("a"), false, &out, NULL);

    cr_assert_eq(r, STORE_FOUND);
    cr_assert_str_eq(buf_cstr(&out), "before:xyz");
    buf_deinit(&out);
}

CONTRACT(applies_a_batch_in_order_and_whole)
{
    struct store_batch *b = store_batch_new(w->s);
    char a[64];

    put(w, "old", "1");
    size_t empty = store_batch_bytes(b);
    store_batch_put(b, slice_str("a"), slice_str("1"));
    store_batch_delete(b, slice_str("a"));
    store_batch_delete(b, slice_str("old"));
    store_batch_put(b, slice_str("b"), slice_str("1"));
    store_batch_put(b, slice_str("b"), slice_str("2"));
    cr_assert_gt(store_batch_bytes(b), empty);
    cr_assert_str_eq(get(w, NULL, "b", a), "-");
    int r = store_write(w->s, b, NULL);

    cr_assert_eq(r, 0);
    cr_assert_str_eq(get(w, NULL, "a", a), "-");
    cr_assert_str_eq(get(w, NULL, "old", a), "-");
    cr_assert_str_eq(get(w, NULL, "b", a), "2");
    store_batch_free(b);
}

CONTRACT(forgets_what_a_cleared_batch_held)
{
    struct store_batch *b = store_batch_new(w->s);
    char a[64];

    size_t empty = store_batch_bytes(b);
    store_batch_put(b, slice_str("a"), slice_str("1"));
    store_batch_clear(b);
    cr_assert_eq(store_batch_bytes(b), empty);
    store_batch_put(b, slice_str("b"), slice_str("1"));
    int r = store_write(w->s, b, NULL);

    cr_assert_eq(r, 0);
    cr_assert_str_eq(get(w, NULL, "a", a), "-");
    cr_assert_str_eq(get(w, NULL, "b", a), "1");
    store_batch_free(b);
}

static void delete_range(struct world *w, const char *from, const char *to)
{
    struct store_batch *b = store_batch_new(w->s);

    store_batch_delete_range(b, slice_str(from), slice_str(to));
    int r = store_write(w->s, b, NULL);
    cr_assert_eq(r, 0);
    store_batch_free(b);
}

CONTRACT(deletes_a_range_without_its_end)
{
    char a[64];

    put(w, "a", "1");
    put(w, "b", "1");
    put(w, "bb", "1");
    put(w, "c", "1");
    delete_range(w, "b", "c");
    delete_range(w, "c", "a"); /* empty: nothing happens */

    cr_assert_str_eq(get(w, NULL, "a", a), "1");
    cr_assert_str_eq(get(w, NULL, "b", a), "-");
    cr_assert_str_eq(get(w, NULL, "bb", a), "-");
    cr_assert_str_eq(get(w, NULL, "c", a), "1");
    put(w, "b", "again");
    cr_assert_str_eq(get(w, NULL, "b", a), "again");
}

CONTRACT(keeps_a_snapshot_as_it_was)
{
    char a[64];

    put(w, "a", "1");
    put(w, "b", "1");
    struct store_snapshot *snap = store_snapshot_new(w->s);
    put(w, "a", "2");
    delete_range(w, "b", "c");
    put(w, "c", "1");
    flush(w);

    cr_assert_str_eq(get(w, snap, "a", a), "1");
    cr_assert_str_eq(get(w, snap, "b", a), "1");
    cr_assert_str_eq(get(w, snap, "c", a), "-");
    cr_assert_str_eq(get(w, NULL, "a", a), "2");
    cr_assert_str_eq(get(w, NULL, "b", a), "-");
    store_snapshot_free(w->s, snap);
    flush(w);
    cr_assert_str_eq(get(w, NULL, "a", a), "2");
}

CONTRACT(tells_what_is_persisted)
{
    struct buf out = BUF_NULL;

    put(w, "a", "1");
    int before = store_get_persisted(w->s, slice_str("a"), &out, NULL);
    flush(w);
    put(w, "a", "2");
    put(w, "a", "3");
    int after = store_get_persisted(w->s, slice_str("a"), &out, NULL);

    cr_assert_eq(before, STORE_ABSENT);
    cr_assert_eq(after, STORE_FOUND);
    cr_assert_str_eq(buf_cstr(&out), "1");
    buf_deinit(&out);
}

CONTRACT(keeps_everything_over_a_reopen)
{
    char a[64];

    put(w, "a", "1");
    flush(w);
    put(w, "b", "2");
    del(w, "a");
    int r = store_reopen(w->s, NULL);

    cr_assert_eq(r, 0);
    cr_assert_str_eq(get(w, NULL, "a", a), "-");
    cr_assert_str_eq(get(w, NULL, "b", a), "2");
    put(w, "c", "3");
    cr_assert_str_eq(get(w, NULL, "c", a), "3");
}

/* ---- seeking ---- */

static const char *seek(struct world *w, const struct store_snapshot *snap, const char *from,
                        const char *prefix, char *into)
{
    struct buf key = BUF_NULL, value = BUF_NULL;
    int r = store_seek(w->s, snap, slice_str(from), slice_str(prefix), false, &key, &value, NULL);

    cr_assert(r == STORE_FOUND || r == STORE_ABSENT);
    if (r == STORE_FOUND)
        sprintf(into, "%s=%s", buf_cstr(&key), buf_cstr(&value));
    else
        strcpy(into, "-");
    buf_deinit(&key);
    buf_deinit(&value);
    return into;
}

CONTRACT(seeks_the_first_key_with_the_prefix)
{
    char a[64];

    put(w, "ra5", "x");
    put(w, "ra7", "y");
    put(w, "rb1", "z");

    cr_assert_str_eq(seek(w, NULL, "ra0", "ra", a), "ra5=x");
    cr_assert_str_eq(seek(w, NULL, "ra6", "ra", a), "ra7=y");
    cr_assert_str_eq(seek(w, NULL, "ra7", "ra", a), "ra7=y");
    cr_assert_str_eq(seek(w, NULL, "ra8", "ra", a), "-");
    cr_assert_str_eq(seek(w, NULL, "ra8", "", a), "rb1=z");
    cr_assert_str_eq(seek(w, NULL, "ra0", "rz", a), "-");
    cr_assert_str_eq(seek(w, NULL, "s", "", a), "-");
    flush(w);
    cr_assert_str_eq(seek(w, NULL, "ra6", "ra", a), "ra7=y");
    cr_assert_str_eq(seek(w, NULL, "ra8", "ra", a), "-");
}

/* The prefix's last byte cannot be raised, so its bound is that of the byte before. */
CONTRACT(seeks_with_a_prefix_of_high_bytes)
{
    char a[64];

    put(w,
        "r\xff\xff"
        "1",
        "x");
    put(w, "s", "y");

    cr_assert_str_eq(seek(w, NULL, "r\xff\xff", "r\xff\xff", a), "r\xff\xff"
                                                                 "1=x");
    cr_assert_str_eq(seek(w, NULL,
                          "r\xff\xff"
                          "2",
                          "r\xff\xff", a),
                     "-");
    cr_assert_str_eq(seek(w, NULL, "\xff", "\xff", a), "-");
}

CONTRACT(seeks_past_deleted_keys_and_in_snapshots)
{
    char a[64];

    put(w, "r1", "x");
    put(w, "r2", "y");
    struct store_snapshot *snap = store_snapshot_new(w->s);
    del(w, "r1");

    cr_assert_str_eq(seek(w, NULL, "r", "r", a), "r2=y");
    cr_assert_str_eq(seek(w, snap, "r", "r", a), "r1=x");
    store_snapshot_free(w->s, snap);
}

CONTRACT(answers_from_memory_when_only_the_cache_is_allowed)
{
    struct buf key = BUF_NULL, value = BUF_NULL;

    put(w, "a", "1");
    int got = store_get(w->s, NULL, slice_str("a"), true, &value, NULL);
    int sought = store_seek(w->s, NULL, slice_str("a"), slice_str("a"), true, &key, &value, NULL);

    cr_assert_eq(got, STORE_FOUND);
    cr_assert_eq(sought, STORE_FOUND);
    cr_assert_str_eq(buf_cstr(&value), "11");
    buf_deinit(&key);
    buf_deinit(&value);
}

/* ---- iterating ---- */

/* All keys from the iterator on, each with a space behind it. */
static const char *walk(struct store_iter *it, char *into)
{
    into[0] = '\0';
    for (; store_iter_valid(it); store_iter_next(it)) {
        struct slice k = store_iter_key(it), v = store_iter_value(it);
        sprintf(into + strlen(into), "%.*s=%.*s ", (int)k.len, k.data, (int)v.len, v.data);
    }
    cr_assert_eq(store_iter_status(it, NULL), 0);
    return into;
}

CONTRACT(walks_in_order_of_bytes)
{
    char all[256];

    put(w, "b", "2");
    put(w, "\x80", "4");
    put(w, "a", "1");
    put(w, "ab", "x");
    put(w, "c", "3");
    del(w, "ab");
    struct store_iter *it = store_iter_new(w->s, NULL);
    put(w, "aa", "late"); /* after the iterator was made: not seen */
    del(w, "c");

    store_iter_seek(it, slice_str(""));
    cr_assert_str_eq(walk(it, all), "a=1 b=2 c=3 \x80=4 ");
    store_iter_seek(it, slice_str("aa"));
    cr_assert_str_eq(walk(it, all), "b=2 c=3 \x80=4 ");
    store_iter_seek(it, slice_str("\xff"));
    cr_assert_not(store_iter_valid(it));
    store_iter_free(it);
}

CONTRACT(seeks_back_to_the_last_key_not_above)
{
    char all[256];

    put(w, "b", "2");
    put(w, "d", "4");
    put(w, "c", "3");
    del(w, "c");
    struct store_iter *it = store_iter_new(w->s, NULL);

    store_iter_seek_back(it, slice_str("cz"));
    cr_assert_str_eq(walk(it, all), "b=2 d=4 ");
    store_iter_seek_back(it, slice_str("d"));
    cr_assert_str_eq(walk(it, all), "d=4 ");
    store_iter_seek_back(it, slice_str("a"));
    cr_assert_not(store_iter_valid(it));
    cr_assert_eq(store_iter_status(it, NULL), 0);
    store_iter_free(it);
}

CONTRACT(iterates_in_a_snapshot)
{
    char all[256];

    put(w, "a", "1");
    struct store_snapshot *snap = store_snapshot_new(w->s);
    put(w, "a", "2");
    put(w, "b", "2");
    struct store_iter *it = store_iter_new(w->s, snap);

    store_iter_seek(it, slice_str(""));
    cr_assert_str_eq(walk(it, all), "a=1 ");
    store_iter_free(it);
    store_snapshot_free(w->s, snap);
}

/* A random history over few keys, compared with a plain array; flushes, snapshots in between. */
CONTRACT(agrees_with_a_plain_array)
{
    char now[26] = {0}, then[26] = {0}, all[512], expected[512];
    struct store_snapshot *snap = store_snapshot_new(w->s);
    unsigned seed = 7;

    for (int step = 0; step < 2000; step++) {
        int i = rand_r(&seed) % 26, what = rand_r(&seed) % 20;
        char key[2] = {(char)('a' + i), 0}, value[2] = {(char)('0' + step % 10), 0};
        if (what < 12) {
            put(w, key, value);
            now[i] = value[0];
        } else if (what < 16) {
            del(w, key);
            now[i] = 0;
        } else if (what == 16) {
            char end[2] = {(char)('a' + MIN(i + 4, 26)), 0};
            delete_range(w, key, end);
            for (int k = i; k < MIN(i + 4, 26); k++)
                now[k] = 0;
        } else if (what == 17 && step % 5 == 0) {
            flush(w);
        } else if (what == 18) {
            store_snapshot_free(w->s, snap);
            snap = store_snapshot_new(w->s);
            memcpy(then, now, sizeof(then));
        }
        if (step % 50 != 0)
            continue;
        for (int past = 0; past < 2; past++) {
            expected[0] = '\0';
            for (int k = 0; k < 26; k++) {
                char c = past ? then[k] : now[k];
                if (c != 0)
                    sprintf(expected + strlen(expected), "%c=%c ", 'a' + k, c);
            }
            struct store_iter *it = store_iter_new(w->s, past ? snap : NULL);
            store_iter_seek(it, slice_str("a"));
            cr_assert_str_eq(walk(it, all), expected);
            store_iter_free(it);
        }
    }
    store_snapshot_free(w->s, snap);
}
