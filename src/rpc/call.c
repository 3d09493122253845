/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call, from the request that the core fills to the callback on_close.
 *
 *   stream:  accepted ─► send initial metadata, await the close ─► on_open ─► receives, sends ─►
 *   status
 *   unary:   accepted with its message, or on_open ─► receive ─► on_message ─► one batch: metadata,
 *            message, status and, when the service answered at once, the wait for the close too
 *
 *   C1  Every batch counts in batches_open. The wait for the close is posted before the thread
 *       returns to its loop (for a unary call's receive: when that is done), so batches_open
 *       reaches 0 only when the call is over: then on_close.
 *   C2  One send operation at a time (rule R3): a status given meanwhile goes out behind it.
 *   C3  Nothing is started once the close was told (RPC__OVER). What is in flight then completes
 *   with
 *       a failure, and on_close follows.
 *   C4  The end of the client's side is told once, and never for a call that failed: a receive
 *   without
 *       a message counts as half close only when the core says that it did not fail.
 *
 * Thread: the queue's, except ref and unref.
 */
#include "rpc_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <grpc/slice_buffer.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include <limits.h>

/* A status text goes into a header: the client's limit on headers is about 16 KiB, percent-coding
 * can triple it. */
#define STATUS_TEXT_BYTES_MAX (ERR_TEXT_MAX - 1)

static void on_accepted(struct rpc__tag *t, bool ok);
static void on_opened(struct rpc__tag *t, bool ok);
static void on_received(struct rpc__tag *t, bool ok);
static void on_sent(struct rpc__tag *t, bool ok);
static void on_ended(struct rpc__tag *t, bool ok);
static void on_closed(struct rpc__tag *t, bool ok);

size_t rpc__call_bytes(const struct rpc_method *m)
{
    return sizeof(struct rpc_call) + m->state_bytes;
}

/* ---- accept ---- */

static struct rpc_call *call_new(struct rpc__slot *s)
{
    struct rpc_call *c = rpc__pool_get(&s->calls);
    memset(c, 0, rpc__call_bytes(s->method));
    c->queue = s->queue;
    c->slot = s;
    atomic_init(&c->refs, 1);
    grpc_metadata_array_init(&c->headers);
    c->accepted.run = on_accepted;
    c->opened.run = on_opened;
    c->received.run = on_received;
    c->sent.run = on_sent;
    c->ended.run = on_ended;
    c->closed.run = on_closed;
    c->outgoing.type = GRPC_BB_RAW;
    c->outgoing.data.raw.compression = GRPC_COMPRESS_NONE;
    grpc_slice_buffer_init(&c->outgoing.data.raw.slice_buffer);
    c->status_details = grpc_empty_slice();
    return c;
}

void rpc__accept(struct rpc__slot *s)
{
    struct rpc_call *c = call_new(s);
    struct rpc_queue *q = s->queue;
    grpc_call_error r;
    if (!s->registered) {
        grpc_call_details *details = (void *)c->state;
        grpc_call_details_init(details);
        r = grpc_server_request_call(q->server->server, &c->call, details, &c->headers, q->cq,
                                     q->cq, &c->accepted);
    } else {
        r = grpc_server_request_registered_call(
            q->server->server, s->registered, &c->call, &c->deadline, &c->headers,
            rpc__comes_with_message(s->method) ? &c->incoming : NULL, q->cq, q->cq, &c->accepted);
    }
    must(r == GRPC_CALL_OK);
    q->accepts_open++;
}

static void start(struct rpc_call *c, const grpc_op *ops, size_t op_count, struct rpc__tag *tag)
{
    grpc_call_error r = grpc_call_start_batch(c->call, ops, op_count, tag, NULL);
    must(r == GRPC_CALL_OK);
    c->batches_open++;
}

static grpc_op op_close(struct rpc_call *c)
{
    c->word |= RPC__CLOSE_POSTED;
    return (grpc_op){
        .op = GRPC_OP_RECV_CLOSE_ON_SERVER,
        .data.recv_close_on_server.cancelled = &c->cancelled,
    };
}

static void await_close(struct rpc_call *c)
{
    grpc_op op = op_close(c);
    start(c, &op, 1, &c->closed);
}

static void open_stream(struct rpc_call *c)
{
    await_close(c);
    if (c->slot->method->on_open)
        c->slot->method->on_open(c, c->slot->ctx);
    /* A call refused in on_open has sent its status as the only answer: a client that had seen
     * metadata first could fail on its own first send, and never look at the status. */
    if (c->word & (RPC__FINISHED | RPC__OVER))
        return;
    c->word |= RPC__METADATA_SENT;
    grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    start(c, &op, 1, &c->opened);
}

static void show_message(struct rpc_call *c, grpc_byte_buffer *buffer)
{
    struct rpc_queue *q = c->queue;
    rpc__count(&q->messages_received, 1);
    rpc__count(&q->bytes_received, buffer->data.raw.slice_buffer.length);
    c->slot->method->on_message(c, c->slot->ctx, rpc__message_new(&q->messages, buffer));
}

static void post_receive(struct rpc_call *c)
{
    c->word |= RPC__RECEIVING;
    grpc_op op = {
        .op = GRPC_OP_RECV_MESSAGE,
        .data.recv_message.recv_message = &c->incoming,
    };
    start(c, &op, 1, &c->received);
}

/* @message may be NULL. */
static void show_unary(struct rpc_call *c, grpc_byte_buffer *message)
{
    if (message)
        show_message(c, message);
    else
        rpc_finish(c, ERR_INVALID, "the request holds no message");
    if (!(c->word & RPC__CLOSE_POSTED))
        await_close(c);
}

/* Who looks at the metadata first gets the message only if it lets the call go on (rule R5). */
static void open_unary(struct rpc_call *c)
{
    if (rpc__comes_with_message(c->slot->method)) {
        show_unary(c, TAKE(c->incoming));
        return;
    }
    c->slot->method->on_open(c, c->slot->ctx);
    if (!(c->word & RPC__FINISHED))
        post_receive(c); /* the wait for the close is posted when it is done: C1 */
}

static void on_accepted(struct rpc__tag *t, bool ok)
{
    struct rpc_call *c = CONTAINER_OF(t, struct rpc_call, accepted);
    struct rpc_queue *q = c->queue;
    q->accepts_open--;
    if (!ok) { /* the server shuts down */
        if (!c->slot->registered)
            grpc_call_details_destroy((void *)c->state);
        grpc_metadata_array_destroy(&c->headers);
        rpc__pool_put(&c->slot->calls, &c->node);
        return;
    }
    rpc__accept(c->slot);
    q->calls_open++;
    rpc__count(&q->calls_opened, 1);
    if (c->slot->method->kind == RPC_STREAM)
        open_stream(c);
    else
        open_unary(c);
}

/* ---- end ---- */

static void call_close(struct rpc_call *c)
{
    struct rpc_queue *q = c->queue;
    if (c->slot->method->on_close)
        c->slot->method->on_close(c, c->slot->ctx, c->cancelled != 0);
    grpc_slice_buffer_destroy(&c->outgoing.data.raw.slice_buffer);
    grpc_metadata_array_destroy(&c->headers);
    grpc_metadata_array_init(&c->headers);
    gpr_free(TAKE(c->peer));
    mem_free(TAKE(c->status_text));
    grpc_slice_unref(c->status_details);
    c->status_details = grpc_empty_slice();
    grpc_call_unref(TAKE(c->call));
    q->calls_open--;
    rpc__count(&q->calls_closed, 1);
    rpc_call_unref(c);
}

static void batch_done(struct rpc_call *c)
{
    must(c->batches_open > 0);
    if (--c->batches_open > 0)
        return;
    must(c->word & RPC__OVER); /* C1 */
    call_close(c);
}

static void on_closed(struct rpc__tag *t, bool ok)
{
    (void)ok; /* this operation never fails */
    struct rpc_call *c = CONTAINER_OF(t, struct rpc_call, closed);
    c->word |= RPC__OVER;
    batch_done(c);
}

static void on_opened(struct rpc__tag *t, bool ok)
{
    (void)ok; /* a failure also ends the call: told by the close */
    batch_done(CONTAINER_OF(t, struct rpc_call, opened));
}

/* ---- receive ---- */

void rpc_recv(struct rpc_call *c)
{
    must(rpc__queue_is_mine(c->queue));
    must(c->slot->method->kind == RPC_STREAM);
    if (c->word & (RPC__FINISHED | RPC__OVER | RPC__HALF_CLOSED))
        return;
    must(!(c->word & RPC__RECEIVING));
    post_receive(c);
}

static void on_received(struct rpc__tag *t, bool ok)
{
    struct rpc_call *c = CONTAINER_OF(t, struct rpc_call, received);
    const struct rpc_method *m = c->slot->method;
    grpc_byte_buffer *message = TAKE(c->incoming);
    c->word &= ~(unsigned)RPC__RECEIVING;
    if (m->kind == RPC_UNARY) {
        show_unary(c, message);
    } else if (message && ok && !(c->word & RPC__FINISHED)) {
        show_message(c, message);
    } else if (message) {
        grpc_byte_buffer_destroy(message);
    } else if (ok && !(c->word & (RPC__FINISHED | RPC__OVER)) &&
               !grpc_call_failed_before_recv_message(c->call)) { /* C4 */
        c->word |= RPC__HALF_CLOSED;
        if (m->on_half_close)
            m->on_half_close(c, c->slot->ctx);
    }
    batch_done(c);
}

/* ---- send ---- */

static grpc_op op_message(struct rpc_call *c, struct slice message)
{
    grpc_slice_buffer *out = &c->outgoing.data.raw.slice_buffer;
    grpc_slice_buffer_reset_and_unref(out);
    /* Acks are short enough to lie inside the slice: no allocation. */
    grpc_slice_buffer_add(out,
                          grpc_slice_from_copied_buffer((const char *)message.data, message.len));
    rpc__count(&c->queue->messages_sent, 1);
    return (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = &c->outgoing};
}

static void send_status(struct rpc_call *c, const char *text, const struct slice *reply)
{
    grpc_op ops[4];
    size_t n = 0;
    if (!(c->word & RPC__METADATA_SENT))
        ops[n++] = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    if (reply)
        ops[n++] = op_message(c, *reply);
    grpc_slice details = grpc_empty_slice();
    if (c->status != 0 && text)
        details = grpc_slice_from_copied_buffer(text, strnlen(text, STATUS_TEXT_BYTES_MAX));
    grpc_metadata detailed = {
        .key = grpc_slice_from_static_string("grpc-status-details-bin"),
        .value = c->status_details,
    };
    ops[n++] = (grpc_op){
        .op = GRPC_OP_SEND_STATUS_FROM_SERVER,
        .data.send_status_from_server =
            {
                .trailing_metadata_count = GRPC_SLICE_LENGTH(c->status_details) > 0,
                .trailing_metadata = &detailed,
                .status = (grpc_status_code)c->status,
                .status_details = c->status != 0 ? &details : NULL,
            },
    };
    bool with_close = !(c->word & RPC__CLOSE_POSTED);
    if (with_close)
        ops[n++] = op_close(c);
    start(c, ops, n, with_close ? &c->closed : &c->ended);
    grpc_slice_unref(details);
}

void rpc_send(struct rpc_call *c, struct slice message)
{
    must(rpc__queue_is_mine(c->queue));
    must(c->slot->method->kind == RPC_STREAM);
    must(!(c->word & RPC__SENDING));
    if (c->word & (RPC__FINISHED | RPC__OVER))
        return;
    c->word |= RPC__SENDING;
    grpc_op op = op_message(c, message);
    start(c, &op, 1, &c->sent);
}

static void on_sent(struct rpc__tag *t, bool ok)
{
    struct rpc_call *c = CONTAINER_OF(t, struct rpc_call, sent);
    const struct rpc_method *m = c->slot->method;
    c->word &= ~(unsigned)RPC__SENDING;
    if (c->word & RPC__FINISHED) {
        if (!(c->word & RPC__OVER)) /* C2: the status that waited */
            send_status(c, c->status_text, NULL);
    } else if (ok && !(c->word & RPC__OVER) && m->on_sent) {
        m->on_sent(c, c->slot->ctx);
    }
    batch_done(c);
}

static void on_ended(struct rpc__tag *t, bool ok)
{
    (void)ok; /* told by the close */
    batch_done(CONTAINER_OF(t, struct rpc_call, ended));
}

/* True when the service may (still) give a status: it is the first, and the call is alive. */
static bool take_finish(struct rpc_call *c, int code)
{
    must(rpc__queue_is_mine(c->queue));
    if (c->word & (RPC__FINISHED | RPC__OVER))
        return false;
    c->word |= RPC__FINISHED;
    c->status = code == 0 ? 0 : err_grpc_status(code);
    return true;
}

void rpc_finish(struct rpc_call *c, int code, const char *text)
{
    rpc_finish_detailed(c, code, text, SLICE_NULL);
}

void rpc_finish_detailed(struct rpc_call *c, int code, const char *text, struct slice details)
{
    if (!take_finish(c, code))
        return;
    if (details.len > 0)
        c->status_details = grpc_slice_from_copied_buffer((const char *)details.data, details.len);
    if (!(c->word & RPC__SENDING))
        send_status(c, text, NULL);
    else if (text)
        c->status_text = mem_strndup(text, strnlen(text, STATUS_TEXT_BYTES_MAX));
}

void rpc_reply(struct rpc_call *c, struct slice message)
{
    must(c->slot->method->kind == RPC_UNARY);
    if (take_finish(c, 0))
        send_status(c, NULL, &message);
}

bool rpc_is_finished(const struct rpc_call *c)
{
    return (c->word & (RPC__FINISHED | RPC__OVER)) != 0;
}

/* ---- what a service asks of a call ---- */

void *rpc_call_state(struct rpc_call *c)
{
    return c->state;
}

struct rpc_queue *rpc_call_queue(struct rpc_call *c)
{
    return c->queue;
}

struct slice rpc_call_header(struct rpc_call *c, const char *name)
{
    size_t name_len = strlen(name);
    for (size_t i = 0; i < c->headers.count; i++) {
        const grpc_metadata *h = &c->headers.metadata[i];
        if (GRPC_SLICE_LENGTH(h->key) == name_len &&
            memcmp(GRPC_SLICE_START_PTR(h->key), name, name_len) == 0)
            return slice_of(GRPC_SLICE_START_PTR(h->value), GRPC_SLICE_LENGTH(h->value));
    }
    return SLICE_NULL;
}

const char *rpc_call_peer(struct rpc_call *c)
{
    if (!c->peer && c->call)
        c->peer = grpc_call_get_peer(c->call);
    return c->peer ? c->peer : "";
}

int64_t rpc_call_deadline_us(struct rpc_call *c)
{
    gpr_timespec end = c->deadline;
    if (gpr_time_cmp(end, gpr_inf_future(end.clock_type)) == 0)
        return INT64_MAX;
    gpr_timespec left = gpr_time_sub(end, gpr_now(end.clock_type));
    return left.tv_sec * 1000000 + left.tv_nsec / 1000;
}

void rpc_call_ref(struct rpc_call *c)
{
    uint32_t was = atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    must(was > 0);
}

void rpc_call_unref(struct rpc_call *c)
{
    uint32_t was = atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel);
    must(was > 0);
    if (was == 1)
        rpc__pool_put(&c->slot->calls, &c->node);
}

/* ---- methods that nobody registered ---- */

static void refuse_unknown(struct rpc_call *c, void *ctx)
{
    (void)ctx;
    grpc_call_details *details = (void *)c->state;
    struct err e;
    rpc_finish(c,
               err_set(&e, ERR_UNSUPPORTED, "unknown method %.*s",
                       (int)MIN(GRPC_SLICE_LENGTH(details->method), 200),
                       (const char *)GRPC_SLICE_START_PTR(details->method)),
               e.text);
    grpc_call_details_destroy(details);
}

const struct rpc_method rpc__unknown_method = {
    .path = "",
    .kind = RPC_UNARY,
    .state_bytes = sizeof(grpc_call_details),
    .on_open = refuse_unknown,
};
