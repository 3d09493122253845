/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block of the log whose checksums are right, with frames that the input chooses: what passes the
 * check is walked to its end, frame by frame and row by row, and adds up to what the header says.
 * And frames that our own writer made: they pass and come back as they were.
 *
 * Input: frames u8, rows u8, written by us u8, then the frames' bytes or the rows as parts.
 */
#include "fuzz.h"

#include "bronze_priv.h"

#include "base/mem.h"

#define BLOCK_BYTES 65536u

static const struct uuid uuid = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

/* Walk everything; the rows seen. */
static uint32_t walk(const struct bronze_block *b, const struct fuzz_in *rows)
{
    struct bronze_frame f;
    uint32_t frames = 0, total = 0;
    for (size_t at = 0; bronze_block_frame(b, &at, &f); frames++) {
        struct slice row;
        uint32_t count = 0;
        for (size_t row_at = 0; bronze_frame_row(&f, &row_at, &row); count++) {
            struct fuzz_in again = *rows; /* ours: the row is the part of its number */
            for (uint32_t i = 0; rows->p != NULL && i <= total + count; i++) {
                struct slice expected = fuzz_part(&again);
                FUZZ_CHECK(i < total + count || slice_eq(row, expected));
            }
        }
        FUZZ_CHECK(count == f.row_count && f.first_pos == b->first_pos + total);
        total += count;
    }
    FUZZ_CHECK(frames == b->frame_count && b->first_pos + total == b->end_pos);
    return total;
}

static bool is_accepted(struct block_header *h, uint8_t *block, const struct fuzz_in *rows)
{
    struct block_header got;
    bronze__block_seal(&uuid, h, block);
    FUZZ_CHECK(bronze__block_decode(&uuid, block, &got) && got.ticket == h->ticket);
    FUZZ_CHECK(bronze__block_payload_ok(&uuid, &got, block));
    struct bronze_block b = bronze__block_view(&got, block);
    if (!bronze__block_frames_ok(&b))
        return false;
    (void)walk(&b, rows); /* it checks the count itself */
    return true;
}

/* One frame per row, as append.c lays them out. */
static void write_rows(struct fuzz_in in, struct block_header *h, uint8_t *block)
{
    uint32_t used = 0;
    while (h->row_count < 32 && fuzz_left(&in) > 0 && used < BLOCK_BYTES / 2) {
        struct slice row = fuzz_part(&in);
        uint32_t payload = 4 + (uint32_t)row.len;
        uint32_t end = used + FRAME_HEADER_BYTES + payload;
        if (end > BLOCK_BYTES - BLOCK_HEADER_BYTES)
            break;
        struct bronze_frame f = {.first_pos = h->first_pos + h->row_count,
                                 .row_count = 1,
                                 .kind = BRONZE_ROWS,
                                 .offset_count = 1};
        uint8_t *p = block + BLOCK_HEADER_BYTES + used;
        bronze__frame_encode(&f, payload, p);
        put_le32(p + FRAME_HEADER_BYTES, (uint32_t)row.len);
        if (row.len > 0)
            memcpy(p + FRAME_HEADER_BYTES + 4, row.data, row.len);
        h->frame_count++;
        h->row_count++;
        h->frame_bytes = end;
        used = (uint32_t)align_up(end, FRAME_ALIGN);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = fuzz_in(data, size);
    uint8_t *block = mem_zalloc(BLOCK_BYTES);
    struct block_header h = {.epoch = 1,
                             .ticket = 5,
                             .segment = 1,
                             .offset = 4096,
                             .first_pos = 9,
                             .bytes = BLOCK_BYTES};
    uint32_t frames = fuzz_u8(&in), rows = fuzz_u8(&in);
    if (fuzz_u8(&in) % 2 == 0) {
        struct slice s = fuzz_take(&in, BLOCK_BYTES - BLOCK_HEADER_BYTES);
        h.frame_count = frames;
        h.row_count = rows;
        h.frame_bytes = (uint32_t)s.len;
        if (s.len > 0)
            memcpy(block + BLOCK_HEADER_BYTES, s.data, s.len);
        (void)is_accepted(&h, block, &(struct fuzz_in){NULL, NULL}); /* either is fine */
    } else {
        struct fuzz_in rows_in = in;
        write_rows(in, &h, block);
        FUZZ_CHECK(is_accepted(&h, block, &rows_in));
    }
    mem_free(block);
    return 0;
}
