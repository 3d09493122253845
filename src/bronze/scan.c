/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blocks of one segment file, front to back, in large aligned reads. Used by recovery, by
 * readers that have fallen behind, and by the offline dump. A block counts when it proves itself
 * and is the very next one; anything else is SCAN_STOP, and the caller judges what that means.
 */
#include "bronze_priv.h"

#include "base/mem.h"
#include "base/must.h"

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

void bronze__scan_deinit(struct scan *s)
{
    mem_free(s->buf);
    s->buf = NULL;
    s->buf_cap = s->buf_len = 0;
}

int bronze__scan_bytes(struct scan *s, uint64_t offset, size_t len, const uint8_t **ret_bytes,
                       struct err *e)
{
    must(offset % BLOCK_ALIGN == 0);
    *ret_bytes = NULL;
    if (offset + len > s->file_bytes)
        return 0;
    if (offset < s->buf_offset || offset + len > s->buf_offset + s->buf_len) {
        size_t want = MAX((size_t)READ_CHUNK_BYTES, len);
        if (s->buf_cap < want) {
            mem_free(s->buf);
            s->buf = mem_aligned(BLOCK_ALIGN, want);
            s->buf_cap = want;
        }
        s->buf_offset = offset;
        s->buf_len = 0;
        size_t got = (size_t)MIN((uint64_t)want, s->file_bytes - offset);
        TRY(sys_read(s->file, s->buf, got, offset, e));
        s->buf_len = got;
    }
    *ret_bytes = s->buf + (offset - s->buf_offset);
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
