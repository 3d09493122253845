/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of spill share. Layouts: docs/formats/spill.md. */

#include "base/buf.h"
#include "spill/spill.h"

#define SPILL_HEADER_BYTES       128u
#define SPILL_BLOCK_HEADER_BYTES 64u
/* A block is written when it has grown to this. */
#define SPILL_BLOCK_BYTES_TARGET (1u << 20)
/* One frame is the most that goes beyond: a request's rows fit into a block of the log. */
#define SPILL_BLOCK_BYTES_MAX (16u << 20)

struct spill_block {
    uint64_t offset;
    bronze_pos first_pos, last_pos;
    uint32_t row_count, frame_count, frame_bytes, table_id, number;
};

/* ---- record.c: bytes ---- */

void spill__header_encode(const struct spill_folder *d, const struct spill_file *f, int64_t now_us,
                          uint8_t out[SPILL_HEADER_BYTES]);
/* NULL, or what is wrong; fills all of @f but the name. */
const char *spill__header_decode(const struct spill_folder *d, const uint8_t in[SPILL_HEADER_BYTES],
                                 struct spill_file *f);
/* @block holds the frames behind the header. */
void spill__block_seal(const struct uuid *log, const struct spill_block *b, uint8_t *block);
const char *spill__block_decode(const struct uuid *log, const uint8_t in[SPILL_BLOCK_HEADER_BYTES],
                                struct spill_block *b);
/* NULL, or what is wrong: checksum, and that the frames are what the header says. */
const char *spill__block_view(const struct uuid *log, const struct spill_block *b,
                              const uint8_t *block, struct bronze_block *ret);
/* "<table>-<first>.spill" */
void spill__name(uint32_t table_id, bronze_pos first_pos, char out[SPILL_NAME_MAX]);
bool spill__name_parse(const char *name, uint32_t *ret_table, bronze_pos *ret_first);
char *spill__path(const struct spill_folder *d, const char *name); /* NULL: the folder; given */
