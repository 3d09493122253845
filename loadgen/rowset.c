/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row sets and their rows. To keep the generator out of the measurement, a stream keeps a few dozen
 * finished rows and patches in place what differs from row to row: the row's number, the time,
 * keys, doubles and random digits. Words, codes and the rest change from one template to the next.
 *
 * A patched value must keep its width. When the row's number grows by a digit (or byte), the
 * templates are made anew.
 */
#include "rowset.h"

#include "base/mem.h"
#include "base/must.h"
#include "codec/wire.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define TEMPLATE_COUNT 64
#define SPOTS_MAX      32
#define COLUMNS_OF(a)  .columns = (a), .column_count = ARRAY_LEN(a)

/* ---- the sets ---- */

static const struct column columns_200b[] = {
    {"stream_no", COLUMN_STREAM, 0},
    {"seq", COLUMN_SEQ, 0},
    {"at", COLUMN_NOW, 0},
    {"temperature", COLUMN_DOUBLE, 40},
    {"humidity", COLUMN_DOUBLE, 100},
    {"healthy", COLUMN_BOOLEAN, 0},
    {"device", COLUMN_CODE, 10000},
    {"state", COLUMN_WORD, 20},
    {"source", COLUMN_URL, 4000000},
    {"trace", COLUMN_HEX, 64},
};
static const struct rowset set_200b = {.name = "rows_200b", COLUMNS_OF(columns_200b)};

static const struct column columns_1kb[] = {
    {"stream_no", COLUMN_STREAM, 0}, {"seq", COLUMN_SEQ, 0},
    {"at", COLUMN_NOW, 0},           {"i01", COLUMN_INT, 1000},
    {"i02", COLUMN_INT, 1000000},    {"i03", COLUMN_LONG, 1u << 30},
    {"i04", COLUMN_LONG, 1u << 31},  {"i05", COLUMN_INT, 100},
    {"i06", COLUMN_INT, 10},         {"i07", COLUMN_LONG, 1000000},
    {"i08", COLUMN_INT, 65536},      {"d01", COLUMN_DOUBLE, 100},
    {"d02", COLUMN_DOUBLE, 1000},    {"d03", COLUMN_DOUBLE, 10},
    {"d04", COLUMN_DOUBLE, 50},      {"d05", COLUMN_DOUBLE, 100000},
    {"d06", COLUMN_DOUBLE, 1},       {"d07", COLUMN_DOUBLE, 360},
    {"d08", COLUMN_DOUBLE, 90},      {"b01", COLUMN_BOOLEAN, 0},
    {"b02", COLUMN_BOOLEAN, 0},      {"day", COLUMN_DATE, 0},
    {"due", COLUMN_DATE, 0},         {"price", COLUMN_DECIMAL, 10000},
    {"tax", COLUMN_DECIMAL, 1000},   {"device", COLUMN_CODE, 10000},
    {"gateway", COLUMN_CODE, 100},   {"batch", COLUMN_CODE, 100000},
    {"state", COLUMN_WORD, 20},      {"city", COLUMN_WORD, 16},
    {"crop", COLUMN_WORD, 8},        {"grade", COLUMN_WORD, 4},
    {"source", COLUMN_URL, 4000000}, {"target", COLUMN_URL, 1000},
    {"image", COLUMN_URL, 100000},   {"trace", COLUMN_HEX, 64},
    {"span", COLUMN_HEX, 64},        {"digest", COLUMN_HEX, 128},
    {"note", COLUMN_NOTE, 192},      {"blob", COLUMN_NOTE, 64},
};
static_assert(ARRAY_LEN(columns_1kb) == 40, "the 1 KB row has 40 columns");
static const struct rowset set_1kb = {.name = "rows_1kb", COLUMNS_OF(columns_1kb)};

static const struct column columns_keyed[] = {
    {"id", COLUMN_KEY, 0},    {"stream_no", COLUMN_STREAM, 0}, {"seq", COLUMN_SEQ, 0},
    {"at", COLUMN_NOW, 0},    {"level", COLUMN_DOUBLE, 100},   {"state", COLUMN_WORD, 20},
    {"note", COLUMN_HEX, 64},
};
static const struct rowset set_keyed = {
    .name = "rows_keyed", .keys = "id", COLUMNS_OF(columns_keyed)};

static const struct column columns_inventory[] = {
    {"stream_no", COLUMN_STREAM, 0}, {"seq", COLUMN_SEQ, 0},         {"moved_at", COLUMN_NOW, 0},
    {"site", COLUMN_WORD, 16},       {"lot", COLUMN_CODE, 5000},     {"crop", COLUMN_WORD, 8},
    {"movement", COLUMN_WORD, 4},    {"grams", COLUMN_LONG, 250000},
};
static const struct column columns_quotes[] = {
    {"stream_no", COLUMN_STREAM, 0}, {"seq", COLUMN_SEQ, 0},
    {"quoted_at", COLUMN_NOW, 0},    {"supplier", COLUMN_CODE, 200},
    {"item", COLUMN_WORD, 20},       {"price", COLUMN_DECIMAL, 5000},
    {"quantity", COLUMN_INT, 10000}, {"valid_until", COLUMN_DATE, 0},
};
static const struct column columns_demand[] = {
    {"stream_no", COLUMN_STREAM, 0}, {"seq", COLUMN_SEQ, 0},
    {"at", COLUMN_NOW, 0},           {"city", COLUMN_WORD, 16},
    {"crop", COLUMN_WORD, 8},        {"trays_per_hour", COLUMN_DOUBLE, 400},
    {"forecast", COLUMN_BOOLEAN, 0},
};
static const struct column columns_prices[] = {
    {"stream_no", COLUMN_STREAM, 0}, {"seq", COLUMN_SEQ, 0},
    {"at", COLUMN_NOW, 0},           {"commodity", COLUMN_WORD, 20},
    {"market", COLUMN_WORD, 4},      {"price", COLUMN_DECIMAL, 2000},
    {"change", COLUMN_DOUBLE, 10},   {"volume", COLUMN_LONG, 1000000},
};
static const struct rowset set_inventory = {.name = "inventory", COLUMNS_OF(columns_inventory)};
static const struct rowset set_quotes = {.name = "quotes", COLUMNS_OF(columns_quotes)};
static const struct rowset set_demand = {.name = "demand", COLUMNS_OF(columns_demand)};
static const struct rowset set_prices = {.name = "prices", COLUMNS_OF(columns_prices)};

static const struct rowset *const sets_200b[] = {&set_200b};
static const struct rowset *const sets_1kb[] = {&set_1kb};
static const struct rowset *const sets_keyed[] = {&set_keyed};
static const struct rowset *const sets_farm[] = {&set_inventory, &set_quotes, &set_demand,
                                                 &set_prices};

static const struct rowset_group groups[] = {
    {"200b", "bench.load", sets_200b, 1},
    {"1kb", "bench.load", sets_1kb, 1},
    {"keyed", "bench.load", sets_keyed, 1},
    {"farm", "farm.feeds", sets_farm, 4},
};

static const char *const words[] = {
    "basil", "lettuce", "spinach",   "kale",       "rocket",
    "mint",  "parsley", "cress",     "tokyo",      "berlin",
    "lagos", "lima",    "oslo",      "perth",      "quito",
    "seoul", "growing", "harvested", "in transit", "waiting for cooling",
};

const struct rowset_group *rowset_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        if (strcmp(groups[i].name, name) == 0)
            return &groups[i];
    return NULL;
}

const char *rowset_names(void)
{
    return "200b, 1kb, keyed, farm";
}

/* ---- what a column is ---- */

struct kind_info {
    const char *ddl;
    uint8_t proto_type; /* FieldDescriptorProto.Type */
};

static struct kind_info kind_info(enum column_kind k)
{
    enum { PROTO_DOUBLE = 1, PROTO_INT64 = 3, PROTO_INT32 = 5, PROTO_BOOL = 8, PROTO_STRING = 9 };
    switch (k) {
    case COLUMN_STREAM:
    case COLUMN_SEQ: return (struct kind_info){"BIGINT NOT NULL", PROTO_INT64};
    case COLUMN_KEY: return (struct kind_info){"STRING NOT NULL", PROTO_STRING};
    case COLUMN_NOW: return (struct kind_info){"TIMESTAMP", PROTO_INT64};
    case COLUMN_LONG: return (struct kind_info){"BIGINT", PROTO_INT64};
    case COLUMN_INT: return (struct kind_info){"INT", PROTO_INT32};
    case COLUMN_DATE: return (struct kind_info){"DATE", PROTO_INT32};
    case COLUMN_DOUBLE: return (struct kind_info){"DOUBLE", PROTO_DOUBLE};
    case COLUMN_BOOLEAN: return (struct kind_info){"BOOLEAN", PROTO_BOOL};
    case COLUMN_DECIMAL: return (struct kind_info){"DECIMAL(10,2)", PROTO_STRING};
    case COLUMN_WORD:
    case COLUMN_CODE:
    case COLUMN_URL:
    case COLUMN_HEX:
    case COLUMN_NOTE: return (struct kind_info){"STRING", PROTO_STRING};
    }
    must_die("no such kind of column: %d", (int)k);
}

void rowset_ddl(const struct rowset *s, struct buf *out)
{
    for (size_t i = 0; i < s->column_count; i++)
        buf_printf(out, "%s%s %s", i == 0 ? "" : ", ", s->columns[i].name,
                   kind_info(s->columns[i].kind).ddl);
}

void rowset_descriptor(const struct rowset *s, struct buf *out)
{
    wire_add_bytes(out, 1, slice_str(s->name));
    struct buf field = BUF_NULL;
    for (size_t i = 0; i < s->column_count; i++) {
        struct kind_info info = kind_info(s->columns[i].kind);
        buf_reset(&field);
        wire_add_bytes(&field, 1, slice_str(s->columns[i].name));
        wire_add_u64(&field, 3, i + 1);
        bool required = strstr(info.ddl, "NOT NULL") != NULL;
        wire_add_u64(&field, 4, required ? 2 : 1); /* LABEL_REQUIRED, LABEL_OPTIONAL */
        wire_add_u64(&field, 5, info.proto_type);
        wire_add_bytes(out, 2, buf_slice(&field));
    }
    buf_deinit(&field);
}

/* ---- the rows of a stream ---- */

enum spot_kind { SPOT_SEQ, SPOT_NOW, SPOT_KEY, SPOT_DOUBLE, SPOT_DIGITS, SPOT_HEX };

/* A place in a template that is written anew for each row. */
struct spot {
    enum spot_kind kind;
    uint32_t at, len, range;
};

struct template
{
    struct buf bytes;
    struct spot spots[SPOTS_MAX];
    unsigned spot_count;
};

struct rows {
    struct rows_options options;
    uint64_t seq, random;
    size_t seq_width; /* of the number in the templates */
    struct buf spoiled;
    unsigned turn;
    struct template templates[TEMPLATE_COUNT];
};

/* xorshift: fast, and good enough for content. */
static uint64_t rows_random(struct rows *r)
{
    uint64_t x = r->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return r->random = x;
}

static uint64_t rows_below(struct rows *r, uint64_t range)
{
    return (rows_random(r) >> 16) % range;
}

static size_t digits_of(uint64_t v)
{
    size_t n = 1;
    while (v >= 10) {
        v /= 10;
        n++;
    }
    return n;
}

static void digits_put(uint8_t *p, size_t width, uint64_t v)
{
    while (width > 0) {
        p[--width] = (uint8_t)('0' + v % 10);
        v /= 10;
    }
}

static void spot_add(struct template *t, enum spot_kind kind, size_t len, uint32_t range)
{
    if (t->spot_count == SPOTS_MAX)
        return; /* then it changes with the template only */
    t->spots[t->spot_count++] = (struct spot){kind, (uint32_t)(t->bytes.len), (uint32_t)len, range};
}

/* Text, in quotes or with tag and length; a spot may begin in it. */
static void text_begin(struct rows *r, struct template *t, uint32_t field, size_t len)
{
    if (r->options.json) {
        buf_add_byte(&t->bytes, '"');
    } else {
        wire_add_tag(&t->bytes, field, WIRE_LEN);
        wire_add_varint(&t->bytes, len);
    }
}

static void text_end(struct rows *r, struct template *t)
{
    if (r->options.json)
        buf_add_byte(&t->bytes, '"');
}

static void add_text(struct rows *r, struct template *t, uint32_t field, const char *text)
{
    text_begin(r, t, field, strlen(text));
    buf_add_str(&t->bytes, text);
    text_end(r, t);
}

static void add_number(struct rows *r, struct template *t, uint32_t field, uint64_t v)
{
    if (r->options.json)
        buf_printf(&t->bytes, "%llu", (unsigned long long)v);
    else
        wire_add_u64(&t->bytes, field, v);
}

/* A number that is patched: @width_of its encoding is kept. */
static void add_patched(struct rows *r, struct template *t, uint32_t field, enum spot_kind kind,
                        uint64_t v)
{
    if (r->options.json) {
        spot_add(t, kind, digits_of(v), 0);
        buf_printf(&t->bytes, "%llu", (unsigned long long)v);
    } else {
        wire_add_tag(&t->bytes, field, WIRE_VARINT);
        spot_add(t, kind, wire_varint_len(v), 0);
        wire_add_varint(&t->bytes, v);
    }
}

static void add_double(struct rows *r, struct template *t, uint32_t field, uint32_t range)
{
    if (r->options.json) {
        buf_add_str(&t->bytes, "1.");
        spot_add(t, SPOT_DIGITS, 6, 0);
        buf_add_str(&t->bytes, "000000");
        return;
    }
    wire_add_tag(&t->bytes, field, WIRE_I64);
    spot_add(t, SPOT_DOUBLE, 8, range);
    uint64_t zero = 0;
    buf_add(&t->bytes, &zero, 8);
}

/* @fresh: other digits in each row, not only in each template. @len is a multiple of 16. */
static void add_hex(struct rows *r, struct template *t, uint32_t field, uint32_t len, bool fresh)
{
    text_begin(r, t, field, len);
    if (fresh)
        spot_add(t, SPOT_HEX, len, 0);
    uint8_t *p = buf_reserve(&t->bytes, len);
    for (uint32_t i = 0; i < len; i++)
        p[i] = (uint8_t) "0123456789abcdef"[rows_below(r, 16)];
    t->bytes.len += len;
    text_end(r, t);
}

static void add_url(struct rows *r, struct template *t, uint32_t field, uint32_t range)
{
    static const char front[] = "https://farm.example/site/";
    const char *word = words[rows_below(r, 8)];
    static const char mid[] = "/sensor/";
    static const char end[] = "?unit=celsius&quality=raw";
    text_begin(r, t, field,
               sizeof(front) - 1 + strlen(word) + sizeof(mid) - 1 + 7 + sizeof(end) - 1);
    buf_add_str(&t->bytes, front);
    buf_add_str(&t->bytes, word);
    buf_add_str(&t->bytes, mid);
    if (range >= 1000000)
        spot_add(t, SPOT_DIGITS, 7, 0);
    digits_put(buf_reserve(&t->bytes, 7), 7, rows_below(r, range));
    t->bytes.len += 7;
    buf_add_str(&t->bytes, end);
    text_end(r, t);
}

static void add_key(struct rows *r, struct template *t, uint32_t field)
{
    text_begin(r, t, field, 12);
    buf_add_str(&t->bytes, "key-");
    spot_add(t, SPOT_KEY, 8, 0);
    buf_add_str(&t->bytes, "00000000");
    text_end(r, t);
}

static void add_column(struct rows *r, struct template *t, uint32_t field, int64_t at_us)
{
    const struct column *c = &r->options.set->columns[field - 1];
    char text[40];
    switch (c->kind) {
    case COLUMN_STREAM: add_number(r, t, field, r->options.stream_no); return;
    case COLUMN_SEQ: add_patched(r, t, field, SPOT_SEQ, r->seq); return;
    case COLUMN_KEY: add_key(r, t, field); return;
    case COLUMN_NOW: add_patched(r, t, field, SPOT_NOW, (uint64_t)at_us); return;
    case COLUMN_LONG:
    case COLUMN_INT: add_number(r, t, field, rows_below(r, c->range)); return;
    case COLUMN_DATE: add_number(r, t, field, 20454 + rows_below(r, 365)); return;
    case COLUMN_DOUBLE: add_double(r, t, field, c->range); return;
    case COLUMN_BOOLEAN:
        if (r->options.json)
            buf_add_str(&t->bytes, rows_below(r, 2) ? "true" : "false");
        else
            wire_add_u64(&t->bytes, field, rows_below(r, 2));
        return;
    case COLUMN_DECIMAL:
        snprintf(text, sizeof(text), "%u.%02u", (unsigned)rows_below(r, c->range),
                 (unsigned)rows_below(r, 100));
        add_text(r, t, field, text);
        return;
    case COLUMN_WORD: add_text(r, t, field, words[rows_below(r, MIN(c->range, 20))]); return;
    case COLUMN_CODE:
        snprintf(text, sizeof(text), "dev-%08u", (unsigned)rows_below(r, c->range));
        add_text(r, t, field, text);
        return;
    case COLUMN_URL: add_url(r, t, field, c->range); return;
    case COLUMN_HEX: add_hex(r, t, field, c->range, true); return;
    case COLUMN_NOTE: add_hex(r, t, field, c->range, false); return;
    }
}

static size_t seq_width(const struct rows *r)
{
    return r->options.json ? digits_of(r->seq) : wire_varint_len(r->seq);
}

static void templates_make(struct rows *r, int64_t at_us)
{
    const struct rowset *s = r->options.set;
    r->seq_width = seq_width(r);
    for (unsigned i = 0; i < TEMPLATE_COUNT; i++) {
        struct template *t = &r->templates[i];
        buf_reset(&t->bytes);
        t->spot_count = 0;
        for (uint32_t c = 0; c < s->column_count; c++) {
            if (r->options.json)
                buf_printf(&t->bytes, "%c\"%s\":", c == 0 ? '{' : ',', s->columns[c].name);
            add_column(r, t, c + 1, at_us);
        }
        if (r->options.json)
            buf_add_byte(&t->bytes, '}');
    }
}

#define NIBBLES 0x0f0f0f0f0f0f0f0fu

/* Eight numbers 0..15, one a byte, to their digits: '0' + n, and 39 more from ten on. */
static uint64_t hex_digits(uint64_t n)
{
    uint64_t letters = (n + 0x0606060606060606u) >> 4 & 0x0101010101010101u;
    return n + 0x3030303030303030u + letters * 39;
}

static void patch(struct rows *r, struct template *t, const struct spot *s, int64_t at_us)
{
    uint8_t *p = t->bytes.data + s->at;
    switch (s->kind) {
    case SPOT_SEQ:
    case SPOT_NOW: {
        uint64_t v = s->kind == SPOT_SEQ ? r->seq : (uint64_t)at_us;
        if (r->options.json)
            digits_put(p, s->len, v);
        else
            wire_put_varint(p, v);
        return;
    }
    case SPOT_KEY: {
        uint64_t count = r->options.key_count;
        digits_put(p, 8, count == 0 ? r->seq % 100000000 : r->seq % count);
        return;
    }
    case SPOT_DOUBLE: {
        double v = (double)(rows_random(r) >> 32) * (1.0 / 4294967296.0) * s->range;
        v = (double)(int64_t)(v * 1000) / 1000;
        memcpy(p, &v, 8);
        return;
    }
    case SPOT_DIGITS: digits_put(p, s->len, rows_random(r) >> 32); return;
    case SPOT_HEX:
        for (uint32_t i = 0; i < s->len; i += 16) {
            uint64_t x = rows_random(r);
            uint64_t front = hex_digits(x & NIBBLES), back = hex_digits(x >> 4 & NIBBLES);
            memcpy(p + i, &front, 8);
            memcpy(p + i + 8, &back, 8);
        }
        return;
    }
}

struct rows *rows_new(const struct rows_options *o)
{
    struct rows *r = mem_zalloc(sizeof(*r));
    r->options = *o;
    r->random = 0x9e3779b97f4a7c15u ^ (o->stream_no + 1) * 0xbf58476d1ce4e5b9u;
    return r;
}

struct rows *rows_free(struct rows *r)
{
    if (r == NULL)
        return NULL;
    for (unsigned i = 0; i < TEMPLATE_COUNT; i++)
        buf_deinit(&r->templates[i].bytes);
    buf_deinit(&r->spoiled);
    mem_free(r);
    return NULL;
}

/* The row with what does not fit behind it. */
static struct slice spoil(struct rows *r, struct slice row)
{
    const struct rowset *set = r->options.set;
    uint32_t number = 1;
    while (number < set->column_count && set->columns[number - 1].kind != COLUMN_SEQ)
        number++;
    buf_reset(&r->spoiled);
    if (r->options.json) {
        buf_add(&r->spoiled, row.data, row.len - 1);
        buf_add_str(&r->spoiled, ",\"seq\":\"no number\"}");
    } else {
        buf_add_slice(&r->spoiled, row);
        wire_add_bytes(&r->spoiled, number, slice_str("no number"));
    }
    return buf_slice(&r->spoiled);
}

struct slice rows_next(struct rows *r, int64_t at_us)
{
    if (seq_width(r) != r->seq_width)
        templates_make(r, at_us);
    struct template *t = &r->templates[r->turn++ % TEMPLATE_COUNT];
    for (unsigned i = 0; i < t->spot_count; i++)
        patch(r, t, &t->spots[i], at_us);
    bool bad = r->seq % 100 < r->options.bad_percent;
    r->seq++;
    return bad ? spoil(r, buf_slice(&t->bytes)) : buf_slice(&t->bytes);
}
