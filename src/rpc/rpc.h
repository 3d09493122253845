/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rpc: the gRPC C core wrapped once. A server with one completion queue and one thread per queue;
 * calls that deliver events to the service that registered their method; a mailbox per queue. No
 * gRPC type is visible outside.
 *
 * Thread: every callback of a call runs on the thread of its queue ("queue thread"), never from
 * inside a function that the service called. Functions that take a call are for its queue thread
 * only.
 * rpc_post() is for any thread.
 *
 * Life of a call:   on_open → (on_message | on_sent)* → [on_half_close] → on_close
 * on_close comes exactly once, after all operations of the call are over; then the call is gone.
 * After rpc_finish() or rpc_reply() nothing comes but on_close. Callbacks but on_message may be
 * NULL.
 * The initial metadata of a streaming call is sent right after on_open (clients wait for it),
 * unless the call was refused there: then the status is the whole answer.
 */

#include "base/attr.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sys;
struct rpc_server;
struct rpc_queue;
struct rpc_call;
struct rpc_message; /* one received message; owned by whoever got it */

enum rpc_kind {
    /* on_open, then on_message once, then the service calls rpc_reply() or rpc_finish() */
    RPC_UNARY,
    RPC_STREAM, /* bidirectional */
};

/* A method. Constant; lives as long as the server. */
struct rpc_method {
    const char *path; /* "/package.Service/Method" */
    enum rpc_kind kind;
    size_t state_bytes; /* zeroed memory that each call carries for the service */

    /* Metadata is readable, nothing has been received. A streaming call posts its first receive
     * with rpc_recv(), after it has authenticated (rule R5); a unary call's message is received
     * when this has not finished the call. A unary method without it costs a turn less, and takes
     * anybody's message. */
    void (*on_open)(struct rpc_call *c, void *ctx);
    /* Takes @m: give it back with rpc_message_free(), now or later, on any thread, but before
     * rpc_server_free(). Needed for every method. */
    void (*on_message)(struct rpc_call *c, void *ctx, struct rpc_message *m);
    void (*on_half_close)(struct rpc_call *c,
                          void *ctx);               /* streaming: the client has ended its side */
    void (*on_sent)(struct rpc_call *c, void *ctx); /* streaming: rpc_send() may be called again */
    /* @cancelled: the client went away or the transport failed before our status went out. */
    void (*on_close)(struct rpc_call *c, void *ctx, bool cancelled);
};

struct rpc_options {
    const char *listen_tls;   /* "0.0.0.0:443"; NULL = no TLS listener */
    const char *tls_cert_pem; /* file contents, needed with listen_tls */
    const char *tls_key_pem;
    const char *listen_plain; /* plain text; NULL = none. The caller has checked it is loopback */
    unsigned queue_count;
    uint32_t tick_ms; /* on_tick of each queue comes about this often; 0 = never */
    /* What gRPC may hold for calls and half messages; beyond, it ends streams. 0 = no limit. */
    uint64_t memory_bytes;
};

must_use int rpc_server_new(struct sys *s, const struct rpc_options *o,
                            struct rpc_server **ret_server, struct err *e);
/* Register before start. @ctx is handed to the callbacks. */
void rpc_server_add(struct rpc_server *r, const struct rpc_method *m, void *ctx);
/*
 * Called on each queue's thread: on_idle when the queue has run out of events and at least every 64
 * events under load (send coalesced acks here); on_tick by the clock.
 */
void rpc_server_hooks(struct rpc_server *r, void (*on_idle)(struct rpc_queue *q, void *ctx),
                      void (*on_tick)(struct rpc_queue *q, void *ctx), void *ctx);
/*
 * Binds the listeners and starts the threads. ERR_INVALID: certificate or key not usable;
 * ERR_UNAVAILABLE: an address cannot be bound. After failure only rpc_server_free() is left.
 */
must_use int rpc_server_start(struct rpc_server *r, struct err *e);
/* Ports really bound (when 0 was asked for); 0 = no such listener. */
int rpc_server_port_tls(const struct rpc_server *r);
int rpc_server_port_plain(const struct rpc_server *r);
/*
 * Stop taking new calls; wait up to @grace_ms for the present ones; cancel the rest; end the
 * threads.
 * Any thread but a queue's; does nothing when not started or stopped already. Posts made before the
 * call are run; of later ones none may be counted on.
 */
void rpc_server_stop(struct rpc_server *r, uint32_t grace_ms);
/* Not started, failed to start, or stopped; all messages and call references are back. Takes
 * NULL. */
struct rpc_server *rpc_server_free(struct rpc_server *r);

/* ---- a call ---- */

void *rpc_call_state(struct rpc_call *c); /* the state_bytes of its method */
struct rpc_queue *rpc_call_queue(struct rpc_call *c);
/* First value of a request header (lower-case name), borrowed until on_close; len 0 and data
 * NULL = absent. */
struct slice rpc_call_header(struct rpc_call *c, const char *name);
const char *rpc_call_peer(struct rpc_call *c); /* "ipv4:127.0.0.1:5000", borrowed until on_close */
int64_t rpc_call_deadline_us(struct rpc_call *c); /* time left, µs; INT64_MAX = none */

/* Streaming: ask for the next message; one at a time. Not asking is the back-pressure (rule R6). */
void rpc_recv(struct rpc_call *c);
/* Streaming: send one message (copied). One at a time: next after on_sent. Nothing after finish. */
void rpc_send(struct rpc_call *c, struct slice message);
/* End with a status: @code 0 or an ERR_ code. A streaming call may have one send in flight: the
 * status goes out behind it. Idempotent: the first one counts. */
void rpc_finish(struct rpc_call *c, int code, const char *text);
/* The same with details for programs: a serialised google.rpc.Status (copied), which goes out as
 * grpc-status-details-bin. Clients take about 8 KiB of trailing metadata, text included. */
void rpc_finish_detailed(struct rpc_call *c, int code, const char *text, struct slice details);
/* Unary: answer with @message (copied) and OK. */
void rpc_reply(struct rpc_call *c, struct slice message);
bool rpc_is_finished(const struct rpc_call *c); /* a status was given, or the call is cancelled */

/* Keep a call object alive past on_close / across threads; its functions still belong to its queue.
 * After on_close its state is still readable and sending, finishing and receiving do nothing. */
void rpc_call_ref(struct rpc_call *c);
void rpc_call_unref(struct rpc_call *c);

/* ---- a message ---- */

/* The bytes, contiguous; borrowed until rpc_message_free(). */
struct slice rpc_message_bytes(struct rpc_message *m);
void rpc_message_free(struct rpc_message *m); /* takes NULL */

/* ---- queues ---- */

unsigned rpc_queue_count(const struct rpc_server *r);
struct rpc_queue *rpc_queue_at(const struct rpc_server *r, unsigned index);
unsigned rpc_queue_index(const struct rpc_queue *q);

/* Something to run on a queue's thread. Embedded by the caller, in the mailbox from rpc_post()
 * until
 * @run is called; then free for use again. */
struct rpc_post {
    void (*run)(struct rpc_post *p, struct rpc_queue *q);
    struct rpc_post *next; /* private */
};
/* From any thread. Rings the queue's doorbell when its thread may be asleep (about 5 µs, rule
 * R2). */
void rpc_post(struct rpc_queue *q, struct rpc_post *p);

/* Counters since start, for status. */
struct rpc_counters {
    uint64_t calls_opened, calls_open, messages_received, messages_sent, bytes_received, rings;
    unsigned queues;
};
void rpc_server_counters(const struct rpc_server *r, struct rpc_counters *ret_counters);
