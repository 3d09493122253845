/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: its methods, its listeners, its queues; start and stop.
 *
 * Stop, in this order (rule R3): the core takes no more calls; the present ones get their grace;
 * the rest is cancelled; when the core says that everything is gone, each queue's thread shuts its
 * own completion queue down and ends; then the core's server goes. A start that fails half way
 * takes the same road, with queues that have no thread run by the caller.
 *
 * The core's server and the queues' completion queues exist from start to free.
 */
#include "rpc_priv.h"

#include "args.h"
#include "base/mem.h"
#include "base/must.h"

#include <dlfcn.h>
#include <grpc/grpc_security.h>

/* Requests for a call that each queue keeps open with the core: more let a burst of calls be
 * matched without waiting for our thread. */
#define ACCEPTS_UNARY  16
#define ACCEPTS_STREAM 4

static void on_down(struct rpc__tag *t, bool ok)
{
    (void)ok;
    struct rpc_server *r = CONTAINER_OF(t, struct rpc_server, down_tag);
    atomic_store(&r->down, true);
    sys_event_signal(&r->down_event);
}

/*
 * Debian builds Abseil with its debugging aid on: each lock that the core takes is entered into a
 * graph that is searched for possible deadlocks, some percent of the cost of a message. The switch
 * is public, but C++; where it does not exist under this name, nothing happens.
 */
static void lock_checks_off(void)
{
    static const char name[] =
        "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE";
    void (*set_mode)(int);
    void *found = dlsym(RTLD_DEFAULT, name);
    memcpy(&set_mode, &found, sizeof(set_mode));
    if (found)
        set_mode(0); /* OnDeadlockCycle::kIgnore */
}

int rpc_server_new(struct sys *s, const struct rpc_options *o, struct rpc_server **ret_server,
                   struct err *e)
{
    if (o->queue_count == 0)
        return err_set(e, ERR_INVALID, "rpc: at least one queue is needed");
    if (!o->listen_tls && !o->listen_plain)
        return err_set(e, ERR_INVALID, "rpc: no address to listen on");
    if (o->listen_tls && (!o->tls_cert_pem || !o->tls_key_pem))
        return err_set(e, ERR_INVALID, "rpc: TLS needs a certificate and a key");
    struct rpc_server *r = mem_zalloc(sizeof(*r));
    r->sys = s;
    r->listen_tls = o->listen_tls ? mem_strdup(o->listen_tls) : NULL;
    r->listen_plain = o->listen_plain ? mem_strdup(o->listen_plain) : NULL;
    r->cert_pem = o->listen_tls ? mem_strdup(o->tls_cert_pem) : NULL;
    r->key_pem = o->listen_tls ? mem_strdup(o->tls_key_pem) : NULL;
    r->tick_ms = o->tick_ms;
    r->memory_bytes = o->memory_bytes;
    r->down_tag.run = on_down;
    r->queue_count = o->queue_count;
    size_t queues_bytes = sizeof(struct rpc_queue) * o->queue_count;
    r->queues = mem_aligned(64, queues_bytes);
    memset(r->queues, 0, queues_bytes);
    for (unsigned i = 0; i < r->queue_count; i++)
        rpc__queue_init(&r->queues[i], r, i);
    lock_checks_off();
    grpc_init();
    *ret_server = r;
    return 0;
}

void rpc_server_add(struct rpc_server *r, const struct rpc_method *m, void *ctx)
{
    must(!r->started);
    must(m->on_message);
    r->entries = mem_realloc(r->entries, (r->entry_count + 1) * sizeof(*r->entries));
    r->entries[r->entry_count++] = (struct rpc__entry){m, ctx};
}

void rpc_server_hooks(struct rpc_server *r, void (*on_idle)(struct rpc_queue *q, void *ctx),
                      void (*on_tick)(struct rpc_queue *q, void *ctx), void *ctx)
{
    must(!r->started);
    r->on_idle = on_idle;
    r->on_tick = on_tick;
    r->hooks_ctx = ctx;
}

/* ---- start ---- */

static int listen_plain(struct rpc_server *r, struct err *e)
{
    if (!r->listen_plain)
        return 0;
    grpc_server_credentials *creds = grpc_insecure_server_credentials_create();
    r->port_plain = grpc_server_add_http2_port(r->server, r->listen_plain, creds);
    grpc_server_credentials_release(creds);
    if (r->port_plain <= 0)
        return err_set(e, ERR_UNAVAILABLE,
                       "cannot listen on %s (wrong address, or the port is in use)",
                       r->listen_plain);
    return 0;
}

/* The core answers one zero for every fault: an address that always works tells which it is. */
static bool credentials_work(struct rpc_server *r, grpc_server_credentials *creds)
{
    return grpc_server_add_http2_port(r->server, "127.0.0.1:0", creds) > 0;
}

static int listen_tls(struct rpc_server *r, struct err *e)
{
    if (!r->listen_tls)
        return 0;
    grpc_ssl_pem_key_cert_pair pair = {.private_key = r->key_pem, .cert_chain = r->cert_pem};
    grpc_server_credentials *creds = grpc_ssl_server_credentials_create_ex(
        NULL, &pair, 1, GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE, NULL);
    if (!creds)
        return err_set(e, ERR_INVALID, "the TLS certificate or key is not usable");
    r->port_tls = grpc_server_add_http2_port(r->server, r->listen_tls, creds);
    bool usable = r->port_tls > 0 || credentials_work(r, creds);
    grpc_server_credentials_release(creds);
    if (!usable)
        return err_set(e, ERR_INVALID, "the TLS certificate or key is not usable");
    if (r->port_tls <= 0)
        return err_set(e, ERR_UNAVAILABLE,
                       "cannot listen on %s (wrong address, or the port is in use)", r->listen_tls);
    return 0;
}

/* One slot more than methods: the last takes the calls of unknown methods. */
static void make_slots(struct rpc_server *r)
{
    for (unsigned i = 0; i < r->queue_count; i++) {
        struct rpc_queue *q = &r->queues[i];
        q->slot_count = r->entry_count + 1;
        q->slots = mem_calloc(q->slot_count, sizeof(*q->slots));
        for (size_t k = 0; k < q->slot_count; k++) {
            bool known = k < r->entry_count;
            struct rpc__slot *s = &q->slots[k];
            s->queue = q;
            s->method = known ? r->entries[k].method : &rpc__unknown_method;
            s->ctx = known ? r->entries[k].ctx : NULL;
            rpc__pool_init(&s->calls, rpc__call_bytes(s->method), RPC__POOL_KEEP_MAX);
        }
    }
}

static int register_methods(struct rpc_server *r, struct err *e)
{
    for (size_t k = 0; k < r->entry_count; k++) {
        const struct rpc_method *m = r->entries[k].method;
        void *registered = grpc_server_register_method(
            r->server, m->path, NULL,
            rpc__comes_with_message(m) ? GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER
                                       : GRPC_SRM_PAYLOAD_NONE,
            0);
        if (!registered)
            return err_set(e, ERR_EXISTS, "rpc: method %s is there already", m->path);
        for (unsigned i = 0; i < r->queue_count; i++)
            r->queues[i].slots[k].registered = registered;
    }
    return 0;
}

static void accept_all(struct rpc_queue *q)
{
    for (size_t k = 0; k < q->slot_count; k++) {
        unsigned count = q->slots[k].method->kind == RPC_UNARY ? ACCEPTS_UNARY : ACCEPTS_STREAM;
        for (unsigned n = 0; n < count; n++)
            rpc__accept(&q->slots[k]);
    }
}

/*
 * Bytes of a message that has not ended are with the core, and nothing here sees them: clients that
 * hold back the end of large messages are met by the core's quota, which ends streams, anybody's,
 * until it is kept. Its arguments copy the quota's reference.
 */
static void create_core(struct rpc_server *r)
{
    grpc_arg list[RPC_ARGS_MAX];
    grpc_channel_args args = {.num_args = rpc_args_server(list), .args = list};
    grpc_resource_quota *quota = NULL;
    if (r->memory_bytes != 0) {
        quota = grpc_resource_quota_create("sluice");
        grpc_resource_quota_resize(quota, (size_t)r->memory_bytes);
        must(args.num_args < RPC_ARGS_MAX);
        list[args.num_args++] = (grpc_arg){
            .type = GRPC_ARG_POINTER,
            .key = (char *)(uintptr_t)GRPC_ARG_RESOURCE_QUOTA, /* only read */
            .value.pointer = {quota, grpc_resource_quota_arg_vtable()},
        };
    }
    r->server = grpc_server_create(&args, NULL);
    if (quota != NULL)
        grpc_resource_quota_unref(quota);
}

static int start_core(struct rpc_server *r, struct err *e)
{
    create_core(r);
    for (unsigned i = 0; i < r->queue_count; i++) {
        rpc__queue_open(&r->queues[i]);
        grpc_server_register_completion_queue(r->server, r->queues[i].cq, NULL);
    }
    make_slots(r);
    TRY(register_methods(r, e));
    TRY(listen_tls(r, e));
    TRY(listen_plain(r, e));
    grpc_server_start(r->server);
    for (unsigned i = 0; i < r->queue_count; i++)
        accept_all(&r->queues[i]);
    return 0;
}

static int start_threads(struct rpc_server *r, struct err *e)
{
    for (unsigned i = 0; i < r->queue_count; i++) {
        _cleanup_(mem_freep) char *name = mem_printf("rpc-%u", i);
        int code =
            sys_thread_start(r->sys, name, rpc__queue_run, &r->queues[i], &r->queues[i].thread);
        if (code < 0)
            return err_set(e, code, "rpc: cannot start thread %s", name);
    }
    return 0;
}

static void end_queues(struct rpc_server *r)
{
    for (unsigned i = 0; i < r->queue_count; i++)
        rpc_post(&r->queues[i], &r->queues[i].close_post);
    for (unsigned i = 0; i < r->queue_count; i++) {
        if (r->queues[i].thread)
            sys_thread_join(TAKE(r->queues[i].thread));
        else
            rpc__queue_run(&r->queues[i]);
    }
    r->stopped = true;
}

int rpc_server_start(struct rpc_server *r, struct err *e)
{
    must(!r->started);
    r->started = true;
    int code = start_core(r, e);
    if (code == 0)
        code = start_threads(r, e);
    if (code == 0)
        return 0;
    grpc_server_shutdown_and_notify(r->server, r->queues[0].cq, &r->down_tag);
    end_queues(r);
    return code;
}

/* ---- stop ---- */

/* Returns whether the core's server is down, at the latest after @wait_us. */
static bool wait_down(struct rpc_server *r, uint64_t wait_us)
{
    uint64_t begin_ns = sys_mono_ns(r->sys);
    for (;;) {
        uint32_t seen = sys_event_read(&r->down_event);
        if (atomic_load(&r->down))
            return true;
        uint64_t gone_us = (sys_mono_ns(r->sys) - begin_ns) / 1000;
        if (gone_us >= wait_us)
            return false;
        sys_event_wait(&r->down_event, seen, MIN(wait_us - gone_us, 1000000));
    }
}

void rpc_server_stop(struct rpc_server *r, uint32_t grace_ms)
{
    if (!r->started || r->stopped)
        return;
    for (unsigned i = 0; i < r->queue_count; i++)
        must(!rpc__queue_is_mine(&r->queues[i]));
    grpc_server_shutdown_and_notify(r->server, r->queues[0].cq, &r->down_tag);
    if (!wait_down(r, (uint64_t)grace_ms * 1000)) {
        grpc_server_cancel_all_calls(r->server);
        bool down = wait_down(r, UINT64_MAX);
        must(down);
    }
    end_queues(r);
}

struct rpc_server *rpc_server_free(struct rpc_server *r)
{
    if (!r)
        return NULL;
    must(!r->started || r->stopped);
    if (r->server)
        grpc_server_destroy(r->server);
    for (unsigned i = 0; i < r->queue_count; i++)
        rpc__queue_deinit(&r->queues[i]);
    grpc_shutdown();
    mem_free(r->queues);
    mem_free(r->entries);
    mem_free(r->listen_tls);
    mem_free(r->listen_plain);
    mem_free(r->cert_pem);
    mem_free(r->key_pem);
    mem_free(r);
    return NULL;
}

/* ---- what others ask ---- */

int rpc_server_port_tls(const struct rpc_server *r)
{
    return r->port_tls;
}

int rpc_server_port_plain(const struct rpc_server *r)
{
    return r->port_plain;
}

unsigned rpc_queue_count(const struct rpc_server *r)
{
    return r->queue_count;
}

struct rpc_queue *rpc_queue_at(const struct rpc_server *r, unsigned index)
{
    must(index < r->queue_count);
    return &r->queues[index];
}

unsigned rpc_queue_index(const struct rpc_queue *q)
{
    return q->index;
}

static uint64_t counter(const _Atomic uint64_t *c)
{
    return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)c, memory_order_relaxed);
}

void rpc_server_counters(const struct rpc_server *r, struct rpc_counters *ret_counters)
{
    struct rpc_counters sum = {.queues = r->queue_count};
    for (unsigned i = 0; i < r->queue_count; i++) {
        const struct rpc_queue *q = &r->queues[i];
        uint64_t closed = counter(&q->calls_closed); /* first: never more closed than opened */
        uint64_t opened = counter(&q->calls_opened);
        sum.calls_opened += opened;
        sum.calls_open += opened - closed;
        sum.messages_received += counter(&q->messages_received);
        sum.messages_sent += counter(&q->messages_sent);
        sum.bytes_received += counter(&q->bytes_received);
        sum.rings += counter(&q->rings);
    }
    *ret_counters = sum;
}
