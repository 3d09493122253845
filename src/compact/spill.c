/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One slow table does not pin the log (rule L9): rows of a table that the lake does not take leave
 * the log for files of their own, and the log goes on.
 *
 *   a look finds tables whose oldest waiting row holds more of the log than table_log_bytes
 *     healthy: it commits at once          lagging (its lake fails, or it is stopped): a pass
 *   the pass reads the log once more from the oldest of them, writes their frames to files
 *     file durable under its name → `to` moves on → the store notes it → the log may be trimmed
 *
 * P1  Rows up to `to` are committed, or in files that are durable; a file's rows are written once.
 * P2  What the table has in memory is not touched: a cut whose fate is not known stays frozen (D3),
 *     and rows that are committed from memory make their file superfluous.
 * P3  The pass stays behind the reading of the log, so it never waits and never pins a block.
 *
 * A failure (a disk that is full, or would leave too little to log and lake) gives up what is not
 * finished and is tried again after a pause; until then the table holds the log as it did before.
 *
 * Whose streams wait: beyond bytes_max those of tables that have files or that the lake refuses;
 * what they have acknowledged already is spilled all the same, so the folder stays below bytes_max
 * and one log. Where rows cannot be spilled (they may not be, or it fails), those of a refused
 * table that holds half of the log: the log has one order, so whatever stays in it keeps all that
 * came later, and the other half is what the other tables have left. Runs on the worker.
 */
#include "compact/compact.h"

#include "base/bits.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/must.h"
#include "bronze/bronze.h"
#include "store/keys.h"
#include "store/store.h"

#include "compact_priv.h"

#include <string.h>

#define STEP_BLOCKS 8

/* It does not go on by itself just now, or is so far back that its rows come from files. */
static bool is_lagging(const struct compact *c, const struct compact_table *t)
{
    return t->state == COMPACT_STOPPED || t->failures > 0 || compact__is_spilled(c, t);
}

/* ---- the streams of lagging tables ---- */

/* It holds half of the log, and cannot leave it. */
static bool is_stuck(const struct compact *c, const struct compact_table *t)
{
    return c->spilling.half != 0 && t->state != COMPACT_GONE &&
           compact__table_log_floor(t, c->scanned) < c->spilling.half && is_lagging(c, t);
}

static void slow(struct compact *c, struct compact_table *t)
{
    bool is_over = c->spilling.is_over && (t->spill.count > 0 || is_lagging(c, t));
    bool slowed = is_over || is_stuck(c, t);
    if (atomic_load(&t->meta->live->slowed) == slowed)
        return;
    atomic_store(&t->meta->live->slowed, slowed);
    compact__touch(c, t);
    if (is_over)
        LOG_WARN("compact", "%s: spill files have %llu bytes, the limit: its streams are slowed",
                 t->meta->name, (unsigned long long)c->spilling.bytes);
    else if (slowed)
        LOG_WARN("compact",
                 "%s holds half of the log and cannot be spilled: its streams are slowed",
                 t->meta->name);
    else
        LOG_INFO("compact", "%s: its streams are no longer slowed", t->meta->name);
}

void compact__spill_slow(struct compact *c)
{
    for (size_t i = 0; i < c->busy.count; i++)
        slow(c, c->busy.items[i]);
}

/* Files came or went. */
static void weigh(struct compact *c, struct compact_table *t)
{
    struct compact_spilling *s = &c->spilling;
    bool over = s->bytes_max != 0 && s->bytes >= s->bytes_max;
    compact__touch(c, t);
    if (over == s->is_over) {
        slow(c, t);
        return;
    }
    s->is_over = over;
    struct compact_table *other;
    for (size_t i = 0; (other = map_next(&c->tables, &i)) != NULL;)
        slow(c, other);
}

/* ---- files of a table ---- */

static void add_file(struct compact *c, struct compact_table *t, const struct spill_file *f)
{
    struct compact_spill *s = &t->spill;
    if (s->count == s->cap) {
        s->cap = s->cap != 0 ? s->cap * 2 : 4;
        s->files = mem_realloc(s->files, s->cap * sizeof(*s->files));
    }
    s->files[s->count++] = *f;
    c->spilling.files++;
    c->spilling.bytes += f->bytes;
    weigh(c, t);
    if (f->to > bronze_durable_pos(c->d.log)) {
        s->ahead = true; /* its positions will be those of other rows */
        return;
    }
    s->to = MAX(s->to, f->to);
    s->last = MAX(s->last, f->damaged ? f->first_pos : f->last_pos);
}

static void remove_first(struct compact *c, struct compact_table *t)
{
    struct compact_spill *s = &t->spill;
    c->spilling.files--;
    c->spilling.bytes -= s->files[0].bytes;
    s->count--;
    memmove(s->files, s->files + 1, s->count * sizeof(*s->files));
    if (s->at > 0)
        s->at--;
    else
        s->reader = spill_reader_close(s->reader);
    weigh(c, t);
}

/* Its rows are in the lake for good. */
static bool is_superfluous(const struct compact *c, const struct compact_table *t)
{
    const struct spill_file *f = &t->spill.files[0];
    if (f->damaged)
        return false;
    if (sys_bug(c->d.sys, SYS_BUG_SPILL_REMOVED_FIRST)) /* against L9: they are only in memory */
        return f->last_pos <= t->taken;
    return f->last_pos <= t->committed;
}

static void tidy(struct compact *c, struct compact_table *t)
{
    struct err e;
    while (t->spill.count > 0 && is_superfluous(c, t)) {
        int r = spill_remove(&c->spilling.folder, &t->spill.files[0], &e);
        if (r < 0)
            LOG_WARN("compact", "a spill file that is not needed any more stays: %s", e.text);
        remove_first(c, t);
    }
}

void compact__spill_tidy(struct compact *c)
{
    struct compact_table *t;
    if (!c->spilling.tidy || c->records != NULL) /* the log is told first */
        return;
    c->spilling.tidy = sys_bug(c->d.sys, SYS_BUG_SPILL_REMOVED_FIRST);
    for (size_t i = 0; (t = map_next(&c->tables, &i)) != NULL;)
        if (t->state != COMPACT_OPENING)
            tidy(c, t);
}

/* ---- what the store knows: 's' · table id (be32) → last position spilled ---- */

static struct slice mark_key(uint8_t key[5], const struct compact_table *t)
{
    key[0] = STORE_SPILL;
    put_be32(key + 1, t->id);
    return slice_of(key, 5);
}

static bool write_mark(struct compact *c)
{
    int r = store_write(c->d.store, c->batch, NULL);
    store_batch_clear(c->batch);
    c->spilling.unflushed |= r == 0;
    return r == 0;
}

static bool note(struct compact *c, struct compact_table *t)
{
    uint8_t key[5], value[8];
    if (t->spill.marked >= t->spill.last)
        return true;
    put_le64(value, t->spill.last);
    store_batch_put(c->batch, mark_key(key, t), slice_of(value, sizeof(value)));
    if (!write_mark(c))
        return false;
    t->spill.marked = t->spill.last;
    return true;
}

static void read_mark(struct compact *c, struct compact_table *t)
{
    uint8_t key[5];
    _cleanup_(buf_deinit) struct buf b = BUF_NULL;
    if (store_get(c->d.store, NULL, mark_key(key, t), false, &b, NULL) == STORE_FOUND && b.len == 8)
        t->spill.marked = get_le64(b.data);
}

/* A store that was opened again meanwhile (rule S5) may have forgotten it: it stands in no record
 * of the log that would bring it back. */
static bool is_kept(struct compact *c, struct compact_table *t)
{
    uint8_t key[5];
    _cleanup_(buf_deinit) struct buf b = BUF_NULL;
    int r = store_get_persisted(c->d.store, mark_key(key, t), &b, NULL);
    bronze_pos kept = r == STORE_FOUND && b.len == 8 ? get_le64(b.data) : 0;
    if (kept >= t->spill.marked)
        return true;
    t->spill.marked = kept;
    return false;
}

static bool flush_marks(struct compact *c)
{
    struct err e;
    sys_point(c->d.sys, SYS_POINT_TRIM_BEFORE_FLUSH);
    int r = store_flush(c->d.store, &e);
    sys_point(c->d.sys, SYS_POINT_TRIM_AFTER_FLUSH);
    if (r < 0)
        LOG_WARN("compact", "the store cannot be flushed: %s", e.text);
    bool all = r == 0;
    for (size_t i = 0; r == 0 && i < c->busy.count; i++)
        all &= c->busy.items[i]->spill.marked == 0 || is_kept(c, c->busy.items[i]);
    return all;
}

bool compact__spill_is_noted(struct compact *c)
{
    for (size_t i = 0; i < c->busy.count; i++)
        if (!note(c, c->busy.items[i]))
            return false;
    if (c->spilling.unflushed)
        c->spilling.unflushed = !flush_marks(c);
    return !c->spilling.unflushed;
}

/* ---- the pass ---- */

static void end_pass(struct compact *c)
{
    struct compact_spilling *s = &c->spilling;
    for (size_t i = 0; i < s->count; i++) {
        s->tables[i]->spill.writer = spill_writer_free(s->tables[i]->spill.writer);
        s->tables[i]->spill.picked = false;
    }
    s->count = 0;
    s->reader = bronze_reader_close(s->reader);
}

void compact__spill_stop_writing(struct compact *c, const struct compact_table *t)
{
    if (t->spill.picked)
        end_pass(c); /* of the others too: the next one goes on behind their last files */
}

static void fail_pass(struct compact *c, const struct err *e)
{
    struct compact_spilling *s = &c->spilling;
    if (s->failures++ == 0)
        LOG_WARN("compact",
                 "rows cannot be spilled: %s; it is tried again, until then they hold the log",
                 e->text);
    s->retry_ns = sys_mono_ns(c->d.sys) + compact__backoff_ns(s->failures);
    end_pass(c);
}

/* What the file before one that begins at @first ended with: when that one is lost, the chain must
 * go on saying so. */
static bronze_pos prev_last(const struct compact_spill *s, bronze_pos first)
{
    return MIN(MAX(s->last, s->marked), first - 1);
}

/* Its file is complete: its rows up to @to need the log no more (P1). */
static int finish_file(struct compact *c, struct compact_table *t, bronze_pos to, struct err *e)
{
    struct spill_file f;
    bool first = t->spill.count == 0;
    if (t->spill.writer != NULL) {
        TRY(spill_writer_finish(t->spill.writer, to, &f, e));
        t->spill.writer = spill_writer_free(t->spill.writer);
        add_file(c, t, &f);
        c->totals.rows_spilled += f.row_count;
        c->spilling.tidy = true; /* its rows may have been committed meanwhile */
        if (first)
            LOG_WARN("compact", "%s holds the log: its rows are spilled until the lake takes them",
                     t->meta->name);
    }
    t->spill.to = MAX(t->spill.to, to);
    (void)note(c, t); /* or before the next trim */
    return 0;
}

/*
 * Lake and log may lie on the same disk: what the log may still grow, and two files on their way
 * into the lake, are left to them. Else spilling could keep the lake from ever taking rows again.
 */
static int check_room(struct compact *c, struct err *e)
{
    const struct compact_spilling *s = &c->spilling;
    struct bronze_usage u;
    uint64_t free_bytes;
    bronze_usage(c->d.log, &u);
    uint64_t left = u.log_bytes_max - MIN(u.log_bytes, u.log_bytes_max) + 2 * c->policy.file_bytes;
    TRY(sys_free_bytes(c->d.sys, s->folder.data, &free_bytes, e));
    if (free_bytes >= left + s->table_log_bytes)
        return 0;
    return err_set(e, ERR_NO_SPACE,
                   "%s has %llu bytes free, and %llu of them are left to the log and the lake",
                   s->folder.data, (unsigned long long)free_bytes, (unsigned long long)left);
}

static int take_frame(struct compact *c, const struct bronze_frame *f, struct err *e)
{
    if (f->kind == BRONZE_CONTROL || f->row_count == 0)
        return 0;
    struct compact_table *t = map_get(&c->tables, slice_of(&f->table_id, sizeof(f->table_id)));
    bronze_pos last = f->first_pos + f->row_count - 1;
    if (t == NULL || !t->spill.picked || last <= t->spill.to)
        return 0;
    if (t->state == COMPACT_READY && compact__table_check(t, f, e) < 0)
        compact__table_stop(t, e);
    struct compact_spill *s = &t->spill;
    if (s->writer == NULL) {
        TRY(check_room(c, e)); /* the files before it took some */
        TRY(spill_writer_new(&c->spilling.folder, t->id, s->to + 1, prev_last(s, f->first_pos),
                             &s->writer, e));
    }
    TRY(spill_writer_add(s->writer, f, e));
    return spill_writer_bytes(s->writer) >= SPILL_FILE_BYTES ? finish_file(c, t, last, e) : 0;
}

static int finish_pass(struct compact *c, struct err *e)
{
    struct compact_spilling *s = &c->spilling;
    for (size_t i = 0; i < s->count; i++)
        TRY(finish_file(c, s->tables[i], s->to, e));
    end_pass(c);
    if (s->failures > 0)
        LOG_INFO("compact", "rows are spilled again");
    s->failures = 0;
    return 0;
}

/* Returns BRONZE_END when the pass is over. */
static int step(struct compact *c, struct err *e)
{
    struct bronze_block b;
    struct bronze_frame f;
    int r = bronze_reader_next(c->spilling.reader, &b, e);
    if (r == ERR_DAMAGED)
        must_die("compact: the log does not read: %s", e->text);
    if (r != 0)
        return r;
    if (b.first_pos > c->spilling.to) {
        bronze_reader_release(c->spilling.reader);
        return BRONZE_END;
    }
    for (size_t at = 0; r == 0 && bronze_block_frame(&b, &at, &f);)
        r = take_frame(c, &f, e);
    bronze_reader_release(c->spilling.reader);
    return r;
}

bool compact__spill(struct compact *c)
{
    struct err e;
    int r = 0;
    compact__spill_tidy(c);
    if (c->spilling.reader == NULL)
        return false;
    if (c->ending) {
        end_pass(c); /* what there is to do, is done in the lake, or by the next life */
        return false;
    }
    for (unsigned i = 0; r == 0 && i < STEP_BLOCKS; i++)
        r = step(c, &e);
    if (r == BRONZE_END)
        r = finish_pass(c, &e);
    if (r == ERR_NOT_FOUND)
        end_pass(c); /* trimmed meanwhile: they are committed */
    else if (r < 0)
        fail_pass(c, &e);
    return true;
}

/* ---- which tables ---- */

static void begin_pass(struct compact *c)
{
    struct compact_spilling *s = &c->spilling;
    struct err e;
    bronze_pos from = s->below;
    for (size_t i = 0; i < c->busy.count && s->count < COMPACT_SPILL_TABLES_MAX; i++) {
        struct compact_table *t = c->busy.items[i];
        bronze_pos floor = compact__table_log_floor(t, c->scanned);
        if (t->state == COMPACT_GONE || floor >= s->below || !is_lagging(c, t))
            continue;
        t->spill.picked = true;
        t->spill.to = floor - 1; /* what is below is committed, or in files */
        s->tables[s->count++] = t;
        from = MIN(from, floor);
    }
    if (s->count == 0)
        return;
    from = MAX(from, bronze_trimmed_pos(c->d.log));
    bronze_pos keep = bronze_behind(c->d.log, c->scanned, s->table_log_bytes / 2);
    s->to = MAX(keep, s->below) - 1;
    if (check_room(c, &e) < 0 || bronze_reader_open(c->d.log, "spill", from, &s->reader, &e) < 0)
        fail_pass(c, &e);
}

void compact__spill_look(struct compact *c)
{
    struct compact_spilling *s = &c->spilling;
    bool stays = s->bytes_max == 0 || s->failures > 0;
    s->below = bronze_behind(c->d.log, c->scanned, s->table_log_bytes);
    s->half = stays ? bronze_behind(c->d.log, c->scanned, s->half_bytes) : 0;
    if (s->below != 0 && s->reader == NULL && s->bytes_max != 0 && !c->ending &&
        sys_mono_ns(c->d.sys) >= s->retry_ns)
        begin_pass(c);
}

bool compact__spill_presses(const struct compact *c, const struct compact_table *t)
{
    return c->spilling.below != 0 && t->open.load.rows > 0 && t->missed == 0 &&
           compact__table_log_floor(t, c->scanned) < c->spilling.below;
}

/* ---- life ---- */

void compact__spill_init(struct compact *c, uint64_t table_log_bytes, uint64_t bytes_max)
{
    struct bronze_usage u;
    bronze_usage(c->d.log, &u);
    c->spilling.folder = (struct spill_folder){
        .sys = c->d.sys,
        .data = bronze_folder(c->d.log),
        .log = bronze_uuid(c->d.log),
        .timeline = bronze_timeline(c->d.log),
    };
    c->spilling.table_log_bytes =
        table_log_bytes != 0 ? MIN(table_log_bytes, u.log_bytes_max / 2) : u.log_bytes_max / 4;
    c->spilling.half_bytes = u.log_bytes_max / 2;
    c->spilling.bytes_max = bytes_max;
}

void compact__spill_forget(struct compact_table *t)
{
    t->spill.reader = spill_reader_close(t->spill.reader);
    t->spill.writer = spill_writer_free(t->spill.writer);
    mem_free(t->spill.files);
    t->spill = (struct compact_spill){.count = 0};
}

void compact__spill_deinit(struct compact *c)
{
    end_pass(c);
}

/* Its rows wait, first in files, then in the log. */
static void load_file(struct compact *c, struct compact_table *t, const struct spill_file *f)
{
    add_file(c, t, f);
    if (t->spill.ahead)
        return; /* it stops; what the log has is missed from the log */
    if (t->missed == 0)
        t->missed = f->first_pos;
    t->missed_end = MAX(t->missed_end, t->spill.last);
    t->missed_rows += f->row_count;
}

static void load_files(struct compact *c, const struct spill_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct compact_table *t = compact__table(c, files[i].table_id);
        if (t != NULL)
            load_file(c, t, &files[i]);
        else
            LOG_WARN("compact", "spill/%s is of table id %u, which the catalog does not know",
                     files[i].name, files[i].table_id);
    }
}

int compact__spill_load(struct compact *c, struct err *e)
{
    const struct spill_list l = {.folder = c->spilling.folder, .clean = true};
    struct spill_file *files = NULL;
    struct compact_table *t;
    size_t count = 0;
    for (size_t i = 0; (t = map_next(&c->tables, &i)) != NULL;)
        read_mark(c, t);
    TRY(spill_list(&l, &files, &count, e));
    load_files(c, files, count);
    mem_free(files);
    /* What was trimmed, was committed, or is in files, or had no row of the table (I4). */
    for (size_t i = 0; (t = map_next(&c->tables, &i)) != NULL;)
        t->spill.to = MAX(t->spill.to, bronze_trimmed_pos(c->d.log) - 1);
    return 0;
}

void compact__spill_drop(struct compact *c, struct compact_table *t)
{
    struct err e;
    uint8_t key[5];
    bool had = t->spill.count > 0;
    for (; t->spill.count > 0; remove_first(c, t))
        if (spill_remove(&c->spilling.folder, &t->spill.files[0], &e) < 0)
            LOG_WARN("compact", "a spill file of %s, which is dropped, stays: %s", t->meta->name,
                     e.text);
    if (had && spill_sync(&c->spilling.folder, &e) < 0)
        LOG_WARN("compact", "spill files of %s may come back: %s", t->meta->name, e.text);
    if (t->spill.marked != 0) {
        store_batch_delete(c->batch, mark_key(key, t));
        (void)write_mark(c); /* it does no harm without its table */
    }
    t->spill.marked = t->spill.last = 0;
    t->spill.writer = spill_writer_free(t->spill.writer);
    t->spill.picked = false;
}
