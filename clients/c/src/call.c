/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unary calls: one batch with all six operations, started from the caller's thread, finished on the
 * client's.
 *
 * Thread: call_done and the user's callback run on the client's thread.
 */
#include "client_priv.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>

#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS_DEFAULT 10000

struct call {
    struct op op;
    struct sluice_client *client;
    grpc_call *call;
    sluice_call_fn *done;
    void *ctx;
    grpc_byte_buffer *response;
    grpc_metadata_array initial_metadata, trailing_metadata;
    grpc_status_code status;
    grpc_slice status_details;
};

static void call_free(struct call *k)
{
    grpc_byte_buffer_destroy(k->response);
    grpc_metadata_array_destroy(&k->initial_metadata);
    grpc_metadata_array_destroy(&k->trailing_metadata);
    grpc_slice_unref(k->status_details);
    grpc_call_unref(k->call);
    free(k);
}

static grpc_slice response_bytes(grpc_byte_buffer *response)
{
    if (response == NULL)
        return grpc_empty_slice();
    if (response->data.raw.slice_buffer.count == 1)
        return grpc_slice_ref(response->data.raw.slice_buffer.slices[0]);
    grpc_byte_buffer_reader reader;
    grpc_byte_buffer_reader_init(&reader, response);
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    return all;
}

static void call_done(struct op *op, bool ok)
{
    (void)ok; /* a batch with a status always says it there */
    struct call *k = OP_OF(op, struct call, op);
    struct sluice_error e = {0};
    sluice__error_set(&e, (int)k->status, (const char *)GRPC_SLICE_START_PTR(k->status_details),
                      GRPC_SLICE_LENGTH(k->status_details));
    static const char lacking[] = "the server's answer has no message";
    if (e.status == 0 && k->response == NULL)
        sluice__error_set(&e, GRPC_STATUS_INTERNAL, lacking, sizeof(lacking) - 1);
    grpc_slice body = response_bytes(k->response);
    struct sluice_reply reply = {
        .status = e.status,
        .text = e.text,
        .body = {GRPC_SLICE_START_PTR(body), GRPC_SLICE_LENGTH(body)},
    };
    k->done(k->ctx, &reply);
    grpc_slice_unref(body);
    struct sluice_client *c = k->client;
    call_free(k);
    atomic_fetch_sub(&c->call_count, 1);
}

static struct call *call_new(struct sluice_client *c, const struct sluice_request *r)
{
    struct call *k = sluice__alloc(sizeof(*k));
    k->op.done = call_done;
    k->client = c;
    grpc_metadata_array_init(&k->initial_metadata);
    grpc_metadata_array_init(&k->trailing_metadata);
    k->status_details = grpc_empty_slice();
    grpc_slice method = grpc_slice_from_copied_string(r->method);
    k->call = grpc_channel_create_call(
        c->channel, NULL, GRPC_PROPAGATE_DEFAULTS, c->queue, method, NULL,
        sluice__deadline(r->timeout_ms == 0 ? TIMEOUT_MS_DEFAULT : r->timeout_ms), NULL);
    grpc_slice_unref(method);
    return k;
}

int sluice_call_start(struct sluice_client *c, const struct sluice_request *r, sluice_call_fn *done,
                      void *ctx)
{
    if (r->method == NULL || r->method[0] != '/' || done == NULL)
        return SLUICE_INVALID;
    struct call *k = call_new(c, r);
    k->done = done;
    k->ctx = ctx;
    grpc_slice body = grpc_slice_from_copied_buffer(r->body.data, r->body.len);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&body, 1);
    grpc_slice_unref(body);
    grpc_metadata metadata[METADATA_MAX];
    size_t metadata_count = sluice__metadata(c, NULL, metadata);
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .data.send_initial_metadata = {.count = metadata_count, .metadata = metadata}},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &k->initial_metadata},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &k->response},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {.trailing_metadata = &k->trailing_metadata,
                                        .status = &k->status,
                                        .status_details = &k->status_details}},
    };
    atomic_fetch_add(&c->call_count, 1);
    grpc_call *call = k->call; /* once it has begun, @k is the loop's */
    HAND_OVER(&k->op);
    grpc_call_error error = grpc_call_start_batch(call, ops, 6, &k->op, NULL);
    grpc_byte_buffer_destroy(message);
    for (size_t i = 0; i < metadata_count; i++)
        grpc_slice_unref(metadata[i].value);
    if (error != GRPC_CALL_OK) {
        call_free(k);
        atomic_fetch_sub(&c->call_count, 1);
        return SLUICE_INVALID;
    }
    return SLUICE_OK;
}

/* ---- waiting for one ---- */

struct awaited {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    struct sluice_error error;
    struct sluice_message response;
};

static void awaited_done(void *ctx, const struct sluice_reply *reply)
{
    struct awaited *a = ctx;
    pthread_mutex_lock(&a->lock);
    sluice__error_set(&a->error, reply->status, reply->text, strlen(reply->text));
    if (reply->status == 0) {
        a->response.data = sluice__alloc(reply->body.len + 1);
        a->response.len = reply->body.len;
        if (reply->body.len > 0)
            memcpy(a->response.data, reply->body.data, reply->body.len);
    }
    a->done = true;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

int sluice_call(struct sluice_client *c, const struct sluice_request *r,
                struct sluice_message *ret_response, struct sluice_error *e)
{
    struct awaited a = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    if (sluice_call_start(c, r, awaited_done, &a) != SLUICE_OK) {
        static const char text[] = "a call needs a method: /package.Service/Method";
        sluice__error_set(e, GRPC_STATUS_INVALID_ARGUMENT, text, sizeof(text) - 1);
        return SLUICE_INVALID;
    }
    pthread_mutex_lock(&a.lock);
    while (!a.done)
        pthread_cond_wait(&a.changed, &a.lock);
    pthread_mutex_unlock(&a.lock);
    if (a.error.status != 0) {
        if (e != NULL)
            *e = a.error;
        return SLUICE_FAILED;
    }
    *ret_response = a.response;
    return SLUICE_OK;
}

void sluice_message_free(struct sluice_message *m)
{
    if (m == NULL)
        return;
    free(m->data);
    *m = (struct sluice_message){NULL, 0};
}
