/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast JSON rows become protobuf, against jansson only parsing the same text: bench_json
 * [seconds per measurement]. One thread. A line per shape and reader, parted by tabs: shape,
 * reader, ns per row, MB of JSON per second, bytes of JSON per row.
 *
 * Not a test: it asserts only that the rows are taken.
 */
#include "codec/codec.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROWS         1024
#define WIDE_COLUMNS 105

struct bench {
    struct row_schema *schema;
    struct codec_plan *own;
    struct buf json[ROWS], out;
    size_t bytes;
};

static void must_be(int r)
{
    if (r != 0)
        abort();
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static unsigned next(unsigned *seed)
{
    return *seed = *seed * 1664525u + 1013904223u;
}

/* ---- shapes ---- */

static void flat_ddl(struct buf *ddl)
{
    buf_add_str(ddl, "id BIGINT NOT NULL, seq BIGINT, ts TIMESTAMP NOT NULL, x DOUBLE, y DOUBLE, "
                     "ok BOOLEAN, device STRING NOT NULL, state STRING, url STRING, token STRING");
}

static void flat_row(struct buf *json, unsigned i, unsigned *seed)
{
    unsigned r = next(seed);
    buf_printf(json,
               "{\"id\":%u,\"seq\":%u,\"ts\":%llu,\"x\":%u.%02u,\"y\":%.17g,\"ok\":%s,"
               "\"device\":\"device-%05u\",\"state\":\"warning\","
               "\"url\":\"https://example.com/item/%08x/%02u\",\"token\":\"%08x%08x%08x%08x\"}",
               1000000 + i, i, 1700000000000000ull + r, r % 1000, r % 100, r / 7.0,
               r & 1 ? "true" : "false", r % 10000, r * 7, r % 97, r, r * 3, r * 5, r * 11);
}

static void wide_ddl(struct buf *ddl)
{
    static const char *const types[] = {"BIGINT", "INT", "STRING", "SMALLINT", "DOUBLE"};
    for (unsigned i = 0; i < WIDE_COLUMNS; i++)
        buf_printf(ddl, "%scolumn_%u %s", i == 0 ? "" : ", ", i, types[i % 5]);
}

static void wide_row(struct buf *json, unsigned i, unsigned *seed)
{
    for (unsigned c = 0; c < WIDE_COLUMNS; c++) {
        unsigned r = next(seed);
        buf_printf(json, "%s\"column_%u\":", c == 0 ? "{" : ",", c);
        switch (c % 5) {
        case 0: buf_printf(json, "%llu", (unsigned long long)r * 1000 + i); break;
        case 1: buf_printf(json, "%u", r % 100000); break;
        case 2: buf_printf(json, "\"text %x\"", r); break;
        case 3: buf_printf(json, "%u", r % 100); break;
        default: buf_printf(json, "%u.%u", r % 1000, r % 7); break;
        }
    }
    buf_add_byte(json, '}');
}

static void nested_ddl(struct buf *ddl)
{
    buf_add_str(ddl, "id BIGINT NOT NULL, device STRUCT<name: STRING NOT NULL, place: STRUCT<lat: "
                     "DOUBLE, lon: DOUBLE>, versions: ARRAY<INT>>, readings ARRAY<STRUCT<at: "
                     "TIMESTAMP, value: DOUBLE, ok: BOOLEAN>>, labels MAP<STRING, STRING>, extra "
                     "VARIANT");
}

static void nested_row(struct buf *json, unsigned i, unsigned *seed)
{
    unsigned r = next(seed);
    buf_printf(json,
               "{\"id\":%u,\"device\":{\"name\":\"device-%05u\",\"place\":{\"lat\":%u.%03u,"
               "\"lon\":-%u.%03u},\"versions\":[%u,%u,%u]},\"readings\":[",
               i, r % 10000, r % 90, r % 1000, r % 180, r % 999, r % 10, r % 20, r % 1000);
    for (unsigned k = 0; k < 5; k++)
        buf_printf(json, "%s{\"at\":%llu,\"value\":%u.%02u,\"ok\":true}", k == 0 ? "" : ",",
                   1700000000000000ull + r + k, r % 500, (r + k) % 100);
    buf_printf(json,
               "],\"labels\":{\"site\":\"s%u\",\"line\":\"l%u\",\"owner\":\"team-%x\"},"
               "\"extra\":{\"kind\":\"sample\",\"n\":%u,\"list\":[1,2.5,null,\"x\"]}}",
               r % 50, r % 9, r, r % 77);
}

static const struct shape {
    const char *name;
    void (*ddl)(struct buf *ddl);
    void (*row)(struct buf *json, unsigned i, unsigned *seed);
} shapes[] = {
    {"flat", flat_ddl, flat_row},
    {"wide", wide_ddl, wide_row},
    {"nested", nested_ddl, nested_row},
};

/* ---- measuring ---- */

static void run_ours(struct bench *b)
{
    for (unsigned i = 0; i < ROWS; i++) {
        buf_reset(&b->out);
        must_be(codec_json_to_row(b->own, buf_slice(&b->json[i]), &b->out, NULL));
    }
}

static void run_jansson(struct bench *b)
{
    for (unsigned i = 0; i < ROWS; i++) {
        json_t *j = json_loadb((const char *)b->json[i].data, b->json[i].len, 0, NULL);
        must_be(j == NULL);
        json_decref(j);
    }
}

/* Best of ten: the machine may be busy with other things. */
static void measure(struct bench *b, const char *shape, const char *reader,
                    void (*run)(struct bench *), double seconds)
{
    double best = 1e12, size = (double)b->bytes / ROWS;
    for (int round = 0; round < 10; round++) {
        uint64_t start = now_ns(), count = 0, spent;
        do {
            run(b);
            count += ROWS;
            spent = now_ns() - start;
        } while ((double)spent < seconds * 1e9 / 10);
        best = MIN(best, (double)spent / (double)count);
    }
    printf("%s\t%s\t%.1f\t%.0f\t%.0f\n", shape, reader, best, size * 1000 / best, size);
    (void)fflush(stdout);
}

static void bench_shape(const struct shape *shape, double seconds)
{
    static struct bench b;
    struct buf ddl = BUF_NULL;
    unsigned seed = 1;
    b = (struct bench){.out = BUF_NULL};
    shape->ddl(&ddl);
    must_be(row_schema_parse(buf_slice(&ddl), NULL, 0, &b.schema, NULL));
    b.own = codec_plan_new_own(b.schema);
    for (unsigned i = 0; i < ROWS; i++) {
        shape->row(&b.json[i], i, &seed);
        b.bytes += b.json[i].len;
    }
    measure(&b, shape->name, "json_to_row", run_ours, seconds);
    measure(&b, shape->name, "jansson_parse", run_jansson, seconds);
    for (unsigned i = 0; i < ROWS; i++)
        buf_deinit(&b.json[i]);
    buf_deinit(&b.out);
    buf_deinit(&ddl);
    codec_plan_unref(b.own);
    row_schema_unref(b.schema);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        bench_shape(&shapes[i], seconds);
    return 0;
}
