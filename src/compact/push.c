/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways into the lake: opening (or creating) a table, an attempt's steps, dropping.
 *
 * An attempt goes  data file → commit with txn → record in the log → watermark in the store.  Each
 * step is safe to repeat: the file has the same name and bytes, delta_commit() finds an earlier
 * success, and record and watermark only tell what the lake already says. The position counts as
 * committed (for the floor, I4) when the commit is done, which is after its folder was synced (rule
 * D4).
 *
 * A failure is the table's own: its text is shown, it is tried again later with a growing pause,
 * and other tables go on. A fault that a new try cannot heal stops the table; its rows then hold
 * the log.
 */
#include "compact/compact.h"

#include "base/mem.h"
#include "base/must.h"
#include "base/uuid.h"
#include "bronze/bronze.h"
#include "objstore/objstore.h"
#include "store/store.h"

#include "compact_priv.h"

#include <stdio.h>

int compact_check_location(struct objstore *lake, const char *location, struct err *e)
{
    bool empty = false;
    TRY(objstore_is_empty(lake, location, &empty, e));
    if (!empty)
        return err_set(e, ERR_EXISTS,
                       "%s/%s is not empty: another table's files, or one dropped a moment ago",
                       objstore_root(lake), location);
    return 0;
}

/* Can no new try heal it? */
static bool is_final(int code)
{
    return code == ERR_EXISTS || code == ERR_UNSUPPORTED || code == ERR_DAMAGED ||
           code == ERR_PRECONDITION || code == ERR_INVALID;
}

static void fail(struct compact *c, struct compact_table *t, int code, struct err *e)
{
    bool first = t->fault[0] == '\0';
    c->totals.failures++;
    if (is_final(code)) {
        c->opening -= t->state == COMPACT_OPENING;
        compact__table_stop(t, e);
    } else {
        if (first)
            LOG_WARN("compact", "%s: %s; it is tried again", t->meta->name, e->text);
        compact__table_fault(t, e, sys_mono_ns(c->d.sys));
    }
    compact__touch(c, t);
}

static void heal(struct compact *c, struct compact_table *t)
{
    if (t->fault[0] != '\0')
        LOG_INFO("compact", "%s goes on", t->meta->name);
    t->fault[0] = '\0';
    t->failures = 0;
    t->retry_ns = 0;
    compact__touch(c, t);
}

/* ---- opening ---- */

static char *dropped_name(const struct compact_table *t)
{
    return mem_printf("dropped/%s-%s", t->meta->location, t->meta->delta_id);
}

/* It works with the columns that rows at @pos belong to, and Delta has them (decision 0006). */
static void use_version_at(struct compact *c, struct compact_table *t, bronze_pos pos)
{
    struct catalog_table *at = catalog_table_at(c->d.catalog, t->id, pos);
    if (!at)
        return; /* its drop is over: nothing more is taken */
    catalog_table_unref(t->meta);
    t->meta = at;
}

void compact__find_cut(struct compact *c, struct compact_table *t)
{
    bronze_pos known = catalog_altered_after(c->d.catalog, t->id, t->committed);
    t->alter_pos = known != 0 ? known : t->altered > t->committed ? t->altered : 0;
}

static int create_table(struct compact *c, struct compact_table *t, struct err *e)
{
    if (compact__watermark_get(c, t) > 0)
        return err_set(e, ERR_PRECONDITION,
                       "the Delta table in %s is gone, though rows were committed to it",
                       t->meta->location);
    use_version_at(c, t, 0);
    struct delta_create r = {
        .location = t->meta->location,
        .name = t->meta->name,
        .delta_id = t->meta->delta_id,
        .schema = t->meta->schema,
        .now_us = sys_now_us(c->d.sys),
    };
    TRY(delta_create(c->d.lake, &r, e));
    return delta_open(c->d.sys, c->d.lake, t->meta->location, &t->delta, e);
}

static void make_app_id(struct compact *c, struct compact_table *t)
{
    struct uuid log = bronze_uuid(c->d.log);
    delta_app_id(&log, bronze_timeline(c->d.log), t->id, t->app_id);
}

/* Rule D2, and its other side: the lake must be neither ahead of the log nor behind our word. A log
 * that was behind, and went on, is found by compact__table_check(). */
static int check_txn(struct compact *c, struct compact_table *t, int64_t txn, struct err *e)
{
    bronze_pos durable = bronze_durable_pos(c->d.log);
    bronze_pos watermark = compact__watermark_get(c, t);
    if (txn > 0 && (bronze_pos)txn > durable &&
        !sys_bug(c->d.sys, SYS_BUG_LAKE_AHEAD_IGNORED)) /* not looked at: against D2 */
        return err_set(e, ERR_PRECONDITION,
                       "the lake is ahead of the log: %s has position %lld, the log ends at %llu",
                       t->meta->location, (long long)txn, (unsigned long long)durable);
    if (watermark > 0 && txn < (int64_t)watermark)
        return err_set(e, ERR_PRECONDITION,
                       "%s has lost commits: it has position %lld, %llu was committed",
                       t->meta->location, (long long)txn, (unsigned long long)watermark);
    return 0;
}

static int open_table(struct compact *c, struct compact_table *t, struct err *e)
{
    int64_t txn = -1;
    t->delta = delta_close(t->delta);
    int r = delta_open(c->d.sys, c->d.lake, t->meta->location, &t->delta, e);
    if (r == ERR_NOT_FOUND)
        r = create_table(c, t, e);
    TRY(r);
    if (strcmp(delta_id(t->delta), t->meta->delta_id) != 0)
        return err_set(e, ERR_EXISTS, "another Delta table (id %s) is in %s", delta_id(t->delta),
                       t->meta->location);
    if (delta_version(t->delta) == 0) /* who made it may not have come so far */
        TRY(objstore_settle(c->d.lake, t->meta->location, e));
    make_app_id(c, t);
    TRY(delta_txn(t->delta, t->app_id, &txn, e));
    TRY(check_txn(c, t, txn, e));
    t->opened_txn = txn > 0 ? (bronze_pos)txn : 0;
    t->opened_ms = sys_bug(c->d.sys, SYS_BUG_LAKE_AHEAD_FORGOTTEN) /* against D2 */
                       ? -1
                       : delta_txn_ms(t->delta, t->app_id);
    TRY(compact__unspill_check_past(c, t, e));
    TRY(compact__seals_check(c, t, e));
    TRY(compact__record_missed(c, t, e));
    t->committed = t->taken = t->opened_txn;
    use_version_at(c, t, t->committed);
    compact__find_cut(c, t);
    TRY(compact__unspill_check(t, e));
    c->spilling.tidy = true;
    return 0;
}

/* The folder is aside for good. */
static int settle_move(struct compact *c, const struct compact_table *t, struct err *e)
{
    _cleanup_(mem_freep) char *name = dropped_name(t);
    TRY(objstore_settle(c->d.lake, name, e));
    return objstore_settle(c->d.lake, t->meta->location, e);
}

/* A table that is dropped: has its folder been moved aside by an earlier life? */
static int was_moved(struct compact *c, struct compact_table *t, bool *ret_moved, struct err *e)
{
    bool empty = true;
    *ret_moved = false;
    if (!atomic_load(&t->meta->live->dropped))
        return 0;
    _cleanup_(mem_freep) char *name = dropped_name(t);
    TRY(objstore_is_empty(c->d.lake, name, &empty, e));
    if (!empty)
        TRY(settle_move(c, t, e)); /* that life may have been killed at once */
    *ret_moved = !empty;
    return 0;
}

static void become_gone(struct compact *c, struct compact_table *t)
{
    c->opening -= t->state == COMPACT_OPENING;
    t->state = COMPACT_GONE;
    t->alter_pos = 0;
    compact__table_missed_none(t);
    t->delta = delta_close(t->delta);
    compact__spill_drop(c, t);
    catalog_forget_table(c->d.catalog, t->id);
    compact__touch(c, t);
}

void compact__open(struct compact *c, struct compact_table *t)
{
    struct err e;
    bool moved = false;
    must(t->state == COMPACT_OPENING);
    int r = was_moved(c, t, &moved, &e);
    if (r == 0 && moved) {
        become_gone(c, t);
        return;
    }
    if (r == 0)
        r = open_table(c, t, &e);
    if (r < 0) {
        fail(c, t, r, &e);
        return;
    }
    t->state = COMPACT_READY;
    c->opening--;
    heal(c, t);
}

/* ---- an attempt ---- */

static int freeze(struct compact *c, struct compact_table *t, struct err *e)
{
    uint8_t random[16];
    char name[DELTA_NAME_MAX];
    sys_random(c->d.sys, random, sizeof(random));
    struct uuid u = uuid_from_random(random);
    delta_data_name(t->open.first_pos, &u, name);
    return compact__table_freeze(t, name, c->scanned, e);
}

static int put_data(struct compact *c, struct compact_table *t, struct err *e)
{
    struct compact_cut *k = &t->cut;
    _cleanup_(mem_freep) char *name = mem_printf("%s/%s", t->meta->location, k->meta.path);
    TRY(delta_check_there(t->delta, e)); /* else its folder would be made anew */
    sys_point(c->d.sys, SYS_POINT_COMMIT_BEFORE_DATA);
    TRY(objstore_put(c->d.lake, name, buf_slice(&k->file), e));
    sys_point(c->d.sys, SYS_POINT_COMMIT_AFTER_DATA);
    buf_deinit(&k->file);
    k->data_done = true;
    return 0;
}

static void record_commit(struct compact *c, const struct compact_table *t,
                          const struct delta_commit *d)
{
    static const struct delta_file none = {.path = ""};
    const struct delta_file *f = d->file_count > 0 ? d->files : &none;
    struct compact_record *r = mem_zalloc(sizeof(*r));
    (void)snprintf(r->data_file, sizeof(r->data_file), "%s", f->path);
    r->commit = (struct catalog_lake_commit){
        .table_id = t->id,
        .delta_version = d->version,
        .position = (bronze_pos)d->txn_version,
        .first_pos = f->first_pos,
        .last_pos = f->last_pos,
        .commit_size = d->size,
        .data_size = f->size,
        .row_count = f->row_count,
        .data_file = r->data_file,
    };
    memcpy(r->commit.commit_hash, d->hash, sizeof(d->hash));
    memcpy(r->commit.data_hash, f->hash, sizeof(f->hash));
    r->commit.checkpoint_size = d->checkpoint_file.size;
    r->commit.hint_size = d->hint_file.size;
    memcpy(r->commit.checkpoint_hash, d->checkpoint_file.hash, sizeof(f->hash));
    memcpy(r->commit.hint_hash, d->hint_file.hash, sizeof(f->hash));
    compact__record_add(c, r);
}

static void drop_record(struct compact *c)
{
    struct compact_record *r = c->records;
    c->records = r->next;
    if (!c->records)
        c->records_end = &c->records;
    c->record_count--;
    mem_free(r);
}

bool compact__push_records(struct compact *c)
{
    for (; c->record_count > COMPACT_RECORDS_MAX; drop_record(c))
        LOG_WARN("compact", "the log has no room for the record of a lake commit: given up");
    while (c->records) {
        int r = catalog_log_commit(c->d.catalog, &c->records->commit);
        if (r > 0)
            return false;
        if (r < 0)
            LOG_WARN("compact", "a lake commit is not recorded in the log: %s", err_text(r));
        drop_record(c);
    }
    return true;
}

static void count_commit(struct compact *c, struct compact_table *t, bool checkpoint)
{
    const struct compact_cut *k = &t->cut;
    int64_t age_us = sys_now_us(c->d.sys) - k->oldest_us;
    trace_hist_add(c->freshness, age_us > 0 ? (uint64_t)age_us : 0);
    t->rows_committed += k->meta.row_count;
    c->totals.rows += k->meta.row_count;
    c->totals.file_bytes += k->meta.size;
    c->totals.files++;
    c->totals.commits++;
    c->totals.checkpoints += checkpoint;
}

/* Against D5, on order only: what the store then says is not so yet. */
static void watermark_first(struct compact *c, struct compact_table *t)
{
    bronze_pos committed = t->committed;
    t->committed = t->cut.txn;
    compact__watermark_put(c, t);
    t->committed = committed;
}

/* Against D3, on order only: its rows are read again, and those after them come along. */
static void give_up_cut(struct compact_table *t)
{
    t->cut.commit_tried = false;
    (void)compact__table_forget(t); /* the memory is no matter here */
}

static int commit_cut(struct compact *c, struct compact_table *t, struct err *e)
{
    struct compact_cut *k = &t->cut;
    struct err checkpoint_err;
    int checkpoint = 0;
    struct delta_commit d = {
        .app_id = t->app_id,
        .txn_version = (int64_t)k->txn,
        .files = &k->meta,
        .file_count = 1,
        .now_us = sys_now_us(c->d.sys),
        .arrived_us = bronze_now_us(c->d.log),
    };
    must(k->data_done && k->meta.first_pos > t->committed && k->txn >= k->meta.last_pos);
    k->commit_tried = true;
    checkpoint_err.text[0] = '\0';
    if (sys_bug(c->d.sys, SYS_BUG_WATERMARK_FIRST))
        watermark_first(c, t);
    sys_point(c->d.sys, SYS_POINT_COMMIT_BEFORE_COMMIT);
    int r = delta_commit(t->delta, &d, &checkpoint, &checkpoint_err);
    sys_point(c->d.sys, SYS_POINT_COMMIT_AFTER_COMMIT);
    if (r < 0) {
        *e = checkpoint_err;
        if (sys_bug(c->d.sys, SYS_BUG_CUT_WIDENED))
            give_up_cut(t);
        return r;
    }
    if (checkpoint < 0)
        LOG_WARN("compact", "%s: no checkpoint: %s", t->meta->name, checkpoint_err.text);
    t->committed = k->txn;
    t->taken = MAX(t->taken, t->committed);
    count_commit(c, t, d.checkpoint);
    record_commit(c, t, &d);
    compact__cut_reset(k);
    return 0;
}

void compact__push(struct compact *c, struct compact_table *t)
{
    struct err e;
    int r = 0;
    must(t->state == COMPACT_READY);
    if (!t->cut.frozen)
        r = freeze(c, t, &e);
    if (r < 0) { /* the same rows would fail again */
        c->totals.failures++;
        compact__table_stop(t, &e);
        compact__touch(c, t);
        return;
    }
    if (!t->cut.data_done)
        r = put_data(c, t, &e);
    if (r == 0)
        r = commit_cut(c, t, &e);
    if (r < 0) {
        fail(c, t, r, &e);
        return;
    }
    heal(c, t);
    c->spilling.tidy |= t->spill.count > 0;
    (void)compact__push_records(c); /* what is left is told later */
    compact__watermark_put(c, t);
}

/* ---- altering (rule L8) ---- */

/* All rows below are committed: the columns of @next, in a commit of their own. It is the same one
 * at each try. */
static int commit_columns(struct compact *c, struct compact_table *t,
                          const struct catalog_table *next, struct err *e)
{
    struct err checkpoint_err;
    int checkpoint = 0;
    struct delta_commit d = {
        .app_id = t->app_id,
        .txn_version = (int64_t)t->alter_pos,
        .schema = next->schema,
        .now_us = sys_now_us(c->d.sys),
        .arrived_us = bronze_now_us(c->d.log),
    };
    checkpoint_err.text[0] = '\0';
    sys_point(c->d.sys, SYS_POINT_COMMIT_BEFORE_SCHEMA);
    int r = delta_commit(t->delta, &d, &checkpoint, &checkpoint_err);
    sys_point(c->d.sys, SYS_POINT_COMMIT_AFTER_SCHEMA);
    if (r < 0) {
        *e = checkpoint_err;
        return r;
    }
    if (checkpoint < 0)
        LOG_WARN("compact", "%s: no checkpoint: %s", t->meta->name, checkpoint_err.text);
    record_commit(c, t, &d);
    c->totals.commits++;
    c->totals.checkpoints += d.checkpoint;
    return 0;
}

void compact__push_alter(struct compact *c, struct compact_table *t)
{
    struct err e;
    _cleanup_(catalog_table_unrefp) struct catalog_table *next =
        catalog_table_at(c->d.catalog, t->id, t->alter_pos);
    must(t->state == COMPACT_READY && next);
    if (next->since_pos < t->alter_pos) { /* durable, and in force in a moment */
        t->retry_ns = sys_mono_ns(c->d.sys) + COMPACT_LOOK_NS;
        return;
    }
    int r = commit_columns(c, t, next, &e);
    if (r < 0) {
        fail(c, t, r, &e);
        return;
    }
    LOG_INFO("compact", "%s has the columns of its version %u", next->name, next->version);
    compact__table_alter(t, TAKE(next));
    compact__find_cut(c, t);
    heal(c, t);
    (void)compact__push_records(c); /* what is left is told later */
    compact__watermark_put(c, t);
}

/* ---- dropping (rule L8) ---- */

void compact__push_drop(struct compact *c, struct compact_table *t)
{
    struct err e;
    must(t->drop_pos != 0 && t->drop_pos <= c->scanned);
    if (t->state == COMPACT_READY) {
        _cleanup_(mem_freep) char *to = dropped_name(t);
        int r = objstore_move(c->d.lake, t->meta->location, to, &e);
        if (r == ERR_NOT_FOUND) /* an earlier try that did not hear of it */
            r = settle_move(c, t, &e);
        if (r < 0) {
            compact__table_fault(t, &e, sys_mono_ns(c->d.sys));
            c->totals.failures++;
            compact__touch(c, t);
            return;
        }
        LOG_INFO("compact", "%s is dropped; its files are in %s", t->meta->name, to);
    }
    t->fault[0] = '\0';
    become_gone(c, t);
}
