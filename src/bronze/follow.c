/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers: the durable blocks in order, from memory while they keep up, else from the device.
 *
 * A block in the ring is pinned while its reader looks at it, so that appends do not overwrite it
 * (A2).
 * A reader that has fallen out of the ring reads the segment files in large chunks, the next one
 * coming while it works on this one, and comes back to memory by itself. Readers never see past the
 * durable end (I5).
 *
 * Thread: a reader belongs to one thread; bronze_reader_wake() is for any.
 */
#include "bronze_priv.h"

#include "base/mem.h"
#include "base/must.h"

static struct bronze_reader *reader_new(struct bronze *log, const char *name, uint64_t ticket,
                                        bronze_pos from)
{
    struct bronze_reader *r = mem_zalloc(sizeof(*r));
    r->log = log;
    r->name = mem_strdup(name);
    r->ticket = ticket;
    r->from = from;
    r->pin_virt = UINT64_MAX;
    sys_mutex_lock(&log->lock);
    r->next = log->readers;
    log->readers = r;
    sys_mutex_unlock(&log->lock);
    return r;
}

struct bronze_reader *bronze__reader_at(struct bronze *log, const char *name,
                                        const struct bronze_block *b)
{
    struct bronze_reader *r = reader_new(log, name, b->ticket, 0);
    r->last_segment = b->segment;
    r->last_end_offset = b->offset;
    r->last_end_pos = b->first_pos;
    return r;
}

int bronze_reader_open(struct bronze *log, const char *name, bronze_pos from,
                       struct bronze_reader **ret_reader, struct err *e)
{
    sys_mutex_lock(&log->lock);
    struct segment s = *bronze__segment_of_pos(log, from);
    bronze_pos oldest = log->segments[0].first_pos;
    sys_mutex_unlock(&log->lock);
    if (from < oldest)
        return err_set(e, ERR_NOT_FOUND, "%s wants position %llu, but the log starts at %llu", name,
                       (unsigned long long)from, (unsigned long long)oldest);
    *ret_reader = reader_new(log, name, s.first_ticket, from);
    return 0;
}

struct bronze_reader *bronze_reader_close(struct bronze_reader *r)
{
    if (r == NULL)
        return NULL;
    bronze_reader_release(r);
    sys_mutex_lock(&r->log->lock);
    struct bronze_reader **p = &r->log->readers;
    while (*p != r)
        p = &(*p)->next;
    *p = r->next;
    sys_mutex_unlock(&r->log->lock);
    bronze__scan_deinit(&r->scan);
    r->fetch = sys_fetch_free(r->fetch);
    r->file = sys_close(r->file);
    mem_free(r->name);
    mem_free(r);
    return NULL;
}

void bronze_reader_release(struct bronze_reader *r)
{
    if (r->pin_virt == UINT64_MAX)
        return;
    sys_mutex_lock(&r->log->lock);
    r->pin_virt = UINT64_MAX;
    bool room = bronze__room_wanted(r->log);
    sys_mutex_unlock(&r->log->lock);
    if (room)
        bronze__tell_room(r->log);
}

/* From the ring, pinned; false when it is not there (any more). */
static bool from_memory(struct bronze_reader *r, struct bronze_block *ret_block)
{
    struct bronze *log = r->log;
    sys_mutex_lock(&log->lock);
    const struct block_slot *slot = bronze__slot(log, r->ticket);
    bool there = slot->ticket == r->ticket && slot->virt + log->ring_bytes >= log->write_end;
    if (there) {
        r->pin_virt = slot->virt;
        log->limit_virt = MIN(log->limit_virt, slot->virt + log->ring_bytes);
        *ret_block = bronze__block_view(&slot->header, bronze__memory(log, slot->virt));
    }
    sys_mutex_unlock(&log->lock);
    return there;
}

/* Open the segment that holds the reader's ticket, placed as near to it as is known. */
static int open_segment(struct bronze_reader *r, const struct segment *s, struct err *e)
{
    bronze__scan_deinit(&r->scan);
    r->file = sys_close(r->file);
    r->segment = 0;
    char *path = bronze__segment_path(r->log, s->number);
    int rc = sys_open(r->log->sys, path, SYS_READ | SYS_DIRECT, &r->file, e);
    mem_free(path);
    TRY(rc);
    uint64_t bytes;
    TRY(sys_size(r->file, &bytes, e));
    struct segment_header h = {
        .uuid = r->log->uuid,
        .number = s->number,
        .epoch = s->epoch,
        .first_ticket = s->first_ticket,
        .first_pos = s->first_pos,
    };
    bronze__scan_init(&r->scan, r->file, &h, bytes / BLOCK_ALIGN * BLOCK_ALIGN);
    r->scan.sys = r->log->sys;
    if (r->fetch == NULL)
        r->fetch = sys_fetch_new(r->log->sys);
    r->scan.fetch = r->fetch;
    r->segment = s->number;
    return 0;
}

/* Memory has carried the reader on since the scan stood here: move it to where the last block
 * ended. */
static void catch_up_scan(struct bronze_reader *r)
{
    if (r->last_segment != r->segment || r->scan.ticket >= r->ticket)
        return;
    r->scan.offset = r->last_end_offset;
    r->scan.ticket = r->ticket;
    r->scan.pos = r->last_end_pos;
}

/* A block that was durable is not valid: damage, unless a trim has just given its segment away. */
static int not_valid(const struct bronze_reader *r, uint64_t segment, struct err *e)
{
    sys_mutex_lock(&r->log->lock);
    bool trimmed = r->log->segments[0].number > segment;
    sys_mutex_unlock(&r->log->lock);
    if (trimmed)
        return err_set(e, ERR_NOT_FOUND, "%s has been overtaken: block %llu has been trimmed",
                       r->name, (unsigned long long)r->ticket);
    return err_set(e, ERR_DAMAGED,
                   "the log is damaged: segment %llu at byte %llu: block %llu was durable and is "
                   "not valid now",
                   (unsigned long long)segment, (unsigned long long)r->scan.offset,
                   (unsigned long long)r->ticket);
}

static int from_device(struct bronze_reader *r, struct bronze_block *ret_block, struct err *e)
{
    sys_mutex_lock(&r->log->lock);
    const struct segment *found = bronze__segment_of_ticket(r->log, r->ticket);
    const struct segment *oldest = &r->log->segments[0];
    if (found == NULL && oldest->first_pos <= MAX(r->from, r->last_end_pos)) {
        found = oldest; /* only empty blocks were trimmed under this reader */
        r->ticket = oldest->first_ticket;
    }
    struct segment s = found != NULL ? *found : (struct segment){0};
    sys_mutex_unlock(&r->log->lock);
    if (s.number == 0)
        return err_set(e, ERR_NOT_FOUND, "%s has been overtaken: block %llu has been trimmed",
                       r->name, (unsigned long long)r->ticket);
    if (r->ticket > bronze_durable_ticket(r->log))
        return BRONZE_END;
    if (r->segment != s.number || r->scan.ticket > r->ticket)
        TRY(open_segment(r, &s, e));
    catch_up_scan(r);
    bool fresh = false;
    for (;;) {
        int rc = bronze__scan_next(&r->scan, ret_block, e);
        TRY(rc);
        if (rc == 0 && ret_block->ticket == r->ticket)
            return 0;
        if (rc == SCAN_STOP && fresh)
            return not_valid(r, s.number, e);
        if (rc == SCAN_STOP) {
            bronze__scan_forget(&r->scan); /* read before the block was written: look again */
            fresh = true;
        }
    }
}

/* How far may it read (I5)? */
static uint64_t readable_ticket(const struct bronze_reader *r)
{
    if (sys_bug(r->log->sys, SYS_BUG_READ_PAST_DURABLE))
        return r->log->submit_ticket - 1; /* against I5: started, not durable */
    return bronze_durable_ticket(r->log);
}

int bronze_reader_next(struct bronze_reader *r, struct bronze_block *ret_block, struct err *e)
{
    for (;;) {
        bronze_reader_release(r);
        if (r->ticket > readable_ticket(r))
            return BRONZE_END;
        if (!from_memory(r, ret_block)) {
            int rc = from_device(r, ret_block, e);
            if (rc != 0)
                return rc;
        }
        must(ret_block->ticket == r->ticket);
        r->ticket++;
        r->last_segment = ret_block->segment;
        r->last_end_offset = ret_block->offset + ret_block->bytes;
        r->last_end_pos = ret_block->end_pos;
        if (ret_block->end_pos > r->from)
            return 0;
    }
}

void bronze_reader_wait(struct bronze_reader *r, uint64_t timeout_us)
{
    uint32_t seen = sys_event_read(&r->log->durable_event);
    if (atomic_exchange(&r->woken, false) || r->ticket <= bronze_durable_ticket(r->log))
        return;
    sys_event_wait(&r->log->durable_event, seen, timeout_us);
    atomic_store(&r->woken, false);
}

void bronze_reader_wake(struct bronze_reader *r)
{
    atomic_store(&r->woken, true);
    sys_event_signal(&r->log->durable_event);
}
