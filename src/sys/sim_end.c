/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends of lives: what a power loss and a kill leave on the simulator's disk, and the writes of a
 * killed life that land when the next one runs.
 *
 * A power loss goes through every file and chooses between its live and its synced bytes, sector by
 * sector where they differ; through every folder, and keeps some of the names that were not synced;
 * and through every ring write in flight, of which any sectors may have been written. A rename is
 * never half undone so that both names are gone: names go only when all new ones of that folder
 * stay.
 *
 * Thread: any; everything here runs under the simulator's mutex.
 */
#include "sim_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <string.h>

#define LATE_NS_MAX UINT64_C(20000000000)

/* ---- which sectors stay ---- */

enum keep { KEEP_NONE, KEEP_ALL, KEEP_FIRST, KEEP_SOME };

struct choice {
    enum keep keep;
    uint64_t first; /* KEEP_FIRST: so many of them stay */
};

static struct choice choose(struct sim *s, uint64_t sectors)
{
    static const enum keep kinds[8] = {KEEP_NONE, KEEP_NONE,  KEEP_NONE, KEEP_ALL,
                                       KEEP_ALL,  KEEP_FIRST, KEEP_SOME, KEEP_SOME};
    enum keep keep = kinds[sys__sim_below(s, 8)];

    return (struct choice){keep, keep == KEEP_FIRST ? sys__sim_below(s, sectors + 1) : 0};
}

static bool stays(struct sim *s, const struct choice *c, uint64_t sector)
{
    switch (c->keep) {
    case KEEP_NONE: return false;
    case KEEP_ALL: return true;
    case KEEP_FIRST: return sector < c->first;
    case KEEP_SOME: return (sys__sim_random(s) & 1) != 0;
    }
    return false;
}

/* What became of the sectors of one file or one write, for the counters. */
struct fates {
    uint64_t kept, lost;
    bool kept_after_lost;
};

static void note_fate(struct fates *f, bool kept)
{
    f->kept += kept;
    f->lost += !kept;
    f->kept_after_lost |= kept && f->lost > 0;
}

static void count_fates(struct sim *s, const struct fates *f)
{
    s->hits[SYS_SIM_LOST] += f->lost > 0;
    s->hits[SYS_SIM_TORN] += f->lost > 0 && f->kept > 0;
    s->hits[SYS_SIM_REORDERED] += f->kept_after_lost;
}

/* ---- a file's bytes ---- */

static bool differs(const struct sim_node *n, size_t from, size_t to)
{
    if (to > n->synced.len)
        return true;
    return memcmp(n->live.data + from, n->synced.data + from, to - from) != 0;
}

/* Sectors of the dirty part that stay go to the synced bytes. */
static void settle_bytes(struct sim *s, struct sim_node *n)
{
    size_t from = n->dirty_from / SIM_SECTOR * SIM_SECTOR, end = MIN(n->dirty_to, n->live.len);
    if (from >= end && n->live.len == n->synced.len)
        return;
    struct choice c = choose(s, (end - MIN(from, end)) / SIM_SECTOR + 1);
    struct fates fates = {0, 0, false};

    for (size_t at = from, i = 0; at < end; at += SIM_SECTOR, i++) {
        size_t to = MIN(at + SIM_SECTOR, end);
        if (!differs(n, at, to))
            continue;
        bool kept = stays(s, &c, i);
        note_fate(&fates, kept);
        if (kept)
            sys__sim_put_synced(n, n->live.data + at, to - at, at);
    }
    if (n->live.len < n->synced.len && c.keep == KEEP_ALL)
        sys__sim_bytes_resize(&n->synced, n->live.len);
    count_fates(s, &fates);
}

/* ---- a folder's names ---- */

static bool is_new(const struct sim_folder *synced, const struct sim_entry *x)
{
    return sys__sim_folder_find(synced, x->name) != x->node;
}

static bool holds_node(const struct sim_folder *f, const struct sim_node *node)
{
    size_t i = 0;

    while (i < f->count && f->entries[i].node != node)
        i++;
    return i < f->count;
}

/* The other folder that @node, once in folder @from, stands in now; NULL: none. */
static const struct sim_node *has_moved(const struct sim *s, const struct sim_node *from,
                                        const struct sim_node *node)
{
    if (holds_node(&from->names, node))
        return NULL;
    for (const struct sim_node *n = s->nodes; n != NULL; n = n->next)
        if (n->is_folder && n != from && holds_node(&n->names, node))
            return n;
    return NULL;
}

static void settle_names(struct sim *s, struct sim_node *n)
{
    struct sim_folder *synced = &n->synced_names;
    bool some = (sys__sim_random(s) & 1) != 0, all = some;

    for (size_t i = 0; i < n->names.count; i++) {
        const struct sim_entry *x = &n->names.entries[i];
        if (!is_new(synced, x))
            continue;
        bool kept = some && sys__sim_below(s, 4) != 0;
        all &= kept;
        s->hits[SYS_SIM_NAME_LOST] += !kept;
        if (kept)
            sys__sim_folder_set(synced, x->name, x->node);
    }
    for (size_t i = synced->count; all && i-- > 0;) {
        const struct sim_entry *x = &synced->entries[i];
        if (sys__sim_folder_find(&n->names, x->name) == NULL && !has_moved(s, n, x->node))
            sys__sim_folder_remove(synced, x->name);
    }
}

/* A rename from folder to folder is done or not done, once all new names are settled. */
static void settle_moves(struct sim *s, struct sim_node *n)
{
    struct sim_folder *synced = &n->synced_names;

    for (size_t i = synced->count; i-- > 0;) {
        const struct sim_entry *x = &synced->entries[i];
        const struct sim_node *to = has_moved(s, n, x->node);
        if (to != NULL && holds_node(&to->synced_names, x->node))
            sys__sim_folder_remove(synced, x->name);
    }
}

/* ---- ring writes in flight ---- */

/* Power loss: any of its sectors may have been written. */
static void settle_write(struct sim *s, const struct sim_pending *p, struct fates *all)
{
    struct sim_node *n = p->file->node;
    struct choice c = choose(s, p->len / SIM_SECTOR);
    struct fates fates = {0, 0, false};

    for (size_t at = 0, i = 0; at < p->len; at += SIM_SECTOR, i++) {
        bool kept = stays(s, &c, i);
        note_fate(&fates, kept);
        if (kept)
            sys__sim_put_synced(n, (const uint8_t *)p->buf + at, SIM_SECTOR,
                                (size_t)p->offset + at);
    }
    count_fates(s, &fates);
    note_fate(all, fates.kept > 0);
}

static void hold_back(struct sim *s, const struct sim_pending *p)
{
    struct sim_late *x = mem_zalloc(sizeof(*x)), **at = &s->late;

    *x = (struct sim_late){p->file, mem_alloc(p->len), p->len, p->offset, 0, NULL};
    memcpy(x->data, p->buf, p->len);
    x->due_ns = s->now_ns + (LATE_NS_MAX >> sys__sim_below(s, 12));
    p->file->refs++;
    p->file->late++;
    while (*at != NULL)
        at = &(*at)->next;
    *at = x;
}

static void land(struct sim_node *n, const void *buf, size_t len, uint64_t offset)
{
    size_t from = (size_t)offset;

    if (from + len > n->live.len)
        sys__sim_bytes_resize(&n->live, from + len);
    memcpy(n->live.data + from, buf, len);
    sys__sim_put_synced(n, buf, len, from);
}

/* It has been written, but nobody waited for the device's cache: the next life can read it. */
static void land_unsynced(struct sim_node *n, const void *buf, size_t len, uint64_t offset)
{
    size_t from = (size_t)offset, to = from + len;

    if (len == 0)
        return;
    if (to > n->live.len)
        sys__sim_bytes_resize(&n->live, to);
    memcpy(n->live.data + from, buf, len);
    sys__sim_mark_dirty(n, from, to);
}

/* Kill: the kernel has it or not; what it has, it finishes. */
static void finish_killed(struct sim *s, const struct sim_pending *p)
{
    switch (sys__sim_below(s, 4)) {
    case 0: break; /* it had not been taken yet */
    case 1: land(p->file->node, p->buf, p->done_len, p->offset); break;
    case 2: land_unsynced(p->file->node, p->buf, p->done_len, p->offset); break;
    default: hold_back(s, p); break;
    }
}

enum end { END_BY_THE_BOOK, END_POWER, END_KILL };

static void end_ring(struct sim *s, struct sim_ring *r, enum end end)
{
    struct fates fates = {0, 0, false};

    for (unsigned i = 0; i < r->count; i++) {
        const struct sim_pending *p = &r->pending[i];
        if (end == END_POWER)
            settle_write(s, p, &fates);
        else if (end == END_KILL)
            finish_killed(s, p);
        sys__sim_file_unref(p->file);
    }
    s->hits[SYS_SIM_REORDERED] += fates.kept_after_lost;
    r->count = 0;
}

/* ---- late writes ---- */

static void drop_late(struct sim_late *x)
{
    struct sim_file *f = x->file;

    if (--f->late == 0) {
        sys__sim_file_unlock(f);
        sys__sim_node_unref(f->node);
        f->node = NULL;
    }
    sys__sim_file_unref(f);
    mem_free(x->data);
    mem_free(x);
}

void sys__sim_land_late(struct sim *s)
{
    for (struct sim_late **at = &s->late; *at != NULL;) {
        struct sim_late *x = *at;
        if (x->due_ns > s->now_ns) {
            at = &x->next;
            continue;
        }
        *at = x->next;
        land(x->file->node, x->data, x->len, x->offset);
        s->hits[SYS_SIM_LATE_WRITE]++;
        drop_late(x);
    }
}

void sys__sim_late_free(struct sim *s)
{
    while (s->late != NULL) {
        struct sim_late *x = s->late;
        s->late = x->next;
        drop_late(x);
    }
}

bool sys_sim_late_pending(struct sys *base)
{
    struct sim *s = (struct sim *)base;

    sys_mutex_lock(&s->lock);
    bool pending = s->late != NULL;
    sys_mutex_unlock(&s->lock);
    return pending;
}

/* ---- the end ---- */

/* Open files of this life let go of everything, but for what late writes still need. */
static void end_files(struct sim *s)
{
    for (struct sim_file *f = s->files; f != NULL; f = f->next) {
        if (f->node == NULL || f->late > 0)
            continue;
        sys__sim_file_unlock(f);
        sys__sim_node_unref(f->node);
        f->node = NULL;
    }
}

static void revert(struct sim *s, enum end end)
{
    for (struct sim_node *n = s->nodes; n != NULL; n = n->next)
        n->refs++; /* nothing may vanish while we walk */
    for (struct sim_node *n = s->nodes; n != NULL; n = n->next) {
        if (end == END_POWER && n->is_folder)
            settle_names(s, n);
        else if (end == END_POWER)
            settle_bytes(s, n);
    }
    for (struct sim_node *n = s->nodes; n != NULL; n = n->next)
        if (end == END_POWER && n->is_folder)
            settle_moves(s, n);
    for (struct sim_node *n = s->nodes; n != NULL; n = n->next)
        sys__sim_node_revert(n);
    for (struct sim_node *n = s->nodes, *next; n != NULL; n = next) {
        next = n->next;
        sys__sim_node_unref(n);
    }
}

static void end_life(struct sim *s, enum end end)
{
    sys_mutex_lock(&s->lock);
    for (struct sim_ring *r = s->rings; r != NULL; r = r->next)
        end_ring(s, r, end);
    if (end != END_KILL)
        sys__sim_late_free(s);
    s->life++;
    end_files(s);
    if (end != END_KILL)
        revert(s, end);
    s->hits[end == END_KILL ? SYS_SIM_KILL : SYS_SIM_POWER]++;
    sys_mutex_unlock(&s->lock);
}

void sys_sim_crash(struct sys *base)
{
    end_life((struct sim *)base, END_BY_THE_BOOK);
}

void sys_sim_power_loss(struct sys *base)
{
    end_life((struct sim *)base, END_POWER);
}

void sys_sim_kill(struct sys *base)
{
    end_life((struct sim *)base, END_KILL);
}
