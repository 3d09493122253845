/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files of this module share. shape.c says which schema elements and leaves a table's
 * columns are. A column chunk goes
 *
 *   row_vector ──levels.c, leaf.c──► parquet_data (levels, dense values) ──chunk.c──► pages
 *                            dict.c: dictionary?  hybrid.c: levels, indexes  range.c: min, max
 *
 * and leaves a parquet_chunk behind, from which footer.c writes indexes and footer.
 */

#include "parquet/parquet.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
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
enum parquet_repetition {
    REP_NONE = -1, /* the root has none */
    REP_REQUIRED = 0,
    REP_OPTIONAL = 1,
    REP_REPEATED = 2,
};
/* ConvertedType */
enum parquet_converted {
    CONV_NONE = -1,
    CONV_UTF8 = 0,
    CONV_MAP = 1,
    CONV_LIST = 3,
    CONV_DECIMAL = 5,
    CONV_DATE = 6,
    CONV_TIMESTAMP_MICROS = 10,
    CONV_INT_8 = 15,
    CONV_INT_16 = 16,
};
#define PARQUET_LOGICAL_TIMESTAMP 8 /* field of the LogicalType union */
#define PARQUET_CODEC_ZSTD        6

#define PARQUET_MAGIC           "PAR1"
#define PARQUET_CREATED_BY      "sluice version 0.1.0 (build 1)"
#define PARQUET_ROW_GROUPS_MAX  32767 /* ordinals have 16 bits */
#define PARQUET_PAGES_MAX       32767
#define PARQUET_BOUND_BYTES_MAX 64 /* of a min or max of bytes, in footer and index */
#define PARQUET_PATH_MAX        (2 * ROW_DEPTH_MAX + 2) /* a type within is two elements at most */
#define PARQUET_LEVELS_MAX      (1u << 27)              /* of a column chunk; rows at least */

/* A leaf of the schema as Parquet sees it. */
struct parquet_leaf {
    enum row_type type;
    uint8_t precision, scale;
    enum parquet_physical physical;
    uint8_t width; /* bytes of a value, in memory and in PLAIN; boolean 1 in memory; BYTE_ARRAY 0 */
    uint8_t def_max, rep_max;
    uint8_t def_entry; /* from this definition level on the vector has an entry */
    uint32_t node;
};

/* The values of one column chunk. All borrowed. */
struct parquet_data {
    uint32_t row_count, level_count, value_count;
    const uint8_t *def, *rep; /* level_count each; NULL where the leaf's maximum is 0 */
    const uint8_t *fixed;     /* value_count × width: nulls take no place; or */
    const uint32_t *offsets;  /* value_count + 1 places in */
    const uint8_t *bytes;
};

/* ---- shape.c: the schema ---- */

/* What the logical type of a group says. */
enum parquet_group { GROUP_PLAIN = 0, GROUP_LIST, GROUP_MAP, GROUP_VARIANT };

/* A schema element. */
struct parquet_node {
    const char *name; /* borrowed */
    enum parquet_repetition rep;
    enum parquet_group kind;
    uint32_t child_count; /* 0: a leaf */
    uint32_t field_id;    /* 0: none */
    uint32_t parent;      /* node; the root is its own */
    uint32_t end;         /* the first node behind all those below this one */
    uint32_t leaf;        /* its number; of a group, that of the first leaf below */
};

struct parquet_shape {
    struct parquet_node *nodes; /* depth first, the root at 0 */
    struct parquet_leaf *leaves;
    uint32_t node_count, leaf_count;
};
/* Borrows the names of @schema. */
void parquet__shape_init(struct parquet_shape *s, const struct row_schema *schema);
void parquet__shape_deinit(struct parquet_shape *s);
/* All schema elements, in order. */
void parquet__shape_put(const struct parquet_shape *s, struct buf *out);
/* The names from below the root to @node; returns how many. */
uint32_t parquet__shape_path(const struct parquet_shape *s, uint32_t node,
                             const char *ret_path[PARQUET_PATH_MAX]);

/* ---- levels.c: vectors to levels ---- */

/* The levels that every leaf below a field begins with. */
struct parquet_slots {
    const uint8_t *def, *rep; /* count each; NULL: all 0 */
    uint32_t count;
    uint8_t def_max, def_entry, rep_max;
};
/* The slots of a nullable field: those with a value in @v rise. @def holds the new levels. */
void parquet__slots_own(const struct parquet_slots *s, const struct row_vector *v, struct buf *def,
                        struct parquet_slots *ret);
/* The slots of what an ARRAY or MAP holds, whose entries @offsets delimit. False: more than
 * PARQUET_LEVELS_MAX. */
bool parquet__slots_expand(const struct parquet_slots *s, const uint32_t *offsets, struct buf *def,
                           struct buf *rep, struct parquet_slots *ret);

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
/* A schema element. @field_id 0: none. */
void parquet__schema_leaf(struct buf *out, const struct parquet_leaf *leaf, const char *name,
                          enum parquet_repetition rep, uint32_t field_id);
void parquet__schema_group(struct buf *out, const struct parquet_node *node);

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

/* A row group. */
struct parquet_rows {
    uint64_t row_count;
    struct parquet_chunk *chunks; /* one per leaf */
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
    struct parquet_shape shape;
    struct parquet_total *totals; /* one per leaf */
    uint32_t group_count, group_cap;
    struct parquet_rows *groups;
    bool finished;
    struct buf bounds, column_indexes, offset_indexes;
    /* scratch of the chunk in work */
    struct ZSTD_CCtx_s *zstd;
    struct parquet_dict dict;
    struct buf body, packed, header, pages;
};

void parquet__file_init(struct parquet_file *f, const struct parquet_options *o,
                        const struct row_schema *schema, struct buf *out);
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
