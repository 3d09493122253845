/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The null sink and the echo: one bare server on the gRPC C core, with the server's own channel
 * arguments and, in ./dev bench, as many queues. It is the ceiling that ratios are taken against,
 * so it does nothing that it need not.
 *
 *   sink    EphemeralStream: answers create_stream, counts messages (their offsets are 0, 1, 2, …,
 *           so the count is the watermark), drops them, acknowledges when its queue has run empty
 *   echo    Stream: sends back what it receives; Unary: likewise
 *   other   UNIMPLEMENTED
 *
 * A receive that gRPC can answer at once comes out of its thread-local cache, without the queue.
 *
 * Thread: one per completion queue; a call belongs to the queue that accepted it.
 */
#include "loadgen.h"

#include "base/mem.h"
#include "base/must.h"
#include "rpc/args.h"

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define QUEUES_MAX            64 /* as many as a server may have (rpc_threads) */
#define ACCEPTS_PER_METHOD    8
#define MESSAGES_PER_TURN_MAX 512
#define ACK_EVERY_MAX         8192
#define METHOD_STREAM         "/databricks.zerobus.Zerobus/EphemeralStream"

enum method { METHOD_SINK, METHOD_ECHO_STREAM, METHOD_ECHO_UNARY, METHOD_OTHER, METHOD_COUNT };

/*
 * An operation goes from the thread that starts it to the one that finds it finished by way of
 * gRPC's completion queue. gRPC is not built with the thread sanitizer, so it is told.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define HAND_OVER(op) __tsan_release(op)
#define TAKE_OVER(op) __tsan_acquire(op)
#endif
#endif
#ifndef HAND_OVER
#define HAND_OVER(op) ((void)(op))
#define TAKE_OVER(op) ((void)(op))
#endif

struct op {
    void (*done)(struct op *op, bool ok);
    struct op *next;
    bool ok;
};

struct bare;

struct queue {
    struct bare *bare;
    grpc_completion_queue *cq;
    pthread_t thread;
    struct op *ready_first, **ready_last;
    struct call *unanswered; /* calls with news for their client */
};

struct bare {
    struct bare_options options;
    grpc_server *server;
    void *methods[METHOD_COUNT];
    struct queue queues[QUEUES_MAX];
    unsigned queue_count;
    atomic_bool stopping, stopped;
    atomic_uint call_count; /* awaited and open */
    struct op stop_op;
};

/* One call, from the moment it is awaited. */
struct call {
    struct queue *queue;
    enum method method;
    grpc_call *call;
    gpr_timespec deadline;
    grpc_call_details details; /* METHOD_OTHER */
    grpc_metadata_array metadata;
    grpc_byte_buffer *received; /* unary: the request */
    grpc_byte_buffer *sending;
    uint64_t message_count; /* received; the first is create_stream */
    uint64_t answered_count;
    struct call *next_unanswered;
    bool in_unanswered;
    unsigned ops_out;
    int cancelled;
    bool send_out, input_over, ended;
    struct op accept_op, start_op, receive_op, send_op, status_op, close_op;
};

#define CALL_OF(op_, member) CONTAINER_OF(op_, struct call, member)

/* Start operations; true when @op is over already. */
static bool start(struct call *k, const grpc_op *ops, size_t count, struct op *op)
{
    struct queue *q = k->queue;
    HAND_OVER(op);
    grpc_completion_queue_thread_local_cache_init(q->cq);
    grpc_call_error error = grpc_call_start_batch(k->call, ops, count, op, NULL);
    void *tag = NULL;
    int ok = 0;
    int found = grpc_completion_queue_thread_local_cache_flush(q->cq, &tag, &ok);
    if (found && tag == op) {
        op->ok = ok != 0;
        return true;
    }
    if (found) {
        struct op *other = tag;
        other->ok = ok != 0;
        other->next = NULL;
        *q->ready_last = other;
        q->ready_last = &other->next;
    }
    must(error == GRPC_CALL_OK);
    k->ops_out++;
    return false;
}

static void start_later(struct call *k, const grpc_op *ops, size_t count, struct op *op)
{
    if (!start(k, ops, count, op))
        return;
    struct queue *q = k->queue;
    k->ops_out++;
    op->next = NULL;
    *q->ready_last = op;
    q->ready_last = &op->next;
}

static void call_accept(struct queue *q, enum method method);

static void call_free_if_over(struct call *k)
{
    if (k->ops_out > 0 || k->in_unanswered)
        return;
    grpc_metadata_array_destroy(&k->metadata);
    grpc_byte_buffer_destroy(k->received);
    grpc_byte_buffer_destroy(k->sending);
    grpc_call_details_destroy(&k->details);
    if (k->call != NULL)
        grpc_call_unref(k->call);
    struct bare *b = k->queue->bare;
    mem_free(k);
    atomic_fetch_sub(&b->call_count, 1);
}

/* ---- sending ---- */

static void send_bytes(struct call *k, const uint8_t *data, size_t len)
{
    grpc_slice s = grpc_slice_from_copied_buffer((const char *)data, len);
    k->sending = grpc_raw_byte_buffer_create(&s, 1);
    grpc_slice_unref(s);
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE,
                  .flags = GRPC_WRITE_NO_COMPRESS,
                  .data.send_message.send_message = k->sending};
    k->send_out = true;
    start_later(k, &op, 1, &k->send_op);
}

/* The create answer, or the watermark, if there is news and nothing on its way. */
static void answer(struct call *k)
{
    static const char id[] = "\x0a\x26\x0a\x24"
                             "00000000-0000-4000-8000-000000000000";
    if (k->send_out || k->ended || k->answered_count == k->message_count)
        return;
    if (k->answered_count == 0) {
        k->answered_count = 1;
        send_bytes(k, (const uint8_t *)id, sizeof(id) - 1);
        return;
    }
    uint8_t ack[16] = {0x12, 0, 0x08};
    uint8_t *p = ack + 3;
    k->answered_count = k->message_count;
    if (k->queue->bare->options.mute)
        return;
    /* One message is create_stream, and offsets start at 0. */
    uint64_t v = k->message_count - 2 + k->queue->bare->options.ack_ahead;
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    ack[1] = (uint8_t)(p - ack - 2);
    send_bytes(k, ack, (size_t)(p - ack));
}

static void answer_when_idle(struct call *k)
{
    if (k->in_unanswered)
        return;
    k->in_unanswered = true;
    k->next_unanswered = k->queue->unanswered;
    k->queue->unanswered = k;
}

static void answer_all(struct queue *q)
{
    struct call *k = TAKE(q->unanswered);
    while (k != NULL) {
        struct call *next = k->next_unanswered;
        k->in_unanswered = false;
        if (!k->input_over)
            answer(k);
        call_free_if_over(k);
        k = next;
    }
}

static void finish(struct call *k, grpc_status_code status)
{
    if (k->ended)
        return;
    k->ended = true;
    grpc_slice text = grpc_empty_slice();
    grpc_op op = {.op = GRPC_OP_SEND_STATUS_FROM_SERVER,
                  .data.send_status_from_server = {.status = status, .status_details = &text}};
    start_later(k, &op, 1, &k->status_op);
}

/* The client has said all: what is answered last, then the status. */
static void end_of_input(struct call *k)
{
    if (k->send_out || k->ended)
        return; /* comes again from sent() */
    if (k->method == METHOD_SINK && k->answered_count < k->message_count)
        answer(k);
    if (!k->send_out)
        finish(k, GRPC_STATUS_OK);
}

/* ---- receiving ---- */

/* Take a message; false: the client has half-closed. */
static bool receive_one(struct call *k)
{
    if (k->received == NULL)
        return false;
    k->message_count++;
    grpc_byte_buffer_destroy(k->received);
    k->received = NULL;
    return true;
}

/* Receive until there is nothing or it was enough for one turn. */
static void sink_receive(struct call *k)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &k->received};
    for (unsigned n = 0; n < MESSAGES_PER_TURN_MAX; n++) {
        if (!start(k, &op, 1, &k->receive_op)) {
            answer_when_idle(k);
            return;
        }
        if (!receive_one(k)) {
            k->input_over = true;
            end_of_input(k);
            return;
        }
        if (k->message_count - k->answered_count >= ACK_EVERY_MAX || k->message_count == 1)
            answer(k);
    }
    start_later(k, &op, 1, &k->receive_op);
}

static void echo_send(struct call *k)
{
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE,
                  .flags = GRPC_WRITE_NO_COMPRESS,
                  .data.send_message.send_message = k->sending};
    k->send_out = true;
    start_later(k, &op, 1, &k->send_op);
}

static void receive_done(struct op *op, bool ok)
{
    struct call *k = CALL_OF(op, receive_op);
    k->ops_out--;
    if (!ok || k->received == NULL) {
        k->input_over = true;
        end_of_input(k);
    } else if (k->method == METHOD_SINK) {
        (void)receive_one(k); /* there is one: just seen */
        if (k->message_count == 1)
            answer(k);
        sink_receive(k);
    } else {
        k->sending = TAKE(k->received);
        echo_send(k);
    }
    call_free_if_over(k);
}

static void send_done(struct op *op, bool ok)
{
    struct call *k = CALL_OF(op, send_op);
    k->ops_out--;
    k->send_out = false;
    grpc_byte_buffer_destroy(TAKE(k->sending));
    if (!ok)
        k->answered_count = k->message_count;
    if (k->input_over) {
        end_of_input(k);
    } else if (k->method == METHOD_ECHO_STREAM && ok) {
        grpc_op next = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &k->received};
        start_later(k, &next, 1, &k->receive_op);
    } else if (k->method == METHOD_SINK) {
        answer_when_idle(k); /* what came while this one was on its way */
    }
    call_free_if_over(k);
}

static void status_done(struct op *op, bool ok)
{
    (void)ok;
    struct call *k = CALL_OF(op, status_op);
    k->ops_out--;
    call_free_if_over(k);
}

static void close_done(struct op *op, bool ok)
{
    (void)ok;
    struct call *k = CALL_OF(op, close_op);
    k->ops_out--;
    k->input_over = true;
    call_free_if_over(k);
}

static void start_done(struct op *op, bool ok)
{
    (void)ok;
    struct call *k = CALL_OF(op, start_op);
    k->ops_out--;
    call_free_if_over(k);
}

/* ---- accepting ---- */

static void unary_reply(struct call *k)
{
    grpc_slice text = grpc_empty_slice();
    k->sending = TAKE(k->received);
    must(k->sending != NULL); /* gRPC hands a call of this kind over with its message */
    grpc_op ops[3] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = k->sending},
        {.op = GRPC_OP_SEND_STATUS_FROM_SERVER,
         .data.send_status_from_server = {.status = GRPC_STATUS_OK, .status_details = &text}},
    };
    start_later(k, ops, 3, &k->start_op);
}

static void accept_done(struct op *op, bool ok)
{
    struct call *k = CALL_OF(op, accept_op);
    k->ops_out--;
    if (!ok) {
        call_free_if_over(k);
        return;
    }
    call_accept(k->queue, k->method);
    grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
                     .data.recv_close_on_server.cancelled = &k->cancelled};
    start_later(k, &close, 1, &k->close_op);
    if (k->method == METHOD_ECHO_UNARY) {
        unary_reply(k);
        return;
    }
    grpc_op head = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    start_later(k, &head, 1, &k->start_op);
    if (k->method == METHOD_OTHER) {
        finish(k, GRPC_STATUS_UNIMPLEMENTED);
        return;
    }
    grpc_op receive = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &k->received};
    start_later(k, &receive, 1, &k->receive_op);
}

static void call_accept(struct queue *q, enum method method)
{
    if (atomic_load(&q->bare->stopping))
        return;
    struct call *k = mem_zalloc(sizeof(*k));
    atomic_fetch_add(&q->bare->call_count, 1);
    k->queue = q;
    k->method = method;
    k->accept_op.done = accept_done;
    k->start_op.done = start_done;
    k->receive_op.done = receive_done;
    k->send_op.done = send_done;
    k->status_op.done = status_done;
    k->close_op.done = close_done;
    k->ops_out = 1;
    grpc_metadata_array_init(&k->metadata);
    grpc_call_details_init(&k->details);
    grpc_call_error error;
    HAND_OVER(&k->accept_op);
    if (method == METHOD_OTHER)
        error = grpc_server_request_call(q->bare->server, &k->call, &k->details, &k->metadata,
                                         q->cq, q->cq, &k->accept_op);
    else
        error = grpc_server_request_registered_call(
            q->bare->server, q->bare->methods[method], &k->call, &k->deadline, &k->metadata,
            method == METHOD_ECHO_UNARY ? &k->received : NULL, q->cq, q->cq, &k->accept_op);
    must(error == GRPC_CALL_OK);
}

static void *queue_loop(void *arg)
{
    struct queue *q = arg;
    const gpr_timespec past = gpr_inf_past(GPR_CLOCK_MONOTONIC);
    const gpr_timespec future = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    for (;;) {
        bool wait = q->ready_first == NULL && q->unanswered == NULL;
        grpc_event e = grpc_completion_queue_next(q->cq, wait ? future : past, NULL);
        if (e.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        if (e.type == GRPC_QUEUE_TIMEOUT && q->ready_first == NULL)
            answer_all(q);
        if (e.type == GRPC_OP_COMPLETE) {
            struct op *op = e.tag;
            TAKE_OVER(op);
            op->done(op, e.success != 0);
        }
        struct op *op = q->ready_first;
        q->ready_first = NULL;
        q->ready_last = &q->ready_first;
        while (op != NULL) {
            struct op *next = op->next;
            op->done(op, op->ok);
            op = next;
        }
    }
}

static void stop_done(struct op *op, bool ok)
{
    (void)ok;
    atomic_store(&CONTAINER_OF(op, struct bare, stop_op)->stopped, true);
}

/* ---- life ---- */

static int listen_on(struct bare *b)
{
    const struct bare_options *o = &b->options;
    grpc_server_credentials *creds = NULL;
    if (o->cert == NULL) {
        creds = grpc_insecure_server_credentials_create();
    } else {
        _cleanup_(mem_freep) char *cert = file_text(o->cert);
        _cleanup_(mem_freep) char *key = file_text(o->key);
        if (cert == NULL || key == NULL)
            return 0;
        grpc_ssl_pem_key_cert_pair pair = {.private_key = key, .cert_chain = cert};
        creds = grpc_ssl_server_credentials_create_ex(
            NULL, &pair, 1, GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE, NULL);
    }
    int port = creds == NULL ? 0 : grpc_server_add_http2_port(b->server, o->listen, creds);
    grpc_server_credentials_release(creds);
    if (port == 0)
        fprintf(stderr, "cannot listen on %s: is it in use, and are the PEM files right?\n",
                o->listen);
    return port;
}

static void methods_register(struct bare *b)
{
    b->methods[METHOD_SINK] =
        grpc_server_register_method(b->server, METHOD_STREAM, NULL, GRPC_SRM_PAYLOAD_NONE, 0);
    b->methods[METHOD_ECHO_STREAM] =
        grpc_server_register_method(b->server, ECHO_STREAM, NULL, GRPC_SRM_PAYLOAD_NONE, 0);
    b->methods[METHOD_ECHO_UNARY] = grpc_server_register_method(
        b->server, ECHO_UNARY, NULL, GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
}

static void bare_start(struct bare *b)
{
    grpc_server_start(b->server);
    for (unsigned i = 0; i < b->queue_count; i++) {
        struct queue *q = &b->queues[i];
        for (int m = 0; m < METHOD_COUNT; m++)
            for (int n = 0; n < ACCEPTS_PER_METHOD; n++)
                call_accept(q, (enum method)m);
        must(pthread_create(&q->thread, NULL, queue_loop, q) == 0);
    }
}

struct bare *bare_open(const struct bare_options *o, int *ret_port)
{
    grpc_init();
    grpc_arg args[RPC_ARGS_MAX];
    grpc_channel_args all = {.num_args = rpc_args_server(args), .args = args};
    struct bare *b = mem_zalloc(sizeof(*b));
    b->options = *o;
    b->server = grpc_server_create(&all, NULL);
    b->queue_count = MIN(MAX(o->queue_count, 1u), QUEUES_MAX);
    for (unsigned i = 0; i < b->queue_count; i++) {
        struct queue *q = &b->queues[i];
        q->bare = b;
        q->cq = grpc_completion_queue_create_for_next(NULL);
        q->ready_last = &q->ready_first;
        grpc_server_register_completion_queue(b->server, q->cq, NULL);
    }
    methods_register(b);
    int port = listen_on(b);
    if (port == 0)
        atomic_store(&b->stopping, true); /* nothing is accepted; ends at once below */
    bare_start(b);
    if (port == 0)
        return bare_close(b);
    *ret_port = port;
    return b;
}

struct bare *bare_close(struct bare *b)
{
    if (b == NULL)
        return NULL;
    atomic_store(&b->stopping, true);
    b->stop_op.done = stop_done;
    HAND_OVER(&b->stop_op);
    grpc_server_shutdown_and_notify(b->server, b->queues[0].cq, &b->stop_op);
    grpc_server_cancel_all_calls(b->server);
    while (atomic_load(&b->call_count) > 0 || !atomic_load(&b->stopped))
        pause_ms(1);
    for (unsigned i = 0; i < b->queue_count; i++)
        grpc_completion_queue_shutdown(b->queues[i].cq);
    for (unsigned i = 0; i < b->queue_count; i++)
        pthread_join(b->queues[i].thread, NULL);
    grpc_server_destroy(b->server);
    for (unsigned i = 0; i < b->queue_count; i++)
        grpc_completion_queue_destroy(b->queues[i].cq);
    mem_free(b);
    grpc_shutdown();
    return NULL;
}

/* ---- the subcommand ---- */

static void port_tell(const struct options *o, int port)
{
    printf("listening on port %d (%s)\n", port, o->plain ? "plain text" : "TLS");
    fflush(stdout);
    if (o->port_file == NULL)
        return;
    FILE *f = fopen(o->port_file, "we");
    if (f == NULL) {
        fprintf(stderr, "cannot write %s\n", o->port_file);
        return;
    }
    fprintf(f, "%d\n", port);
    fclose(f);
}

int cmd_sink(const struct options *o)
{
    if (!o->plain && (o->cert == NULL || o->key == NULL)) {
        fputs("sink and echo need --cert and --key (or --plain)\n", stderr);
        return EXIT_USAGE;
    }
    struct bare_options bo = {
        .listen = o->listen,
        .cert = o->plain ? NULL : o->cert,
        .key = o->plain ? NULL : o->key,
        .queue_count = (unsigned)MIN(o->queues, QUEUES_MAX),
    };
    int port;
    struct bare *b = bare_open(&bo, &port);
    if (b == NULL)
        return EXIT_SYSTEM;
    port_tell(o, port);
    while (!is_interrupted())
        pause_ms(20);
    bare_close(b);
    return EXIT_FINE;
}
