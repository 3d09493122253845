/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of serve share. */

#include "serve/serve.h"

#include "base/buf.h"
#include "base/limits.h"
#include "catalog/catalog.h"
#include "row/row.h"
#include "rpc/rpc.h"
#include "store/store.h"
#include "sys/bug.h"
#include "sys/point.h"
#include "sys/sys.h"
#include "trace/trace.h"

#include <stdatomic.h>
#include <sys/queue.h>

#define SERVE__APPLIED_KEY "m/applied"
#define SERVE__LOG_KEY     "m/log" /* uuid (16) and timeline (le64) of the log it is derived from */
/* What to do about a store that cannot be used; behind the sentence that says what is wrong. */
#define SERVE__ADVICE                                                                              \
    "Stop the server and run `sluice store rebuild --data DIR`: it makes the store again from "    \
    "the "                                                                                         \
    "log and the lake"
#define SERVE__BATCH_BYTES (1024u * 1024)
/* An answer is never larger: clients' transports refuse more. */
#define SERVE__REPLY_BYTES_MAX ((size_t)TRANSPORT_MESSAGE_BYTES_MAX)

/* ---- cache.c: rows that lookups have read, by key ---- */

struct serve__cache;
struct serve__cache_place {
    uint64_t hash;
    bronze_pos pos; /* the row's */
    uint32_t changes;
};
struct serve__cache *serve__cache_new(uint64_t bytes_max);
struct serve__cache *serve__cache_free(struct serve__cache *c); /* takes NULL; returns NULL */
/* True: the value is appended, and its position told. False: read the store, then put. @key: r ·
 * table · key. */
bool serve__cache_get(struct serve__cache *c, struct slice key, struct buf *value,
                      struct serve__cache_place *ret_place);
/* @place: from the get that missed, with pos filled in. Refused when the key may have changed
 * since, or is too large. */
void serve__cache_put(struct serve__cache *c, struct slice key, struct slice value,
                      const struct serve__cache_place *place);
/* The key with this map_hash() has a newer row in the store. */
void serve__cache_drop(struct serve__cache *c, uint64_t hash);
void serve__cache_clear(struct serve__cache *c);
uint64_t serve__cache_hits(const struct serve__cache *c);

/* ---- lookup.c: a request's bytes → an answer's bytes, over the store ---- */

enum serve__format { SERVE__JSON = 0, SERVE__PROTO = 1 };

struct serve__request {
    bool multi;
    struct slice message; /* borrowed; keys are found in it again */
    struct slice table, key;
    uint32_t key_count;
    uint64_t format;
};

/* Buffers kept between lookups. One per queue, and the worker's. */
struct serve__scratch {
    struct buf key, found_key, value, row, reply;
    struct row_value *values;
    uint32_t value_cap;
    struct arena arena; /* what the values hold */
};
void serve__scratch_deinit(struct serve__scratch *x);

must_use int serve__request_parse(struct slice message, bool multi,
                                  struct serve__request *ret_request, struct err *e);

struct serve__view {
    struct store *store;
    struct catalog *catalog;
    const struct catalog_table *table;
    struct serve__cache *cache; /* may be NULL */
    bool cached_only;
};
/* 0 with the answer in x->reply; STORE_COLD (only with cached_only); an error. */
must_use int serve__lookup(const struct serve__view *v, const struct serve__request *r,
                           struct serve__scratch *x, uint64_t *ret_found, struct err *e);

/* r · table id · */
void serve__row_prefix(struct buf *key, uint32_t table_id);

/* ---- rows.c: the calls ---- */

/* A queue's part. Its own thread's, but for the atomics. */
struct serve__call;
TAILQ_HEAD(serve__calls, serve__call);
struct serve__lane {
    struct serve *serve;
    struct rpc_queue *queue;
    struct serve__scratch scratch;
    struct catalog_token *token; /* who asked last, under which hash */
    uint8_t token_hash[CATALOG_HASH_BYTES];
    struct catalog_table *table; /* which was asked last */
    struct serve__calls parked;
    _Atomic uint32_t parked_count;
    _Atomic bool posted; /* the bell is in the mailbox */
    struct rpc_post bell;
};

extern const struct rpc_method serve__methods[];
extern const size_t serve__method_count;

void serve__lane_init(struct serve__lane *l, struct serve *s, struct rpc_queue *q);
void serve__lane_deinit(struct serve__lane *l);
void serve__lane_wake(
    struct serve__lane *l);             /* its thread: serve what may be served, end what is late */
void serve__ring(struct serve *s);      /* apply thread: the applied position has moved */
void serve__cold_main(void *arg);       /* the worker */
void serve__cold_drop(struct serve *s); /* after it has ended: what is left */

/* ---- apply.c ---- */

struct serve__apply {
    struct bronze_reader *reader;
    struct bronze_index *index;
    struct store_batch *batch;
    bronze_pos batch_pos; /* last position in the batch; 0 = it is empty */
    uint64_t segment;     /* of the newest block */
    struct buf key, value;
    struct buf changed; /* hashes of the keys in the batch, uint64_t each */
    struct row_value *values;
    uint32_t value_cap;
    struct arena arena;      /* what the values hold */
    struct codec_plan *plan; /* borrowed: of the newest frame with rows */
    uint32_t plan_table, plan_descriptor;
    uint32_t backoff_ms;
    bool halted;            /* the store is damaged, or not this log's: nothing more is applied */
    bool worked;            /* something was applied since the last pause */
    struct sys_event hurry; /* a lookup waits: the pause is over */
};

must_use int serve__apply_open(struct serve *s, struct err *e);
void serve__apply_close(struct serve *s);
/* A read has found damage: said once in the log, and in the status. Any thread. */
void serve__damage_found(struct serve *s, const char *what);
void serve__apply_main(void *arg);
void serve__flush_main(void *arg);

/* ---- serve.c ---- */

struct serve {
    struct serve_options o;
    struct serve__lane *lanes;
    unsigned lane_count;
    struct serve__apply apply;
    _Atomic uint64_t applied;
    _Atomic bool stopping;
    struct sys_thread *apply_thread, *flush_thread, *cold_thread;

    /* The store's door: readers go in and out; it is shut while the store is reopened (S5). */
    _Atomic uint32_t inside;
    _Atomic bool shut;
    struct serve__cache *cache;

    struct sys_event flush_event;
    _Atomic bool flush_wanted;
    _Atomic int flush_failed; /* the ERR_ code; 0 = it did not */

    struct sys_mutex cold_lock;
    struct serve__calls cold, answered; /* waiting for the worker; on their way back */
    uint32_t cold_count;
    struct sys_event cold_event;

    _Atomic uint32_t parked_total;
    struct sys_mutex fault_lock;
    char fault[ERR_TEXT_MAX];
    _Atomic bool damage_told;

    struct trace_hist lookup_hist;
    struct trace_counter lookups, found, waited, colds, refused;
    struct trace_counter rows_applied, rows_unkeyed, flushes, reopens;
};

bool serve__enter(struct serve *s); /* false: shut */
void serve__leave(struct serve *s);
void serve__set_fault(struct serve *s, const char *text); /* "" = healed */
