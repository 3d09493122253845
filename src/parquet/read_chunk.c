/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One column chunk, read: pages → checksum → unpacked → levels and values → the leaf's vector.
 *
 *   page ─► CRC-32 ─► zstd ─► levels (which entries have a value) ─► values, PLAIN or by dictionary
 *
 * Values are first laid out as cells (what the vector holds; struct slice for bytes), once for the
 * dictionary or once per page, and then set entry by entry.
 */
#include "read_priv.h"
#include "thrift_priv.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"

#include <zlib.h>
#include <zstd.h>

#define PAGE_BYTES_MAX   (256u << 20)
#define VECTOR_BYTES_MAX ((size_t)INT32_MAX)

/* ---- runs ---- */

static bool packed_run(struct parquet_in *in, uint64_t groups, uint32_t width, size_t left,
                       uint32_t *to, size_t *ret_count)
{
    if (groups > (uint64_t)(in->end - in->at) || groups * width > (uint64_t)(in->end - in->at))
        return false;
    size_t count = (size_t)MIN(groups * 8, (uint64_t)left);
    uint64_t pending = 0;
    uint32_t bits = 0;
    const uint8_t *p = in->at;
    for (size_t i = 0; i < count; i++) {
        for (; bits < width; bits += 8)
            pending |= (uint64_t)*p++ << bits;
        to[i] = (uint32_t)(pending & ((UINT64_C(1) << width) - 1));
        pending >>= width;
        bits -= width;
    }
    in->at += groups * width;
    *ret_count = count;
    return true;
}

bool parquet__hybrid_read(struct slice runs, uint32_t width, size_t count, uint32_t *ret_values)
{
    struct parquet_in in = {runs.data, runs.data + runs.len, false};
    for (size_t n = 0; n < count;) {
        uint64_t head = parquet__in_varint(&in);
        if (in.bad || head >> 1 == 0)
            return false;
        if (head & 1) {
            size_t took;
            if (!packed_run(&in, head >> 1, width, count - n, ret_values + n, &took))
                return false;
            n += took;
            continue;
        }
        uint32_t v = 0;
        for (uint32_t k = 0; k < (width + 7) / 8; k++)
            v |= (uint32_t)parquet__in_byte(&in) << (8 * k);
        if (in.bad || head >> 1 > count - n || (width < 32 && v >> width != 0))
            return false;
        for (uint64_t i = 0; i < head >> 1; i++)
            ret_values[n++] = v;
    }
    return in.at == in.end;
}

/* ---- values as cells ---- */

static size_t cell_size(const struct parquet_leaf *leaf)
{
    return leaf->physical != PHYS_BYTE_ARRAY ? parquet__cell_bytes(leaf) : sizeof(struct slice);
}

static bool plain_bytes(struct slice s, size_t count, struct buf *cells)
{
    const uint8_t *p = s.data, *end = s.data + s.len;
    for (size_t i = 0; i < count; i++) {
        if (end - p < 4 || get_le32(p) > (size_t)(end - p) - 4)
            return false;
        struct slice value = slice_of(p + 4, get_le32(p));
        buf_add(cells, &value, sizeof(value));
        p += 4 + value.len;
    }
    return p == end;
}

static bool plain_booleans(struct slice s, size_t count, uint8_t *to)
{
    if (s.len != (count + 7) / 8)
        return false;
    for (size_t i = 0; i < count; i++)
        to[i] = s.data[i / 8] >> (i % 8) & 1;
    return true;
}

static row_i128 decimal_at(const struct parquet_leaf *leaf, const uint8_t *p)
{
    if (leaf->physical == PHYS_INT32)
        return (int32_t)get_le32(p);
    if (leaf->physical == PHYS_INT64)
        return (int64_t)get_le64(p);
    unsigned __int128 v = p[0] & 0x80 ? ~(unsigned __int128)0 : 0;
    for (uint8_t i = 0; i < leaf->width; i++)
        v = v << 8 | p[i];
    return (row_i128)v;
}

/* @count PLAIN values, which @s must hold exactly. */
static bool plain_read(const struct parquet_leaf *leaf, struct slice s, size_t count, uint8_t *to)
{
    if (leaf->physical == PHYS_BOOLEAN)
        return plain_booleans(s, count, to);
    if (s.len != count * leaf->width)
        return false;
    if (leaf->type != ROW_DECIMAL) {
        memcpy(to, s.data, s.len);
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        row_i128 d = decimal_at(leaf, s.data + i * leaf->width);
        memcpy(to + i * sizeof(d), &d, sizeof(d));
    }
    return true;
}

/* ---- into the vector ---- */

struct page {
    int64_t type, plain, packed, crc, count, encoding;
    bool has_crc;
    uint64_t offset; /* of its body */
};

struct filling {
    struct parquet_reader *r;
    const struct parquet_source *source;
    const struct parquet_leaf *leaf; /* as the table has it */
    struct row_vector *v;
    bool nested;                /* not a column itself: levels are kept, the vector grows */
    uint32_t slots, slot_count; /* pairs of levels: those seen, those of the chunk */
    uint32_t rows, entries, dict_count;
};

/* The values of a page, as cells of the table's type. */
static bool read_cells(const struct filling *f, struct slice s, size_t count, struct buf *cells)
{
    const struct parquet_leaf *from = &f->source->leaf;
    size_t size = MAX(cell_size(from), cell_size(f->leaf));
    buf_reset(cells);
    uint8_t *to = buf_reserve(cells, count * size + 1);
    if (from->physical == PHYS_BYTE_ARRAY)
        return plain_bytes(s, count, cells);
    cells->len = count * size;
    return plain_read(from, s, count, to) &&
           (!f->source->widened || parquet__widen(from, f->leaf, to, count));
}

/* The entries of a page: @levels NULL = all have a value; @indexes NULL = the cells stand in order.
 */
static bool set_entries(struct filling *f, size_t count, const uint32_t *levels,
                        const struct buf *cells, const uint32_t *indexes)
{
    struct row_vector *v = f->v;
    const size_t size = cell_size(f->leaf);
    size_t next = 0;
    if (f->nested)
        row_vector_reserve(v, f->entries + (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        if (levels != NULL && levels[i] < f->leaf->def_entry)
            continue; /* of a list that has none */
        bool has = levels == NULL || levels[i] == f->leaf->def_max;
        uint32_t entry = f->entries++;
        v->valid[entry] = has;
        v->null_count += !has;
        const uint8_t *cell = NULL;
        if (has)
            cell = cells->data + (indexes != NULL ? indexes[next] : next) * size;
        next += has;
        if (v->cell_bytes != 0) {
            uint8_t *to = v->fixed + (size_t)entry * size;
            if (has)
                memcpy(to, cell, size);
            else
                memset(to, 0, size);
            continue;
        }
        struct slice s = SLICE_NULL;
        if (has)
            memcpy(&s, cell, sizeof(s));
        if (s.len > VECTOR_BYTES_MAX - v->bytes.len)
            return false;
        buf_add_slice(&v->bytes, s);
        v->offsets[entry + 1] = (uint32_t)v->bytes.len;
    }
    return true;
}

/* Takes levels off @body; the number of those that are @counted. */
static bool read_levels(struct parquet_reader *r, size_t count, uint8_t level_max, uint32_t counted,
                        struct slice *body, size_t *ret_counted)
{
    if (body->len < 4 || get_le32(body->data) > body->len - 4)
        return false;
    size_t len = get_le32(body->data);
    buf_reset(&r->levels);
    uint32_t *levels = (uint32_t *)(void *)buf_reserve(&r->levels, count * sizeof(*levels) + 4);
    if (!parquet__hybrid_read(slice_of(body->data + 4, len), parquet__bit_width(level_max), count,
                              levels))
        return false;
    *ret_counted = 0;
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        good &= levels[i] <= level_max;
        *ret_counted += levels[i] == counted;
    }
    *body = slice_of(body->data + 4 + len, body->len - 4 - len);
    return good;
}

static void keep_levels(const struct parquet_reader *r, size_t count, struct buf *out)
{
    const uint32_t *levels = (const uint32_t *)(const void *)r->levels.data;
    uint8_t *to = buf_reserve(out, count);
    for (size_t i = 0; i < count; i++)
        to[i] = (uint8_t)levels[i];
    out->len += count;
}

/* Both kinds of levels of a page. *ret_levels: the definition levels, NULL when all are full. */
static bool page_levels(struct filling *f, size_t count, struct slice *body,
                        const uint32_t **ret_levels, size_t *ret_present)
{
    struct parquet_reader *r = f->r;
    size_t rows = count;
    *ret_levels = NULL;
    *ret_present = count;
    if (f->leaf->rep_max > 0) {
        if (!read_levels(r, count, f->leaf->rep_max, 0, body, &rows))
            return false;
        keep_levels(r, count, &r->rep);
        if (r->rep.data[r->rep.len - count] != 0)
            return false; /* a page begins with a row */
    }
    f->rows += (uint32_t)rows;
    if (f->leaf->def_max == 0)
        return true;
    if (!read_levels(r, count, f->leaf->def_max, f->leaf->def_max, body, ret_present))
        return false;
    if (f->nested)
        keep_levels(r, count, &r->def);
    *ret_levels = (const uint32_t *)(const void *)r->levels.data;
    return true;
}

static bool read_indexes(struct filling *f, struct slice body, size_t count)
{
    struct parquet_reader *r = f->r;
    buf_reset(&r->indexes);
    uint32_t *to = (uint32_t *)(void *)buf_reserve(&r->indexes, count * sizeof(*to) + 4);
    if (count == 0)
        return body.len <= 1;
    if (body.len == 0 || body.data[0] > 32 ||
        !parquet__hybrid_read(slice_of(body.data + 1, body.len - 1), body.data[0], count, to))
        return false;
    for (size_t i = 0; i < count; i++)
        if (to[i] >= f->dict_count)
            return false;
    return true;
}

static bool data_page(struct filling *f, const struct page *p, struct slice body)
{
    struct parquet_reader *r = f->r;
    if (p->count <= 0 || (uint64_t)p->count > f->slot_count - f->slots)
        return false;
    size_t count = (size_t)p->count, present;
    const uint32_t *levels;
    if (!page_levels(f, count, &body, &levels, &present))
        return false;
    f->slots += (uint32_t)count;
    if (p->encoding == ENC_RLE_DICTIONARY)
        return read_indexes(f, body, present) &&
               set_entries(f, count, levels, &r->dict_cells,
                           (const uint32_t *)(const void *)r->indexes.data);
    return p->encoding == ENC_PLAIN && read_cells(f, body, present, &r->cells) &&
           set_entries(f, count, levels, &r->cells, NULL);
}

/* ---- pages ---- */

static void page_kind(struct parquet_in *in, struct page *p)
{
    int id = 0, type;
    while (parquet__in_field(in, &id, &type)) {
        if (id == 1)
            p->count = parquet__in_int(in, type);
        else if (id == 2)
            p->encoding = parquet__in_int(in, type);
        else
            parquet__in_skip(in, type);
    }
}

static void page_header(struct parquet_in *in, struct page *p)
{
    enum { PH_TYPE = 1, PH_PLAIN, PH_PACKED, PH_CRC, PH_DATA, PH_DICT = 7 };
    int id = 0, type;
    *p = (struct page){.type = -1};
    while (parquet__in_field(in, &id, &type)) {
        switch (id) {
        case PH_TYPE: p->type = parquet__in_int(in, type); break;
        case PH_PLAIN: p->plain = parquet__in_int(in, type); break;
        case PH_PACKED: p->packed = parquet__in_int(in, type); break;
        case PH_CRC:
            p->crc = parquet__in_int(in, type);
            p->has_crc = true;
            break;
        case PH_DATA:
        case PH_DICT:
            if (type == THRIFT_STRUCT)
                page_kind(in, p);
            else
                in->bad = true;
            break;
        default: parquet__in_skip(in, type);
        }
    }
}

/* Checksum, then unpacked into @out. */
static int unpack(struct parquet_reader *r, const struct page *p, struct buf *out, struct err *e)
{
    const uint8_t *from = r->file.data + p->offset;
    if (!p->has_crc || (uint32_t)p->crc != (uint32_t)crc32(0, from, (uInt)p->packed))
        return parquet__read_damaged(e, p->offset, "a page's checksum is wrong");
    buf_reset(out);
    uint8_t *to = buf_reserve(out, (size_t)p->plain + 1);
    size_t got = ZSTD_decompressDCtx(r->zstd, to, (size_t)p->plain, from, (size_t)p->packed);
    if (ZSTD_isError(got) || got != (size_t)p->plain)
        return parquet__read_damaged(e, p->offset, "a page cannot be unpacked");
    out->len = got;
    return 0;
}

/* The page at in->at; moves behind it. */
static int next_page(struct filling *f, struct parquet_in *in, bool is_dict, struct err *e)
{
    struct parquet_reader *r = f->r;
    uint64_t at = (uint64_t)(in->at - r->file.data);
    struct page p;
    page_header(in, &p);
    if (in->bad || p.packed < 0 || p.packed > in->end - in->at || p.plain < 0 ||
        p.plain > PAGE_BYTES_MAX || p.type != (is_dict ? PAGE_DICTIONARY : PAGE_DATA))
        return parquet__read_damaged(e, at, "a page's header cannot be read");
    p.offset = (uint64_t)(in->at - r->file.data);
    in->at += p.packed;
    struct buf *out = is_dict ? &r->dict_page : &r->page;
    TRY(unpack(r, &p, out, e));
    bool good;
    if (is_dict) {
        good = p.encoding == ENC_PLAIN && p.count >= 0 && p.count <= ROW_BATCH_ROWS_MAX &&
               read_cells(f, buf_slice(out), (size_t)p.count, &r->dict_cells);
        f->dict_count = good ? (uint32_t)p.count : 0;
    } else {
        good = data_page(f, &p, buf_slice(out));
    }
    return good ? 0 : parquet__read_damaged(e, p.offset, "a page's values cannot be read");
}

int parquet__chunk_read(struct parquet_reader *r, uint32_t group, uint32_t leaf,
                        struct row_vector *v, struct err *e)
{
    const struct parquet_source *source = &r->sources[leaf];
    const struct parquet_chunk_at *c = &r->chunks[(size_t)group * r->source_count + source->index];
    struct filling f = {
        .r = r,
        .source = source,
        .leaf = &r->shape.leaves[leaf],
        .v = v,
        .slot_count = (uint32_t)c->value_count,
    };
    struct parquet_in in = {r->file.data + c->offset, r->file.data + c->offset + c->bytes, false};
    f.nested = r->shape.nodes[f.leaf->node].parent != 0;
    buf_reset(&r->def);
    buf_reset(&r->rep);
    if (f.leaf->rep_max == 0 && f.slot_count != r->group_rows[group])
        return parquet__read_damaged(e, c->offset, "a column has not a value per row");
    if (c->has_dict)
        TRY(next_page(&f, &in, true, e));
    while (in.at < in.end)
        TRY(next_page(&f, &in, false, e));
    if (f.slots != f.slot_count || f.rows != r->group_rows[group])
        return parquet__read_damaged(e, c->offset, "a column has not the rows of its row group");
    v->count = f.entries;
    return 0;
}
