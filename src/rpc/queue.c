/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue: one completion queue of the core, one thread, one mailbox with a doorbell.
 *
 * The loop takes events while there are some, at most 64 in one go, then runs the mailbox, the tick
 * when it is due, and on_idle; and blocks when the core has nothing more.
 *
 * Doorbell (rule R2). The core has no alarm in its C interface. A connectivity watch on a channel
 * that never connects, with a deadline in the past, completes at once on the queue: that is the
 * ring.
 * `bell` decides who rings:
 *
 *      AWAKE ──thread is about to block──► SLEEPING ──a poster, once──► RUNG ──ring seen──► AWAKE
 *        ▲                                    │
 *        └────────── woken by an event ───────┘            AWAKE ──queue shuts down──► CLOSED
 *
 *   Q1  The thread sets SLEEPING, then looks into the mailbox, then blocks; a poster fills the
 *   mailbox,
 *       then looks at the bell. So one of the two sees the other and no post is slept through.
 *   Q2  From RUNG until the ring is seen nobody rings again; the thread may block: the ring will
 *   come.
 *   Q3  The queue's own thread never sees SLEEPING, so posts to itself never ring.
 *   Q4  Nothing is started on a completion queue that is shut down: the thread shuts it down
 *   itself,
 *       only from AWAKE (so no ring is on its way), and only when no call and no accept is open.
 */
#include "rpc_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <grpc/support/thd_id.h>
#include <grpc/support/time.h>

#define EVENTS_PER_PASS_MAX 64

static void on_rung(struct rpc__tag *t, bool ok)
{
    (void)ok; /* the watch ends by its deadline: never "ok" */
    struct rpc_queue *q = CONTAINER_OF(t, struct rpc_queue, bell_tag);
    uint32_t was = atomic_exchange(&q->bell, RPC__AWAKE);
    must(was == RPC__RUNG);
}

static void on_close_post(struct rpc_post *p, struct rpc_queue *q)
{
    (void)p;
    q->close_wanted = true;
}

void rpc__queue_init(struct rpc_queue *q, struct rpc_server *r, unsigned index)
{
    q->server = r;
    q->index = index;
    q->bell_tag.run = on_rung;
    q->close_post.run = on_close_post;
    rpc__pool_init(&q->messages, sizeof(struct rpc_message), RPC__POOL_KEEP_MAX);
}

void rpc__queue_open(struct rpc_queue *q)
{
    q->cq = grpc_completion_queue_create_for_next(NULL);
    q->bell_channel = grpc_lame_client_channel_create("bell", GRPC_STATUS_UNAVAILABLE, "bell");
}

void rpc__queue_deinit(struct rpc_queue *q)
{
    if (q->bell_channel)
        grpc_channel_destroy(q->bell_channel);
    if (q->cq) {
        must(q->closed);
        grpc_completion_queue_destroy(q->cq);
    }
    for (size_t i = 0; i < q->slot_count; i++)
        rpc__pool_deinit(&q->slots[i].calls);
    mem_free(q->slots);
    rpc__pool_deinit(&q->messages);
}

bool rpc__queue_is_mine(const struct rpc_queue *q)
{
    return atomic_load_explicit(&q->thread_id, memory_order_relaxed) ==
           (uintptr_t)gpr_thd_currentid();
}

/* ---- mailbox ---- */

void rpc_post(struct rpc_queue *q, struct rpc_post *p)
{
    p->next = atomic_load_explicit(&q->mailbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&q->mailbox, &p->next, p)) {
    }
    uint32_t bell = RPC__SLEEPING;
    if (atomic_load(&q->bell) != RPC__SLEEPING ||
        !atomic_compare_exchange_strong(&q->bell, &bell, RPC__RUNG))
        return;
    atomic_fetch_add_explicit(&q->rings, 1, memory_order_relaxed);
    grpc_channel_watch_connectivity_state(q->bell_channel, GRPC_CHANNEL_TRANSIENT_FAILURE,
                                          gpr_inf_past(GPR_CLOCK_MONOTONIC), q->cq, &q->bell_tag);
}

/* Runs what was posted before it began, oldest first. */
static void run_mailbox(struct rpc_queue *q)
{
    if (!atomic_load_explicit(&q->mailbox, memory_order_relaxed))
        return;
    struct rpc_post *newest = atomic_exchange(&q->mailbox, NULL);
    struct rpc_post *oldest = NULL;
    while (newest) {
        struct rpc_post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct rpc_post *p = oldest;
        oldest = p->next; /* p is its owner's again once it runs */
        p->run(p, q);
    }
}

/* ---- loop ---- */

static bool take_event(struct rpc_queue *q, grpc_event ev)
{
    if (ev.type == GRPC_QUEUE_SHUTDOWN)
        q->closed = true;
    if (ev.type != GRPC_OP_COMPLETE)
        return false;
    struct rpc__tag *t = ev.tag;
    t->run(t, ev.success != 0);
    return true;
}

static unsigned take_events(struct rpc_queue *q)
{
    gpr_timespec past = gpr_inf_past(GPR_CLOCK_MONOTONIC);
    unsigned n = 0;
    while (n < EVENTS_PER_PASS_MAX && take_event(q, grpc_completion_queue_next(q->cq, past, NULL)))
        n++;
    return n;
}

static void tick_when_due(struct rpc_queue *q)
{
    const struct rpc_server *r = q->server;
    if (r->tick_ms == 0)
        return;
    uint64_t now_ns = sys_mono_ns(r->sys);
    if (now_ns < q->tick_next_ns)
        return;
    q->tick_next_ns = now_ns + (uint64_t)r->tick_ms * 1000000;
    if (r->on_tick)
        r->on_tick(q, r->hooks_ctx);
}

static gpr_timespec block_until(const struct rpc_queue *q)
{
    if (q->server->tick_ms == 0)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    uint64_t now_ns = sys_mono_ns(q->server->sys);
    uint64_t left_ns = q->tick_next_ns > now_ns ? q->tick_next_ns - now_ns : 0;
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_nanos((int64_t)left_ns, GPR_TIMESPAN));
}

static void block_for_event(struct rpc_queue *q)
{
    uint32_t awake = RPC__AWAKE;
    atomic_compare_exchange_strong(&q->bell, &awake, RPC__SLEEPING); /* else RUNG: Q2 */
    grpc_event ev = {.type = GRPC_QUEUE_TIMEOUT};
    if (!atomic_load(&q->mailbox) || atomic_load(&q->bell) == RPC__RUNG)
        ev = grpc_completion_queue_next(q->cq, block_until(q), NULL);
    uint32_t sleeping = RPC__SLEEPING;
    atomic_compare_exchange_strong(&q->bell, &sleeping, RPC__AWAKE);
    take_event(q, ev);
}

/* Q4. True once the completion queue is shut down and only its last word is awaited. */
static bool try_close(struct rpc_queue *q)
{
    if (!q->close_wanted || q->accepts_open > 0 || q->calls_open > 0)
        return false;
    if (q->index == 0 && !atomic_load(&q->server->down))
        return false;
    uint32_t awake = RPC__AWAKE;
    if (!atomic_compare_exchange_strong(&q->bell, &awake, RPC__CLOSED))
        return awake == RPC__CLOSED;
    grpc_completion_queue_shutdown(q->cq);
    return true;
}

void rpc__queue_run(void *arg)
{
    struct rpc_queue *q = arg;
    const struct rpc_server *r = q->server;
    atomic_store_explicit(&q->thread_id, (uintptr_t)gpr_thd_currentid(), memory_order_relaxed);
    while (!q->closed) {
        unsigned events = take_events(q);
        run_mailbox(q);
        tick_when_due(q);
        if (r->on_idle)
            r->on_idle(q, r->hooks_ctx);
        if (!try_close(q) && events < EVENTS_PER_PASS_MAX)
            block_for_event(q);
    }
    run_mailbox(q); /* what came in while the queue closed */
}
