/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "args.h"
#include "base/mem.h"
#include "pem.h"

#include "test.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include <stdio.h>

#define PATIENCE_MS 20000

/* ---- services ---- */

static void note(struct seen *s, _Atomic int *counter)
{
    atomic_fetch_add(counter, 1);
    sys_event_signal(&s->event);
}

static void on_open(struct rpc_call *c, void *ctx)
{
    (void)c;
    struct seen *s = ctx;
    note(s, &s->opened);
}

static void on_half_close(struct rpc_call *c, void *ctx)
{
    struct seen *s = ctx;
    note(s, &s->half_closed);
    rpc_finish(c, 0, NULL);
}

static void on_close(struct rpc_call *c, void *ctx, bool cancelled)
{
    (void)c;
    struct seen *s = ctx;
    if (cancelled)
        note(s, &s->cancelled);
    note(s, &s->closed);
}

static void echo_message(struct rpc_call *c, void *ctx, struct rpc_message *m)
{
    struct seen *s = ctx;
    note(s, &s->messages);
    rpc_reply(c, rpc_message_bytes(m));
    rpc_message_free(m);
}

static void facts_message(struct rpc_call *c, void *ctx, struct rpc_message *m)
{
    (void)ctx;
    char text[256];
    struct slice fact = rpc_call_header(c, "x-fact");
    const char *peer = rpc_call_peer(c);
    int64_t left_us = rpc_call_deadline_us(c);
    bool given = left_us > 0 && left_us <= (int64_t)PATIENCE_MS * 1000;
    int len = snprintf(text, sizeof(text), "%.*s|%.*s|%s", (int)fact.len,
                       fact.data ? (const char *)fact.data : "", (int)strcspn(peer, ":"), peer,
                       left_us == INT64_MAX ? "n"
                       : given              ? "y"
                                            : "?");
    rpc_message_free(m);
    rpc_reply(c, slice_of(text, (size_t)len));
}

static void later_message(struct rpc_call *c, void *ctx, struct rpc_message *m)
{
    struct seen *s = ctx;
    rpc_message_free(m);
    rpc_call_ref(c);
    atomic_store(&s->kept_call, c);
    note(s, &s->messages);
}

static void answer_later_run(struct rpc_post *p, struct rpc_queue *q)
{
    (void)q;
    struct rig *g = CONTAINER_OF(p, struct rig, answer);
    struct rpc_call *c = atomic_exchange(&g->seen.kept_call, NULL);
    rpc_reply(c, slice_str("later"));
    rpc_call_unref(c);
    note(&g->seen, &g->seen.ran);
}

static void deny_open(struct rpc_call *c, void *ctx)
{
    on_open(c, ctx);
    rpc_finish(c, ERR_DENIED, "not for you");
    rpc_finish(c, ERR_INTERNAL, "the first one counts");
}

static void keep_message(struct rpc_call *c, void *ctx, struct rpc_message *m)
{
    struct seen *s = ctx;
    atomic_store(&s->kept_message, m);
    rpc_reply(c, slice_str("kept"));
    note(s, &s->messages);
}

static void recv_open(struct rpc_call *c, void *ctx)
{
    on_open(c, ctx);
    rpc_recv(c);
}

static void chat_message(struct rpc_call *c, void *ctx, struct rpc_message *m)
{
    struct seen *s = ctx;
    int *count = rpc_call_state(c);
    ++*count;
    atomic_store(&s->last_count, *count);
    note(s, &s->messages);
    rpc_send(c, rpc_message_bytes(m));
    rpc_message_free(m);
}

static void chat_sent(struct rpc_call *c, void *ctx)
{
    struct seen *s = ctx;
    atomic_fetch_add(&s->sent, 1);
    rpc_recv(c);
}

static void mute_open(struct rpc_call *c, void *ctx)
{
    struct seen *s = ctx;
    atomic_store(&s->kept_call, c);
    on_open(c, ctx);
}

static void last_message(struct rpc_call *c, void *ctx, struct rpc_message *m)
{
    struct seen *s = ctx;
    note(s, &s->messages);
    rpc_send(c, rpc_message_bytes(m));
    rpc_message_free(m);
    rpc_finish_detailed(c, ERR_EXHAUSTED, "that was the last", slice_of("\0\xff details", 10));
}

static void must_not_sent(struct rpc_call *c, void *ctx)
{
    (void)c;
    struct seen *s = ctx;
    note(s, &s->sent);
}

static const struct rpc_method methods[] = {
    {.path = "/t.T/Echo",
     .kind = RPC_UNARY,
     .on_open = on_open,
     .on_message = echo_message,
     .on_close = on_close},
    {.path = "/t.T/Facts", .kind = RPC_UNARY, .on_message = facts_message},
    {.path = "/t.T/Later",
     .kind = RPC_UNARY,
     .on_open = on_open,
     .on_message = later_message,
     .on_close = on_close},
    {.path = "/t.T/Deny",
     .kind = RPC_UNARY,
     .on_open = deny_open,
     .on_message = echo_message,
     .on_close = on_close},
    {.path = "/t.T/Keep", .kind = RPC_UNARY, .on_message = keep_message, .on_close = on_close},
    {.path = "/t.T/Chat",
     .kind = RPC_STREAM,
     .state_bytes = sizeof(int),
     .on_open = recv_open,
     .on_message = chat_message,
     .on_half_close = on_half_close,
     .on_sent = chat_sent,
     .on_close = on_close},
    {.path = "/t.T/Mute",
     .kind = RPC_STREAM,
     .on_open = mute_open,
     .on_message = chat_message,
     .on_half_close = on_half_close,
     .on_close = on_close},
    {.path = "/t.T/Last",
     .kind = RPC_STREAM,
     .on_open = recv_open,
     .on_message = last_message,
     .on_half_close = on_half_close,
     .on_sent = must_not_sent,
     .on_close = on_close},
    {.path = "/t.T/Closed",
     .kind = RPC_STREAM,
     .on_open = deny_open,
     .on_message = chat_message,
     .on_close = on_close},
};

static void on_idle(struct rpc_queue *q, void *ctx)
{
    struct seen *s = ctx;
    struct rpc_post *p = atomic_exchange(&s->idle_post, NULL);
    if (p)
        rpc_post(q, p);
    atomic_fetch_add(&s->idle, 1);
}

static void on_tick(struct rpc_queue *q, void *ctx)
{
    (void)q;
    struct seen *s = ctx;
    note(s, &s->ticks);
}

/* ---- rig ---- */

static void connect_client(struct rig *g, enum rig_kind kind)
{
    grpc_arg list[3];
    size_t count = rpc_args__add(list, 0, GRPC_ARG_HTTP2_BDP_PROBE, 0);
    count = rpc_args__add(list, count, GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES,
                          TRANSPORT_LOOKAHEAD_BYTES);
    count = rpc_args__add(list, count, GRPC_ARG_ENABLE_RETRIES, 0);
    grpc_channel_args args = {.num_args = count, .args = list};
    char target[64];
    int port = kind == RIG_TLS ? rpc_server_port_tls(g->server) : rpc_server_port_plain(g->server);
    cr_assert_gt(port, 0);
    (void)snprintf(target, sizeof(target), "127.0.0.1:%d", port);
    grpc_channel_credentials *creds = grpc_insecure_credentials_create();
    if (kind == RIG_TLS) {
        grpc_channel_credentials_release(creds);
        creds = grpc_ssl_credentials_create(test_cert_pem, NULL, NULL, NULL);
    }
    g->channel = grpc_channel_create(target, creds, &args);
    grpc_channel_credentials_release(creds);
    g->cq = grpc_completion_queue_create_for_next(NULL);
}

static void init(struct rig *g, enum rig_kind kind, unsigned queue_count, uint32_t tick_ms)
{
    *g = (struct rig){.seen.event = SYS_EVENT_INIT};
    cr_assert_eq(sys_new_uring(&g->sys, NULL), 0);
    struct rpc_options o = {
        .listen_tls = kind == RIG_TLS ? "127.0.0.1:0" : NULL,
        .tls_cert_pem = test_cert_pem,
        .tls_key_pem = test_key_pem,
        .listen_plain = kind == RIG_PLAIN ? "127.0.0.1:0" : NULL,
        .queue_count = queue_count,
        .tick_ms = tick_ms,
        .memory_bytes = 1u << 30,
    };
    cr_assert_eq(rpc_server_new(g->sys, &o, &g->server, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        rpc_server_add(g->server, &methods[i], &g->seen);
    rpc_server_hooks(g->server, on_idle, on_tick, &g->seen);
    cr_assert_eq(rpc_server_start(g->server, NULL), 0);
    connect_client(g, kind);
}

void rig_init(struct rig *g, enum rig_kind kind, unsigned queue_count)
{
    init(g, kind, queue_count, 0);
}

void rig_init_ticking(struct rig *g, uint32_t tick_ms)
{
    init(g, RIG_PLAIN, 1, tick_ms);
}

void rig_deinit(struct rig *g)
{
    rpc_server_stop(g->server, 0);
    rpc_message_free(atomic_exchange(&g->seen.kept_message, NULL));
    grpc_channel_destroy(g->channel);
    grpc_completion_queue_shutdown(g->cq);
    while (grpc_completion_queue_next(g->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
           GRPC_QUEUE_SHUTDOWN) {
    }
    grpc_completion_queue_destroy(g->cq);
    rpc_server_free(g->server);
    sys_free(g->sys);
}

void rig_await(struct rig *g, _Atomic int *counter, int value)
{
    uint64_t end_ns = sys_mono_ns(g->sys) + PATIENCE_MS * 1000000ull;
    for (;;) {
        uint32_t seen = sys_event_read(&g->seen.event);
        if (atomic_load(counter) >= value)
            return;
        if (sys_mono_ns(g->sys) > end_ns)
            cr_assert_fail("the services did not see it");
        sys_event_wait(&g->seen.event, seen, 1000000);
    }
}

void rig_answer_later(struct rig *g)
{
    g->answer.run = answer_later_run;
    rpc_post(rpc_call_queue(atomic_load(&g->seen.kept_call)), &g->answer);
}

/* ---- client ---- */

static void await_tag(struct ccall *c, struct tag *t)
{
    gpr_timespec end =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(PATIENCE_MS, GPR_TIMESPAN));
    while (!t->done) {
        grpc_event ev = grpc_completion_queue_next(c->rig->cq, end, NULL);
        if (ev.type != GRPC_OP_COMPLETE)
            cr_assert_fail("the client waited too long");
        struct tag *got = ev.tag;
        got->done = true;
        got->ok = ev.success != 0;
    }
}

static void begin(struct ccall *c, const grpc_op *op, struct tag *t)
{
    *t = (struct tag){0};
    cr_assert_eq(grpc_call_start_batch(c->call, op, 1, t, NULL), GRPC_CALL_OK);
}

static void call_begin(struct ccall *c, struct rig *g, const char *path, uint32_t deadline_ms,
                       grpc_metadata *header)
{
    *c = (struct ccall){.rig = g};
    grpc_metadata_array_init(&c->initial);
    grpc_metadata_array_init(&c->trailing);
    gpr_timespec end = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    if (deadline_ms != NO_DEADLINE)
        end = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                           gpr_time_from_millis(deadline_ms, GPR_TIMESPAN));
    c->call = grpc_channel_create_call(g->channel, NULL, 0, g->cq,
                                       grpc_slice_from_static_string(path), NULL, end, NULL);
    grpc_op first = {.op = GRPC_OP_SEND_INITIAL_METADATA,
                     .data.send_initial_metadata = {.count = header ? 1 : 0, .metadata = header}};
    begin(c, &first, &c->begun);
    grpc_op greeting = {.op = GRPC_OP_RECV_INITIAL_METADATA,
                        .data.recv_initial_metadata.recv_initial_metadata = &c->initial};
    begin(c, &greeting, &c->greeted);
    grpc_op end_op = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
                      .data.recv_status_on_client = {.trailing_metadata = &c->trailing,
                                                     .status = &c->status,
                                                     .status_details = &c->details}};
    begin(c, &end_op, &c->ended);
}

void ccall_init(struct ccall *c, struct rig *g, const char *path, uint32_t deadline_ms)
{
    call_begin(c, g, path, deadline_ms, NULL);
}

void ccall_init_header(struct ccall *c, struct rig *g, const char *path, const char *name,
                       const char *value)
{
    grpc_metadata header = {.key = grpc_slice_from_static_string(name),
                            .value = grpc_slice_from_static_string(value)};
    call_begin(c, g, path, PATIENCE_MS, &header);
}

void ccall_deinit(struct ccall *c)
{
    (void)grpc_call_cancel(c->call, NULL);
    await_tag(c, &c->begun);
    await_tag(c, &c->greeted);
    await_tag(c, &c->ended);
    grpc_slice_unref(c->details);
    grpc_metadata_array_destroy(&c->initial);
    grpc_metadata_array_destroy(&c->trailing);
    grpc_call_unref(c->call);
}

void ccall_await_greeting(struct ccall *c)
{
    await_tag(c, &c->greeted);
}

bool ccall_send(struct ccall *c, struct slice message)
{
    grpc_slice s = grpc_slice_from_copied_buffer((const char *)message.data, message.len);
    grpc_byte_buffer *b = grpc_raw_byte_buffer_create(&s, 1);
    grpc_slice_unref(s);
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = b};
    begin(c, &op, &c->sent);
    await_tag(c, &c->sent);
    grpc_byte_buffer_destroy(b);
    return c->sent.ok;
}

bool ccall_half_close(struct ccall *c)
{
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    begin(c, &op, &c->sent);
    await_tag(c, &c->sent);
    return c->sent.ok;
}

long ccall_recv(struct ccall *c, void *out, size_t max)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &c->in};
    begin(c, &op, &c->got);
    await_tag(c, &c->got);
    if (!c->in)
        return -1;
    grpc_byte_buffer_reader r;
    cr_assert(grpc_byte_buffer_reader_init(&r, c->in));
    grpc_slice all = grpc_byte_buffer_reader_readall(&r);
    long len = (long)GRPC_SLICE_LENGTH(all);
    memcpy(out, GRPC_SLICE_START_PTR(all), MIN((size_t)len, max));
    grpc_slice_unref(all);
    grpc_byte_buffer_reader_destroy(&r);
    grpc_byte_buffer_destroy(TAKE(c->in));
    return len;
}

int ccall_status(struct ccall *c)
{
    await_tag(c, &c->ended);
    (void)snprintf(c->text, sizeof(c->text), "%.*s", (int)GRPC_SLICE_LENGTH(c->details),
                   (const char *)GRPC_SLICE_START_PTR(c->details));
    return (int)c->status;
}

struct slice ccall_trailer(const struct ccall *c, const char *name)
{
    for (size_t i = 0; i < c->trailing.count; i++) {
        const grpc_metadata *m = &c->trailing.metadata[i];
        if (grpc_slice_str_cmp(m->key, name) == 0)
            return slice_of(GRPC_SLICE_START_PTR(m->value), GRPC_SLICE_LENGTH(m->value));
    }
    return SLICE_NULL;
}

int unary(struct rig *g, const char *path, struct slice request, char *out, size_t out_max)
{
    struct ccall c;
    ccall_init(&c, g, path, NO_DEADLINE);
    (void)ccall_send(&c, request);
    (void)ccall_half_close(&c);
    long len = ccall_recv(&c, out, out_max - 1);
    int status = ccall_status(&c);
    if (len < 0)
        len = snprintf(out, out_max, "%s", c.text);
    out[MIN((size_t)len, out_max - 1)] = '\0';
    ccall_deinit(&c);
    return status;
}
