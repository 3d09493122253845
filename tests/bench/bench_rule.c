/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What row rules cost on the ten-column row of about 130 bytes: bench_rule [seconds per
 * measurement]. The check of the row alone, with its values decoded, and with ten rules on top.
 * Not a test: it asserts only that the rows satisfy the rules.
 */
#include "codec/codec.h"
#include "rule/rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROWS  4096
#define RULES 10
#define HOT   32 /* rows whose values stay in the first cache, as they do behind a decode */

static const char ddl[] =
    "id bigint not null, seq bigint, ts timestamp not null, x double, y double, "
    "ok boolean, device string not null, state string, url string, token string";

static const char *const predicates[RULES] = {
    "id > 0",
    "seq >= 0 AND seq < 1000000000",
    "ts BETWEEN TIMESTAMP '2020-01-01T00:00:00Z' AND TIMESTAMP '2100-01-01T00:00:00Z'",
    "x >= 0",
    "y < 1e12",
    "ok IS NOT NULL",
    "length(device) <= 32",
    "state IN ('ok', 'warning', 'offline', 'starting', 'calibrating')",
    "url LIKE 'https://%'",
    "token IS NOT NULL AND token <> ''",
};

struct bench {
    struct codec_plan *plan;
    struct rule_set *set;
    struct buf rows[ROWS];
    struct row_value values[ROWS][RULES];
};

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void must_be(bool b)
{
    if (!b)
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
    must_be(codec_decode(b->plan, buf_slice(&b->rows[i]), NULL, b->values[i]) == 0);
}

static void run_check(struct bench *b)
{
    for (unsigned i = 0; i < ROWS; i++)
        must_be(codec_check(b->plan, buf_slice(&b->rows[i]), NULL) == 0);
}

static void run_rules(struct bench *b)
{
    for (unsigned i = 0; i < ROWS; i++)
        must_be(rule_set_check(b->set, b->values[i % HOT]) == 0);
}

static void run_decode_and_rules(struct bench *b)
{
    struct row_value values[RULES];
    for (unsigned i = 0; i < ROWS; i++) {
        must_be(codec_check(b->plan, buf_slice(&b->rows[i]), NULL) == 0);
        must_be(codec_decode(b->plan, buf_slice(&b->rows[i]), NULL, values) == 0);
        must_be(rule_set_check(b->set, values) == 0);
    }
}

static void measure(struct bench *b, const char *name, void (*run)(struct bench *), double seconds)
{
    uint64_t begun = now_ns(), passed = 0, rows = 0;
    run(b);
    begun = now_ns();
    for (; (double)passed < seconds * 1e9; passed = now_ns() - begun) {
        run(b);
        rows += ROWS;
    }
    printf("%-24s %7.1f ns/row %9.2f M rows/s\n", name, (double)passed / (double)rows,
           (double)rows * 1e3 / (double)passed);
}

static struct rule_set *rules_of(struct row_schema *s, unsigned first, unsigned count)
{
    struct rule_text texts[RULES];
    char names[RULES][8];
    struct rule_set *set = NULL;
    struct err e = {0};
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "r%u", i);
        texts[i] =
            (struct rule_text){slice_str(names[i]), RULE_REJECT, slice_str(predicates[first + i])};
    }
    if (rule_set_new(s, texts, count, &set, &e) != 0)
        fprintf(stderr, "%s\n", e.text);
    must_be(set != NULL);
    return set;
}

int main(int argc, char **argv)
{
    static struct bench b;
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    struct row_schema *s = NULL;
    unsigned seed = 1;
    must_be(row_schema_parse(slice_str(ddl), NULL, 0, &s, NULL) == 0);
    b.plan = codec_plan_new_own(s);
    for (unsigned i = 0; i < ROWS; i++)
        make_row(&b, i, &seed);
    for (unsigned i = 0; i < RULES; i++) {
        b.set = rules_of(s, i, 1);
        measure(&b, predicates[i], run_rules, seconds / 5);
        rule_set_unref(b.set);
    }
    b.set = rules_of(s, 0, RULES);
    measure(&b, "check", run_check, seconds);
    measure(&b, "ten rules", run_rules, seconds);
    measure(&b, "check, decode, ten rules", run_decode_and_rules, seconds);
    rule_set_unref(b.set);
    for (unsigned i = 0; i < ROWS; i++)
        buf_deinit(&b.rows[i]);
    codec_plan_unref(b.plan);
    row_schema_unref(s);
    return 0;
}
