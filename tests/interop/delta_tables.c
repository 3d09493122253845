/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delta_tables FOLDER: writes Delta tables the way the compactor does. Their content follows from
 * the row's number, and delta_readers.py knows the same formulas.
 */
#include "base/mem.h"
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

/* Row @n; each column but id is null for some n. */
static void make_row(const struct row_schema *s, int64_t n, char *text, struct row_value *v)
{
    for (uint32_t c = 0; c < s->column_count; c++) {
        v[c] = (struct row_value){.null = c > 0 && (n + c) % 7 == 0};
        if (v[c].null)
            continue;
        switch (s->columns[c].type) {
        case ROW_BOOLEAN: v[c].boolean = n % 3 == 0; break;
        case ROW_BYTE: v[c].i64 = n % 256 - 128; break;
        case ROW_SHORT: v[c].i64 = n * 31 % 65536 - 32768; break;
        case ROW_INT: v[c].i64 = n * 1000003 % 2000000000 - 1000000000; break;
        case ROW_LONG: v[c].i64 = n; break;
        case ROW_FLOAT: v[c].f32 = (float)n / 8.0f; break;
        case ROW_DOUBLE: v[c].f64 = n % 50 == 9 ? NAN : (double)n * 0.1; break;
        case ROW_DECIMAL:
            v[c].decimal =
                (row_i128)(n - 500) * (s->columns[c].precision == 38 ? 10000000000000ll : 7);
            break;
        case ROW_STRING:
            (void)sprintf(text, "%05lld-äöü-a text that is longer than the statistics keep",
                          (long long)(n * 7919 % 100000));
            v[c].bytes = slice_str(text);
            break;
        case ROW_BINARY: v[c].bytes = slice_of("\x00\xff\x80\x01", (size_t)(n % 5)); break;
        case ROW_DATE: v[c].i64 = n * 37 - 20000; break;
        case ROW_TIMESTAMP:
        case ROW_TIMESTAMP_NTZ: v[c].i64 = 1700000000000000ll + n * 1000001; break;
        }
    }
}

/* Rows [from, to) of @into as one file, committed. */
static void commit_rows(struct world *w, const struct table *into, int64_t from, int64_t to)
{
    struct row_schema *s = into->schema;
    struct row_value v[32];
    char text[128];
    struct row_batch *batch = row_batch_new(s);
    struct buf file = BUF_NULL, stats = BUF_NULL;
    struct parquet_writer *pw = parquet_writer_new(s, NULL, &file);
    for (int64_t n = from; n < to; n++) {
        make_row(s, n, text, v);
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
    objstore_close(w.lake);
    sys_free(w.sys);
    return 0;
}
