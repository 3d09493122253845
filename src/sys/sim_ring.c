/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator's ring. A write is only noted when it is started; it happens, durably, at the
 * moment a wait delivers its completion. The seed chooses which writes are ready and in which
 * order, so that callers meet every order that a device could show.
 * Thread: one, except wake.
 */
#include "sim_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <string.h>

#define WRITE_NS 80000u

struct pending {
    struct sim_file *file;
    const void *buf;
    size_t len;
    uint64_t offset, tag;
};

struct sim_ring {
    struct sys_ring base;
    struct sim *sim;
    uint32_t life;
    struct sys_event wakes;
    uint32_t wakes_seen;
    unsigned count;
    struct pending pending[];
};

static int sim_ring_write(struct sys_ring *base, struct sys_file *file, struct slice data,
                          uint64_t offset, uint64_t tag)
{
    struct sim_ring *r = (struct sim_ring *)base;
    struct sim *s = r->sim;

    sys_mutex_lock(&s->lock);
    bool dead = r->life != s->life;
    if (!dead) {
        must(r->count < base->depth);
        struct sim_file *f = (struct sim_file *)file;
        f->refs++;
        r->pending[r->count++] = (struct pending){f, data.data, data.len, offset, tag};
    }
    sys_mutex_unlock(&s->lock);
    return dead ? ERR_IO : 0;
}

/* Finish the write at @index: it happens now. */
static struct sys_done finish(struct sim_ring *r, unsigned index)
{
    struct pending p = r->pending[index];
    int errnum = sys__sim_apply(p.file, p.buf, p.len, p.offset, true);

    r->pending[index] = r->pending[--r->count];
    sys__sim_file_unref(p.file);
    return (struct sys_done){p.tag, errnum != 0 ? err_from_errno(errnum) : 0};
}

/* Each write in flight is ready with a chance of one half; at least @min of them are. */
static unsigned deliver(struct sim_ring *r, struct sys_done *done, unsigned min, unsigned max)
{
    unsigned n = 0;

    while (r->count > 0 && n < max && (n < min || (sys__sim_random(r->sim) & 1) != 0))
        done[n++] = finish(r, (unsigned)(sys__sim_random(r->sim) % r->count));
    return n;
}

static unsigned sim_ring_wait(struct sys_ring *base, struct sys_done *done, unsigned max,
                              uint64_t timeout_us)
{
    struct sim_ring *r = (struct sim_ring *)base;
    struct sim *s = r->sim;
    bool forever = timeout_us > UINT64_MAX / 4000;
    unsigned n = 0;

    sys_mutex_lock(&s->lock);
    uint32_t wakes = sys_event_read(&r->wakes);
    bool woken = wakes != r->wakes_seen, dead = r->life != s->life;
    if (!dead && r->count > 0) {
        n = deliver(r, done, timeout_us > 0 && !woken ? 1 : 0, max);
        s->now_ns += timeout_us > 0 ? WRITE_NS : 0;
    } else if (!dead && !woken && !forever) {
        s->now_ns += timeout_us * 1000;
    }
    bool must_sleep = !dead && n == 0 && !woken && forever;
    sys_mutex_unlock(&s->lock);

    if (must_sleep) { /* nothing here can happen by itself: another thread has to wake us */
        sys_event_wait(&r->wakes, wakes, UINT64_MAX);
        wakes = sys_event_read(&r->wakes);
    }
    r->wakes_seen = wakes;
    return n;
}

static void sim_ring_wake(struct sys_ring *base)
{
    sys_event_signal(&((struct sim_ring *)base)->wakes);
}

static void sim_ring_free(struct sys_ring *base)
{
    struct sim_ring *r = (struct sim_ring *)base;
    struct sim *s = r->sim;

    sys_mutex_lock(&s->lock);
    while (r->count > 0)
        (void)finish(r, r->count - 1); /* of a dead life it fails, and changes nothing */
    sys_mutex_unlock(&s->lock);
    mem_free(r);
}

static const struct sys_ring_ops sim_ring_ops = {
    .free = sim_ring_free,
    .write = sim_ring_write,
    .wait = sim_ring_wait,
    .wake = sim_ring_wake,
};

int sys__sim_ring_new(struct sys *base, unsigned depth, struct sys_ring **ret_ring, struct err *e)
{
    struct sim *s = (struct sim *)base;
    struct sim_ring *r = mem_zalloc(sizeof(*r) + depth * sizeof(struct pending));

    (void)e;
    r->base.ops = &sim_ring_ops;
    r->sim = s;
    sys_mutex_lock(&s->lock);
    r->life = s->life;
    sys_mutex_unlock(&s->lock);
    *ret_ring = &r->base;
    return 0;
}
