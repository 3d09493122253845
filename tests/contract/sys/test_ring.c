/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "base/mem.h"

#include <string.h>

#define BLOCK 4096
#define DEPTH 4

struct setup {
    struct sys_file *f;
    struct sys_ring *ring;
    uint8_t *blocks; /* 16 blocks, each full of its number + 1 */
};

static struct setup start(struct world *w)
{
    struct setup u = {.blocks = mem_aligned(BLOCK, 16 * BLOCK)};

    for (int i = 0; i < 16; i++)
        memset(u.blocks + i * BLOCK, i + 1, BLOCK);
    cr_assert_eq(sys_open(w->s, at(w, 0, "log"), SYS_WRITE | SYS_CREATE | SYS_DIRECT | SYS_DSYNC,
                          &u.f, &w->e),
                 0);
    cr_assert_eq(sys_ring_new(w->s, DEPTH, &u.ring, &w->e), 0);
    return u;
}

static void stop(struct setup *u)
{
    sys_ring_free(u->ring);
    sys_close(u->f);
    mem_free(u->blocks);
}

static void write_block(struct setup *u, unsigned number, uint64_t tag)
{
    int r = sys_ring_write(u->ring, u->f, slice_of(u->blocks + number * BLOCK, BLOCK),
                           (uint64_t)number * BLOCK, tag);
    cr_assert_eq(r, 0);
}

CONTRACT(completes_every_write_once)
{
    struct setup u = start(w);
    struct sys_done done[DEPTH];
    unsigned seen[16] = {0}, in_flight = 0, next = 0, finished = 0;
    uint8_t *got = mem_aligned(BLOCK, BLOCK);

    while (finished < 16) {
        while (next < 16 && in_flight < DEPTH) {
            write_block(&u, next, UINT64_C(0xffffffff00000000) + next);
            next++;
            in_flight++;
        }
        unsigned n = sys_ring_wait(u.ring, done, 3, UINT64_MAX);
        cr_assert_leq(n, 3);
        for (unsigned i = 0; i < n; i++) {
            cr_assert_eq(done[i].result, 0);
            cr_assert_lt(done[i].tag - UINT64_C(0xffffffff00000000), 16);
            seen[done[i].tag & 0xff]++;
        }
        in_flight -= n;
        finished += n;
    }

    for (unsigned i = 0; i < 16; i++) {
        cr_assert_eq(seen[i], 1);
        cr_assert_eq(sys_read(u.f, got, BLOCK, i * BLOCK, &w->e), 0);
        cr_assert_arr_eq(got, u.blocks + i * BLOCK, BLOCK);
    }
    mem_free(got);
    stop(&u);
}

CONTRACT(waits_no_longer_than_told)
{
    struct setup u = start(w);
    struct sys_done done[DEPTH];

    uint64_t before = sys_mono_ns(w->s);
    unsigned polled = sys_ring_wait(u.ring, done, DEPTH, 0);
    unsigned waited = sys_ring_wait(u.ring, done, DEPTH, 3000);
    uint64_t passed = sys_mono_ns(w->s) - before;

    cr_assert_eq(polled, 0);
    cr_assert_eq(waited, 0);
    cr_assert_geq(passed, 3000000);
    stop(&u);
}

CONTRACT(remembers_a_wake_that_came_before_the_wait)
{
    struct setup u = start(w);
    struct sys_done done[DEPTH];

    sys_ring_wake(u.ring);
    sys_ring_wake(u.ring);
    unsigned first = sys_ring_wait(u.ring, done, DEPTH, UINT64_MAX);
    write_block(&u, 1, 7);
    sys_ring_wake(u.ring);
    unsigned finished = 0;
    while (finished == 0)
        finished = sys_ring_wait(u.ring, done, DEPTH, UINT64_MAX);

    cr_assert_eq(first, 0);
    cr_assert_eq(finished, 1);
    cr_assert_eq(done[0].tag, 7);
    stop(&u);
}

static void wake_ring(void *ring)
{
    sys_ring_wake(ring);
}

CONTRACT(is_woken_by_another_thread)
{
    struct setup u = start(w);
    struct sys_done done[DEPTH];

    for (int i = 0; i < 50; i++) {
        struct sys_thread *t = NULL;
        cr_assert_eq(sys_thread_start(w->s, "waker", wake_ring, u.ring, &t), 0);
        cr_assert_eq(sys_ring_wait(u.ring, done, DEPTH, UINT64_MAX), 0);
        sys_thread_join(t);
    }
    stop(&u);
}

/* The owner of the buffers may free them once the ring is gone. */
CONTRACT(finishes_what_is_in_flight_before_it_is_freed)
{
    struct setup u = start(w);
    uint8_t *got = mem_aligned(BLOCK, BLOCK);

    write_block(&u, 0, 1);
    write_block(&u, 1, 2);
    sys_ring_wake(u.ring);
    u.ring = sys_ring_free(u.ring);

    cr_assert_eq(sys_read(u.f, got, BLOCK, BLOCK, &w->e), 0);
    cr_assert_arr_eq(got, u.blocks + BLOCK, BLOCK);
    mem_free(got);
    stop(&u);
}

CONTRACT(keeps_the_lock_while_a_write_is_in_flight)
{
    struct setup u = start(w);
    struct sys_done done[DEPTH];
    struct sys_file *other = NULL;

    cr_assert_eq(sys_lock(u.f, 0, &w->e), 0);
    write_block(&u, 0, 1);
    u.f = sys_close(u.f);
    while (sys_ring_wait(u.ring, done, DEPTH, UINT64_MAX) == 0)
        ;

    cr_assert_eq(done[0].result, 0);
    cr_assert_eq(sys_open(w->s, at(w, 0, "log"), SYS_WRITE, &other, &w->e), 0);
    cr_assert_eq(sys_lock(other, 1000, &w->e), 0);
    sys_close(other);
    stop(&u);
}
