/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One column chunk: [dictionary page] data page, data page, …
 *
 *   page = header (thrift) │ zstd( [repetition levels] [definition levels] values )
 *
 * Levels are a length of 4 bytes and a hybrid; values are PLAIN, or a byte with the bit width and a
 * hybrid of dictionary indexes. The CRC-32 in the header is over the compressed bytes.
 *
 * I1: a page starts with a row (repetition level 0) and holds at least one.
 * I2: the dictionary page, if any, is the first of the chunk.
 */
#include "parquet_priv.h"
#include "thrift_priv.h"

#include "base/bits.h"
#include "base/must.h"

#include <zlib.h>
#include <zstd.h>

/* A page is the part [begin, end) of the chunk's rows, levels and values. */
struct cut {
    uint32_t row, level, value;
    uint32_t row_end, level_end, value_end;
};

struct job {
    struct parquet_file *file;
    const struct parquet_leaf *leaf;
    const struct parquet_data *data;
    struct parquet_chunk *chunk;
    bool has_dict;
    uint32_t page_rows_max;
};

/* ---- where pages end ---- */

static uint64_t value_cost(const struct job *j, uint32_t value)
{
    if (j->has_dict)
        return sizeof(uint32_t);
    if (j->leaf->width != 0)
        return j->leaf->width;
    return 4 + (uint64_t)(j->data->offsets[value + 1] - j->data->offsets[value]);
}

/* Row by row, as long as rows and bytes allow. */
static void cut_by_row(const struct job *j, struct cut *c)
{
    const struct parquet_data *d = j->data;
    uint64_t bytes = 0;
    while (c->level_end < d->level_count && c->row_end - c->row < j->page_rows_max) {
        uint32_t level = c->level_end;
        uint32_t value = c->value_end;
        do {
            if (d->def == NULL || d->def[level] == j->leaf->def_max)
                bytes += value_cost(j, value++);
            level++;
        } while (d->rep != NULL && level < d->level_count && d->rep[level] != 0);
        if (c->row_end > c->row && bytes > j->file->options.page_bytes_max)
            break;
        c->level_end = level;
        c->value_end = value;
        c->row_end++;
    }
}

/* Flat columns whose values are all of one size: no need to look at each. */
static void cut_by_count(const struct job *j, struct cut *c)
{
    const struct parquet_data *d = j->data;
    uint32_t rows = MIN(j->page_rows_max, d->row_count - c->row);
    rows = MIN(rows, MAX(1, j->file->options.page_bytes_max / (uint32_t)value_cost(j, 0)));
    c->row_end += rows;
    c->level_end += rows;
    if (d->def == NULL || d->value_count == d->row_count) {
        c->value_end += rows;
        return;
    }
    uint32_t present = 0;
    for (uint32_t i = c->level; i < c->level_end; i++)
        present += d->def[i] == j->leaf->def_max;
    c->value_end += present;
}

static void next_cut(const struct job *j, struct cut *c)
{
    c->row = c->row_end;
    c->level = c->level_end;
    c->value = c->value_end;
    if (j->data->rep == NULL && (j->has_dict || j->leaf->width != 0))
        cut_by_count(j, c);
    else
        cut_by_row(j, c);
    must(c->row_end > c->row);
}

/* ---- the body of a data page ---- */

static void put_levels(struct buf *out, const uint8_t *levels, size_t count, uint8_t level_max)
{
    size_t at = out->len;
    (void)buf_reserve(out, 4);
    out->len += 4;
    parquet__hybrid_u8(out, levels, count, parquet__bit_width(level_max));
    put_le32(out->data + at, (uint32_t)(out->len - at - 4));
}

static void put_booleans(struct buf *out, const uint8_t *values, size_t count)
{
    uint8_t *p = buf_reserve(out, (count + 7) / 8);
    memset(p, 0, (count + 7) / 8);
    for (size_t i = 0; i < count; i++)
        p[i / 8] |= (uint8_t)(values[i] << (i % 8));
    out->len += (count + 7) / 8;
}

static void put_strings(struct buf *out, const struct parquet_data *d, uint32_t begin, uint32_t end)
{
    const uint32_t *at = d->offsets;
    uint8_t *p = buf_reserve(out, (size_t)(at[end] - at[begin]) + 4 * (size_t)(end - begin));
    for (uint32_t i = begin; i < end; i++) {
        uint32_t len = at[i + 1] - at[i];
        put_le32(p, len);
        memcpy(p + 4, d->bytes + at[i], len);
        p += 4 + len;
    }
    out->len += (size_t)(at[end] - at[begin]) + 4 * (size_t)(end - begin);
}

static void put_values(const struct job *j, const struct cut *c, struct buf *out)
{
    const struct parquet_data *d = j->data;
    uint32_t count = c->value_end - c->value;
    if (j->has_dict) {
        /* a width of 0 is legal for one entry, but 1 is what every reader knows */
        uint32_t width = MAX(1, parquet__bit_width(j->file->dict.entry_count - 1));
        const uint32_t *indexes = (const uint32_t *)(const void *)j->file->dict.indexes.data;
        buf_add_byte(out, (uint8_t)width);
        parquet__hybrid_u32(out, indexes + c->value, count, width);
        return;
    }
    if (count == 0)
        return;
    if (j->leaf->physical == PHYS_BOOLEAN)
        put_booleans(out, d->fixed + c->value, count);
    else if (j->leaf->physical == PHYS_BYTE_ARRAY)
        put_strings(out, d, c->value, c->value_end);
    else
        buf_add(out, d->fixed + (size_t)c->value * j->leaf->width, (size_t)count * j->leaf->width);
}

/* ---- a page into the file ---- */

static void put_page_header(struct parquet_file *f, enum parquet_page_type type,
                            enum parquet_encoding encoding, uint32_t value_count)
{
    enum { PH_TYPE = 1, PH_PLAIN_BYTES, PH_PACKED_BYTES, PH_CRC, PH_DATA, PH_DICTIONARY = 7 };
    uLong crc = crc32(0, f->packed.data, (uInt)f->packed.len);
    struct parquet_thrift t;
    buf_reset(&f->header);
    parquet__thrift_init(&t, &f->header);
    parquet__thrift_i32(&t, PH_TYPE, (int32_t)type);
    parquet__thrift_i32(&t, PH_PLAIN_BYTES, (int32_t)f->body.len);
    parquet__thrift_i32(&t, PH_PACKED_BYTES, (int32_t)f->packed.len);
    parquet__thrift_i32(&t, PH_CRC, (int32_t)(uint32_t)crc);
    parquet__thrift_struct(&t, type == PAGE_DATA ? PH_DATA : PH_DICTIONARY);
    parquet__thrift_i32(&t, 1, (int32_t)value_count);
    parquet__thrift_i32(&t, 2, (int32_t)encoding);
    if (type == PAGE_DATA) {
        parquet__thrift_i32(&t, 3, ENC_RLE); /* definition levels */
        parquet__thrift_i32(&t, 4, ENC_RLE); /* repetition levels */
    }
    parquet__thrift_end(&t);
    parquet__thrift_end(&t);
}

/* Compresses f->body and writes the page. Returns its bytes in *@ret_bytes. */
static int put_page(struct job *j, enum parquet_page_type type, uint32_t value_count,
                    uint32_t *ret_bytes, struct err *e)
{
    struct parquet_file *f = j->file;
    if (f->options.on_page != NULL)
        f->options.on_page();
    size_t bound = ZSTD_compressBound(f->body.len);
    if (f->body.len > INT32_MAX || bound > INT32_MAX)
        return err_set(e, ERR_EXHAUSTED, "a value is too long for a Parquet page");
    buf_reset(&f->packed);
    uint8_t *to = buf_reserve(&f->packed, bound);
    size_t packed = ZSTD_compress2(f->zstd, to, bound, f->body.data, f->body.len);
    if (ZSTD_isError(packed))
        return err_set(e, ERR_INTERNAL, "zstd: %s", ZSTD_getErrorName(packed));
    f->packed.len = packed;
    bool indexes = type == PAGE_DATA && j->has_dict;
    put_page_header(f, type, indexes ? ENC_RLE_DICTIONARY : ENC_PLAIN, value_count);
    j->chunk->packed_bytes += f->header.len + f->packed.len;
    j->chunk->plain_bytes += f->header.len + f->body.len;
    *ret_bytes = (uint32_t)(f->header.len + f->packed.len);
    parquet__file_put(f, buf_slice(&f->header));
    parquet__file_put(f, buf_slice(&f->packed));
    return 0;
}

static int put_dictionary(struct job *j, struct err *e)
{
    struct parquet_file *f = j->file;
    uint32_t bytes = 0;
    j->chunk->dict_offset = f->pos;
    buf_reset(&f->body);
    parquet__dict_plain(&f->dict, j->leaf, j->data, &f->body);
    return put_page(j, PAGE_DICTIONARY, f->dict.entry_count, &bytes, e);
}

static int put_data_page(struct job *j, const struct cut *c, struct err *e)
{
    struct parquet_file *f = j->file;
    const struct parquet_leaf *leaf = j->leaf;
    uint32_t levels = c->level_end - c->level;
    struct parquet_page page = {
        .offset = f->pos,
        .first_row = c->row,
        .null_count = levels - (c->value_end - c->value),
    };
    buf_reset(&f->body);
    if (leaf->rep_max > 0)
        put_levels(&f->body, j->data->rep + c->level, levels, leaf->rep_max);
    if (leaf->def_max > 0)
        put_levels(&f->body, j->data->def + c->level, levels, leaf->def_max);
    put_values(j, c, &f->body);
    parquet__range_scan(&page.range, leaf, j->data, c->value, c->value_end);
    TRY(put_page(j, PAGE_DATA, levels, &page.total_bytes, e));
    buf_add(&f->pages, &page, sizeof(page));
    j->chunk->page_count++;
    return 0;
}

/* ---- the chunk ---- */

static void total_add(struct parquet_total *t, const struct parquet_range *r,
                      const struct parquet_leaf *leaf)
{
    bool had = t->range.has;
    bool bytes = leaf->physical == PHYS_BYTE_ARRAY || leaf->physical == PHYS_FIXED;
    bool new_min = r->has && (!had || parquet__range_cmp(leaf, r->min, t->range.min) < 0);
    bool new_max = r->has && (!had || parquet__range_cmp(leaf, r->max, t->range.max) > 0);
    parquet__range_merge(&t->range, r, leaf);
    if (bytes && new_min) {
        buf_reset(&t->min);
        buf_add_slice(&t->min, r->min.s);
        t->range.min.s = buf_slice(&t->min);
    }
    if (bytes && new_max) {
        buf_reset(&t->max);
        buf_add_slice(&t->max, r->max.s);
        t->range.max.s = buf_slice(&t->max);
    }
}

static void chunk_statistics(struct job *j, uint32_t index)
{
    struct parquet_file *f = j->file;
    struct parquet_chunk *chunk = j->chunk;
    const struct parquet_page *pages = (const struct parquet_page *)(const void *)f->pages.data;
    struct parquet_range range = {.has = false};
    for (uint32_t i = 0; i < chunk->page_count; i++)
        parquet__range_merge(&range, &pages[i].range, j->leaf);
    f->totals[index].null_count += chunk->null_count;
    total_add(&f->totals[index], &range, j->leaf);
    /* Engines disagree on whether NaN is above all numbers: with one in the chunk, no bounds. */
    chunk->has_range = range.has && !range.has_nan;
    if (!chunk->has_range)
        return;
    chunk->bounds_at = f->bounds.len;
    chunk->min_exact = parquet__range_put(j->leaf, range.min, false, &f->bounds);
    chunk->min_len = (uint32_t)(f->bounds.len - chunk->bounds_at);
    chunk->max_exact = parquet__range_put(j->leaf, range.max, true, &f->bounds);
    chunk->max_len = (uint32_t)(f->bounds.len - chunk->bounds_at - chunk->min_len);
}

int parquet__chunk_write(struct parquet_file *f, uint32_t index, const struct parquet_data *data,
                         struct err *e)
{
    struct job j = {
        .file = f,
        .leaf = &f->shape.leaves[index],
        .data = data,
        .chunk = &f->groups[f->group_count - 1].chunks[index],
    };
    uint32_t rows_min = data->row_count / PARQUET_PAGES_MAX + 1; /* so that page ordinals suffice */
    j.page_rows_max = MAX(f->options.page_rows_max, rows_min);
    j.chunk->value_count = data->level_count;
    j.chunk->null_count = data->level_count - data->value_count;
    buf_reset(&f->pages);
    j.has_dict = parquet__dict_build(&f->dict, j.leaf, data);
    if (j.has_dict)
        TRY(put_dictionary(&j, e));
    j.chunk->data_offset = f->pos;
    struct cut c = {0};
    while (c.row_end < data->row_count) {
        if (j.chunk->page_count == PARQUET_PAGES_MAX)
            return err_set(e, ERR_EXHAUSTED, "a column chunk has too many pages");
        next_cut(&j, &c);
        TRY(put_data_page(&j, &c, e));
    }
    must(c.level_end == data->level_count);
    must(c.value_end == data->value_count);
    chunk_statistics(&j, index);
    parquet__footer_page_index(f, j.leaf, j.chunk);
    return 0;
}
