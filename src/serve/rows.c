/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice.v1.Rows as calls: who asks, which position must be applied, and where a lookup waits.
 *
 *   arrives ─► allowed? ─► fence p = what is durable of the table now (rule R9)
 *                │ applied ≥ p                     │ not yet, or the door is shut
 *                ▼                                 ▼
 *             read from memory ◄── bell ────── parked, at most LOOKUPS_PARKED_MAX, with a deadline
 *                │ not in memory
 *                ▼
 *             worker ─► back through the queue's mailbox ─► answer
 *
 * Invariants
 *   Q1  no queue thread waits: neither for a position nor for the disk
 *   Q2  a lookup never reads a state older than what was durable of its table when it arrived (I2)
 *   Q3  a parked lookup is never forgotten: it is listed before the applied position is looked at
 *       again, and the apply thread looks at the lists after it has moved that position
 *   Q4  whoever is with the worker holds a reference to its call, its message and its table
 *
 * Thread: a call's queue, except serve__ring() (apply thread) and serve__cold_main() (worker).
 */
#include "serve_priv.h"

#include "auth/auth.h"
#include "base/mem.h"
#include "base/must.h"

enum place { NOWHERE, PARKED, WITH_WORKER };

/* The state of a call. */
struct serve__call {
    struct serve *serve;
    struct serve__lane *lane;
    struct rpc_call *call;
    struct rpc_message *message;
    struct catalog_table *table; /* reference */
    struct serve__request request;
    bronze_pos fence;
    uint64_t began_ns, late_ns;
    enum place place;
    bool gone; /* on_close came while the worker had it */
    TAILQ_ENTRY(serve__call) link;
    /* What the worker found. */
    struct rpc_post post;
    struct buf reply;
    int code;
    char *text;
    uint64_t found;
};

/* ---- answering ---- */

static void let_go(struct serve__call *k)
{
    rpc_message_free(k->message);
    k->message = NULL;
    k->table = catalog_table_unref(k->table);
    k->place = NOWHERE;
}

static void count(struct serve__call *k)
{
    trace_add(&k->serve->lookups, 1);
    trace_hist_add(&k->serve->lookup_hist, (sys_mono_ns(k->serve->o.sys) - k->began_ns) / 1000);
}

static void refuse(struct serve__call *k, int code, const char *text)
{
    trace_add(&k->serve->refused, 1);
    if (code == ERR_DAMAGED) { /* never served (I7): said, with what to do */
        struct err e;
        serve__damage_found(k->serve, text);
        (void)err_set(&e, code, "%.600s. " SERVE__ADVICE, text);
        rpc_finish(k->call, code, e.text);
    } else {
        rpc_finish(k->call, code, text);
    }
    let_go(k);
}

static void reply(struct serve__call *k, struct slice message, uint64_t found)
{
    trace_add(&k->serve->found, found);
    count(k);
    rpc_reply(k->call, message);
    let_go(k);
}

/* ---- waiting for the position ---- */

static bool is_ready(const struct serve__call *k)
{
    const struct serve *s = k->serve;
    return !atomic_load(&s->shut) && atomic_load(&s->applied) >= k->fence;
}

static void ring(struct serve__lane *l)
{
    if (!atomic_exchange(&l->posted, true))
        rpc_post(l->queue, &l->bell);
}

void serve__ring(struct serve *s)
{
    for (unsigned i = 0; i < s->lane_count; i++)
        if (atomic_load(&s->lanes[i].parked_count) > 0)
            ring(&s->lanes[i]);
}

static void park(struct serve__call *k)
{
    struct serve *s = k->serve;
    if (atomic_load(&s->parked_total) >= LOOKUPS_PARKED_MAX) {
        refuse(k, ERR_EXHAUSTED, "too many lookups wait for their position; try again");
        return;
    }
    if (k->late_ns == 0) { /* the first time */
        int64_t left_us = MIN(rpc_call_deadline_us(k->call), LOOKUP_WAIT_MS_MAX * INT64_C(1000));
        k->late_ns = k->began_ns + (uint64_t)MAX(left_us, 0) * 1000;
        trace_add(&s->waited, 1);
    }
    atomic_fetch_add(&s->parked_total, 1);
    k->place = PARKED;
    TAILQ_INSERT_TAIL(&k->lane->parked, k, link);
    atomic_fetch_add(&k->lane->parked_count, 1);
    sys_event_signal(&s->apply.hurry);
    if (is_ready(k))
        ring(k->lane); /* it moved meanwhile (Q3) */
}

static void unpark(struct serve__call *k)
{
    must(k->place == PARKED);
    TAILQ_REMOVE(&k->lane->parked, k, link);
    atomic_fetch_sub(&k->lane->parked_count, 1);
    atomic_fetch_sub(&k->serve->parked_total, 1);
    k->place = NOWHERE;
}

static void refuse_late(struct serve__call *k)
{
    struct serve *s = k->serve;
    struct err e;
    char fault[ERR_TEXT_MAX - 32];
    if (serve_fault(s, fault, sizeof(fault)) > 0)
        (void)err_set(&e, ERR_UNAVAILABLE, "lookups stand still: %s", fault);
    else
        (void)err_set(
            &e, ERR_UNAVAILABLE,
            "the lookup needs position %llu, and the store has reached %llu only; try again",
            (unsigned long long)k->fence, (unsigned long long)atomic_load(&s->applied));
    refuse(k, e.code, e.text);
}

/* ---- the worker ---- */

static void send_to_worker(struct serve__call *k)
{
    struct serve *s = k->serve;
    sys_mutex_lock(&s->cold_lock);
    bool room = s->cold_count < LOOKUPS_COLD_MAX && !atomic_load(&s->stopping);
    if (room) {
        s->cold_count++;
        k->place = WITH_WORKER;
        rpc_call_ref(k->call);
        TAILQ_INSERT_TAIL(&s->cold, k, link);
    }
    sys_mutex_unlock(&s->cold_lock);
    if (!room) {
        refuse(k, ERR_EXHAUSTED, "too many lookups wait for the disk; try again");
        return;
    }
    trace_add(&s->colds, 1);
    sys_event_signal(&s->cold_event);
}

static void drop_answered(struct serve__call *k)
{
    struct rpc_call *call = k->call;
    buf_deinit(&k->reply);
    mem_free(k->text);
    k->text = NULL;
    if (k->message != NULL)
        let_go(k);
    rpc_call_unref(call);
}

/* Back on the queue's thread. */
static void on_answered(struct rpc_post *p, struct rpc_queue *q)
{
    (void)q;
    struct serve__call *k = CONTAINER_OF(p, struct serve__call, post);
    struct serve *s = k->serve;
    sys_mutex_lock(&s->cold_lock);
    TAILQ_REMOVE(&s->answered, k, link);
    s->cold_count--;
    sys_mutex_unlock(&s->cold_lock);
    if (k->gone)
        let_go(k);
    else if (k->code < 0)
        refuse(k, k->code, k->text);
    else
        reply(k, buf_slice(&k->reply), k->found);
    drop_answered(k);
}

static void read_cold(struct serve__call *k, struct serve__scratch *x)
{
    struct serve *s = k->serve;
    struct err e;
    while (!serve__enter(s)) {
        if (atomic_load(&s->stopping)) {
            k->code = ERR_UNAVAILABLE;
            k->text = mem_strdup("the server is stopping");
            return;
        }
        sys_sleep_ms(s->o.sys, 10);
    }
    if (atomic_load(&s->applied) < k->fence) { /* the store was opened again, and is older now */
        k->code = err_set(&e, ERR_UNAVAILABLE, "the store was opened again; try again");
    } else {
        struct serve__view v = {s->o.store, s->o.catalog, k->table, s->cache, false};
        k->code = serve__lookup(&v, &k->request, x, &k->found, &e);
    }
    serve__leave(s);
    if (k->code < 0) {
        k->text = mem_strdup(e.text);
    } else {
        k->reply = x->reply; /* handed over whole */
        x->reply = BUF_NULL;
    }
}

static struct serve__call *take_cold(struct serve *s)
{
    sys_mutex_lock(&s->cold_lock);
    struct serve__call *k = TAILQ_FIRST(&s->cold);
    if (k != NULL) {
        TAILQ_REMOVE(&s->cold, k, link);
        TAILQ_INSERT_TAIL(&s->answered, k, link);
    }
    sys_mutex_unlock(&s->cold_lock);
    return k;
}

void serve__cold_main(void *arg)
{
    struct serve *s = arg;
    struct serve__scratch scratch = {0};
    while (!atomic_load(&s->stopping)) {
        uint32_t seen = sys_event_read(&s->cold_event);
        struct serve__call *k = take_cold(s);
        if (k == NULL) {
            if (!atomic_load(&s->stopping))
                sys_event_wait(&s->cold_event, seen, UINT64_MAX);
            continue;
        }
        read_cold(k, &scratch);
        k->post.run = on_answered;
        rpc_post(k->lane->queue, &k->post);
    }
    serve__scratch_deinit(&scratch);
}

/* The server's threads have ended: nobody runs a post any more. */
void serve__cold_drop(struct serve *s)
{
    struct serve__call *k;
    while ((k = TAILQ_FIRST(&s->cold)) != NULL) {
        TAILQ_REMOVE(&s->cold, k, link);
        drop_answered(k);
    }
    while ((k = TAILQ_FIRST(&s->answered)) != NULL) {
        TAILQ_REMOVE(&s->answered, k, link);
        drop_answered(k);
    }
}

/* ---- reading ---- */

static void attempt(struct serve__call *k)
{
    struct serve *s = k->serve;
    if (!is_ready(k) || !serve__enter(s)) {
        park(k);
        return;
    }
    if (!is_ready(k)) { /* the store was opened again, and is older, meanwhile */
        serve__leave(s);
        park(k);
        return;
    }
    struct err e;
    uint64_t found;
    struct serve__scratch *x = &k->lane->scratch;
    struct serve__view v = {s->o.store, s->o.catalog, k->table, s->cache, true};
    int rc = serve__lookup(&v, &k->request, x, &found, &e);
    serve__leave(s);
    if (rc < 0)
        refuse(k, rc, e.text);
    else if (rc == STORE_COLD)
        send_to_worker(k);
    else
        reply(k, buf_slice(&x->reply), found);
}

void serve__lane_wake(struct serve__lane *l)
{
    uint64_t now_ns = sys_mono_ns(l->serve->o.sys);
    struct serve__call *k, *next;
    for (k = TAILQ_FIRST(&l->parked); k != NULL; k = next) {
        next = TAILQ_NEXT(k, link);
        bool ready = is_ready(k);
        if (!ready && now_ns < k->late_ns)
            continue;
        unpark(k);
        if (ready)
            attempt(k);
        else
            refuse_late(k);
    }
}

static void on_bell(struct rpc_post *p, struct rpc_queue *q)
{
    (void)q;
    struct serve__lane *l = CONTAINER_OF(p, struct serve__lane, bell);
    atomic_store(&l->posted, false); /* before looking: a ring from now on counts */
    serve__lane_wake(l);
}

void serve_on_tick(struct serve *s, struct rpc_queue *q)
{
    struct serve__lane *l = &s->lanes[rpc_queue_index(q)];
    if (atomic_load(&l->parked_count) > 0)
        serve__lane_wake(l);
}

/* ---- a call arrives ---- */

/* The token is kept from call to call: one producer of lookups has one. */
static int authenticate(struct serve__lane *l, struct rpc_call *c, struct err *e)
{
    struct serve *s = l->serve;
    uint8_t hash[AUTH_HASH_BYTES];
    TRY(auth_header_hash(rpc_call_header(c, "authorization"), hash, e));
    int64_t now_us = sys_now_us(s->o.sys);
    struct catalog_token *t = l->token;
    if (t != NULL && !atomic_load(&t->revoked) && memcmp(hash, l->token_hash, sizeof(hash)) == 0 &&
        (t->expires_at_us == 0 || now_us < t->expires_at_us))
        return 0;
    struct catalog_token *found = NULL;
    TRY(catalog_token_by_hash(s->o.catalog, hash, now_us, &found, e));
    catalog_token_unref(l->token);
    l->token = found;
    memcpy(l->token_hash, hash, sizeof(hash));
    return 0;
}

static int find_table(struct serve__lane *l, struct slice name, struct err *e)
{
    char text[TABLE_NAME_BYTES_MAX + 1];
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    TRY(catalog_may(l->token, CATALOG_READ, text, e));
    if (l->table != NULL && strcmp(l->table->name, text) == 0 &&
        !atomic_load(&l->table->live->dropped) &&
        atomic_load(&l->table->live->version) == l->table->version)
        return 0;
    struct catalog_table *t = NULL;
    TRY(catalog_table_by_name(l->serve->o.catalog, text, &t, e));
    catalog_table_unref(l->table);
    l->table = t;
    return 0;
}

/* What was durable of the table when the lookup arrived. */
static bronze_pos fence_of(const struct serve *s, const struct catalog_table *t)
{
    bronze_pos last = atomic_load(&t->live->last_pos);
    if (sys_bug(s->o.sys, SYS_BUG_NO_FENCE))
        return 0; /* against R9 */
    return MIN(last, bronze_durable_pos(s->o.log));
}

static int accept_call(struct serve__call *k, bool multi, struct err *e)
{
    struct serve__lane *l = k->lane;
    TRY(authenticate(l, k->call, e));
    TRY(serve__request_parse(rpc_message_bytes(k->message), multi, &k->request, e));
    TRY(find_table(l, k->request.table, e));
    if (l->table->schema->key_count == 0)
        return err_set(
            e, ERR_PRECONDITION,
            "table %s has no primary key, so its rows cannot be looked up; create it with "
            "one",
            l->table->name);
    k->table = catalog_table_ref(l->table);
    k->fence = fence_of(k->serve, k->table);
    return 0;
}

/* Before the message is received (R5). */
static void on_open(struct rpc_call *c, void *ctx)
{
    struct serve *s = ctx;
    struct err e = {0};
    if (authenticate(&s->lanes[rpc_queue_index(rpc_call_queue(c))], c, &e) == 0)
        return;
    trace_add(&s->refused, 1);
    rpc_finish(c, e.code, e.text);
}

static void start(struct rpc_call *c, struct serve *s, struct rpc_message *m, bool multi)
{
    struct serve__call *k = rpc_call_state(c);
    *k = (struct serve__call){
        .serve = s,
        .lane = &s->lanes[rpc_queue_index(rpc_call_queue(c))],
        .call = c,
        .message = m,
        .began_ns = sys_mono_ns(s->o.sys),
    };
    struct err e;
    int rc = accept_call(k, multi, &e);
    if (rc < 0) {
        refuse(k, rc, e.text);
        return;
    }
    attempt(k);
}

static void on_get(struct rpc_call *c, void *ctx, struct rpc_message *m)
{
    start(c, ctx, m, false);
}

static void on_multi_get(struct rpc_call *c, void *ctx, struct rpc_message *m)
{
    start(c, ctx, m, true);
}

static void on_close(struct rpc_call *c, void *ctx, bool cancelled)
{
    (void)ctx;
    (void)cancelled;
    struct serve__call *k = rpc_call_state(c);
    if (k->place == PARKED) {
        unpark(k);
        let_go(k);
    } else if (k->place == WITH_WORKER) {
        k->gone = true;
    }
}

const struct rpc_method serve__methods[] = {
    {.path = "/sluice.v1.Rows/Get",
     .kind = RPC_UNARY,
     .state_bytes = sizeof(struct serve__call),
     .on_open = on_open,
     .on_message = on_get,
     .on_close = on_close},
    {.path = "/sluice.v1.Rows/MultiGet",
     .kind = RPC_UNARY,
     .state_bytes = sizeof(struct serve__call),
     .on_open = on_open,
     .on_message = on_multi_get,
     .on_close = on_close},
};
const size_t serve__method_count = ARRAY_LEN(serve__methods);

/* ---- lanes ---- */

void serve__lane_init(struct serve__lane *l, struct serve *s, struct rpc_queue *q)
{
    l->serve = s;
    l->queue = q;
    l->bell.run = on_bell;
    TAILQ_INIT(&l->parked);
}

void serve__lane_deinit(struct serve__lane *l)
{
    must(TAILQ_EMPTY(&l->parked));
    serve__scratch_deinit(&l->scratch);
    l->token = catalog_token_unref(l->token);
    l->table = catalog_table_unref(l->table);
}
