/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream of rows.
 *
 *   append (any thread) → ring of encoded messages → send (client's thread) → … → ack → room
 *
 *        acked+1 … next_send … next_offset        offsets; index in the ring = offset & mask
 *        └ in flight ┘ └ queued ┘
 *
 * A message is encoded where it will be sent from: in a piece of a shared chunk, so that a row
 * costs one copy and no allocation. While more is queued a message goes out with the buffer hint,
 * so that many share one TLS record and one system call; the last one is sent without, which
 * flushes.
 *
 * Waking: the thread that queues the first row behind an empty queue marks the stream dirty and
 * starts an empty batch on the call: gRPC completes it at once, which wakes the client's thread.
 *
 * Invariants
 *   I1 acked < next_send <= next_offset as soon as something was sent; none ever goes back.
 *   I2 dirty: the client's thread will look at the queue again without being told.
 *   I3 the stream is freed only after its status came, no operation is in flight, and it is in no
 *      list.
 *
 * Lock: one per stream, held for a few instructions; never while calling gRPC or a callback.
 * Failure: the server's status (or ours, when it broke the protocol) stays in `error`; all waiters
 *          wake.
 */
#include "client_priv.h"
#include "encode.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define METHOD_STREAM           "/databricks.zerobus.Zerobus/EphemeralStream"
#define ROWS_IN_FLIGHT_DEFAULT  16384
#define BYTES_IN_FLIGHT_DEFAULT (64ull * 1024 * 1024)
#define TIMEOUT_MS_DEFAULT      10000
#define RING_ROWS_MIN           256u
#define CHUNK_BYTES             (64u * 1024)
#define CHUNK_MESSAGE_BYTES_MAX (8u * 1024) /* larger ones get memory of their own */
#define SEND_PER_TAKE_MAX       64
#define SEND_PER_TURN_MAX       256
#define STREAM_ID_BYTES_MAX     64

struct entry {
    grpc_slice message; /* until it is sent */
    uint64_t bytes_end; /* record bytes of this and all before it */
};

struct sluice_stream {
    struct sluice_client *client;
    grpc_call *call;
    struct sluice_stream_options options; /* pointers in it are not valid, callbacks are */
    char id[STREAM_ID_BYTES_MAX + 1];

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock. */
    struct entry *ring;
    uint64_t ring_mask;
    int64_t next_offset, next_send, acked;
    uint64_t bytes_appended, bytes_acked;
    grpc_slice chunk; /* what is left of it; empty = none */
    unsigned waiters;
    bool dirty, ring_out, created, closing_announced;
    bool half_close_wanted;
    bool ended;    /* its status came: nothing more can be appended */
    bool finished; /* I3 holds and on_end is over */
    struct sluice_error error;

    /* The client's thread only. */
    struct op start_op, send_op, receive_op, status_op, ring_op, half_close_op;
    struct runnable runnable;
    unsigned ops_out;
    bool send_out; /* create_stream or a message is on its way: one at a time */
    bool half_closed, status_done;
    grpc_slice taken[SEND_PER_TAKE_MAX];
    unsigned taken_next, taken_count;
    bool taken_more;
    grpc_byte_buffer send_buffer;
    grpc_byte_buffer *received;
    grpc_metadata_array initial_metadata, trailing_metadata;
    grpc_status_code status;
    grpc_slice status_details;
};

/* ---- ends ---- */

static void wake_all(struct sluice_stream *s)
{
    if (s->waiters > 0)
        pthread_cond_broadcast(&s->changed);
}

/* The first reason counts. Under the lock. */
static void error_keep(struct sluice_stream *s, int status, const char *text, size_t len)
{
    if (s->error.status == 0)
        sluice__error_set(&s->error, status, text, len);
}

/* The server broke the protocol: remember why, cancel; the status comes and ends the stream. */
static void break_off(struct sluice_stream *s, const char *text)
{
    pthread_mutex_lock(&s->lock);
    error_keep(s, GRPC_STATUS_INTERNAL, text, strlen(text));
    pthread_mutex_unlock(&s->lock);
    grpc_call_cancel(s->call, NULL);
}

static void finish_if_over(struct sluice_stream *s)
{
    if (!s->status_done || s->ops_out > 0 || s->runnable.queued)
        return;
    pthread_mutex_lock(&s->lock);
    bool over = !s->ring_out && !s->finished;
    bool tell = over && s->created && !s->ended;
    if (over)
        s->ended = true;
    wake_all(s);
    pthread_mutex_unlock(&s->lock);
    if (!over)
        return;
    if (tell && s->options.on_end != NULL)
        s->options.on_end(s->options.ctx, s);
    pthread_mutex_lock(&s->lock);
    s->finished = true;
    wake_all(s);
    pthread_mutex_unlock(&s->lock);
}

/* ---- sending, on the client's thread ---- */

/* Move queued messages to `taken`. False: the queue is empty, and who appends next will ring. */
static bool take(struct sluice_stream *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned count = 0;
    while (count < SEND_PER_TAKE_MAX && s->next_send < s->next_offset && s->created)
        s->taken[count++] = s->ring[(uint64_t)s->next_send++ & s->ring_mask].message;
    if (count == 0)
        s->dirty = false;
    s->taken_more = s->next_send < s->next_offset;
    pthread_mutex_unlock(&s->lock);
    s->taken_next = 0;
    s->taken_count = count;
    return count > 0;
}

/* Send one message; true when gRPC has taken it already. */
static bool send_one(struct sluice_stream *s, grpc_slice message, bool more)
{
    grpc_slice_buffer_add(&s->send_buffer.data.raw.slice_buffer, message);
    grpc_op op = {
        .op = GRPC_OP_SEND_MESSAGE,
        .flags = GRPC_WRITE_NO_COMPRESS | (more ? GRPC_WRITE_BUFFER_HINT : 0),
        .data.send_message.send_message = &s->send_buffer,
    };
    bool done = sluice__start(s->client, s->call, &op, 1, &s->send_op);
    grpc_slice_buffer_reset_and_unref(&s->send_buffer.data.raw.slice_buffer);
    return done;
}

static void half_close_if_asked(struct sluice_stream *s)
{
    pthread_mutex_lock(&s->lock);
    bool now =
        s->half_close_wanted && !s->half_closed && s->created && s->next_send == s->next_offset;
    pthread_mutex_unlock(&s->lock);
    if (!now)
        return;
    s->half_closed = true;
    s->ops_out++;
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    sluice__start_later(s->client, s->call, &op, 1, &s->half_close_op);
}

static void drop_taken(struct sluice_stream *s)
{
    while (s->taken_next < s->taken_count)
        grpc_slice_unref(s->taken[s->taken_next++]);
}

/* Send what is queued, a bounded number per turn. */
static void pump(struct runnable *r)
{
    struct sluice_stream *s = OP_OF(r, struct sluice_stream, runnable);
    for (unsigned n = 0; !s->send_out && !s->status_done; n++) {
        if (s->taken_next == s->taken_count && !take(s)) {
            half_close_if_asked(s);
            break;
        }
        if (n == SEND_PER_TURN_MAX) {
            sluice__run_later(s->client, r);
            return;
        }
        grpc_slice message = s->taken[s->taken_next++];
        bool more = s->taken_next < s->taken_count || s->taken_more;
        if (send_one(s, message, more)) {
            if (!s->send_op.ok) {
                grpc_call_cancel(s->call, NULL); /* the status comes, if it is not on its way */
                break;
            }
        } else {
            s->send_out = true;
            s->ops_out++;
        }
    }
    if (s->status_done)
        drop_taken(s);
    finish_if_over(s);
}

static void send_done(struct op *op, bool ok)
{
    struct sluice_stream *s = OP_OF(op, struct sluice_stream, send_op);
    s->send_out = false;
    s->ops_out--;
    if (ok)
        sluice__run_later(s->client, &s->runnable);
    finish_if_over(s);
}

static void half_close_done(struct op *op, bool ok)
{
    (void)ok;
    struct sluice_stream *s = OP_OF(op, struct sluice_stream, half_close_op);
    s->ops_out--;
    finish_if_over(s);
}

static void ring_done(struct op *op, bool ok)
{
    (void)ok;
    struct sluice_stream *s = OP_OF(op, struct sluice_stream, ring_op);
    pthread_mutex_lock(&s->lock);
    s->ring_out = false;
    pthread_mutex_unlock(&s->lock);
    sluice__run_later(s->client, &s->runnable);
}

/* ---- receiving, on the client's thread ---- */

static void receive_start(struct sluice_stream *s)
{
    grpc_op op = {
        .op = GRPC_OP_RECV_MESSAGE,
        .data.recv_message.recv_message = &s->received,
    };
    s->ops_out++;
    sluice__start_later(s->client, s->call, &op, 1, &s->receive_op);
}

static void created(struct sluice_stream *s, struct sluice_bytes id)
{
    if (id.len == 0 || id.len > STREAM_ID_BYTES_MAX || s->created) {
        break_off(s, "the server's answer to create_stream carries no usable stream id");
        return;
    }
    pthread_mutex_lock(&s->lock);
    memcpy(s->id, id.data, id.len);
    s->id[id.len] = '\0';
    s->created = true;
    wake_all(s);
    pthread_mutex_unlock(&s->lock);
}

static void acked(struct sluice_stream *s, int64_t offset)
{
    pthread_mutex_lock(&s->lock);
    int64_t before = s->acked;
    bool wrong = offset < before || offset >= s->next_send || !s->created;
    if (!wrong && offset > before) {
        s->acked = offset;
        s->bytes_acked = s->ring[(uint64_t)offset & s->ring_mask].bytes_end;
        wake_all(s);
    }
    long long sent = (long long)s->next_send - 1;
    pthread_mutex_unlock(&s->lock);
    if (wrong) {
        char text[160];
        snprintf(text, sizeof(text),
                 "the server acknowledged offset %lld; sent up to %lld, acknowledged before %lld",
                 (long long)offset, sent, (long long)before);
        break_off(s, text);
        return;
    }
    if (offset > before && s->options.on_ack != NULL)
        s->options.on_ack(s->options.ctx, s, offset);
}

static void answered(struct sluice_stream *s, const uint8_t *data, size_t len)
{
    struct answer a = decode_answer(data, len);
    switch (a.kind) {
    case ANSWER_BAD: break_off(s, "the server sent a message that is malformed"); return;
    case ANSWER_CREATED: created(s, a.stream_id); return;
    case ANSWER_ACK: acked(s, a.offset); return;
    case ANSWER_CLOSING:
        pthread_mutex_lock(&s->lock);
        s->closing_announced = true;
        pthread_mutex_unlock(&s->lock);
        return;
    case ANSWER_NOTHING: return;
    }
}

static void receive_done(struct op *op, bool ok)
{
    struct sluice_stream *s = OP_OF(op, struct sluice_stream, receive_op);
    s->ops_out--;
    if (!ok || s->received == NULL) {
        finish_if_over(s);
        return;
    }
    const grpc_slice_buffer *b = &s->received->data.raw.slice_buffer;
    if (b->count == 1) {
        answered(s, GRPC_SLICE_START_PTR(b->slices[0]), GRPC_SLICE_LENGTH(b->slices[0]));
    } else {
        grpc_byte_buffer_reader reader;
        grpc_byte_buffer_reader_init(&reader, s->received);
        grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
        answered(s, GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all));
        grpc_slice_unref(all);
        grpc_byte_buffer_reader_destroy(&reader);
    }
    grpc_byte_buffer_destroy(s->received);
    s->received = NULL;
    receive_start(s);
}

static void status_came(struct op *op, bool ok)
{
    (void)ok;
    struct sluice_stream *s = OP_OF(op, struct sluice_stream, status_op);
    s->ops_out--;
    s->status_done = true;
    pthread_mutex_lock(&s->lock);
    error_keep(s, (int)s->status, (const char *)GRPC_SLICE_START_PTR(s->status_details),
               GRPC_SLICE_LENGTH(s->status_details));
    pthread_mutex_unlock(&s->lock);
    drop_taken(s);
    finish_if_over(s);
}

/* The batch with create_stream is over. The server's answer may have been seen before that. */
static void started(struct op *op, bool ok)
{
    struct sluice_stream *s = OP_OF(op, struct sluice_stream, start_op);
    s->ops_out--;
    s->send_out = false;
    if (ok)
        sluice__run_later(s->client, &s->runnable);
    finish_if_over(s);
}

/* ---- appending, on any thread ---- */

/* Twice the ring, entries at their places. Under the lock. */
static void ring_grow(struct sluice_stream *s)
{
    uint64_t mask = s->ring_mask * 2 + 1;
    struct entry *ring = sluice__alloc((mask + 1) * sizeof(*ring));
    for (int64_t o = s->acked + 1; o < s->next_offset; o++)
        ring[(uint64_t)o & mask] = s->ring[(uint64_t)o & s->ring_mask];
    free(s->ring);
    s->ring = ring;
    s->ring_mask = mask;
}

/* Memory for a message of @len bytes: the front of the chunk, or its own. Under the lock. */
static grpc_slice message_alloc(struct sluice_stream *s, size_t len)
{
    if (len > CHUNK_MESSAGE_BYTES_MAX)
        return grpc_slice_malloc(len);
    if (GRPC_SLICE_LENGTH(s->chunk) <= len) {
        grpc_slice_unref(s->chunk);
        s->chunk = grpc_slice_malloc(CHUNK_BYTES);
    }
    grpc_slice piece = grpc_slice_sub_no_ref(s->chunk, 0, len);
    if (piece.refcount == NULL)
        return piece; /* so small that it stands in the slice itself */
    grpc_slice_ref(s->chunk);
    s->chunk.data.refcounted.bytes += len;
    s->chunk.data.refcounted.length -= len;
    return piece;
}

static bool has_room(const struct sluice_stream *s, uint64_t bytes)
{
    uint64_t rows = (uint64_t)(s->next_offset - s->acked - 1);
    if (rows == 0)
        return true;
    return rows < s->options.rows_in_flight_max &&
           s->bytes_appended - s->bytes_acked + bytes <= s->options.bytes_in_flight_max;
}

/* Wait on the stream until the time is over; false then. Under the lock. */
static bool wait_more(struct sluice_stream *s, const struct timespec *until)
{
    s->waiters++;
    int r = until == NULL ? pthread_cond_wait(&s->changed, &s->lock)
                          : pthread_cond_timedwait(&s->changed, &s->lock, until);
    s->waiters--;
    return r != ETIMEDOUT;
}

/* Room for a request of @bytes; 0, SLUICE_AGAIN or SLUICE_FAILED. Under the lock. */
static int room_wait(struct sluice_stream *s, uint64_t bytes, uint32_t timeout_ms)
{
    if (s->ended || s->half_close_wanted || s->error.status != 0)
        return SLUICE_FAILED;
    if (has_room(s, bytes))
        return SLUICE_OK;
    if (timeout_ms == 0 || sluice__is_loop(s->client))
        return SLUICE_AGAIN;
    struct timespec until = sluice__timespec(timeout_ms);
    const struct timespec *limit = timeout_ms == SLUICE_FOREVER ? NULL : &until;
    while (!s->ended && s->error.status == 0) {
        if (has_room(s, bytes))
            return SLUICE_OK;
        if (!wait_more(s, limit))
            return has_room(s, bytes) ? SLUICE_OK : SLUICE_AGAIN;
    }
    return SLUICE_FAILED;
}

/* Put a message behind the others. Under the lock. */
static void entry_add(struct sluice_stream *s, grpc_slice message, uint64_t bytes)
{
    if ((uint64_t)(s->next_offset - s->acked) > s->ring_mask)
        ring_grow(s);
    s->bytes_appended += bytes;
    struct entry *e = &s->ring[(uint64_t)s->next_offset & s->ring_mask];
    e->message = message;
    e->bytes_end = s->bytes_appended;
    s->next_offset++;
}

/* Ends the lock. When the client's thread may not know that there is something to do, tells it. */
static void unlock_and_ring(struct sluice_stream *s)
{
    bool mine = sluice__is_loop(s->client);
    bool tell = !s->dirty && !s->ended;
    s->dirty = s->dirty || tell;
    bool ring = tell && !mine && !s->ring_out;
    if (ring)
        s->ring_out = true;
    pthread_mutex_unlock(&s->lock);
    if (tell && mine)
        sluice__run_later(s->client, &s->runnable);
    if (!ring)
        return;
    grpc_call *call = s->call;
    HAND_OVER(&s->ring_op);
    /* An empty batch cannot fail. */
    (void)grpc_call_start_batch(call, NULL, 0, &s->ring_op, NULL);
}

int sluice_stream_append(struct sluice_stream *s, struct sluice_bytes row, uint32_t timeout_ms,
                         int64_t *ret_offset)
{
    if (row.len > SLUICE_REQUEST_BYTES_MAX)
        return SLUICE_INVALID;
    pthread_mutex_lock(&s->lock);
    int r = room_wait(s, row.len, timeout_ms);
    if (r != SLUICE_OK) {
        pthread_mutex_unlock(&s->lock);
        return r;
    }
    uint64_t offset = (uint64_t)s->next_offset;
    struct row_layout l = encode_row_layout(s->options.record, offset, row.len);
    grpc_slice message = message_alloc(s, l.total_len);
    encode_row(GRPC_SLICE_START_PTR(message), &l, offset, row);
    entry_add(s, message, row.len);
    unlock_and_ring(s);
    if (ret_offset != NULL)
        *ret_offset = (int64_t)offset;
    return SLUICE_OK;
}

int sluice_stream_append_batch(struct sluice_stream *s, const struct sluice_bytes *rows,
                               size_t row_count, uint32_t timeout_ms, int64_t *ret_offset)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < row_count; i++)
        bytes += rows[i].len;
    if (row_count == 0 || bytes > SLUICE_REQUEST_BYTES_MAX)
        return SLUICE_INVALID;
    pthread_mutex_lock(&s->lock);
    int r = room_wait(s, bytes, timeout_ms);
    if (r != SLUICE_OK) {
        pthread_mutex_unlock(&s->lock);
        return r;
    }
    uint64_t offset = (uint64_t)s->next_offset;
    struct batch_layout l = encode_batch_layout(s->options.record, offset, rows, row_count);
    grpc_slice message = message_alloc(s, l.total_len);
    encode_batch(GRPC_SLICE_START_PTR(message), &l, offset, rows, row_count);
    entry_add(s, message, bytes);
    unlock_and_ring(s);
    if (ret_offset != NULL)
        *ret_offset = (int64_t)offset;
    return SLUICE_OK;
}

/* ---- waiting and asking ---- */

int sluice_stream_wait(struct sluice_stream *s, int64_t offset, uint32_t timeout_ms)
{
    struct timespec until = sluice__timespec(timeout_ms);
    const struct timespec *limit = timeout_ms == SLUICE_FOREVER ? NULL : &until;
    pthread_mutex_lock(&s->lock);
    bool in_time = true;
    while (s->acked < offset && !s->ended && in_time)
        in_time = wait_more(s, limit);
    int r = s->acked >= offset ? SLUICE_OK : s->ended ? SLUICE_FAILED : SLUICE_TIMEOUT;
    pthread_mutex_unlock(&s->lock);
    return r;
}

int sluice_stream_flush(struct sluice_stream *s, uint32_t timeout_ms)
{
    pthread_mutex_lock(&s->lock);
    int64_t last = s->next_offset - 1;
    pthread_mutex_unlock(&s->lock);
    return sluice_stream_wait(s, last, timeout_ms);
}

int64_t sluice_stream_acked(struct sluice_stream *s)
{
    pthread_mutex_lock(&s->lock);
    int64_t offset = s->acked;
    pthread_mutex_unlock(&s->lock);
    return offset;
}

int64_t sluice_stream_unacked(struct sluice_stream *s)
{
    return sluice_stream_acked(s) + 1;
}

bool sluice_stream_is_closing(struct sluice_stream *s)
{
    pthread_mutex_lock(&s->lock);
    bool closing = s->closing_announced;
    pthread_mutex_unlock(&s->lock);
    return closing;
}

bool sluice_stream_error(struct sluice_stream *s, struct sluice_error *ret_error)
{
    pthread_mutex_lock(&s->lock);
    bool ended = s->ended;
    if (ended && ret_error != NULL)
        *ret_error = s->error;
    pthread_mutex_unlock(&s->lock);
    return ended;
}

const char *sluice_stream_id(const struct sluice_stream *s)
{
    return s->id;
}

/* ---- life ---- */

static void ops_init(struct sluice_stream *s)
{
    s->start_op.done = started;
    s->send_op.done = send_done;
    s->receive_op.done = receive_done;
    s->status_op.done = status_came;
    s->ring_op.done = ring_done;
    s->half_close_op.done = half_close_done;
    s->runnable.run = pump;
    s->send_buffer.type = GRPC_BB_RAW;
    s->send_buffer.data.raw.compression = GRPC_COMPRESS_NONE;
    grpc_slice_buffer_init(&s->send_buffer.data.raw.slice_buffer);
    grpc_metadata_array_init(&s->initial_metadata);
    grpc_metadata_array_init(&s->trailing_metadata);
    s->status_details = grpc_empty_slice();
}

static struct sluice_stream *stream_new(struct sluice_client *c,
                                        const struct sluice_stream_options *o)
{
    struct sluice_stream *s = sluice__alloc(sizeof(*s));
    s->client = c;
    s->options = *o;
    s->options.table = NULL;
    s->options.descriptor = (struct sluice_bytes){NULL, 0};
    if (s->options.rows_in_flight_max == 0)
        s->options.rows_in_flight_max = ROWS_IN_FLIGHT_DEFAULT;
    if (s->options.bytes_in_flight_max == 0)
        s->options.bytes_in_flight_max = BYTES_IN_FLIGHT_DEFAULT;
    s->acked = -1;
    s->ring_mask = RING_ROWS_MIN - 1;
    s->ring = sluice__alloc(RING_ROWS_MIN * sizeof(*s->ring));
    s->chunk = grpc_empty_slice();
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    ops_init(s);
    s->call = grpc_channel_create_call(c->channel, NULL, GRPC_PROPAGATE_DEFAULTS, c->queue,
                                       grpc_slice_from_static_string(METHOD_STREAM), NULL,
                                       gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    return s;
}

static void stream_free(struct sluice_stream *s)
{
    for (int64_t o = s->next_send; o < s->next_offset; o++)
        grpc_slice_unref(s->ring[(uint64_t)o & s->ring_mask].message);
    free(s->ring);
    grpc_slice_unref(s->chunk);
    grpc_slice_unref(s->status_details);
    grpc_slice_buffer_destroy(&s->send_buffer.data.raw.slice_buffer);
    grpc_metadata_array_destroy(&s->initial_metadata);
    grpc_metadata_array_destroy(&s->trailing_metadata);
    grpc_byte_buffer_destroy(s->received);
    grpc_call_unref(s->call);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* Headers, create_stream, the first receive and the status: four operations, three completions. */
static void start_call(struct sluice_stream *s, const struct sluice_stream_options *o)
{
    size_t len = encode_create(NULL, o->table, o->record, o->descriptor);
    grpc_slice create = grpc_slice_malloc(len);
    encode_create(GRPC_SLICE_START_PTR(create), o->table, o->record, o->descriptor);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&create, 1);
    grpc_slice_unref(create);
    grpc_metadata metadata[METADATA_MAX];
    size_t metadata_count = sluice__metadata(s->client, o->table, metadata);

    grpc_call *call = s->call; /* an operation that has begun belongs to the loop */
    s->ops_out = 3;            /* before the first can be done */
    s->send_out = true;
    grpc_op status = {
        .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
        .data.recv_status_on_client = {.trailing_metadata = &s->trailing_metadata,
                                       .status = &s->status,
                                       .status_details = &s->status_details},
    };
    HAND_OVER(&s->status_op);
    (void)grpc_call_start_batch(call, &status, 1, &s->status_op, NULL);
    grpc_op start[3] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .data.send_initial_metadata = {.count = metadata_count, .metadata = metadata}},
        {.op = GRPC_OP_SEND_MESSAGE,
         .flags = GRPC_WRITE_NO_COMPRESS,
         .data.send_message.send_message = message},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &s->initial_metadata},
    };
    HAND_OVER(&s->start_op);
    (void)grpc_call_start_batch(call, start, 3, &s->start_op, NULL);
    grpc_op receive = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &s->received};
    HAND_OVER(&s->receive_op);
    (void)grpc_call_start_batch(call, &receive, 1, &s->receive_op, NULL);
    grpc_byte_buffer_destroy(message);
    for (size_t i = 0; i < metadata_count; i++)
        grpc_slice_unref(metadata[i].value);
}

/* Wait until the stream is finished, cancelling it when the time is over; then free it. */
static bool await_finish(struct sluice_stream *s, uint32_t timeout_ms)
{
    struct timespec until = sluice__timespec(timeout_ms);
    const struct timespec *limit = timeout_ms == SLUICE_FOREVER ? NULL : &until;
    bool in_time = true;
    while (!s->finished) {
        if (wait_more(s, in_time ? limit : NULL) || !in_time)
            continue;
        in_time = false;
        pthread_mutex_unlock(&s->lock);
        grpc_call_cancel(s->call, NULL);
        pthread_mutex_lock(&s->lock);
    }
    return in_time;
}

int sluice_stream_open(struct sluice_client *c, const struct sluice_stream_options *o,
                       struct sluice_stream **ret_stream, struct sluice_error *e)
{
    bool proto = o->record == SLUICE_PROTO;
    if (o->table == NULL || o->table[0] == '\0' || (!proto && o->record != SLUICE_JSON) ||
        (proto && o->descriptor.len == 0)) {
        static const char text[] = "a stream needs a table and a record type; protobuf needs "
                                   "a descriptor too";
        sluice__error_set(e, GRPC_STATUS_INVALID_ARGUMENT, text, sizeof(text) - 1);
        return SLUICE_INVALID;
    }
    struct sluice_stream *s = stream_new(c, o);
    uint32_t timeout_ms = o->open_timeout_ms == 0 ? TIMEOUT_MS_DEFAULT : o->open_timeout_ms;
    struct timespec until = sluice__timespec(timeout_ms);
    start_call(s, o);

    pthread_mutex_lock(&s->lock);
    bool in_time = true;
    while (!s->created && !s->ended && in_time)
        in_time = wait_more(s, timeout_ms == SLUICE_FOREVER ? NULL : &until);
    if (s->created) {
        pthread_mutex_unlock(&s->lock);
        *ret_stream = s;
        return SLUICE_OK;
    }
    static const char late[] = "no answer to create_stream in time";
    if (!s->ended)
        error_keep(s, GRPC_STATUS_DEADLINE_EXCEEDED, late, sizeof(late) - 1);
    (void)await_finish(s, 0); /* it is given up: whether in time does not matter */
    static const char early[] = "the server ended the stream without an answer to create_stream";
    error_keep(s, GRPC_STATUS_UNAVAILABLE, early, sizeof(early) - 1);
    if (e != NULL)
        *e = s->error;
    pthread_mutex_unlock(&s->lock);
    stream_free(s);
    return SLUICE_FAILED;
}

int sluice_stream_close(struct sluice_stream *s, uint32_t timeout_ms,
                        struct sluice_error *ret_error)
{
    if (s == NULL)
        return SLUICE_OK;
    pthread_mutex_lock(&s->lock);
    s->half_close_wanted = true;
    unlock_and_ring(s);
    pthread_mutex_lock(&s->lock);
    bool in_time = await_finish(s, timeout_ms);
    bool all = s->acked + 1 == s->next_offset && s->error.status == 0;
    if (ret_error != NULL)
        *ret_error = s->error;
    pthread_mutex_unlock(&s->lock);
    stream_free(s);
    return all ? SLUICE_OK : in_time ? SLUICE_FAILED : SLUICE_TIMEOUT;
}
