/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the log may lose (I4): positions below everything that is committed in the lake or spilled
 * to synced files, and below everything that is applied and flushed in the store (rule S2), and
 * only when the control records still in force stand above (rule L7).
 *
 * A snapshot of the catalog needs room in the log, and a full log gets room only by a trim, which
 * may need a snapshot. Two habits keep that knot open: what lies below the present snapshot is
 * trimmed first; and when the log becomes half full a snapshot is written then, while there is
 * room.
 *
 * Runs on the worker.
 */
#include "compact/compact.h"

#include "base/bits.h"
#include "base/must.h"
#include "bronze/bronze.h"
#include "bronze/index.h"
#include "store/keys.h"
#include "store/store.h"

#include "compact_priv.h"

#define APPLIED_KEY "m/applied"

bronze_pos compact__floor(const struct compact *c)
{
    bronze_pos floor = c->scanned + 1;
    for (size_t i = 0; i < c->busy.count; i++)
        floor = MIN(floor, compact__table_floor(c->busy.items[i], c->scanned));
    return floor;
}

bronze_pos compact__log_floor(const struct compact *c)
{
    bronze_pos floor = c->scanned + 1;
    for (size_t i = 0; i < c->busy.count; i++)
        floor = MIN(floor, compact__table_log_floor(c->busy.items[i], c->scanned));
    return floor;
}

bronze_pos compact__trim_bound(bronze_pos floor, bronze_pos applied, bronze_pos next_trim_pos)
{
    bronze_pos bound = MIN(floor, applied + 1);
    return next_trim_pos != 0 && bound >= next_trim_pos ? bound : 0;
}

/* ---- watermarks: 'w' · table id (be32) → committed position; "wfloor" → the floor ---- */

static struct slice watermark_key(uint8_t key[8], const struct compact_table *t)
{
    key[0] = STORE_WATERMARK;
    if (!t) {
        memcpy(key + 1, "floor", 5);
        return slice_of(key, 6);
    }
    put_be32(key + 1, t->id);
    return slice_of(key, 5);
}

static uint64_t get_le(struct compact *c, struct slice key, bool persisted)
{
    _cleanup_(buf_deinit) struct buf b = BUF_NULL;
    int r = persisted ? store_get_persisted(c->d.store, key, &b, NULL)
                      : store_get(c->d.store, NULL, key, false, &b, NULL);
    return r == STORE_FOUND && b.len == 8 ? get_le64(b.data) : 0;
}

bronze_pos compact__watermark_get(struct compact *c, const struct compact_table *t)
{
    uint8_t key[8];
    return get_le(c, watermark_key(key, t), false);
}

static void add_watermark(struct compact *c, const struct compact_table *t, bronze_pos pos)
{
    uint8_t key[8], value[8];
    put_le64(value, pos);
    store_batch_put(c->batch, watermark_key(key, t), slice_of(value, sizeof(value)));
}

static bool write_watermarks(struct compact *c)
{
    struct err e;
    add_watermark(c, NULL, compact__log_floor(c)); /* the next life reads from there */
    sys_point(c->d.sys, SYS_POINT_COMMIT_BEFORE_WATERMARK);
    int r = store_write(c->d.store, c->batch, &e);
    if (r < 0)
        LOG_DEBUG("compact", "a watermark was not kept: %s", e.text); /* the txn is the truth */
    sys_point(c->d.sys, SYS_POINT_COMMIT_AFTER_WATERMARK);
    store_batch_clear(c->batch);
    return r == 0;
}

void compact__watermark_put(struct compact *c, const struct compact_table *t)
{
    add_watermark(c, t, t->committed);
    (void)write_watermarks(c); /* the next commit says it again */
}

bool compact__watermarks_put(struct compact *c)
{
    const struct compact_table *t;
    for (size_t i = 0; (t = map_next(&c->tables, &i)) != NULL;)
        if (t->state == COMPACT_READY && t->committed != 0)
            add_watermark(c, t, t->committed);
    return write_watermarks(c);
}

/* ---- trimming ---- */

static bool snapshot(struct compact *c)
{
    struct err e;
    bronze_pos pos;
    sys_point(c->d.sys, SYS_POINT_TRIM_BEFORE_SNAPSHOT);
    int r = catalog_snapshot(c->d.catalog, &pos, &e);
    sys_point(c->d.sys, SYS_POINT_TRIM_AFTER_SNAPSHOT);
    if (r != 0) {
        LOG_WARN("compact", "the catalog's snapshot could not be written: %s", e.text);
        return false;
    }
    c->totals.snapshots++;
    return true;
}

/* Once, each time the log becomes half full; and again when trims have used up what the last one
 * gave: else a log that stays half full and then fills up could neither be trimmed nor take a
 * snapshot. */
static void snapshot_at_half(struct compact *c, const struct bronze_usage *u)
{
    if (u->log_bytes < u->log_bytes_max / 2) {
        c->half_pos = 0;
        return;
    }
    if (c->half_pos == 0)
        c->half_pos = MAX(bronze_durable_pos(c->d.log), 1);
    bronze_pos wanted = MAX(c->half_pos, u->next_trim_pos);
    if (catalog_snapshot_pos(c->d.catalog) < wanted && !u->stalled)
        (void)snapshot(c); /* it has been told; the next turn tries again */
}

/* While the log has room, the flushes of the apply thread are waited for: each is a file. */
static bool is_pressed(const struct bronze_usage *u)
{
    return u->stalled || u->log_bytes >= u->log_bytes_max / 4;
}

/* The applied position that survives a crash, flushed when that lets a segment go. */
static bronze_pos applied_pos(struct compact *c, const struct bronze_usage *u)
{
    struct err e;
    struct slice key = slice_str(APPLIED_KEY);
    bronze_pos applied = get_le(c, key, true);
    if (sys_bug(c->d.sys, SYS_BUG_TRIM_UNFLUSHED))
        return get_le(c, key, false); /* against S2 */
    if (applied + 1 >= u->next_trim_pos || get_le(c, key, false) + 1 < u->next_trim_pos)
        return applied;
    uint64_t now_ns = sys_mono_ns(c->d.sys);
    if (!is_pressed(u) && now_ns < c->flush_next_ns)
        return applied;
    c->flush_next_ns = now_ns + COMPACT_FLUSH_PAUSE_NS;
    sys_point(c->d.sys, SYS_POINT_TRIM_BEFORE_FLUSH);
    int r = store_flush(c->d.store, &e);
    sys_point(c->d.sys, SYS_POINT_TRIM_AFTER_FLUSH);
    if (r < 0) {
        LOG_WARN("compact", "the store cannot be flushed: %s", e.text);
        return applied;
    }
    return get_le(c, key, true);
}

/* Asked for: history to look into, or for a copy to follow. */
static bool is_kept(const struct compact *c, const struct bronze_usage *u)
{
    return u->log_bytes <= c->log_keep_bytes && u->log_bytes < u->log_bytes_max / 2 && !u->stalled;
}

static void trim_to(struct compact *c, bronze_pos bound)
{
    struct err e;
    must(bound <= compact__log_floor(c));
    must(bound <= catalog_snapshot_pos(c->d.catalog) ||
         sys_bug(c->d.sys, SYS_BUG_TRIM_WITHOUT_CATALOG));
    bronze_trim(c->d.log, bound);
    c->totals.trims++;
    sys_point(c->d.sys, SYS_POINT_TRIM_BEFORE_INDEX);
    if (bronze_index_trim(c->d.store, bound, &e) < 0)
        LOG_DEBUG("compact", "the log's index was not trimmed: %s",
                  e.text); /* it is checked on use */
    sys_point(c->d.sys, SYS_POINT_TRIM_AFTER_INDEX);
}

void compact__trim(struct compact *c)
{
    struct bronze_usage u;
    bronze_usage(c->d.log, &u);
    snapshot_at_half(c, &u);
    bronze_pos floor = compact__log_floor(c);
    if (u.next_trim_pos == 0 || floor < u.next_trim_pos || is_kept(c, &u))
        return;
    bronze_pos bound = compact__trim_bound(floor, applied_pos(c, &u), u.next_trim_pos);
    if (bound == 0 || !compact__spill_is_noted(c))
        return;
    if (sys_bug(c->d.sys, SYS_BUG_TRIM_WITHOUT_CATALOG)) {
        trim_to(c, bound); /* against L7 */
        return;
    }
    bronze_pos covered = MIN(bound, catalog_snapshot_pos(c->d.catalog));
    if (covered < u.next_trim_pos) {
        if (!snapshot(c))
            return;
        covered = MIN(bound, catalog_snapshot_pos(c->d.catalog));
    }
    if (covered < u.next_trim_pos)
        return;
    trim_to(c, covered);
    bronze_usage(c->d.log, &u);
    snapshot_at_half(c, &u); /* the next trim may need it; what was just given back is the room */
}
