/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc_priv.h"

#include "test.h"

struct item {
    struct rpc__node node;
    int value;
};

Test(rpc_pool, hands_out_again_what_came_back)
{
    struct rpc__pool p;
    rpc__pool_init(&p, sizeof(struct item), 8);
    struct item *a = rpc__pool_get(&p);
    struct item *b = rpc__pool_get(&p);
    cr_assert_neq(a, b);

    rpc__pool_put(&p, &a->node);
    struct item *again = rpc__pool_get(&p);

    cr_assert_eq(again, a);
    rpc__pool_put(&p, &again->node);
    rpc__pool_put(&p, &b->node);
    rpc__pool_deinit(&p);
}

Test(rpc_pool, keeps_no_more_than_its_limit)
{
    struct rpc__pool p;
    struct item *items[10];
    rpc__pool_init(&p, sizeof(struct item), 3);
    for (int i = 0; i < 10; i++)
        items[i] = rpc__pool_get(&p);
    for (int i = 0; i < 10; i++)
        rpc__pool_put(&p, &items[i]->node);

    struct item *one = rpc__pool_get(&p);

    cr_assert_eq(p.own_count, 2);
    rpc__pool_put(&p, &one->node);
    rpc__pool_deinit(&p);
}

DeathTest(rpc_pool, refuses_to_go_while_an_item_is_out)
{
    struct rpc__pool p;
    rpc__pool_init(&p, sizeof(struct item), 3);
    (void)rpc__pool_get(&p);

    rpc__pool_deinit(&p);
}

struct giver {
    struct rpc__pool *pool;
    _Atomic(struct item *) box;
    _Atomic bool end;
};

static void give_back(void *arg)
{
    struct giver *g = arg;
    while (!atomic_load(&g->end)) {
        struct item *i = atomic_exchange(&g->box, NULL);
        if (i)
            rpc__pool_put(g->pool, &i->node);
    }
}

/* One thread takes, another gives back: no item is in two hands at once, none is lost. */
Test(rpc_pool, lets_another_thread_give_back)
{
    struct sys *sys;
    struct sys_thread *t;
    struct rpc__pool p;
    rpc__pool_init(&p, sizeof(struct item), 16);
    struct giver g = {.pool = &p};
    cr_assert_eq(sys_new_uring(&sys, NULL), 0);
    cr_assert_eq(sys_thread_start(sys, "giver", give_back, &g, &t), 0);

    for (int n = 0; n < 100000; n++) {
        struct item *i = rpc__pool_get(&p);
        i->value = n;
        struct item *none = NULL;
        if (!atomic_compare_exchange_strong(&g.box, &none, i)) {
            cr_assert_eq(i->value, n);
            rpc__pool_put(&p, &i->node);
        }
    }
    atomic_store(&g.end, true);
    sys_thread_join(t);
    if (g.box)
        rpc__pool_put(&p, &atomic_load(&g.box)->node);

    cr_assert_eq(atomic_load(&p.taken), 0);
    rpc__pool_deinit(&p);
    sys_free(sys);
}
