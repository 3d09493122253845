/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of one size. One thread takes; any thread gives back, by pushing on a stack whose content
 * the taking thread fetches whole (so no ABA). What is beyond keep_max then goes to the heap.
 */
#include "rpc_priv.h"

#include "base/mem.h"
#include "base/must.h"

void rpc__pool_init(struct rpc__pool *p, size_t item_bytes, size_t keep_max)
{
    must(item_bytes >= sizeof(struct rpc__node));
    *p = (struct rpc__pool){.item_bytes = (size_t)(item_bytes + 63) & ~(size_t)63,
                            .keep_max = keep_max};
}

static void fetch_returned(struct rpc__pool *p)
{
    struct rpc__node *n = atomic_exchange_explicit(&p->returned, NULL, memory_order_acquire);
    while (n) {
        struct rpc__node *next = n->next;
        if (p->own_count < p->keep_max) {
            n->next = p->own;
            p->own = n;
            p->own_count++;
        } else {
            mem_free(n);
        }
        n = next;
    }
}

void *rpc__pool_get(struct rpc__pool *p)
{
    atomic_fetch_add_explicit(&p->taken, 1, memory_order_relaxed);
    if (!p->own && p->keep_max > 0)
        fetch_returned(p);
    struct rpc__node *n = p->own;
    if (!n)
        return mem_aligned(64, p->item_bytes);
    p->own = n->next;
    p->own_count--;
    return n;
}

void rpc__pool_put(struct rpc__pool *p, struct rpc__node *item)
{
    if (p->keep_max == 0) {
        mem_free(item);
    } else {
        item->next = atomic_load_explicit(&p->returned, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&p->returned, &item->next, item,
                                                      memory_order_release, memory_order_relaxed)) {
        }
    }
    atomic_fetch_sub_explicit(&p->taken, 1, memory_order_release);
}

void rpc__pool_deinit(struct rpc__pool *p)
{
    must(atomic_load_explicit(&p->taken, memory_order_acquire) == 0);
    p->keep_max = 0;
    fetch_returned(p);
    while (p->own) {
        struct rpc__node *next = p->own->next;
        mem_free(p->own);
        p->own = next;
    }
}
