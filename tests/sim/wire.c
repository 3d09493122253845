/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A made-up rpc: the functions of rpc/rpc.h that the services call, and the client's side of each
 * call. What a client sends waits in the call's inbox until the service asks for it; what the
 * service sends is a promise at once (sim_on_promise) and reaches the client one event later, or,
 * when the server dies before that, never.
 *
 * One event at a time: sim_wire_turn() picks a call of a queue, by chance, and does one thing for
 * it. So every order that a transport could show comes up.
 */
#include "sim.h"

#include "base/mem.h"
#include "base/must.h"
#include "rpc/rpc.h"

#include "ingest/ingest.h"
#include "serve/serve.h"

#include <string.h>

#define METHODS_MAX 8
#define HEADERS_MAX 3

struct rpc_queue {
    struct rpc_server *server;
    unsigned index;
    struct rpc_post *posts; /* oldest first */
};
struct rpc_server {
    struct world *world;
    struct rpc_queue queues[SIM_LANES];
    const struct rpc_method *methods[METHODS_MAX];
    void *contexts[METHODS_MAX];
    size_t method_count;
    struct rpc_call *calls;
    unsigned opened;
};
struct rpc_message {
    struct buf bytes;
    struct rpc_message *next;
};
struct rpc_call {
    struct rpc_server *server;
    struct rpc_queue *queue;
    const struct rpc_method *method;
    void *context, *state, *owner;
    struct {
        const char *name, *value;
    } headers[HEADERS_MAX];
    struct rpc_message *inbox;
    bool opened, asked, half_closed, half_told, sending, finished, cancelled, closed, told;
    struct buf out, text;
    int code, refs;
    struct rpc_call *next;
};

/* ---- what the services call ---- */

void rpc_server_add(struct rpc_server *r, const struct rpc_method *m, void *ctx)
{
    must(r->method_count < METHODS_MAX);
    r->methods[r->method_count] = m;
    r->contexts[r->method_count++] = ctx;
}

unsigned rpc_queue_count(const struct rpc_server *r)
{
    (void)r;
    return SIM_LANES;
}

struct rpc_queue *rpc_queue_at(const struct rpc_server *r, unsigned index)
{
    return &((struct rpc_server *)(uintptr_t)r)->queues[index];
}

unsigned rpc_queue_index(const struct rpc_queue *q)
{
    return q->index;
}

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
    for (size_t i = 0; i < HEADERS_MAX; i++)
        if (c->headers[i].name != NULL && strcmp(c->headers[i].name, name) == 0)
            return slice_str(c->headers[i].value);
    return SLICE_NULL;
}

int64_t rpc_call_deadline_us(struct rpc_call *c)
{
    (void)c;
    return INT64_MAX;
}

void rpc_recv(struct rpc_call *c)
{
    c->asked = true;
}

void rpc_send(struct rpc_call *c, struct slice message)
{
    must(!c->sending);
    if (c->finished || c->cancelled)
        return;
    sim_on_promise(c->server->world, c, c->owner, message);
    buf_reset(&c->out);
    buf_add_slice(&c->out, message);
    c->sending = true;
}

void rpc_finish(struct rpc_call *c, int code, const char *text)
{
    if (c->finished || c->cancelled)
        return;
    c->finished = true;
    c->code = code;
    buf_add_str(&c->text, text);
}

void rpc_finish_detailed(struct rpc_call *c, int code, const char *text, struct slice details)
{
    (void)details;
    rpc_finish(c, code, text);
}

void rpc_reply(struct rpc_call *c, struct slice message)
{
    if (c->finished || c->cancelled)
        return;
    c->finished = true;
    sim_on_reply(c->server->world, c->owner, message);
}

bool rpc_is_finished(const struct rpc_call *c)
{
    return c->finished || c->cancelled;
}

void rpc_call_ref(struct rpc_call *c)
{
    c->refs++;
}

void rpc_call_unref(struct rpc_call *c)
{
    must(c->refs > 0);
    c->refs--;
}

struct slice rpc_message_bytes(struct rpc_message *m)
{
    return buf_slice(&m->bytes);
}

void rpc_message_free(struct rpc_message *m)
{
    if (m == NULL)
        return;
    buf_deinit(&m->bytes);
    mem_free(m);
}

void rpc_post(struct rpc_queue *q, struct rpc_post *p)
{
    struct rpc_post **at = &q->posts;
    while (*at != NULL)
        at = &(*at)->next;
    p->next = NULL;
    *at = p;
}

/* ---- the client's side ---- */

struct rpc_server *sim_wire_new(struct world *w)
{
    struct rpc_server *r = mem_zalloc(sizeof(*r));
    r->world = w;
    for (unsigned i = 0; i < SIM_LANES; i++)
        r->queues[i] = (struct rpc_queue){r, i, NULL};
    return r;
}

struct rpc_call *sim_wire_open(struct world *w, const char *method, void *owner)
{
    struct rpc_server *r = w->wire;
    struct rpc_call *c = mem_zalloc(sizeof(*c));
    for (size_t i = 0; i < r->method_count; i++)
        if (strcmp(r->methods[i]->path, method) == 0) {
            c->method = r->methods[i];
            c->context = r->contexts[i];
        }
    must(c->method != NULL);
    c->server = r;
    c->queue = &r->queues[r->opened++ % SIM_LANES];
    c->owner = owner;
    c->state = mem_zalloc(c->method->state_bytes + 1);
    c->asked = c->method->kind == RPC_UNARY;
    struct rpc_call **at = &r->calls;
    while (*at != NULL)
        at = &(*at)->next;
    *at = c;
    return c;
}

void sim_wire_header(struct rpc_call *c, const char *name, const char *value)
{
    size_t i = 0;
    while (c->headers[i].name != NULL)
        i++;
    c->headers[i].name = name;
    c->headers[i].value = value;
}

void sim_wire_send(struct rpc_call *c, struct slice message)
{
    struct rpc_message *m = mem_zalloc(sizeof(*m)), **at = &c->inbox;
    buf_add_slice(&m->bytes, message);
    while (*at != NULL)
        at = &(*at)->next;
    *at = m;
}

void sim_wire_half_close(struct rpc_call *c)
{
    c->half_closed = true;
}

void sim_wire_disconnect(struct rpc_call *c)
{
    c->cancelled = true;
    c->owner = NULL;
}

bool sim_wire_is_busy(const struct world *w)
{
    return w->wire->calls != NULL;
}

/* ---- events ---- */

static void remove_call(struct rpc_call *c)
{
    struct rpc_call **at = &c->server->calls;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    while (c->inbox != NULL) {
        struct rpc_message *m = c->inbox;
        c->inbox = m->next;
        rpc_message_free(m);
    }
    buf_deinit(&c->out);
    buf_deinit(&c->text);
    mem_free(c->state);
    mem_free(c);
}

static void close_call(struct world *w, struct rpc_call *c)
{
    if (!c->told && c->owner != NULL)
        sim_on_status(w, c->owner, c->code, buf_cstr(&c->text));
    c->told = true;
    if (c->owner != NULL)
        sim_on_gone(w, c->owner);
    c->owner = NULL;
    c->closed = true;
    if (c->method->on_close != NULL)
        c->method->on_close(c, c->context, c->cancelled);
    if (c->refs == 0)
        remove_call(c);
}

static void deliver_message(struct world *w, struct rpc_call *c)
{
    struct rpc_message *m = c->inbox;
    c->inbox = m->next;
    c->asked = false;
    if (c->method->kind == RPC_UNARY && c->owner != NULL)
        sim_on_arrival(w, c->owner);
    c->method->on_message(c, c->context, m);
}

static void deliver_sent(struct world *w, struct rpc_call *c)
{
    if (c->owner != NULL)
        sim_on_message(w, c->owner, buf_slice(&c->out));
    c->sending = false;
    if (!c->finished)
        c->method->on_sent(c, c->context);
}

/* Does one thing for the call; false: there is nothing. */
static bool step_call(struct world *w, struct rpc_call *c)
{
    if (c->closed)
        return false;
    if (!c->opened) {
        c->opened = true;
        if (c->method->on_open != NULL)
            c->method->on_open(c, c->context);
        return true;
    }
    if (c->cancelled || (c->finished && !c->sending)) {
        close_call(w, c);
        return true;
    }
    bool can_take = c->asked && c->inbox != NULL && !c->finished;
    if (c->sending && (!can_take || sim_one_in(w, 2))) {
        deliver_sent(w, c);
        return true;
    }
    if (can_take) {
        deliver_message(w, c);
        return true;
    }
    if (c->asked && c->half_closed && !c->half_told && !c->finished && c->inbox == NULL) {
        c->half_told = true;
        c->asked = false;
        if (c->method->on_half_close != NULL)
            c->method->on_half_close(c, c->context);
        return true;
    }
    return false;
}

static bool step_calls(struct world *w, unsigned lane)
{
    unsigned count = 0;
    for (const struct rpc_call *c = w->wire->calls; c != NULL; c = c->next)
        count += c->queue->index == lane;
    if (count == 0)
        return false;
    uint64_t skip = sim_below(w, count);
    for (unsigned round = 0; round < 2; round++)
        for (struct rpc_call *c = w->wire->calls; c != NULL; c = c->next) {
            if (c->queue->index != lane || (round == 0 && skip > 0 && skip--))
                continue;
            if (step_call(w, c))
                return true;
        }
    return false;
}

bool sim_wire_turn(struct world *w, unsigned lane)
{
    struct rpc_queue *q = &w->wire->queues[lane];
    struct rpc_post *p = q->posts;
    if (p != NULL && sim_one_in(w, 2)) {
        q->posts = p->next;
        p->run(p, q);
        return true;
    }
    bool did = step_calls(w, lane);
    if (!did && p != NULL) {
        q->posts = p->next;
        p->run(p, q);
        did = true;
    }
    if (!did || sim_one_in(w, 4))
        ingest_on_idle(w->ingest, q);
    return did;
}

void sim_wire_tick(struct world *w, unsigned lane)
{
    ingest_on_tick(w->ingest, &w->wire->queues[lane]);
    serve_on_tick(w->serve, &w->wire->queues[lane]);
}
