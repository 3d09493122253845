/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of sessions: rpc events in, codec and bronze in between, acks out.
 *
 *   message → request_parse → session_accept → codec_check | json → bronze_append →
 *   session_appended durable end moves → (log thread) ring the queues that wait → (queue thread)
 *   session_step → ack
 *
 * Each queue has a lane: its streams, scratch memory, and the post that the log thread rings. A
 * stream whose request the log cannot take now is parked: it keeps the message, asks for no further
 * one (R6), and tries again when there is room; after PARK_MS_MAX it ends with RESOURCE_EXHAUSTED.
 *
 * A stream whose table is dropped or replaced leaves: it is signalled, its messages are parked, so
 * no row follows, and CATALOG_LEAVE_MS later it ends. The signal says less, so that a client that
 * heeds it goes by itself, before it hears an error. A stream whose token is about to expire is
 * signalled too, and takes rows until then.
 *
 * Invariants: session_priv.h. A row counts for the table's fence (last_pos) before it can be
 * acknowledged.
 * Failure: a stream's fault ends that stream only, after its earlier requests are acknowledged
 * (R8).
 * Thread: everything on the stream's queue thread, but on_durable/on_room (log thread; they only
 * ring).
 */
#include "ingest/ingest.h"

#include "ingest_priv.h"
#include "judge_priv.h"
#include "request_priv.h"
#include "session_priv.h"

#include "auth/auth.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/must.h"
#include "bronze/bronze.h"
#include "catalog/catalog.h"
#include "codec/codec.h"
#include "rpc/rpc.h"
#include "sys/sys.h"
#include "trace/trace.h"

#include <stdio.h>
#include <sys/queue.h>

/* the log is full because followers lag: well below the client's 60 s */
#define PARK_MS_MAX       30000
#define YIELD_MS_MAX      1000 /* a large request lets small ones pass */
#define PARK_SPACE_MS_MAX 5000 /* the disk is full */
#define REVIEW_MS         1000 /* how often tokens and tables of open streams are looked at again */
#define LEAVE_TOLD_MS     (CATALOG_LEAVE_MS / 2) /* the grace of the signal */
#define EXPIRY_TOLD_MS    5000 /* so long before its token expires a stream is signalled */

struct stream {
    struct session session;
    struct ingest *in;
    struct rpc_call *call;
    struct lane *lane;
    struct catalog_token *token;
    struct catalog_table *table;
    struct catalog_table *quarantine; /* NULL: the table has none */
    struct catalog_stream reg;
    bool registered, json, listed, waiting, leaving;
    bool expiry_told; /* or opened when it was near: then its client has no fresher token */
    struct rpc_message *parked;
    uint64_t parked_ns;
    bool parked_space;
    /* Which ticket it waits for, and since which review. */
    uint64_t awaited_ticket, awaited_ns;
    uint64_t leave_ns; /* when it ends, while leaving */
    LIST_ENTRY(stream) all_link;
    TAILQ_ENTRY(stream) wait_link;  /* has something that waits for the durable end */
    TAILQ_ENTRY(stream) park_link;  /* while parked is not NULL */
    TAILQ_ENTRY(stream) leave_link; /* while leaving */
};

struct lane {
    struct ingest *in;
    struct rpc_queue *queue;
    struct rpc_post post; /* rung by the log thread */
    _Atomic bool posted, has_waiters, room;
    LIST_HEAD(, stream) all;
    TAILQ_HEAD(, stream) waiters;
    TAILQ_HEAD(, stream) parked;  /* the longest waiting first */
    TAILQ_HEAD(, stream) leaving; /* the first to end first */
    struct request_rows rows;     /* scratch of the message at hand */
    struct judge judge;
    uint64_t reviewed_ns;
    bool draining;
    uint64_t drain_end_ns; /* what is open then, is ended */
};

struct ingest {
    struct ingest_options o;
    struct bronze_listener listener;
    struct lane *lanes;
    unsigned lane_count;
    _Atomic uint32_t drain_ms; /* 0 = not draining */
    struct trace_hist ack_hist;
    struct trace_counter streams_open, streams_opened, rows, requests, bytes, refused, acks, parked;
    struct trace_counter rejected, quarantined, dropped, warned;
};

static void advance(struct stream *st);

/* ---- ends ---- */

static void refuse(struct stream *st, const struct err *e)
{
    trace_add(&st->in->refused, 1);
    session_end(&st->session, e->code, e->text, SLICE_NULL);
}

/* Rows of the message at hand that failed rules of the table. */
static void count_rules(const struct stream *st)
{
    const struct judge *j = &st->lane->judge;
    const struct catalog_properties *p = &st->table->properties;
    for (uint32_t i = 0; j->failed_rules && i < RULES_PER_TABLE_MAX; i++)
        if (j->rule_fails[i] > 0)
            atomic_fetch_add(&p->rule_fails[i], j->rule_fails[i]);
}

/* For the message at hand, whose rows may be to blame. */
static void refuse_message(struct stream *st, const struct err *e)
{
    const struct judge *j = &st->lane->judge;
    if (j->details.len > 0) {
        trace_add(&st->in->rejected, j->report.total);
        atomic_fetch_add(&st->table->live->rows_rejected, j->report.total);
        count_rules(st);
    }
    trace_add(&st->in->refused, 1);
    session_end(&st->session, e->code, e->text, buf_slice(&j->details));
}

static void perform(struct stream *st, const struct session_action *a)
{
    uint8_t answer[REQUEST_ANSWER_MAX];
    size_t len = 0;
    switch (a->what) {
    case DO_NOTHING: return;
    case DO_FINISH:
        rpc_finish_detailed(st->call, st->session.end_code, st->session.end_text,
                            buf_slice(&st->session.end_details));
        return;
    case DO_SEND_CREATED: len = answer_created(answer, st->reg.uuid); break;
    case DO_SEND_SIGNAL: len = answer_signal(answer, a->grace_ms); break;
    case DO_SEND_ACK:
        len = answer_ack(answer, a->offset);
        trace_add(&st->in->acks, 1);
        if (a->waited_from_ns != 0)
            trace_hist_add(&st->in->ack_hist,
                           (sys_mono_ns(st->in->o.sys) - a->waited_from_ns) / 1000);
        break;
    }
    rpc_send(st->call, slice_of(answer, len));
}

/* Let the session act, and keep the lane's list of waiters true. */
static void advance(struct stream *st)
{
    struct session_action a = session_step(&st->session, bronze_durable_ticket(st->in->o.log));
    perform(st, &a);
    bool waits = session_waits(&st->session);
    if (waits == st->waiting)
        return;
    st->waiting = waits;
    if (waits)
        TAILQ_INSERT_TAIL(&st->lane->waiters, st, wait_link);
    else
        TAILQ_REMOVE(&st->lane->waiters, st, wait_link);
    atomic_store(&st->lane->has_waiters, !TAILQ_EMPTY(&st->lane->waiters));
}

static void advance_waiters(struct lane *lane)
{
    uint64_t durable = bronze_durable_ticket(lane->in->o.log);
    struct stream *st, *next;
    for (st = TAILQ_FIRST(&lane->waiters); st != NULL; st = next) {
        next = TAILQ_NEXT(st, wait_link);
        if (session_waits_for(&st->session) <= durable && !st->session.sending)
            advance(st);
    }
}

/* ---- create ---- */

/* How long its token is in force yet; UINT64_MAX: for ever. */
static uint64_t token_ms_left(const struct stream *st)
{
    uint64_t end_us = st->token->expires_at_us, now_us = sys_now_us(st->in->o.sys);
    if (end_us == 0)
        return UINT64_MAX;
    return end_us > now_us ? (end_us - now_us) / 1000 : 0;
}

static int authenticate(struct stream *st, struct err *e)
{
    struct ingest *in = st->in;
    uint8_t hash[AUTH_HASH_BYTES];
    TRY(auth_header_hash(rpc_call_header(st->call, "authorization"), hash, e));
    TRY(catalog_token_by_hash(in->o.catalog, hash, sys_now_us(in->o.sys), &st->token, e));
    st->expiry_told = token_ms_left(st) <= EXPIRY_TOLD_MS;
    if (atomic_fetch_add(&st->token->streams_open, 1) >= STREAMS_PER_PRINCIPAL_MAX)
        return err_set(e, ERR_EXHAUSTED, "token %s holds %d streams already: close some first",
                       st->token->name, STREAMS_PER_PRINCIPAL_MAX);
    if (trace_read(&in->streams_open) > STREAMS_MAX)
        return err_set(e, ERR_EXHAUSTED, "the server holds %d streams already", STREAMS_MAX);
    struct slice table = rpc_call_header(st->call, "x-databricks-zerobus-table-name");
    if (table.data == NULL)
        return 0; /* asked again when create_stream names the table */
    char name[TABLE_NAME_BYTES_MAX + 1];
    if (table.len > TABLE_NAME_BYTES_MAX)
        return err_set(e, ERR_INVALID, "the table name in the metadata is too long");
    (void)snprintf(name, sizeof(name), "%.*s", (int)table.len, (const char *)table.data);
    return catalog_may(st->token, CATALOG_WRITE, name, e);
}

static int check_create(struct stream *st, const struct request *r, char *name, struct err *e)
{
    if (r->table.len == 0 || r->table.len > TABLE_NAME_BYTES_MAX ||
        memchr(r->table.data, 0, r->table.len) != NULL)
        return err_set(e, ERR_INVALID,
                       "create_stream names no table, or one with more than %d bytes",
                       TABLE_NAME_BYTES_MAX);
    memcpy(name, r->table.data, r->table.len);
    name[r->table.len] = '\0';
    struct slice header = rpc_call_header(st->call, "x-databricks-zerobus-table-name");
    if (header.data != NULL && !slice_eq(header, r->table))
        return err_set(
            e, ERR_INVALID,
            "create_stream names table %s, but the metadata x-databricks-zerobus-table-name "
            "names %.*s",
            name, (int)header.len, (const char *)header.data);
    int64_t type = r->has_type ? r->type : FORMAT_PROTO;
    if (type == 4)
        return err_set(e, ERR_UNSUPPORTED,
                       "table %s: record type AVRO is not supported; use PROTO or JSON", name);
    if (type != 1 && type != 2)
        return err_set(e, ERR_INVALID,
                       "table %s: record_type %lld is unknown; use PROTO (1) or JSON (2)", name,
                       (long long)type);
    if (type == 1 && r->descriptor.len == 0)
        return err_set(e, ERR_INVALID, "table %s: a PROTO stream needs descriptor_proto", name);
    if (r->descriptor.len > DESCRIPTOR_BYTES_MAX)
        return err_set(e, ERR_INVALID,
                       "table %s: descriptor_proto has %zu bytes, at most %d are taken", name,
                       r->descriptor.len, DESCRIPTOR_BYTES_MAX);
    if (catalog_is_quarantine(name))
        return err_set(
            e, ERR_DENIED,
            "table %s: only the server writes into a quarantine table; to bring its rows "
            "into their table use sluice quarantine replay",
            name);
    st->json = type == 2;
    return catalog_may(st->token, CATALOG_WRITE, name, e);
}

/* Where bad rows of the version that the stream works with go. */
static int find_quarantine(struct stream *st, struct err *e)
{
    const struct catalog_table *t = st->reg.table;
    if (!catalog_quarantines(&t->properties))
        return 0;
    char *name = catalog_quarantine_name(t->name);
    int rc = catalog_table_by_name(st->in->o.catalog, name, &st->quarantine, e);
    mem_free(name);
    if (rc == 0)
        atomic_fetch_add(&st->quarantine->live->streams_open, 1); /* its drop waits for us too */
    return rc;
}

/* 0, BRONZE_FULL or BRONZE_NO_SPACE (park), or an error. */
static int create(struct stream *st, const struct request *r, struct err *e)
{
    struct catalog *c = st->in->o.catalog;
    char name[TABLE_NAME_BYTES_MAX + 1];
    if (st->session.phase != SESSION_OPENED)
        return err_set(e, ERR_INVALID,
                       "create_stream came a second time; a stream is created once");
    TRY(check_create(st, r, name, e));
    st->table = catalog_table_unref(st->table); /* of an earlier try: it may be another one now */
    TRY(catalog_table_by_name(c, name, &st->table, e));
    int rc = catalog_open_stream(c, st->table, st->json ? SLICE_NULL : r->descriptor,
                                 st->token->name, &st->reg, e);
    if (rc < 0)
        return err_wrap(e, "table %s", name);
    if (rc > 0)
        return rc;
    rc = find_quarantine(st, e);
    if (rc < 0) {
        catalog_close_stream(c, &st->reg);
        return err_wrap(e, "table %s", name);
    }
    catalog_table_unref(st->table);
    st->table = catalog_table_ref(st->reg.table); /* the version that it works with from now on */
    st->registered = true;
    atomic_fetch_add(&st->table->live->streams_open, 1);
    session_created(&st->session, st->reg.ticket);
    return 0;
}

/* ---- rows ---- */

static int check_rows(struct stream *st, const struct request *r, struct err *e)
{
    struct request_rows *rows = &st->lane->rows;
    enum request_format want = st->json ? FORMAT_JSON : FORMAT_PROTO;
    if (r->format != want && !(r->format == FORMAT_NONE && r->kind == REQUEST_BATCH))
        return err_set(
            e, ERR_INVALID,
            "table %s, offset %lld: the request carries %s, the stream was created for %s",
            st->table->name, (long long)r->offset,
            r->format == FORMAT_NONE    ? "no record"
            : r->format == FORMAT_PROTO ? "protobuf"
            : r->format == FORMAT_JSON  ? "JSON"
                                        : "Avro",
            st->json ? "JSON" : "protobuf");
    if (request_rows(r, rows, e) < 0)
        return err_wrap(e, "table %s, offset %lld", st->table->name, (long long)r->offset);
    if (rows->bytes > REQUEST_BYTES_MAX)
        return err_set(
            e, ERR_INVALID,
            "table %s, offset %lld: the request holds %llu bytes of records, at most %u are taken",
            st->table->name, (long long)r->offset, (unsigned long long)rows->bytes,
            REQUEST_BYTES_MAX);
    const struct judge_by by = {st->table, st->quarantine, st->reg.plan,   st->reg.descriptor_id,
                                st->json,  st->reg.uuid,   st->token->name};
    int64_t now_us = st->quarantine != NULL ? sys_now_us(st->in->o.sys) : 0;
    return ingest__judge_rows(&st->lane->judge, &by, r->offset, now_us, rows, e);
}

void ingest__raise_last_pos(struct catalog_table *t, uint64_t pos)
{
    uint64_t seen = atomic_load_explicit(&t->live->last_pos, memory_order_relaxed);
    while (seen < pos && !atomic_compare_exchange_weak(&t->live->last_pos, &seen, pos))
        ;
}

/* Small requests have passed it for so long that it is its turn. */
static bool has_waited(const struct stream *st)
{
    return st->parked != NULL &&
           sys_mono_ns(st->in->o.sys) - st->parked_ns > YIELD_MS_MAX * 1000000ull;
}

/* What has become of the rows of a request that is in the log. */
static void count_rows(struct stream *st, const struct bronze_append *good,
                       const struct bronze_append *bad)
{
    struct ingest *in = st->in;
    const struct judge *j = &st->lane->judge;
    struct catalog_live *live = st->table->live;
    if (good->row_count > 0)
        ingest__raise_last_pos(st->table, good->last_pos);
    atomic_fetch_add_explicit(&live->rows_appended, good->row_count, memory_order_relaxed);
    trace_add(&in->rows, good->row_count + bad->row_count);
    if (bad->row_count > 0) {
        ingest__raise_last_pos(st->quarantine, bad->last_pos);
        atomic_fetch_add(&st->quarantine->live->rows_appended, bad->row_count);
        atomic_fetch_add(&live->rows_quarantined, bad->row_count);
        trace_add(&in->quarantined, bad->row_count);
    }
    if (unlikely(j->dropped + j->warned > 0)) {
        atomic_fetch_add(&live->rows_dropped, j->dropped);
        atomic_fetch_add(&live->rows_warned, j->warned);
        trace_add(&in->dropped, j->dropped);
        trace_add(&in->warned, j->warned);
    }
    count_rules(st);
}

/* The rows that were judged, and those for quarantine behind them, as one request of the log. */
static int append_rows(struct stream *st, const struct request *r, bool urgent, struct err *e)
{
    const struct request_rows *rows = &st->lane->rows;
    const struct judge *j = &st->lane->judge;
    struct bronze_append bad = {
        .kind = BRONZE_ROWS,
        .stream_id = st->reg.id,
        .offset = (uint64_t)r->offset,
        .rows = j->bad_rows,
        .row_count = j->bad_count,
    };
    struct bronze_append a = {
        .kind = r->kind == REQUEST_RECORD && rows->count == 1 ? BRONZE_SINGLES : BRONZE_ROWS,
        .table_id = st->table->id,
        .descriptor_id = st->reg.descriptor_id,
        .stream_id = st->reg.id,
        .offset = (uint64_t)r->offset,
        .rows = rows->rows,
        .row_count = rows->count,
        .urgent = urgent,
    };
    if (bad.row_count > 0) {
        bad.table_id = st->quarantine->id;
        bad.descriptor_id = st->quarantine->own_id;
        a.also = &bad;
    }
    int rc = bronze_append(st->in->o.log, &a);
    if (rc < 0)
        return err_set(
            e, ERR_INVALID,
            "table %s, offset %lld: the request does not fit into a block of the log (%u bytes)%s",
            st->table->name, (long long)r->offset, BLOCK_BYTES_MAX,
            bad.row_count > 0 ? " with its bad rows: send smaller ones" : "");
    if (rc > 0)
        return rc;
    count_rows(st, &a, &bad);
    session_appended(&st->session, a.ticket,
                     st->session.count == 0 ? sys_mono_ns(st->in->o.sys) : 0);
    trace_add(&st->in->requests, 1);
    trace_add(&st->in->bytes, rows->bytes);
    return 0;
}

/* Does one of its tables take no rows for now? */
static bool is_slowed(const struct stream *st)
{
    return atomic_load_explicit(&st->table->live->slowed, memory_order_relaxed) ||
           (st->quarantine != NULL &&
            atomic_load_explicit(&st->quarantine->live->slowed, memory_order_relaxed));
}

/* Has one of its tables been dropped or replaced? */
static bool is_gone(const struct stream *st)
{
    return atomic_load_explicit(&st->table->live->dropped, memory_order_relaxed) ||
           (st->quarantine != NULL &&
            atomic_load_explicit(&st->quarantine->live->dropped, memory_order_relaxed));
}

/* It takes no further rows: what it sends now is parked until it ends. */
static void leave(struct stream *st)
{
    if (st->leaving)
        return;
    st->leaving = true;
    st->leave_ns = sys_mono_ns(st->in->o.sys) + CATALOG_LEAVE_MS * 1000000ull;
    TAILQ_INSERT_TAIL(&st->lane->leaving, st, leave_link);
    session_signal(&st->session, LEAVE_TOLD_MS);
}

static int take_rows(struct stream *st, const struct request *r, struct err *e)
{
    if (session_accept(&st->session, r->has_offset, r->offset, e) < 0)
        return st->table != NULL ? err_wrap(e, "table %s", st->table->name) : e->code;
    if (is_gone(st)) {
        leave(st);
        return BRONZE_FULL;
    }
    if (is_slowed(st))
        return BRONZE_FULL; /* only this table's: the log itself may have room */
    bool urgent = has_waited(st);
    int rc = 0;
    if (r->record.len >= LARGE_REQUEST_BYTES && !urgent)
        rc = bronze_room(st->in->o.log, r->record.len);
    if (rc > 0)
        return rc;
    TRY(check_rows(st, r, e));
    return append_rows(st, r, urgent, e);
}

/* ---- events of a call ---- */

static void park(struct stream *st, struct rpc_message *m, bool space)
{
    if (st->parked == NULL) {
        st->parked_ns = sys_mono_ns(st->in->o.sys);
        trace_add(&st->in->parked, 1);
        TAILQ_INSERT_TAIL(&st->lane->parked, st, park_link);
    }
    st->parked = m;
    st->parked_space = space;
}

/* Not parked any more; its message (NULL: it was not parked) is the caller's. */
static struct rpc_message *unpark(struct stream *st)
{
    if (st->parked != NULL)
        TAILQ_REMOVE(&st->lane->parked, st, park_link);
    return TAKE(st->parked);
}

static void take_message(struct stream *st, struct rpc_message *m)
{
    struct err e; /* set when it fails: not cleared for each message */
    struct request r;
    buf_reset(&st->lane->judge.details);
    int rc = request_parse(rpc_message_bytes(m), &r, &e);
    if (rc == 0)
        rc = r.kind == REQUEST_CREATE ? create(st, &r, &e) : take_rows(st, &r, &e);
    if (rc > 0) {
        park(st, m, rc == BRONZE_NO_SPACE);
        advance(st);
        return;
    }
    (void)unpark(st); /* @m, if it was parked */
    rpc_message_free(m);
    if (rc < 0)
        refuse_message(st, &e);
    else
        rpc_recv(st->call);
    advance(st);
}

static void on_message(struct rpc_call *c, void *ctx, struct rpc_message *m)
{
    (void)ctx;
    struct stream *st = rpc_call_state(c);
    if (st->session.phase >= SESSION_ENDING) {
        rpc_message_free(m);
        return;
    }
    take_message(st, m);
}

static void on_open(struct rpc_call *c, void *ctx)
{
    struct ingest *in = ctx;
    struct stream *st = rpc_call_state(c);
    st->in = in;
    st->call = c;
    st->lane = &in->lanes[rpc_queue_index(rpc_call_queue(c))];
    LIST_INSERT_HEAD(&st->lane->all, st, all_link);
    st->listed = true;
    session_init(&st->session);
    trace_add(&in->streams_open, 1);
    trace_add(&in->streams_opened, 1);
    struct err e = {0};
    if (authenticate(st, &e) < 0) {
        trace_add(&in->refused, 1);
        st->session.phase = SESSION_ENDED;
        rpc_finish(c, e.code, e.text);
        return;
    }
    if (atomic_load(&in->drain_ms) != 0) {
        st->session.phase = SESSION_ENDED;
        rpc_finish(c, ERR_UNAVAILABLE, "the server is shutting down: connect again later");
        return;
    }
    rpc_recv(c);
}

static void on_half_close(struct rpc_call *c, void *ctx)
{
    (void)ctx;
    struct stream *st = rpc_call_state(c);
    if (st->session.phase == SESSION_OPENED) {
        st->session.phase = SESSION_ENDED;
        rpc_finish(c, 0, "");
        return;
    }
    session_half_closed(&st->session);
    advance(st);
}

static void on_sent(struct rpc_call *c, void *ctx)
{
    (void)ctx;
    struct stream *st = rpc_call_state(c);
    session_sent(&st->session);
    advance(st);
}

static void on_close(struct rpc_call *c, void *ctx, bool cancelled)
{
    (void)cancelled; /* what was received stays appended and becomes durable all the same */
    struct ingest *in = ctx;
    struct stream *st = rpc_call_state(c);
    if (!st->listed)
        return;
    LIST_REMOVE(st, all_link);
    if (st->waiting)
        TAILQ_REMOVE(&st->lane->waiters, st, wait_link);
    atomic_store(&st->lane->has_waiters, !TAILQ_EMPTY(&st->lane->waiters));
    if (st->leaving)
        TAILQ_REMOVE(&st->lane->leaving, st, leave_link);
    rpc_message_free(unpark(st));
    if (st->registered) {
        atomic_fetch_sub(&st->table->live->streams_open, 1);
        if (st->quarantine != NULL)
            atomic_fetch_sub(&st->quarantine->live->streams_open, 1);
        catalog_close_stream(in->o.catalog, &st->reg);
    }
    st->table = catalog_table_unref(st->table);
    st->quarantine = catalog_table_unref(st->quarantine);
    if (st->token != NULL)
        atomic_fetch_sub(&st->token->streams_open, 1);
    st->token = catalog_token_unref(st->token);
    session_deinit(&st->session);
    trace_add(&in->streams_open, (uint64_t)-1);
}

static const struct rpc_method ephemeral_stream = {
    .path = "/databricks.zerobus.Zerobus/EphemeralStream",
    .kind = RPC_STREAM,
    .state_bytes = sizeof(struct stream),
    .on_open = on_open,
    .on_message = on_message,
    .on_half_close = on_half_close,
    .on_sent = on_sent,
    .on_close = on_close,
};

/* ---- lanes ---- */

static void retry_parked(struct lane *lane)
{
    struct stream *st, *next;
    for (st = TAILQ_FIRST(&lane->parked); st != NULL; st = next) {
        next = TAILQ_NEXT(st, park_link);
        if (st->session.phase >= SESSION_ENDING)
            rpc_message_free(unpark(st));
        else
            take_message(st, st->parked);
    }
}

static void on_post(struct rpc_post *p, struct rpc_queue *q)
{
    (void)q;
    struct lane *lane = CONTAINER_OF(p, struct lane, post);
    atomic_store(&lane->posted, false);
    if (atomic_exchange(&lane->room, false))
        retry_parked(lane);
    advance_waiters(lane);
}

static void ring(struct lane *lane)
{
    if (!atomic_exchange(&lane->posted, true))
        rpc_post(lane->queue, &lane->post);
}

static void on_durable(void *ctx)
{
    struct ingest *in = ctx;
    for (unsigned i = 0; i < in->lane_count; i++)
        if (atomic_load(&in->lanes[i].has_waiters))
            ring(&in->lanes[i]);
}

static void on_room(void *ctx)
{
    struct ingest *in = ctx;
    for (unsigned i = 0; i < in->lane_count; i++) {
        atomic_store(&in->lanes[i].room, true);
        ring(&in->lanes[i]);
    }
}

void ingest_on_idle(struct ingest *in, struct rpc_queue *q)
{
    advance_waiters(&in->lanes[rpc_queue_index(q)]);
}

/* It has waited for the same block longer than any healthy device takes. Asked at each review. */
static bool is_stuck(struct stream *st, uint64_t now_ns)
{
    uint64_t ticket = session_waits(&st->session) ? session_waits_for(&st->session) : 0;
    if (ticket <= bronze_durable_ticket(st->in->o.log) || ticket != st->awaited_ticket) {
        st->awaited_ticket = ticket;
        st->awaited_ns = now_ns;
        return false;
    }
    return now_ns - st->awaited_ns > PARK_MS_MAX * 1000000ull;
}

static int no_room(const char *why, struct err *e)
{
    return err_set(e, ERR_EXHAUSTED,
                   "the log has no room for further rows (%s); what was acknowledged is safe, send "
                   "the rest again later",
                   why);
}

/* Parked for too long: whose fault is it? */
static int no_room_for(const struct stream *st, struct err *e)
{
    if (st->parked_space)
        return no_room("the disk is full", e);
    if (st->table != NULL && is_slowed(st))
        return err_set(
            e, ERR_EXHAUSTED,
            "table %s takes no further rows: its lake does not take them, and there is no more "
            "room for rows that wait (spill_bytes, the disk); what was acknowledged is safe, send "
            "the rest again later",
            st->table->name);
    return no_room("its readers lag behind", e);
}

/* A client that hears it comes again with a fresh token, before the old one's end is an error. */
static bool tell_expiry(struct stream *st)
{
    uint64_t left_ms = token_ms_left(st);
    if (st->expiry_told || left_ms > EXPIRY_TOLD_MS)
        return false;
    st->expiry_told = true;
    session_signal(&st->session, (uint32_t)left_ms);
    return true;
}

/* May the stream go on? */
static int judge(struct stream *st, uint64_t now_ns, struct err *e)
{
    const struct catalog_token *token = st->token;
    bool stuck = is_stuck(st, now_ns);
    uint64_t limit_ms = st->parked_space ? PARK_SPACE_MS_MAX : PARK_MS_MAX;
    if (atomic_load(&token->revoked) || token_ms_left(st) == 0)
        return err_set(e, ERR_UNAUTHENTICATED, "token %s has expired or was revoked", token->name);
    if (stuck)
        return no_room("its device does not finish a write", e);
    if (st->parked != NULL && !st->leaving && now_ns - st->parked_ns > limit_ms * 1000000)
        return no_room_for(st, e);
    return 0;
}

/* It has ended and waits for the log: a log that stands still is not waited for. */
static void review_ending(struct stream *st, uint64_t now_ns)
{
    struct err e = {0};
    bool stuck = is_stuck(st, now_ns);
    if (!stuck && st->session.end_code != ERR_EXHAUSTED)
        return;
    (void)no_room("its device does not finish a write", &e);
    session_abandon(&st->session, bronze_durable_ticket(st->in->o.log), e.code, e.text);
    advance(st);
}

/* Once a second: streams whose token is no longer in force or the log has no room for end, those
 * whose table is gone begin to leave, those whose token is about to expire hear it. */
static void review(struct lane *lane, uint64_t now_ns)
{
    struct stream *st, *next;
    for (st = LIST_FIRST(&lane->all); st != NULL; st = next) {
        next = LIST_NEXT(st, all_link);
        if (st->token == NULL)
            continue;
        if (st->session.phase >= SESSION_ENDING) {
            review_ending(st, now_ns);
            continue;
        }
        struct err e = {0};
        if (judge(st, now_ns, &e) < 0) {
            rpc_message_free(unpark(st));
            refuse(st, &e);
        } else if (st->registered && is_gone(st)) {
            leave(st);
        } else if (!tell_expiry(st)) {
            continue;
        }
        advance(st);
    }
}

/* Why a stream that has left had to. */
static int say_gone(const struct stream *st, struct err *e)
{
    const char *name = st->table->name;
    struct err part = {0};
    _cleanup_(row_schema_unrefp) struct row_schema *next =
        catalog_replaced_by(st->in->o.catalog, st->table);
    if (next != NULL && row_schema_fits(codec_plan_schema(st->reg.plan), next, &part) < 0)
        return err_set(e, ERR_INVALID,
                       "table %s was replaced: %s; open a new stream with the columns it has now",
                       name, part.text);
    if (next != NULL)
        return err_set(e, ERR_INVALID, "table %s was replaced; open a new stream", name);
    if (atomic_load(&st->table->live->dropped))
        return err_set(e, ERR_NOT_FOUND, "table %s has been dropped", name);
    if (is_gone(st))
        return err_set(e, ERR_UNAVAILABLE,
                       "table %s: its quarantine table has been dropped; open the stream again",
                       name);
    return err_set(e, ERR_UNAVAILABLE, /* the log did not take its drop */
                   "table %s was not dropped after all; open the stream again", name);
}

/* Those whose grace is over. */
static void end_leaving(struct lane *lane, uint64_t now_ns)
{
    struct stream *st;
    while ((st = TAILQ_FIRST(&lane->leaving)) != NULL && st->leave_ns <= now_ns) {
        TAILQ_REMOVE(&lane->leaving, st, leave_link);
        st->leaving = false;
        if (st->session.phase >= SESSION_ENDING)
            continue;
        struct err e = {0};
        (void)say_gone(st, &e); /* gives the code again */
        rpc_message_free(unpark(st));
        refuse(st, &e);
        advance(st);
    }
}

static void drain(struct lane *lane, uint64_t now_ns)
{
    uint32_t drain_ms = atomic_load(&lane->in->drain_ms);
    lane->draining = true;
    lane->drain_end_ns = now_ns + drain_ms * 1000000ull;
    struct stream *st, *next;
    for (st = LIST_FIRST(&lane->all); st != NULL; st = next) {
        next = LIST_NEXT(st, all_link);
        session_signal(&st->session, drain_ms);
        advance(st);
    }
}

/* The grace is over: what was received is acknowledged yet, nothing more is taken. */
static void end_drained(struct lane *lane)
{
    struct stream *st, *next;
    for (st = LIST_FIRST(&lane->all); st != NULL; st = next) {
        next = LIST_NEXT(st, all_link);
        if (st->session.phase >= SESSION_ENDING)
            continue;
        rpc_message_free(unpark(st));
        session_end(&st->session, ERR_UNAVAILABLE,
                    "the server is shutting down: connect again later", SLICE_NULL);
        advance(st);
    }
}

void ingest_on_tick(struct ingest *in, struct rpc_queue *q)
{
    struct lane *lane = &in->lanes[rpc_queue_index(q)];
    uint64_t now_ns = sys_mono_ns(in->o.sys);
    if (atomic_load(&in->drain_ms) != 0 && !lane->draining)
        drain(lane, now_ns);
    if (lane->draining && now_ns >= lane->drain_end_ns)
        end_drained(lane);
    end_leaving(lane, now_ns);
    advance_waiters(lane);
    retry_parked(lane);
    if (now_ns - lane->reviewed_ns < REVIEW_MS * 1000000ull)
        return;
    lane->reviewed_ns = now_ns;
    review(lane, now_ns);
}

void ingest_drain(struct ingest *in, uint32_t grace_ms)
{
    atomic_store(&in->drain_ms, MAX(grace_ms, 1u));
}

/* ---- life ---- */

struct ingest *ingest_new(const struct ingest_options *o)
{
    struct ingest *in = mem_zalloc(sizeof(*in));
    in->o = *o;
    in->lane_count = rpc_queue_count(o->server);
    in->lanes = mem_calloc(in->lane_count, sizeof(*in->lanes));
    for (unsigned i = 0; i < in->lane_count; i++) {
        struct lane *lane = &in->lanes[i];
        lane->in = in;
        lane->queue = rpc_queue_at(o->server, i);
        lane->post.run = on_post;
        LIST_INIT(&lane->all);
        TAILQ_INIT(&lane->waiters);
        TAILQ_INIT(&lane->parked);
        TAILQ_INIT(&lane->leaving);
    }
    in->listener = (struct bronze_listener){on_durable, on_room, in, NULL};
    bronze_listen(o->log, &in->listener);
    rpc_server_add(o->server, &ephemeral_stream, in);
    return in;
}

struct ingest *ingest_free(struct ingest *in)
{
    if (in == NULL)
        return NULL;
    for (unsigned i = 0; i < in->lane_count; i++) {
        mem_free(in->lanes[i].rows.rows);
        ingest__judge_deinit(&in->lanes[i].judge);
    }
    mem_free(in->lanes);
    mem_free(in);
    return NULL;
}

const struct ingest_options *ingest__options(const struct ingest *in)
{
    return &in->o;
}

void ingest_read_counters(const struct ingest *in, struct ingest_counters *ret_counters)
{
    *ret_counters = (struct ingest_counters){
        .streams_open = trace_read(&in->streams_open),
        .streams_opened = trace_read(&in->streams_opened),
        .rows = trace_read(&in->rows),
        .requests = trace_read(&in->requests),
        .bytes = trace_read(&in->bytes),
        .refused = trace_read(&in->refused),
        .acks = trace_read(&in->acks),
        .parked = trace_read(&in->parked),
        .rejected = trace_read(&in->rejected),
        .quarantined = trace_read(&in->quarantined),
        .dropped = trace_read(&in->dropped),
        .warned = trace_read(&in->warned),
    };
}

const struct trace_hist *ingest_ack_hist(const struct ingest *in)
{
    return &in->ack_hist;
}
