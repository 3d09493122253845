/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orphans: data files that no commit names. A life that died between putting a file and committing
 * it leaves one, and its rows were committed under another name later. They are nobody's rows, only
 * space: removed after a grace period, at the beginning of a life and then at long intervals.
 *
 * A file goes only when all of this holds:
 *   - its name is of our pattern, and its footer says that a Sluice wrote it
 *   - it was put longer ago than the grace period, by the clock of the lake (a name's position says
 *     when its rows came, not when it was written; and a put that is still on its way is young)
 *   - its first position is committed: those rows are in Delta under another name
 *   - no commit from version 0 on names it, added or removed, ours or another writer's. Checkpoints
 *     say nothing that commits do not say, and a hole in the log ends the search
 *   - it is not the file of an attempt
 *
 * The worker does it in small steps: a listing, some commits, or some removals, with pauses.
 */
#include "compact/compact.h"

#include "base/mem.h"
#include "base/must.h"
#include "base/uuid.h"
#include "objstore/objstore.h"

#include "compact_priv.h"

#include <stdlib.h>
#include <string.h>

#define GRACE_MS_DEFAULT (24ull * 3600 * 1000)
#define MS_NS            1000000ull
#define FIRST_NS         (10000 * MS_NS) /* the first round begins so long after the start */
#define INTERVAL_MS_MIN  10000ull
#define INTERVAL_MS_MAX  (6ull * 3600 * 1000)
#define STEP_NS          (10 * MS_NS)
#define STEP_COMMITS     16
#define STEP_REMOVALS    16
#define PAGE_FILES       100000
#define TAIL_BYTES       65536u
#define WRITER           "sluice version "

/* A file that no commit is known to name yet. */
struct candidate {
    char name[128];
    uint64_t size;
    bool is_old;
};

void compact__sweep_init(struct compact *c, uint32_t grace_ms)
{
    struct compact_sweep *s = &c->sweep;
    uint64_t ms = grace_ms != 0 ? grace_ms : GRACE_MS_DEFAULT;
    s->grace_us = ms * 1000;
    s->interval_ns = MIN(MAX(ms / 2, INTERVAL_MS_MIN), INTERVAL_MS_MAX) * MS_NS;
    s->next_ns = sys_mono_ns(c->d.sys) + FIRST_NS;
    s->files = MAP_NULL;
}

static void forget_files(struct compact_sweep *s)
{
    struct candidate *f;
    for (size_t i = 0; (f = map_next(&s->files, &i)) != NULL;)
        mem_free(f);
    map_deinit(&s->files);
    s->files = MAP_NULL;
}

void compact__sweep_deinit(struct compact *c)
{
    forget_files(&c->sweep);
    mem_free(c->sweep.ids);
    c->sweep.ids = NULL;
}

/* ---- a round, a table ---- */

static void begin_round(struct compact *c)
{
    struct compact_sweep *s = &c->sweep;
    const struct compact_table *t;
    mem_free(s->ids);
    s->ids = mem_calloc(c->tables.len + 1, sizeof(*s->ids));
    s->count = s->at = 0;
    s->young = 0;
    for (size_t i = 0; (t = map_next(&c->tables, &i)) != NULL;)
        s->ids[s->count++] = t->id;
    s->phase = COMPACT_SWEEP_LIST;
    s->after[0] = '\0';
}

static void end_round(struct compact *c)
{
    struct compact_sweep *s = &c->sweep;
    c->totals.orphans_young = s->young;
    s->phase = COMPACT_SWEEP_NONE;
    s->next_ns = sys_mono_ns(c->d.sys) + s->interval_ns;
}

static void next_table(struct compact_sweep *s)
{
    forget_files(s);
    s->at++;
    s->after[0] = '\0';
    s->phase = COMPACT_SWEEP_LIST;
}

/* Only what is open and sound is swept. */
static struct compact_table *present_table(struct compact *c)
{
    struct compact_sweep *s = &c->sweep;
    struct compact_table *t = map_get(&c->tables, slice_of(&s->ids[s->at], sizeof(s->ids[s->at])));
    return t && t->state == COMPACT_READY ? t : NULL;
}

/* ---- listing ---- */

static void add_candidates(struct compact *c, const struct compact_table *t,
                           const struct objstore_list *l)
{
    struct compact_sweep *s = &c->sweep;
    int64_t now_us = sys_now_us(c->d.sys);
    for (size_t i = 0; i < l->count && i < PAGE_FILES; i++) {
        const struct objstore_entry *x = &l->entries[i];
        bronze_pos pos = delta_data_name_pos(x->name);
        if (strlen(x->name) < sizeof(s->after))
            memcpy(s->after, x->name, strlen(x->name) + 1);
        if (pos == 0 || pos > t->committed)
            continue;
        struct candidate *f = mem_zalloc(sizeof(*f));
        memcpy(f->name, x->name, strlen(x->name) + 1); /* a name of ours is short */
        f->size = x->size;
        f->is_old = now_us - x->modified_us >= (int64_t)s->grace_us;
        (void)map_put(&s->files, slice_str(f->name), f); /* names differ */
    }
    s->is_last_page = l->count <= PAGE_FILES;
}

/* What interrupted puts left. */
static int clean_folder(struct compact *c, const char *folder, struct err *e)
{
    uint64_t count = 0;
    int64_t before_us = sys_now_us(c->d.sys) - (int64_t)c->sweep.grace_us;
    int r = objstore_clean(c->d.lake, folder, before_us, &count, e);
    c->totals.leftovers_removed += count;
    return r;
}

static int list_table(struct compact *c, const struct compact_table *t, struct err *e)
{
    struct compact_sweep *s = &c->sweep;
    _cleanup_(objstore_list_deinit) struct objstore_list l = {NULL, 0};
    _cleanup_(mem_freep) char *log = mem_printf("%s/_delta_log", t->meta->location);
    if (s->after[0] == '\0') {
        TRY(clean_folder(c, t->meta->location, e));
        TRY(clean_folder(c, log, e));
    }
    TRY(objstore_list(c->d.lake, t->meta->location, s->after, &l, e));
    add_candidates(c, t, &l);
    s->version = 0;
    s->phase = COMPACT_SWEEP_READ;
    return 0;
}

/* ---- who is named ---- */

static void strike(void *ctx, const struct delta_entry *f)
{
    struct compact_sweep *s = ctx;
    const char *slash = strrchr(f->path, '/');
    mem_free(map_remove(&s->files, slice_str(slash ? slash + 1 : f->path)));
}

/* Beyond the version we know, others' commits may stand: up to where nothing does. */
static int read_commits(struct compact *c, const struct compact_table *t, struct err *e)
{
    struct compact_sweep *s = &c->sweep;
    for (unsigned i = 0; i < STEP_COMMITS && s->files.len > 0; i++) {
        struct delta_version v = {.version = s->version};
        int r = delta_version_read(c->d.lake, t->meta->location, &v, strike, s, e);
        if (r == ERR_NOT_FOUND && s->version > delta_version(t->delta)) {
            s->phase = COMPACT_SWEEP_REMOVE;
            return 0;
        }
        TRY(r);
        s->version++;
    }
    if (s->files.len == 0)
        s->phase = COMPACT_SWEEP_REMOVE;
    return 0;
}

/* ---- removing ---- */

static int is_ours(struct compact *c, const char *name, bool *ret_ours, struct err *e)
{
    _cleanup_(buf_deinit) struct buf tail = BUF_NULL;
    TRY(objstore_get_tail(c->d.lake, name, TAIL_BYTES, &tail, e));
    *ret_ours = tail.len >= 12 && memcmp(tail.data + tail.len - 4, "PAR1", 4) == 0 &&
                memmem(tail.data, tail.len, WRITER, strlen(WRITER)) != NULL;
    return 0;
}

static int remove_file(struct compact *c, const struct compact_table *t, const struct candidate *f,
                       struct err *e)
{
    bool ours = false;
    _cleanup_(mem_freep) char *name = mem_printf("%s/%s", t->meta->location, f->name);
    if (delta_data_name_pos(f->name) > t->committed ||
        (t->cut.frozen && strcmp(t->cut.meta.path, f->name) == 0))
        return 0;
    TRY(is_ours(c, name, &ours, e));
    if (!ours)
        return 0;
    TRY(objstore_delete(c->d.lake, name, e));
    c->totals.orphans_removed++;
    c->totals.orphan_bytes_removed += f->size;
    LOG_INFO("compact", "%s was in no commit and is removed (%llu bytes)", name,
             (unsigned long long)f->size);
    return 0;
}

static struct candidate *take_candidate(struct compact_sweep *s)
{
    size_t i = 0;
    struct candidate *f = map_next(&s->files, &i);
    return f ? map_remove(&s->files, slice_str(f->name)) : NULL;
}

static int remove_some(struct compact *c, const struct compact_table *t, struct err *e)
{
    struct compact_sweep *s = &c->sweep;
    struct candidate *f;
    int r = 0;
    for (unsigned i = 0; i < STEP_REMOVALS && r == 0 && (f = take_candidate(s)) != NULL; i++) {
        if (f->is_old)
            r = remove_file(c, t, f, e);
        else
            s->young++;
        mem_free(f);
    }
    if (r < 0 || s->files.len > 0)
        return r;
    if (s->is_last_page)
        next_table(s);
    else
        s->phase = COMPACT_SWEEP_LIST;
    return 0;
}

/* ---- a step ---- */

static int step_table(struct compact *c, const struct compact_table *t, struct err *e)
{
    switch (c->sweep.phase) {
    case COMPACT_SWEEP_LIST: return list_table(c, t, e);
    case COMPACT_SWEEP_READ: return read_commits(c, t, e);
    case COMPACT_SWEEP_REMOVE: return remove_some(c, t, e);
    case COMPACT_SWEEP_NONE: break;
    }
    return 0;
}

void compact__sweep(struct compact *c)
{
    struct compact_sweep *s = &c->sweep;
    struct err e;
    uint64_t now_ns = sys_mono_ns(c->d.sys);
    if (now_ns < s->next_ns || c->ending)
        return;
    s->next_ns = now_ns + STEP_NS;
    if (s->phase == COMPACT_SWEEP_NONE)
        begin_round(c);
    if (s->at == s->count) {
        end_round(c);
        return;
    }
    const struct compact_table *t = present_table(c);
    int r = t ? step_table(c, t, &e) : 0;
    if (r < 0)
        LOG_DEBUG("compact", "%s is not searched for orphans now: %s", t->meta->name, e.text);
    if (!t || r < 0) /* the next round comes to it again */
        next_table(s);
}

uint64_t compact__sweep_wait_us(const struct compact *c)
{
    uint64_t now_ns = sys_mono_ns(c->d.sys);
    return c->sweep.next_ns > now_ns ? (c->sweep.next_ns - now_ns) / 1000 + 1 : 0;
}
