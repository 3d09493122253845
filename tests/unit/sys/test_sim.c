/* SPDX-License-Identifier: Apache-2.0 */
/* What only the simulator has: a crash, virtual time, a seed. */
#include "sys/sim.h"
#include "sys/sys.h"

#include "base/mem.h"
#include "test.h"

#include <string.h>

static struct sys_file *open_file(struct sys *s, const char *path, unsigned flags)
{
    struct sys_file *f = NULL;

    cr_assert_eq(sys_open(s, path, SYS_WRITE | SYS_CREATE | flags, &f, NULL), 0);
    return f;
}

static void put(struct sys_file *f, const char *text, uint64_t offset)
{
    cr_assert_eq(sys_write(f, text, strlen(text), offset, NULL), 0);
}

static bool holds(struct sys *s, const char *path, const char *content)
{
    char *data = NULL;
    size_t len = 0;
    int r = sys_read_file(s, path, 1 << 20, &data, &len, NULL);
    bool same = r == 0 && slice_eq(slice_of(data, len), slice_str(content));

    mem_free(data);
    return same;
}

static bool exists(struct sys *s, const char *path)
{
    bool there = false;

    cr_assert_eq(sys_exists(s, path, &there, NULL), 0);
    return there;
}

Test(sys_sim_crash, drops_bytes_that_were_not_synced)
{
    struct sys *s = sys_new_sim(1);
    struct sys_file *f = open_file(s, "f", 0);
    cr_assert_eq(sys_sync_dir(s, "/", NULL), 0);
    put(f, "aaaaaa", 0);
    cr_assert_eq(sys_sync(f, NULL), 0);
    put(f, "bb", 1);
    put(f, "cccc", 5);

    sys_sim_crash(s);

    cr_assert(holds(s, "/f", "aaaaaa"));
    sys_close(f);
    sys_free(s);
}

Test(sys_sim_crash, keeps_dsync_writes_and_only_them)
{
    struct sys *s = sys_new_sim(1);
    struct sys_file *lazy = open_file(s, "f", 0), *sure = open_file(s, "f", SYS_DSYNC);
    cr_assert_eq(sys_sync_dir(s, ".", NULL), 0);
    put(lazy, "xxxx", 0);
    put(sure, "YY", 2);
    put(lazy, "z", 6);

    sys_sim_crash(s);

    char *data = NULL;
    size_t len = 0;
    cr_assert_eq(sys_read_file(s, "f", 100, &data, &len, NULL), 0);
    cr_assert_eq(len, 4);
    cr_assert_arr_eq(data, "\0\0YY", 4);
    mem_free(data);
    sys_close(lazy);
    sys_close(sure);
    sys_free(s);
}

Test(sys_sim_crash, undoes_a_length_that_was_not_synced)
{
    struct sys *s = sys_new_sim(1);
    struct sys_file *f = open_file(s, "f", 0);
    cr_assert_eq(sys_sync_dir(s, "", NULL), ERR_NOT_FOUND);
    cr_assert_eq(sys_sync_dir(s, ".", NULL), 0);
    put(f, "abcdef", 0);
    cr_assert_eq(sys_sync(f, NULL), 0);
    cr_assert_eq(sys_truncate(f, 3, NULL), 0);
    cr_assert_eq(sys_truncate(f, 6, NULL), 0);
    cr_assert_eq(sys_sync(f, NULL), 0);
    cr_assert_eq(sys_truncate(f, 0, NULL), 0);

    sys_sim_crash(s);

    char *data = NULL;
    size_t len = 0;
    cr_assert_eq(sys_read_file(s, "f", 100, &data, &len, NULL), 0);
    cr_assert_eq(len, 6);
    cr_assert_arr_eq(data, "abc\0\0\0", 6);
    mem_free(data);
    sys_close(f);
    sys_free(s);
}

Test(sys_sim_crash, goes_back_to_the_synced_names)
{
    struct sys *s = sys_new_sim(1);
    cr_assert_eq(sys_mkdirs(s, "d/sub", NULL), 0);
    cr_assert_eq(sys_write_file(s, "d/old", slice_str("1"), NULL), 0);
    cr_assert_eq(sys_write_file(s, "d/gone", slice_str("2"), NULL), 0);
    cr_assert_eq(sys_rename(s, "d/old", "d/new", NULL), 0);
    cr_assert_eq(sys_unlink(s, "d/gone", NULL), 0);
    cr_assert_eq(sys_mkdir(s, "d/fresh", NULL), 0);
    cr_assert_eq(sys_write_file(s, "d/fresh/f", slice_str("3"), NULL), 0);
    struct sys_file *f = open_file(s, "d/unnamed", SYS_DSYNC);
    put(f, "4", 0);

    sys_sim_crash(s);

    cr_assert(holds(s, "d/old", "1"));
    cr_assert(holds(s, "d/gone", "2"));
    cr_assert(exists(s, "d/sub"));
    cr_assert_not(exists(s, "d/new"));
    cr_assert_not(exists(s, "d/fresh"));
    cr_assert_not(exists(s, "d/unnamed"));
    sys_close(f);
    sys_free(s);
}

Test(sys_sim_crash, keeps_a_replaced_file_whole)
{
    struct sys *s = sys_new_sim(1);
    cr_assert_eq(sys_write_file(s, "f", slice_str("old"), NULL), 0);
    cr_assert_eq(sys_write_file(s, "f", slice_str("new"), NULL), 0);

    sys_sim_crash(s);

    cr_assert(holds(s, "f", "new"));
    cr_assert_not(exists(s, "f.tmp"));
    sys_free(s);
}

/* Names may wander until two folders hold each other on the disk; freeing must not mind. */
Test(sys_sim_crash, survives_folders_that_swapped_places)
{
    struct sys *s = sys_new_sim(1);
    cr_assert_eq(sys_mkdirs(s, "a", NULL), 0);
    cr_assert_eq(sys_mkdirs(s, "b", NULL), 0);
    cr_assert_eq(sys_rename(s, "b", "a/b", NULL), 0);
    cr_assert_eq(sys_sync_dir(s, "a", NULL), 0);
    cr_assert_eq(sys_rename(s, "a/b", "b", NULL), 0);
    cr_assert_eq(sys_rename(s, "a", "b/a", NULL), 0);
    cr_assert_eq(sys_sync_dir(s, "b", NULL), 0);
    cr_assert_eq(sys_sync_dir(s, ".", NULL), 0);

    sys_free(s);
}

Test(sys_sim_crash, frees_locks_and_kills_open_files)
{
    struct sys *s = sys_new_sim(1);
    struct sys_file *old = open_file(s, "f", 0);
    char byte;
    uint64_t size;
    cr_assert_eq(sys_sync_dir(s, ".", NULL), 0);
    cr_assert_eq(sys_lock(old, 0, NULL), 0);

    sys_sim_crash(s);
    struct sys_file *new = open_file(s, "f", 0);

    cr_assert_eq(sys_lock(new, 0, NULL), 0);
    cr_assert_eq(sys_write(old, "x", 1, 0, NULL), ERR_IO);
    cr_assert_eq(sys_read(old, &byte, 1, 0, NULL), ERR_IO);
    cr_assert_eq(sys_sync(old, NULL), ERR_IO);
    cr_assert_eq(sys_size(old, &size, NULL), ERR_IO);
    cr_assert_eq(sys_lock(old, 0, NULL), ERR_IO);
    sys_close(old);
    cr_assert_eq(sys_lock(new, 0, NULL), 0);
    sys_close(new);
    sys_free(s);
}

Test(sys_sim_ring, loses_undelivered_writes_in_a_crash)
{
    struct sys *s = sys_new_sim(3);
    struct sys_file *f = open_file(s, "f", SYS_DIRECT | SYS_DSYNC);
    struct sys_ring *ring = NULL;
    struct sys_done done[2];
    char *block = mem_aligned(4096, 4096);
    memset(block, 'x', 4096);
    cr_assert_eq(sys_sync_dir(s, ".", NULL), 0);
    cr_assert_eq(sys_ring_new(s, 2, &ring, NULL), 0);
    cr_assert_eq(sys_ring_write(ring, f, slice_of(block, 4096), 0, 1), 0);
    cr_assert_eq(sys_ring_wait(ring, done, 2, 1000), 1);
    cr_assert_eq(sys_ring_write(ring, f, slice_of(block, 4096), 4096, 2), 0);

    sys_sim_crash(s);

    cr_assert_eq(sys_ring_wait(ring, done, 2, UINT64_MAX), 0);
    cr_assert_eq(sys_ring_write(ring, f, slice_of(block, 4096), 8192, 3), ERR_IO);
    sys_ring_free(ring);
    sys_close(f);
    uint64_t size = 0;
    f = open_file(s, "f", 0);
    cr_assert_eq(sys_size(f, &size, NULL), 0);
    cr_assert_eq(size, 4096);
    sys_close(f);
    sys_free(s);
    mem_free(block);
}

/* Completion orders of eight writes in flight, as one number. */
static uint64_t order_of(uint64_t seed)
{
    struct sys *s = sys_new_sim(seed);
    struct sys_file *f = open_file(s, "f", SYS_DIRECT | SYS_DSYNC);
    struct sys_ring *ring = NULL;
    struct sys_done done[8];
    uint64_t order = 0;
    char *block = mem_aligned(4096, 4096);
    memset(block, 'x', 4096);
    cr_assert_eq(sys_ring_new(s, 8, &ring, NULL), 0);
    for (uint64_t i = 0; i < 8; i++)
        cr_assert_eq(sys_ring_write(ring, f, slice_of(block, 4096), i * 4096, i), 0);
    for (unsigned n = 0; n < 8;) {
        unsigned more = sys_ring_wait(ring, done, 8, 1000);
        for (unsigned i = 0; i < more; i++)
            order = order * 8 + done[i].tag;
        n += more;
    }
    sys_ring_free(ring);
    sys_close(f);
    sys_free(s);
    mem_free(block);
    return order;
}

Test(sys_sim_ring, completes_in_an_order_that_the_seed_chooses)
{
    bool differs = false;

    for (uint64_t seed = 1; seed < 5; seed++) {
        cr_assert_eq(order_of(seed), order_of(seed));
        differs = differs || order_of(seed) != order_of(seed + 1);
    }

    cr_assert(differs);
}

Test(sys_sim, repeats_itself_for_the_same_seed)
{
    struct sys *a = sys_new_sim(5), *b = sys_new_sim(5), *c = sys_new_sim(6);
    uint64_t x, y, z;

    sys_random(a, &x, 8);
    sys_random(b, &y, 8);
    sys_random(c, &z, 8);

    cr_assert_eq(x, y);
    cr_assert_neq(x, z);
    sys_free(a);
    sys_free(b);
    sys_free(c);
}

Test(sys_sim, moves_time_only_when_told)
{
    struct sys *s = sys_new_sim(1);
    uint64_t mono = sys_mono_ns(s);
    int64_t wall = sys_now_us(s);

    cr_assert_eq(sys_mono_ns(s), mono);
    sys_sim_advance(s, 5000);
    cr_assert_eq(sys_mono_ns(s), mono + 5000);
    cr_assert_eq(sys_now_us(s), wall + 5);
    sys_free(s);
}

DeathTest(sys_sim, must_not_be_freed_under_an_open_file)
{
    struct sys *s = sys_new_sim(1);

    (void)open_file(s, "f", 0);
    sys_free(s);
}
