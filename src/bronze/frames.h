/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Frames outside of the log, byte for byte as they stand in its blocks: for files that take rows
 * over from it. Pure. Layout: docs/formats/bronze.md.
 */

#include "bronze/bronze.h"

struct buf;

/* Adds the frame, padded to where the next one may begin. */
void bronze_frame_add(const struct bronze_frame *f, struct buf *out);

/* Frames with rows of one table, one behind the other. */
struct bronze_frames {
    uint32_t frame_count, row_count;
    bronze_pos first_pos, last_pos;
    int64_t first_time_us;
};
/*
 * Do the bytes hold whole frames with rows of this table, positions rising? What
 * bronze_block_frame() and bronze_frame_row() then take for granted.
 */
bool bronze_frames_look(struct slice frames, uint32_t table_id, struct bronze_frames *ret);
