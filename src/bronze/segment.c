/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segment files: prepared off the hot path, used, trimmed, recycled.
 *
 *   prepared (spare) ──roll──► written to ──roll──► closed ──trim──► recycled (spare) or removed
 *
 * A file is prepared under its final name: fully written once, synced, its folder synced. That
 * costs as much as the log itself writes, so two are made ahead, and many of those that a trim
 * frees are kept: a log that follows its followers writes no zeros. Its
 * header is written by the log thread when it is used. Only files of this life are recycled (L1): a
 * write of a killed life may still land in older ones, so those are removed, never written to
 * again.
 *
 * Thread: bronze_segment_step() on the segment thread; bronze_trim() and bronze_usage() from any.
 */
#include "bronze_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <stdio.h>

#define ZERO_CHUNK_BYTES (1024u * 1024)

void bronze__segment_name(uint64_t number, char out[SEGMENT_NAME_LEN + 1])
{
    (void)snprintf(out, SEGMENT_NAME_LEN + 1, "%020llu.log", (unsigned long long)number);
}

char *bronze__segment_path(const struct bronze *log, uint64_t number)
{
    char name[SEGMENT_NAME_LEN + 1];
    bronze__segment_name(number, name);
    return mem_printf("%s/%s", log->log_path, name);
}

static int write_zeros(struct sys_file *f, uint64_t from, uint64_t to, struct err *e)
{
    size_t chunk = MIN((uint64_t)ZERO_CHUNK_BYTES, to - from);
    uint8_t *zeros = mem_aligned(BLOCK_ALIGN, chunk);
    memset(zeros, 0, chunk);
    int r = 0;
    for (uint64_t at = from; r == 0 && at < to; at += chunk)
        r = sys_write(f, zeros, MIN((uint64_t)chunk, to - at), at, e);
    mem_free(zeros);
    return r;
}

/* No flush for each write: one at the end is enough, as nobody builds on the file before. Nor is it
 * locked yet: a file that was not used is removed at the next start, whatever lands in it. */
static int make_zeros(struct bronze *log, const char *path, struct err *e)
{
    _cleanup_(sys_closep) struct sys_file *f = NULL;
    sys_point(log->sys, SYS_POINT_LOG_PREPARE_BEFORE_CREATE);
    TRY(sys_open(log->sys, path, SYS_WRITE | SYS_CREATE | SYS_EXCLUSIVE | SYS_DIRECT, &f, e));
    sys_point(log->sys, SYS_POINT_LOG_PREPARE_AFTER_CREATE);
    int r = sys_allocate(f, log->segment_bytes, e);
    sys_point(log->sys, SYS_POINT_LOG_PREPARE_BEFORE_ZEROS);
    if (r == 0)
        r = write_zeros(f, 0, log->segment_bytes, e);
    if (r == 0)
        r = sys_sync(f, e);
    sys_point(log->sys, SYS_POINT_LOG_PREPARE_AFTER_ZEROS);
    return r;
}

/* As the log writes to it. */
static int open_made(struct bronze *log, const char *path, struct sys_file **ret_file,
                     struct err *e)
{
    _cleanup_(sys_closep) struct sys_file *f = NULL;
    TRY(sys_open(log->sys, path, SYS_WRITE | SYS_DIRECT | SYS_DSYNC, &f, e));
    TRY(sys_lock(f, 0, e));
    sys_point(log->sys, SYS_POINT_LOG_PREPARE_BEFORE_SYNC_DIR);
    if (!sys_bug(log->sys, SYS_BUG_DIR_NOT_SYNCED)) /* else its name can be lost */
        TRY(sys_sync_dir(log->sys, log->log_path, e));
    sys_point(log->sys, SYS_POINT_LOG_PREPARE_AFTER_SYNC_DIR);
    *ret_file = TAKE(f);
    return 0;
}

static int prepare_new(struct bronze *log, const char *path, struct sys_file **ret_file,
                       struct err *e)
{
    int r = make_zeros(log, path, e);
    if (r == 0)
        r = open_made(log, path, ret_file, e);
    if (r < 0 && r != ERR_EXISTS)
        (void)sys_unlink(log->sys, path, NULL); /* half made: removed again, or at the next start */
    return r;
}

/* The name first: a file whose header has a lower number than its name is known as unused. */
static int prepare_recycled(struct bronze *log, uint64_t number, struct recycled *old,
                            struct err *e)
{
    char *from = bronze__segment_path(log, old->number), *to = bronze__segment_path(log, number);
    sys_point(log->sys, SYS_POINT_LOG_RECYCLE_BEFORE_RENAME);
    int r = sys_rename(log->sys, from, to, e);
    sys_point(log->sys, SYS_POINT_LOG_RECYCLE_AFTER_RENAME);
    mem_free(from);
    mem_free(to);
    TRY(r);
    old->number = number;
    sys_point(log->sys, SYS_POINT_LOG_RECYCLE_BEFORE_SYNC_DIR);
    TRY(sys_sync_dir(log->sys, log->log_path, e));
    sys_point(log->sys, SYS_POINT_LOG_RECYCLE_AFTER_SYNC_DIR);
    sys_point(log->sys, SYS_POINT_LOG_RECYCLE_BEFORE_WIPE);
    r = write_zeros(old->file, 0, SEGMENT_HEADER_BYTES, e);
    sys_point(log->sys, SYS_POINT_LOG_RECYCLE_AFTER_WIPE);
    return r;
}

int bronze__segment_prepare(struct bronze *log, uint64_t number, struct recycled *old,
                            struct sys_file **ret_file, struct err *e)
{
    if (old->file != NULL) {
        TRY(prepare_recycled(log, number, old, e));
        *ret_file = TAKE(old->file);
        return 0;
    }
    char *path = bronze__segment_path(log, number);
    int r = prepare_new(log, path, ret_file, e);
    mem_free(path);
    return r;
}

void bronze__segment_push(struct bronze *log, struct segment s)
{
    if (log->segment_count == log->segment_cap) {
        log->segment_cap = MAX((size_t)16, log->segment_cap * 2);
        log->segments = mem_realloc(log->segments, log->segment_cap * sizeof(*log->segments));
    }
    log->segments[log->segment_count++] = s;
}

int bronze__segment_use(struct bronze *log, struct spare sp, bronze_pos first_pos,
                        uint64_t first_ticket, struct err *e)
{
    struct segment_header h = {
        .uuid = log->uuid,
        .timeline = log->timeline,
        .epoch = log->epoch,
        .number = sp.number,
        .bytes = log->segment_bytes,
        .first_pos = first_pos,
        .first_ticket = first_ticket,
        .life_pos = log->life_pos,
        .life_ticket = log->life_ticket,
        .created_us = sys_now_us(log->sys),
    };
    uint8_t *bytes = mem_aligned(BLOCK_ALIGN, SEGMENT_HEADER_BYTES);
    bronze__segment_encode(&h, bytes);
    sys_point(log->sys, SYS_POINT_LOG_ROLL_BEFORE_HEADER);
    int r = sys_write(sp.file, bytes, SEGMENT_HEADER_BYTES, 0, e);
    sys_point(log->sys, SYS_POINT_LOG_ROLL_AFTER_HEADER);
    mem_free(bytes);
    TRY(r);
    sys_mutex_lock(&log->lock);
    if (log->segment_count > 0 && log->segments[log->segment_count - 1].end_ticket == UINT64_MAX)
        log->segments[log->segment_count - 1].end_ticket = first_ticket;
    bronze__segment_push(
        log, (struct segment){sp.number, log->epoch, first_pos, first_ticket, UINT64_MAX, sp.file});
    sys_mutex_unlock(&log->lock);
    log->current_number = sp.number;
    log->current_file = sp.file;
    return 0;
}

struct segment *bronze__segment_of_pos(struct bronze *log, bronze_pos pos)
{
    size_t i = log->segment_count;
    while (i > 1 && log->segments[i - 1].first_pos > pos)
        i--;
    return &log->segments[i - 1];
}

struct segment *bronze__segment_of_ticket(struct bronze *log, uint64_t ticket)
{
    size_t i = log->segment_count;
    while (i > 0 && log->segments[i - 1].first_ticket > ticket)
        i--;
    return i == 0 ? NULL : &log->segments[i - 1];
}

/* ---- trim ---- */

void bronze_trim(struct bronze *log, bronze_pos bound)
{
    must(bound <= bronze_durable_pos(log) + 1);
    sys_mutex_lock(&log->lock);
    size_t n = 0;
    while (n + 1 < log->segment_count && log->segments[n + 1].first_pos <= bound &&
           log->segments[n].end_ticket <= bronze_durable_ticket(log) + 1)
        n++;
    if (n > 0) {
        log->recycle = mem_realloc(log->recycle, (log->recycle_count + n) * sizeof(*log->recycle));
        for (size_t i = 0; i < n; i++)
            log->recycle[log->recycle_count++] =
                (struct recycled){log->segments[i].number, log->segments[i].file};
        log->segment_count -= n;
        memmove(log->segments, log->segments + n, log->segment_count * sizeof(*log->segments));
    }
    sys_mutex_unlock(&log->lock);
    if (n > 0)
        sys_event_signal(&log->segment_event);
}

void bronze_overdraw(struct bronze *log, bool on)
{
    sys_mutex_lock(&log->lock);
    must(on || log->overdraws > 0);
    if (on)
        log->overdraws++;
    else
        log->overdraws--;
    bool room = log->overdraws == 0 && bronze__room_wanted(log);
    sys_mutex_unlock(&log->lock);
    sys_event_signal(&log->segment_event);
    if (room)
        bronze__tell_room(log);
}

bool bronze__room_wanted(struct bronze *log)
{
    bool room = log->want_room && !log->stalled && !bronze__is_over(log);
    log->want_room = log->want_room && !room;
    return room;
}

void bronze__tell_room(struct bronze *log)
{
    for (struct bronze_listener *l = log->listeners; l != NULL; l = l->next)
        l->on_room(l->ctx);
}

bronze_pos bronze_trimmed_pos(const struct bronze *log)
{
    struct bronze *l = (struct bronze *)(uintptr_t)log;
    sys_mutex_lock(&l->lock);
    bronze_pos pos = l->segments[0].first_pos;
    sys_mutex_unlock(&l->lock);
    return pos;
}

bronze_pos bronze_behind(struct bronze *log, bronze_pos pos, uint64_t bytes)
{
    sys_mutex_lock(&log->lock);
    size_t at = (size_t)(bronze__segment_of_pos(log, pos) - log->segments);
    uint64_t count = MAX(bytes / log->segment_bytes, 1u);
    bronze_pos first = at >= count ? log->segments[at + 1 - count].first_pos : 0;
    sys_mutex_unlock(&log->lock);
    return first;
}

void bronze_usage(struct bronze *log, struct bronze_usage *ret_usage)
{
    sys_mutex_lock(&log->lock);
    size_t kept = log->spare_count - MIN(log->spare_count, SPARE_SEGMENTS_NEW);
    *ret_usage = (struct bronze_usage){
        .log_bytes = (log->disk_segments - kept) * log->segment_bytes,
        .log_bytes_max = log->log_bytes_max,
        .next_trim_pos = log->segment_count > 1 ? log->segments[1].first_pos : 0,
        .segments = log->segment_count,
        .writes = trace_read(&log->writes),
        .full_events = trace_read(&log->full_events),
        .stalled = log->stalled,
        .no_space = log->no_space,
    };
    sys_mutex_unlock(&log->lock);
}

/* ---- the segment thread ---- */

enum segment_job { JOB_NONE, JOB_PREPARE, JOB_REMOVE };

static size_t spares_max(const struct bronze *log)
{
    uint64_t fit = SPARE_BYTES_MAX / log->segment_bytes;
    return (size_t)MIN(MAX(fit, SPARE_SEGMENTS_NEW), SPARE_SEGMENTS_MAX);
}

/* Under the lock: what to do next, with the trimmed segment that it uses up, if any. */
static enum segment_job next_job(struct bronze *log, struct recycled *ret_old, uint64_t *ret_number)
{
    *ret_old = (struct recycled){0};
    if (log->recycle_count > 0) { /* oldest first: a crash must not leave a hole */
        *ret_old = log->recycle[0];
        log->recycle_count--;
        memmove(log->recycle, log->recycle + 1, log->recycle_count * sizeof(*log->recycle));
        if (ret_old->file == NULL || log->spare_count >= spares_max(log) ||
            log->disk_segments * log->segment_bytes > log->log_bytes_max)
            return JOB_REMOVE;
        *ret_number = log->next_number++;
        return JOB_PREPARE;
    }
    /* An overdraft: what was appended already stands before the records that must get through. All
     * of them together have this bound, however many draw, at once or one after the other. */
    bool draws = log->overdraws > 0 && log->stalled;
    uint64_t more = draws ? log->ring_bytes / 2 + log->segment_bytes : 0;
    bool full = (log->disk_segments + 1) * log->segment_bytes > log->log_bytes_max + more;
    if (sys_bug(log->sys, SYS_BUG_NO_LIMIT))
        full = false; /* against I6 */
    if (log->spare_count >= SPARE_SEGMENTS_NEW || full)
        return JOB_NONE;
    *ret_number = log->next_number++;
    log->disk_segments++;
    return JOB_PREPARE;
}

/* A spare more: the log thread goes on where it had to stop. */
static void add_spare(struct bronze *log, struct spare sp)
{
    sys_mutex_lock(&log->lock);
    must(log->spare_count < SPARE_SEGMENTS_MAX);
    log->spares[log->spare_count++] = sp;
    bool wake = log->stalled;
    log->stalled = log->no_space = false;
    sys_mutex_unlock(&log->lock);
    if (!wake)
        return;
    sys_ring_wake(log->io);
    bronze__tell_room(log);
}

/* Back to its place, the first: were a younger one gone before it, the next start would see a
 * hole. */
static void put_back(struct bronze *log, struct recycled old)
{
    log->recycle = mem_realloc(log->recycle, (log->recycle_count + 1) * sizeof(*log->recycle));
    memmove(log->recycle + 1, log->recycle, log->recycle_count * sizeof(*log->recycle));
    log->recycle[0] = old;
    log->recycle_count++;
}

static int prepare(struct bronze *log, uint64_t number, struct recycled old, struct err *e)
{
    struct sys_file *file = NULL;
    int r = bronze__segment_prepare(log, number, &old, &file, e);
    if (r == 0) {
        add_spare(log, (struct spare){number, file});
        return 0;
    }
    sys_mutex_lock(&log->lock);
    log->no_space = r == ERR_NO_SPACE;
    if (old.file != NULL)
        put_back(log, old);
    else
        log->disk_segments--;
    sys_mutex_unlock(&log->lock);
    return r;
}

static int remove_old(struct bronze *log, struct recycled old, struct err *e)
{
    char *path = bronze__segment_path(log, old.number);
    sys_point(log->sys, SYS_POINT_LOG_TRIM_BEFORE_UNLINK);
    int r = sys_unlink(log->sys, path, e);
    sys_point(log->sys, SYS_POINT_LOG_TRIM_AFTER_UNLINK);
    sys_point(log->sys, SYS_POINT_LOG_TRIM_BEFORE_SYNC_DIR);
    if (r == 0 || r == ERR_NOT_FOUND)
        r = sys_sync_dir(log->sys, log->log_path, e);
    sys_point(log->sys, SYS_POINT_LOG_TRIM_AFTER_SYNC_DIR);
    mem_free(path);
    sys_mutex_lock(&log->lock);
    if (r == 0)
        log->disk_segments--;
    else
        put_back(log, old);
    bool room = r == 0 && bronze__room_wanted(log);
    sys_mutex_unlock(&log->lock);
    if (r == 0)
        (void)sys_close(old.file);
    if (room)
        bronze__tell_room(log);
    return r;
}

static void do_segment_jobs(struct bronze *log)
{
    for (;;) {
        struct recycled old;
        uint64_t number;
        sys_mutex_lock(&log->lock);
        enum segment_job job = next_job(log, &old, &number);
        sys_mutex_unlock(&log->lock);
        if (job == JOB_NONE)
            return;
        struct err e = {0};
        int r = job == JOB_REMOVE ? remove_old(log, old, &e) : prepare(log, number, old, &e);
        if (r < 0 && !log->segments_fail)
            LOG_WARN("bronze", "%s: %s; it is tried again",
                     job == JOB_REMOVE ? "a trimmed segment stays"
                                       : "no new log segment, ingest waits for it",
                     e.text);
        log->segments_fail = r < 0;
        if (r < 0)
            return; /* at the thread's next turn */
    }
}

void bronze_segment_step(struct bronze *log)
{
    if (log->segment_turns)
        return;
    log->segment_turns = true;
    do_segment_jobs(log);
    log->segment_turns = false;
}
