/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Violations, and the promises that are checked while the server runs: nothing is trimmed too early
 * (I4), everything is bounded and goes on (I6), nothing is acknowledged after a failed write (I8).
 */
#include "sim.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"
#include "compact/compact.h"
#include "delta/delta.h"
#include "objstore/objstore.h"
#include "store/keys.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The longest that a client waits without an ack or an end, and what a turn may add to it. */
#define SILENCE_NS_MAX (75ull * 1000000000)
#define STOPPED_TEXT   160
#define TAIL_LINES     60

_Noreturn void sim_violation(struct world *w, const char *promise, const char *fmt, ...)
{
    char what[400];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    (void)snprintf(w->r.violation, sizeof(w->r.violation), "%s is broken at %.6f s in life %u: %s",
                   promise, (double)sim_now(w) / 1e9, w->life, what);
    sim_trace(w, "VIOLATION %s", w->r.violation);
    w->r.violations++;
    if (!w->o.quiet) {
        printf("seed %" PRIu64 ": %s\n", w->o.seed, w->r.violation);
        if (!w->trace.live)
            sim_trace_tail(w, TAIL_LINES);
        printf("    replay it: ./dev sim --seed %" PRIu64 " --trace%s%s\n", w->o.seed,
               w->o.bug >= 0 ? " --bug " : "",
               w->o.bug >= 0 ? sys_bug_name((enum sys_bug)w->o.bug) : "");
    }
    longjmp(w->death, 2);
}

/* ---- I4 ---- */

static bronze_pos stored_pos(struct world *w, const char *key, size_t len, bool persisted)
{
    _cleanup_(buf_deinit) struct buf b = BUF_NULL;
    struct slice k = slice_of(key, len);
    int rc = persisted ? store_get_persisted(w->store, k, &b, NULL)
                       : store_get(w->store, NULL, k, false, &b, NULL);
    return rc == STORE_FOUND && b.len == 8 ? get_le64(b.data) : 0;
}

/* The newest txn of the table as a stranger reads it; 0 = none. */
static bronze_pos lake_txn(struct world *w, struct objstore *lake, const struct sim_table *t)
{
    _cleanup_(mem_freep) char *location = catalog_location(t->name);
    struct delta_table *d = NULL;
    struct uuid log = bronze_uuid(w->log);
    char uuid[UUID_TEXT_LEN + 1], app[128];
    int64_t txn = -1;
    if (delta_open(w->sys, lake, location, &d, NULL) < 0)
        return 0;
    uuid_format(&log, uuid);
    (void)snprintf(app, sizeof(app), "sluice/0/%s/%" PRIu64 "/%u", uuid, bronze_timeline(w->log),
                   t->id);
    if (strcmp(delta_id(d), t->delta_id) != 0 || delta_txn(d, app, &txn, NULL) < 0)
        txn = -1;
    d = delta_close(d);
    return txn > 0 ? (bronze_pos)txn : 0;
}

static bronze_pos last_below(const struct sim_table *t, bronze_pos bound)
{
    for (uint32_t i = t->row_count; i > 0; i--)
        if (t->rows[i - 1].pos < bound)
            return t->rows[i - 1].pos;
    return 0;
}

static void check_trimmed_table(struct world *w, struct objstore *lake, const struct sim_table *t)
{
    bronze_pos last = last_below(t, w->m.trimmed);
    if (last == 0 || t->dropped != FATE_NO || t->created != FATE_YES)
        return;
    bronze_pos txn = lake_txn(w, lake, t);
    if (txn < last)
        sim_check_spilled(w, t, txn);
}

void sim_check_trimmed(struct world *w)
{
    struct objstore *lake;
    sim_faults_pause(w, true);
    must(objstore_open_folder(w->sys, SIM_LAKE, &lake, NULL) == 0);
    for (uint32_t i = 0; i < w->m.table_count; i++)
        check_trimmed_table(w, lake, &w->m.tables[i]);
    lake = objstore_close(lake);
    sim_faults_pause(w, false);
}

void sim_check_trim(struct world *w)
{
    bronze_pos trimmed = bronze_trimmed_pos(w->log);
    if (trimmed <= w->m.trimmed)
        return;
    w->m.trimmed = trimmed;
    w->r.trims++;
    sim_trace(w, "trimmed: the log begins at %" PRIu64, trimmed);
    bronze_pos applied = stored_pos(w, "m/applied", 9, true);
    if (applied + 1 < trimmed)
        sim_violation(w, "I4",
                      "the log begins at %" PRIu64 ", the store's flushed position is %" PRIu64,
                      trimmed, applied);
    if (catalog_snapshot_pos(w->catalog) < trimmed && trimmed > 1)
        sim_violation(w, "I4", "the log begins at %" PRIu64 ", the catalog's snapshot is below",
                      trimmed);
    sim_check_trimmed(w);
}

/* D5: what the store says is committed never exceeds what is; equal after a clean stop. */
void sim_check_watermarks(struct world *w, bool equal)
{
    for (uint32_t i = 0; i < w->m.table_count; i++) {
        const struct sim_table *t = &w->m.tables[i];
        char key[5] = {STORE_WATERMARK};
        if (t->created != FATE_YES || t->dropped != FATE_NO)
            continue;
        put_be32((uint8_t *)key + 1, t->id);
        bronze_pos mark = stored_pos(w, key, sizeof(key), false);
        if (mark > t->txn || (equal && mark != t->txn))
            sim_violation(w, "I3", "%s: the watermark is %" PRIu64 ", txn is %" PRIu64, t->name,
                          mark, t->txn);
    }
}

/* ---- I6 ---- */

static void check_waiting(struct world *w, const struct sim_client *c)
{
    if (c->call == NULL || c->stream == UINT32_MAX)
        return;
    const struct sim_stream *s = &w->m.streams[c->stream];
    uint64_t now = sim_now(w);
    if (s->acked + 1 >= (int64_t)s->request_count || s->spoiled)
        return;
    if (now > s->progress_ns + SILENCE_NS_MAX)
        sim_violation(w, "I6", "stream %u waits for its ack since %.3f s: offset %lld of %u",
                      c->stream, (double)s->progress_ns / 1e9, (long long)s->acked + 1,
                      s->request_count);
}

void sim_check_bounds(struct world *w)
{
    struct bronze_usage u;
    struct compact_totals totals;
    struct compact_table_status *tables;
    bronze_usage(w->log, &u);
    /* Each start takes a segment of its own (L1), be the log full or not; and bronze_overdraw(). */
    uint64_t more = (w->life + 1) * w->log_options.segment_bytes + w->log_options.memory_bytes / 2;
    if (u.log_bytes > w->log_options.log_bytes_max + more)
        sim_violation(w, "I6", "the log has %" PRIu64 " bytes, its limit is %" PRIu64, u.log_bytes,
                      w->log_options.log_bytes_max);
    compact_totals(w->compact, &totals);
    sim_check_spill_bounds(w, &totals);
    size_t count = compact_tables(w->compact, &tables);
    for (size_t i = 0; i < count; i++)
        if (tables[i].state == COMPACT_STOPPED)
            sim_violation(w, "I3", "table id %u has stopped: %.*s", tables[i].table_id,
                          STOPPED_TEXT, tables[i].fault);
    mem_free(tables);
    for (uint32_t i = 0; i < w->client_count; i++)
        check_waiting(w, &w->clients[i]);
}

/* ---- I8 ---- */

void sim_check_silence(struct world *w)
{
    if (w->running && w->failed_pos != 0 && bronze_durable_pos(w->log) > w->failed_pos)
        sim_violation(w, "I8",
                      "a write of the log at or before position %" PRIu64 " failed, and %" PRIu64
                      " is said to be durable",
                      w->failed_pos, bronze_durable_pos(w->log));
}
