/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: virtual time, seeded randomness, and a file system in memory that knows what is
 * synced. The same seed and the same calls give the same results. Threads are real and may call it,
 * but then their order is the machine's. Any thread; one mutex.
 */
#include "sys/sim.h"
#include "sim_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <string.h>

#define START_NS      UINT64_C(1000000000)
#define START_WALL_US INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */

/* splitmix64: a counter, mixed. */
uint64_t sys__sim_random(struct sim *s)
{
    uint64_t z = (s->random += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void sim_random(struct sys *base, void *buf, size_t len)
{
    struct sim *s = (struct sim *)base;

    sys_mutex_lock(&s->lock);
    for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
        uint64_t r = sys__sim_random(s);
        memcpy((char *)buf + at, &r, MIN(sizeof(r), len - at));
    }
    sys_mutex_unlock(&s->lock);
}

static uint64_t sim_mono_ns(struct sys *base)
{
    struct sim *s = (struct sim *)base;

    sys_mutex_lock(&s->lock);
    uint64_t now = s->now_ns;
    sys_mutex_unlock(&s->lock);
    return now;
}

int64_t sys__sim_wall_us(uint64_t mono_ns)
{
    return START_WALL_US + (int64_t)((mono_ns - START_NS) / 1000);
}

static int64_t sim_now_us(struct sys *base)
{
    return sys__sim_wall_us(sim_mono_ns(base));
}

void sys_sim_advance(struct sys *base, uint64_t ns)
{
    struct sim *s = (struct sim *)base;

    sys_mutex_lock(&s->lock);
    s->now_ns += ns;
    sys_mutex_unlock(&s->lock);
}

static const char *sim_write_method(const struct sys *s)
{
    (void)s;
    return "sim";
}

void sys_sim_crash(struct sys *base)
{
    struct sim *s = (struct sim *)base;

    sys_mutex_lock(&s->lock);
    s->life++;
    for (struct sim_node *n = s->nodes; n != NULL; n = n->next)
        n->refs++; /* nothing may vanish while we walk */
    for (struct sim_node *n = s->nodes; n != NULL; n = n->next)
        sys__sim_node_revert(n);
    for (struct sim_node *n = s->nodes, *next; n != NULL; n = next) {
        next = n->next;
        sys__sim_node_unref(n);
    }
    sys_mutex_unlock(&s->lock);
}

static void sim_free(struct sys *base)
{
    struct sim *s = (struct sim *)base;

    must(s->open_files == 0);
    sys__sim_nodes_free(s);
    mem_free(s);
}

static const struct sys_ops sim_ops = {
    .free = sim_free,
    .now_us = sim_now_us,
    .mono_ns = sim_mono_ns,
    .random = sim_random,
    .sleep_ns = sys_sim_advance,
    .open = sys__sim_open,
    .close = sys__sim_close,
    .read_some = sys__sim_read_some,
    .write = sys__sim_write,
    .sync = sys__sim_sync,
    .size = sys__sim_size,
    .allocate = sys__sim_allocate,
    .truncate = sys__sim_truncate,
    .try_lock = sys__sim_try_lock,
    .mkdir = sys__sim_mkdir,
    .sync_dir = sys__sim_sync_dir,
    .unlink = sys__sim_unlink,
    .rename = sys__sim_rename,
    .exists = sys__sim_exists,
    .stat = sys__sim_stat,
    .free_bytes = sys__sim_free_bytes,
    .list = sys__sim_list,
    .ring_new = sys__sim_ring_new,
    .write_method = sim_write_method,
};

struct sys *sys_new_sim(uint64_t seed)
{
    struct sim *s = mem_zalloc(sizeof(*s));

    s->base.ops = &sim_ops;
    s->now_ns = START_NS;
    s->random = seed;
    s->root = sys__sim_node_new(s, true);
    s->root->refs = 1;
    return &s->base;
}
