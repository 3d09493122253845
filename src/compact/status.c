/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What other threads see of the worker: copies under one short lock, renewed at the end of each
 * turn. Floor and scanned position are published together with the tables that changed, so a waiter
 * never sees the one without the other.
 */
#include "compact/compact.h"

#include "base/mem.h"
#include "base/must.h"

#include "compact_priv.h"

#include <stdlib.h>
#include <string.h>

static void fill(const struct compact *c, struct compact_table *t)
{
    const struct compact_load *l = &t->open.load;
    const struct compact_cut *k = &t->cut;
    bronze_pos floor = compact__table_floor(t, c->scanned);
    t->shared = (struct compact_table_status){
        .table_id = t->id,
        .state = t->state,
        .committed_pos = t->committed,
        .first_waiting = compact__table_is_busy(t) && t->state != COMPACT_GONE ? floor : 0,
        .delta_version = t->delta ? delta_version(t->delta) : -1,
        .rows_committed = t->rows_committed,
        .rows_waiting = l->rows + (k->frozen ? k->meta.row_count : 0) + t->missed_rows,
        .bytes_waiting = l->bytes + (k->frozen ? k->bytes : 0),
        .spill_files = t->spill.count,
        .oldest_waiting_us = k->frozen     ? k->oldest_us
                             : l->rows > 0 ? l->oldest_us
                                           : 0,
    };
    for (size_t i = 0; i < t->spill.count; i++) {
        t->shared.rows_spilled += t->spill.files[i].row_count;
        t->shared.spill_bytes += t->spill.files[i].bytes;
    }
    memcpy(t->shared.fault, t->fault, sizeof(t->fault));
}

void compact__publish(struct compact *c)
{
    c->totals.scanned_pos = c->scanned;
    c->totals.floor_pos = compact__floor(c);
    c->totals.log_floor_pos = compact__log_floor(c);
    c->totals.spill_files = c->spilling.files;
    c->totals.spill_bytes = c->spilling.bytes;
    sys_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->dirty.count; i++) {
        fill(c, c->dirty.items[i]);
        c->dirty.items[i]->dirty = false;
    }
    c->dirty.count = 0;
    c->shared = c->totals;
    sys_mutex_unlock(&c->lock);
    sys_event_signal(&c->changed);
}

void compact_totals(struct compact *c, struct compact_totals *ret_totals)
{
    sys_mutex_lock(&c->lock);
    *ret_totals = c->shared;
    sys_mutex_unlock(&c->lock);
}

bronze_pos compact_floor(struct compact *c)
{
    struct compact_totals t;
    compact_totals(c, &t);
    return t.floor_pos;
}

const struct trace_hist *compact_freshness_hist(const struct compact *c)
{
    return c->freshness;
}

bool compact_table(struct compact *c, uint32_t table_id, struct compact_table_status *ret_status)
{
    sys_mutex_lock(&c->lock);
    struct compact_table *t = map_get(&c->tables, slice_of(&table_id, sizeof(table_id)));
    if (t)
        *ret_status = t->shared;
    sys_mutex_unlock(&c->lock);
    return t != NULL;
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = ((const struct compact_table_status *)a)->table_id;
    uint32_t y = ((const struct compact_table_status *)b)->table_id;
    return (x > y) - (x < y);
}

size_t compact_tables(struct compact *c, struct compact_table_status **ret_tables)
{
    struct compact_table *t;
    size_t n = 0;
    sys_mutex_lock(&c->lock);
    struct compact_table_status *all = mem_calloc(c->tables.len + 1, sizeof(*all));
    for (size_t i = 0; (t = map_next(&c->tables, &i)) != NULL;)
        all[n++] = t->shared;
    sys_mutex_unlock(&c->lock);
    qsort(all, n, sizeof(*all), by_id);
    *ret_tables = all;
    return n;
}

static bool is_committed(struct compact *c, uint32_t table_id, bronze_pos pos)
{
    struct compact_totals totals;
    struct compact_table_status s;
    compact_totals(c, &totals);
    if (totals.floor_pos > pos)
        return true;
    if (table_id == COMPACT_ALL || !compact_table(c, table_id, &s))
        return false;
    return s.first_waiting != 0 ? s.first_waiting > pos
                                : MAX(s.committed_pos, totals.scanned_pos) >= pos;
}

int compact_wait(struct compact *c, uint32_t table_id, bronze_pos pos, uint32_t timeout_ms,
                 struct err *e)
{
    uint64_t end_ns = sys_mono_ns(c->d.sys) + timeout_ms * 1000000ull;
    for (;;) {
        uint32_t seen = sys_event_read(&c->changed);
        if (is_committed(c, table_id, pos))
            return 0;
        uint64_t now_ns = sys_mono_ns(c->d.sys);
        if (now_ns >= end_ns)
            return err_set(e, ERR_TIMEOUT, "position %llu is not in Delta yet",
                           (unsigned long long)pos);
        sys_event_wait(&c->changed, seen, (end_ns - now_ns) / 1000 + 1);
    }
}
