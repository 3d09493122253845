/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: virtual time, seeded randomness, and a file system in memory that knows what is
 * synced. The same seed and the same calls give the same results. Threads are real and may call it,
 * but then their order is the machine's. Any thread; one mutex.
 */
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

uint64_t sys__sim_below(struct sim *s, uint64_t n)
{
    must(n > 0);
    return sys__sim_random(s) % n;
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
    sys__sim_pass(s, ns);
    sys_mutex_unlock(&s->lock);
}

void sys__sim_pass(struct sim *s, uint64_t ns)
{
    s->now_ns += ns;
    sys__sim_land_late(s);
}

void sys__sim_sleep(struct sys *base, uint64_t ns)
{
    struct sim *s = (struct sim *)base;

    if (s->sleep_fn != NULL)
        s->sleep_fn(s->sleep_ctx, ns);
    else
        sys_sim_advance(base, ns);
}

void sys_sim_on_sleep(struct sys *base, sys_sim_sleep_fn *fn, void *ctx)
{
    struct sim *s = (struct sim *)base;

    s->sleep_fn = fn;
    s->sleep_ctx = ctx;
}

static const char *sim_write_method(const struct sys *s)
{
    (void)s;
    return "sim";
}

/* Of dead lives, when nobody closed them: whoever ended a life may have left everything behind. */
static void free_dead(struct sim *s)
{
    while (s->rings != NULL) {
        must(s->rings->life != s->life);
        (void)sys_ring_free(&s->rings->base);
    }
    while (s->files != NULL) {
        must(s->files->life != s->life);
        s->files->refs = 1;
        sys__sim_file_unref(s->files);
    }
}

static void sim_free(struct sys *base)
{
    struct sim *s = (struct sim *)base;

    sys__sim_late_free(s);
    free_dead(s);
    must(s->open_files == 0);
    sys__sim_nodes_free(s);
    sys__sim_faults_free(s);
    mem_free(s);
}

static const struct sys_ops sim_ops = {
    .free = sim_free,
    .now_us = sim_now_us,
    .mono_ns = sim_mono_ns,
    .random = sim_random,
    .sleep_ns = sys__sim_sleep,
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
    s->capacity = UINT64_MAX;
    s->root = sys__sim_node_new(s, true);
    s->root->refs = 1;
    return &s->base;
}
