/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files of this module share. A column chunk goes
 *
 *   row_vector ──leaf.c──► parquet_data (dense values, levels) ──chunk.c──► pages in the file
 *                            dict.c: dictionary?  hybrid.c: levels, indexes  range.c: min, max
 *
 * and leaves a parquet_chunk behind, from which footer.c writes indexes and footer. parquet.c
 * (flat) and nested.c (trees) drive a parquet_file; they differ only in where values and levels
 * come from.
 */

#include "parquet/nested.h"
#include "parquet/parquet.h"

#include "base/buf.h"
#include "base/err.h"
#include "row/row.h"

#include <stdbool.h>
#include <stdint.h>

struct ZSTD_CCtx_s;
struct parquet_thrift;

/* Numbers of the format (parquet.thrift). */
enum parquet_physical {
    PHYS_BOOLEAN = 0,
    PHYS_INT32 = 1,
    PHYS_INT64 = 2,
    PHYS_FLOAT = 4,
    PHYS_DOUBLE = 5,
    PHYS_BYTE_ARRAY = 6,
    PHYS_FIXED = 7, /* FIXED_LEN_BYTE_ARRAY: here always a big-endian decimal */
};
enum parquet_encoding { ENC_PLAIN = 0, ENC_RLE = 3, ENC_RLE_DICTIONARY = 8 };
enum parquet_page_type { PAGE_DATA = 0, PAGE_DICTIONARY = 2 };
enum parquet_repetition { REP_REQUIRED = 0, REP_OPTIONAL = 1, REP_REPEATED = 2 };
enum parquet_converted { CONV_NONE = -1, CONV_MAP = 1, CONV_LIST = 3 };
#define PARQUET_CODEC_ZSTD 6

#define PARQUET_MAGIC           "PAR1"
#define PARQUET_CREATED_BY      "sluice version 0.1.0 (build 1)"
#define PARQUET_ROW_GROUPS_MAX  32767 /* ordinals have 16 bits */
#define PARQUET_PAGES_MAX       32767
#define PARQUET_BOUND_BYTES_MAX 64 /* of a min or max of bytes, in footer and index */
#define PARQUET_PATH_MAX        (PARQUET_NESTED_DEPTH_MAX + 3)

/* A leaf of the schema as Parquet sees it. */
struct parquet_leaf {
    enum row_type type;
    uint8_t precision, scale;
    enum parquet_physical physical;
    uint8_t width; /* bytes of a value, in memory and in PLAIN; boolean 1 in memory; BYTE_ARRAY 0 */
    uint8_t def_max, rep_max;
    uint8_t path_len;
    const char *path[PARQUET_PATH_MAX]; /* borrowed */
};

/* The values of one column chunk. All borrowed. */
struct parquet_data {
    uint32_t row_count, level_count, value_count;
    const uint8_t *def, *rep; /* level_count each; NULL where the leaf's maximum is 0 */
    const uint8_t *fixed;     /* value_count × width: nulls take no place; or */
    const uint32_t *offsets;  /* value_count + 1 places in */
    const uint8_t *bytes;
};

/* ---- leaf.c: types ---- */

/* Memory for values that must be made dense or be converted. */
struct parquet_dense {
    struct buf fixed, offsets;
};

void parquet__leaf_init(struct parquet_leaf *leaf, enum row_type type, uint8_t precision,
                        uint8_t scale);
/* The values of @v (@row_count rows) without its nulls; borrows from @v and @scratch. Sets the
 * value part of @ret_data only. v->valid may be NULL when v->null_count is 0. */
void parquet__leaf_values(const struct parquet_leaf *leaf, const struct row_vector *v,
                          uint32_t row_count, struct parquet_dense *scratch,
                          struct parquet_data *ret_data);
/* Schema elements, one after the other in depth-first order. @field_id 0: none. */
void parquet__schema_leaf(struct buf *out, const struct parquet_leaf *leaf, const char *name,
                          enum parquet_repetition rep, uint32_t field_id);
void parquet__schema_group(struct buf *out, const char *name, int repetition, size_t child_count,
                           enum parquet_converted converted);
#define PARQUET_SCHEMA_ROOT (-1) /* the root has no repetition */

/* ---- hybrid.c: runs and bit-packed groups ---- */

void parquet__hybrid_u8(struct buf *out, const uint8_t *values, size_t count, uint32_t width);
void parquet__hybrid_u32(struct buf *out, const uint32_t *values, size_t count, uint32_t width);
uint32_t parquet__bit_width(uint32_t value_max); /* 0 for 0 */

/* ---- dict.c ---- */

struct parquet_dict {
    uint32_t *slots; /* index of an entry + 1, or 0 */
    uint32_t slot_count, slot_cap;
    uint32_t entry_count;
    size_t plain_bytes; /* of all entries */
    struct buf keys;    /* private: the entries for comparing */
    struct buf indexes; /* uint32_t per value */
};
void parquet__dict_deinit(struct parquet_dict *d);
/* Returns whether a dictionary makes the chunk smaller; then entries and indexes are set. */
bool parquet__dict_build(struct parquet_dict *d, const struct parquet_leaf *leaf,
                         const struct parquet_data *data);
/* The entries as PLAIN values. */
void parquet__dict_plain(const struct parquet_dict *d, const struct parquet_leaf *leaf,
                         const struct parquet_data *data, struct buf *out);

/* ---- range.c: min and max ---- */

union parquet_bound {
    int64_t i;      /* BOOLEAN INT32 INT64 */
    double d;       /* FLOAT DOUBLE */
    struct slice s; /* BYTE_ARRAY FIXED; borrowed */
};
struct parquet_range {
    bool has, has_nan; /* has: a value that is neither null nor NaN */
    union parquet_bound min, max;
};

/* Of values [@begin, @end). */
void parquet__range_scan(struct parquet_range *ret_range, const struct parquet_leaf *leaf,
                         const struct parquet_data *data, uint32_t begin, uint32_t end);
void parquet__range_merge(struct parquet_range *into, const struct parquet_range *from,
                          const struct parquet_leaf *leaf);
/* Appends the bound as it stands in statistics, cut to PARQUET_BOUND_BYTES_MAX where possible (a
 * maximum is then rounded up). Returns whether it is exact. */
bool parquet__range_put(const struct parquet_leaf *leaf, union parquet_bound bound, bool is_max,
                        struct buf *out);
/* Order of two bounds: <0, 0, >0. */
int parquet__range_cmp(const struct parquet_leaf *leaf, union parquet_bound a,
                       union parquet_bound b);

/* ---- the file ---- */

struct parquet_page {
    uint64_t offset;
    uint32_t total_bytes; /* header and body */
    uint32_t first_row, null_count;
    struct parquet_range range;
};

/* What the footer says about a chunk. Places are in the named buf of the file. */
struct parquet_chunk {
    uint64_t data_offset, dict_offset;  /* dict_offset 0: no dictionary */
    uint64_t packed_bytes, plain_bytes; /* of all pages with headers */
    uint32_t value_count, null_count, page_count;
    bool has_range, min_exact, max_exact;
    uint32_t min_len, max_len;
    size_t bounds_at;                         /* in bounds: min, then max */
    size_t column_index_at, column_index_len; /* in column_indexes; len 0: none */
    size_t offset_index_at, offset_index_len; /* in offset_indexes */
};

struct parquet_group {
    uint64_t row_count;
    struct parquet_chunk *chunks; /* leaf_count */
};

/* Over all row groups of the file; the bytes of min and max are the column's own. */
struct parquet_total {
    uint64_t null_count;
    struct parquet_range range;
    struct buf min, max;
};

struct parquet_file {
    struct buf *out; /* borrowed */
    uint64_t pos;    /* bytes written to out so far */
    uint64_t row_count;
    struct parquet_options options;
    struct parquet_leaf *leaves;
    struct parquet_total *totals;
    uint32_t leaf_count, group_count, group_cap;
    struct parquet_group *groups;
    struct buf schema; /* schema elements */
    uint32_t schema_count;
    bool finished;
    struct buf bounds, column_indexes, offset_indexes;
    /* scratch of the chunk in work */
    struct ZSTD_CCtx_s *zstd;
    struct parquet_dict dict;
    struct buf body, packed, header, pages;
};

/* leaves is the caller's until deinit; every element is set later, before the first group. */
void parquet__file_init(struct parquet_file *f, const struct parquet_options *o,
                        uint32_t leaf_count, struct buf *out);
void parquet__file_deinit(struct parquet_file *f);
void parquet__file_put(struct parquet_file *f, struct slice bytes);
must_use int parquet__file_group(struct parquet_file *f, uint32_t row_count, struct err *e);
/* chunk.c: the chunk of leaf @index in the newest group; leaves come in order. */
must_use int parquet__chunk_write(struct parquet_file *f, uint32_t index,
                                  const struct parquet_data *data, struct err *e);
/* footer.c */
void parquet__footer_page_index(struct parquet_file *f, const struct parquet_leaf *leaf,
                                struct parquet_chunk *c);
must_use int parquet__footer_write(struct parquet_file *f, struct err *e);
