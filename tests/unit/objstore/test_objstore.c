/* SPDX-License-Identifier: Apache-2.0 */
/* The folder's own habits and the fake's faults. */
#include "base/mem.h"
#include "objstore/objstore.h"
#include "objstore_priv.h"
#include "sys/sim.h"
#include "sys/sys.h"

#include "test.h"

#include <string.h>

static struct objstore *open_lake(struct sys *s, bool fake)
{
    struct objstore *o = NULL;
    cr_assert_eq(objstore_open_folder(s, "/lake/", &o, NULL), 0);
    return fake ? objstore_open_fake(o) : o;
}

/* As a life leaves it that was killed between giving the name and syncing the folder. */
static void name_without_sync(struct sys *s, const char *path)
{
    struct sys_file *f = NULL;
    cr_assert_eq(sys_open(s, path, SYS_WRITE | SYS_CREATE, &f, NULL), 0);
    cr_assert_eq(sys_write(f, "x", 1, 0, NULL), 0);
    cr_assert_eq(sys_sync(f, NULL), 0);
    sys_close(f);
}

Test(objstore_folder, leftover_temporary_file_is_no_object)
{
    struct sys *s = sys_new_sim(1);
    struct objstore *o = open_lake(s, false);
    struct sys_file *f = NULL;
    cr_assert_eq(sys_mkdirs(s, "/lake/t", NULL), 0);
    cr_assert_eq(sys_open(s, "/lake/t/.tmp-0011", SYS_WRITE | SYS_CREATE, &f, NULL), 0);
    sys_close(f);

    bool empty = false;
    struct objstore_list l;
    cr_assert_eq(objstore_is_empty(o, "t", &empty, NULL), 0);
    cr_assert_eq(objstore_list(o, "t", "", &l, NULL), 0);

    cr_assert(empty);
    cr_assert_eq(l.count, 0);
    objstore_list_deinit(&l);
    objstore_close(o);
    sys_free(s);
}

Test(objstore_folder, old_temporary_files_are_cleaned_away)
{
    struct sys *s = sys_new_sim(1);
    struct objstore *o = open_lake(s, false);
    uint64_t count = 0;
    cr_assert_eq(objstore_put(o, "t/x", slice_str("1"), NULL), 0);
    name_without_sync(s, "/lake/t/.tmp-old");
    sys_sim_advance(s, 3600000000000ull);
    int64_t before_us = sys_now_us(s);
    name_without_sync(s, "/lake/t/.tmp-new");

    cr_assert_eq(objstore_clean(o, "t", before_us, &count, NULL), 0);

    bool old = true, fresh = false;
    cr_assert_eq(sys_exists(s, "/lake/t/.tmp-old", &old, NULL), 0);
    cr_assert_eq(sys_exists(s, "/lake/t/.tmp-new", &fresh, NULL), 0);
    cr_assert_eq(count, 1);
    cr_assert_not(old);
    cr_assert(fresh);
    objstore_close(o);
    sys_free(s);
}

Test(objstore_folder, put_leaves_no_temporary_file)
{
    struct sys *s = sys_new_sim(1);
    struct objstore *o = open_lake(s, false);
    cr_assert_eq(objstore_put_absent(o, "t/x", slice_str("1"), NULL), 0);
    cr_assert_eq(objstore_put_absent(o, "t/x", slice_str("2"), NULL), ERR_EXISTS);
    cr_assert_eq(objstore_put(o, "t/x", slice_str("3"), NULL), 0);

    struct sys_names names;
    cr_assert_eq(sys_list(s, "/lake/t", &names, NULL), 0);

    cr_assert_eq(names.count, 1);
    sys_names_deinit(&names);
    objstore_close(o);
    sys_free(s);
}

static bool survives(struct sys *s, const char *path)
{
    bool there = false;
    sys_sim_crash(s);
    cr_assert_eq(sys_exists(s, path, &there, NULL), 0);
    return there;
}

Test(objstore_folder, name_of_a_killed_life_is_durable_once_settled)
{
    for (unsigned settled = 0; settled < 2; settled++) {
        struct sys *s = sys_new_sim(1);
        struct objstore *o = open_lake(s, false);
        cr_assert_eq(objstore_put(o, "t/log/0", slice_str("1"), NULL), 0);
        name_without_sync(s, "/lake/t/log/1");

        if (settled)
            cr_assert_eq(objstore_settle(o, "t/log", NULL), 0);

        cr_assert_eq(survives(s, "/lake/t/log/1"), settled == 1);
        cr_assert(survives(s, "/lake/t/log/0"));
        objstore_close(o);
        sys_free(s);
    }
}

Test(objstore_folder, folder_of_a_killed_life_is_durable_once_settled)
{
    for (unsigned settled = 0; settled < 2; settled++) {
        struct sys *s = sys_new_sim(1);
        struct objstore *o = open_lake(s, false);
        cr_assert_eq(sys_mkdir(s, "/lake/t", NULL), 0);
        cr_assert_eq(sys_mkdir(s, "/lake/t/log", NULL), 0);

        if (settled)
            cr_assert_eq(objstore_settle(o, "t/log/not_yet", NULL), 0);
        cr_assert_eq(objstore_put(o, "t/log/0", slice_str("1"), NULL), 0);

        cr_assert_eq(survives(s, "/lake/t/log/0"), settled == 1);
        objstore_close(o);
        sys_free(s);
    }
}

#define MIB ((size_t)1024 * 1024)

/* Each byte says where it stands. */
static struct buf made(size_t len)
{
    struct buf b = BUF_NULL;
    uint8_t *p = buf_reserve(&b, len + 1);
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(i % 251 ^ i >> 12);
    b.len = len;
    return b;
}

static bool is_whole(struct objstore *o, const char *name, const struct buf *b)
{
    struct buf got = BUF_NULL;
    bool same = objstore_get(o, name, b->len + 1, &got, NULL) == 0 &&
                slice_eq(buf_slice(&got), buf_slice(b));
    buf_deinit(&got);
    return same;
}

Test(objstore_folder, objects_of_any_size_survive_whole)
{
    const size_t sizes[] = {0,   1,       4095,    4096,        MIB - 1,
                            MIB, MIB + 1, 2 * MIB, 3 * MIB + 5, 4 * MIB + 4096 + 4095};
    struct sys *s = sys_new_sim(1);
    struct objstore *o = open_lake(s, false);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct buf b = made(sizes[i]);
        cr_assert_eq(objstore_put_absent(o, "t/x", buf_slice(&b), NULL), 0);
        sys_sim_crash(s);
        cr_assert(is_whole(o, "t/x", &b), "%zu bytes", sizes[i]);
        cr_assert_eq(objstore_delete(o, "t/x", NULL), 0);
        buf_deinit(&b);
    }
    objstore_close(o);
    sys_free(s);
}

Test(objstore_folder, a_large_object_that_cannot_go_directly_goes_the_plain_way)
{
    struct sys *s = sys_new_sim(1);
    struct objstore *o = open_lake(s, false);
    struct buf b = made(3 * MIB + 5);
    for (unsigned skip = 0; skip < 3; skip++) {
        sys_sim_order(s, SYS_SIM_WRITE_ERROR, OBJSTORE_TEMP_PREFIX, skip, 1);
        cr_assert_eq(objstore_put(o, "t/x", buf_slice(&b), NULL), 0);
        sys_sim_crash(s);
        cr_assert(is_whole(o, "t/x", &b));
    }
    cr_assert_eq(sys_sim_hits(s, SYS_SIM_WRITE_ERROR), 3);
    sys_sim_order(s, SYS_SIM_WRITE_ERROR, OBJSTORE_TEMP_PREFIX, 3, 1); /* the plain way itself */
    cr_assert_lt(objstore_put(o, "t/y", buf_slice(&b), NULL), 0);
    cr_assert(is_whole(o, "t/x", &b));
    buf_deinit(&b);
    objstore_close(o);
    sys_free(s);
}

Test(objstore_folder, root_of_a_killed_life_is_made_durable)
{
    struct sys *s = sys_new_sim(1);
    cr_assert_eq(sys_mkdir(s, "/lake", NULL), 0);

    struct objstore *o = open_lake(s, false);

    cr_assert(survives(s, "/lake"));
    objstore_close(o);
    sys_free(s);
}

Test(objstore_folder, root_that_is_a_file_is_refused)
{
    struct sys *s = sys_new_sim(1);
    cr_assert_eq(sys_mkdirs(s, "/data", NULL), 0);
    cr_assert_eq(sys_write_file(s, "/data/lake", slice_str("x"), NULL), 0);
    struct objstore *o = NULL;

    cr_assert_lt(objstore_open_folder(s, "/data/lake", &o, NULL), 0);

    sys_free(s);
}

Test(objstore_fake, lost_answer_was_done)
{
    struct sys *s = sys_new_sim(1);
    struct objstore *o = open_lake(s, true);
    objstore_fake_order(o, ".json", OBJSTORE_LOSE_ANSWER, 0, 1);

    int first = objstore_put_absent(o, "t/0.json", slice_str("1"), NULL);
    int second = objstore_put_absent(o, "t/0.json", slice_str("1"), NULL);

    cr_assert_eq(first, ERR_TIMEOUT);
    cr_assert_eq(second, ERR_EXISTS);
    objstore_close(o);
    sys_free(s);
}

Test(objstore_fake, failure_was_not_done)
{
    struct sys *s = sys_new_sim(1);
    struct objstore *o = open_lake(s, true);
    objstore_fake_order(o, "t/", OBJSTORE_FAIL, 1, 1);
    objstore_fake_order(o, "t/", OBJSTORE_NO_SPACE, 1, 1);

    cr_assert_eq(objstore_put(o, "t/1", slice_str("1"), NULL), 0);
    cr_assert_eq(objstore_put(o, "t/2", slice_str("1"), NULL), ERR_UNAVAILABLE);
    cr_assert_eq(objstore_put(o, "t/3", slice_str("1"), NULL), ERR_NO_SPACE);
    cr_assert_eq(objstore_put(o, "t/4", slice_str("1"), NULL), 0);

    struct objstore_list l;
    cr_assert_eq(objstore_list(o, "t", "", &l, NULL), 0);
    cr_assert_eq(l.count, 2);
    objstore_list_deinit(&l);
    objstore_close(o);
    sys_free(s);
}

Test(objstore_fake, timeout_was_not_done)
{
    struct sys *s = sys_new_sim(1);
    struct objstore *o = open_lake(s, true);
    objstore_fake_order(o, "x", OBJSTORE_TIMEOUT, 0, 1);

    cr_assert_eq(objstore_put_absent(o, "t/x", slice_str("1"), NULL), ERR_TIMEOUT);

    cr_assert_eq(objstore_put_absent(o, "t/x", slice_str("1"), NULL), 0);
    cr_assert_eq(objstore_fake_hits(o, OBJSTORE_TIMEOUT), 1);
    objstore_close(o);
    sys_free(s);
}

Test(objstore_fake, lost_race_leaves_the_other_writers_first_line)
{
    struct sys *s = sys_new_sim(1);
    struct objstore *o = open_lake(s, true);
    struct buf out = BUF_NULL;
    objstore_fake_order(o, "1.json", OBJSTORE_LOSE_RACE, 0, 1);

    cr_assert_eq(objstore_put(o, "t/1.json", slice_str("x"), NULL), 0); /* not of that kind */
    cr_assert_eq(objstore_delete(o, "t/1.json", NULL), 0);
    cr_assert_eq(objstore_put_absent(o, "t/1.json", slice_str("who\nwhat\n"), NULL), ERR_EXISTS);

    cr_assert_eq(objstore_get(o, "t/1.json", 100, &out, NULL), 0);
    cr_assert(slice_eq(buf_slice(&out), slice_str("who\n")));
    cr_assert_eq(objstore_fake_hits(o, OBJSTORE_LOSE_RACE), 1);
    buf_deinit(&out);
    objstore_close(o);
    sys_free(s);
}

Test(objstore_fake, slow_call_takes_its_time_and_is_done)
{
    struct sys *s = sys_new_sim(1);
    struct objstore *o = open_lake(s, true);
    struct objstore_chances always = {.of = {[OBJSTORE_SLOW] = 1000000}, .slow_ms = 50};
    objstore_fake_chances(o, s, &always);
    uint64_t before = sys_mono_ns(s);

    cr_assert_eq(objstore_put(o, "t/x", slice_str("1"), NULL), 0);

    uint64_t took = sys_mono_ns(s) - before;
    cr_assert_geq(took, 1000000);
    cr_assert_leq(took, 50000000);
    cr_assert_eq(objstore_fake_hits(o, OBJSTORE_SLOW), 1);
    objstore_close(o);
    sys_free(s);
}

static unsigned refused_of_100(struct objstore *o)
{
    unsigned refused = 0;
    for (int i = 0; i < 100; i++)
        refused += objstore_put(o, "t/x", slice_str("1"), NULL) == ERR_NO_SPACE;
    return refused;
}

Test(objstore_fake, chances_strike_now_and_then_until_they_are_taken_back)
{
    struct sys *s = sys_new_sim(1);
    struct objstore *o = open_lake(s, true);
    struct objstore_chances half = {.of = {[OBJSTORE_NO_SPACE] = 500000}};
    struct buf out = BUF_NULL;
    objstore_fake_chances(o, s, &half);

    unsigned refused = refused_of_100(o);

    cr_assert(refused > 25 && refused < 75);
    cr_assert_eq(objstore_fake_hits(o, OBJSTORE_NO_SPACE), refused);
    for (int i = 0; i < 20; i++) /* reading needs no space */
        cr_assert_eq(objstore_get(o, "t/x", 100, &out, NULL), 0);
    objstore_fake_order(o, "x", OBJSTORE_FAIL, 0, 1);
    objstore_fake_chances(o, s, NULL);
    cr_assert_eq(refused_of_100(o), 0);
    cr_assert_eq(objstore_fake_hits(o, OBJSTORE_FAIL), 0);
    buf_deinit(&out);
    objstore_close(o);
    sys_free(s);
}

Test(objstore_fake, faults_have_names)
{
    for (unsigned i = 0; i < OBJSTORE_FAULT_COUNT; i++)
        cr_assert_eq(strncmp(objstore_fault_name((enum objstore_fault)i), "lake_", 5), 0);
}

Test(objstore_name, long_names_are_refused)
{
    char name[OBJSTORE_NAME_BYTES_MAX + 2];
    memset(name, 'a', sizeof(name));
    name[OBJSTORE_NAME_BYTES_MAX + 1] = '\0';

    cr_assert_eq(objstore__name_check(name, NULL), ERR_INVALID);
    name[OBJSTORE_NAME_BYTES_MAX] = '\0';
    cr_assert_eq(objstore__name_check(name, NULL), 0);
}

/* The first try made dropped/a and could not make it durable; the second finds it there. */
Test(objstore_folder, a_move_after_one_that_failed_half_way_survives_a_crash)
{
    struct sys *s = sys_new_sim(1);
    struct objstore *o = NULL;
    struct buf got = BUF_NULL;
    struct err e = {0};
    cr_assert_eq(objstore_open_folder(s, "/lake", &o, &e), 0);
    cr_assert_eq(objstore_put(o, "a/b/t/file", slice_str("x"), &e), 0);
    sys_sim_order(s, SYS_SIM_SYNC_ERROR, "/lake/dropped", 0, 1);
    cr_assert_lt(objstore_move(o, "a/b/t", "dropped/a/b/t", &e), 0);

    cr_assert_eq(objstore_move(o, "a/b/t", "dropped/a/b/t", &e), 0);
    o = objstore_close(o);
    sys_sim_crash(s);

    cr_assert_eq(objstore_open_folder(s, "/lake", &o, &e), 0);
    cr_assert_eq(objstore_get(o, "dropped/a/b/t/file", 10, &got, &e), 0);
    buf_deinit(&got);
    objstore_close(o);
    sys_free(s);
}
