/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and bytes of spill files (docs/formats/spill.md). Pure. Each checksum is seeded with the
 * log's UUID, as in the log: nothing that a client sends can imitate a block.
 */
#include "spill_priv.h"

#include "base/bits.h"
#include "base/crc.h"
#include "base/mem.h"
#include "base/must.h"
#include "bronze/frames.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT    1
#define NAME_LEN  37 /* 10 digits, -, 20 digits, .spill */
#define TABLE_LEN 10
#define SUFFIX    ".spill"
#define FIRST_AT  11
#define SUFFIX_AT 31

static const char file_magic[8] = {'S', 'L', 'U', 'I', 'C', 'S', 'P', 'L'};
static const char block_magic[8] = {'S', 'L', 'U', 'I', 'C', 'S', 'P', 'B'};

static uint32_t crc_of(const struct uuid *log, const void *data, size_t len)
{
    return crc32c(crc32c(0, log->bytes, sizeof(log->bytes)), data, len);
}

/* ---- header ---- */

void spill__header_encode(const struct spill_folder *d, const struct spill_file *f, int64_t now_us,
                          uint8_t out[SPILL_HEADER_BYTES])
{
    memset(out, 0, SPILL_HEADER_BYTES);
    memcpy(out, file_magic, sizeof(file_magic));
    put_le32(out + 8, FORMAT);
    memcpy(out + 16, d->log.bytes, sizeof(d->log.bytes));
    put_le64(out + 32, d->timeline);
    put_le32(out + 40, f->table_id);
    put_le32(out + 44, f->block_count);
    put_le64(out + 48, f->from);
    put_le64(out + 56, f->to);
    put_le64(out + 64, f->first_pos);
    put_le64(out + 72, f->last_pos);
    put_le64(out + 80, f->row_count);
    put_le64(out + 88, f->bytes);
    put_le64(out + 96, f->prev_last);
    put_le64(out + 104, (uint64_t)now_us);
    put_le32(out + 12, crc_of(&d->log, out, SPILL_HEADER_BYTES));
}

static bool is_sound(const struct spill_file *f)
{
    return f->block_count > 0 && f->row_count > 0 && f->first_pos > 0 &&
           f->first_pos <= f->last_pos && f->last_pos <= f->to && f->from <= f->last_pos &&
           f->prev_last < f->first_pos && f->row_count <= f->last_pos + 1 - f->first_pos;
}

const char *spill__header_decode(const struct spill_folder *d, const uint8_t in[SPILL_HEADER_BYTES],
                                 struct spill_file *f)
{
    uint8_t copy[SPILL_HEADER_BYTES];
    if (memcmp(in, file_magic, sizeof(file_magic)) != 0)
        return "it does not begin as a spill file";
    if (get_le32(in + 8) != FORMAT)
        return "its format is not known here";
    memcpy(copy, in, sizeof(copy));
    put_le32(copy + 12, 0);
    if (memcmp(in + 16, d->log.bytes, sizeof(d->log.bytes)) != 0)
        return "it is a file of another log, or damaged";
    if (crc_of(&d->log, copy, sizeof(copy)) != get_le32(in + 12))
        return "the checksum of its header does not match";
    if (get_le64(in + 32) != d->timeline)
        return "it is a file of another timeline of this log";
    f->table_id = get_le32(in + 40);
    f->block_count = get_le32(in + 44);
    f->from = get_le64(in + 48);
    f->to = get_le64(in + 56);
    f->first_pos = get_le64(in + 64);
    f->last_pos = get_le64(in + 72);
    f->row_count = get_le64(in + 80);
    f->bytes = get_le64(in + 88);
    f->prev_last = get_le64(in + 96);
    return is_sound(f) ? NULL : "its header contradicts itself";
}

/* ---- blocks ---- */

void spill__block_seal(const struct uuid *log, const struct spill_block *b, uint8_t *block)
{
    memset(block, 0, SPILL_BLOCK_HEADER_BYTES);
    memcpy(block, block_magic, sizeof(block_magic));
    put_le32(block + 12, crc_of(log, block + SPILL_BLOCK_HEADER_BYTES, b->frame_bytes));
    put_le64(block + 16, b->offset);
    put_le64(block + 24, b->first_pos);
    put_le64(block + 32, b->last_pos);
    put_le32(block + 40, b->row_count);
    put_le32(block + 44, b->frame_count);
    put_le32(block + 48, b->frame_bytes);
    put_le32(block + 52, b->table_id);
    put_le32(block + 56, b->number);
    put_le32(block + 8, crc_of(log, block + 12, SPILL_BLOCK_HEADER_BYTES - 12));
}

const char *spill__block_decode(const struct uuid *log, const uint8_t in[SPILL_BLOCK_HEADER_BYTES],
                                struct spill_block *b)
{
    if (memcmp(in, block_magic, sizeof(block_magic)) != 0)
        return "no block begins here";
    if (crc_of(log, in + 12, SPILL_BLOCK_HEADER_BYTES - 12) != get_le32(in + 8))
        return "the checksum of a block's header does not match";
    b->offset = get_le64(in + 16);
    b->first_pos = get_le64(in + 24);
    b->last_pos = get_le64(in + 32);
    b->row_count = get_le32(in + 40);
    b->frame_count = get_le32(in + 44);
    b->frame_bytes = get_le32(in + 48);
    b->table_id = get_le32(in + 52);
    b->number = get_le32(in + 56);
    return b->frame_bytes > SPILL_BLOCK_BYTES_MAX ? "a block is too large" : NULL;
}

const char *spill__block_view(const struct uuid *log, const struct spill_block *b,
                              const uint8_t *block, struct bronze_block *ret)
{
    struct slice frames = slice_of(block + SPILL_BLOCK_HEADER_BYTES, b->frame_bytes);
    struct bronze_frames v;
    if (crc_of(log, frames.data, frames.len) != get_le32(block + 12))
        return "the checksum of a block does not match";
    if (!bronze_frames_look(frames, b->table_id, &v) || v.frame_count != b->frame_count ||
        v.row_count != b->row_count || v.first_pos != b->first_pos || v.last_pos != b->last_pos)
        return "a block does not hold what its header says";
    *ret = (struct bronze_block){
        .first_pos = b->first_pos,
        .end_pos = b->last_pos + 1,
        .frame_count = b->frame_count,
        .bytes = SPILL_BLOCK_HEADER_BYTES + b->frame_bytes,
        .first_time_us = v.first_time_us,
        .offset = b->offset,
        .frames = frames,
    };
    return NULL;
}

/* ---- names ---- */

void spill__name(uint32_t table_id, bronze_pos first_pos, char out[SPILL_NAME_MAX])
{
    (void)snprintf(out, SPILL_NAME_MAX, "%010" PRIu32 "-%020" PRIu64 SUFFIX, table_id, first_pos);
}

static bool are_digits(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] < '0' || p[i] > '9')
            return false;
    return true;
}

bool spill__name_parse(const char *name, uint32_t *ret_table, bronze_pos *ret_first)
{
    if (strlen(name) != NAME_LEN || !are_digits(name, TABLE_LEN) || name[TABLE_LEN] != '-' ||
        !are_digits(name + FIRST_AT, SUFFIX_AT - FIRST_AT) || strcmp(name + SUFFIX_AT, SUFFIX) != 0)
        return false;
    uint64_t table = strtoull(name, NULL, 10);
    if (table == 0 || table > UINT32_MAX)
        return false;
    *ret_table = (uint32_t)table;
    *ret_first = strtoull(name + FIRST_AT, NULL, 10);
    return true;
}

char *spill__path(const struct spill_folder *d, const char *name)
{
    return name != NULL ? mem_printf("%s/spill/%s", d->data, name)
                        : mem_printf("%s/spill", d->data);
}
