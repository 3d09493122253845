/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log thread: takes closed blocks (or closes the open one), writes them, and moves the durable
 * end.
 *
 *   device idle, something waits        → write it at once (group commit without a timer)
 *   device busy, >= 64 KiB wait         → a second write joins, up to WRITES_IN_FLIGHT_MAX (L10)
 *   either, and rows come fast          → it gathers first: 512 KiB, or 1.5 ms from the last one on
 *   idle for IDLE_SEAL_US after a write → an empty block states the durable end (L5)
 *
 * Invariants
 *   W1  blocks are submitted in ticket order; a block is one write and lies in one segment (L6)
 *   W2  durable_ticket is the end of the longest prefix of completed blocks, never just the newest
 *   (L3)
 *   W3  a failed or short write ends the process: nothing is acknowledged after it (I8)
 *   W4  a segment's header is durable before its first block is submitted (L1, L2)
 *
 * When no segment is ready the log stalls: appends are refused, nothing is lost, and the segment
 * thread wakes this one when there is room again.
 */
#include "bronze_priv.h"

#include "base/bits.h"
#include "base/must.h"

enum take { TAKE_NOTHING, TAKE_BLOCK, TAKE_ROLL };

/* Under the lock. */
static void begin_step(struct bronze *log, uint64_t now_ns)
{
    log->step_ns = now_ns + GATHER_STEP_US * 1000ull;
    log->step_virt = log->open_virt + log->open_used;
}

/*
 * Under the lock: for how long does the next write wait for more to join it, ns? A write costs the
 * processors a flush, two interrupts, and half a dozen threads that wake, whatever it carries; when
 * rows come fast that is time taken from them. They do when the last write carried much and more
 * came while it was under way. When they stop coming there is nothing to wait for: their clients
 * wait for the acks. That is asked at the end of each step; the first one begins with the last
 * write.
 */
static uint64_t gather_ns(struct bronze *log, uint64_t waiting)
{
    uint32_t much = log->gather_from_bytes;
    if (log->last_bytes < much || log->came_bytes < much / 4 || waiting >= log->gather_bytes)
        return 0;
    uint64_t now = sys_mono_ns(log->sys), end = log->last_ns + GATHER_US * 1000ull;
    if (now >= end)
        return 0;
    if (now >= log->step_ns) {
        if (log->open_virt + log->open_used - log->step_virt < much / 4)
            return 0;
        begin_step(log, now);
    }
    return MIN(end, log->step_ns) - now;
}

/* What the log thread sleeps for: so many bytes that wait, or so long. */
struct pause {
    uint64_t bytes, us;
};

/* Under the lock: is what waits to be written now? Else *ret_pause says when to ask again. */
static bool is_due(struct bronze *log, struct pause *ret_pause)
{
    uint64_t waiting = log->closed_bytes + log->open_used;
    uint64_t enough = log->in_flight == 0 ? 1
                      : log->in_flight < WRITES_IN_FLIGHT_MAX
                          ? log->second_write_bytes_min /* L10 */
                          : UINT64_MAX;
    uint64_t ns = waiting >= enough ? gather_ns(log, waiting) : 0;
    *ret_pause = ns == 0 ? (struct pause){enough, UINT64_MAX}
                         : (struct pause){log->gather_bytes, ns / 1000 + 1};
    return waiting >= enough && ns == 0;
}

/* Under the lock: what to do next. With @seal an idle tail is closed with an empty block. */
static enum take take_locked(struct bronze *log, bool seal, uint64_t *ret_ticket)
{
    struct pause p;
    bool closed = log->submit_ticket < log->open_ticket;
    if (!seal && !is_due(log, &p))
        return TAKE_NOTHING;
    if (!closed && log->open_frames == 0 && !bronze__has_room(log, log->open_virt + BLOCK_ALIGN))
        return TAKE_NOTHING;
    uint64_t bytes = closed ? bronze__slot(log, log->submit_ticket)->header.bytes
                            : align_up(BLOCK_HEADER_BYTES + log->open_used, BLOCK_ALIGN);
    if (log->segment_offset + bytes > log->segment_bytes) {
        log->stalled = log->spare_count == 0;
        return log->stalled ? TAKE_NOTHING : TAKE_ROLL;
    }
    if (!closed)
        bronze__close_open_block(log);
    *ret_ticket = log->submit_ticket++;
    log->closed_bytes -= bytes;
    log->in_flight++;
    log->last_bytes = (uint32_t)bytes;
    log->last_ns = sys_mono_ns(log->sys);
    begin_step(log, log->last_ns);
    return TAKE_BLOCK;
}

static void submit(struct bronze *log, uint64_t ticket)
{
    struct block_slot *slot = bronze__slot(log, ticket);
    struct block_header *h = &slot->header;
    must(slot->ticket == ticket && !slot->done);
    slot->done = sys_bug(log->sys, SYS_BUG_ACK_BEFORE_WRITE); /* against W2 */
    slot->segment = h->segment = log->current_number;
    slot->offset = h->offset = log->segment_offset;
    h->durable_ticket = bronze_durable_ticket(log);
    uint8_t *block = bronze__memory(log, slot->virt);
    size_t content = BLOCK_HEADER_BYTES + h->frame_bytes;
    memset(block + content, 0, h->bytes - content);
    bronze__block_seal(&log->uuid, h, block);
    log->segment_offset += h->bytes;
    log->sealed = h->frame_count == 0;

    unsigned i = 0;
    while (log->submit_tickets[i] != 0)
        i++;
    must(i < WRITES_IN_FLIGHT_MAX);
    log->submit_tickets[i] = ticket;
    log->submit_ns[i] = log->last_ns;
    trace_add(&log->writes, 1);
    sys_point(log->sys, SYS_POINT_LOG_APPEND_BEFORE_WRITE);
    int r = sys_ring_write(log->io, log->current_file, slice_of(block, h->bytes), h->offset, i);
    if (r < 0)
        must_die("bronze: starting a log write failed (%s); nothing after it is acknowledged",
                 err_text(r));
    sys_point(log->sys, SYS_POINT_LOG_APPEND_AFTER_START);
}

/* The next spare becomes the segment that is written to. */
static void roll(struct bronze *log)
{
    sys_mutex_lock(&log->lock);
    must(log->spare_count > 0);
    struct spare sp = log->spares[0];
    log->spare_count--;
    memmove(log->spares, log->spares + 1, log->spare_count * sizeof(log->spares[0]));
    const struct block_slot *slot = bronze__slot(log, log->submit_ticket);
    bronze_pos first_pos =
        log->submit_ticket == log->open_ticket ? log->open_first_pos : slot->header.first_pos;
    sys_mutex_unlock(&log->lock);
    struct err e = {0};
    if (bronze__segment_use(log, sp, first_pos, log->submit_ticket, &e) < 0)
        must_die("bronze: %s", e.text);
    log->segment_offset = SEGMENT_HEADER_BYTES;
    sys_event_signal(&log->segment_event);
}

static void submit_ready(struct bronze *log, bool seal)
{
    for (;;) {
        uint64_t ticket = 0;
        sys_mutex_lock(&log->lock);
        enum take t = take_locked(log, seal, &ticket);
        sys_mutex_unlock(&log->lock);
        if (t == TAKE_NOTHING)
            return;
        if (t == TAKE_ROLL) {
            roll(log);
            continue;
        }
        submit(log, ticket);
        seal = false;
    }
}

/* W2: the last ticket of the completed prefix that begins behind @ticket. */
static uint64_t done_end(struct bronze *log, uint64_t ticket)
{
    bool gaps = sys_bug(log->sys, SYS_BUG_ACK_ON_COMPLETION); /* against L3 */
    uint64_t end = ticket;
    for (uint64_t t = ticket + 1; t < log->submit_ticket; t++) {
        if (bronze__slot(log, t)->done)
            end = t;
        else if (!gaps)
            break;
    }
    return end;
}

/* Move the durable end over the completed prefix; tell everybody. */
static void advance(struct bronze *log)
{
    uint64_t ticket = bronze_durable_ticket(log);
    bronze_pos pos = bronze_durable_pos(log);
    uint64_t end = done_end(log, ticket);
    while (ticket < end) {
        const struct block_header *h = &bronze__slot(log, ++ticket)->header;
        must(h->ticket == ticket);
        pos = h->first_pos + h->row_count - 1;
    }
    if (ticket == bronze_durable_ticket(log))
        return;
    atomic_store_explicit(&log->durable_pos, pos, memory_order_release);
    sys_mutex_lock(&log->lock);
    atomic_store_explicit(&log->durable_ticket, ticket, memory_order_release);
    bool room = bronze__room_wanted(log);
    sys_mutex_unlock(&log->lock);
    sys_point(log->sys, SYS_POINT_LOG_APPEND_AFTER_DURABLE);
    sys_event_signal(&log->durable_event);
    for (struct bronze_listener *l = log->listeners; l != NULL; l = l->next) {
        l->on_durable(l->ctx);
        if (room)
            l->on_room(l->ctx);
    }
}

static void complete(struct bronze *log, const struct sys_done *d)
{
    must(d->tag < WRITES_IN_FLIGHT_MAX && log->submit_tickets[d->tag] != 0);
    uint64_t ticket = log->submit_tickets[d->tag];
    if (d->result < 0 && !sys_bug(log->sys, SYS_BUG_WRITE_FAILURE_IGNORED)) { /* else against I8 */
        const struct block_slot *slot = bronze__slot(log, ticket);
        must_die(
            "bronze: writing %u bytes at %llu of segment %llu failed (%s); nothing after it is "
            "acknowledged. Check the device of %s, then start again",
            slot->header.bytes, (unsigned long long)slot->offset, (unsigned long long)slot->segment,
            err_text(d->result), log->path);
    }
    sys_point(log->sys, SYS_POINT_LOG_APPEND_AFTER_WRITE);
    log->quiet_ns = sys_mono_ns(log->sys);
    trace_hist_add(&log->write_hist, (log->quiet_ns - log->submit_ns[d->tag]) / 1000);
    log->submit_tickets[d->tag] = 0;
    sys_mutex_lock(&log->lock);
    bronze__slot(log, ticket)->done = true;
    log->in_flight--;
    log->came_bytes = log->closed_bytes + log->open_used;
    sys_mutex_unlock(&log->lock);
}

/* Under the lock: may the thread sleep, and how long? Sets wake_bytes. */
static uint64_t sleep_us(struct bronze *log, uint64_t wait_us)
{
    struct pause p;
    if (is_due(log, &p) && !log->stalled)
        return 0;
    log->wake_bytes = p.bytes;
    if (log->in_flight == 0 && !log->sealed && !log->stalled)
        p.us = MIN(p.us, IDLE_SEAL_US);
    return MIN(wait_us, p.us);
}

void bronze_step(struct bronze *log, uint64_t wait_us)
{
    if (log->log_turns)
        return;
    bool idle = log->in_flight == 0 && !log->sealed &&
                sys_mono_ns(log->sys) - log->quiet_ns >= IDLE_SEAL_US * 1000ull;
    log->log_turns = true;
    submit_ready(log, idle);
    if (sys_bug(log->sys, SYS_BUG_ACK_BEFORE_WRITE))
        advance(log);
    sys_mutex_lock(&log->lock);
    uint64_t timeout = sleep_us(log, wait_us);
    sys_mutex_unlock(&log->lock);
    struct sys_done done[WRITES_IN_FLIGHT_MAX];
    unsigned n = sys_ring_wait(log->io, done, WRITES_IN_FLIGHT_MAX, timeout);
    sys_mutex_lock(&log->lock);
    log->wake_bytes = UINT64_MAX;
    sys_mutex_unlock(&log->lock);
    for (unsigned i = 0; i < n; i++)
        complete(log, &done[i]);
    if (n > 0)
        advance(log);
    log->log_turns = false;
}

static bool is_quiet(struct bronze *log)
{
    sys_mutex_lock(&log->lock);
    bool quiet =
        log->in_flight == 0 &&
        (log->stalled || (log->submit_ticket == log->open_ticket && log->open_frames == 0));
    sys_mutex_unlock(&log->lock);
    return quiet;
}

/* The last word of a life: everything written, an empty block behind it. */
void bronze__write_tail(struct bronze *log)
{
    while (!is_quiet(log))
        bronze_step(log, 1000);
    if (!log->stalled && !log->sealed)
        submit_ready(log, true);
    while (!is_quiet(log))
        bronze_step(log, 1000);
}
