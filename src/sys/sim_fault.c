/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults of the simulator's disk: whether one strikes, by order or by chance, and how often each
 * kind took effect. Chances draw from the seed only where they are set, so a run without faults
 * draws nothing here.
 *
 * Thread: any; what is not in the face runs with the simulator's mutex held.
 */
#include "sim_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <string.h>

#define MILLION          1000000u
#define SLOW_NS_DEFAULT  UINT64_C(20000000)
#define STUCK_NS_DEFAULT UINT64_C(20000000000)

struct sim_order {
    enum sys_sim_fault fault;
    char *part;
    unsigned skip, count;
    struct sim_order *next;
};

static const char *const names[] = {
#define FAULT_NAME(id, name) name,
    SYS_SIM_FAULTS(FAULT_NAME)
#undef FAULT_NAME
};

const char *sys_sim_fault_name(enum sys_sim_fault f)
{
    must((unsigned)f < SYS_SIM_FAULT_COUNT);
    return names[f];
}

uint64_t sys_sim_hits(struct sys *base, enum sys_sim_fault f)
{
    struct sim *s = (struct sim *)base;

    must((unsigned)f < SYS_SIM_FAULT_COUNT);
    sys_mutex_lock(&s->lock);
    uint64_t hits = s->hits[f];
    sys_mutex_unlock(&s->lock);
    return hits;
}

void sys__sim_faults_free(struct sim *s)
{
    while (s->orders != NULL) {
        struct sim_order *o = s->orders;
        s->orders = o->next;
        mem_free(o->part);
        mem_free(o);
    }
    mem_free((char *)(uintptr_t)s->faults.under);
    s->faults = (struct sys_sim_faults){0};
}

void sys_sim_set_faults(struct sys *base, const struct sys_sim_faults *f)
{
    struct sim *s = (struct sim *)base;

    sys_mutex_lock(&s->lock);
    sys__sim_faults_free(s);
    if (f != NULL) {
        s->faults = *f;
        s->faults.under = f->under != NULL ? mem_strdup(f->under) : NULL;
    }
    sys_mutex_unlock(&s->lock);
}

void sys_sim_order(struct sys *base, enum sys_sim_fault f, const char *part, unsigned skip,
                   unsigned count)
{
    struct sim *s = (struct sim *)base;
    struct sim_order *o = mem_zalloc(sizeof(*o));

    must(f >= SYS_SIM_WRITE_ERROR && f <= SYS_SIM_STUCK);
    must(f != SYS_SIM_NO_SPACE && f != SYS_SIM_BIT_FLIP);
    *o = (struct sim_order){f, mem_strdup(part), skip, count, NULL};
    sys_mutex_lock(&s->lock);
    struct sim_order **at = &s->orders;
    while (*at != NULL)
        at = &(*at)->next;
    *at = o;
    sys_mutex_unlock(&s->lock);
}

/* ---- does it strike? ---- */

static bool is_ordered(struct sim *s, enum sys_sim_fault f, const char *path)
{
    for (struct sim_order *o = s->orders; o != NULL; o = o->next) {
        if (o->fault != f || o->count == 0 || strstr(path, o->part) == NULL)
            continue;
        if (o->skip > 0) {
            o->skip--;
            continue;
        }
        o->count--;
        return true;
    }
    return false;
}

static uint32_t chance_of(const struct sys_sim_faults *x, enum sys_sim_fault f)
{
    switch (f) {
    case SYS_SIM_WRITE_ERROR: return x->write_error;
    case SYS_SIM_SHORT_WRITE: return x->short_write;
    case SYS_SIM_SYNC_ERROR: return x->sync_error;
    case SYS_SIM_SLOW: return x->slow;
    case SYS_SIM_STUCK: return x->stuck;
    default: return 0;
    }
}

bool sys__sim_strikes(struct sim *s, enum sys_sim_fault f, const char *path)
{
    const char *under = s->faults.under;
    bool strikes = is_ordered(s, f, path);
    uint32_t chance = chance_of(&s->faults, f);

    if (!strikes && chance > 0 && (under == NULL || strncmp(path, under, strlen(under)) == 0))
        strikes = sys__sim_below(s, MILLION) < chance;
    s->hits[f] += strikes;
    return strikes;
}

uint64_t sys__sim_draw_delay(struct sim *s, const char *path)
{
    uint64_t slow = s->faults.slow_ns != 0 ? s->faults.slow_ns : SLOW_NS_DEFAULT;
    uint64_t stuck = s->faults.stuck_ns != 0 ? s->faults.stuck_ns : STUCK_NS_DEFAULT;

    if (sys__sim_strikes(s, SYS_SIM_STUCK, path))
        return stuck / 2 + sys__sim_below(s, stuck / 2 + 1);
    return sys__sim_strikes(s, SYS_SIM_SLOW, path) ? 1 + sys__sim_below(s, slow) : 0;
}

uint64_t sys__sim_delay_ns(struct sim *s, const char *path)
{
    sys_mutex_lock(&s->lock);
    uint64_t ns = sys__sim_draw_delay(s, path);
    sys_mutex_unlock(&s->lock);
    return ns;
}

size_t sys__sim_draw_len(struct sim *s, const char *path, size_t len)
{
    if (len == 0)
        return 0;
    if (sys__sim_strikes(s, SYS_SIM_WRITE_ERROR, path)) /* nothing, or some of it */
        return (sys__sim_random(s) & 1) != 0 ? 0 : sys__sim_below(s, len) / SIM_SECTOR * SIM_SECTOR;
    if (sys__sim_strikes(s, SYS_SIM_SHORT_WRITE, path))
        return sys__sim_below(s, len) / SIM_SECTOR * SIM_SECTOR;
    return len;
}

/* ---- space ---- */

static uint64_t used_bytes(const struct sim *s)
{
    uint64_t used = 0;

    for (const struct sim_node *n = s->nodes; n != NULL; n = n->next)
        used += n->live.len;
    return used;
}

bool sys__sim_has_space(struct sim *s, uint64_t more)
{
    if (s->capacity == UINT64_MAX)
        return true;
    uint64_t used = used_bytes(s);
    bool fits = used < s->capacity && more <= s->capacity - used;
    s->hits[SYS_SIM_NO_SPACE] += !fits;
    return fits;
}

void sys_sim_set_capacity(struct sys *base, uint64_t bytes)
{
    struct sim *s = (struct sim *)base;

    sys_mutex_lock(&s->lock);
    s->capacity = bytes;
    sys_mutex_unlock(&s->lock);
}

uint64_t sys_sim_used(struct sys *base)
{
    struct sim *s = (struct sim *)base;

    sys_mutex_lock(&s->lock);
    uint64_t used = used_bytes(s);
    sys_mutex_unlock(&s->lock);
    return used;
}

/* ---- a bit at rest ---- */

int sys_sim_flip(struct sys *base, const char *path, uint64_t bit, struct err *e)
{
    struct sim *s = (struct sim *)base;
    struct sim_node *n;
    int r = 0;

    sys_mutex_lock(&s->lock);
    int errnum = sys__sim_find(s, path, &n);
    if (errnum != 0)
        r = sys__fail(e, errnum, path, "flip a bit in it");
    else if (n->is_folder || bit / 8 >= n->live.len)
        r = err_set(e, ERR_INVALID, "%s: has no bit %llu", path, (unsigned long long)bit);
    if (r == 0) {
        uint8_t mask = (uint8_t)(1u << (bit % 8));
        n->live.data[bit / 8] ^= mask;
        if (bit / 8 < n->synced.len)
            n->synced.data[bit / 8] ^= mask;
        s->hits[SYS_SIM_BIT_FLIP]++;
    }
    sys_mutex_unlock(&s->lock);
    return r;
}
