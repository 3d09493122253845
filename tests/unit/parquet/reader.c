/* SPDX-License-Identifier: Apache-2.0 */
#include "reader.h"

#include "base/bits.h"
#include "base/mem.h"

#include "test.h"

#include <stdarg.h>
#include <zlib.h>
#include <zstd.h>

struct reading {
    struct slice s;
    size_t at;
};

static uint8_t read_byte(struct reading *r)
{
    cr_assert_lt(r->at, r->s.len);
    return r->s.data[r->at++];
}

static uint64_t read_varint(struct reading *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t b = read_byte(r);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
}

static int64_t read_zigzag(struct reading *r)
{
    uint64_t v = read_varint(r);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static void read_value(struct reading *r, struct node *n);

static struct node *add_kid(struct node *n, int id, int type)
{
    n->kids = mem_realloc(n->kids, (n->kid_count + 1) * sizeof(*n->kids));
    n->kids[n->kid_count] = (struct node){.id = id, .type = type};
    return &n->kids[n->kid_count++];
}

static void read_struct(struct reading *r, struct node *n)
{
    int last = 0;
    for (;;) {
        uint8_t head = read_byte(r);
        if (head == 0)
            return;
        int id = head >> 4 ? last + (head >> 4) : (int)read_zigzag(r);
        cr_assert_gt(id, last);
        last = id;
        struct node *kid = add_kid(n, id, head & 15);
        if (kid->type == 1 || kid->type == 2)
            kid->i = kid->type == 1;
        else
            read_value(r, kid);
    }
}

static void read_list(struct reading *r, struct node *n)
{
    uint8_t head = read_byte(r);
    size_t count = head >> 4;
    if (count == 15)
        count = read_varint(r);
    for (size_t i = 0; i < count; i++) {
        struct node *kid = add_kid(n, (int)i, head & 15);
        if (kid->type == 1)
            kid->i = read_byte(r) == 1;
        else
            read_value(r, kid);
    }
}

static void read_value(struct reading *r, struct node *n)
{
    switch (n->type) {
    case 3: n->i = (int8_t)read_byte(r); return;
    case 4:
    case 5:
    case 6: n->i = read_zigzag(r); return;
    case 8:
        n->s.len = read_varint(r);
        cr_assert_leq(n->s.len, r->s.len - r->at);
        n->s.data = r->s.data + r->at;
        r->at += n->s.len;
        return;
    case 9: read_list(r, n); return;
    case 12: read_struct(r, n); return;
    default: cr_assert_fail("no such thrift type");
    }
}

size_t node_parse(struct slice bytes, struct node *ret_node)
{
    struct reading r = {bytes, 0};
    *ret_node = (struct node){.type = 12};
    read_struct(&r, ret_node);
    return r.at;
}

void node_free(struct node *n)
{
    for (size_t i = 0; i < n->kid_count; i++)
        node_free(&n->kids[i]);
    mem_free(n->kids);
}

const struct node *node_at(const struct node *n, ...)
{
    va_list ids;
    va_start(ids, n);
    for (int id = va_arg(ids, int); id >= 0 && n != NULL; id = va_arg(ids, int)) {
        const struct node *found = NULL;
        for (size_t i = 0; i < n->kid_count; i++)
            if (n->kids[i].id == id)
                found = &n->kids[i];
        n = found;
    }
    va_end(ids);
    return n;
}

void file_parse(struct slice file, struct node *ret_footer)
{
    cr_assert_gt(file.len, 12);
    cr_assert(memcmp(file.data, "PAR1", 4) == 0);
    cr_assert(memcmp(file.data + file.len - 4, "PAR1", 4) == 0);
    uint32_t len = get_le32(file.data + file.len - 8);
    cr_assert_leq(len, file.len - 12);
    size_t took = node_parse(slice_of(file.data + file.len - 8 - len, len), ret_footer);
    cr_assert_eq(took, len);
}

size_t hybrid_read(struct slice bytes, uint32_t width, size_t count, uint32_t *ret_values)
{
    struct reading r = {bytes, 0};
    size_t n = 0;
    while (n < count) {
        uint64_t head = read_varint(&r);
        if (head & 1) {
            uint64_t bit = r.at * 8;
            for (size_t i = 0; i < (head >> 1) * 8; i++) {
                uint32_t v = 0;
                for (uint32_t k = 0; k < width; k++, bit++)
                    v |= (uint32_t)(bytes.data[bit / 8] >> (bit % 8) & 1) << k;
                if (n < count)
                    ret_values[n++] = v;
                else
                    cr_assert_eq(v, 0);
            }
            r.at += (head >> 1) * width;
            cr_assert_leq(r.at, bytes.len);
        } else {
            uint32_t v = 0;
            for (uint32_t k = 0; k < (width + 7) / 8; k++)
                v |= (uint32_t)read_byte(&r) << (8 * k);
            cr_assert_leq((head >> 1), count - n);
            for (uint64_t i = 0; i < head >> 1; i++)
                ret_values[n++] = v;
        }
    }
    return r.at;
}

/* ---- pages ---- */

struct page {
    struct node header;
    struct slice body;
};

static size_t page_read(struct slice file, size_t at, struct chunk *c, struct page *ret_page)
{
    size_t head = node_parse(slice_of(file.data + at, file.len - at), &ret_page->header);
    size_t plain = (size_t)INT_AT(&ret_page->header, 2);
    size_t packed = (size_t)INT_AT(&ret_page->header, 3);
    const uint8_t *from = file.data + at + head;
    cr_assert_leq(at + head + packed, file.len);
    cr_assert_eq((uint32_t)INT_AT(&ret_page->header, 4), crc32(0, from, (uInt)packed));
    cr_assert_lt(c->page_count, ARRAY_LEN(c->pages));
    struct buf *body = &c->pages[c->page_count++];
    cr_assert_eq(ZSTD_decompress(buf_reserve(body, plain + 1), plain, from, packed), plain);
    body->len = plain;
    ret_page->body = buf_slice(body);
    return head + packed;
}

static size_t plain_read(struct slice s, uint32_t width, size_t count, struct slice *ret_values)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len = width;
        if (width == 0) {
            len = get_le32(s.data + at);
            at += 4;
        }
        cr_assert_leq(len, s.len - at);
        ret_values[i] = slice_of(s.data + at, len);
        at += len;
    }
    return at;
}

static void booleans_read(struct slice s, size_t count, struct slice *ret_values)
{
    static const uint8_t bits[2] = {0, 1};
    cr_assert_eq(s.len, (count + 7) / 8);
    for (size_t i = 0; i < count; i++)
        ret_values[i] = slice_of(&bits[s.data[i / 8] >> (i % 8) & 1], 1);
}

static struct slice levels_read(struct slice body, int max, size_t count, uint8_t *ret_levels)
{
    uint32_t width = 0, values[70000];
    while (max >> width)
        width++;
    size_t len = get_le32(body.data);
    cr_assert_leq(count, ARRAY_LEN(values));
    cr_assert_eq(hybrid_read(slice_of(body.data + 4, len), width, count, values), len);
    for (size_t i = 0; i < count; i++)
        ret_levels[i] = (uint8_t)values[i];
    return slice_of(body.data + 4 + len, body.len - 4 - len);
}

struct chunk_reading {
    const struct node *meta;
    uint32_t width;
    int def_max, rep_max;
    struct slice *dict;
};

static void values_read(struct chunk *c, const struct chunk_reading *how, struct slice body,
                        size_t count, bool indexes)
{
    struct slice *to = c->values + c->value_count;
    if (!indexes) {
        if (INT_AT(how->meta, 1) == 0)
            booleans_read(body, count, to);
        else
            cr_assert_eq(plain_read(body, how->width, count, to), body.len);
        return;
    }
    uint32_t *at = mem_calloc(count + 1, sizeof(*at));
    struct slice runs = slice_of(body.data + 1, body.len - 1);
    cr_assert_eq(hybrid_read(runs, body.data[0], count, at), runs.len);
    for (size_t i = 0; i < count; i++) {
        cr_assert_lt(at[i], c->dict_entries);
        to[i] = how->dict[at[i]];
    }
    mem_free(at);
}

static void data_page_read(struct chunk *c, const struct chunk_reading *how, const struct page *p)
{
    size_t count = (size_t)INT_AT(&p->header, 5, 1), present = 0;
    struct slice body = p->body;
    if (how->rep_max > 0)
        body = levels_read(body, how->rep_max, count, c->rep + c->level_count);
    if (how->def_max > 0)
        body = levels_read(body, how->def_max, count, c->def + c->level_count);
    for (size_t i = 0; i < count; i++)
        present += how->def_max == 0 || c->def[c->level_count + i] == how->def_max;
    cr_assert_eq(INT_AT(&p->header, 5, 3), 3);
    cr_assert_eq(INT_AT(&p->header, 5, 4), 3);
    values_read(c, how, body, present, INT_AT(&p->header, 5, 2) == 8);
    c->level_count += count;
    c->value_count += present;
    c->data_pages++;
}

void chunk_read(struct slice file, const struct node *meta, uint32_t width, const int max[2],
                struct chunk *ret_chunk)
{
    struct chunk *c = ret_chunk;
    struct chunk_reading how = {meta, width, max[0], max[1], NULL};
    size_t levels = (size_t)INT_AT(meta, 5), left = (size_t)INT_AT(meta, 7);
    const struct node *dict_at = node_at(meta, 11, -1);
    size_t at = (size_t)(dict_at != NULL ? dict_at->i : INT_AT(meta, 9));
    *c = (struct chunk){.def = mem_zalloc(levels + 1), .rep = mem_zalloc(levels + 1)};
    c->values = mem_calloc(levels + 1, sizeof(*c->values));
    while (left > 0) {
        struct page p;
        size_t bytes = page_read(file, at, c, &p);
        if (INT_AT(&p.header, 1) == 2) {
            cr_assert_eq(c->page_count, 1);
            c->dict_entries = (size_t)INT_AT(&p.header, 7, 1);
            how.dict = mem_calloc(c->dict_entries + 1, sizeof(*how.dict));
            cr_assert_eq(plain_read(p.body, width, c->dict_entries, how.dict), p.body.len);
        } else {
            if (c->data_pages == 0)
                cr_assert_eq((size_t)INT_AT(meta, 9), at);
            data_page_read(c, &how, &p);
        }
        node_free(&p.header);
        cr_assert_leq(bytes, left);
        at += bytes;
        left -= bytes;
    }
    cr_assert_eq(c->level_count, levels);
    mem_free(how.dict);
}

void chunk_free(struct chunk *c)
{
    for (size_t i = 0; i < c->page_count; i++)
        buf_deinit(&c->pages[i]);
    mem_free(c->def);
    mem_free(c->rep);
    mem_free(c->values);
}
