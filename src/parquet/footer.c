/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands behind the pages: column indexes (min, max and nulls per page), offset indexes
 * (place and first row per page) and the footer (FileMetaData).
 *
 * I1: a page of nulls only has null_pages = true and empty bounds.
 * I2: a chunk with a NaN has no column index: its pages' bounds would be read differently by
 * engines.
 * I3: page order (boundary_order) is judged on the bounds as written, after cutting.
 */
#include "parquet_priv.h"
#include "thrift_priv.h"

#include "base/bits.h"
#include "base/must.h"

enum { ORDER_NONE = 0, ORDER_ASCENDING = 1, ORDER_DESCENDING = 2 };

/* ---- page index ---- */

static const struct parquet_page *pages_of(const struct parquet_file *f)
{
    return (const struct parquet_page *)(const void *)f->pages.data;
}

static void put_offset_index(struct parquet_file *f, struct parquet_chunk *c)
{
    struct parquet_thrift t;
    c->offset_index_at = f->offset_indexes.len;
    parquet__thrift_init(&t, &f->offset_indexes);
    parquet__thrift_list(&t, 1, THRIFT_STRUCT, c->page_count);
    for (uint32_t i = 0; i < c->page_count; i++) {
        const struct parquet_page *p = &pages_of(f)[i];
        parquet__thrift_item_struct(&t);
        parquet__thrift_i64(&t, 1, (int64_t)p->offset);
        parquet__thrift_i32(&t, 2, (int32_t)p->total_bytes);
        parquet__thrift_i64(&t, 3, p->first_row);
        parquet__thrift_end(&t);
    }
    parquet__thrift_end(&t);
    c->offset_index_len = f->offset_indexes.len - c->offset_index_at;
}

/* The bounds of all pages, cut; an empty slice for a page of nulls. */
static void put_page_bounds(struct parquet_file *f, const struct parquet_leaf *leaf,
                            uint32_t page_count, struct parquet_thrift *t, bool is_max)
{
    for (uint32_t i = 0; i < page_count; i++) {
        const struct parquet_range *r = &pages_of(f)[i].range;
        buf_reset(&f->header);
        if (r->has)
            (void)parquet__range_put(leaf, is_max ? r->max : r->min, is_max, &f->header);
        parquet__thrift_item_binary(t, buf_slice(&f->header));
    }
}

/* Compares two bounds the way they are written. */
static int cut_cmp(struct parquet_file *f, const struct parquet_leaf *leaf, union parquet_bound a,
                   union parquet_bound b, bool is_max)
{
    if (leaf->physical != PHYS_BYTE_ARRAY)
        return parquet__range_cmp(leaf, a, b);
    buf_reset(&f->header);
    (void)parquet__range_put(leaf, a, is_max, &f->header);
    size_t len = f->header.len;
    (void)parquet__range_put(leaf, b, is_max, &f->header);
    struct slice both = buf_slice(&f->header);
    if (both.len == 0)
        return 0;
    return slice_cmp(slice_of(both.data, len), slice_of(both.data + len, both.len - len));
}

static int page_order(struct parquet_file *f, const struct parquet_leaf *leaf, uint32_t page_count)
{
    bool up = true;
    bool down = true;
    const struct parquet_range *last = NULL;
    for (uint32_t i = 0; i < page_count && (up || down); i++) {
        const struct parquet_range *r = &pages_of(f)[i].range;
        if (!r->has)
            continue;
        if (last != NULL) {
            int min = cut_cmp(f, leaf, last->min, r->min, false);
            int max = cut_cmp(f, leaf, last->max, r->max, true);
            up = up && min <= 0 && max <= 0;
            down = down && min >= 0 && max >= 0;
        }
        last = r;
    }
    return up ? ORDER_ASCENDING : down ? ORDER_DESCENDING : ORDER_NONE;
}

static bool has_nan(const struct parquet_file *f, uint32_t page_count)
{
    for (uint32_t i = 0; i < page_count; i++)
        if (pages_of(f)[i].range.has_nan)
            return true;
    return false;
}

static void put_column_index(struct parquet_file *f, const struct parquet_leaf *leaf,
                             struct parquet_chunk *c)
{
    enum { CI_NULL_PAGES = 1, CI_MIN, CI_MAX, CI_ORDER, CI_NULL_COUNTS };
    struct parquet_thrift t;
    if (has_nan(f, c->page_count))
        return;
    c->column_index_at = f->column_indexes.len;
    parquet__thrift_init(&t, &f->column_indexes);
    parquet__thrift_list(&t, CI_NULL_PAGES, THRIFT_TRUE, c->page_count);
    for (uint32_t i = 0; i < c->page_count; i++)
        parquet__thrift_item_bool(&t, !pages_of(f)[i].range.has);
    parquet__thrift_list(&t, CI_MIN, THRIFT_BINARY, c->page_count);
    put_page_bounds(f, leaf, c->page_count, &t, false);
    parquet__thrift_list(&t, CI_MAX, THRIFT_BINARY, c->page_count);
    put_page_bounds(f, leaf, c->page_count, &t, true);
    parquet__thrift_i32(&t, CI_ORDER, page_order(f, leaf, c->page_count));
    parquet__thrift_list(&t, CI_NULL_COUNTS, THRIFT_I64, c->page_count);
    for (uint32_t i = 0; i < c->page_count; i++)
        parquet__thrift_item_int(&t, pages_of(f)[i].null_count);
    parquet__thrift_end(&t);
    c->column_index_len = f->column_indexes.len - c->column_index_at;
}

void parquet__footer_page_index(struct parquet_file *f, const struct parquet_leaf *leaf,
                                struct parquet_chunk *c)
{
    put_offset_index(f, c);
    put_column_index(f, leaf, c);
}

/* ---- FileMetaData ---- */

static void put_statistics(struct parquet_thrift *t, const struct parquet_file *f,
                           const struct parquet_chunk *c)
{
    enum { ST_NULL_COUNT = 3, ST_MAX = 5, ST_MIN, ST_MAX_EXACT, ST_MIN_EXACT };
    parquet__thrift_i64(t, ST_NULL_COUNT, c->null_count);
    if (!c->has_range)
        return;
    const uint8_t *min = f->bounds.data != NULL ? f->bounds.data + c->bounds_at : NULL;
    const uint8_t *max = min != NULL ? min + c->min_len : NULL;
    parquet__thrift_binary(t, ST_MAX, slice_of(max, c->max_len));
    parquet__thrift_binary(t, ST_MIN, slice_of(min, c->min_len));
    parquet__thrift_bool(t, ST_MAX_EXACT, c->max_exact);
    parquet__thrift_bool(t, ST_MIN_EXACT, c->min_exact);
}

static void put_encoding_count(struct parquet_thrift *t, enum parquet_page_type type,
                               enum parquet_encoding encoding, uint32_t count)
{
    parquet__thrift_item_struct(t);
    parquet__thrift_i32(t, 1, (int32_t)type);
    parquet__thrift_i32(t, 2, (int32_t)encoding);
    parquet__thrift_i32(t, 3, (int32_t)count);
    parquet__thrift_end(t);
}

static void put_column_meta(struct parquet_thrift *t, const struct parquet_file *f,
                            const struct parquet_leaf *leaf, const struct parquet_chunk *c)
{
    enum {
        CM_TYPE = 1,
        CM_ENCODINGS,
        CM_PATH,
        CM_CODEC,
        CM_VALUES,
        CM_PLAIN_BYTES,
        CM_PACKED_BYTES,
        CM_DATA_OFFSET = 9,
        CM_DICT_OFFSET = 11,
        CM_STATISTICS,
        CM_ENCODING_STATS,
    };
    bool dict = c->dict_offset != 0;
    parquet__thrift_i32(t, CM_TYPE, (int32_t)leaf->physical);
    parquet__thrift_list(t, CM_ENCODINGS, THRIFT_I32, dict ? 3 : 2);
    parquet__thrift_item_int(t, ENC_PLAIN);
    parquet__thrift_item_int(t, ENC_RLE);
    if (dict)
        parquet__thrift_item_int(t, ENC_RLE_DICTIONARY);
    const char *path[PARQUET_PATH_MAX];
    uint32_t path_len = parquet__shape_path(&f->shape, leaf->node, path);
    parquet__thrift_list(t, CM_PATH, THRIFT_BINARY, path_len);
    for (uint32_t i = 0; i < path_len; i++)
        parquet__thrift_item_binary(t, slice_str(path[i]));
    parquet__thrift_i32(t, CM_CODEC, PARQUET_CODEC_ZSTD);
    parquet__thrift_i64(t, CM_VALUES, c->value_count);
    parquet__thrift_i64(t, CM_PLAIN_BYTES, (int64_t)c->plain_bytes);
    parquet__thrift_i64(t, CM_PACKED_BYTES, (int64_t)c->packed_bytes);
    parquet__thrift_i64(t, CM_DATA_OFFSET, (int64_t)c->data_offset);
    if (dict)
        parquet__thrift_i64(t, CM_DICT_OFFSET, (int64_t)c->dict_offset);
    parquet__thrift_struct(t, CM_STATISTICS);
    put_statistics(t, f, c);
    parquet__thrift_end(t);
    parquet__thrift_list(t, CM_ENCODING_STATS, THRIFT_STRUCT, dict ? 2 : 1);
    if (dict)
        put_encoding_count(t, PAGE_DICTIONARY, ENC_PLAIN, 1);
    put_encoding_count(t, PAGE_DATA, dict ? ENC_RLE_DICTIONARY : ENC_PLAIN, c->page_count);
}

/* Where the page indexes of this file start. */
struct index_places {
    uint64_t columns, offsets;
};

static void put_chunk(struct parquet_thrift *t, const struct parquet_file *f, uint32_t index,
                      const struct parquet_chunk *c, const struct index_places *at)
{
    enum {
        CC_FILE_OFFSET = 2,
        CC_META,
        CC_OFFSET_INDEX,
        CC_OFFSET_INDEX_LEN,
        CC_COLUMN_INDEX,
        CC_COLUMN_INDEX_LEN,
    };
    parquet__thrift_item_struct(t);
    parquet__thrift_i64(t, CC_FILE_OFFSET, 0); /* there is no copy of the metadata elsewhere */
    parquet__thrift_struct(t, CC_META);
    put_column_meta(t, f, &f->shape.leaves[index], c);
    parquet__thrift_end(t);
    parquet__thrift_i64(t, CC_OFFSET_INDEX, (int64_t)(at->offsets + c->offset_index_at));
    parquet__thrift_i32(t, CC_OFFSET_INDEX_LEN, (int32_t)c->offset_index_len);
    if (c->column_index_len != 0) {
        parquet__thrift_i64(t, CC_COLUMN_INDEX, (int64_t)(at->columns + c->column_index_at));
        parquet__thrift_i32(t, CC_COLUMN_INDEX_LEN, (int32_t)c->column_index_len);
    }
    parquet__thrift_end(t);
}

static void put_group(struct parquet_thrift *t, const struct parquet_file *f, uint32_t ordinal,
                      const struct index_places *at)
{
    enum {
        RG_COLUMNS = 1,
        RG_PLAIN_BYTES,
        RG_ROWS,
        RG_FILE_OFFSET = 5,
        RG_PACKED_BYTES,
        RG_ORDINAL,
    };
    const struct parquet_rows *g = &f->groups[ordinal];
    const struct parquet_chunk *first = &g->chunks[0];
    uint64_t plain = 0;
    uint64_t packed = 0;
    parquet__thrift_item_struct(t);
    parquet__thrift_list(t, RG_COLUMNS, THRIFT_STRUCT, f->shape.leaf_count);
    for (uint32_t i = 0; i < f->shape.leaf_count; i++) {
        put_chunk(t, f, i, &g->chunks[i], at);
        plain += g->chunks[i].plain_bytes;
        packed += g->chunks[i].packed_bytes;
    }
    uint64_t offset = first->dict_offset != 0 ? first->dict_offset : first->data_offset;
    parquet__thrift_i64(t, RG_PLAIN_BYTES, (int64_t)plain);
    parquet__thrift_i64(t, RG_ROWS, (int64_t)g->row_count);
    parquet__thrift_i64(t, RG_FILE_OFFSET, (int64_t)offset);
    parquet__thrift_i64(t, RG_PACKED_BYTES, (int64_t)packed);
    parquet__thrift_i16(t, RG_ORDINAL, (int16_t)ordinal);
    parquet__thrift_end(t);
}

static void put_column_orders(struct parquet_thrift *t, int id, uint32_t leaf_count)
{
    parquet__thrift_list(t, id, THRIFT_STRUCT, leaf_count);
    for (uint32_t i = 0; i < leaf_count; i++) {
        parquet__thrift_item_struct(t);
        parquet__thrift_struct(t, 1); /* TYPE_ORDER */
        parquet__thrift_end(t);
        parquet__thrift_end(t);
    }
}

int parquet__footer_write(struct parquet_file *f, struct err *e)
{
    enum { FM_VERSION = 1, FM_SCHEMA, FM_ROWS, FM_GROUPS, FM_CREATED_BY = 6, FM_COLUMN_ORDERS };
    must(!f->finished);
    f->finished = true;
    struct index_places at = {.columns = f->pos};
    parquet__file_put(f, buf_slice(&f->column_indexes));
    at.offsets = f->pos;
    parquet__file_put(f, buf_slice(&f->offset_indexes));

    struct parquet_thrift t;
    struct buf *footer = &f->body;
    buf_reset(footer);
    parquet__thrift_init(&t, footer);
    parquet__thrift_i32(&t, FM_VERSION, 1);
    parquet__thrift_list(&t, FM_SCHEMA, THRIFT_STRUCT, f->shape.node_count);
    parquet__shape_put(&f->shape, footer);
    parquet__thrift_i64(&t, FM_ROWS, (int64_t)f->row_count);
    parquet__thrift_list(&t, FM_GROUPS, THRIFT_STRUCT, f->group_count);
    for (uint32_t i = 0; i < f->group_count; i++)
        put_group(&t, f, i, &at);
    parquet__thrift_binary(&t, FM_CREATED_BY, slice_str(PARQUET_CREATED_BY));
    put_column_orders(&t, FM_COLUMN_ORDERS, f->shape.leaf_count);
    parquet__thrift_end(&t);
    if (footer->len > INT32_MAX)
        return err_set(e, ERR_EXHAUSTED, "the Parquet footer is too long");

    uint8_t len[4];
    put_le32(len, (uint32_t)footer->len);
    parquet__file_put(f, buf_slice(footer));
    parquet__file_put(f, slice_of(len, sizeof(len)));
    parquet__file_put(f, slice_str(PARQUET_MAGIC));
    return 0;
}
