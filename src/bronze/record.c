/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of segments, blocks and frames (docs/formats/bronze.md). Pure. A block proves itself:
 * its header has a checksum of its own, and both checksums start from the log's UUID.
 */
#include "bronze_priv.h"

#include "base/bits.h"
#include "base/buf.h"
#include "base/crc.h"
#include "base/must.h"
#include "bronze/frames.h"

static const char segment_magic[8] = "SLUICSEG";
static const char block_magic[8] = "SLUICBLK";

static uint32_t crc_of(const struct uuid *uuid, const void *data, size_t len)
{
    return crc32c(crc32c(0, uuid->bytes, sizeof(uuid->bytes)), data, len);
}

void bronze__segment_encode(const struct segment_header *h, uint8_t out[SEGMENT_HEADER_BYTES])
{
    memset(out, 0, SEGMENT_HEADER_BYTES);
    memcpy(out, segment_magic, 8);
    put_le32(out + 8, 1);
    memcpy(out + 16, h->uuid.bytes, 16);
    put_le64(out + 32, h->timeline);
    put_le64(out + 40, h->epoch);
    put_le64(out + 48, h->number);
    put_le64(out + 56, h->bytes);
    put_le64(out + 64, h->first_pos);
    put_le64(out + 72, h->first_ticket);
    put_le64(out + 80, h->life_pos);
    put_le64(out + 88, h->life_ticket);
    put_le64(out + 96, (uint64_t)h->created_us);
    put_le32(out + 12, crc_of(&h->uuid, out, SEGMENT_HEADER_BYTES));
}

bool bronze__segment_decode(const uint8_t in[SEGMENT_HEADER_BYTES], struct segment_header *ret)
{
    if (memcmp(in, segment_magic, 8) != 0 || get_le32(in + 8) != 1)
        return false;
    uint8_t copy[SEGMENT_HEADER_BYTES];
    memcpy(copy, in, sizeof(copy));
    put_le32(copy + 12, 0);
    memcpy(ret->uuid.bytes, in + 16, 16);
    if (crc_of(&ret->uuid, copy, sizeof(copy)) != get_le32(in + 12))
        return false;
    ret->timeline = get_le64(in + 32);
    ret->epoch = get_le64(in + 40);
    ret->number = get_le64(in + 48);
    ret->bytes = get_le64(in + 56);
    ret->first_pos = get_le64(in + 64);
    ret->first_ticket = get_le64(in + 72);
    ret->life_pos = get_le64(in + 80);
    ret->life_ticket = get_le64(in + 88);
    ret->created_us = (int64_t)get_le64(in + 96);
    return true;
}

void bronze__block_seal(const struct uuid *uuid, const struct block_header *h, uint8_t *block)
{
    must(h->bytes % BLOCK_ALIGN == 0 && h->bytes <= BLOCK_BYTES_MAX);
    must(BLOCK_HEADER_BYTES + h->frame_bytes <= h->bytes);
    memset(block, 0, BLOCK_HEADER_BYTES);
    memcpy(block, block_magic, 8);
    memcpy(block + 16, uuid->bytes, 16);
    put_le64(block + 32, h->epoch);
    put_le64(block + 40, h->ticket);
    put_le64(block + 48, h->segment);
    put_le64(block + 56, h->offset);
    put_le64(block + 64, h->first_pos);
    put_le32(block + 72, h->row_count);
    put_le32(block + 76, h->frame_count);
    put_le32(block + 80, h->frame_bytes);
    put_le32(block + 84, h->bytes);
    put_le64(block + 88, h->durable_ticket);
    put_le64(block + 96, (uint64_t)h->first_time_us);
    size_t payload = h->bytes - BLOCK_HEADER_BYTES;
    put_le32(block + 12, crc_of(uuid, block + BLOCK_HEADER_BYTES, payload));
    put_le32(block + 8, crc_of(uuid, block + 12, BLOCK_HEADER_BYTES - 12));
}

bool bronze__block_decode(const struct uuid *uuid, const uint8_t *in, struct block_header *ret)
{
    if (memcmp(in, block_magic, 8) != 0 || memcmp(in + 16, uuid->bytes, 16) != 0)
        return false;
    if (crc_of(uuid, in + 12, BLOCK_HEADER_BYTES - 12) != get_le32(in + 8))
        return false;
    ret->payload_crc = get_le32(in + 12);
    ret->epoch = get_le64(in + 32);
    ret->ticket = get_le64(in + 40);
    ret->segment = get_le64(in + 48);
    ret->offset = get_le64(in + 56);
    ret->first_pos = get_le64(in + 64);
    ret->row_count = get_le32(in + 72);
    ret->frame_count = get_le32(in + 76);
    ret->frame_bytes = get_le32(in + 80);
    ret->bytes = get_le32(in + 84);
    ret->durable_ticket = get_le64(in + 88);
    ret->first_time_us = (int64_t)get_le64(in + 96);
    return ret->bytes % BLOCK_ALIGN == 0 && ret->bytes >= BLOCK_ALIGN &&
           ret->bytes <= BLOCK_BYTES_MAX && ret->frame_bytes <= ret->bytes - BLOCK_HEADER_BYTES;
}

bool bronze__block_payload_ok(const struct uuid *uuid, const struct block_header *h,
                              const uint8_t *block)
{
    return crc_of(uuid, block + BLOCK_HEADER_BYTES, h->bytes - BLOCK_HEADER_BYTES) ==
           h->payload_crc;
}

void bronze__frame_encode(const struct bronze_frame *f, uint32_t payload_len, uint8_t *out)
{
    put_le32(out, FRAME_HEADER_BYTES + payload_len);
    put_le32(out + 4, (uint32_t)f->kind);
    put_le64(out + 8, f->first_pos);
    put_le32(out + 16, f->row_count);
    put_le32(out + 20, f->offset_count);
    put_le32(out + 24, f->table_id);
    put_le32(out + 28, f->descriptor_id);
    put_le64(out + 32, f->stream_id);
    put_le64(out + 40, f->first_offset);
    put_le64(out + 48, (uint64_t)f->time_us);
    put_le32(out + 56, payload_len);
    put_le32(out + 60, 0);
}

struct bronze_block bronze__block_view(const struct block_header *h, const uint8_t *block)
{
    return (struct bronze_block){
        .ticket = h->ticket,
        .first_pos = h->first_pos,
        .end_pos = h->first_pos + h->row_count,
        .frame_count = h->frame_count,
        .bytes = h->bytes,
        .first_time_us = h->first_time_us,
        .segment = h->segment,
        .offset = h->offset,
        .frames = slice_of(block + BLOCK_HEADER_BYTES, h->frame_bytes),
    };
}

/* The frame at @p in front of @left bytes: the rows it holds, or -1 when they do not fit. */
static int64_t count_rows(const uint8_t *p, size_t left)
{
    if (left < FRAME_HEADER_BYTES)
        return -1;
    uint32_t bytes = get_le32(p), payload = get_le32(p + 56);
    if (bytes < FRAME_HEADER_BYTES || bytes > left || payload != bytes - FRAME_HEADER_BYTES)
        return -1;
    int64_t rows = 0;
    const uint8_t *row = p + FRAME_HEADER_BYTES, *end = row + payload;
    for (; row < end; rows++) {
        if (end - row < 4 || get_le32(row) > (size_t)(end - row) - 4)
            return -1;
        row += 4 + (size_t)get_le32(row);
    }
    return rows == get_le32(p + 16) ? rows : -1;
}

bool bronze__block_frames_ok(const struct bronze_block *b)
{
    bronze_pos pos = b->first_pos;
    uint32_t frames = 0;
    for (size_t at = 0; at < b->frames.len; frames++) {
        const uint8_t *p = b->frames.data + at;
        int64_t rows = count_rows(p, b->frames.len - at);
        if (rows < 0 || get_le64(p + 8) != pos)
            return false;
        pos += (uint64_t)rows;
        at = (size_t)align_up(at + get_le32(p), FRAME_ALIGN);
    }
    return frames == b->frame_count && pos == b->end_pos;
}

bool bronze_block_frame(const struct bronze_block *b, size_t *at, struct bronze_frame *ret_frame)
{
    if (*at >= b->frames.len)
        return false;
    const uint8_t *p = b->frames.data + *at;
    must(b->frames.len - *at >= FRAME_HEADER_BYTES);
    uint32_t bytes = get_le32(p), payload = get_le32(p + 56);
    must(bytes <= b->frames.len - *at && payload == bytes - FRAME_HEADER_BYTES);
    ret_frame->kind = (enum bronze_kind)get_le32(p + 4);
    ret_frame->first_pos = get_le64(p + 8);
    ret_frame->row_count = get_le32(p + 16);
    ret_frame->offset_count = get_le32(p + 20);
    ret_frame->table_id = get_le32(p + 24);
    ret_frame->descriptor_id = get_le32(p + 28);
    ret_frame->stream_id = get_le64(p + 32);
    ret_frame->first_offset = get_le64(p + 40);
    ret_frame->time_us = (int64_t)get_le64(p + 48);
    ret_frame->payload = slice_of(p + FRAME_HEADER_BYTES, payload);
    *at = (size_t)align_up(*at + bytes, FRAME_ALIGN);
    return true;
}

bool bronze_frame_row(const struct bronze_frame *f, size_t *at, struct slice *ret_row)
{
    if (*at >= f->payload.len)
        return false;
    must(f->payload.len - *at >= 4);
    uint32_t len = get_le32(f->payload.data + *at);
    must(len <= f->payload.len - *at - 4);
    *ret_row = slice_of(f->payload.data + *at + 4, len);
    *at += 4 + (size_t)len;
    return true;
}

/* ---- frames elsewhere (frames.h) ---- */

void bronze_frame_add(const struct bronze_frame *f, struct buf *out)
{
    uint32_t len = (uint32_t)f->payload.len;
    size_t bytes = (size_t)align_up(FRAME_HEADER_BYTES + (size_t)len, FRAME_ALIGN);
    uint8_t *p = buf_reserve(out, bytes);
    bronze__frame_encode(f, len, p);
    memcpy(p + FRAME_HEADER_BYTES, f->payload.data, len);
    memset(p + FRAME_HEADER_BYTES + len, 0, bytes - FRAME_HEADER_BYTES - len);
    out->len += bytes;
}

bool bronze_frames_look(struct slice frames, uint32_t table_id, struct bronze_frames *ret)
{
    *ret = (struct bronze_frames){0};
    for (size_t at = 0; at < frames.len; ret->frame_count++) {
        const uint8_t *p = frames.data + at;
        int64_t rows = count_rows(p, frames.len - at);
        if (rows <= 0 || get_le64(p + 8) <= ret->last_pos || get_le32(p + 24) != table_id ||
            get_le32(p + 4) == BRONZE_CONTROL)
            return false;
        if (ret->frame_count == 0) {
            ret->first_pos = get_le64(p + 8);
            ret->first_time_us = (int64_t)get_le64(p + 48);
        }
        ret->last_pos = get_le64(p + 8) + (uint64_t)rows - 1;
        ret->row_count += (uint32_t)rows;
        at = (size_t)align_up(at + get_le32(p), FRAME_ALIGN);
    }
    return ret->frame_count > 0;
}
