/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup: sluice.v1.Rows/Get, or with --echo the same request against the unary echo.
 *
 * Closed loop: each answer starts the next lookup, on the client's thread. With --rate the main
 * thread starts what is due each millisecond, and latency counts from when a lookup was due.
 */
#include "loadgen.h"

#include "base/json.h"
#include "base/mem.h"
#include "codec/wire.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECONDS_DEFAULT   10
#define IN_FLIGHT_DEFAULT 64
#define KEYS_DEFAULT      100000
#define OUTSTANDING_MAX   10000 /* with --rate; above it lookups start late, and count as late */
#define DRAIN_MS_MAX      30000

struct lookup {
    const struct options *o;
    const char *table, *method;
    uint64_t client_count, key_count;
    struct sluice_client **clients;
    char *key_text;   /* of --key-file, lines terminated */
    char **key_lines; /* into it */
    atomic_bool stopping;
    atomic_uint_fast64_t turn; /* which key next */
    atomic_uint_fast64_t outstanding, found, missing, failed;
    struct trace_hist ns;
    pthread_mutex_t error_lock;
    struct sluice_error error; /* the first */
};

/* A lookup on its way. */
struct request {
    struct lookup *lookup;
    struct sluice_client *client;
    uint64_t began_ns;
};

static void request_start(struct lookup *k, struct sluice_client *c, uint64_t at_ns);

static uint64_t scatter(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void answer_count(struct lookup *k, const struct sluice_reply *reply)
{
    if (reply->status != 0) {
        atomic_fetch_add(&k->failed, 1);
        pthread_mutex_lock(&k->error_lock);
        if (k->error.status == 0) {
            k->error.status = reply->status;
            snprintf(k->error.text, sizeof(k->error.text), "%s", reply->text);
        }
        pthread_mutex_unlock(&k->error_lock);
        return;
    }
    const uint8_t *p = reply->body.data, *end = p + reply->body.len;
    struct wire_field f;
    bool found = k->o->echo;
    while (!k->o->echo && wire_next(&p, end, &f) == 1)
        if (f.number == 1 && f.type == WIRE_VARINT)
            found = f.value != 0;
    atomic_fetch_add(found ? &k->found : &k->missing, 1);
}

static void on_answer(void *ctx, const struct sluice_reply *reply)
{
    struct request *r = ctx;
    struct lookup *k = r->lookup;
    uint64_t now = now_ns();
    trace_hist_add(&k->ns, now > r->began_ns ? now - r->began_ns : 0);
    answer_count(k, reply);
    struct sluice_client *c = r->client;
    mem_free(r);
    if (k->o->rate == 0 && !atomic_load(&k->stopping) && reply->status == 0)
        request_start(k, c, 0);
    atomic_fetch_sub(&k->outstanding, 1);
}

static void request_start(struct lookup *k, struct sluice_client *c, uint64_t at_ns)
{
    char key[64];
    const char *key_json = key;
    uint64_t i = scatter(atomic_fetch_add(&k->turn, 1) + 1) % k->key_count;
    if (k->key_lines != NULL)
        key_json = k->key_lines[i];
    else
        snprintf(key, sizeof(key), "{\"id\":\"key-%08" PRIu64 "\"}", i);
    struct buf body = BUF_NULL;
    wire_add_bytes(&body, 1, slice_str(k->table));
    wire_add_bytes(&body, 2, slice_str(key_json));
    struct request *r = mem_zalloc(sizeof(*r));
    r->lookup = k;
    r->client = c;
    r->began_ns = at_ns != 0 ? at_ns : now_ns();
    struct sluice_request q = {.method = k->method, .body = {body.data, body.len}};
    atomic_fetch_add(&k->outstanding, 1);
    if (sluice_call_start(c, &q, on_answer, r) != SLUICE_OK) {
        mem_free(r);
        atomic_fetch_sub(&k->outstanding, 1);
        atomic_fetch_add(&k->failed, 1);
    }
    buf_deinit(&body);
}

/* ---- keys ---- */

static bool keys_read(struct lookup *k)
{
    k->key_count = k->o->key_count != 0 ? k->o->key_count : KEYS_DEFAULT;
    if (k->o->keys == NULL)
        return true;
    k->key_text = file_text(k->o->keys);
    if (k->key_text == NULL)
        return false;
    uint64_t count = 0;
    for (const char *p = k->key_text; *p != '\0'; p++)
        count += *p == '\n';
    k->key_lines = mem_calloc(count + 1, sizeof(char *));
    k->key_count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(k->key_text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest))
        k->key_lines[k->key_count++] = line;
    if (k->key_count == 0)
        fprintf(stderr, "%s has no keys\n", k->o->keys);
    return k->key_count > 0;
}

/* ---- the run ---- */

static void pace(struct lookup *k, uint64_t started_ns, uint64_t *begun)
{
    uint64_t now = now_ns();
    uint64_t due = (uint64_t)((double)(now - started_ns) * (double)k->o->rate / 1e9);
    while (*begun < due && atomic_load(&k->outstanding) < OUTSTANDING_MAX) {
        uint64_t at = started_ns + (uint64_t)((double)(*begun + 1) * 1e9 / (double)k->o->rate);
        request_start(k, k->clients[*begun % k->client_count], at);
        (*begun)++;
    }
}

static double lookup_drive(struct lookup *k)
{
    uint64_t in_flight = k->o->in_flight != 0 ? k->o->in_flight : IN_FLIGHT_DEFAULT;
    uint64_t started = now_ns(), begun = 0;
    uint64_t until =
        started + (k->o->seconds != 0 ? k->o->seconds : SECONDS_DEFAULT) * 1000000000ull;
    for (uint64_t i = 0; i < in_flight && k->o->rate == 0; i++)
        request_start(k, k->clients[i % k->client_count], 0);
    for (uint64_t tick = 1; now_ns() < until && !is_interrupted(); tick++) {
        if (k->o->rate == 0 && atomic_load(&k->outstanding) == 0)
            break; /* all have failed */
        pause_until_ns(started + tick * (k->o->rate > 0 ? 1000000 : 20000000));
        if (k->o->rate > 0)
            pace(k, started, &begun);
    }
    atomic_store(&k->stopping, true);
    double elapsed = (double)(now_ns() - started) / 1e9;
    double answered = (double)(atomic_load(&k->found) + atomic_load(&k->missing));
    for (unsigned ms = 0; atomic_load(&k->outstanding) > 0 && ms < DRAIN_MS_MAX; ms++)
        pause_ms(1);
    return elapsed > 0 ? answered / elapsed : 0;
}

static int lookup_report(struct lookup *k, double rate)
{
    const char *name = k->o->echo ? "echo" : "lookup";
    static const struct {
        const char *suffix;
        double q;
    } marks[] = {{"p50_us", 0.5}, {"p99_us", 0.99}, {"p999_us", 0.999}, {"max_us", 1}};
    struct buf report = BUF_NULL;
    struct json j = json_on(&report);
    json_open(&j, '{');
    _cleanup_(mem_freep) char *qps = mem_printf("%s_qps", name);
    json_key(&j, qps);
    json_double(&j, rate);
    printf("%-16s %.0f\n", qps, rate);
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        _cleanup_(mem_freep) char *key = mem_printf("%s_%s", name, marks[i].suffix);
        double v = (double)trace_hist_quantile(&k->ns, marks[i].q) / 1000;
        printf("%-16s %.1f\n", key, v);
        json_key(&j, key);
        json_double(&j, v);
    }
    json_key(&j, "found");
    json_u64(&j, atomic_load(&k->found));
    json_key(&j, "missing");
    json_u64(&j, atomic_load(&k->missing));
    json_key(&j, "failed");
    json_u64(&j, atomic_load(&k->failed));
    json_close(&j, '}');
    printf("found %" PRIu64 ", missing %" PRIu64 ", failed %" PRIu64 "\n",
           (uint64_t)atomic_load(&k->found), (uint64_t)atomic_load(&k->missing),
           (uint64_t)atomic_load(&k->failed));
    if (k->error.status != 0)
        printf("first failure: status %d: %s\n", k->error.status, k->error.text);
    int code = report_write(k->o, &report);
    buf_deinit(&report);
    if (code != EXIT_FINE)
        return code;
    return atomic_load(&k->failed) == 0 && atomic_load(&k->found) + atomic_load(&k->missing) > 0
               ? EXIT_FINE
               : EXIT_WRONG;
}

int cmd_lookup(const struct options *o)
{
    if (o->endpoint == NULL) {
        fputs("lookup needs --endpoint\n", stderr);
        return EXIT_USAGE;
    }
    struct lookup *k = mem_zalloc(sizeof(*k));
    k->o = o;
    k->table = o->table != NULL ? o->table : "bench.load.rows_keyed";
    k->method = o->echo ? ECHO_UNARY : "/sluice.v1.Rows/Get";
    k->client_count = o->connections;
    k->clients = mem_calloc(k->client_count, sizeof(struct sluice_client *));
    pthread_mutex_init(&k->error_lock, NULL);
    int code = keys_read(k) ? EXIT_FINE : EXIT_SYSTEM;
    for (uint64_t i = 0; i < k->client_count && code == EXIT_FINE; i++) {
        k->clients[i] = client_of(o);
        if (k->clients[i] == NULL)
            code = EXIT_SYSTEM;
    }
    if (code == EXIT_FINE)
        code = lookup_report(k, lookup_drive(k));
    for (uint64_t i = 0; i < k->client_count; i++)
        sluice_client_free(k->clients[i]);
    mem_free(k->clients);
    mem_free(k->key_lines);
    mem_free(k->key_text);
    mem_free(k);
    return code;
}
