/* SPDX-License-Identifier: Apache-2.0 */
/*
 * objstore for tests: another store with faults, on order or by chance. An order says what happens
 * to the next calls whose name contains a text; the first order that still has something to do
 * decides, and orders come before chances. On calls that only read, LOSE_ANSWER is a timeout.
 *
 * Any thread: orders and chances stand under a mutex, the calls below it and sleeping do not.
 */
#include "objstore/objstore.h"

#include "base/mem.h"
#include "base/must.h"
#include "sys/sys.h"

#include "objstore_priv.h"

#include <string.h>

#define MILLION         1000000u
#define SLOW_MS_DEFAULT 2000u

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
    struct sys *sys;      /* NULL: no chances, nothing is slow */
    struct objstore_chances chances;
    uint64_t hits[OBJSTORE_FAULT_COUNT], calls;
};

static struct fake *of(const struct objstore *o)
{
    return (struct fake *)(uintptr_t)o;
}

const char *objstore_fault_name(enum objstore_fault f)
{
    static const char *const names[OBJSTORE_FAULT_COUNT] = {
        "lake_unavailable", "lake_answer_lost", "lake_no_space",
        "lake_timeout",     "lake_race_lost",   "lake_slow",
    };
    must((unsigned)f < OBJSTORE_FAULT_COUNT);
    return names[f];
}

/* ---- does one strike? ---- */

enum kind { KIND_READ, KIND_WRITE, KIND_PUT_ABSENT };

static bool can_strike(const struct fake *f, enum kind kind, enum objstore_fault fault)
{
    switch (fault) {
    case OBJSTORE_NO_SPACE: return kind != KIND_READ;
    case OBJSTORE_LOSE_RACE: return kind == KIND_PUT_ABSENT;
    case OBJSTORE_SLOW: return f->sys != NULL;
    default: return true;
    }
}

/* Is there an order for this call? One step of it is used up then. */
static bool is_ordered(struct fake *f, enum kind kind, const char *name,
                       enum objstore_fault *ret_fault)
{
    for (struct order *x = f->orders; x; x = x->next) {
        if (x->count == 0 || !strstr(name, x->part) || !can_strike(f, kind, x->fault))
            continue;
        if (x->skip > 0) {
            x->skip--;
            continue;
        }
        x->count--;
        *ret_fault = x->fault;
        return true;
    }
    return false;
}

static uint32_t draw(struct fake *f, uint32_t below)
{
    uint32_t random;
    sys_random(f->sys, &random, sizeof(random));
    return random % below;
}

static bool by_chance(struct fake *f, enum kind kind, enum objstore_fault *ret_fault)
{
    for (unsigned i = 0; f->sys != NULL && i < OBJSTORE_FAULT_COUNT; i++) {
        enum objstore_fault fault = (enum objstore_fault)i;
        if (f->chances.of[i] == 0 || !can_strike(f, kind, fault) ||
            draw(f, MILLION) >= f->chances.of[i])
            continue;
        *ret_fault = fault;
        return true;
    }
    return false;
}

static bool next_fault(struct fake *f, enum kind kind, const char *name,
                       enum objstore_fault *ret_fault)
{
    sys_mutex_lock(&f->lock);
    f->calls++;
    bool found = is_ordered(f, kind, name, ret_fault) || by_chance(f, kind, ret_fault);
    if (found)
        f->hits[*ret_fault]++;
    sys_mutex_unlock(&f->lock);
    return found;
}

/* ---- a call ---- */

enum fate { FATE_GOES_ON, FATE_LOSES_ANSWER, FATE_LOSES_RACE };

/* A fate, or negative: the call is over. */
static int begin(struct fake *f, enum kind kind, const char *name, struct err *e)
{
    enum objstore_fault fault = OBJSTORE_FAULT_COUNT;
    if (!next_fault(f, kind, name, &fault))
        return FATE_GOES_ON;
    switch (fault) {
    case OBJSTORE_FAIL: return err_set(e, ERR_UNAVAILABLE, "%s: fails on order", name);
    case OBJSTORE_NO_SPACE: return err_set(e, ERR_NO_SPACE, "%s: no space, on order", name);
    case OBJSTORE_TIMEOUT: return err_set(e, ERR_TIMEOUT, "%s: no answer, on order", name);
    case OBJSTORE_LOSE_ANSWER: return FATE_LOSES_ANSWER;
    case OBJSTORE_LOSE_RACE: return FATE_LOSES_RACE;
    case OBJSTORE_SLOW:
        sys_sleep_ms(f->sys,
                     1 + draw(f, f->chances.slow_ms != 0 ? f->chances.slow_ms : SLOW_MS_DEFAULT));
        return FATE_GOES_ON;
    case OBJSTORE_FAULT_COUNT: break;
    }
    return FATE_GOES_ON;
}

/* The call was done with result @r; what is its answer? */
static int end(const char *name, int fate, int r, struct err *e)
{
    if (fate != FATE_LOSES_ANSWER)
        return r;
    return err_set(e, ERR_TIMEOUT, "%s: the answer was lost, on order", name);
}

static int fake_put(struct objstore *o, const char *name, struct slice data, struct err *e)
{
    int fate = begin(of(o), KIND_WRITE, name, e);
    TRY(fate);
    return end(name, fate, objstore_put(of(o)->below, name, data, e), e);
}

/* The other writer's object: the first line of ours, which says who and when, but adds nothing. */
static struct slice rival_of(struct slice data)
{
    const uint8_t *line_end = data.len > 0 ? memchr(data.data, '\n', data.len) : NULL;
    return line_end ? slice_of(data.data, (size_t)(line_end - data.data) + 1) : data;
}

static int fake_put_absent(struct objstore *o, const char *name, struct slice data, struct err *e)
{
    int fate = begin(of(o), KIND_PUT_ABSENT, name, e);
    TRY(fate);
    if (fate == FATE_LOSES_RACE) {
        int r = objstore_put_absent(of(o)->below, name, rival_of(data), e);
        if (r < 0 && r != ERR_EXISTS)
            return r;
    }
    return end(name, fate, objstore_put_absent(of(o)->below, name, data, e), e);
}

static int fake_get(struct objstore *o, const char *name, size_t len_max, struct buf *out,
                    struct err *e)
{
    int fate = begin(of(o), KIND_READ, name, e);
    TRY(fate);
    if (fate == FATE_LOSES_ANSWER)
        return end(name, fate, 0, e);
    return objstore_get(of(o)->below, name, len_max, out, e);
}

static int fake_get_tail(struct objstore *o, const char *name, size_t len, struct buf *out,
                         struct err *e)
{
    int fate = begin(of(o), KIND_READ, name, e);
    TRY(fate);
    if (fate == FATE_LOSES_ANSWER)
        return end(name, fate, 0, e);
    return objstore_get_tail(of(o)->below, name, len, out, e);
}

static int fake_list(struct objstore *o, const char *prefix, const char *after,
                     struct objstore_list *ret_list, struct err *e)
{
    int fate = begin(of(o), KIND_READ, prefix, e);
    TRY(fate);
    if (fate == FATE_LOSES_ANSWER)
        return end(prefix, fate, 0, e);
    return objstore_list(of(o)->below, prefix, after, ret_list, e);
}

static int fake_delete(struct objstore *o, const char *name, struct err *e)
{
    int fate = begin(of(o), KIND_READ, name, e); /* it needs no space */
    TRY(fate);
    return end(name, fate, objstore_delete(of(o)->below, name, e), e);
}

static int fake_is_empty(struct objstore *o, const char *prefix, bool *ret_empty, struct err *e)
{
    int fate = begin(of(o), KIND_READ, prefix, e);
    TRY(fate);
    if (fate == FATE_LOSES_ANSWER)
        return end(prefix, fate, 0, e);
    return objstore_is_empty(of(o)->below, prefix, ret_empty, e);
}

static int fake_clean(struct objstore *o, const char *prefix, int64_t before_us,
                      uint64_t *ret_count, struct err *e)
{
    *ret_count = 0;
    int fate = begin(of(o), KIND_READ, prefix, e);
    TRY(fate);
    return end(prefix, fate, objstore_clean(of(o)->below, prefix, before_us, ret_count, e), e);
}

static int fake_settle(struct objstore *o, const char *prefix, struct err *e)
{
    int fate = begin(of(o), KIND_READ, prefix, e);
    TRY(fate);
    return end(prefix, fate, objstore_settle(of(o)->below, prefix, e), e);
}

static int fake_move(struct objstore *o, const char *from, const char *to, struct err *e)
{
    int fate = begin(of(o), KIND_READ, from, e);
    TRY(fate);
    return end(from, fate, objstore_move(of(o)->below, from, to, e), e);
}

static const char *fake_root(const struct objstore *o)
{
    return objstore_root(of(o)->below);
}

static void forget_orders(struct fake *f)
{
    while (f->orders) {
        struct order *x = f->orders;
        f->orders = x->next;
        mem_free(x->part);
        mem_free(x);
    }
}

static struct objstore *fake_close(struct objstore *o)
{
    struct fake *f = of(o);
    forget_orders(f);
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
    .get_tail = fake_get_tail,
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

void objstore_fake_chances(struct objstore *fake, struct sys *s,
                           const struct objstore_chances *chances)
{
    must(fake->ops == &fake_ops);
    struct fake *f = of(fake);
    sys_mutex_lock(&f->lock);
    f->sys = s;
    f->chances = chances ? *chances : (struct objstore_chances){.slow_ms = 0};
    if (!chances)
        forget_orders(f);
    sys_mutex_unlock(&f->lock);
}

uint64_t objstore_fake_calls(struct objstore *fake)
{
    must(fake->ops == &fake_ops);
    struct fake *f = of(fake);
    sys_mutex_lock(&f->lock);
    uint64_t calls = f->calls;
    sys_mutex_unlock(&f->lock);
    return calls;
}

uint64_t objstore_fake_hits(struct objstore *fake, enum objstore_fault fault)
{
    must(fake->ops == &fake_ops && (unsigned)fault < OBJSTORE_FAULT_COUNT);
    struct fake *f = of(fake);
    sys_mutex_lock(&f->lock);
    uint64_t hits = f->hits[fault];
    sys_mutex_unlock(&f->lock);
    return hits;
}
