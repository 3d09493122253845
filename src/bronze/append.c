/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending: the open block and the ring of memory it lies in.
 *
 *   ring (memory_bytes), addressed by ever-growing "virt" offsets; memory = virt % ring_bytes
 *
 *      … durable, kept for readers … │ in flight │ closed, waiting │ open block →
 *                                    ▲ durable+1   ▲ submit_ticket   ▲ open_ticket
 *
 * Blocks stand in the ring just as they will stand on the device: the copy into the open block is
 * the only one, and the log thread writes from there. A block never straddles the ring's end. Old
 * blocks stay readable until new ones overwrite them; what is not durable, or pinned by a reader,
 * is never overwritten.
 *
 * Invariants
 *   A1  the blocks [durable+1, open_ticket] lie within ring_bytes / 2 (so a burst leaves room to
 *   read)
 *   A2  write_end never passes a pinned block's virt + ring_bytes
 *   A3  positions and tickets are given out under the lock, in the order of the frames (no gaps)
 *   A4  all frames of one request lie in one block (L6)
 *
 * Threads: any; everything here runs under the block lock, which is never held across I/O.
 */
#include "bronze_priv.h"

#include "base/bits.h"
#include "base/must.h"

/* Where block @ticket's successor may begin: aligned, with room for a largest block before the
 * ring ends. */
static uint64_t place_after(const struct bronze *log, uint64_t end)
{
    uint64_t virt = align_up(end, BLOCK_ALIGN);
    uint64_t left = log->ring_bytes - virt % log->ring_bytes;
    return left < log->block_bytes_max ? virt + left : virt;
}

void bronze__open_block(struct bronze *log, uint64_t ticket, bronze_pos first_pos)
{
    log->open_ticket = ticket;
    log->open_virt = place_after(log, log->write_end);
    log->open_used = log->open_frames = log->open_rows = 0;
    log->open_first_pos = first_pos;
    log->open_time_us = 0;
    log->last_is_singles = false;
    struct block_slot *slot = bronze__slot(log, ticket);
    *slot = (struct block_slot){.ticket = ticket, .virt = log->open_virt};
}

void bronze__close_open_block(struct bronze *log)
{
    struct block_slot *slot = bronze__slot(log, log->open_ticket);
    must(slot->ticket == log->open_ticket);
    uint32_t bytes = (uint32_t)align_up(BLOCK_HEADER_BYTES + log->open_used, BLOCK_ALIGN);
    slot->header = (struct block_header){
        .epoch = log->epoch,
        .ticket = log->open_ticket,
        .first_pos = log->open_first_pos,
        .row_count = log->open_rows,
        .frame_count = log->open_frames,
        .frame_bytes = log->open_used,
        .bytes = bytes,
        .first_time_us = log->open_time_us,
    };
    log->closed_bytes += bytes;
    log->write_end = MAX(log->write_end, log->open_virt + bytes);
    bronze__open_block(log, log->open_ticket + 1, log->open_first_pos + log->open_rows);
}

/* A1 and A2 as one number: the virt below which appends may write now. */
static uint64_t room_limit(const struct bronze *log)
{
    uint64_t oldest = atomic_load_explicit(&log->durable_ticket, memory_order_relaxed) + 1;
    const struct block_slot *slot = bronze__slot(log, oldest);
    must(slot->ticket == oldest && oldest <= log->open_ticket);
    uint64_t limit = slot->virt + log->ring_bytes / 2;
    for (const struct bronze_reader *r = log->readers; r != NULL; r = r->next)
        if (r->pin_virt != UINT64_MAX)
            limit = MIN(limit, r->pin_virt + log->ring_bytes);
    return limit;
}

bool bronze__has_room(struct bronze *log, uint64_t end)
{
    if (end <= log->limit_virt)
        return true;
    log->limit_virt = room_limit(log);
    return end <= log->limit_virt;
}

static uint64_t rows_bytes(const struct bronze_append *a)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < a->row_count; i++)
        bytes += 4 + (uint64_t)a->rows[i].len;
    return bytes;
}

/* The frames behind the first one, and what aligns them. */
static uint64_t also_bytes(const struct bronze_append *a)
{
    uint64_t bytes = 0;
    for (a = a->also; a != NULL; a = a->also)
        bytes += FRAME_ALIGN - 1 + FRAME_HEADER_BYTES + rows_bytes(a);
    return bytes;
}

/* May the request's one row join the frame before it? Same stream, the very next offset. */
static bool joins_last(const struct bronze *log, const struct bronze_append *a)
{
    const struct bronze_frame *f = &log->last;
    return log->last_is_singles && a->kind == BRONZE_SINGLES && f->stream_id == a->stream_id &&
           f->table_id == a->table_id && f->descriptor_id == a->descriptor_id &&
           f->first_offset + f->offset_count == a->offset;
}

static uint8_t *put_rows(uint8_t *p, const struct bronze_append *a)
{
    for (uint32_t i = 0; i < a->row_count; i++) {
        size_t len = a->rows[i].len;
        put_le32(p, (uint32_t)len);
        if (len != 0)
            memcpy(p + 4, a->rows[i].data, len);
        p += 4 + len;
    }
    return p;
}

/* Lengthen the last frame by the one row of @a. */
static void extend_last(struct bronze *log, const struct bronze_append *a)
{
    uint8_t *frames = bronze__memory(log, log->open_virt) + BLOCK_HEADER_BYTES;
    uint8_t *end = put_rows(frames + log->open_used, a);
    log->open_used = (uint32_t)(end - frames);
    log->last.row_count++;
    log->last.offset_count++;
    uint8_t *f = frames + log->last_frame;
    put_le32(f, log->open_used - log->last_frame);
    put_le32(f + 16, log->last.row_count);
    put_le32(f + 20, log->last.offset_count);
    put_le32(f + 56, log->open_used - log->last_frame - FRAME_HEADER_BYTES);
}

static void tick(struct bronze *log)
{
    int64_t now = sys_now_us(log->sys);
    log->last_time_us = MAX(log->last_time_us, now);
}

int64_t bronze_now_us(struct bronze *log)
{
    sys_mutex_lock(&log->lock);
    tick(log);
    int64_t now_us = log->last_time_us;
    sys_mutex_unlock(&log->lock);
    return now_us;
}

static void add_frame(struct bronze *log, const struct bronze_append *a)
{
    tick(log);
    if (log->open_frames == 0)
        log->open_time_us = log->last_time_us;
    uint8_t *frames = bronze__memory(log, log->open_virt) + BLOCK_HEADER_BYTES;
    uint32_t at = (uint32_t)align_up(log->open_used, FRAME_ALIGN);
    memset(frames + log->open_used, 0, at - log->open_used);
    uint8_t *end = put_rows(frames + at + FRAME_HEADER_BYTES, a);
    log->last = (struct bronze_frame){
        .first_pos = log->open_first_pos + log->open_rows,
        .row_count = a->row_count,
        .table_id = a->table_id,
        .descriptor_id = a->descriptor_id,
        .kind = a->kind,
        .stream_id = a->stream_id,
        .first_offset = a->offset,
        .offset_count = a->kind == BRONZE_CONTROL ? 0 : 1,
        .time_us = log->last_time_us,
    };
    bronze__frame_encode(&log->last, (uint32_t)(end - frames) - at - FRAME_HEADER_BYTES,
                         frames + at);
    log->last_frame = at;
    log->last_is_singles = a->kind == BRONZE_SINGLES;
    log->open_used = (uint32_t)(end - frames);
    log->open_frames++;
}

/* The log thread sleeps; does what is waiting now ask for a write (L10)? */
static bool must_wake(struct bronze *log)
{
    if (log->closed_bytes + log->open_used < log->wake_bytes)
        return false;
    log->wake_bytes = UINT64_MAX;
    return true;
}

/* A large request waits while much is not written yet, so that small ones, whose clients wait for
 * single rows, find a short queue before them. */
static bool must_yield(const struct bronze *log, uint64_t payload)
{
    if (payload < LARGE_REQUEST_BYTES)
        return false;
    uint64_t oldest = atomic_load_explicit(&log->durable_ticket, memory_order_relaxed) + 1;
    uint64_t unwritten = log->open_virt + log->open_used - bronze__slot(log, oldest)->virt;
    return unwritten >= log->ring_bytes / UNWRITTEN_SHARE_FOR_LARGE;
}

/* Under the lock: why the log takes nothing of this kind now, or 0. What is left of an overdraft is
 * the next one's: were rows to fill it, the next could not get through. See bronze_overdraw(). */
static int shut(const struct bronze *log, enum bronze_kind kind)
{
    bool draws = log->overdraws > 0 && !log->no_space;
    bool is_shut = (log->stalled || bronze__is_over(log)) && !(draws && kind == BRONZE_CONTROL);
    return !is_shut ? 0 : log->no_space ? BRONZE_NO_SPACE : BRONZE_FULL;
}

/* One frame into the open block, where there is room for it. */
static void put(struct bronze *log, struct bronze_append *a, bool joins)
{
    if (joins)
        extend_last(log, a);
    else
        add_frame(log, a);
    a->first_pos = log->open_first_pos + log->open_rows;
    log->open_rows += a->row_count;
    a->last_pos = a->first_pos + a->row_count - 1;
    a->ticket = log->open_ticket;
    atomic_store_explicit(&log->appended_pos, a->last_pos, memory_order_relaxed);
}

/* Under the lock. 0, BRONZE_FULL or BRONZE_NO_SPACE. */
static int append_locked(struct bronze *log, struct bronze_append *a, uint64_t payload)
{
    if (log->stopping)
        return BRONZE_FULL;
    int why = shut(log, a->kind);
    if (why != 0) {
        log->want_room = true;
        return why;
    }
    bool joins = joins_last(log, a);
    uint64_t used = align_up(log->open_used, joins ? 1 : FRAME_ALIGN) +
                    (joins ? 0 : FRAME_HEADER_BYTES) + payload;
    if (log->open_frames > 0 && (log->open_used >= BLOCK_BYTES_TARGET ||
                                 BLOCK_HEADER_BYTES + used > log->block_bytes_max)) {
        bronze__close_open_block(log);
        joins = false;
        used = FRAME_HEADER_BYTES + payload;
    }
    uint64_t end = log->open_virt + align_up(BLOCK_HEADER_BYTES + used, BLOCK_ALIGN);
    bool yields = a->kind != BRONZE_CONTROL && !a->urgent && must_yield(log, payload);
    if (yields || !bronze__has_room(log, end)) {
        log->want_room = true;
        trace_add(&log->full_events, 1);
        return BRONZE_FULL;
    }
    log->write_end = MAX(log->write_end, end);
    put(log, a, joins);
    for (a = a->also; unlikely(a != NULL); a = a->also)
        put(log, a, false);
    return 0;
}

/* Against L6, on order only: the two halves of a batch in two blocks. */
static int append_split(struct bronze *log, struct bronze_append *a)
{
    struct bronze_append first = *a, second = *a;
    first.row_count = a->row_count / 2;
    second.row_count = a->row_count - first.row_count;
    second.rows = a->rows + first.row_count;
    sys_mutex_lock(&log->lock);
    int r = append_locked(log, &first, rows_bytes(&first));
    if (r == 0) {
        bronze__close_open_block(log);
        r = append_locked(log, &second, rows_bytes(&second));
    }
    sys_mutex_unlock(&log->lock);
    a->first_pos = first.first_pos;
    a->last_pos = second.last_pos;
    a->ticket = second.ticket;
    return r;
}

int bronze_append(struct bronze *log, struct bronze_append *a)
{
    must(a->kind != BRONZE_CONTROL || a->row_count == 1);
    must(a->kind != BRONZE_SINGLES || a->row_count == 1);
    uint64_t payload = rows_bytes(a) + also_bytes(a);
    if (BLOCK_HEADER_BYTES + FRAME_HEADER_BYTES + payload > log->block_bytes_max)
        return ERR_INVALID;
    if (sys_bug(log->sys, SYS_BUG_SPLIT_REQUEST) && a->row_count > 1)
        return append_split(log, a);
    sys_mutex_lock(&log->lock);
    int r = append_locked(log, a, payload);
    bool wake = r == 0 && must_wake(log);
    sys_mutex_unlock(&log->lock);
    if (wake)
        sys_ring_wake(log->io);
    return r;
}

int bronze_room(struct bronze *log, uint64_t payload)
{
    sys_mutex_lock(&log->lock);
    int r = shut(log, BRONZE_ROWS);
    if (r == 0 && (must_yield(log, payload) ||
                   !bronze__has_room(log, log->open_virt + log->open_used + payload)))
        r = BRONZE_FULL;
    log->want_room = log->want_room || r != 0;
    sys_mutex_unlock(&log->lock);
    return r;
}

uint64_t bronze_durable_ticket(const struct bronze *log)
{
    return atomic_load_explicit(&log->durable_ticket, memory_order_acquire);
}

bronze_pos bronze_durable_pos(const struct bronze *log)
{
    return atomic_load_explicit(&log->durable_pos, memory_order_acquire);
}

bronze_pos bronze_appended_pos(const struct bronze *log)
{
    return atomic_load_explicit(&log->appended_pos, memory_order_acquire);
}

int bronze_wait(struct bronze *log, uint64_t ticket, uint32_t timeout_ms)
{
    uint64_t end_ns = sys_mono_ns(log->sys) + (uint64_t)timeout_ms * 1000000;
    for (;;) {
        uint32_t seen = sys_event_read(&log->durable_event);
        if (bronze_durable_ticket(log) >= ticket)
            return 0;
        uint64_t now = sys_mono_ns(log->sys);
        if (now >= end_ns)
            return ERR_TIMEOUT;
        if (log->log_thread == NULL) {
            bronze_step(log, 0);
            bronze_segment_step(log);
            sys_sleep_ms(log->sys, 1);
            continue;
        }
        sys_event_wait(&log->durable_event, seen, (end_ns - now) / 1000 + 1);
    }
}
