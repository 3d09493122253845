/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table's rows on their way: taken from frames into a column batch, batch by batch into a
 * Parquet file, frozen as the cut of one attempt. No I/O.
 *
 * Every position of the table is in one of these, in this order:  committed < frozen cut < open <
 * missed. `taken` is the end of the first three. Rows that cannot be kept are missed: nothing more
 * is taken until the follower has gone back to the first of them.
 */
#include "compact/compact.h"

#include "base/mem.h"
#include "base/must.h"
#include "codec/codec.h"
#include "parquet/parquet.h"
#include "row/row.h"
#include "sys/sys.h"

#include "compact_priv.h"

#include <stdio.h>
#include <string.h>

#define MAKE_WAY_ROWS 64 /* rows between two looks at the clock */

struct compact_table *compact__table_new(struct catalog_table *meta)
{
    struct compact_table *t = mem_zalloc(sizeof(*t));
    t->id = meta->id;
    t->meta = meta;
    t->state = COMPACT_OPENING;
    return t;
}

static void open_reset(struct compact_open *o)
{
    parquet_writer_free(o->writer);
    row_batch_free(o->batch);
    arena_deinit(&o->arena);
    buf_deinit(&o->file);
    *o = (struct compact_open){.file = BUF_NULL};
}

/* The rows are gone; the memory stays for the next ones. */
static void open_restart(struct compact_open *o)
{
    uint64_t kept = MAX(o->kept_bytes, o->batch ? o->batch->bytes_used : 0);
    struct row_batch *batch = TAKE(o->batch);
    open_reset(o);
    o->batch = batch;
    o->kept_bytes = kept;
    if (batch)
        row_batch_reset(batch);
}

void compact__cut_reset(struct compact_cut *k)
{
    buf_deinit(&k->file);
    buf_deinit(&k->stats);
    *k = (struct compact_cut){.file = BUF_NULL, .stats = BUF_NULL};
}

struct compact_table *compact__table_free(struct compact_table *t)
{
    if (!t)
        return NULL;
    open_reset(&t->open);
    compact__cut_reset(&t->cut);
    mem_free(t->values);
    compact__spill_forget(t);
    delta_close(t->delta);
    catalog_table_unref(t->meta);
    mem_free(t);
    return NULL;
}

/* The batch becomes a row group of the open file. */
static int close_group(struct compact_table *t, struct err *e)
{
    struct compact_open *o = &t->open;
    if (!o->batch || o->batch->row_count == 0)
        return 0;
    static const struct parquet_options options = {.on_page = sys_thread_make_way};
    if (!o->writer)
        o->writer = parquet_writer_new(t->meta->schema, &options, &o->file);
    TRY(parquet_write_batch(o->writer, o->batch, e));
    row_batch_reset(o->batch);
    return 0;
}

/* A row that came under earlier columns, into a batch of today's. */
static int take_raised(struct compact_table *t, const struct codec_plan *plan, struct slice row)
{
    if (!t->values)
        t->values = mem_calloc(t->meta->schema->column_count, sizeof(*t->values));
    arena_reset(&t->open.arena);
    TRY(codec_decode(plan, row, &t->open.arena, t->values));
    row_values_raise(codec_plan_schema(plan), t->meta->schema, t->values, &t->open.arena);
    row_batch_append(t->open.batch, t->values);
    return 0;
}

static int take_row(struct compact_table *t, const struct codec_plan *plan, struct slice row,
                    bronze_pos pos, struct err *e)
{
    struct compact_open *o = &t->open;
    must(pos > t->taken);
    if (!o->batch)
        o->batch = row_batch_new(t->meta->schema);
    if (o->batch->row_count == ROW_BATCH_ROWS_MAX || o->batch->bytes_used >= COMPACT_GROUP_BYTES)
        TRY(close_group(t, e));
    bool is_of_today = codec_plan_schema(plan) == t->meta->schema;
    if ((is_of_today ? codec_decode_into(plan, row, &o->arena, o->batch)
                     : take_raised(t, plan, row)) < 0)
        return err_set(e, ERR_DAMAGED, "the row at position %llu does not decode",
                       (unsigned long long)pos);
    if (o->load.rows == 0)
        o->first_pos = pos;
    o->last_pos = pos;
    o->load.rows++;
    o->load.bytes += row.len;
    t->taken = pos;
    return 0;
}

static void miss_from(struct compact_table *t, bronze_pos first)
{
    t->missed = t->missed != 0 ? MIN(t->missed, first) : first;
}

int compact__table_check(struct compact_table *t, const struct bronze_frame *f, struct err *e)
{
    if (f->first_pos > t->opened_txn || t->opened_ms < 0 || f->row_count == 0 ||
        f->time_us / 1000 <= t->opened_ms)
        return 0;
    t->committed = t->taken = f->first_pos - 1;
    miss_from(t, f->first_pos);
    return err_set(e, ERR_PRECONDITION,
                   "the lake is ahead of the log: %s had position %llu before the row at %llu "
                   "came, so the log is an older one that went on",
                   t->meta->location, (unsigned long long)t->opened_txn,
                   (unsigned long long)f->first_pos);
}

static int take_frame(struct compact_table *t, const struct codec_plan *plan,
                      const struct bronze_frame *f, uint64_t now_ns, struct err *e)
{
    must(t->alter_pos == 0 || f->first_pos < t->alter_pos);
    TRY(compact__table_check(t, f, e));
    if (f->row_count == 0 || f->first_pos + f->row_count - 1 <= t->taken)
        return 0;
    if (t->open.load.rows == 0) {
        t->open.load.oldest_us = f->time_us;
        t->open.load.since_ns = now_ns;
    }
    t->taken_ns = now_ns;
    size_t at = 0;
    struct slice row;
    bronze_pos pos = f->first_pos;
    for (; bronze_frame_row(f, &at, &row); pos++) {
        if (pos > t->taken)
            TRY(take_row(t, plan, row, pos, e));
        if (pos % MAKE_WAY_ROWS == 0)
            sys_thread_make_way();
    }
    must(pos == f->first_pos + f->row_count);
    return 0;
}

int compact__table_take(struct compact_table *t, const struct codec_plan *plan,
                        const struct bronze_frame *f, uint64_t now_ns, struct err *e)
{
    must(t->state == COMPACT_READY && t->missed == 0);
    return take_frame(t, plan, f, now_ns, e);
}

int compact__table_take_back(struct compact_table *t, const struct codec_plan *plan,
                             const struct bronze_frame *f, uint64_t now_ns, struct err *e)
{
    uint64_t before = t->open.load.rows;
    must(t->state == COMPACT_READY && t->missed != 0);
    TRY(take_frame(t, plan, f, now_ns, e));
    uint64_t taken = t->open.load.rows - before;
    t->missed = MAX(t->missed, t->taken + 1);
    t->missed_rows -= MIN(t->missed_rows, taken);
    return 0;
}

void compact__table_miss(struct compact_table *t, const struct bronze_frame *f)
{
    if (f->row_count == 0)
        return;
    bronze_pos last = f->first_pos + f->row_count - 1;
    bronze_pos known = MAX(MAX(t->taken, t->missed_end), f->first_pos - 1);
    if (t->missed == 0)
        t->missed = f->first_pos;
    if (last <= known)
        return; /* read once more, for another table */
    t->missed_rows += last - known;
    t->missed_end = last;
}

void compact__table_missed_none(struct compact_table *t)
{
    t->missed = t->missed_end = 0;
    t->missed_rows = 0;
}

void compact__table_cut_at(struct compact_table *t, bronze_pos pos)
{
    t->altered = MAX(t->altered, pos);
    if (t->alter_pos == 0 && pos > t->committed)
        t->alter_pos = pos;
}

bool compact__table_is_at_cut(const struct compact_table *t)
{
    return t->alter_pos != 0 && (t->missed == 0 || t->missed > t->alter_pos);
}

void compact__table_alter(struct compact_table *t, struct catalog_table *next)
{
    must(!t->cut.frozen && t->open.load.rows == 0 && t->alter_pos > t->committed);
    must(t->taken < t->alter_pos);
    open_reset(&t->open);
    mem_free(t->values);
    t->values = NULL;
    catalog_table_unref(t->meta);
    t->meta = next;
    t->committed = t->taken = t->alter_pos;
    t->alter_pos = 0;
}

/* Rows that were taken, in front of those that are missed, are missed too. */
static void miss_taken(struct compact_table *t, bronze_pos first, bronze_pos last, uint64_t rows)
{
    miss_from(t, first);
    t->missed_end = MAX(t->missed_end, last);
    t->missed_rows += rows;
}

int compact__table_freeze(struct compact_table *t, const char *name, bronze_pos scanned,
                          struct err *e)
{
    struct compact_open *o = &t->open;
    struct compact_cut *k = &t->cut;
    must(!k->frozen && o->load.rows > 0);
    must(o->first_pos > t->committed && o->last_pos <= t->taken); /* a rewind moves taken on */
    TRY(close_group(t, e));
    TRY(parquet_finish(o->writer, e));
    must(parquet_row_count(o->writer) == o->load.rows);
    delta_file_stats(o->writer, t->meta->schema, &k->stats);
    k->file = o->file;
    o->file = BUF_NULL;
    k->txn = compact__table_reach(t, scanned);
    k->oldest_us = o->load.oldest_us;
    k->bytes = o->load.bytes;
    k->meta = (struct delta_file){
        .size = k->file.len,
        .row_count = o->load.rows,
        .first_pos = o->first_pos,
        .last_pos = o->last_pos,
        .stats = buf_slice(&k->stats),
    };
    (void)snprintf(k->meta.path, sizeof(k->meta.path), "%s", name);
    delta_hash(buf_slice(&k->file), k->meta.hash);
    k->frozen = true;
    if (o->load.bytes >= COMPACT_KEEP_BYTES)
        open_restart(o);
    else
        open_reset(o);
    must(k->txn >= k->meta.last_pos);
    return 0;
}

uint64_t compact__table_forget(struct compact_table *t)
{
    uint64_t before = compact__table_memory(t);
    if (t->open.load.rows > 0) {
        miss_taken(t, t->open.first_pos, t->open.last_pos, t->open.load.rows);
        t->taken = t->cut.frozen ? t->cut.meta.last_pos : t->committed;
    }
    open_reset(&t->open);
    if (t->cut.frozen && !t->cut.commit_tried) {
        miss_taken(t, t->cut.meta.first_pos, t->cut.meta.last_pos, t->cut.meta.row_count);
        t->taken = t->committed;
        compact__cut_reset(&t->cut);
    }
    return before - compact__table_memory(t);
}

void compact__table_cool(struct compact_table *t, uint64_t now_ns)
{
    if (t->open.batch && t->open.load.rows == 0 && now_ns - t->taken_ns > COMPACT_KEEP_NS)
        open_reset(&t->open);
}

uint64_t compact__table_memory(const struct compact_table *t)
{
    uint64_t batch = t->open.batch ? MAX(t->open.batch->bytes_used, t->open.kept_bytes) : 0;
    return batch + t->open.file.cap + t->cut.file.cap;
}

bronze_pos compact__table_reach(const struct compact_table *t, bronze_pos scanned)
{
    if (t->missed != 0)
        return t->taken;
    bronze_pos reach = MAX(t->taken, scanned);
    return t->alter_pos != 0 ? MIN(reach, t->alter_pos - 1) : reach;
}

/* Everything of this table below is committed. */
static bronze_pos first_waiting(const struct compact_table *t, bronze_pos scanned)
{
    return t->state == COMPACT_GONE ? scanned + 1
           : t->cut.frozen          ? t->cut.meta.first_pos
           : t->open.load.rows > 0  ? t->open.first_pos
           : t->missed != 0         ? t->missed
                                    : compact__table_reach(t, scanned) + 1;
}

bronze_pos compact__table_log_floor(const struct compact_table *t, bronze_pos scanned)
{
    return MAX(first_waiting(t, scanned), t->spill.to + 1);
}

bronze_pos compact__table_floor(const struct compact_table *t, bronze_pos scanned)
{
    bronze_pos floor = first_waiting(t, scanned);
    if (t->state == COMPACT_GONE)
        return floor;
    return t->drop_pos != 0 ? MIN(floor, t->drop_pos) : floor;
}

bool compact__table_is_busy(const struct compact_table *t)
{
    return t->state == COMPACT_OPENING || t->cut.frozen || t->open.load.rows > 0 ||
           t->missed != 0 || t->alter_pos != 0 || (t->drop_pos != 0 && t->state != COMPACT_GONE);
}

static void set_fault(struct compact_table *t, const struct err *e)
{
    size_t len = MIN(strlen(e->text), sizeof(t->fault) - 1);
    memcpy(t->fault, e->text, len);
    t->fault[len] = '\0';
}

void compact__table_fault(struct compact_table *t, const struct err *e, uint64_t now_ns)
{
    t->failures++;
    t->retry_ns = now_ns + compact__backoff_ns(t->failures);
    set_fault(t, e);
}

void compact__table_stop(struct compact_table *t, const struct err *e)
{
    LOG_ERROR("compact", "%s stops: %s", t->meta->name, e->text);
    t->state = COMPACT_STOPPED;
    (void)compact__table_forget(t);
    if (t->cut.frozen) { /* the next life learns its fate from the txn */
        miss_taken(t, t->cut.meta.first_pos, t->cut.meta.last_pos, t->cut.meta.row_count);
        compact__cut_reset(&t->cut);
    }
    set_fault(t, e);
}
