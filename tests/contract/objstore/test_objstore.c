/* SPDX-License-Identifier: Apache-2.0 */
/* What every objstore promises: run over the folder, and over the fake that wraps a folder. */
#include "base/mem.h"
#include "objstore/objstore.h"
#include "sys/sys.h"

#include "test.h"

#include <string.h>

struct lake {
    struct sys *sys;
    struct objstore *store;
};

static void open_folder(struct lake *l)
{
    l->sys = sys_new_sim(1);
    cr_assert_eq(objstore_open_folder(l->sys, "/lake", &l->store, NULL), 0);
}

static void open_fake(struct lake *l)
{
    open_folder(l);
    l->store = objstore_open_fake(l->store);
}

static void close_lake(struct lake *l)
{
    cr_assert_null(objstore_close(l->store));
    sys_free(l->sys);
}

static void put(struct objstore *o, const char *name, const char *text)
{
    cr_assert_eq(objstore_put(o, name, slice_str(text), NULL), 0);
}

static bool content_is(struct objstore *o, const char *name, const char *text)
{
    struct buf b = BUF_NULL;
    bool same =
        objstore_get(o, name, 1000, &b, NULL) == 0 && slice_eq(buf_slice(&b), slice_str(text));
    buf_deinit(&b);
    return same;
}

static void put_replaces(struct objstore *o)
{
    put(o, "t/a/x", "one");

    put(o, "t/a/x", "two and more");

    cr_assert(content_is(o, "t/a/x", "two and more"));
}

static void put_absent_never_replaces(struct objstore *o)
{
    cr_assert_eq(objstore_put_absent(o, "t/log/0.json", slice_str("first"), NULL), 0);

    int r = objstore_put_absent(o, "t/log/0.json", slice_str("second"), NULL);

    cr_assert_eq(r, ERR_EXISTS);
    cr_assert(content_is(o, "t/log/0.json", "first"));
}

static void empty_object_is_an_object(struct objstore *o)
{
    put(o, "empty", "");

    cr_assert(content_is(o, "empty", ""));
    cr_assert_eq(objstore_put_absent(o, "empty", slice_str("x"), NULL), ERR_EXISTS);
}

static void get_says_what_is_missing_or_too_long(struct objstore *o)
{
    put(o, "x", "0123456789");
    struct buf b = BUF_NULL;

    cr_assert_eq(objstore_get(o, "y", 100, &b, NULL), ERR_NOT_FOUND);
    cr_assert_eq(objstore_get(o, "no/folder", 100, &b, NULL), ERR_NOT_FOUND);
    cr_assert_eq(objstore_get(o, "x", 9, &b, NULL), ERR_EXHAUSTED);
    cr_assert_eq(b.len, 0);
    cr_assert_eq(objstore_get(o, "x", 10, &b, NULL), 0);
    cr_assert_eq(b.len, 10);
    buf_deinit(&b);
}

static void tail_is_the_end_or_all_of_it(struct objstore *o)
{
    put(o, "x", "0123456789");
    put(o, "empty", "");
    struct buf b = BUF_NULL;

    cr_assert_eq(objstore_get_tail(o, "x", 3, &b, NULL), 0);
    cr_assert_eq(objstore_get_tail(o, "x", 100, &b, NULL), 0);
    cr_assert_eq(objstore_get_tail(o, "empty", 100, &b, NULL), 0);
    cr_assert_eq(objstore_get_tail(o, "none", 100, &b, NULL), ERR_NOT_FOUND);

    cr_assert(slice_eq(buf_slice(&b), slice_str("7890123456789")));
    buf_deinit(&b);
}

static void list_is_sorted_and_flat(struct objstore *o)
{
    put(o, "t/b", "22");
    put(o, "t/a", "1");
    put(o, "t/c", "333");
    put(o, "t/sub/d", "4");
    struct objstore_list l;

    cr_assert_eq(objstore_list(o, "t", "", &l, NULL), 0);
    cr_assert_eq(l.count, 3);
    cr_assert_str_eq(l.entries[0].name, "a");
    cr_assert_str_eq(l.entries[2].name, "c");
    cr_assert_eq(l.entries[2].size, 3);
    objstore_list_deinit(&l);

    cr_assert_eq(objstore_list(o, "t", "a", &l, NULL), 0);
    cr_assert_eq(l.count, 2);
    cr_assert_str_eq(l.entries[0].name, "b");
    objstore_list_deinit(&l);

    cr_assert_eq(objstore_list(o, "nowhere/at/all", "", &l, NULL), 0);
    cr_assert_eq(l.count, 0);
    objstore_list_deinit(&l);
}

static void delete_may_find_nothing(struct objstore *o)
{
    put(o, "t/x", "1");

    cr_assert_eq(objstore_delete(o, "t/x", NULL), 0);
    cr_assert_eq(objstore_delete(o, "t/x", NULL), 0);

    struct buf b = BUF_NULL;
    cr_assert_eq(objstore_get(o, "t/x", 10, &b, NULL), ERR_NOT_FOUND);
    buf_deinit(&b);
}

static bool is_empty(struct objstore *o, const char *prefix)
{
    bool empty = false;
    cr_assert_eq(objstore_is_empty(o, prefix, &empty, NULL), 0);
    return empty;
}

static void emptiness_looks_into_all_folders(struct objstore *o)
{
    cr_assert(is_empty(o, "t"));
    put(o, "t/deep/down/x", "1");

    cr_assert_not(is_empty(o, "t"));
    cr_assert(is_empty(o, "tt"));
    cr_assert_not(is_empty(o, "t/deep/down/x"));

    cr_assert_eq(objstore_delete(o, "t/deep/down/x", NULL), 0);
    cr_assert(is_empty(o, "t"));
}

static void move_takes_a_folder_and_never_replaces(struct objstore *o)
{
    put(o, "a/t/x", "1");
    put(o, "a/t/log/y", "2");
    put(o, "b/there", "3");

    cr_assert_eq(objstore_move(o, "a/t", "dropped/a/t-1", NULL), 0);

    cr_assert(is_empty(o, "a/t"));
    cr_assert(content_is(o, "dropped/a/t-1/log/y", "2"));
    cr_assert_eq(objstore_move(o, "a/t", "dropped/a/t-2", NULL), ERR_NOT_FOUND);
    cr_assert_eq(objstore_move(o, "dropped/a/t-1", "b", NULL), ERR_EXISTS);
}

static void names_stay_below_the_root(struct objstore *o)
{
    static const char *const bad[] = {"",     "/x",   "x/",    "a//b", ".",    "..",    "a/../b",
                                      "../x", "a/..", "a/./b", "a\nb", "a\\b", ".tmp-1"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct buf b = BUF_NULL;
        cr_assert_eq(objstore_put(o, bad[i], slice_str("x"), NULL), ERR_INVALID);
        cr_assert_eq(objstore_put_absent(o, bad[i], slice_str("x"), NULL), ERR_INVALID);
        cr_assert_eq(objstore_get(o, bad[i], 10, &b, NULL), ERR_INVALID);
        cr_assert_eq(objstore_delete(o, bad[i], NULL), ERR_INVALID);
        cr_assert_eq(objstore_move(o, bad[i], "y", NULL), ERR_INVALID);
        buf_deinit(&b);
    }
    cr_assert(is_empty(o, ""));
}

static void list_tells_when_an_object_was_put(struct objstore *o)
{
    put(o, "t/a", "1");
    struct objstore_list l;

    cr_assert_eq(objstore_list(o, "t", "", &l, NULL), 0);

    cr_assert_eq(l.count, 1);
    cr_assert_gt(l.entries[0].modified_us, 1600000000000000ll);
    objstore_list_deinit(&l);
}

static void cleaning_leaves_objects_alone(struct objstore *o)
{
    uint64_t count = 99;
    put(o, "t/a", "1");

    cr_assert_eq(objstore_clean(o, "t", INT64_MAX, &count, NULL), 0);
    cr_assert_eq(count, 0);
    cr_assert_eq(objstore_clean(o, "nowhere", INT64_MAX, &count, NULL), 0);

    cr_assert(content_is(o, "t/a", "1"));
}

static void settling_may_find_nothing(struct objstore *o)
{
    put(o, "t/x", "1");

    cr_assert_eq(objstore_settle(o, "t", NULL), 0);
    cr_assert_eq(objstore_settle(o, "t/none/at/all", NULL), 0);
    cr_assert_eq(objstore_settle(o, "../t", NULL), ERR_INVALID);
}

static void what_is_there_survives_reopening(struct objstore *o)
{
    put(o, "t/x", "1");

    cr_assert(content_is(o, "t/x", "1"));
    cr_assert_str_eq(objstore_root(o), "/lake");
}

#define OVER_BOTH(what)                                                                            \
    Test(objstore_folder, what)                                                                    \
    {                                                                                              \
        struct lake l;                                                                             \
        open_folder(&l);                                                                           \
        what(l.store);                                                                             \
        close_lake(&l);                                                                            \
    }                                                                                              \
    Test(objstore_fake, what)                                                                      \
    {                                                                                              \
        struct lake l;                                                                             \
        open_fake(&l);                                                                             \
        what(l.store);                                                                             \
        close_lake(&l);                                                                            \
    }

OVER_BOTH(put_replaces)
OVER_BOTH(put_absent_never_replaces)
OVER_BOTH(empty_object_is_an_object)
OVER_BOTH(get_says_what_is_missing_or_too_long)
OVER_BOTH(tail_is_the_end_or_all_of_it)
OVER_BOTH(list_is_sorted_and_flat)
OVER_BOTH(delete_may_find_nothing)
OVER_BOTH(emptiness_looks_into_all_folders)
OVER_BOTH(move_takes_a_folder_and_never_replaces)
OVER_BOTH(names_stay_below_the_root)
OVER_BOTH(list_tells_when_an_object_was_put)
OVER_BOTH(cleaning_leaves_objects_alone)
OVER_BOTH(settling_may_find_nothing)
OVER_BOTH(what_is_there_survives_reopening)
