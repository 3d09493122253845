/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of the reader share: Thrift's compact protocol and level runs read with
 * suspicion, and what the footer said about each chunk. */

#include "parquet_priv.h"

/* ---- thrift_in.c ---- */

/* Bytes of the compact protocol. After anything that does not fit, @bad stays set and every call
 * gives zero. */
struct parquet_in {
    const uint8_t *at, *end;
    bool bad;
};
uint8_t parquet__in_byte(struct parquet_in *in);
uint64_t parquet__in_varint(struct parquet_in *in);
/* The next field of a struct: its number and type. False at the struct's end, or when bad.
 * *last_id starts at 0. */
bool parquet__in_field(struct parquet_in *in, int *last_id, int *ret_type);
int64_t parquet__in_int(struct parquet_in *in, int type); /* bad when @type is not a number's */
struct slice parquet__in_binary(struct parquet_in *in, int type);
/* Count of a list; bad when @type is not a list's, or its elements are not of @of. */
uint32_t parquet__in_list(struct parquet_in *in, int type, int of);
void parquet__in_skip(struct parquet_in *in, int type);

/* ---- the reader ---- */

struct parquet_chunk_at {
    uint64_t offset, bytes; /* all pages with headers; lies within the file */
    uint64_t value_count;
    bool has_dict;
};

struct parquet_reader {
    struct row_schema *schema; /* shares */
    struct slice file;         /* borrowed */
    struct parquet_leaf *leaves;
    uint64_t row_count;
    uint32_t group_count;
    uint32_t *group_rows;
    struct parquet_chunk_at *chunks; /* group_count × column_count */
    /* scratch */
    struct ZSTD_DCtx_s *zstd;
    struct buf page, dict_page;   /* unpacked bytes */
    struct buf cells, dict_cells; /* values of cell_bytes each; of byte columns: struct slice */
    struct buf indexes, levels;   /* uint32_t each */
};

/* read_chunk.c: column @index of group @group into its vector of @batch. */
must_use int parquet__chunk_read(struct parquet_reader *r, uint32_t group, uint32_t index,
                                 struct row_batch *batch, struct err *e);
/* @count values of @width bits; false when they are not there exactly. */
bool parquet__hybrid_read(struct slice runs, uint32_t width, size_t count, uint32_t *ret_values);
int parquet__read_damaged(struct err *e, uint64_t offset, const char *what);
