/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spilled rows on their way into the lake: a table that misses rows takes those of its files first,
 * in the order of positions, then those of the log (compact.c goes back to them). So txn stays the
 * position scanned to (D5), and rows that Delta has are passed over (I3).
 *
 * Damage stops the table, with file and offset; nothing behind it is taken. Runs on the worker.
 */
#include "compact/compact.h"

#include "base/must.h"
#include "codec/codec.h"

#include "compact_priv.h"

bool compact__is_spilled(const struct compact *c, const struct compact_table *t)
{
    if (sys_bug(c->d.sys, SYS_BUG_SPILL_PASSED)) /* against L9: the log's rows go first */
        return false;
    return t->missed != 0 && t->missed <= t->spill.last;
}

int compact__unspill_check(const struct compact_table *t, struct err *e)
{
    const struct compact_spill *s = &t->spill;
    for (size_t i = 0; i < s->count; i++)
        if (s->files[i].damaged)
            return err_set(e, ERR_DAMAGED,
                           "spill/%s at byte 0 is damaged: its header is not whole, "
                           "or cannot be read",
                           s->files[i].name);
    if (s->ahead)
        return err_set(e, ERR_PRECONDITION,
                       "its spill files are ahead of the log: the newest is spill/%s, the log is "
                       "an older one",
                       s->files[s->count - 1].name);
    bronze_pos gone = spill_missing(s->files, s->count, t->committed, s->marked);
    if (gone != 0)
        return err_set(e, ERR_DAMAGED,
                       "a spill file is missing: its rows up to position %llu are not in Delta",
                       (unsigned long long)gone);
    return 0;
}

/* A file that does not read cannot be judged, and must not be removed unread. */
static int check_file(struct compact *c, struct compact_table *t, const struct spill_file *file,
                      struct err *e)
{
    _cleanup_(spill_reader_closep) struct spill_reader *r = NULL;
    struct bronze_block b;
    struct bronze_frame f;
    TRY(spill_reader_open(&c->spilling.folder, file, &r, e));
    int rc;
    while ((rc = spill_reader_next(r, &b, e)) == 0)
        for (size_t at = 0; bronze_block_frame(&b, &at, &f);)
            TRY(compact__table_check(t, &f, e));
    return rc == SPILL_END ? 0 : rc;
}

int compact__unspill_check_past(struct compact *c, struct compact_table *t, struct err *e)
{
    const struct compact_spill *s = &t->spill;
    compact__spill_stop_writing(c, t);
    for (size_t i = 0; i < s->count; i++)
        if (!s->files[i].damaged && s->files[i].first_pos <= t->opened_txn)
            TRY(check_file(c, t, &s->files[i], e));
    return 0;
}

static bool can_take(const struct compact *c, const struct compact_table *t)
{
    return compact__is_spilled(c, t) && !compact__table_is_at_cut(t) && t->state == COMPACT_READY &&
           !t->cut.frozen && t->open.load.bytes < c->policy.file_bytes &&
           sys_mono_ns(c->d.sys) >= t->retry_ns && !compact__is_left(c, t);
}

/* All files are read: what it misses now is in the log. */
static void arrive(struct compact_table *t)
{
    struct compact_spill *s = &t->spill;
    s->reader = spill_reader_close(s->reader);
    if (t->missed_end > s->to)
        t->missed = MAX(t->missed, s->to + 1);
    else
        compact__table_missed_none(t);
}

/* The first file with rows that are not taken; false: none. */
static bool find_file(struct compact_spill *s, bronze_pos taken)
{
    for (s->at = 0; s->at < s->count; s->at++)
        if (s->files[s->at].last_pos > taken)
            return true;
    return false;
}

/* A reader in front of rows that are not taken; SPILL_END when there are none. */
static int make_ready(struct compact *c, struct compact_table *t, struct err *e)
{
    struct compact_spill *s = &t->spill;
    if (s->reader != NULL && s->read_to == t->taken)
        return 0;
    s->reader = spill_reader_close(s->reader);
    s->read_to = t->taken;
    if (!find_file(s, t->taken))
        return SPILL_END;
    return spill_reader_open(&c->spilling.folder, &s->files[s->at], &s->reader, e);
}

static int take_frames(struct compact *c, struct compact_table *t, const struct bronze_block *b,
                       struct err *e)
{
    struct bronze_frame f;
    uint64_t now_ns = sys_mono_ns(c->d.sys);
    for (size_t at = 0; bronze_block_frame(b, &at, &f);) {
        if (t->alter_pos != 0 && f.first_pos > t->alter_pos) { /* once Delta has the columns */
            t->missed = MAX(t->missed, f.first_pos);
            t->spill.reader = spill_reader_close(t->spill.reader);
            return 0;
        }
        struct codec_plan *plan = catalog_plan(c->d.catalog, t->id, f.descriptor_id);
        if (plan == NULL)
            return err_set(e, ERR_DAMAGED, "row descriptor %u is unknown", f.descriptor_id);
        TRY(compact__table_take_back(t, plan, &f, now_ns, e));
    }
    t->spill.read_to = t->taken = MAX(t->taken, b->end_pos - 1);
    return 0;
}

static int take_block(struct compact *c, struct compact_table *t, struct err *e)
{
    struct compact_spill *s = &t->spill;
    struct bronze_block b;
    int r = make_ready(c, t, e);
    if (r == 0)
        r = spill_reader_next(s->reader, &b, e);
    if (r == SPILL_END && s->reader != NULL) {
        s->reader = spill_reader_close(s->reader);
        r = make_ready(c, t, e); /* the next one, if any */
        if (r == 0)
            return 0;
    }
    if (r == 0)
        r = take_frames(c, t, &b, e);
    if (r == SPILL_END || (r == 0 && t->missed > s->last))
        arrive(t);
    return r;
}

bool compact__unspill(struct compact *c)
{
    struct err e;
    bool took = false;
    for (size_t i = 0; i < c->busy.count; i++) {
        struct compact_table *t = c->busy.items[i];
        if (!can_take(c, t))
            continue;
        int r = take_block(c, t, &e);
        took |= r >= 0;
        if (r == ERR_DAMAGED || r == ERR_NOT_FOUND || r == ERR_PRECONDITION)
            compact__table_stop(t, &e);
        else if (r < 0)
            compact__table_fault(t, &e, sys_mono_ns(c->d.sys));
        c->look |= t->open.load.bytes >= c->policy.file_bytes;
        compact__touch(c, t);
    }
    return took;
}
