/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delta_tables FOLDER: writes Delta tables the way the compactor does. Their content follows from
 * the row's number, and delta_readers.py knows the same formulas.
 */
#include "base/arena.h"
#include "base/mem.h"
#include "codec/variant.h"
#include "delta/delta.h"
#include "objstore/objstore.h"
#include "parquet/parquet.h"
#include "row/row.h"
#include "sys/sys.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALL_DDL                                                                                    \
    "id BIGINT NOT NULL, flag BOOLEAN, b TINYINT, s SMALLINT, i INT, f FLOAT, d DOUBLE, "          \
    "small DECIMAL(9,2), mid DECIMAL(18,4), big DECIMAL(38,10), text STRING, bytes BINARY, day "   \
    "DATE, "                                                                                       \
    "at TIMESTAMP"
#define APP "sluice/0/11111111-2222-4333-8444-555555555555/1/7"

struct world {
    struct sys *sys;
    struct objstore *lake;
    struct err e;
    struct arena arena; /* of the row in work */
};

struct table {
    const char *location;
    struct row_schema *schema;
    struct delta_table *delta;
};

static void check(struct world *w, int r)
{
    if (r == 0)
        return;
    fprintf(stderr, "%s\n", w->e.text);
    exit(1);
}

static struct slice text_of(struct world *w, const char *format, long long n)
{
    char *text = arena_alloc(&w->arena, 128);
    (void)snprintf(text, 128, format, n); /* NOLINT(clang-diagnostic-format-nonliteral) */
    return slice_str(text);
}

static struct slice variant_of(struct world *w, int64_t n)
{
    struct buf variant = BUF_NULL;
    struct slice json = text_of(w, "{\"n\":%lld,\"list\":[1,\"two\",null,{\"x\":true}]}", n);
    check(w, codec_variant_from_json(json, &variant, &w->e));
    uint8_t *p = arena_alloc(&w->arena, variant.len);
    memcpy(p, variant.data, variant.len);
    struct slice s = slice_of(p, variant.len);
    buf_deinit(&variant);
    return s;
}

static struct row_value make_value(struct world *w, const struct row_column *c, int64_t n);

/* A STRUCT's fields; of a list n % 4 entries, of a map n % 3, each made of its place. */
static struct row_value make_items(struct world *w, const struct row_column *c, int64_t n)
{
    uint32_t times = c->type == ROW_STRUCT ? 1 : (uint32_t)(n % (c->type == ROW_MAP ? 3 : 4));
    uint32_t count = times * c->field_count;
    struct row_value *items = arena_alloc(&w->arena, count * sizeof(*items));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t f = i % c->field_count;
        int64_t seed = c->type == ROW_STRUCT ? n : n + i / c->field_count;
        bool null = !c->fields[f].not_null && (seed + f) % 5 == 0;
        items[i] = null ? (struct row_value){.null = true} : make_value(w, &c->fields[f], seed);
    }
    return (struct row_value){.items = items, .item_count = count};
}

static struct row_value make_value(struct world *w, const struct row_column *c, int64_t n)
{
    struct row_value v = {.null = false};
    switch (c->type) {
    case ROW_BOOLEAN: v.boolean = n % 3 == 0; break;
    case ROW_BYTE: v.i64 = n % 256 - 128; break;
    case ROW_SHORT: v.i64 = n * 31 % 65536 - 32768; break;
    case ROW_INT: v.i64 = n * 1000003 % 2000000000 - 1000000000; break;
    case ROW_LONG: v.i64 = n; break;
    case ROW_FLOAT: v.f32 = (float)n / 8.0f; break;
    case ROW_DOUBLE: v.f64 = n % 50 == 9 ? NAN : (double)n * 0.1; break;
    case ROW_DECIMAL:
        v.decimal = (row_i128)(n - 500) * (c->precision == 38 ? 10000000000000ll : 7);
        break;
    case ROW_STRING:
        v.bytes = text_of(w, "%05lld-äöü-a text that is longer than the statistics keep",
                          (long long)(n * 7919 % 100000));
        break;
    case ROW_BINARY: v.bytes = slice_of("\x00\xff\x80\x01", (size_t)(n % 5)); break;
    case ROW_DATE: v.i64 = n * 37 - 20000; break;
    case ROW_TIMESTAMP:
    case ROW_TIMESTAMP_NTZ: v.i64 = 1700000000000000ll + n * 1000001; break;
    case ROW_VARIANT: v.bytes = variant_of(w, n); break;
    case ROW_STRUCT:
    case ROW_ARRAY:
    case ROW_MAP: return make_items(w, c, n);
    }
    return v;
}

/* Row @n; each column but id is null for some n. */
static void make_row(struct world *w, const struct row_schema *s, int64_t n, struct row_value *v)
{
    arena_reset(&w->arena);
    for (uint32_t c = 0; c < s->column_count; c++)
        v[c] = c > 0 && (n + c) % 7 == 0 ? (struct row_value){.null = true}
                                         : make_value(w, &s->columns[c], n);
}

/* Rows [from, to) of @into as one file, committed. */
static void commit_rows(struct world *w, const struct table *into, int64_t from, int64_t to)
{
    struct row_schema *s = into->schema;
    struct row_value v[32];
    struct row_batch *batch = row_batch_new(s);
    struct buf file = BUF_NULL, stats = BUF_NULL;
    struct parquet_writer *pw = parquet_writer_new(s, NULL, &file);
    for (int64_t n = from; n < to; n++) {
        make_row(w, s, n, v);
        row_batch_append(batch, v);
    }
    check(w, parquet_write_batch(pw, batch, &w->e));
    check(w, parquet_finish(pw, &w->e));
    delta_file_stats(pw, s, &stats);
    struct delta_file f = {
        .size = file.len,
        .row_count = (uint64_t)(to - from),
        .first_pos = (uint64_t)from + 1,
        .last_pos = (uint64_t)to,
        .stats = buf_slice(&stats),
    };
    (void)snprintf(f.path, sizeof(f.path), "sluice-%020lld-x.zstd.parquet", (long long)from);
    delta_hash(buf_slice(&file), f.hash);
    char *name = mem_printf("%s/%s", into->location, f.path);
    check(w, objstore_put(w->lake, name, buf_slice(&file), &w->e));
    struct delta_commit c = {.app_id = APP,
                             .txn_version = to,
                             .files = &f,
                             .file_count = 1,
                             .now_us = sys_now_us(w->sys)};
    int checkpoint = 0;
    check(w, delta_commit(into->delta, &c, &checkpoint, &w->e));
    check(w, checkpoint);
    mem_free(name);
    parquet_writer_free(pw);
    row_batch_free(batch);
    buf_deinit(&file);
    buf_deinit(&stats);
}

static void make_table(struct world *w, const char *location, const char *ddl,
                       int64_t rows_per_commit, int64_t commits)
{
    struct row_schema *s = NULL;
    struct delta_table *t = NULL;
    check(w, row_schema_parse(slice_str(ddl), NULL, 0, &s, &w->e));
    struct delta_create r = {
        .location = location,
        .name = "main.interop.table",
        .delta_id = "0f8b1c1e-7f5e-4a5e-9d0a-3c2a1b4d5e6f",
        .schema = s,
        .now_us = sys_now_us(w->sys),
    };
    check(w, delta_create(w->lake, &r, &w->e));
    check(w, delta_open(w->sys, w->lake, location, &t, &w->e));
    struct table into = {location, s, t};
    for (int64_t k = 0; k < commits; k++)
        commit_rows(w, &into, k * rows_per_commit, (k + 1) * rows_per_commit);
    delta_close(t);
    row_schema_unref(s);
}

/* One column, 40 rows of type @from, a schema change, 40 rows of type @to. */
static void make_widened(struct world *w, const char *location, const char *from, const char *to)
{
    char *old = mem_printf("id BIGINT NOT NULL, x %s", from);
    char *fresh = mem_printf("id BIGINT NOT NULL, x %s, added STRING", to);
    struct row_schema *s = NULL;
    struct delta_table *t = NULL;
    int checkpoint = 0;
    make_table(w, location, old, 40, 1);
    check(w, row_schema_parse(slice_str(fresh), NULL, 0, &s, &w->e));
    check(w, delta_open(w->sys, w->lake, location, &t, &w->e));
    struct delta_commit c = {
        .app_id = APP, .txn_version = 41, .schema = s, .now_us = sys_now_us(w->sys)};
    check(w, delta_commit(t, &c, &checkpoint, &w->e));
    struct table into = {location, s, t};
    commit_rows(w, &into, 41, 81);
    delta_close(t);
    row_schema_unref(s);
    mem_free(old);
    mem_free(fresh);
}

#define NESTED_DDL                                                                                 \
    "id BIGINT NOT NULL, s STRUCT<n BIGINT, t STRUCT<x DOUBLE, name STRING, at TIMESTAMP>>, "      \
    "l ARRAY<STRUCT<a INT, b STRING>>, m MAP<STRING, INT>, ll ARRAY<ARRAY<SMALLINT>>, "            \
    "r STRUCT<i INT NOT NULL, l ARRAY<DATE>>"

/* delta_readers.py has the same list. */
static const struct {
    const char *location, *from, *to;
} widened[] = {
    {"byte_short", "TINYINT", "SMALLINT"},
    {"byte_int", "TINYINT", "INT"},
    {"short_int", "SMALLINT", "INT"},
    {"short_long", "SMALLINT", "BIGINT"},
    {"int_long", "INT", "BIGINT"},
    {"float_double", "FLOAT", "DOUBLE"},
    {"int_double", "INT", "DOUBLE"},
    {"date_ntz", "DATE", "TIMESTAMP_NTZ"},
    {"decimal_decimal", "DECIMAL(9,2)", "DECIMAL(20,4)"},
    {"int_decimal", "INT", "DECIMAL(12,2)"},
    {"long_decimal", "BIGINT", "DECIMAL(22,2)"},
    {"element_long", "ARRAY<INT>", "ARRAY<BIGINT>"},
    {"value_double", "MAP<STRING, FLOAT>", "MAP<STRING, DOUBLE>"},
    {"field_int", "STRUCT<x SMALLINT>", "STRUCT<x INT, y STRING>"},
    {"same", "INT", "INT"},
};

int main(int argc, char **argv)
{
    struct world w = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: delta_tables FOLDER\n");
        return 2;
    }
    check(&w, sys_new_uring(&w.sys, &w.e));
    check(&w, objstore_open_folder(w.sys, argv[1], &w.lake, &w.e));
    make_table(&w, "empty", ALL_DDL, 1, 0);
    make_table(&w, "all", ALL_DDL, 400, 3);
    make_table(&w, "zoneless", ALL_DDL ", ntz TIMESTAMP_NTZ", 50, 4);
    make_table(&w, "many", ALL_DDL, 10, 250);
    make_table(&w, "nested", NESTED_DDL, 20, 110);
    make_table(&w, "variant", "id BIGINT NOT NULL, v VARIANT, s STRUCT<v VARIANT, n INT>", 50, 2);
    for (size_t i = 0; i < ARRAY_LEN(widened); i++)
        make_widened(&w, widened[i].location, widened[i].from, widened[i].to);
    arena_deinit(&w.arena);
    objstore_close(w.lake);
    sys_free(w.sys);
    return 0;
}
