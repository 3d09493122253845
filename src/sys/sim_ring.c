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

#include <errno.h>
#include <string.h>

#define WRITE_NS 80000u

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
        uint64_t delay_ns = sys__sim_draw_delay(s, file->path);
        r->pending[r->count++] = (struct sim_pending){
            .file = f,
            .buf = data.data,
            .len = data.len,
            .offset = offset,
            .tag = tag,
            .not_before_ns = delay_ns > 0 ? s->now_ns + delay_ns : 0,
            .number = r->next_number++,
            .done_len = sys__sim_draw_len(s, file->path, data.len),
        };
    }
    sys_mutex_unlock(&s->lock);
    return dead ? ERR_IO : 0;
}

/* Finish the write at @index: it happens now. */
static struct sys_done finish(struct sim_ring *r, unsigned index)
{
    struct sim_pending p = r->pending[index];
    int errnum = sys__sim_apply(p.file, p.buf, p.done_len, p.offset, true);
    bool overtakes = false;

    if (errnum == 0 && p.done_len < p.len)
        errnum = EIO;
    r->pending[index] = r->pending[--r->count];
    for (unsigned i = 0; i < r->count; i++)
        overtakes |= r->pending[i].number < p.number;
    r->sim->hits[SYS_SIM_OUT_OF_ORDER] += overtakes && r->life == r->sim->life;
    sys__sim_file_unref(p.file);
    return (struct sys_done){p.tag, errnum != 0 ? err_from_errno(errnum) : 0};
}

/* One of the writes whose time has come; -1 = there is none. */
static int pick(struct sim_ring *r)
{
    unsigned ready = 0;

    for (unsigned i = 0; i < r->count; i++)
        ready += r->pending[i].not_before_ns <= r->sim->now_ns;
    if (ready == 0)
        return -1;
    uint64_t skip = sys__sim_below(r->sim, ready);
    unsigned i = 0;
    while (r->pending[i].not_before_ns > r->sim->now_ns || skip-- > 0)
        i++;
    return (int)i;
}

/* Each write in flight that can be is ready with a chance of one half; at least @min of them
 * are. */
static unsigned deliver(struct sim_ring *r, struct sys_done *done, unsigned min, unsigned max)
{
    unsigned n = 0;
    int index;

    while (n < max && (n < min || (sys__sim_random(r->sim) & 1) != 0) && (index = pick(r)) >= 0)
        done[n++] = finish(r, (unsigned)index);
    return n;
}

/* To when the first one is ready, or to the end of @timeout_ns. */
static void wait_for_first(struct sim_ring *r, uint64_t timeout_ns)
{
    uint64_t first = UINT64_MAX;

    for (unsigned i = 0; i < r->count; i++)
        first = MIN(first, r->pending[i].not_before_ns);
    if (first > r->sim->now_ns)
        sys__sim_pass(r->sim, MIN(first - r->sim->now_ns, timeout_ns));
}

static unsigned sim_ring_wait(struct sys_ring *base, struct sys_done *done, unsigned max,
                              uint64_t timeout_us)
{
    struct sim_ring *r = (struct sim_ring *)base;
    struct sim *s = r->sim;
    bool forever = timeout_us > UINT64_MAX / 4000;
    uint64_t timeout_ns = forever ? UINT64_MAX : timeout_us * 1000;
    unsigned n = 0;

    sys_mutex_lock(&s->lock);
    uint32_t wakes = sys_event_read(&r->wakes);
    bool woken = wakes != r->wakes_seen, dead = r->life != s->life;
    if (!dead && r->count > 0) {
        bool waits = timeout_us > 0 && !woken;
        if (waits)
            wait_for_first(r, timeout_ns);
        n = deliver(r, done, waits ? 1 : 0, max);
        sys__sim_pass(s, n > 0 && timeout_us > 0 ? WRITE_NS : 0);
    } else if (!dead && !woken && !forever) {
        sys__sim_pass(s, timeout_ns);
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
        (void)finish(r, r->count - 1); /* of a dead life none is left */
    *r->link = r->next;
    if (r->next != NULL)
        r->next->link = r->link;
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
    struct sim_ring *r = mem_zalloc(sizeof(*r) + depth * sizeof(struct sim_pending));

    (void)e;
    r->base.ops = &sim_ring_ops;
    r->sim = s;
    sys_mutex_lock(&s->lock);
    r->life = s->life;
    r->next = s->rings;
    r->link = &s->rings;
    if (s->rings != NULL)
        s->rings->link = &r->next;
    s->rings = r;
    sys_mutex_unlock(&s->lock);
    *ret_ring = &r->base;
    return 0;
}
