/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Private to rpc: the objects behind the face and what its files say to each other. */

#include "rpc/rpc.h"

#include "sys/sys.h"

#include <grpc/grpc.h>

#include <stdatomic.h>

/* Tag of a completion: the core hands it back and its function runs on the queue's thread. */
struct rpc__tag {
    void (*run)(struct rpc__tag *t, bool ok);
};

/* ---- pool.c: memory of one size; taken by one thread, given back by any ---- */

struct rpc__node {
    struct rpc__node *next;
};
struct rpc__pool {
    size_t item_bytes;
    size_t keep_max;       /* 0 = no pooling: each item comes from and goes to the heap */
    struct rpc__node *own; /* taking thread only */
    size_t own_count;
    _Atomic(struct rpc__node *) returned;
    _Atomic size_t taken;
};
void rpc__pool_init(struct rpc__pool *p, size_t item_bytes, size_t keep_max);
void rpc__pool_deinit(struct rpc__pool *p);                      /* every item is back */
void *rpc__pool_get(struct rpc__pool *p);                        /* not cleared */
void rpc__pool_put(struct rpc__pool *p, struct rpc__node *item); /* any thread */

/* Debug builds use the heap at once, so that the address sanitizer sees a use after free. */
#ifdef SLUICE_SLOW_CHECKS
#define RPC__POOL_KEEP_MAX 0
#else
#define RPC__POOL_KEEP_MAX 1024
#endif

/* ---- queue.c ---- */

/* Whether a poster must ring; see the head of queue.c. */
enum rpc__bell {
    RPC__AWAKE,    /* the thread will look into its mailbox before it blocks */
    RPC__SLEEPING, /* it may be blocked: the poster who changes this to RUNG rings */
    RPC__RUNG,     /* a ring is on its way */
    RPC__CLOSED,   /* the completion queue is shut down: nothing is started on it any more */
};

/* One method on one queue. */
struct rpc__slot {
    struct rpc_queue *queue;
    const struct rpc_method *method;
    void *ctx;
    void *registered; /* NULL: takes the calls of all methods that nobody registered */
    struct rpc__pool calls;
};

struct rpc_queue {
    struct rpc_server *server;
    unsigned index;
    grpc_completion_queue *cq;
    struct sys_thread *thread;
    _Atomic uintptr_t thread_id; /* 0 until it runs */
    struct rpc__slot *slots;
    size_t slot_count;
    struct rpc__pool messages;
    unsigned accepts_open; /* requests for a call that the core has of us */
    unsigned calls_open;
    bool close_wanted, closed;
    uint64_t tick_next_ns;
    grpc_channel *bell_channel; /* lame: never connects, only carries the ring */
    struct rpc__tag bell_tag;
    struct rpc_post close_post;

    /* One writer (the thread), any reader. */
    _Atomic uint64_t calls_opened, calls_closed;
    _Atomic uint64_t messages_received, messages_sent, bytes_received;

    /* Other threads write here: a cache line of its own. */
    _Alignas(64) _Atomic(struct rpc_post *) mailbox;
    _Atomic uint32_t bell; /* enum rpc__bell */
    _Atomic uint64_t rings;
};

void rpc__queue_init(struct rpc_queue *q, struct rpc_server *r, unsigned index);
void rpc__queue_open(struct rpc_queue *q); /* makes the completion queue and the bell */
void rpc__queue_run(void *arg);            /* the loop; returns when closed */
void rpc__queue_deinit(struct rpc_queue *q);
bool rpc__queue_is_mine(const struct rpc_queue *q);

static inline void rpc__count(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t was = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, was + n, memory_order_relaxed);
}

/* ---- server.c ---- */

struct rpc__entry {
    const struct rpc_method *method;
    void *ctx;
};

struct rpc_server {
    struct sys *sys;
    char *listen_tls, *listen_plain, *cert_pem, *key_pem;
    uint32_t tick_ms;
    uint64_t memory_bytes;
    struct rpc_queue *queues;
    unsigned queue_count;
    struct rpc__entry *entries;
    size_t entry_count;
    void (*on_idle)(struct rpc_queue *q, void *ctx);
    void (*on_tick)(struct rpc_queue *q, void *ctx);
    void *hooks_ctx;

    grpc_server *server;
    int port_tls, port_plain;
    bool started, stopped;
    struct rpc__tag down_tag; /* shutdown of the core's server, on queue 0 */
    _Atomic bool down;
    struct sys_event down_event;
};

/* ---- call.c ---- */

/* What has happened to a call, in one word; only its queue's thread changes it (rule R3). */
enum rpc__word {
    RPC__SENDING = 1, /* a message is on its way: a status waits behind it */
    RPC__RECEIVING = 2,
    RPC__HALF_CLOSED = 4,   /* the client has ended its side; said so once */
    RPC__FINISHED = 8,      /* the service gave a status */
    RPC__CLOSE_POSTED = 16, /* the core will tell the end */
    RPC__OVER = 32,         /* the core told the end: nothing is started any more */
    RPC__METADATA_SENT = 64,
};

struct rpc_call {
    struct rpc__node node;
    struct rpc_queue *queue;
    struct rpc__slot *slot;
    grpc_call *call; /* NULL after on_close */
    _Atomic uint32_t refs;
    unsigned word; /* enum rpc__word */
    unsigned batches_open;
    int cancelled; /* written by the core */
    int status;
    char *status_text; /* of a status that waits for a send */
    grpc_slice status_details;
    char *peer;
    gpr_timespec deadline;
    grpc_metadata_array headers;
    grpc_byte_buffer *incoming; /* written by the core */
    struct rpc__tag accepted, opened, received, sent, ended, closed;
    grpc_byte_buffer outgoing; /* reused by each send */
    _Alignas(16) uint8_t state[];
};

extern const struct rpc_method rpc__unknown_method;

/* Does the core receive the call's message before it shows the call? */
static inline bool rpc__comes_with_message(const struct rpc_method *m)
{
    return m->kind == RPC_UNARY && m->on_open == NULL;
}

size_t rpc__call_bytes(const struct rpc_method *m);
/* Ask the core for the next call of @s. */
void rpc__accept(struct rpc__slot *s);

/* ---- message.c ---- */

struct rpc_message {
    struct rpc__node node;
    struct rpc__pool *pool;
    grpc_byte_buffer *buffer; /* NULL once flattened */
    uint8_t *flat;
    struct slice bytes; /* data NULL: not yet asked for */
};

/* Takes @buffer. */
struct rpc_message *rpc__message_new(struct rpc__pool *pool, grpc_byte_buffer *buffer);
