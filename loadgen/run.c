/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: stream rows and check every ack. latency: the same with one row in flight.
 *
 * A lane is one stream and what is known about it. In closed loop its rows are made and appended
 * in the ack callback, on the client's thread, so that no other thread stands between the ack and
 * the next row; the first row of each lane comes from the main thread. With --rate the main thread
 * appends what is due each millisecond, and latency counts from when a row was due.
 *
 * Rows of one burst share a time stamp; a burst is at most 64 requests.
 *
 * Lock: one per lane, around its counters and bursts; taken before the stream's own.
 */
#include "ledger.h"
#include "loadgen.h"
#include "rowset.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/must.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IN_FLIGHT_DEFAULT 16384
/* Of one stream, unless so many requests are asked for: making more takes a part of a second, in
 * which no ack is taken. */
#define BYTES_IN_FLIGHT     (32ull * 1024 * 1024)
#define BYTES_IN_FLIGHT_MAX (256ull * 1024 * 1024)
#define SECONDS_DEFAULT    10
#define BURST_REQUESTS_MAX 64
#define DRAIN_MS_MAX       60000
#define LIVE_MS            500

struct burst {
    int64_t first, end; /* offsets first … end - 1 */
    uint64_t at_ns;
};

struct run;

struct lane {
    struct run *run;
    const struct rowset *set;
    char *table;
    uint64_t stream_no;
    struct sluice_stream *stream;
    pthread_mutex_t lock;
    /* Under the lock. */
    struct rows *rows;
    struct slice held; /* a row that found no room; data NULL = none */
    struct buf scratch;
    struct sluice_bytes *batch;
    uint64_t batch_rows;        /* made and not yet appended */
    struct ledger_lane *ledger; /* NULL: none is kept */
    uint64_t rows_quota, rows_made, rows_sent, bytes_sent;
    int64_t last_offset; /* appended; -1 = none */
    int64_t acked;
    uint64_t acks, acks_wrong;
    struct burst *bursts;
    uint64_t burst_mask, burst_first, burst_end;
    bool ended;
    struct sluice_error error;
};

struct run {
    const struct options *o;
    const struct rowset_group *group;
    uint64_t lane_count, client_count, in_flight;
    struct lane *lanes;
    struct sluice_client **clients;
    struct ledger *ledger; /* --ledger */
    atomic_bool stopping;
    struct trace_counter rows_acked;
    struct trace_hist ack_ns;
    uint64_t started_ns, stopped_ns, rows_in_time;
};

/* ---- making and appending rows; under the lane's lock ---- */

static void burst_note(struct lane *l, int64_t offset, uint64_t at_ns)
{
    if (l->burst_end > l->burst_first) {
        struct burst *b = &l->bursts[(l->burst_end - 1) & l->burst_mask];
        if (b->at_ns == at_ns) {
            b->end = offset + 1;
            return;
        }
    }
    must(l->burst_end - l->burst_first <= l->burst_mask);
    l->bursts[l->burst_end++ & l->burst_mask] = (struct burst){offset, offset + 1, at_ns};
}

static int append_row(struct lane *l, int64_t at_us, int64_t *ret_offset)
{
    if (l->held.data == NULL)
        l->held = rows_next(l->rows, at_us);
    struct sluice_bytes row = {l->held.data, l->held.len};
    int r = sluice_stream_append(l->stream, row, 0, ret_offset);
    if (r != SLUICE_OK)
        return r;
    if (l->ledger != NULL)
        ledger_row(l->ledger, *ret_offset, l->rows_sent, l->held);
    l->held = SLICE_NULL;
    l->rows_sent++;
    l->bytes_sent += row.len;
    return r;
}

static void batch_make(struct lane *l, int64_t at_us)
{
    uint64_t left = l->rows_quota - l->rows_sent;
    l->batch_rows = MIN(l->run->o->batch, left);
    buf_reset(&l->scratch);
    for (uint64_t i = 0; i < l->batch_rows; i++) {
        struct slice row = rows_next(l->rows, at_us);
        buf_add_slice(&l->scratch, row);
        l->batch[i].len = row.len;
    }
    const uint8_t *p = l->scratch.data;
    for (uint64_t i = 0; i < l->batch_rows; i++) {
        l->batch[i].data = p;
        p += l->batch[i].len;
    }
}

static int append_batch(struct lane *l, int64_t at_us, int64_t *ret_offset)
{
    if (l->batch_rows == 0)
        batch_make(l, at_us);
    int r = sluice_stream_append_batch(l->stream, l->batch, l->batch_rows, 0, ret_offset);
    if (r != SLUICE_OK)
        return r;
    for (uint64_t i = 0; l->ledger != NULL && i < l->batch_rows; i++)
        ledger_row(l->ledger, *ret_offset, l->rows_sent + i,
                   slice_of(l->batch[i].data, l->batch[i].len));
    l->rows_sent += l->batch_rows;
    l->bytes_sent += l->scratch.len;
    l->batch_rows = 0;
    return r;
}

/* Append until there is no room, the quota or @rows_max is reached. */
static void fill(struct lane *l, uint64_t rows_max, uint64_t due_ns)
{
    const bool single = l->run->o->batch == 1;
    uint64_t at_ns = 0;
    int64_t at_us = 0;
    for (unsigned n = 0; l->rows_sent < l->rows_quota && l->rows_sent < rows_max; n++) {
        if (n % BURST_REQUESTS_MAX == 0) {
            if (atomic_load_explicit(&l->run->stopping, memory_order_relaxed))
                return;
            at_us = wall_us();
            at_ns = due_ns != 0 ? due_ns : now_ns();
        }
        int64_t offset;
        int r = single ? append_row(l, at_us, &offset) : append_batch(l, at_us, &offset);
        if (r != SLUICE_OK)
            return; /* no room: the next ack comes here; ended: on_end tells */
        l->acks_wrong += offset != l->last_offset + 1;
        l->last_offset = offset;
        burst_note(l, offset, at_ns);
    }
}

/* Rows that the requests up to @offset hold: only the last request may be smaller. */
static uint64_t rows_upto(const struct lane *l, int64_t offset)
{
    return MIN((uint64_t)(offset + 1) * l->run->o->batch, l->rows_sent);
}

/* ---- acks, on the client's thread ---- */

static void latencies_add(struct lane *l, int64_t offset)
{
    uint64_t now = now_ns();
    while (l->burst_first < l->burst_end) {
        struct burst *b = &l->bursts[l->burst_first & l->burst_mask];
        if (b->first > offset)
            return;
        int64_t end = MIN(b->end, offset + 1);
        uint64_t rows = rows_upto(l, end - 1) - rows_upto(l, b->first - 1);
        trace_hist_add_n(&l->run->ack_ns, now > b->at_ns ? now - b->at_ns : 0, rows);
        if (end < b->end) {
            b->first = end;
            return;
        }
        l->burst_first++;
    }
}

static void on_ack(void *ctx, struct sluice_stream *s, int64_t offset)
{
    (void)s;
    struct lane *l = ctx;
    pthread_mutex_lock(&l->lock);
    if (offset <= l->acked || offset > l->last_offset) {
        l->acks_wrong++;
    } else {
        latencies_add(l, offset);
        trace_add(&l->run->rows_acked, rows_upto(l, offset) - rows_upto(l, l->acked));
        l->acked = offset;
        if (l->ledger != NULL)
            ledger_ack(l->ledger, offset);
    }
    l->acks++;
    if (l->run->o->rate == 0)
        fill(l, UINT64_MAX, 0);
    pthread_mutex_unlock(&l->lock);
}

static void on_end(void *ctx, struct sluice_stream *s)
{
    struct lane *l = ctx;
    pthread_mutex_lock(&l->lock);
    l->ended = true;
    (void)sluice_stream_error(s, &l->error); /* it has ended */
    pthread_mutex_unlock(&l->lock);
}

/* ---- opening and closing ---- */

static int lane_open(struct run *r, uint64_t index)
{
    const struct options *o = r->o;
    struct lane *l = &r->lanes[index];
    l->run = r;
    l->set = r->group->sets[index % r->group->set_count];
    l->stream_no = o->first_stream + index;
    const char *schema = o->table != NULL ? o->table : r->group->schema;
    if (o->table != NULL && r->group->set_count == 1)
        l->table = mem_strdup(o->table);
    else
        l->table = mem_printf("%s.%s", schema, l->set->name);
    pthread_mutex_init(&l->lock, NULL);
    bool json = strcmp(o->record, "json") == 0;
    l->rows =
        rows_new(&(struct rows_options){l->set, json, l->stream_no, o->key_count, o->bad_share});
    l->batch = mem_calloc(o->batch, sizeof(*l->batch));
    l->rows_quota = UINT64_MAX;
    if (o->count > 0)
        l->rows_quota = o->count / r->lane_count + (index < o->count % r->lane_count);
    l->last_offset = l->acked = -1;
    l->burst_mask = 1;
    while (l->burst_mask < r->in_flight)
        l->burst_mask = l->burst_mask * 2 + 1;
    l->bursts = mem_calloc(l->burst_mask + 1, sizeof(*l->bursts));

    struct buf descriptor = BUF_NULL;
    if (!json)
        rowset_descriptor(l->set, &descriptor);
    struct sluice_stream_options so = {
        .table = l->table,
        .record = json ? SLUICE_JSON : SLUICE_PROTO,
        .descriptor = {descriptor.data, descriptor.len},
        .rows_in_flight_max = (uint32_t)r->in_flight,
        .bytes_in_flight_max = o->in_flight != 0 ? BYTES_IN_FLIGHT_MAX : BYTES_IN_FLIGHT,
        .on_ack = on_ack,
        .on_end = on_end,
        .ctx = l,
    };
    struct sluice_error e;
    int code = sluice_stream_open(r->clients[index % r->client_count], &so, &l->stream, &e);
    buf_deinit(&descriptor);
    if (code != SLUICE_OK) {
        fprintf(stderr, "stream %" PRIu64 " into %s: status %d: %s\n", l->stream_no, l->table,
                e.status, e.text);
        return EXIT_SYSTEM;
    }
    if (r->ledger != NULL)
        l->ledger = ledger_lane_new(r->ledger, sluice_stream_id(l->stream), l->table,
                                    &(struct rows_options){l->set, json, l->stream_no, 0, 0});
    return EXIT_FINE;
}

static void lane_close(struct lane *l)
{
    if (l->stream != NULL && l->error.status == 0) {
        struct sluice_error e;
        if (sluice_stream_close(l->stream, DRAIN_MS_MAX, &e) != SLUICE_OK)
            l->error = e;
    } else {
        (void)sluice_stream_close(l->stream, 1000, NULL); /* its error is known already */
    }
    l->stream = NULL;
}

static void run_free(struct run *r)
{
    for (uint64_t i = 0; r->lanes != NULL && i < r->lane_count; i++) {
        struct lane *l = &r->lanes[i];
        lane_close(l);
        ledger_lane_free(l->ledger);
        rows_free(l->rows);
        buf_deinit(&l->scratch);
        mem_free(l->batch);
        mem_free(l->bursts);
        mem_free(l->table);
    }
    for (uint64_t i = 0; r->clients != NULL && i < r->client_count; i++)
        sluice_client_free(r->clients[i]);
    (void)ledger_close(r->ledger); /* after a failure only: else it is closed already */
    mem_free(r->lanes);
    mem_free(r->clients);
    mem_free(r);
}

static int run_open(struct run *r)
{
    r->clients = mem_calloc(r->client_count, sizeof(struct sluice_client *));
    r->lanes = mem_calloc(r->lane_count, sizeof(*r->lanes));
    for (uint64_t i = 0; i < r->client_count; i++) {
        r->clients[i] = client_of(r->o);
        if (r->clients[i] == NULL)
            return EXIT_SYSTEM;
    }
    for (uint64_t i = 0; i < r->lane_count; i++) {
        int code = lane_open(r, i);
        if (code != EXIT_FINE)
            return code;
    }
    return EXIT_FINE;
}

/* ---- while it runs, on the main thread ---- */

struct totals {
    uint64_t sent, acked, bytes, acks, acks_wrong, ended;
};

static struct totals totals_of(struct run *r)
{
    struct totals t = {0};
    for (uint64_t i = 0; i < r->lane_count; i++) {
        struct lane *l = &r->lanes[i];
        pthread_mutex_lock(&l->lock);
        t.sent += l->rows_sent;
        t.acked += rows_upto(l, l->acked);
        t.bytes += l->bytes_sent;
        t.acks += l->acks;
        t.acks_wrong += l->acks_wrong;
        t.ended += l->ended;
        pthread_mutex_unlock(&l->lock);
    }
    return t;
}

static double us(const struct trace_hist *h, double q)
{
    return (double)trace_hist_quantile(h, q) / 1000;
}

static void live_line(struct run *r, uint64_t now, uint64_t *last_ns, uint64_t *last_rows)
{
    if (r->o->quiet || !isatty(STDERR_FILENO) || now - *last_ns < LIVE_MS * 1000000ull)
        return;
    uint64_t rows = trace_read(&r->rows_acked);
    fprintf(stderr,
            "\r%6.1f s  %11.0f rows/s  %12" PRIu64 " acked  ack p50 %.0f us  p99 %.0f us   ",
            (double)(now - r->started_ns) / 1e9,
            (double)(rows - *last_rows) * 1e9 / (double)(now - *last_ns), rows, us(&r->ack_ns, 0.5),
            us(&r->ack_ns, 0.99));
    *last_ns = now;
    *last_rows = rows;
}

/* Append what is due by now. Lane i has every lane_count-th row of the whole. */
static void pace(struct run *r, uint64_t now)
{
    double due = (double)(now - r->started_ns) * (double)r->o->rate / 1e9;
    for (uint64_t i = 0; i < r->lane_count; i++) {
        struct lane *l = &r->lanes[i];
        uint64_t rows_due = (uint64_t)(due / (double)r->lane_count);
        pthread_mutex_lock(&l->lock);
        if (rows_due > l->rows_sent) {
            double share = (double)(l->rows_sent + 1) * (double)r->lane_count / (double)r->o->rate;
            fill(l, rows_due, r->started_ns + (uint64_t)(share * 1e9));
        }
        pthread_mutex_unlock(&l->lock);
    }
}

static bool is_over(struct run *r, uint64_t now)
{
    if (is_interrupted())
        return true;
    struct totals t = totals_of(r);
    if (t.ended > 0)
        return true;
    if (r->o->count > 0)
        return t.acked >= r->o->count;
    uint64_t seconds = r->o->seconds != 0 ? r->o->seconds : SECONDS_DEFAULT;
    return now - r->started_ns >= seconds * 1000000000;
}

static void run_drive(struct run *r)
{
    r->started_ns = now_ns();
    uint64_t live_ns = r->started_ns, live_rows = 0;
    for (uint64_t i = 0; i < r->lane_count && r->o->rate == 0; i++) {
        pthread_mutex_lock(&r->lanes[i].lock);
        fill(&r->lanes[i], 1, 0);
        pthread_mutex_unlock(&r->lanes[i].lock);
    }
    uint64_t now = r->started_ns;
    for (uint64_t tick = 1; !is_over(r, now); tick++) {
        pause_until_ns(r->o->rate > 0 ? r->started_ns + tick * 1000000 : now + 10000000);
        now = now_ns();
        if (r->o->rate > 0)
            pace(r, now);
        live_line(r, now, &live_ns, &live_rows);
    }
    r->rows_in_time = trace_read(&r->rows_acked);
    r->stopped_ns = now_ns();
    atomic_store(&r->stopping, true);
    if (!r->o->quiet && isatty(STDERR_FILENO))
        fputc('\n', stderr);
}

/* Wait until all that was sent is acknowledged or its stream has ended. */
static void run_drain(struct run *r)
{
    for (uint64_t i = 0; i < r->lane_count; i++) {
        int code = sluice_stream_flush(r->lanes[i].stream, DRAIN_MS_MAX);
        if (code == SLUICE_TIMEOUT)
            fprintf(stderr, "stream %" PRIu64 ": rows still unacknowledged after %d s\n",
                    r->lanes[i].stream_no, DRAIN_MS_MAX / 1000);
    }
}

/* ---- reports ---- */

static void report_streams(struct run *r, struct json *j)
{
    json_key(j, "failed_streams");
    json_open(j, '[');
    for (uint64_t i = 0; i < r->lane_count; i++) {
        struct lane *l = &r->lanes[i];
        if (l->error.status == 0)
            continue;
        json_open(j, '{');
        json_key(j, "stream_no");
        json_u64(j, l->stream_no);
        json_key(j, "table");
        json_str(j, l->table);
        json_key(j, "status");
        json_i64(j, l->error.status);
        json_key(j, "text");
        json_str(j, l->error.text);
        json_key(j, "first_unacked_offset");
        json_i64(j, l->acked + 1);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void json_pair(struct json *j, const char *key, uint64_t v)
{
    json_key(j, key);
    json_u64(j, v);
}

static void json_real(struct json *j, const char *key, double v)
{
    json_key(j, key);
    json_double(j, v);
}

static void report_json(struct run *r, const struct totals *t, double rate, struct buf *out)
{
    double elapsed = (double)(r->stopped_ns - r->started_ns) / 1e9;
    struct json j = json_on(out);
    json_open(&j, '{');
    json_key(&j, "rows");
    json_str(&j, r->group->name);
    json_key(&j, "record");
    json_str(&j, r->o->record);
    json_pair(&j, "streams", r->lane_count);
    json_pair(&j, "connections", r->client_count);
    json_pair(&j, "batch", r->o->batch);
    json_pair(&j, "in_flight", r->in_flight);
    json_pair(&j, "rate", r->o->rate);
    json_pair(&j, "bad_share", r->o->bad_share);
    json_real(&j, "elapsed_s", elapsed);
    json_pair(&j, "rows_sent", t->sent);
    json_pair(&j, "rows_acked", t->acked);
    json_pair(&j, "bytes_sent", t->bytes);
    json_pair(&j, "acks", t->acks);
    json_pair(&j, "acks_wrong", t->acks_wrong);
    json_real(&j, "rows_per_s", rate);
    json_real(&j, "ack_p50_us", us(&r->ack_ns, 0.5));
    json_real(&j, "ack_p99_us", us(&r->ack_ns, 0.99));
    json_real(&j, "ack_p999_us", us(&r->ack_ns, 0.999));
    json_real(&j, "ack_max_us", us(&r->ack_ns, 1));
    report_streams(r, &j);
    json_close(&j, '}');
}

static void report_people(struct run *r, const struct totals *t, double rate)
{
    printf("rows sent      %" PRIu64 "\n", t->sent);
    printf("rows acked     %" PRIu64 "\n", t->acked);
    printf("rows/s         %.0f\n", rate);
    printf("MB/s           %.1f\n",
           t->sent == 0 ? 0 : rate * (double)t->bytes / (double)t->sent / 1e6);
    printf("ack latency    p50 %.0f us, p99 %.0f us, p99.9 %.0f us, max %.0f us\n",
           us(&r->ack_ns, 0.5), us(&r->ack_ns, 0.99), us(&r->ack_ns, 0.999), us(&r->ack_ns, 1));
    printf("acks           %" PRIu64 ", wrong %" PRIu64 "\n", t->acks, t->acks_wrong);
    for (uint64_t i = 0; i < r->lane_count; i++)
        if (r->lanes[i].error.status != 0)
            printf("stream %" PRIu64 " failed: status %d: %s (unacknowledged from %" PRId64 ")\n",
                   r->lanes[i].stream_no, r->lanes[i].error.status, r->lanes[i].error.text,
                   r->lanes[i].acked + 1);
}

static int run_report(struct run *r)
{
    for (uint64_t i = 0; i < r->lane_count; i++)
        lane_close(&r->lanes[i]);
    struct totals t = totals_of(r);
    double elapsed = (double)(r->stopped_ns - r->started_ns) / 1e9;
    double rate = elapsed > 0 ? (double)r->rows_in_time / elapsed : 0;
    report_people(r, &t, rate);
    struct buf report = BUF_NULL;
    report_json(r, &t, rate, &report);
    int code = report_write(r->o, &report);
    buf_deinit(&report);
    for (uint64_t i = 0; i < r->lane_count; i++)
        r->lanes[i].ledger = ledger_lane_free(r->lanes[i].ledger);
    if (code != EXIT_FINE || ledger_close(TAKE(r->ledger)) != EXIT_FINE)
        return EXIT_SYSTEM;
    bool right = t.sent == t.acked && t.acks_wrong == 0;
    for (uint64_t i = 0; i < r->lane_count; i++)
        right = right && r->lanes[i].error.status == 0;
    if (r->o->count > 0 && !is_interrupted())
        right = right && t.sent == r->o->count;
    return right ? EXIT_FINE : EXIT_WRONG;
}

int cmd_run(const struct options *o)
{
    const struct rowset_group *group = rowset_find(o->rows);
    if (group == NULL || o->endpoint == NULL) {
        fprintf(stderr, "run needs --endpoint, and --rows is one of %s\n", rowset_names());
        return EXIT_USAGE;
    }
    struct run *r = mem_zalloc(sizeof(*r));
    r->o = o;
    r->group = group;
    r->lane_count = MAX(o->streams, group->set_count);
    r->client_count = MIN(o->connections, r->lane_count);
    r->in_flight = o->in_flight != 0 ? MIN(o->in_flight, 1u << 24) : IN_FLIGHT_DEFAULT;
    int code = EXIT_FINE;
    if (o->ledger != NULL && (r->ledger = ledger_open(o->ledger)) == NULL)
        code = EXIT_SYSTEM;
    if (code == EXIT_FINE)
        code = run_open(r);
    if (code == EXIT_FINE) {
        run_drive(r);
        run_drain(r);
        code = run_report(r);
    }
    run_free(r);
    return code;
}

int cmd_ddl(const struct options *o)
{
    const struct rowset_group *group = rowset_find(o->rows);
    if (group == NULL) {
        fprintf(stderr, "--rows is one of %s\n", rowset_names());
        return EXIT_USAGE;
    }
    struct buf ddl = BUF_NULL;
    for (size_t i = 0; i < group->set_count; i++) {
        const struct rowset *s = group->sets[i];
        buf_reset(&ddl);
        rowset_ddl(s, &ddl);
        if (o->table != NULL && group->set_count == 1)
            printf("%s\t", o->table);
        else
            printf("%s.%s\t", o->table != NULL ? o->table : group->schema, s->name);
        printf("%s\t%s\n", buf_cstr(&ddl), s->keys != NULL ? s->keys : "");
    }
    buf_deinit(&ddl);
    return EXIT_FINE;
}
