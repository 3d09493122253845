/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text → variant, in two passes over the text. The first one checks it and collects the names
 * of all objects; sorted, they are the dictionary. The second one writes:
 *
 *   metadata  header, number of names, their offsets, names
 *   value     children first, in the order of the text; when an object or array closes, they move
 *             up to make room for its header: number of children, field ids, offsets
 *
 * So a byte moves once per level, and the levels have a limit. Source of the layout: Parquet's
 * VariantEncoding.md. Thread: any.
 */
#include "codec/variant.h"
#include "codec_priv.h"
#include "variant_priv.h"

#include <stdlib.h>

/* A variant has at most four bytes for each byte of the text, and seven more, so that short texts
 * need no counting. The worst is an array of one element, large enough for offsets of 3 bytes: 8
 * bytes of header for its two brackets. "1e1," becomes 9 bytes and 3 of an offset. */
#define SURE_TEXT_MAX (VARIANT_BYTES_MAX / 4 - 64)

/* ---- numbers ---- */

struct number {
    enum { NUMBER_INT, NUMBER_DECIMAL, NUMBER_DOUBLE } kind;
    uint8_t scale;
    int64_t i64;
    row_i128 decimal;
    double f64;
};

static bool read_decimal(struct slice text, struct number *n)
{
    const uint8_t *point = memchr(text.data, '.', text.len);
    size_t behind = point == NULL ? 0 : (size_t)(text.data + text.len - point - 1);
    bool has_exponent =
        memchr(text.data, 'e', text.len) != NULL || memchr(text.data, 'E', text.len) != NULL;
    if (has_exponent || behind > DECIMAL_DIGITS_MAX)
        return false;
    struct row_column c = {
        .type = ROW_DECIMAL, .precision = DECIMAL_DIGITS_MAX, .scale = (uint8_t)behind};
    if (row_decimal_parse(text, &c, &n->decimal) != 0)
        return false;
    n->kind = NUMBER_DECIMAL;
    n->scale = c.scale;
    if (behind == 0 && n->decimal >= INT64_MIN && n->decimal <= INT64_MAX) {
        n->kind = NUMBER_INT;
        n->i64 = (int64_t)n->decimal;
    }
    return true;
}

static int read_number(struct codec__json *j, struct number *ret)
{
    const uint8_t *from = j->p;
    struct slice text = codec__json_number(j);
    ret->kind = NUMBER_INT;
    if (likely(codec__json_plain_integer(text, &ret->i64)))
        return 0;
    if (!codec__json_is_number(text)) {
        j->p = from;
        return codec__json_fail(j, "malformed number");
    }
    if (read_decimal(text, ret))
        return 0;
    ret->kind = NUMBER_DOUBLE;
    if (codec__number_f64(text, &ret->f64) == 0)
        return 0;
    j->p = from;
    return codec__json_fail(j, "the number is out of range");
}

/* ---- the first pass ---- */

static int skip_value(struct codec__json *j, unsigned depth);

static int fail_deep(struct codec__json *j)
{
    return codec__json_fail(j, "the value nests deeper than %d levels", VARIANT_DEPTH_MAX);
}

static int skip_field(struct codec__json *j, unsigned depth)
{
    struct slice name;
    if (!codec__json_take(j, '"'))
        return codec__json_fail(j, "a name in quotes is expected");
    size_t at = (size_t)(j->p - j->start) - 1;
    TRY(codec__json_keep_string(j, &name));
    codec__json_name(j, (struct codec__name){name.data, name.len, at});
    if (j->dictionary != NULL)
        buf_add(j->dictionary, &name, sizeof(name));
    if (!codec__json_take(j, ':'))
        return codec__json_fail(j, "a colon is expected");
    return skip_value(j, depth);
}

/* Behind the brace. */
static int skip_object(struct codec__json *j, unsigned depth)
{
    uint32_t first = j->names.count;
    if (depth > VARIANT_DEPTH_MAX)
        return fail_deep(j);
    if (codec__json_take(j, '}'))
        return 0;
    do
        TRY(skip_field(j, depth));
    while (codec__json_take(j, ','));
    if (!codec__json_take(j, '}'))
        return codec__json_fail(j, "a comma or a closing brace is expected");
    return codec__json_close_names(j, first);
}

/* Behind the bracket. */
static int skip_array(struct codec__json *j, unsigned depth)
{
    if (depth > VARIANT_DEPTH_MAX)
        return fail_deep(j);
    if (codec__json_take(j, ']'))
        return 0;
    do
        TRY(skip_value(j, depth));
    while (codec__json_take(j, ','));
    return codec__json_take(j, ']')
               ? 0
               : codec__json_fail(j, "a comma or a closing bracket is expected");
}

static int skip_value(struct codec__json *j, unsigned depth)
{
    struct number n;
    codec__json_space(j);
    switch (j->p < j->end ? *j->p : 0) {
    case '"': j->p++; return codec__json_skip_string(j);
    case '{': j->p++; return skip_object(j, depth + 1);
    case '[': j->p++; return skip_array(j, depth + 1);
    case '-':
    case '0' ... '9': return read_number(j, &n);
    case 't':
    case 'f':
    case 'n':
        if (codec__json_literal(j, "true") || codec__json_literal(j, "false") ||
            codec__json_literal(j, "null"))
            return 0;
        break;
    default: break;
    }
    return codec__json_fail(j, "a JSON value is expected");
}

/* ---- the second pass ---- */

/* What is being written. The text is known to be a value. */
struct writer {
    struct codec__json *j;
    struct buf *out;
    const struct slice *names; /* sorted, each once */
    uint32_t name_count;
    struct buf children; /* struct child, of the objects and arrays that are open */
};
struct child {
    uint32_t id, offset;
};

static uint32_t bytes_for(size_t max)
{
    return max <= 0xff ? 1 : max <= 0xffff ? 2 : max <= 0xffffff ? 3 : 4;
}

static uint8_t *put_le(uint8_t *to, uint64_t v, uint32_t bytes)
{
    for (; bytes > 0; bytes--, v >>= 8)
        *to++ = (uint8_t)v;
    return to;
}

static void put_primitive(struct buf *out, unsigned type, const void *data, size_t len)
{
    buf_add_byte(out, (uint8_t)(type << 2 | VARIANT__PRIMITIVE));
    buf_add(out, data, len); /* this machine is little-endian (base/bits.h) */
}

static void put_integer(struct buf *out, int64_t v)
{
    unsigned size = v == (int8_t)v ? 0 : v == (int16_t)v ? 1 : v == (int32_t)v ? 2 : 3;
    put_primitive(out, VARIANT__INT8 + size, &v, 1u << size);
}

/* Eight bytes could hold a scale of 18, but DuckDB 1.5 divides by zero on few digits of a scale
 * above 15. */
#define DECIMAL8_SCALE_MAX 15

static void put_decimal(struct buf *out, row_i128 v, uint8_t scale)
{
    row_i128 size = v < 0 ? -v : v;
    unsigned wide = 2;
    if (size < 1000000000 && scale <= 9)
        wide = 0;
    else if (size < 1000000000000000000 && scale <= DECIMAL8_SCALE_MAX)
        wide = 1;
    put_primitive(out, VARIANT__DECIMAL4 + wide, &scale, 1);
    buf_add(out, &v, (size_t)4 << wide);
}

static int put_number(struct writer *w)
{
    struct number n;
    TRY(read_number(w->j, &n));
    switch (n.kind) {
    case NUMBER_INT: put_integer(w->out, n.i64); break;
    case NUMBER_DECIMAL: put_decimal(w->out, n.decimal, n.scale); break;
    case NUMBER_DOUBLE: put_primitive(w->out, VARIANT__DOUBLE, &n.f64, sizeof(n.f64)); break;
    }
    return 0;
}

/* Behind the quote. */
static int put_string(struct writer *w)
{
    struct slice s;
    TRY(codec__json_string(w->j, &s));
    uint8_t *to = buf_reserve(w->out, 5 + s.len), *start = to;
    if (s.len < 64) {
        *to++ = (uint8_t)(s.len << 2 | VARIANT__SHORT_STRING);
    } else {
        *to++ = VARIANT__STRING << 2 | VARIANT__PRIMITIVE;
        to = put_le(to, s.len, 4);
    }
    if (s.len > 0)
        memmove(to, s.data, s.len); /* it may stand in the same room, further on */
    w->out->len += (size_t)(to - start) + s.len;
    return 0;
}

static uint32_t find_name(const struct writer *w, struct slice name)
{
    uint32_t low = 0, high = w->name_count;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (slice_cmp(w->names[middle], name) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int compare_children(const void *a, const void *b)
{
    const struct child *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void sort_children(struct child *c, size_t count)
{
    if (count > 32) {
        qsort(c, count, sizeof(*c), compare_children);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct child moving = c[i];
        size_t k = i;
        for (; k > 0 && c[k - 1].id > moving.id; k--)
            c[k] = c[k - 1];
        c[k] = moving;
    }
}

/* Puts the header in front of the children's bytes, which begin at place @start of the output;
 * their list begins at place @first of w->children. */
static void close_children(struct writer *w, size_t start, size_t first, bool is_object)
{
    size_t count = (w->children.len - first) / sizeof(struct child);
    size_t bytes = w->out->len - start;
    struct child *c = count == 0 ? NULL : (struct child *)(void *)(w->children.data + first);
    uint32_t offset_size = bytes_for(bytes), count_size = count > 0xff ? 4 : 1;
    uint32_t id_size = bytes_for(w->name_count == 0 ? 0 : w->name_count - 1);
    size_t header = 1 + count_size + (is_object ? count * id_size : 0) + (count + 1) * offset_size;
    (void)buf_reserve(w->out, header);
    uint8_t *to = w->out->data + start;
    memmove(to + header, to, bytes);
    w->out->len += header;
    if (is_object) {
        sort_children(c, count);
        *to++ = (uint8_t)((count_size == 4) << 6 | (id_size - 1) << 4 | (offset_size - 1) << 2 |
                          VARIANT__OBJECT);
    } else {
        *to++ = (uint8_t)((count_size == 4) << 4 | (offset_size - 1) << 2 | VARIANT__ARRAY);
    }
    to = put_le(to, count, count_size);
    for (size_t i = 0; i < count && is_object; i++)
        to = put_le(to, c[i].id, id_size);
    for (size_t i = 0; i < count; i++)
        to = put_le(to, c[i].offset, offset_size);
    (void)put_le(to, bytes, offset_size);
    w->children.len = first;
}

static int put_value(struct writer *w);

static int put_child(struct writer *w, size_t start, bool is_object)
{
    struct child c = {0, (uint32_t)(w->out->len - start)};
    if (is_object) {
        struct slice name;
        (void)codec__json_take(w->j, '"'); /* the first pass saw quote and colon */
        TRY(codec__json_string(w->j, &name));
        c.id = find_name(w, name);
        (void)codec__json_take(w->j, ':');
    }
    buf_add(&w->children, &c, sizeof(c));
    return put_value(w);
}

/* Behind the brace or the bracket. */
static int put_children(struct writer *w, bool is_object)
{
    size_t start = w->out->len, first = w->children.len;
    if (!codec__json_take(w->j, is_object ? '}' : ']')) {
        do
            TRY(put_child(w, start, is_object));
        while (codec__json_take(w->j, ','));
        (void)codec__json_take(w->j, is_object ? '}' : ']');
    }
    close_children(w, start, first, is_object);
    return 0;
}

static int put_value(struct writer *w)
{
    codec__json_space(w->j);
    switch (*w->j->p) {
    case '"': w->j->p++; return put_string(w);
    case '{': w->j->p++; return put_children(w, true);
    case '[': w->j->p++; return put_children(w, false);
    case 't':
        w->j->p += 4;
        put_primitive(w->out, VARIANT__TRUE, NULL, 0);
        return 0;
    case 'f':
        w->j->p += 5;
        put_primitive(w->out, VARIANT__FALSE, NULL, 0);
        return 0;
    case 'n':
        w->j->p += 4;
        put_primitive(w->out, VARIANT__NULL, NULL, 0);
        return 0;
    default: return put_number(w);
    }
}

/* ---- metadata ---- */

static int compare_slices(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Sorts the collected names and leaves each once. Returns how many there are. */
static uint32_t sort_names(struct slice *names, size_t count)
{
    uint32_t kept = 0;
    if (count > 1)
        qsort(names, count, sizeof(*names), compare_slices);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !slice_eq(names[i], names[kept - 1]))
            names[kept++] = names[i];
    return kept;
}

static void put_metadata(struct buf *out, const struct slice *names, uint32_t count)
{
    size_t bytes = 0, offset = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += names[i].len;
    uint32_t size = bytes_for(MAX(bytes, count));
    uint8_t *to = buf_reserve(out, 1 + (size_t)(count + 2) * size + bytes), *start = to;
    *to++ = (uint8_t)((size - 1) << 6 | 1 << 4 | 1); /* offset size, sorted, version 1 */
    to = put_le(to, count, size);
    for (uint32_t i = 0; i < count; i++) {
        to = put_le(to, offset, size);
        offset += names[i].len;
    }
    to = put_le(to, bytes, size);
    out->len += (size_t)(to - start);
    for (uint32_t i = 0; i < count; i++)
        buf_add_slice(out, names[i]);
}

static int convert(struct writer *w)
{
    struct codec__json *j = w->j;
    size_t before = w->out->len;
    TRY(skip_value(j, 0));
    TRY(codec__json_end(j, "value"));
    struct slice *names = (struct slice *)(void *)j->dictionary->data;
    w->name_count = sort_names(names, j->dictionary->len / sizeof(*names));
    w->names = names;
    put_metadata(w->out, names, w->name_count);
    j->p = j->start;
    TRY(put_value(w));
    j->p = j->start;
    if (w->out->len - before > VARIANT_BYTES_MAX)
        return codec__json_fail(j, "the variant has %zu bytes; at most %u are allowed",
                                w->out->len - before, VARIANT_BYTES_MAX);
    return 0;
}

int codec_variant_from_json(struct slice json, struct buf *out, struct err *e)
{
    size_t before = out->len;
    struct buf names = BUF_NULL;
    struct codec__json j;
    struct writer w = {.j = &j, .out = out, .children = BUF_NULL};
    codec__json_init(&j, json, out, e);
    j.dictionary = &names;
    int r =
        json.len > VARIANT_BYTES_MAX ? codec__json_fail(&j, "the value is too long") : convert(&w);
    if (r < 0)
        out->len = before;
    codec__json_deinit(&j);
    buf_deinit(&names);
    buf_deinit(&w.children);
    return r;
}

/* ---- check ---- */

/* Is a long text's variant too large? Only writing it tells. */
static int check_long(struct codec__json *j, const uint8_t *from)
{
    struct buf nowhere = BUF_NULL;
    int r = codec_variant_from_json(slice_of(from, (size_t)(j->p - from)), &nowhere, NULL);
    buf_deinit(&nowhere);
    j->p = r == 0 ? j->p : from;
    return r == 0 ? 0
                  : codec__json_fail(j, "the variant has more than %u bytes", VARIANT_BYTES_MAX);
}

int codec__variant_skip(struct codec__json *j)
{
    codec__json_space(j);
    const uint8_t *from = j->p;
    TRY(skip_value(j, 0));
    return likely(j->p - from <= SURE_TEXT_MAX) ? 0 : check_long(j, from);
}

int codec_variant_check(struct slice json, struct err *e)
{
    struct buf scratch = BUF_NULL;
    struct codec__json j;
    codec__json_init(&j, json, &scratch, e);
    int r = codec__variant_skip(&j);
    if (r == 0)
        r = codec__json_end(&j, "value");
    codec__json_deinit(&j);
    buf_deinit(&scratch);
    return r;
}
