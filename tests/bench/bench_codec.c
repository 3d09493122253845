/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast codec is, on the ten-column row of about 130 bytes: bench_codec [seconds per
 * measurement]. Not a test: it asserts only that the rows are valid.
 */
#include "codec/codec.h"
#include "codec/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROWS 4096

static const char ddl[] =
    "id bigint not null, seq bigint, ts timestamp not null, x double, y double, "
    "ok boolean, device string not null, state string, url string, token string";

struct bench {
    struct codec_plan *plan;
    struct buf rows[ROWS], json[ROWS], out;
    struct row_batch *batch;
    size_t bytes, json_bytes;
};

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

static void make_row(struct bench *b, unsigned i, unsigned *seed)
{
    static const char *const states[] = {"ok", "warning", "offline", "starting", "calibrating"};
    char device[20], url[64], token[40];
    unsigned r = *seed = *seed * 1664525u + 1013904223u;
    (void)snprintf(device, sizeof(device), "device-%05u", r % 10000);
    (void)snprintf(url, sizeof(url), "https://example.com/item/%08x/%02u", r * 7, r % 97);
    (void)snprintf(token, sizeof(token), "%08x%08x%08x%08x", r, r * 3, r * 5, r * 11);
    struct row_value v[] = {{.i64 = (int64_t)(1000000 + i)},
                            {.i64 = i},
                            {.i64 = 1700000000000000 + (int64_t)r},
                            {.f64 = (double)(r % 100000) / 100},
                            {.f64 = (double)r / 7},
                            {.boolean = r & 1},
                            {.bytes = slice_str(device)},
                            {.bytes = slice_str(states[r % 5])},
                            {.bytes = slice_str(url)},
                            {.bytes = slice_str(token)}};
    codec_values_to_row(codec_plan_schema(b->plan), v, &b->rows[i]);
    codec_values_to_json(codec_plan_schema(b->plan), v, &b->json[i]);
    b->bytes += b->rows[i].len;
    b->json_bytes += b->json[i].len;
}

static void run_check(struct bench *b)
{
    for (unsigned i = 0; i < ROWS; i++)
        must_be(codec_check(b->plan, buf_slice(&b->rows[i]), NULL));
}

static void run_decode(struct bench *b)
{
    struct row_value values[10];
    for (unsigned i = 0; i < ROWS; i++)
        must_be(codec_decode(b->plan, buf_slice(&b->rows[i]), NULL, values));
}

static void run_decode_into(struct bench *b)
{
    row_batch_reset(b->batch);
    for (unsigned i = 0; i < ROWS; i++)
        must_be(codec_decode_into(b->plan, buf_slice(&b->rows[i]), NULL, b->batch));
}

static void run_json_to_row(struct bench *b)
{
    for (unsigned i = 0; i < ROWS; i++) {
        buf_reset(&b->out);
        must_be(codec_json_to_row(b->plan, buf_slice(&b->json[i]), &b->out, NULL));
    }
}

static void run_to_json(struct bench *b)
{
    struct row_value values[10];
    for (unsigned i = 0; i < ROWS; i++) {
        buf_reset(&b->out);
        must_be(codec_decode(b->plan, buf_slice(&b->rows[i]), NULL, values));
        codec_values_to_json(codec_plan_schema(b->plan), values, &b->out);
    }
}

/* Best of five: the machine may be busy with other things. */
static void measure(struct bench *b, const char *what, void (*run)(struct bench *), size_t bytes,
                    double seconds)
{
    double best = 1e9;
    for (int round = 0; round < 5; round++) {
        uint64_t start = now_ns(), count = 0, spent;
        do {
            run(b);
            count += ROWS;
            spent = now_ns() - start;
        } while ((double)spent < seconds * 1e9 / 5);
        double per_row = (double)spent / (double)count;
        best = per_row < best ? per_row : best;
    }
    double size = (double)bytes / ROWS;
    printf("%-16s %8.1f ns/row %8.0f MB/s  (%.0f bytes/row)\n", what, best, size * 1000 / best,
           size);
}

int main(int argc, char **argv)
{
    static struct bench b;
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    struct row_schema *s = NULL;
    struct err e;
    unsigned seed = 1;
    must_be(row_schema_parse(slice_str(ddl), NULL, 0, &s, &e));
    b.plan = codec_plan_new_own(s);
    b.batch = row_batch_new(s);
    for (unsigned i = 0; i < ROWS; i++)
        make_row(&b, i, &seed);
    if (argc > 2) { /* write the JSON rows, one a line, for other readers */
        for (unsigned i = 0; i < ROWS; i++)
            printf("%.*s\n", (int)b.json[i].len, (const char *)b.json[i].data);
        return 0;
    }
    measure(&b, "check", run_check, b.bytes, seconds);
    measure(&b, "decode", run_decode, b.bytes, seconds);
    measure(&b, "decode_into", run_decode_into, b.bytes, seconds);
    measure(&b, "json_to_row", run_json_to_row, b.json_bytes, seconds);
    measure(&b, "values_to_json", run_to_json, b.json_bytes, seconds);
    for (unsigned i = 0; i < ROWS; i++) {
        buf_deinit(&b.rows[i]);
        buf_deinit(&b.json[i]);
    }
    buf_deinit(&b.out);
    row_batch_free(b.batch);
    codec_plan_unref(b.plan);
    row_schema_unref(s);
    return 0;
}
