/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "test.h"

#define POSTS 2000

struct letters {
    struct rig *rig;
    struct letter {
        struct rpc_post post;
        struct letters *all;
        int number;
    } letter[POSTS];
    int next; /* queue thread only */
    bool in_order;
};

static void read_letter(struct rpc_post *p, struct rpc_queue *q)
{
    (void)q;
    struct letter *l = CONTAINER_OF(p, struct letter, post);
    struct letters *all = l->all;
    all->in_order = all->in_order && l->number == all->next;
    all->next++;
    atomic_fetch_add(&all->rig->seen.ran, 1);
    sys_event_signal(&all->rig->seen.event);
}

static void letters_init(struct letters *all, struct rig *g)
{
    *all = (struct letters){.rig = g, .in_order = true};
    for (int i = 0; i < POSTS; i++)
        all->letter[i] = (struct letter){.post.run = read_letter, .all = all, .number = i};
}

Test(rpc_queue, runs_posts_of_another_thread_once_and_in_order)
{
    struct rig g;
    static struct letters all;
    struct rpc_counters n;
    rig_init(&g, RIG_PLAIN, 2);
    letters_init(&all, &g);

    for (int i = 0; i < POSTS; i++)
        rpc_post(rpc_queue_at(g.server, 1), &all.letter[i].post);

    rig_await(&g, &g.seen.ran, POSTS);
    cr_assert(all.in_order);
    rpc_server_counters(g.server, &n);
    cr_assert_leq(n.rings, POSTS);
    rig_deinit(&g);
    cr_assert_eq(g.seen.ran, POSTS);
}

/* The thread is blocked nearly always: each post must wake it. */
Test(rpc_queue, is_woken_by_a_post_while_it_sleeps)
{
    struct rig g;
    static struct letters all;
    struct rpc_counters n;
    rig_init(&g, RIG_PLAIN, 1);
    letters_init(&all, &g);

    for (int i = 0; i < POSTS; i++) {
        rpc_post(rpc_queue_at(g.server, 0), &all.letter[i].post);
        rig_await(&g, &g.seen.ran, i + 1);
    }

    rpc_server_counters(g.server, &n);
    cr_assert_gt(n.rings, 0);
    cr_assert(all.in_order);
    rig_deinit(&g);
}

static void post_again(struct rpc_post *p, struct rpc_queue *q)
{
    struct letter *l = CONTAINER_OF(p, struct letter, post);
    if (++l->number < 1000)
        rpc_post(q, p);
    else
        read_letter(p, q);
}

Test(rpc_queue, does_not_ring_for_posts_of_its_own_thread)
{
    struct rig g;
    static struct letters all;
    struct rpc_counters n;
    rig_init(&g, RIG_PLAIN, 1);
    letters_init(&all, &g);
    all.letter[0].post.run = post_again;

    rpc_post(rpc_queue_at(g.server, 0), &all.letter[0].post);
    rig_await(&g, &g.seen.ran, 1);

    rpc_server_counters(g.server, &n);
    cr_assert_leq(n.rings, 1);
    rig_deinit(&g);
}

/* A post made after the mailbox was emptied, just before the thread blocks, with no tick to
 * help. */
Test(rpc_queue, does_not_sleep_through_a_post_of_on_idle)
{
    struct rig g;
    static struct letters all;
    rig_init(&g, RIG_PLAIN, 1);
    letters_init(&all, &g);
    atomic_store(&g.seen.idle_post, &all.letter[1].post);

    rpc_post(rpc_queue_at(g.server, 0), &all.letter[0].post);

    rig_await(&g, &g.seen.ran, 2);
    rig_deinit(&g);
}

Test(rpc_queue, calls_its_hooks)
{
    struct rig g;
    rig_init_ticking(&g, 5);

    rig_await(&g, &g.seen.ticks, 3);

    cr_assert_gt(g.seen.idle, 0);
    rig_deinit(&g);
}

Test(rpc_queue, knows_its_index)
{
    struct rig g;
    rig_init(&g, RIG_PLAIN, 2);

    cr_assert_eq(rpc_queue_count(g.server), 2);
    cr_assert_eq(rpc_queue_index(rpc_queue_at(g.server, 1)), 1);
    rig_deinit(&g);
}
