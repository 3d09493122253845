/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idle: opens connections and streams as fast as the server lets it, then holds them without
 * sending anything: what a connection and a stream cost. Afterwards every stream must still be
 * there. With --streams 0 a connection makes one health check, and is then only held.
 *
 * Thread: one for each 1/64 of the connections while they are opened; none afterwards.
 */
#include "loadgen.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define OPENERS_MAX     64
#define OPEN_TIMEOUT_MS 60000
#define CLOSE_MS_MAX    10000
#define HEALTH_CHECK    "/grpc.health.v1.Health/Check"

struct held {
    struct sluice_client *client;
    struct sluice_stream **streams;
    uint64_t stream_count, opened;
    bool failed;
};

struct opener {
    pthread_t thread;
    const struct options *o;
    struct held *held;
    uint64_t first, step, count; /* connections first, first + step, … */
    struct sluice_error error;   /* the first one */
};

static bool open_one(struct opener *op, struct held *h)
{
    struct sluice_error *e = &op->error;
    h->client = client_of(op->o);
    if (h->client == NULL)
        return false;
    if (h->stream_count == 0) {
        struct sluice_request r = {.method = HEALTH_CHECK, .timeout_ms = OPEN_TIMEOUT_MS};
        struct sluice_message answer;
        if (sluice_call(h->client, &r, &answer, e) != SLUICE_OK)
            return false;
        sluice_message_free(&answer);
    }
    const struct sluice_stream_options so = {
        .table = op->o->table, .record = SLUICE_JSON, .open_timeout_ms = OPEN_TIMEOUT_MS};
    for (; h->opened < h->stream_count; h->opened++)
        if (sluice_stream_open(h->client, &so, &h->streams[h->opened], e) != SLUICE_OK)
            return false;
    return true;
}

static void *open_all(void *arg)
{
    struct opener *op = arg;
    for (uint64_t i = op->first; i < op->count && !is_interrupted(); i += op->step)
        op->held[i].failed = !open_one(op, &op->held[i]);
    return NULL;
}

/* Open everything; the milliseconds it took. The first error of any goes to stderr. */
static uint64_t open_held(const struct options *o, struct held *held)
{
    struct opener openers[OPENERS_MAX];
    uint64_t count = MIN(o->connections, (uint64_t)OPENERS_MAX), begun_ns = now_ns();
    for (uint64_t i = 0; i < count; i++) {
        openers[i] = (struct opener){
            .o = o, .held = held, .first = i, .step = count, .count = o->connections};
        if (pthread_create(&openers[i].thread, NULL, open_all, &openers[i]) != 0) {
            (void)open_all(&openers[i]);
            openers[i].o = NULL;
        }
    }
    bool told = false;
    for (uint64_t i = 0; i < count; i++) {
        if (openers[i].o != NULL)
            pthread_join(openers[i].thread, NULL);
        if (openers[i].error.status != 0 && !told)
            fprintf(stderr, "not opened: status %d: %s\n", openers[i].error.status,
                    openers[i].error.text);
        told |= openers[i].error.status != 0;
    }
    return (now_ns() - begun_ns) / 1000000;
}

static void hold(const struct options *o)
{
    uint64_t end_ns = o->seconds > 0 ? now_ns() + o->seconds * 1000000000 : UINT64_MAX;
    while (!is_interrupted() && now_ns() < end_ns)
        pause_ms(50);
}

/* Streams that have ended while they were held. */
static uint64_t count_ended(const struct options *o, struct held *held)
{
    uint64_t ended = 0;
    for (uint64_t i = 0; i < o->connections; i++)
        for (uint64_t k = 0; k < held[i].opened; k++) {
            struct sluice_error e;
            if (!sluice_stream_error(held[i].streams[k], &e))
                continue;
            if (ended++ == 0)
                fprintf(stderr, "a stream has ended: status %d: %s\n", e.status, e.text);
        }
    return ended;
}

static void let_go(const struct options *o, struct held *held)
{
    for (uint64_t i = 0; i < o->connections; i++) {
        for (uint64_t k = 0; k < held[i].opened; k++)
            (void)sluice_stream_close(held[i].streams[k], CLOSE_MS_MAX, NULL); /* counted before */
        if (held[i].client != NULL)
            (void)sluice_client_free(held[i].client);
        mem_free(held[i].streams);
    }
    mem_free(held);
}

int cmd_idle(const struct options *o)
{
    if (o->streams > 0 && o->table == NULL) {
        fputs("idle needs --table, or --streams 0\n", stderr);
        return EXIT_USAGE;
    }
    struct held *held = mem_calloc(o->connections, sizeof(*held));
    for (uint64_t i = 0; i < o->connections; i++) {
        held[i].stream_count = o->streams / o->connections + (i < o->streams % o->connections);
        held[i].streams = mem_calloc(held[i].stream_count + 1, sizeof(struct sluice_stream *));
    }
    uint64_t open_ms = open_held(o, held), streams = 0, connections = 0;
    for (uint64_t i = 0; i < o->connections; i++) {
        streams += held[i].opened;
        connections += held[i].client != NULL && !held[i].failed;
    }
    printf("held: %llu connections, %llu streams, opened in %llu ms\n",
           (unsigned long long)connections, (unsigned long long)streams,
           (unsigned long long)open_ms);
    fflush(stdout);
    hold(o);
    uint64_t ended = count_ended(o, held);
    struct buf report = BUF_NULL;
    buf_printf(&report, "{\"connections\":%llu,\"streams\":%llu,\"ended\":%llu,\"open_ms\":%llu}",
               (unsigned long long)connections, (unsigned long long)streams,
               (unsigned long long)ended, (unsigned long long)open_ms);
    int code = report_write(o, &report);
    buf_deinit(&report);
    let_go(o, held);
    if (code != EXIT_FINE)
        return code;
    return connections == o->connections && streams == o->streams && ended == 0 ? EXIT_FINE
                                                                                : EXIT_WRONG;
}
