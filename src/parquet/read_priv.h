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
    uint64_t value_count;   /* pairs of levels; at least one per row */
    bool has_dict;
};

/* Where a leaf of the table stands in the file. */
struct parquet_source {
    bool present; /* else the column was added after the file was written */
    bool widened; /* leaf is another type than the table's */
    uint32_t index;
    struct parquet_leaf leaf; /* as the file has it; levels are the table's */
};

struct parquet_reader {
    struct row_schema *schema; /* shares */
    struct slice file;         /* borrowed */
    struct parquet_shape shape;
    struct parquet_source *sources; /* one per leaf of the shape */
    uint32_t source_count;          /* leaves in the file */
    uint64_t row_count;
    uint32_t group_count;
    uint32_t *group_rows;
    struct parquet_chunk_at *chunks; /* group_count × source_count */
    /* scratch */
    struct ZSTD_DCtx_s *zstd;
    struct buf page, dict_page;   /* unpacked bytes */
    struct buf cells, dict_cells; /* values, cell_bytes each; of byte columns: struct slice */
    struct buf indexes, levels;   /* uint32_t each */
    struct buf def, rep;          /* of the chunk: a byte each */
};

/* read_schema.c: the file's schema elements against the table's shape. Columns and fields may be
 * missing at the end where they are nullable; types may be narrower. Sets sources. in->bad: it does
 * not read; the caller says where. ERR_UNSUPPORTED: other columns. */
must_use int parquet__schema_read(struct parquet_reader *r, struct parquet_in *in, int type,
                                  struct err *e);

/* read_chunk.c: the chunk of @leaf in @group into @v; its levels into r->def and r->rep. */
must_use int parquet__chunk_read(struct parquet_reader *r, uint32_t group, uint32_t leaf,
                                 struct row_vector *v, struct err *e);
/* @count values of @width bits; false when they are not there exactly. */
bool parquet__hybrid_read(struct slice runs, uint32_t width, size_t count, uint32_t *ret_values);
int parquet__read_damaged(struct err *e, uint64_t offset, const char *what);

/* widen.c: bytes of a value of @leaf in memory, as in a row_vector; 0 for bytes. */
uint32_t parquet__cell_bytes(const struct parquet_leaf *leaf);
/* @count cells of @from become cells of @to (row_widening_ok), in place; @cells has room for them.
 * False: a value is outside of its own type. */
bool parquet__widen(const struct parquet_leaf *from, const struct parquet_leaf *to, uint8_t *cells,
                    size_t count);

/* assemble.c: vectors from levels. Column @c, whose leaves begin at @first. */
must_use int parquet__column_read(struct parquet_reader *r, uint32_t group,
                                  const struct row_column *c, uint32_t first, struct row_vector *v,
                                  struct err *e);
