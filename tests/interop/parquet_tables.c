/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes Parquet files of random tables, with what every cell should be beside them, for
 * parquet_readers.py: parquet_tables FOLDER SEED. Per table NAME:
 *
 *   NAME.parquet
 *   NAME.json    {"schema": Delta's schemaString, "types": […], "groups": [rows…], "stats": […]}
 *   NAME.ndjson  a row a line, as an array of cells: floats as their bits, binaries as hex,
 *                decimals as text, dates and timestamps as numbers; structs as objects, maps as
 *                arrays of pairs, variants as JSON in an array of one.
 */
#include "parquet/parquet.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/must.h"
#include "codec/variant.h"
#include "row/row.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct random {
    uint64_t state;
};

static uint64_t next(struct random *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t below(struct random *r, uint64_t n)
{
    return next(r) % n;
}

/* How the values of a column are spread. */
enum spread { SPREAD_FEW, SPREAD_ANY, SPREAD_RISING, SPREAD_EDGES, SPREAD_CONSTANT, SPREADS };
enum nulls { NULLS_NONE, NULLS_SOME, NULLS_RUNS, NULLS_ALL, NULLS_KINDS };

struct table {
    const char *name, *ddl;
    uint32_t groups, rows; /* rows per group */
    struct parquet_options options;
    uint32_t long_bytes; /* longest string */
};

struct writing {
    struct random random;
    const struct table *table;
    struct row_schema *schema;
    struct row_batch *batch;
    struct buf file, cells, text;
    struct arena arena; /* what the row in work holds */
    uint64_t row;
};

static struct slice keep(struct writing *w, struct slice s)
{
    uint8_t *p = arena_alloc(&w->arena, s.len + 1);
    memcpy(p, s.data, s.len);
    return slice_of(p, s.len);
}

/* ---- values ---- */

static int64_t int_limit(enum row_type type, bool max)
{
    switch (type) {
    case ROW_BYTE: return max ? INT8_MAX : INT8_MIN;
    case ROW_SHORT: return max ? INT16_MAX : INT16_MIN;
    case ROW_INT: return max ? INT32_MAX : INT32_MIN;
    case ROW_DATE: /* 0001-01-01 and 9999-12-31 */ return max ? 2932896 : -719162;
    case ROW_TIMESTAMP:
    case ROW_TIMESTAMP_NTZ: return max ? 253402300799999999 : -62135596800000000;
    default: return max ? INT64_MAX : INT64_MIN;
    }
}

static int64_t make_int(struct writing *w, enum row_type type, enum spread spread)
{
    int64_t min = int_limit(type, false), max = int_limit(type, true);
    uint64_t span = (uint64_t)max - (uint64_t)min;
    switch (spread) {
    case SPREAD_FEW: return (int64_t)below(&w->random, 20) - 10;
    case SPREAD_RISING: return type == ROW_BYTE ? (int64_t)(w->row / 4000) : (int64_t)(w->row / 7);
    case SPREAD_EDGES: return below(&w->random, 3) == 0 ? min : below(&w->random, 2) ? max : 0;
    case SPREAD_CONSTANT: return 42;
    default:
        if (span == UINT64_MAX)
            return (int64_t)next(&w->random);
        return (int64_t)((uint64_t)min + below(&w->random, span + 1));
    }
}

static double make_double(struct writing *w, enum spread spread)
{
    static const double edges[] = {0.0, -0.0, INFINITY, -INFINITY, 1e308, -1e308, 5e-324, 1.5};
    uint64_t bits = next(&w->random);
    double d;
    switch (spread) {
    case SPREAD_FEW: return (double)below(&w->random, 100) / 100;
    case SPREAD_RISING: return (double)w->row / 3;
    case SPREAD_EDGES: /* NaN now and then */
        return below(&w->random, 50) == 0 ? (double)NAN : edges[below(&w->random, 8)];
    case SPREAD_CONSTANT: return below(&w->random, 2) ? 0.0 : -0.0;
    default: memcpy(&d, &bits, sizeof(d)); return d == d ? d : 1;
    }
}

static row_i128 make_decimal(struct writing *w, uint8_t precision, enum spread spread)
{
    row_i128 max = 1;
    for (int i = 0; i < precision; i++)
        max *= 10;
    unsigned __int128 any = (unsigned __int128)next(&w->random) << 64 | next(&w->random);
    row_i128 v = (row_i128)(any % (unsigned __int128)max);
    switch (spread) {
    case SPREAD_FEW: return (row_i128)below(&w->random, 9) - 4;
    case SPREAD_RISING: return (row_i128)(w->row % 9);
    case SPREAD_EDGES: return below(&w->random, 2) ? max - 1 : 1 - max;
    case SPREAD_CONSTANT: return 7;
    default: return below(&w->random, 2) ? v : -v;
    }
}

static void make_text(struct writing *w, bool utf8, uint32_t len)
{
    static const char *const chars[] = {"a",
                                        "z",
                                        "\"",
                                        "\\",
                                        "\xc3\xa9",
                                        "\xe2\x82\xac",
                                        "\xef\xbf\xbf",
                                        "\xed\x9f\xbf",
                                        "\xf0\x9f\x98\x80",
                                        "\n"};
    while (w->text.len < len) {
        if (utf8)
            buf_add_str(&w->text, chars[below(&w->random, ARRAY_LEN(chars))]);
        else
            buf_add_byte(&w->text, (uint8_t)below(&w->random, 256));
    }
}

static struct slice make_bytes(struct writing *w, bool utf8, enum spread spread)
{
    uint32_t long_bytes = w->table->long_bytes;
    buf_reset(&w->text);
    switch (spread) {
    case SPREAD_FEW:
        buf_printf(&w->text, "value-%llu", (unsigned long long)below(&w->random, 30));
        break;
    case SPREAD_RISING: buf_printf(&w->text, "%012llu", (unsigned long long)(w->row / 3)); break;
    case SPREAD_EDGES: /* empty, or longer than a bound may be and often equal at the start */
        if (below(&w->random, 3) == 0)
            break;
        for (uint32_t i = 0; i < 60; i++)
            buf_add_byte(&w->text, utf8 ? 'x' : 0xff);
        make_text(w, utf8, 60 + (uint32_t)below(&w->random, 20));
        break;
    case SPREAD_CONSTANT: buf_add_str(&w->text, "the same"); break;
    default:
        make_text(w, utf8, (uint32_t)below(&w->random, 1 + below(&w->random, long_bytes)));
        break;
    }
    return w->text.len != 0 ? keep(w, buf_slice(&w->text)) : slice_of("", 0);
}

/* Any JSON value, @depth deep at most. */
static void make_json(struct writing *w, struct json *j, unsigned depth)
{
    static const char *const names[] = {"a", "b", "c", "name", "\xc3\xa9"};
    switch (below(&w->random, depth > 0 ? 8 : 6)) {
    case 0: json_null(j); return;
    case 1: json_bool(j, below(&w->random, 2)); return;
    case 2: json_i64(j, (int64_t)next(&w->random) >> below(&w->random, 64)); return;
    case 3: json_double(j, (double)((int64_t)below(&w->random, 2000) - 1000) / 8); return;
    case 4: json_str(j, "\xe2\x82\xac \"quoted\""); return;
    case 5:
        json_str(j, "a text that is longer than the sixty-four bytes of a short string has room");
        return;
    case 6:
        json_open(j, '[');
        for (uint64_t n = below(&w->random, 4); n > 0; n--)
            make_json(w, j, depth - 1);
        json_close(j, ']');
        return;
    default:
        json_open(j, '{');
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            if (below(&w->random, 2)) {
                json_key(j, names[i]);
                make_json(w, j, depth - 1);
            }
        json_close(j, '}');
        return;
    }
}

static struct slice make_variant(struct writing *w)
{
    struct buf variant = BUF_NULL;
    buf_reset(&w->text);
    struct json j = json_on(&w->text);
    make_json(w, &j, 3);
    if (codec_variant_from_json(buf_slice(&w->text), &variant, NULL) != 0)
        must_die("no variant: %s", buf_cstr(&w->text));
    struct slice s = keep(w, buf_slice(&variant));
    buf_deinit(&variant);
    return s;
}

static struct row_value make_value(struct writing *w, const struct row_column *c, uint32_t index);

/* Keys of a map are told apart by their place. */
static struct row_value make_key(struct writing *w, const struct row_column *c, uint32_t i)
{
    if (c->type == ROW_BOOLEAN)
        return (struct row_value){.boolean = i & 1};
    if (c->type != ROW_STRING)
        return (struct row_value){.i64 = i * 7};
    buf_reset(&w->text);
    buf_printf(&w->text, "key %u", i);
    return (struct row_value){.bytes = keep(w, buf_slice(&w->text))};
}

static struct row_value make_items(struct writing *w, const struct row_column *c, uint32_t index)
{
    uint32_t times = c->type == ROW_STRUCT ? 1 : (uint32_t)below(&w->random, 4);
    if (c->type == ROW_MAP && c->fields[ROW_KEY].type == ROW_BOOLEAN)
        times = times > 2 ? 2 : times;
    uint32_t count = times * c->field_count;
    struct row_value *items = arena_alloc(&w->arena, count * sizeof(*items));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t f = i % c->field_count;
        items[i] = c->type == ROW_MAP && f == ROW_KEY ? make_key(w, &c->fields[f], i / 2)
                                                      : make_value(w, &c->fields[f], index + f);
    }
    return (struct row_value){.items = items, .item_count = count};
}

static struct row_value make_value(struct writing *w, const struct row_column *c, uint32_t index)
{
    enum spread spread = (enum spread)((index + w->row / w->table->rows) % SPREADS);
    enum nulls nulls = c->not_null ? NULLS_NONE : (enum nulls)((index / 2) % NULLS_KINDS);
    struct row_value v = {0};
    bool null = (nulls == NULLS_SOME && below(&w->random, 3) == 0) ||
                (nulls == NULLS_RUNS && w->row / 977 % 2 == 0) || nulls == NULLS_ALL;
    if (null)
        return (struct row_value){.null = true};
    switch (c->type) {
    case ROW_BOOLEAN: v.boolean = spread == SPREAD_CONSTANT || below(&w->random, 2); break;
    case ROW_FLOAT:
        v.f32 = (float)make_double(w, spread == SPREAD_ANY ? SPREAD_RISING : spread);
        break;
    case ROW_DOUBLE: v.f64 = make_double(w, spread); break;
    case ROW_DECIMAL: v.decimal = make_decimal(w, c->precision, spread); break;
    case ROW_STRING:
    case ROW_BINARY: v.bytes = make_bytes(w, c->type == ROW_STRING, spread); break;
    case ROW_VARIANT: v.bytes = make_variant(w); break;
    case ROW_STRUCT:
    case ROW_ARRAY:
    case ROW_MAP: return make_items(w, c, index + 1);
    default: v.i64 = make_int(w, c->type, spread); break;
    }
    return v;
}

/* ---- cells as JSON ---- */

static void put_cell(struct json *j, const struct row_column *c, const struct row_value *v);

static void put_items(struct json *j, const struct row_column *c, const struct row_value *v)
{
    json_open(j, c->type == ROW_STRUCT ? '{' : '[');
    for (uint32_t i = 0; i < v->item_count; i++) {
        const struct row_column *f = &c->fields[i % c->field_count];
        if (c->type == ROW_STRUCT)
            json_key(j, f->name);
        if (c->type == ROW_MAP && i % 2 == 0)
            json_open(j, '[');
        put_cell(j, f, &v->items[i]);
        if (c->type == ROW_MAP && i % 2 == 1)
            json_close(j, ']');
    }
    json_close(j, c->type == ROW_STRUCT ? '}' : ']');
}

static void put_cell(struct json *j, const struct row_column *c, const struct row_value *v)
{
    struct buf text = BUF_NULL;
    uint32_t bits32;
    int64_t bits64;
    if (v->null) {
        json_null(j);
        return;
    }
    switch (c->type) {
    case ROW_BOOLEAN: json_bool(j, v->boolean); break;
    case ROW_FLOAT:
        memcpy(&bits32, &v->f32, sizeof(bits32));
        json_u64(j, bits32);
        break;
    case ROW_DOUBLE:
        memcpy(&bits64, &v->f64, sizeof(bits64));
        json_u64(j, (uint64_t)bits64);
        break;
    case ROW_DECIMAL:
        row_decimal_format(v->decimal, c->scale, &text);
        json_slice(j, buf_slice(&text));
        break;
    case ROW_STRING: json_slice(j, v->bytes); break;
    case ROW_BINARY:
        for (size_t i = 0; i < v->bytes.len; i++)
            buf_printf(&text, "%02x", v->bytes.data[i]);
        json_slice(j, buf_slice(&text));
        break;
    case ROW_VARIANT:
        must(codec_variant_to_json(v->bytes, &text, NULL) == 0);
        json_open(j, '['); /* not to be taken for a null */
        json_raw(j, buf_slice(&text));
        json_close(j, ']');
        break;
    case ROW_STRUCT:
    case ROW_ARRAY:
    case ROW_MAP: put_items(j, c, v); break;
    default: json_i64(j, v->i64); break;
    }
    buf_deinit(&text);
}

static void save(const char *folder, const char *name, const char *suffix, struct slice bytes)
{
    struct buf path = BUF_NULL;
    buf_printf(&path, "%s/%s.%s", folder, name, suffix);
    FILE *f = fopen(buf_cstr(&path), "wb");
    must(f != NULL);
    must(fwrite(bytes.data, 1, bytes.len, f) == bytes.len);
    must(fclose(f) == 0);
    buf_deinit(&path);
}

static void put_stats(struct writing *w, const struct parquet_writer *p, struct json *j)
{
    json_open(j, '[');
    for (uint32_t i = 0; w->schema->is_flat && i < w->schema->column_count; i++) {
        struct parquet_stats s;
        parquet_stats(p, i, &s);
        s.min.null = s.max.null = !s.has_range;
        json_open(j, '[');
        json_u64(j, s.null_count);
        put_cell(j, &w->schema->columns[i], &s.min);
        put_cell(j, &w->schema->columns[i], &s.max);
        json_bool(j, s.has_nan);
        json_close(j, ']');
    }
    json_close(j, ']');
}

static void save_facts(struct writing *w, const struct parquet_writer *p, const char *folder)
{
    struct buf out = BUF_NULL, text = BUF_NULL;
    struct json j = json_on(&out);
    json_open(&j, '{');
    row_schema_to_delta_json(w->schema, &text);
    json_key(&j, "schema");
    json_slice(&j, buf_slice(&text));
    json_key(&j, "groups");
    json_u64(&j, w->table->groups);
    json_key(&j, "rows");
    json_u64(&j, parquet_row_count(p));
    json_key(&j, "stats");
    put_stats(w, p, &j);
    json_close(&j, '}');
    save(folder, w->table->name, "json", buf_slice(&out));
    buf_deinit(&out);
    buf_deinit(&text);
}

static void add_row(struct writing *w)
{
    struct row_value values[64];
    struct json j = json_on(&w->cells);
    arena_reset(&w->arena);
    json_open(&j, '[');
    for (uint32_t i = 0; i < w->schema->column_count; i++) {
        values[i] = make_value(w, &w->schema->columns[i], i);
        put_cell(&j, &w->schema->columns[i], &values[i]);
    }
    json_close(&j, ']');
    buf_add_byte(&w->cells, '\n');
    row_batch_append(w->batch, values);
    w->row++;
}

static void write_table(const struct table *t, uint64_t seed, const char *folder)
{
    struct writing w = {.random = {seed}, .table = t};
    struct err e;
    if (row_schema_parse(slice_str(t->ddl), NULL, 0, &w.schema, &e) != 0)
        must_die("%s: %s", t->name, e.text);
    w.batch = row_batch_new(w.schema);
    struct parquet_writer *p = parquet_writer_new(w.schema, &t->options, &w.file);
    for (uint32_t g = 0; g < t->groups; g++) {
        row_batch_reset(w.batch);
        for (uint32_t i = 0; i < t->rows; i++)
            add_row(&w);
        if (parquet_write_batch(p, w.batch, &e) != 0)
            must_die("%s: %s", t->name, e.text);
    }
    if (parquet_finish(p, &e) != 0)
        must_die("%s: %s", t->name, e.text);
    save(folder, t->name, "parquet", buf_slice(&w.file));
    save(folder, t->name, "ndjson", buf_slice(&w.cells));
    save_facts(&w, p, folder);
    parquet_writer_free(p);
    row_batch_free(w.batch);
    row_schema_unref(w.schema);
    arena_deinit(&w.arena);
    buf_deinit(&w.file);
    buf_deinit(&w.cells);
    buf_deinit(&w.text);
}

/* ---- the tables ---- */

#define ALL_TYPES                                                                                  \
    "b boolean, i8 tinyint, i16 smallint, i32 int, i64 bigint, f float, d double, "                \
    "dec4 decimal(4,1), dec9 decimal(9,2), dec18 decimal(18,6), dec20 decimal(20,0), "             \
    "dec38 decimal(38,10), s string, bin binary, day date, ts timestamp, ntz timestamp_ntz"
/* The same types again: other spreads and nulls. */
#define ALL_AGAIN                                                                                  \
    "b2 boolean not null, i82 tinyint, i162 smallint not null, i322 int, i642 bigint, f2 float, "  \
    "d2 double not null, dec92 decimal(9,2) not null, dec182 decimal(18,6), "                      \
    "dec382 decimal(38,10), s2 string not null, s3 string, bin2 binary, bin3 binary not null, "    \
    "day2 date, ts2 timestamp not null, d3 double, f3 float not null, s4 string"

/* Every shape, every type in some shape. */
#define NESTED                                                                                     \
    "id bigint not null, flag boolean, "                                                           \
    "inner struct<id bigint, tags map<string, string>, deep struct<text string, "                  \
    "price decimal(12,2), big decimal(38,10) not null>, names array<string>>, "                    \
    "numbers array<int>, doubles array<double not null> not null, "                                \
    "lists array<array<smallint>>, lines array<struct<sku string not null, n tinyint, "            \
    "at timestamp, more array<struct<x float, y binary>>>>, "                                      \
    "days map<int, date not null>, by map<bigint, struct<a double, b array<timestamp_ntz>>>, "     \
    "flags map<boolean, array<map<string, decimal(9,2)>>> not null, "                              \
    "fixed struct<a int not null, b struct<c string not null> not null> not null, "                \
    "never struct<a int, l array<string>>, last string"
#define VARIANTS                                                                                   \
    "id bigint not null, v variant, w variant not null, s struct<v variant, n int>, "              \
    "l array<variant>, m map<string, variant>"

int main(int argc, char **argv)
{
    static const struct table tables[] = {
        {"one_row", ALL_TYPES ", " ALL_AGAIN, 1, 1, {0}, 50},
        {"few_rows", ALL_TYPES ", " ALL_AGAIN, 2, 9, {0}, 50},
        {"tiny_pages", ALL_TYPES ", " ALL_AGAIN, 3, 1000, {1, 13, 0, NULL}, 100},
        {"small_pages", ALL_TYPES ", " ALL_AGAIN, 5, 5003, {1, 500, 3000, NULL}, 300},
        {"level_nine", ALL_TYPES ", " ALL_AGAIN, 1, 20000, {9, 0, 0, NULL}, 200},
        {"groups", "id bigint not null, s string, d double", 40, 1500, {0}, 100},
        {"large",
         "id bigint not null, day date, s string, ts timestamp, d double, e string not null",
         1,
         200000,
         {0},
         40},
        {"long_text", "s0 string, s string not null, b binary", 2, 200, {0}, 300000},
        {"required", "a int not null, b string not null, c boolean not null", 1, 70000, {0}, 30},
        {"no_rows", ALL_TYPES, 0, 1, {0}, 10},
        {"nested_one", NESTED, 1, 1, {0}, 20},
        {"nested_few", NESTED, 3, 100, {1, 7, 0, NULL}, 20},
        {"nested_many", NESTED, 2, 20000, {0}, 20},
        {"nested_none", NESTED, 0, 1, {0}, 20},
        {"variant_few", VARIANTS, 2, 200, {1, 30, 0, NULL}, 20},
        {"variant_many", VARIANTS, 1, 10000, {0}, 20},
    };
    if (argc != 3) {
        (void)fprintf(stderr, "parquet_tables FOLDER SEED\n");
        return 2;
    }
    uint64_t seed = strtoull(argv[2], NULL, 10);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        write_table(&tables[i], seed * 1000 + i, argv[1]);
    return 0;
}
