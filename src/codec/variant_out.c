/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variant → canonical JSON text: no space, objects' fields in the order of their names' bytes,
 * decimals with their digits, doubles in their shortest form and always with an exponent, so that
 * they read back as doubles.
 *
 * The bytes are not trusted. Children of an object may stand in any order, so two of them could
 * claim the same bytes, and a small variant unfold into an endless text; therefore the sizes of
 * the children must add up to the room they have, and the text has a limit.
 *
 * Only what JSON can say is read: null, booleans, numbers, strings, objects, arrays. Thread: any.
 */
#include "codec/variant.h"
#include "codec_priv.h"
#include "variant_priv.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* "\b" becomes "\u0008"; nothing else grows by so much. */
#define TEXT_BYTES_MAX (4 * (size_t)VARIANT_BYTES_MAX)

struct reader {
    const uint8_t *offsets, *names; /* of the dictionary */
    uint32_t name_count, offset_size;
    size_t names_len;
    struct json j;
    size_t before; /* length of the output */
    struct err *e;
};

static int fail(struct reader *r, const char *what)
{
    return err_set(r->e, ERR_DAMAGED, "the variant is damaged: %s", what);
}

static uint32_t get_le(const uint8_t *p, uint32_t bytes)
{
    uint32_t v = 0;
    memcpy(&v, p, bytes);
    return v;
}

/* ---- metadata ---- */

/* Reads the metadata; *ret_value is what stands behind it. */
static int open_metadata(struct reader *r, struct slice variant, struct slice *ret_value)
{
    const uint8_t *p = variant.data, *end = p + variant.len;
    if (variant.len == 0 || (*p & 15) != 1)
        return fail(r, "its metadata is not of version 1");
    uint32_t size = r->offset_size = (uint32_t)(*p++ >> 6) + 1;
    if ((size_t)(end - p) < size)
        return fail(r, "its metadata is cut");
    r->name_count = get_le(p, size);
    r->offsets = p += size;
    if ((size_t)(end - p) / size < (size_t)r->name_count + 1)
        return fail(r, "its metadata is cut");
    p += (size_t)r->name_count * size;
    r->names_len = get_le(p, size);
    r->names = p += size;
    if ((size_t)(end - p) < r->names_len)
        return fail(r, "its metadata is cut");
    *ret_value = slice_of(p + r->names_len, (size_t)(end - p) - r->names_len);
    return 0;
}

static int get_name(struct reader *r, uint32_t id, struct slice *ret)
{
    if (id >= r->name_count)
        return fail(r, "a field's name is not in the dictionary");
    const uint8_t *at = r->offsets + (size_t)id * r->offset_size;
    uint32_t from = get_le(at, r->offset_size), to = get_le(at + r->offset_size, r->offset_size);
    if (from > to || to > r->names_len)
        return fail(r, "a name lies outside of the dictionary");
    *ret = slice_of(r->names + from, to - from);
    return row_utf8_ok(*ret) ? 0 : fail(r, "a name is not UTF-8");
}

/* ---- primitives ---- */

/* The shortest digits that read back equal, as d.ddde-7. */
static void put_double(struct reader *r, double v)
{
    char text[40];
    if (!isfinite(v)) {
        json_str(&r->j, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*e", digits - 1, v);
        if (strtod(text, NULL) == v)
            break;
    }
    char *e = strchr(text, 'e'), *last = e - 1;
    long exponent = strtol(e + 1, NULL, 10);
    while (*last == '0')
        last--;
    last += *last != '.'; /* "-1.", "1.5" */
    (void)snprintf(last, sizeof(text) - (size_t)(last - text), "e%ld", exponent);
    json_raw(&r->j, slice_str(text));
}

static int put_string(struct reader *r, struct slice s)
{
    if (!row_utf8_ok(s))
        return fail(r, "a text is not UTF-8");
    json_slice(&r->j, s);
    return 0;
}

static int put_decimal(struct reader *r, const uint8_t *p, size_t len)
{
    uint8_t room[64];
    struct buf text = {room, 0, sizeof(room)};
    row_i128 v = (int8_t)p[len - 1] < 0 ? -1 : 0, max = 1;
    memcpy(&v, p + 1, len - 1);
    for (int i = 0; i < DECIMAL_DIGITS_MAX; i++)
        max *= 10;
    if (*p > DECIMAL_DIGITS_MAX || v >= max || v <= -max)
        return fail(r, "a decimal has more than 38 digits");
    row_decimal_format(v, *p, &text);
    json_raw(&r->j, buf_slice(&text));
    return 0;
}

/* Bytes behind the first one, of primitives with a fixed size; -1: none of JSON's. */
static int primitive_len(unsigned type)
{
    static const int8_t len[] = {0, 0, 0, 1, 2, 4, 8, 8, 5, 9, 17};
    return type < ARRAY_LEN(len) ? len[type] : -1;
}

/* @p: behind the first byte. */
static int put_primitive(struct reader *r, unsigned type, const uint8_t *p)
{
    int len = primitive_len(type);
    double f64;
    if (type >= VARIANT__DECIMAL4)
        return put_decimal(r, p, (size_t)len);
    if (type >= VARIANT__INT8 && type <= VARIANT__INT64) {
        int64_t v = (int8_t)p[len - 1] < 0 ? -1 : 0;
        memcpy(&v, p, (size_t)len);
        json_i64(&r->j, v);
    } else if (type == VARIANT__DOUBLE) {
        memcpy(&f64, p, sizeof(f64));
        put_double(r, f64);
    } else if (type == VARIANT__NULL) {
        json_null(&r->j);
    } else {
        json_bool(&r->j, type == VARIANT__TRUE);
    }
    return 0;
}

/* ---- objects and arrays ---- */

/* Where the parts of an object or an array stand. */
struct children {
    const uint8_t *ids, *offsets; /* ids NULL: an array */
    uint32_t count, id_size, offset_size;
    struct slice room; /* of the children */
};

static int open_children(struct reader *r, struct slice v, struct children *c)
{
    const uint8_t *p = v.data + 1, *end = v.data + v.len;
    bool is_object = (*v.data & 3) == VARIANT__OBJECT;
    unsigned header = *v.data >> 2;
    uint32_t count_size = header >> (is_object ? 4 : 2) & 1 ? 4 : 1;
    c->offset_size = (header & 3) + 1;
    c->id_size = is_object ? (header >> 2 & 3) + 1 : 0;
    if ((size_t)(end - p) < count_size)
        return fail(r, "a value is cut");
    c->count = get_le(p, count_size);
    p += count_size;
    size_t list = (size_t)c->count * (c->id_size + c->offset_size) + c->offset_size;
    if ((size_t)(end - p) < list)
        return fail(r, "a value is cut");
    c->ids = is_object ? p : NULL;
    c->offsets = p + (size_t)c->count * c->id_size;
    c->room = slice_of(p + list, get_le(p + list - c->offset_size, c->offset_size));
    return c->room.len <= (size_t)(end - p) - list ? 0 : fail(r, "a value is cut");
}

static int put_value(struct reader *r, struct slice v, unsigned depth, size_t *ret_len);

static int put_child_name(struct reader *r, const struct children *c, uint32_t i,
                          struct slice *last)
{
    struct slice name;
    TRY(get_name(r, get_le(c->ids + (size_t)i * c->id_size, c->id_size), &name));
    if (i > 0 && slice_cmp(*last, name) >= 0)
        return fail(r, "an object's names are out of order");
    json_key_slice(&r->j, name);
    *last = name;
    return 0;
}

static int put_children(struct reader *r, const struct children *c, unsigned depth)
{
    struct slice last = SLICE_NULL;
    size_t sum = 0, len;
    json_open(&r->j, c->ids != NULL ? '{' : '[');
    for (uint32_t i = 0; i < c->count; i++) {
        uint32_t at = get_le(c->offsets + (size_t)i * c->offset_size, c->offset_size);
        if (at >= c->room.len)
            return fail(r, "a value lies outside of its object or array");
        if (c->ids != NULL)
            TRY(put_child_name(r, c, i, &last));
        TRY(put_value(r, slice_of(c->room.data + at, c->room.len - at), depth, &len));
        sum += len;
        if (sum > c->room.len)
            break;
    }
    if (sum != c->room.len)
        return fail(r, "values lie upon each other or apart");
    json_close(&r->j, c->ids != NULL ? '}' : ']');
    return 0;
}

static int put_nested(struct reader *r, struct slice v, unsigned depth, size_t *ret_len)
{
    struct children c;
    if (depth >= VARIANT_DEPTH_MAX)
        return fail(r, "it nests too deep");
    TRY(open_children(r, v, &c));
    TRY(put_children(r, &c, depth + 1));
    *ret_len = (size_t)(c.room.data - v.data) + c.room.len;
    return 0;
}

/* The value at the beginning of @v; *ret_len bytes of it were used. */
static int put_value(struct reader *r, struct slice v, unsigned depth, size_t *ret_len)
{
    unsigned type = v.len == 0 ? 0 : *v.data >> 2;
    size_t len;
    if (v.len == 0)
        return fail(r, "a value is cut");
    if (r->j.out->len - r->before > TEXT_BYTES_MAX)
        return fail(r, "its text is too long");
    switch (*v.data & 3) {
    case VARIANT__OBJECT:
    case VARIANT__ARRAY: return put_nested(r, v, depth, ret_len);
    case VARIANT__SHORT_STRING:
        *ret_len = 1 + type;
        return v.len < *ret_len ? fail(r, "a text is cut")
                                : put_string(r, slice_of(v.data + 1, type));
    default: break;
    }
    if (type == VARIANT__STRING) {
        len = v.len < 5 ? v.len : 5 + (size_t)get_le(v.data + 1, 4);
        *ret_len = len;
        return v.len < MAX(len, 5) ? fail(r, "a text is cut")
                                   : put_string(r, slice_of(v.data + 5, len - 5));
    }
    if (primitive_len(type) < 0)
        return fail(r, "a value is of a type that JSON has not");
    *ret_len = len = 1 + (size_t)primitive_len(type);
    return v.len < len ? fail(r, "a value is cut") : put_primitive(r, type, v.data + 1);
}

int codec_variant_to_json(struct slice variant, struct buf *out, struct err *e)
{
    struct reader r = {.j = json_on(out), .before = out->len, .e = e};
    struct slice value;
    size_t len = 0;
    int code = open_metadata(&r, variant, &value);
    if (code == 0)
        code = put_value(&r, value, 0, &len);
    if (code == 0 && len != value.len)
        code = fail(&r, "more follows behind its value");
    if (code < 0)
        out->len = r.before;
    return code;
}
