/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast batches become Parquet, on the ten-column row of about 130 bytes:
 *
 *   bench_parquet [rows per row group] [FILE to keep]
 *
 * Prints per column: encoded bytes and time; then rows a second over all. Not a test.
 */
#include "parquet/parquet.h"

#include "base/buf.h"
#include "row/row.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS            3
#define RAW_BYTES_PER_ROW 128

static const char ddl[] = "id bigint not null, seq bigint, ts timestamp not null, x double, "
                          "y double, ok boolean, device string not null, state string, "
                          "url string, token string";

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void must_be(int r)
{
    if (r != 0)
        abort();
}

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33 ^ *seed << 31;
}

static void fill(struct row_batch *b, uint32_t rows)
{
    static const char *const states[] = {"ok", "warning", "offline", "starting", "calibrating"};
    static const char hex[] = "0123456789abcdef";
    uint64_t seed = 1;
    for (uint32_t i = 0; i < rows; i++) {
        char device[16], state[24], url[64], token[33];
        int state_len = snprintf(state, sizeof(state), "%s-%u", states[next(&seed) % 5],
                                 (unsigned)(next(&seed) % 4));
        int url_len =
            snprintf(url, sizeof(url), "https://example.com/p/%04u/item/%u",
                     (unsigned)(next(&seed) % 2000), (unsigned)(1000 + next(&seed) % 2000));
        (void)snprintf(device, sizeof(device), "device-%05u", (unsigned)(next(&seed) % 10000));
        for (int k = 0; k < 32; k++)
            token[k] = hex[next(&seed) % 16];
        struct row_value v[] = {
            {.i64 = i},
            {.i64 = (int64_t)(next(&seed) % 1000000)},
            {.i64 = 1700000000000000 + (int64_t)i * 250 + (int64_t)(next(&seed) % 200)},
            {.f64 = (double)(next(&seed) % 10000) / 100},
            {.f64 = (double)(next(&seed) % 100000000) / 7},
            {.boolean = next(&seed) % 8 != 0},
            {.bytes = slice_of(device, 12)},
            {.bytes = slice_of(state, (size_t)state_len)},
            {.bytes = slice_of(url, (size_t)url_len)},
            {.bytes = slice_of(token, 32)},
        };
        row_batch_append(b, v);
    }
}

static double write_once(struct row_schema *s, const struct row_batch *b, struct buf *out)
{
    buf_reset(out);
    uint64_t start = now_ns();
    struct parquet_writer *w = parquet_writer_new(s, NULL, out);
    must_be(parquet_write_batch(w, b, NULL));
    must_be(parquet_finish(w, NULL));
    parquet_writer_free(w);
    return (double)(now_ns() - start) / 1e9;
}

/* Each column as a file of its own. */
static void write_columns(const struct row_schema *s, const struct row_batch *b, struct buf *out)
{
    for (uint32_t i = 0; i < s->column_count; i++) {
        struct row_schema one = *s;
        struct row_batch part = *b;
        one.column_count = 1;
        one.columns = &s->columns[i];
        one.refs = 2;
        part.schema = &one;
        part.columns = &b->columns[i];
        double best = write_once(&one, &part, out);
        for (int k = 1; k < ROUNDS; k++) {
            double t = write_once(&one, &part, out);
            best = t < best ? t : best;
        }
        printf("%-8s %10zu bytes %8.2f ms\n", s->columns[i].name, out->len, best * 1e3);
    }
}

int main(int argc, char **argv)
{
    uint32_t rows = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : ROW_BATCH_ROWS_MAX;
    struct row_schema *s = NULL;
    struct buf out = BUF_NULL;
    must_be(row_schema_parse(slice_str(ddl), NULL, 0, &s, NULL));
    struct row_batch *b = row_batch_new(s);
    uint64_t start = now_ns();
    fill(b, rows);
    printf("made %u rows in %.2f s\n", rows, (double)(now_ns() - start) / 1e9);
    write_columns(s, b, &out);
    double best = write_once(s, b, &out);
    for (int k = 1; k < ROUNDS; k++) {
        double t = write_once(s, b, &out);
        best = t < best ? t : best;
    }
    printf("%.2f M rows/s, %.0f MB/s raw, %.1f bytes/row\n", rows / best / 1e6,
           (double)rows * RAW_BYTES_PER_ROW / best / 1e6, (double)out.len / rows);
    if (argc > 2) {
        FILE *f = fopen(argv[2], "wb");
        must_be(f == NULL || fwrite(out.data, 1, out.len, f) != out.len || fclose(f) != 0);
    }
    row_batch_free(b);
    row_schema_unref(s);
    buf_deinit(&out);
    return 0;
}
