/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appends per second and bytes per second of the log alone, and the time from append to durable
 * with one row in flight. Usage: bench_bronze DIR [ROW_BYTES [SECONDS [THREADS]]]
 */
#include "bronze/bronze.h"

#include "base/mem.h"
#include "sys/sys.h"
#include "trace/trace.h"

#include <stdio.h>
#include <stdlib.h>

#define MIB (1024ull * 1024)

struct writer {
    struct bronze *log;
    struct sys *sys;
    uint64_t stream, row_bytes, rows, end_ns;
};

static void write_rows(void *arg)
{
    struct writer *w = arg;
    uint8_t *bytes = mem_zalloc(w->row_bytes);
    struct slice row = slice_of(bytes, w->row_bytes);
    struct bronze_append a = {
        .kind = BRONZE_SINGLES, .stream_id = w->stream, .rows = &row, .row_count = 1};
    while (sys_mono_ns(w->sys) < w->end_ns) {
        for (int i = 0; i < 64; i++) {
            a.offset = w->rows;
            if (bronze_append(w->log, &a) == 0) {
                w->rows++;
                continue;
            }
            sys_sleep_ms(w->sys, 1);
            if (bronze_durable_pos(w->log) > 2000000)
                bronze_trim(w->log, bronze_durable_pos(w->log) - 1000000);
        }
    }
    mem_free(bytes);
}

static uint64_t run(struct bronze *log, struct sys *s, unsigned threads, uint64_t row_bytes,
                    uint64_t seconds)
{
    struct writer w[8];
    struct sys_thread *t[8];
    uint64_t rows = 0, end = sys_mono_ns(s) + seconds * 1000000000ull;
    for (unsigned i = 0; i < threads; i++) {
        w[i] = (struct writer){log, s, i + 1, row_bytes, 0, end};
        if (sys_thread_start(s, "writer", write_rows, &w[i], &t[i]) < 0)
            exit(1);
    }
    for (unsigned i = 0; i < threads; i++) {
        sys_thread_join(t[i]);
        rows += w[i].rows;
    }
    return rows;
}

static void one_in_flight(struct bronze *log, struct sys *s, uint64_t row_bytes)
{
    static struct trace_hist h;
    uint8_t *bytes = mem_zalloc(row_bytes);
    struct slice row = slice_of(bytes, row_bytes);
    struct bronze_append a = {
        .kind = BRONZE_SINGLES, .stream_id = 99, .rows = &row, .row_count = 1};
    for (int i = 0; i < 5000; i++) {
        a.offset = (uint64_t)i;
        uint64_t t0 = sys_mono_ns(s);
        if (bronze_append(log, &a) != 0 || bronze_wait(log, a.ticket, 10000) < 0)
            exit(1);
        trace_hist_add(&h, (sys_mono_ns(s) - t0) / 1000);
    }
    printf("append to durable, one in flight: p50 %llu us, p99 %llu us\n",
           (unsigned long long)trace_hist_quantile(&h, 0.5),
           (unsigned long long)trace_hist_quantile(&h, 0.99));
    mem_free(bytes);
}

int main(int argc, char **argv)
{
    struct sys *s;
    struct err e = {0};
    struct bronze *log;
    uint64_t row_bytes = argc > 2 ? strtoull(argv[2], NULL, 10) : 200;
    uint64_t seconds = argc > 3 ? strtoull(argv[3], NULL, 10) : 5;
    unsigned threads = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 1;
    if (argc < 2 || sys_new_uring(&s, &e) < 0 || bronze_init(s, argv[1], &e) < 0) {
        fprintf(stderr, "usage: bench_bronze NEW_DIR [ROW_BYTES [SECONDS [THREADS]]]  %s\n",
                e.text);
        return 2;
    }
    struct bronze_options o = {argv[1], 64 * MIB, 4096 * MIB, 64 * MIB, 0, false};
    if (bronze_open(s, &o, NULL, NULL, &log, &e) < 0 || bronze_start(log, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    one_in_flight(log, s, row_bytes);
    uint64_t rows = run(log, s, MIN(threads, 8u), row_bytes, seconds);
    struct bronze_usage u;
    bronze_usage(log, &u);
    printf("%llu rows/s of %llu bytes, %.0f MB/s, %.0f KiB a write, device write p50 %llu us\n",
           (unsigned long long)(rows / seconds), (unsigned long long)row_bytes,
           (double)(rows * row_bytes) / 1e6 / (double)seconds,
           (double)(rows * row_bytes) / 1024 / (double)u.writes,
           (unsigned long long)trace_hist_quantile(bronze_write_hist(log), 0.5));
    bronze_stop(log);
    log = bronze_close(log);
    s = sys_free(s);
    return 0;
}
