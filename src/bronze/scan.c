/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blocks of one segment file, front to back, in large aligned reads. Used by recovery, by
 * readers that have fallen behind, and by the offline dump. A block counts when it proves itself
 * and is the very next one; anything else is SCAN_STOP, and the caller judges what that means.
 *
 * With a fetch, the next chunk comes while the blocks of this one are worked on:
 *
 *    buf    … shown │ left │            left is copied in front of the chunk that has come,
 *    ahead           room  │ chunk │    the two change places, and the next chunk is asked for
 */
#include "bronze_priv.h"

#include "base/mem.h"
#include "base/must.h"

/* Of a block that straddles two chunks; a larger part of one is read again. */
#define CARRY_BYTES_MAX (2u * 1024 * 1024)

void bronze__scan_init(struct scan *s, struct sys_file *file, const struct segment_header *h,
                       uint64_t file_bytes)
{
    *s = (struct scan){
        .file = file,
        .uuid = h->uuid,
        .number = h->number,
        .epoch = h->epoch,
        .file_bytes = file_bytes,
        .offset = SEGMENT_HEADER_BYTES,
        .ticket = h->first_ticket,
        .pos = h->first_pos,
    };
}

/* Nothing is on its way any more. */
static int end_fetch(struct scan *s, struct err *e)
{
    bool comes = s->ahead_len != 0;
    s->ahead_len = 0;
    return comes ? sys_fetch_end(s->fetch, e) : 0;
}

void bronze__scan_forget(struct scan *s)
{
    (void)end_fetch(s, NULL); /* nobody wants the bytes */
    s->buf_len = 0;
}

void bronze__scan_deinit(struct scan *s)
{
    bronze__scan_forget(s);
    mem_free(s->buf);
    mem_free(s->ahead);
    s->buf = s->bytes = s->ahead = NULL;
    s->buf_cap = s->ahead_cap = 0;
}

static void reserve(uint8_t **buf, size_t *cap, size_t want)
{
    if (*cap >= want)
        return;
    mem_free(*buf);
    *buf = mem_aligned(BLOCK_ALIGN, want);
    *cap = want;
}

/* Let the chunk behind the buffer come, with room in front of it for what will be left then. */
static void begin_fetch(struct scan *s)
{
    uint64_t from = s->buf_offset + s->buf_len;
    if (s->fetch == NULL || from >= s->file_bytes)
        return;
    reserve(&s->ahead, &s->ahead_cap, CARRY_BYTES_MAX + READ_CHUNK_BYTES);
    size_t len = (size_t)MIN((uint64_t)READ_CHUNK_BYTES, s->file_bytes - from);
    if (sys_fetch_begin(s->fetch, s->file, s->ahead + CARRY_BYTES_MAX, len, from))
        s->ahead_len = len;
}

/* The chunk that was on its way becomes the buffer, behind the bytes that are left of the old. */
static int take_ahead(struct scan *s, uint64_t offset, struct err *e)
{
    size_t left = (size_t)(s->buf_offset + s->buf_len - offset), got = s->ahead_len;
    TRY(end_fetch(s, e));
    uint8_t *old = s->buf;
    size_t old_cap = s->buf_cap;
    uint8_t *bytes = s->ahead + CARRY_BYTES_MAX - left;
    memcpy(bytes, s->bytes + (offset - s->buf_offset), left);
    s->buf = s->ahead;
    s->buf_cap = s->ahead_cap;
    s->ahead = old;
    s->ahead_cap = old_cap;
    s->bytes = bytes;
    s->buf_offset = offset;
    s->buf_len = left + got;
    return 0;
}

static int read_now(struct scan *s, uint64_t offset, size_t len, struct err *e)
{
    bronze__scan_forget(s);
    size_t want = MAX((size_t)READ_CHUNK_BYTES, len);
    reserve(&s->buf, &s->buf_cap, want);
    size_t got = (size_t)MIN((uint64_t)want, s->file_bytes - offset);
    TRY(sys_read(s->file, s->buf, got, offset, e));
    s->bytes = s->buf;
    s->buf_offset = offset;
    s->buf_len = got;
    return 0;
}

int bronze__scan_bytes(struct scan *s, uint64_t offset, size_t len, const uint8_t **ret_bytes,
                       struct err *e)
{
    must(offset % BLOCK_ALIGN == 0);
    *ret_bytes = NULL;
    if (offset + len > s->file_bytes)
        return 0;
    uint64_t end = s->buf_offset + s->buf_len;
    bool starts_here = offset >= s->buf_offset && offset <= end;
    if (!starts_here || offset + len > end) {
        bool comes = s->ahead_len != 0 && starts_here && end - offset <= CARRY_BYTES_MAX &&
                     offset + len <= end + s->ahead_len;
        TRY(comes ? take_ahead(s, offset, e) : read_now(s, offset, len, e));
        begin_fetch(s);
    }
    *ret_bytes = s->bytes + (offset - s->buf_offset);
    return 0;
}

int bronze__scan_next(struct scan *s, struct bronze_block *ret_block, struct err *e)
{
    const uint8_t *p;
    TRY(bronze__scan_bytes(s, s->offset, BLOCK_ALIGN, &p, e));
    struct block_header h;
    if (p == NULL || !bronze__block_decode(&s->uuid, p, &h))
        return SCAN_STOP;
    if (h.epoch != s->epoch || h.segment != s->number || h.offset != s->offset ||
        h.ticket != s->ticket || h.first_pos != s->pos)
        return SCAN_STOP;
    TRY(bronze__scan_bytes(s, s->offset, h.bytes, &p, e));
    bool ok = p != NULL && bronze__block_payload_ok(&s->uuid, &h, p);
    if (p != NULL && sys_bug(s->sys, SYS_BUG_CRC_IGNORED))
        ok = true; /* against L4 */
    if (!ok)
        return SCAN_STOP;
    *ret_block = bronze__block_view(&h, p);
    if (!bronze__block_frames_ok(ret_block))
        return err_set(e, ERR_DAMAGED,
                       "the log is damaged: segment %llu at byte %llu: the block's checksums are "
                       "right, but its frames do not add up",
                       (unsigned long long)s->number, (unsigned long long)s->offset);
    s->offset += h.bytes;
    s->ticket++;
    s->pos += h.row_count;
    return 0;
}
