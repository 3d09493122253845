/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripted clients. A producer opens a stream, sends requests within its window, half-closes, goes
 * away, or sends garbage at any point; what was not acknowledged on one stream it sends again on
 * the next, as the official SDK does. Readers look keys up. All of it is noted in the model.
 */
#include "sim.h"

#include "base/mem.h"
#include "base/must.h"
#include "codec/codec.h"
#include "codec/wire.h"

#include <stdio.h>
#include <string.h>

#define STREAM_METHOD "/databricks.zerobus.Zerobus/EphemeralStream"
#define WINDOW_MAX    60

enum { REQUEST_CREATE = 1, REQUEST_RECORD = 2, REQUEST_BATCH = 3 };
enum { ANSWER_CREATED = 1, ANSWER_ACK = 2, ANSWER_SIGNAL = 3 };

static void event(struct world *w, enum sim_fault fault)
{
    w->r.events++;
    if (fault != FAULT_COUNT)
        w->r.faults[fault]++;
}

static struct sim_stream *stream_of(struct world *w, const struct sim_client *c)
{
    return &w->m.streams[c->stream];
}

void sim_clients_init(struct world *w)
{
    w->client_count = (uint32_t)sim_between(w, 4, SIM_CLIENTS);
    for (uint32_t i = 0; i < w->client_count; i++)
        w->clients[i] = (struct sim_client){
            .index = i,
            .window = (uint32_t)sim_between(w, 1, WINDOW_MAX),
            .batch_max = sim_one_in(w, 3) ? 0 : (uint32_t)sim_between(w, 1, 30),
            .size_max = (uint32_t)sim_between(w, 50, w->busy_log || sim_one_in(w, 3) ? 6000 : 800),
            .json = sim_one_in(w, 3),
        };
}

/* ---- what is to be sent again ---- */

static void remember(struct sim_client *c, uint32_t request)
{
    if (c->again_count == c->again_cap) {
        c->again_cap = c->again_cap == 0 ? 64 : c->again_cap * 2;
        c->again = mem_realloc(c->again, c->again_cap * sizeof(*c->again));
    }
    c->again[c->again_count++] = request;
}

/* The stream is over for its client: what it has not seen acknowledged it will send again. */
static void leave_stream(struct world *w, struct sim_client *c, bool resend)
{
    if (c->state != CLIENT_IDLE && c->stream != UINT32_MAX) {
        struct sim_stream *s = stream_of(w, c);
        s->ended = true;
        for (uint32_t i = (uint32_t)(s->seen_acked + 1); resend && i < s->request_count; i++)
            remember(c, s->requests[i]);
    }
    c->state = CLIENT_IDLE;
    c->call = NULL;
    c->stream = UINT32_MAX;
}

void sim_clients_die(struct world *w)
{
    for (uint32_t i = 0; i < w->client_count; i++)
        leave_stream(w, &w->clients[i], true);
    for (size_t i = 0; i < ARRAY_LEN(w->lookups); i++)
        w->lookups[i].call = NULL;
}

/* ---- messages ---- */

static void send_message(struct world *w, struct sim_client *c, uint32_t kind, struct buf *body)
{
    struct buf message = BUF_NULL;
    wire_add_bytes(&message, kind, buf_slice(body));
    if (sim_one_in(w, 200)) { /* a broken pipe: half of it is all that comes, as garbage */
        message.len = message.len / 2;
        event(w, FAULT_GARBAGE);
        stream_of(w, c)->spoiled = true;
    }
    sim_wire_send(c->call, buf_slice(&message));
    buf_deinit(&message);
    buf_deinit(body);
    event(w, FAULT_COUNT);
}

static void send_create(struct world *w, struct sim_client *c)
{
    struct buf body = BUF_NULL, descriptor = BUF_NULL;
    wire_add_bytes(&body, 1, slice_str(w->m.tables[c->table].name));
    if (!c->json) {
        codec_table_descriptor(w->schema, "Row", &descriptor);
        wire_add_bytes(&body, 3, buf_slice(&descriptor));
    }
    wire_add_u64(&body, 4, c->json ? 2 : 1);
    buf_deinit(&descriptor);
    sim_trace(w, "client %u creates stream %u on %s", c->index, c->stream,
              w->m.tables[c->table].name);
    send_message(w, c, REQUEST_CREATE, &body);
}

/* A request that the model knows, as bytes. */
static void send_request(struct world *w, struct sim_client *c, uint32_t request)
{
    const struct sim_request *q = &w->m.requests[request];
    struct buf body = BUF_NULL, row = BUF_NULL, batch = BUF_NULL;
    uint32_t field = c->json ? 3 : 2;
    wire_add_u64(&body, 1, (uint64_t)q->offset);
    for (uint32_t i = 0; i < q->row_count; i++) {
        buf_reset(&row);
        sim_row_encode(w, q->first_row + i, c->json, &row);
        if (q->batch)
            wire_add_bytes(&batch, 1, buf_slice(&row));
    }
    wire_add_bytes(&body, field, q->batch ? buf_slice(&batch) : buf_slice(&row));
    buf_deinit(&row);
    buf_deinit(&batch);
    sim_trace(w, "client %u sends %lld of stream %u: rows %u+%u", c->index, (long long)q->offset,
              c->stream, q->first_row, q->row_count);
    send_message(w, c, q->batch ? REQUEST_BATCH : REQUEST_RECORD, &body);
}

static void add_new_request(struct world *w, struct sim_client *c)
{
    bool batch = c->batch_max > 0 && sim_one_in(w, 2);
    uint64_t rows = batch ? sim_below(w, c->batch_max + 1) : 1;
    if (rows == 0 && !stream_of(w, c)->created)
        rows = 1;
    uint32_t request = sim_request_add(w, c->stream, batch);
    for (uint64_t i = 0; i < rows; i++)
        (void)sim_row_add(w, request, (uint32_t)sim_below(w, SIM_KEYS), w->m.logical++);
    send_request(w, c, request);
}

static void send_again(struct world *w, struct sim_client *c)
{
    uint32_t old = c->again[0];
    memmove(c->again, c->again + 1, --c->again_count * sizeof(*c->again));
    uint32_t request = sim_request_add(w, c->stream, w->m.requests[old].batch);
    for (uint32_t i = 0; i < w->m.requests[old].row_count; i++) {
        const struct sim_row *r = &w->m.rows[w->m.requests[old].first_row + i];
        (void)sim_row_add(w, request, r->key, r->logical);
    }
    event(w, FAULT_RESEND);
    send_request(w, c, request);
}

static void send_next(struct world *w, struct sim_client *c)
{
    struct sim_stream *s = stream_of(w, c);
    if ((int64_t)s->request_count - 1 - s->seen_acked >= (int64_t)c->window)
        return;
    if (s->seen_acked + 1 == (int64_t)s->request_count)
        s->progress_ns = sim_now(w);
    bool early = !s->created; /* a request without rows says nothing of its stream */
    if (early && c->again_count > 0 && w->m.requests[c->again[0]].row_count == 0)
        return;
    if (c->again_count > 0)
        send_again(w, c);
    else
        add_new_request(w, c);
}

/* Something that no good client sends. The stream ends by it; earlier requests are acknowledged. */
static void send_garbage(struct world *w, struct sim_client *c)
{
    struct buf b = BUF_NULL;
    uint64_t what = sim_below(w, 4);
    event(w, FAULT_GARBAGE);
    stream_of(w, c)->spoiled = true;
    sim_trace(w, "client %u sends garbage %u", c->index, (unsigned)what);
    if (what == 0) { /* noise */
        for (uint64_t i = sim_between(w, 1, 60); i > 0; i--)
            buf_add_byte(&b, (uint8_t)sim_random(w));
        sim_wire_send(c->call, buf_slice(&b));
    } else if (what == 1) { /* an offset out of order */
        wire_add_u64(&b, 1, stream_of(w, c)->request_count + sim_between(w, 1, 5));
        wire_add_bytes(&b, 2, slice_str(""));
    } else if (what == 2) { /* a row that is none */
        wire_add_u64(&b, 1, stream_of(w, c)->request_count);
        wire_add_bytes(&b, c->json ? 3 : 2, slice_str("{\"k\": 7, "));
    } else { /* a second create */
        wire_add_bytes(&b, 1, slice_str("a.b.c"));
    }
    if (what != 0) {
        struct buf message = BUF_NULL;
        wire_add_bytes(&message, what == 3 ? REQUEST_CREATE : REQUEST_RECORD, buf_slice(&b));
        sim_wire_send(c->call, buf_slice(&message));
        buf_deinit(&message);
    }
    buf_deinit(&b);
}

/* ---- a producer's turn ---- */

static bool pick_table(struct world *w, uint32_t *ret_table)
{
    uint32_t t = (uint32_t)sim_below(w, w->m.table_count);
    *ret_table = t;
    return w->m.tables[t].created == FATE_YES && w->m.tables[t].dropped == FATE_NO;
}

static void open_stream(struct world *w, struct sim_client *c)
{
    if (!pick_table(w, &c->table) && !sim_one_in(w, 20))
        return; /* seldom on purpose: a table that is not there */
    bool stranger = sim_one_in(w, 40);
    c->stream = sim_stream_add(w, c->index, c->table);
    stream_of(w, c)->json = c->json;
    c->call = sim_wire_open(w, STREAM_METHOD, c);
    sim_wire_header(c->call, "authorization",
                    stranger ? "Bearer " SIM_STRANGER : "Bearer " SIM_TOKEN);
    if (sim_one_in(w, 2))
        sim_wire_header(c->call, "x-databricks-zerobus-table-name", w->m.tables[c->table].name);
    c->state = CLIENT_OPENING;
    event(w, FAULT_COUNT);
    if (sim_one_in(w, 60))
        send_garbage(w, c);
    send_create(w, c);
}

static void go_away(struct world *w, struct sim_client *c)
{
    sim_trace(w, "client %u disconnects stream %u", c->index, c->stream);
    sim_wire_disconnect(c->call);
    leave_stream(w, c, true);
    event(w, FAULT_DISCONNECT);
}

void sim_client_turn(struct world *w, struct sim_client *c)
{
    switch (c->state) {
    case CLIENT_IDLE:
        if (!w->ending && !w->draining && sim_one_in(w, 3))
            open_stream(w, c);
        return;
    case CLIENT_OPENING:
        if (sim_one_in(w, 150))
            go_away(w, c);
        else if (sim_one_in(w, 100)) { /* requests before the answer: allowed, and seldom */
            c->state = CLIENT_STREAMING;
        }
        return;
    case CLIENT_STREAMING:
        if (w->ending || sim_one_in(w, 120)) {
            sim_trace(w, "client %u half-closes stream %u", c->index, c->stream);
            sim_wire_half_close(c->call);
            stream_of(w, c)->half_closed = true;
            c->state = CLIENT_CLOSING;
            event(w, FAULT_HALF_CLOSE);
        } else if (sim_one_in(w, 200)) {
            go_away(w, c);
        } else if (sim_one_in(w, 200)) {
            send_garbage(w, c);
        } else {
            send_next(w, c);
        }
        return;
    case CLIENT_CLOSING:
        if (sim_one_in(w, 300))
            go_away(w, c);
        return;
    }
}

/* ---- what the server did ---- */

/* Which answer it is, and its number or text. */
static uint32_t read_answer(struct slice message, struct slice *ret_text, int64_t *ret_offset)
{
    const uint8_t *p = message.data, *end = p + message.len;
    struct wire_field f, g;
    must(wire_next(&p, end, &f) == 1);
    const uint8_t *q = f.bytes.data, *q_end = q + f.bytes.len;
    *ret_offset = 0;
    if (wire_next(&q, q_end, &g) == 1) {
        *ret_offset = (int64_t)g.value;
        *ret_text = g.bytes;
    }
    return f.number;
}

static bool is_client(const struct world *w, const void *owner)
{
    return (const char *)owner >= (const char *)w->clients &&
           (const char *)owner < (const char *)(w->clients + SIM_CLIENTS);
}

static void promise_ack(struct world *w, const struct sim_client *c, int64_t offset)
{
    struct sim_stream *s = stream_of(w, c);
    sim_trace(w, "ack %lld of stream %u", (long long)offset, c->stream);
    sim_check_silence(w);
    if (offset <= s->acked || offset >= (int64_t)s->request_count) {
        sim_violation(w, "I1", "stream %u: ack %lld after %lld, %u requests were sent", c->stream,
                      (long long)offset, (long long)s->acked, s->request_count);
        return;
    }
    for (int64_t i = s->acked + 1; i <= offset; i++) {
        struct sim_request *q = &w->m.requests[s->requests[i]];
        q->acked = true;
        w->r.acked_rows += q->row_count;
    }
    s->acked = offset;
    s->progress_ns = sim_now(w);
}

void sim_on_promise(struct world *w, struct rpc_call *call, void *owner, struct slice message)
{
    struct sim_client *c = owner;
    struct slice text = SLICE_NULL;
    int64_t offset;
    (void)call;
    if (owner == NULL || !is_client(w, owner) || c->stream == UINT32_MAX)
        return;
    if (read_answer(message, &text, &offset) == ANSWER_ACK)
        promise_ack(w, c, offset);
}

void sim_on_message(struct world *w, void *owner, struct slice message)
{
    struct sim_client *c = owner;
    struct slice text = SLICE_NULL;
    int64_t offset;
    if (!is_client(w, owner) || c->stream == UINT32_MAX)
        return;
    struct sim_stream *s = stream_of(w, c);
    uint32_t kind = read_answer(message, &text, &offset);
    if (kind == ANSWER_ACK) {
        s->seen_acked = offset;
        w->r.events++;
    } else if (kind == ANSWER_CREATED) {
        (void)snprintf(s->uuid, sizeof(s->uuid), "%.*s", (int)text.len, (const char *)text.data);
        s->created = true;
        sim_trace(w, "stream %u is created: %s", c->stream, s->uuid);
        if (c->state == CLIENT_OPENING)
            c->state = CLIENT_STREAMING;
    }
}

void sim_on_status(struct world *w, void *owner, int code, const char *text)
{
    struct sim_client *c = owner;
    if (!is_client(w, owner))
        return;
    sim_trace(w, "client %u: stream %u ends with %d %s", c->index, c->stream, code, text);
    if (c->stream == UINT32_MAX)
        return;
    struct sim_stream *s = stream_of(w, c);
    /* A stream that ends well has everything acknowledged. */
    if (code == 0 && s->created && s->half_closed && s->acked + 1 != (int64_t)s->request_count)
        sim_violation(w, "I1", "stream %u ended with OK: %u requests, acknowledged up to %lld",
                      c->stream, s->request_count, (long long)s->acked);
    w->r.events++;
    leave_stream(w, c, code != ERR_INVALID || sim_one_in(w, 2));
}

static bool is_lookup(const struct world *w, const void *owner)
{
    return (const char *)owner >= (const char *)w->lookups &&
           (const char *)owner < (const char *)(w->lookups + ARRAY_LEN(w->lookups));
}

void sim_on_gone(struct world *w, void *owner)
{
    for (size_t i = 0; i < ARRAY_LEN(w->lookups); i++)
        if (owner == &w->lookups[i])
            w->lookups[i].call = NULL;
}

/* ---- readers ---- */

void sim_lookup_turn(struct world *w)
{
    struct sim_lookup *l = &w->lookups[sim_below(w, ARRAY_LEN(w->lookups))];
    uint32_t table;
    if (l->call != NULL) {
        if (sim_one_in(w, 100)) {
            sim_wire_disconnect(l->call);
            l->call = NULL;
        }
        return;
    }
    if (!pick_table(w, &table) || !w->m.tables[table].keyed)
        return;
    *l = (struct sim_lookup){.table = table, .multi = sim_one_in(w, 2), .json = sim_one_in(w, 2)};
    l->key_count = l->multi ? (uint32_t)sim_between(w, 1, ARRAY_LEN(l->keys)) : 1;
    struct buf b = BUF_NULL, key = BUF_NULL;
    wire_add_bytes(&b, 1, slice_str(w->m.tables[table].name));
    for (uint32_t i = 0; i < l->key_count; i++) {
        l->keys[i] = (uint32_t)sim_below(w, SIM_KEYS);
        buf_reset(&key);
        buf_printf(&key, "{\"k\":\"key-%u\"}", l->keys[i]);
        wire_add_bytes(&b, 2, buf_slice(&key));
    }
    wire_add_u64(&b, 3, l->json ? 0 : 1);
    l->call = sim_wire_open(w, l->multi ? "/sluice.v1.Rows/MultiGet" : "/sluice.v1.Rows/Get", l);
    sim_wire_header(l->call, "authorization", "Bearer " SIM_TOKEN);
    sim_wire_send(l->call, buf_slice(&b));
    buf_deinit(&b);
    buf_deinit(&key);
    w->r.events++;
    w->r.lookups++;
}

void sim_on_arrival(struct world *w, void *owner)
{
    struct sim_lookup *l = owner;
    if (!is_lookup(w, owner))
        return;
    sim_tap_follow(w);
    l->arrived = true;
    l->fence = bronze_durable_pos(w->log);
    const char *name = w->m.tables[l->table].name;
    for (uint32_t i = 0; i < w->m.table_count; i++) {
        const struct sim_table *t = &w->m.tables[i];
        if (strcmp(t->name, name) == 0 && t->created == FATE_YES && t->dropped == FATE_NO) {
            l->table = i; /* dropped and made again meanwhile, perhaps */
            l->known = true;
        }
    }
}

void sim_on_reply(struct world *w, void *owner, struct slice message)
{
    if (!is_lookup(w, owner))
        return;
    sim_tap_follow(w);
    sim_check_reply(w, owner, message);
}
