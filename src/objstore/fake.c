/* SPDX-License-Identifier: Apache-2.0 */
/*
 * objstore for tests: another store with faults on order. An order says what happens to the next
 * calls whose name contains a text; the first order that still has something to do decides. Calls
 * that only read know FAIL; LOSE_ANSWER on them is the same as FAIL with a timeout.
 *
 * Any thread: the orders stand under a mutex, the calls below it do not.
 */
#include "objstore/objstore.h"

#include "base/mem.h"
#include "base/must.h"
#include "sys/sys.h"

#include "objstore_priv.h"

#include <string.h>

struct order {
    char *part;
    enum objstore_fault fault;
    unsigned skip, count;
    struct order *next;
};

struct fake {
    struct objstore base;
    struct objstore *below;
    struct sys_mutex lock;
    struct order *orders; /* oldest first */
};

static struct fake *of(const struct objstore *o)
{
    return (struct fake *)(uintptr_t)o;
}

/* Is there an order for this call? One step of it is used up then. */
static bool next_fault(struct fake *f, const char *name, enum objstore_fault *ret_fault)
{
    bool found = false;
    sys_mutex_lock(&f->lock);
    for (struct order *x = f->orders; x && !found; x = x->next) {
        if (x->count == 0 || !strstr(name, x->part))
            continue;
        if (x->skip > 0) {
            x->skip--;
            continue;
        }
        x->count--;
        *ret_fault = x->fault;
        found = true;
    }
    sys_mutex_unlock(&f->lock);
    return found;
}

/* 0: go on. Negative: the call is over. *ret_lose: do it, then lose the answer. */
static int begin(struct fake *f, const char *name, bool *ret_lose, struct err *e)
{
    enum objstore_fault fault;
    *ret_lose = false;
    if (!next_fault(f, name, &fault))
        return 0;
    switch (fault) {
    case OBJSTORE_FAIL: return err_set(e, ERR_UNAVAILABLE, "%s: fails on order", name);
    case OBJSTORE_NO_SPACE: return err_set(e, ERR_NO_SPACE, "%s: no space, on order", name);
    case OBJSTORE_LOSE_ANSWER: *ret_lose = true; return 0;
    }
    return 0;
}

static int end(const char *name, bool lose, int r, struct err *e)
{
    return lose ? err_set(e, ERR_TIMEOUT, "%s: the answer was lost, on order", name) : r;
}

static int fake_put(struct objstore *o, const char *name, struct slice data, struct err *e)
{
    bool lose;
    TRY(begin(of(o), name, &lose, e));
    return end(name, lose, objstore_put(of(o)->below, name, data, e), e);
}

static int fake_put_absent(struct objstore *o, const char *name, struct slice data, struct err *e)
{
    bool lose;
    TRY(begin(of(o), name, &lose, e));
    return end(name, lose, objstore_put_absent(of(o)->below, name, data, e), e);
}

static int fake_get(struct objstore *o, const char *name, size_t len_max, struct buf *out,
                    struct err *e)
{
    bool lose;
    TRY(begin(of(o), name, &lose, e));
    if (lose)
        return end(name, lose, 0, e);
    return objstore_get(of(o)->below, name, len_max, out, e);
}

static int fake_list(struct objstore *o, const char *prefix, const char *after,
                     struct objstore_list *ret_list, struct err *e)
{
    bool lose;
    TRY(begin(of(o), prefix, &lose, e));
    if (lose)
        return end(prefix, lose, 0, e);
    return objstore_list(of(o)->below, prefix, after, ret_list, e);
}

static int fake_delete(struct objstore *o, const char *name, struct err *e)
{
    bool lose;
    TRY(begin(of(o), name, &lose, e));
    return end(name, lose, objstore_delete(of(o)->below, name, e), e);
}

static int fake_is_empty(struct objstore *o, const char *prefix, bool *ret_empty, struct err *e)
{
    bool lose;
    TRY(begin(of(o), prefix, &lose, e));
    if (lose)
        return end(prefix, lose, 0, e);
    return objstore_is_empty(of(o)->below, prefix, ret_empty, e);
}

static int fake_clean(struct objstore *o, const char *prefix, int64_t before_us,
                      uint64_t *ret_count, struct err *e)
{
    bool lose;
    *ret_count = 0;
    TRY(begin(of(o), prefix, &lose, e));
    return end(prefix, lose, objstore_clean(of(o)->below, prefix, before_us, ret_count, e), e);
}

static int fake_settle(struct objstore *o, const char *prefix, struct err *e)
{
    bool lose;
    TRY(begin(of(o), prefix, &lose, e));
    return end(prefix, lose, objstore_settle(of(o)->below, prefix, e), e);
}

static int fake_move(struct objstore *o, const char *from, const char *to, struct err *e)
{
    bool lose;
    TRY(begin(of(o), from, &lose, e));
    return end(from, lose, objstore_move(of(o)->below, from, to, e), e);
}

static const char *fake_root(const struct objstore *o)
{
    return objstore_root(of(o)->below);
}

static struct objstore *fake_close(struct objstore *o)
{
    struct fake *f = of(o);
    while (f->orders) {
        struct order *x = f->orders;
        f->orders = x->next;
        mem_free(x->part);
        mem_free(x);
    }
    objstore_close(f->below);
    mem_free(f);
    return NULL;
}

static const struct objstore_ops fake_ops = {
    .close = fake_close,
    .root = fake_root,
    .put = fake_put,
    .put_absent = fake_put_absent,
    .get = fake_get,
    .list = fake_list,
    .remove = fake_delete,
    .is_empty = fake_is_empty,
    .clean = fake_clean,
    .settle = fake_settle,
    .move = fake_move,
};

struct objstore *objstore_open_fake(struct objstore *below)
{
    struct fake *f = mem_zalloc(sizeof(*f));
    f->base.ops = &fake_ops;
    f->below = below;
    f->lock = SYS_MUTEX_INIT;
    return &f->base;
}

void objstore_fake_order(struct objstore *fake, const char *part, enum objstore_fault fault,
                         unsigned skip, unsigned count)
{
    must(fake->ops == &fake_ops);
    struct fake *f = of(fake);
    struct order *x = mem_zalloc(sizeof(*x));
    *x = (struct order){.part = mem_strdup(part), .fault = fault, .skip = skip, .count = count};
    sys_mutex_lock(&f->lock);
    struct order **at = &f->orders;
    while (*at)
        at = &(*at)->next;
    *at = x;
    sys_mutex_unlock(&f->lock);
}
