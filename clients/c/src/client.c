/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client: a channel, a completion queue and the one thread that serves it.
 *
 * The loop:  ready operations → streams with something to send → completion queue
 *
 * Each step is bounded, so that acks are seen while rows are sent. An operation that gRPC finishes
 * within the call that starts it (a buffered send, a message that is there already) is taken out of
 * gRPC's thread-local cache instead of going through the queue and its poller.
 *
 * Thread: the loop is the client's thread; everything else says so.
 */
#include "channel_args.h"
#include "client_priv.h"

#include <grpc/grpc_security.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVENTS_PER_TURN_MAX 64
#define PEM_BYTES_MAX       (4l * 1024 * 1024)

void *sluice__alloc(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL) {
        fputs("libsluice: out of memory\n", stderr);
        abort();
    }
    return p;
}

void sluice__error_set(struct sluice_error *e, int status, const char *text, size_t len)
{
    if (e == NULL)
        return;
    if (len >= sizeof(e->text))
        len = sizeof(e->text) - 1;
    e->status = status;
    memcpy(e->text, text, len);
    e->text[len] = '\0';
}

static int fail(struct sluice_error *e, int result, const char *text)
{
    sluice__error_set(e, GRPC_STATUS_INVALID_ARGUMENT, text, strlen(text));
    return result;
}

bool sluice__is_loop(const struct sluice_client *c)
{
    return pthread_equal(pthread_self(), c->thread) != 0;
}

gpr_timespec sluice__deadline(uint32_t timeout_ms)
{
    if (timeout_ms == SLUICE_FOREVER)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
}

struct timespec sluice__timespec(uint32_t timeout_ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += timeout_ms / 1000;
    t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

size_t sluice__metadata(const struct sluice_client *c, const char *table,
                        grpc_metadata metadata[METADATA_MAX])
{
    size_t count = 0;
    memset(metadata, 0, sizeof(metadata[0]) * METADATA_MAX);
    if (!GRPC_SLICE_IS_EMPTY(c->authorization)) {
        metadata[count].key = grpc_slice_from_static_string("authorization");
        metadata[count++].value = grpc_slice_ref(c->authorization);
    }
    if (table != NULL) {
        metadata[count].key = grpc_slice_from_static_string("x-databricks-zerobus-table-name");
        metadata[count++].value = grpc_slice_from_copied_string(table);
    }
    return count;
}

/* ---- the loop ---- */

static void ready_add(struct sluice_client *c, struct op *op, bool ok)
{
    op->ok = ok;
    op->next = NULL;
    *c->ready_last = op;
    c->ready_last = &op->next;
}

bool sluice__start(struct sluice_client *c, grpc_call *call, const grpc_op *ops, size_t count,
                   struct op *op)
{
    HAND_OVER(op);
    grpc_completion_queue_thread_local_cache_init(c->queue);
    grpc_call_error error = grpc_call_start_batch(call, ops, count, op, NULL);
    void *tag = NULL;
    int ok = 0;
    int found = grpc_completion_queue_thread_local_cache_flush(c->queue, &tag, &ok);
    if (found)
        TAKE_OVER(tag);
    if (found && tag != op)
        ready_add(c, tag, ok != 0);
    if (error != GRPC_CALL_OK) {
        op->ok = false;
        return true;
    }
    if (found && tag == op) {
        op->ok = ok != 0;
        return true;
    }
    return false;
}

void sluice__start_later(struct sluice_client *c, grpc_call *call, const grpc_op *ops, size_t count,
                         struct op *op)
{
    if (sluice__start(c, call, ops, count, op))
        ready_add(c, op, op->ok);
}

void sluice__run_later(struct sluice_client *c, struct runnable *r)
{
    if (r->queued)
        return;
    r->queued = true;
    r->next = NULL;
    *c->run_last = r;
    c->run_last = &r->next;
}

/* What is there now, not what it brings: those wait for the next turn. */
static void run_ready(struct sluice_client *c)
{
    while (c->ready_first != NULL) {
        struct op *op = c->ready_first;
        c->ready_first = NULL;
        c->ready_last = &c->ready_first;
        while (op != NULL) {
            struct op *next = op->next;
            op->done(op, op->ok);
            op = next;
        }
    }
}

static void run_streams(struct sluice_client *c)
{
    struct runnable *r = c->run_first;
    c->run_first = NULL;
    c->run_last = &c->run_first;
    while (r != NULL) {
        struct runnable *next = r->next;
        r->queued = false;
        r->run(r);
        r = next;
    }
}

static void *loop(void *arg)
{
    struct sluice_client *c = arg;
    const gpr_timespec past = gpr_inf_past(GPR_CLOCK_MONOTONIC);
    const gpr_timespec future = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    for (;;) {
        for (unsigned i = 0; i < EVENTS_PER_TURN_MAX; i++) {
            bool wait = i == 0 && c->ready_first == NULL && c->run_first == NULL;
            grpc_event e = grpc_completion_queue_next(c->queue, wait ? future : past, NULL);
            if (e.type == GRPC_QUEUE_SHUTDOWN)
                return NULL;
            if (e.type == GRPC_QUEUE_TIMEOUT)
                break;
            struct op *op = e.tag;
            TAKE_OVER(op);
            op->done(op, e.success != 0);
            if (wait && c->run_first != NULL)
                break; /* a lone ack: answer it before looking for more */
        }
        run_ready(c);
        run_streams(c);
    }
}

/* ---- life ---- */

/* The file as terminated text, or NULL. Free with free(). */
static char *read_pem(const char *path)
{
    FILE *f = fopen(path, "rbe");
    if (f == NULL)
        return NULL;
    char *text = NULL;
    long size = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    if (size > 0 && size <= PEM_BYTES_MAX && fseek(f, 0, SEEK_SET) == 0) {
        text = sluice__alloc((size_t)size + 1);
        if (fread(text, 1, (size_t)size, f) != (size_t)size) {
            free(text);
            text = NULL;
            errno = EIO;
        }
    } else if (errno == 0) {
        errno = EINVAL;
    }
    fclose(f);
    return text;
}

static grpc_channel *channel_new(const struct sluice_options *o, grpc_channel_credentials *creds)
{
    grpc_arg args[SLUICE__ARGS_MAX];
    size_t count = sluice__args(args);
    if (o->server_name != NULL && !o->plain_text)
        args[count++] = sluice__arg_text(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, o->server_name);
    grpc_channel_args all = {.num_args = count, .args = args};
    return grpc_channel_create(o->endpoint, creds, &all);
}

/* Credentials by the options; NULL with @e set. */
static grpc_channel_credentials *credentials_new(const struct sluice_options *o,
                                                 struct sluice_error *e)
{
    if (o->plain_text)
        return grpc_insecure_credentials_create();
    char *pem = NULL;
    if (o->ca_pem_path != NULL) {
        errno = 0;
        pem = read_pem(o->ca_pem_path);
        if (pem == NULL) {
            char text[SLUICE_ERROR_TEXT_MAX];
            snprintf(text, sizeof(text), "cannot read the CA file %s: %s", o->ca_pem_path,
                     strerror(errno));
            (void)fail(e, SLUICE_SYSTEM, text);
            return NULL;
        }
    }
    grpc_channel_credentials *creds = grpc_ssl_credentials_create_ex(pem, NULL, NULL, NULL);
    free(pem);
    if (creds == NULL)
        (void)fail(e, SLUICE_SYSTEM, "no TLS credentials could be made of the CA file");
    return creds;
}

static grpc_slice bearer(const char *token)
{
    if (token == NULL || token[0] == '\0')
        return grpc_empty_slice();
    size_t len = strlen(token);
    grpc_slice s = grpc_slice_malloc(7 + len);
    memcpy(GRPC_SLICE_START_PTR(s), "Bearer ", 7);
    memcpy(GRPC_SLICE_START_PTR(s) + 7, token, len);
    return s;
}

int sluice_client_new(const struct sluice_options *o, struct sluice_client **ret_client,
                      struct sluice_error *e)
{
    if (o->endpoint == NULL || o->endpoint[0] == '\0')
        return fail(e, SLUICE_INVALID, "no endpoint given (host:port)");
    grpc_init();
    grpc_channel_credentials *creds = credentials_new(o, e);
    if (creds == NULL) {
        grpc_shutdown();
        return SLUICE_SYSTEM;
    }
    struct sluice_client *c = sluice__alloc(sizeof(*c));
    c->channel = channel_new(o, creds);
    grpc_channel_credentials_release(creds);
    c->queue = grpc_completion_queue_create_for_next(NULL);
    c->authorization = bearer(o->token);
    c->ready_last = &c->ready_first;
    c->run_last = &c->run_first;
    if (pthread_create(&c->thread, NULL, loop, c) != 0) {
        grpc_completion_queue_shutdown(c->queue);
        grpc_completion_queue_destroy(c->queue);
        grpc_channel_destroy(c->channel);
        grpc_slice_unref(c->authorization);
        free(c);
        grpc_shutdown();
        return fail(e, SLUICE_SYSTEM, "cannot start the client's thread");
    }
    *ret_client = c;
    return SLUICE_OK;
}

struct sluice_client *sluice_client_free(struct sluice_client *c)
{
    if (c == NULL)
        return NULL;
    while (atomic_load(&c->call_count) > 0) {
        struct timespec pause = {0, 1000000};
        nanosleep(&pause, NULL);
    }
    grpc_completion_queue_shutdown(c->queue);
    pthread_join(c->thread, NULL);
    grpc_completion_queue_destroy(c->queue);
    grpc_channel_destroy(c->channel);
    grpc_slice_unref(c->authorization);
    free(c);
    grpc_shutdown();
    return NULL;
}
