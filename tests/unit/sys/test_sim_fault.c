/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of the simulator's disk while the process runs: by order, by chance, counted. */
#include "sys/sim.h"
#include "sys/sys.h"

#include "base/mem.h"
#include "test.h"

#include <string.h>

#define BLOCK 4096

struct rig {
    struct sys *s;
    struct sys_file *f;
    struct sys_ring *ring;
    uint8_t *block; /* of 'x' */
};

static struct rig open_rig(uint64_t seed)
{
    struct rig x = {.s = sys_new_sim(seed), .block = mem_aligned(BLOCK, BLOCK)};

    memset(x.block, 'x', BLOCK);
    cr_assert_eq(sys_open(x.s, "log", SYS_WRITE | SYS_CREATE | SYS_DIRECT | SYS_DSYNC, &x.f, NULL),
                 0);
    cr_assert_eq(sys_ring_new(x.s, 4, &x.ring, NULL), 0);
    return x;
}

static void close_rig(struct rig *x)
{
    sys_ring_free(x->ring);
    sys_close(x->f);
    mem_free(x->block);
    sys_free(x->s);
}

static int write_block(struct rig *x, uint64_t number)
{
    return sys_write(x->f, x->block, BLOCK, number * BLOCK, NULL);
}

/* Starts a ring write of block @number and waits for it; its result. */
static int ring_block(struct rig *x, uint64_t number)
{
    struct sys_done done = {0, 1};

    cr_assert_eq(sys_ring_write(x->ring, x->f, slice_of(x->block, BLOCK), number * BLOCK, 7), 0);
    while (sys_ring_wait(x->ring, &done, 1, 1000) == 0)
        ;
    cr_assert_eq(done.tag, 7);
    return done.result;
}

/* How many of the first bytes of block 0 are there. */
static size_t written(struct rig *x)
{
    uint8_t got[BLOCK] = {0};
    size_t len = 0, n = 0;

    struct sys_file *f = NULL;
    cr_assert_eq(sys_open(x->s, "log", SYS_READ, &f, NULL), 0);
    cr_assert_eq(sys_read_some(f, got, BLOCK, 0, &len, NULL), 0);
    sys_close(f);
    while (n < len && got[n] == 'x')
        n++;
    return n;
}

Test(sys_sim_fault, has_a_name_each)
{
    for (unsigned i = 0; i < SYS_SIM_FAULT_COUNT; i++)
        cr_assert_gt(strlen(sys_sim_fault_name((enum sys_sim_fault)i)), 3);
}

Test(sys_sim_fault, ordered_write_error_strikes_where_and_when_it_was_told)
{
    struct rig x = open_rig(1);
    sys_sim_order(x.s, SYS_SIM_WRITE_ERROR, "other", 0, 10);
    sys_sim_order(x.s, SYS_SIM_WRITE_ERROR, "log", 1, 2);

    cr_assert_eq(write_block(&x, 0), 0);
    cr_assert_eq(write_block(&x, 1), ERR_IO);
    cr_assert_eq(ring_block(&x, 2), ERR_IO);
    cr_assert_eq(ring_block(&x, 3), 0);

    cr_assert_eq(sys_sim_hits(x.s, SYS_SIM_WRITE_ERROR), 2);
    close_rig(&x);
}

Test(sys_sim_fault, short_write_leaves_whole_sectors_and_fails)
{
    bool some = false;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig x = open_rig(seed);
        sys_sim_order(x.s, SYS_SIM_SHORT_WRITE, "log", 0, 1);
        cr_assert_eq(ring_block(&x, 0), ERR_IO);
        size_t n = written(&x);
        cr_assert_lt(n, BLOCK);
        cr_assert_eq(n % 512, 0);
        cr_assert_eq(sys_sim_hits(x.s, SYS_SIM_SHORT_WRITE), 1);
        some |= n > 0;
        close_rig(&x);
    }
    cr_assert(some);
}

Test(sys_sim_fault, chances_strike_under_their_folder_until_taken_back)
{
    struct rig x = open_rig(1);
    struct sys_file *other = NULL;
    unsigned failed = 0;
    cr_assert_eq(sys_open(x.s, "other", SYS_WRITE | SYS_CREATE, &other, NULL), 0);
    sys_sim_set_faults(x.s, &(struct sys_sim_faults){.under = "lo", .write_error = 300000});

    for (int i = 0; i < 200; i++) {
        failed += write_block(&x, 0) < 0;
        cr_assert_eq(sys_write(other, "y", 1, 0, NULL), 0);
    }

    cr_assert(failed > 30 && failed < 90);
    cr_assert_eq(sys_sim_hits(x.s, SYS_SIM_WRITE_ERROR), failed);
    sys_sim_set_faults(x.s, NULL);
    for (int i = 0; i < 50; i++)
        cr_assert_eq(write_block(&x, 0), 0);
    sys_close(other);
    close_rig(&x);
}

/* A sync that failed: the bytes can be read, no later sync brings them to the disk, and they are
 * gone with the power. */
Test(sys_sim_fault, failed_sync_loses_what_the_next_one_does_not_know)
{
    struct sys *s = sys_new_sim(1);
    struct sys_file *f = NULL;
    char got[3] = "";
    cr_assert_eq(sys_open(s, "f", SYS_WRITE | SYS_CREATE, &f, NULL), 0);
    cr_assert_eq(sys_sync_dir(s, "/", NULL), 0);
    cr_assert_eq(sys_write(f, "ab", 2, 0, NULL), 0);
    sys_sim_order(s, SYS_SIM_SYNC_ERROR, "f", 0, 1);

    cr_assert_eq(sys_sync(f, NULL), ERR_IO);
    cr_assert_eq(sys_read(f, got, 2, 0, NULL), 0);
    cr_assert_str_eq(got, "ab");
    cr_assert_eq(sys_sync(f, NULL), 0);
    sys_close(f);
    sys_sim_crash(s);

    cr_assert_eq(sys_open(s, "f", SYS_READ, &f, NULL), 0);
    size_t len = 0;
    memset(got, 0, sizeof(got));
    cr_assert_eq(sys_read_some(f, got, 2, 0, &len, NULL), 0);
    cr_assert_str_neq(got, "ab");
    cr_assert_eq(sys_sim_hits(s, SYS_SIM_SYNC_ERROR), 1);
    sys_close(f);
    sys_free(s);
}

Test(sys_sim_fault, failed_sync_of_a_folder_is_told)
{
    struct sys *s = sys_new_sim(1);
    bool there = true;
    cr_assert_eq(sys_mkdir(s, "d", NULL), 0);
    sys_sim_order(s, SYS_SIM_SYNC_ERROR, "/", 0, 1);

    cr_assert_eq(sys_sync_dir(s, "/", NULL), ERR_IO);
    sys_sim_crash(s);

    cr_assert_eq(sys_exists(s, "d", &there, NULL), 0);
    cr_assert_not(there);
    sys_free(s);
}

Test(sys_sim_space, full_disk_refuses_growth_and_new_names_until_there_is_room)
{
    struct rig x = open_rig(1);
    uint64_t bytes = 0;
    cr_assert_eq(write_block(&x, 0), 0);
    sys_sim_set_capacity(x.s, 2 * BLOCK);
    cr_assert_eq(sys_free_bytes(x.s, "/", &bytes, NULL), 0);
    cr_assert_eq(bytes, BLOCK);

    cr_assert_eq(write_block(&x, 1), 0);
    cr_assert_eq(write_block(&x, 2), ERR_NO_SPACE);
    cr_assert_eq(ring_block(&x, 2), ERR_NO_SPACE);
    cr_assert_eq(sys_allocate(x.f, 3 * BLOCK, NULL), ERR_NO_SPACE);
    cr_assert_eq(sys_mkdir(x.s, "d", NULL), ERR_NO_SPACE);
    cr_assert_eq(sys_write_file(x.s, "n", slice_str("1"), NULL), ERR_NO_SPACE);
    cr_assert_eq(ring_block(&x, 1), 0); /* what is there can be written again */

    cr_assert_eq(sys_sim_hits(x.s, SYS_SIM_NO_SPACE), 5);
    cr_assert_eq(sys_sim_used(x.s), 2 * BLOCK);
    sys_sim_set_capacity(x.s, 3 * BLOCK);
    cr_assert_eq(write_block(&x, 2), 0);
    close_rig(&x);
}

Test(sys_sim_flip, changes_one_bit_for_good)
{
    struct rig x = open_rig(1);
    uint8_t got = 0;
    struct sys_file *f = NULL;
    cr_assert_eq(write_block(&x, 0), 0);
    cr_assert_eq(sys_sync_dir(x.s, "/", NULL), 0);

    cr_assert_eq(sys_sim_flip(x.s, "log", 8 * 100 + 3, NULL), 0);
    cr_assert_eq(sys_sim_flip(x.s, "log", 8 * BLOCK, NULL), ERR_INVALID);
    cr_assert_eq(sys_sim_flip(x.s, "nothing", 0, NULL), ERR_NOT_FOUND);

    sys_sim_crash(x.s);
    cr_assert_eq(sys_open(x.s, "log", SYS_READ, &f, NULL), 0);
    cr_assert_eq(sys_read(f, &got, 1, 100, NULL), 0);
    cr_assert_eq(got, 'x' ^ 8);
    cr_assert_eq(sys_read(f, &got, 1, 101, NULL), 0);
    cr_assert_eq(got, 'x');
    cr_assert_eq(sys_sim_hits(x.s, SYS_SIM_BIT_FLIP), 1);
    sys_close(f);
    close_rig(&x);
}

Test(sys_sim_time, slow_and_stuck_writes_take_theirs)
{
    struct rig x = open_rig(1);
    sys_sim_set_faults(x.s, &(struct sys_sim_faults){.slow = 1000000, .slow_ns = 1000000});
    uint64_t before = sys_mono_ns(x.s);

    cr_assert_eq(write_block(&x, 0), 0);
    uint64_t slow = sys_mono_ns(x.s) - before;
    sys_sim_set_faults(x.s, NULL);
    sys_sim_order(x.s, SYS_SIM_STUCK, "log", 0, 1);
    cr_assert_eq(ring_block(&x, 0), 0);
    uint64_t stuck = sys_mono_ns(x.s) - before - slow;

    cr_assert(slow > 0 && slow <= 1000000);
    cr_assert(stuck >= UINT64_C(10000000000) && stuck <= UINT64_C(21000000000));
    cr_assert_eq(sys_sim_hits(x.s, SYS_SIM_SLOW), 1);
    cr_assert_eq(sys_sim_hits(x.s, SYS_SIM_STUCK), 1);
    close_rig(&x);
}

Test(sys_sim_time, stuck_write_is_overtaken_by_younger_ones)
{
    struct rig x = open_rig(1);
    struct sys_done done[4];
    sys_sim_order(x.s, SYS_SIM_STUCK, "log", 0, 1);
    for (uint64_t i = 0; i < 3; i++)
        cr_assert_eq(sys_ring_write(x.ring, x.f, slice_of(x.block, BLOCK), i * BLOCK, i), 0);

    unsigned n = 0;
    while (n < 2)
        n += sys_ring_wait(x.ring, done + n, 2 - n, 1000);

    cr_assert_eq(done[0].tag + done[1].tag, 3); /* 1 and 2 */
    cr_assert_eq(sys_ring_wait(x.ring, done, 1, 1000), 0);
    cr_assert_eq(sys_ring_wait(x.ring, done, 1, 30000000), 1);
    cr_assert_eq(done[0].tag, 0);
    cr_assert_eq(sys_sim_hits(x.s, SYS_SIM_OUT_OF_ORDER), 2);
    close_rig(&x);
}

struct sleeper {
    struct sys *s;
    uint64_t slept, calls;
};

static void note_sleep(void *ctx, uint64_t ns)
{
    struct sleeper *z = ctx;
    z->slept += ns;
    z->calls++;
    sys_sim_advance(z->s, ns / 2); /* who sleeps does not move the time: we do */
}

Test(sys_sim_time, belongs_to_the_hook_while_somebody_sleeps)
{
    struct rig x = open_rig(1);
    struct sleeper z = {.s = x.s};
    uint64_t before = sys_mono_ns(x.s);
    sys_sim_on_sleep(x.s, note_sleep, &z);

    sys_sleep_ms(x.s, 10);
    sys_sim_order(x.s, SYS_SIM_SLOW, "log", 0, 1);
    cr_assert_eq(write_block(&x, 0), 0);

    cr_assert_eq(z.calls, 2);
    cr_assert_gt(z.slept, 10000000);
    cr_assert_leq(sys_mono_ns(x.s) - before, z.slept / 2 + 1);
    sys_sim_on_sleep(x.s, NULL, NULL);
    close_rig(&x);
}
