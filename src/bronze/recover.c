/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up scan: every valid block since the trim bound is read once (docs/formats/bronze.md,
 * Recovery).
 *
 *   life 1: seg 3 ▇▇▇▇▇▇ seg 4 ▇▇▇x        life 2: seg 5 ▇▇▇▇▇ seg 6 ▇▇?┄┄┄
 *                              ▲ must be where life 2's headers say life 1 ended
 *                                                             ▲ last life: torn, or damaged?
 *
 * Torn or damaged (L5): if any valid block header of the last life behind the stop says that the
 * missing block had been durable, acknowledged data is gone: refuse. Otherwise nobody was told.
 *
 * Nothing is repaired or guessed here; nothing of an earlier life is written to.
 */
#include "bronze_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

#define LATE_WRITE_WAIT_MS 60000

struct found {
    uint64_t number, bytes;
    bool used; /* its header is valid */
    struct segment_header header;
    struct sys_file *file; /* while it is looked at */
};

struct recovery {
    struct bronze *log;
    bronze_control_fn *on_control;
    void *ctx;
    struct sys_fetch *fetch; /* may be NULL */
    struct found *segs;
    size_t count;
    uint64_t ticket; /* expected next */
    bronze_pos pos;
    int64_t last_time_us;
};

static int damaged(const struct recovery *rc, const struct found *s, uint64_t offset,
                   const char *what, struct err *e)
{
    char name[SEGMENT_NAME_LEN + 1];
    bronze__segment_name(s->number, name);
    bronze_pos first = rc->count > 0 ? rc->segs[0].header.first_pos : 0;
    return err_set(e, ERR_DAMAGED,
                   "the log is damaged: %s/%s at byte %llu: %s. Acknowledged rows are affected, so "
                   "the server does not start. Restore the file from a copy; or write what can be "
                   "read (positions %llu to %llu before this place, and what stands whole behind "
                   "it) with `sluice bronze salvage --data DIR --out FILE.ndjson`",
                   rc->log->log_path, name, (unsigned long long)offset, what,
                   (unsigned long long)first, (unsigned long long)(rc->pos - 1));
}

static bool parse_name(const char *name, uint64_t *ret_number)
{
    char *end;
    if (strlen(name) != SEGMENT_NAME_LEN || strcmp(name + 20, ".log") != 0)
        return false;
    *ret_number = strtoull(name, &end, 10);
    return end == name + 20;
}

static int open_file(const struct recovery *rc, struct found *s, struct err *e)
{
    char *path = bronze__segment_path(rc->log, s->number);
    int r = sys_open(rc->log->sys, path, SYS_WRITE | SYS_DIRECT, &s->file, e);
    mem_free(path);
    return r;
}

/* Open it, wait for late writes of a killed life, read its header; closed again: there may be
 * many. */
static int look_at(struct recovery *rc, struct found *s, struct err *e)
{
    TRY(open_file(rc, s, e));
    uint8_t *bytes = mem_aligned(BLOCK_ALIGN, SEGMENT_HEADER_BYTES);
    sys_point(rc->log->sys, SYS_POINT_LOG_RECOVER_BEFORE_LOCK);
    int r = 0;
    if (!sys_bug(rc->log->sys, SYS_BUG_OLD_SEGMENT)) /* skipped: against L1 */
        r = sys_lock(s->file, LATE_WRITE_WAIT_MS, e);
    sys_point(rc->log->sys, SYS_POINT_LOG_RECOVER_AFTER_LOCK);
    if (r == 0)
        r = sys_size(s->file, &s->bytes, e);
    if (r == 0 && s->bytes >= SEGMENT_HEADER_BYTES) {
        r = sys_read(s->file, bytes, SEGMENT_HEADER_BYTES, 0, e);
        s->used = r == 0 && bronze__segment_decode(bytes, &s->header) &&
                  s->header.number >= s->number; /* lower: renamed for reuse, not used yet */
    }
    mem_free(bytes);
    s->file = sys_close(s->file);
    TRY(r);
    if (s->used && memcmp(s->header.uuid.bytes, rc->log->uuid.bytes, 16) != 0)
        return damaged(rc, s, 0, "it belongs to another log", e);
    if (s->used && s->header.number != s->number)
        return damaged(rc, s, 0, "its header carries another segment's number", e);
    return 0;
}

/*
 * Is there, from @offset on, a block header of this segment (and @epoch, when not 0) that says
 * ticket @durable or a later one was durable? With @durable 0: any block header of this segment at
 * all.
 */
static int proof_behind(struct recovery *rc, struct found *s, uint64_t offset, uint64_t epoch,
                        uint64_t durable, bool *ret_proof, struct err *e)
{
    struct scan sc;
    TRY(open_file(rc, s, e));
    bronze__scan_init(&sc, s->file, &s->header, s->bytes / BLOCK_ALIGN * BLOCK_ALIGN);
    sc.uuid = rc->log->uuid;
    int r = 0;
    *ret_proof = false;
    for (; r == 0 && !*ret_proof; offset += BLOCK_ALIGN) {
        const uint8_t *p;
        struct block_header h;
        r = bronze__scan_bytes(&sc, offset, BLOCK_ALIGN, &p, e);
        if (r < 0 || p == NULL)
            break;
        if (!bronze__block_decode(&sc.uuid, p, &h) || h.segment != s->number || h.offset != offset)
            continue;
        *ret_proof = (epoch == 0 || h.epoch == epoch) && h.durable_ticket >= durable;
    }
    bronze__scan_deinit(&sc);
    s->file = sys_close(s->file);
    return r;
}

static int find_segments(struct recovery *rc, struct err *e)
{
    struct sys_names names;
    TRY(sys_list(rc->log->sys, rc->log->log_path, &names, e));
    rc->segs = mem_calloc(names.count + 1, sizeof(*rc->segs));
    for (size_t i = 0; i < names.count; i++)
        if (parse_name(names.names[i], &rc->segs[rc->count].number))
            rc->count++;
    sys_names_deinit(&names);
    for (size_t i = 0; i < rc->count; i++)
        TRY(look_at(rc, &rc->segs[i], e));
    return 0;
}

/* Prepared but never used: removed. A used one whose header is gone is damage. */
static int sweep_unused(struct recovery *rc, struct err *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < rc->count; i++) {
        struct found *s = &rc->segs[i];
        if (s->used) {
            rc->segs[kept++] = *s;
            continue;
        }
        bool proof;
        TRY(proof_behind(rc, s, SEGMENT_HEADER_BYTES, 0, 0, &proof, e));
        if (proof)
            return damaged(rc, s, 0, "its header is not valid, but it holds blocks", e);
        char *path = bronze__segment_path(rc->log, s->number);
        sys_point(rc->log->sys, SYS_POINT_LOG_RECOVER_BEFORE_SWEEP);
        int r = sys_unlink(rc->log->sys, path, e);
        sys_point(rc->log->sys, SYS_POINT_LOG_RECOVER_AFTER_SWEEP);
        mem_free(path);
        TRY(r);
    }
    rc->count = kept;
    return 0;
}

static int show_controls(struct recovery *rc, const struct bronze_block *b)
{
    size_t at = 0;
    struct bronze_frame f;
    while (bronze_block_frame(b, &at, &f)) {
        rc->last_time_us = MAX(rc->last_time_us, f.time_us);
        if (f.kind == BRONZE_CONTROL && rc->on_control != NULL)
            TRY(rc->on_control(rc->ctx, &f));
    }
    return 0;
}

/* Read the valid blocks of one segment; *ret_offset is where they end. */
static int read_segment(struct recovery *rc, struct found *s, uint64_t *ret_offset, struct err *e)
{
    struct scan sc;
    TRY(open_file(rc, s, e));
    bronze__scan_init(&sc, s->file, &s->header, s->bytes / BLOCK_ALIGN * BLOCK_ALIGN);
    sc.sys = rc->log->sys;
    sc.fetch = rc->fetch;
    int r;
    struct bronze_block b;
    sys_point(rc->log->sys, SYS_POINT_LOG_RECOVER_BEFORE_READ);
    while ((r = bronze__scan_next(&sc, &b, e)) == 0) {
        r = show_controls(rc, &b);
        if (r < 0) {
            (void)damaged(rc, s, b.offset, "a control record in this block is not valid", e);
            break;
        }
    }
    sys_point(rc->log->sys, SYS_POINT_LOG_RECOVER_AFTER_READ);
    rc->ticket = sc.ticket;
    rc->pos = sc.pos;
    *ret_offset = sc.offset;
    bronze__scan_deinit(&sc);
    s->file = sys_close(s->file);
    return r < 0 ? r : 0;
}

/* The last life stopped at @offset of segment @i: torn (0) or damaged? */
static int judge_tail(struct recovery *rc, size_t i, uint64_t offset, struct err *e)
{
    uint64_t epoch = rc->segs[i].header.epoch;
    for (size_t k = i; k < rc->count; k++) {
        bool proof;
        uint64_t from = k == i ? offset : SEGMENT_HEADER_BYTES;
        TRY(proof_behind(rc, &rc->segs[k], from, epoch, rc->ticket, &proof, e));
        if (proof && !sys_bug(rc->log->sys, SYS_BUG_DAMAGE_IS_TORN)) /* passed over: against L5 */
            return damaged(rc, &rc->segs[i], offset,
                           "a later block proves that the block here was durable", e);
    }
    return 0;
}

/* The tail may stand in the device's cache only: what counts from now on is durable first. */
static int make_durable(const struct recovery *rc, struct found *s, struct err *e)
{
    TRY(open_file(rc, s, e));
    sys_point(rc->log->sys, SYS_POINT_LOG_RECOVER_BEFORE_SYNC);
    int r = 0;
    if (!sys_bug(rc->log->sys, SYS_BUG_TAIL_NOT_SYNCED)) /* left out: against L3 */
        r = sys_sync(s->file, e);
    sys_point(rc->log->sys, SYS_POINT_LOG_RECOVER_AFTER_SYNC);
    s->file = sys_close(s->file);
    return r;
}

/* The writes that were in flight at the end of that life may lie in several segments. */
static int make_end_durable(const struct recovery *rc, size_t i, struct err *e)
{
    uint64_t epoch = rc->segs[i].header.epoch;
    for (size_t n = 0; n <= WRITES_IN_FLIGHT_MAX && rc->segs[i].header.epoch == epoch; n++) {
        TRY(make_durable(rc, &rc->segs[i], e));
        if (i-- == 0)
            break;
    }
    return 0;
}

/* Segments of the last life behind its torn tail hold nothing that was acknowledged: removed, so
 * that
 * the next life follows segment @i directly. Newest first: a crash in between leaves no hole. */
static int drop_behind(struct recovery *rc, size_t i, struct err *e)
{
    for (size_t k = rc->count; k > i + 1; k--) {
        char *path = bronze__segment_path(rc->log, rc->segs[k - 1].number);
        sys_point(rc->log->sys, SYS_POINT_LOG_RECOVER_BEFORE_DROP);
        int r = sys_unlink(rc->log->sys, path, e);
        sys_point(rc->log->sys, SYS_POINT_LOG_RECOVER_AFTER_DROP);
        mem_free(path);
        TRY(r);
        sys_point(rc->log->sys, SYS_POINT_LOG_RECOVER_BEFORE_SYNC_DIR);
        TRY(sys_sync_dir(rc->log->sys, rc->log->log_path, e));
        sys_point(rc->log->sys, SYS_POINT_LOG_RECOVER_AFTER_SYNC_DIR);
    }
    return 0;
}

/* Does segment @next continue exactly where the reading stands? */
static bool continues(const struct recovery *rc, const struct found *next)
{
    return next->header.first_ticket == rc->ticket && next->header.first_pos == rc->pos;
}

static void keep(struct recovery *rc, const struct found *s)
{
    bronze__segment_push(rc->log, (struct segment){s->number, s->header.epoch, s->header.first_pos,
                                                   s->header.first_ticket, rc->ticket, NULL});
}

/* After segment @i was read up to @offset: where to go on. *ret_next = count at the end. */
static int next_segment(struct recovery *rc, size_t i, uint64_t offset, size_t *ret_next,
                        struct err *e)
{
    uint64_t epoch = rc->segs[i].header.epoch;
    size_t life = i + 1;
    while (life < rc->count && rc->segs[life].header.epoch == epoch)
        life++;
    *ret_next = i + 1;
    if (life > i + 1 && continues(rc, &rc->segs[i + 1]))
        return 0;
    if (life == rc->count) {
        *ret_next = rc->count;
        TRY(judge_tail(rc, i, offset, e));
        TRY(make_end_durable(rc, i, e));
        return drop_behind(rc, i, e);
    }
    const struct segment_header *h = &rc->segs[life].header;
    if (h->epoch < epoch || h->life_ticket != rc->ticket || h->life_pos != rc->pos ||
        !continues(rc, &rc->segs[life]))
        return damaged(rc, &rc->segs[i], offset,
                       "blocks that the next life had read are missing here", e);
    *ret_next = life;
    return 0;
}

static int read_all(struct recovery *rc, struct err *e)
{
    if (rc->count > 0) {
        rc->ticket = rc->segs[0].header.first_ticket;
        rc->pos = rc->segs[0].header.first_pos;
    }
    for (size_t i = 0; i < rc->count;) {
        uint64_t offset;
        size_t next;
        TRY(read_segment(rc, &rc->segs[i], &offset, e));
        TRY(next_segment(rc, i, offset, &next, e));
        keep(rc, &rc->segs[i]);
        i = next;
    }
    return 0;
}

int bronze__recover(struct bronze *log, bronze_control_fn *on_control, void *ctx,
                    struct recovered *ret, struct err *e)
{
    struct recovery rc = {.log = log, .on_control = on_control, .ctx = ctx, .ticket = 1, .pos = 1};
    rc.fetch = sys_fetch_new(log->sys);
    int r = find_segments(&rc, e);
    uint64_t max_number = rc.count > 0 ? rc.segs[rc.count - 1].number : 0;
    if (r == 0)
        r = sweep_unused(&rc, e);
    if (r == 0)
        r = read_all(&rc, e);
    *ret = (struct recovered){rc.pos, rc.ticket, 0, max_number, rc.last_time_us};
    for (size_t i = 0; i < rc.count; i++)
        ret->max_epoch = MAX(ret->max_epoch, rc.segs[i].header.epoch);
    mem_free(rc.segs);
    sys_fetch_free(rc.fetch);
    return r;
}
