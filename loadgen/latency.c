/* SPDX-License-Identifier: Apache-2.0 */
/*
 * latency: one row in flight, from append to ack; or, with --echo, one message of the same size
 * there and back on a bare bidirectional stream of a channel with the C client's own arguments.
 * devwrite: the other half of what an ack costs.
 */
#include "channel_args.h"
#include "loadgen.h"
#include "rowset.h"

#include "base/json.h"
#include "base/mem.h"

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECONDS_DEFAULT   5
#define MESSAGE_BYTES     200
#define DEVICE_BLOCK      4096
#define DEVICE_FILE_BYTES (16u * 1024 * 1024)
#define DEVICE_WRITES     3000

static double us(const struct trace_hist *h, double q)
{
    return (double)trace_hist_quantile(h, q) / 1000;
}

/* Print and write a histogram of ns under @name ("echo": echo_p50_us …). */
static int hist_report(const struct options *o, const char *name, const struct trace_hist *h)
{
    static const struct {
        const char *suffix;
        double q;
    } marks[] = {{"p50_us", 0.5}, {"p99_us", 0.99}, {"p999_us", 0.999}, {"max_us", 1}};
    struct buf report = BUF_NULL;
    struct json j = json_on(&report);
    json_open(&j, '{');
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        _cleanup_(mem_freep) char *key = mem_printf("%s_%s", name, marks[i].suffix);
        printf("%-22s %.1f\n", key, us(h, marks[i].q));
        json_key(&j, key);
        json_double(&j, us(h, marks[i].q));
    }
    uint64_t count = atomic_load(&((struct trace_hist *)(uintptr_t)h)->count);
    json_key(&j, "count");
    json_u64(&j, count);
    json_close(&j, '}');
    int code = report_write(o, &report);
    buf_deinit(&report);
    return code != EXIT_FINE ? code : count > 0 ? EXIT_FINE : EXIT_WRONG;
}

/* ---- the bare end of the stream echo ---- */

struct echo {
    grpc_completion_queue *cq;
    grpc_channel *channel;
    grpc_call *call;
    grpc_metadata_array head;
};

static bool echo_wait(struct echo *e)
{
    grpc_event ev = grpc_completion_queue_next(
        e->cq, gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(10, GPR_TIMESPAN)),
        NULL);
    return ev.type == GRPC_OP_COMPLETE && ev.success != 0;
}

/* One message there and back; ns, or 0 when it failed. */
static uint64_t echo_once(struct echo *e, grpc_slice payload)
{
    uint64_t began = now_ns();
    grpc_byte_buffer *out = grpc_raw_byte_buffer_create(&payload, 1), *in = NULL;
    grpc_op ops[2] = {
        {.op = GRPC_OP_SEND_MESSAGE,
         .flags = GRPC_WRITE_NO_COMPRESS,
         .data.send_message.send_message = out},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &in},
    };
    bool ok = grpc_call_start_batch(e->call, ops, 2, e, NULL) == GRPC_CALL_OK && echo_wait(e);
    ok = ok && in != NULL && grpc_byte_buffer_length(in) == GRPC_SLICE_LENGTH(payload);
    uint64_t took = now_ns() - began;
    grpc_byte_buffer_destroy(out);
    grpc_byte_buffer_destroy(in);
    return ok ? took : 0;
}

static bool echo_open(struct echo *e, const struct options *o)
{
    _cleanup_(mem_freep) char *pem = o->ca != NULL ? file_text(o->ca) : NULL;
    if (o->ca != NULL && pem == NULL)
        return false;
    grpc_channel_credentials *creds = o->plain
                                          ? grpc_insecure_credentials_create()
                                          : grpc_ssl_credentials_create_ex(pem, NULL, NULL, NULL);
    grpc_arg args[SLUICE__ARGS_MAX];
    grpc_channel_args all = {.num_args = sluice__args(args), .args = args};
    e->channel = grpc_channel_create(o->endpoint, creds, &all);
    grpc_channel_credentials_release(creds);
    e->cq = grpc_completion_queue_create_for_next(NULL);
    e->call = grpc_channel_create_call(e->channel, NULL, GRPC_PROPAGATE_DEFAULTS, e->cq,
                                       grpc_slice_from_static_string(ECHO_STREAM), NULL,
                                       gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_metadata_array_init(&e->head);
    grpc_op ops[2] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &e->head},
    };
    return grpc_call_start_batch(e->call, ops, 2, e, NULL) == GRPC_CALL_OK && echo_wait(e);
}

static void echo_close(struct echo *e)
{
    if (e->call != NULL) {
        grpc_call_cancel(e->call, NULL);
        grpc_call_unref(e->call);
        grpc_metadata_array_destroy(&e->head);
    }
    if (e->cq != NULL) {
        grpc_completion_queue_shutdown(e->cq);
        while (grpc_completion_queue_next(e->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
               GRPC_QUEUE_SHUTDOWN) {
        }
        grpc_completion_queue_destroy(e->cq);
    }
    if (e->channel != NULL)
        grpc_channel_destroy(e->channel);
}

int echo_latency(const struct options *o, struct trace_hist *h)
{
    grpc_init();
    struct echo e = {0};
    int code = EXIT_SYSTEM;
    if (echo_open(&e, o)) {
        code = EXIT_FINE;
        grpc_slice payload = grpc_slice_malloc(MESSAGE_BYTES);
        memset(GRPC_SLICE_START_PTR(payload), 'x', MESSAGE_BYTES);
        uint64_t until =
            now_ns() + (o->seconds != 0 ? o->seconds : SECONDS_DEFAULT) * 1000000000ull;
        while (now_ns() < until && code == EXIT_FINE && !is_interrupted()) {
            uint64_t took = echo_once(&e, payload);
            if (took == 0)
                code = EXIT_WRONG;
            else
                trace_hist_add(h, took);
        }
        grpc_slice_unref(payload);
    }
    if (code != EXIT_FINE)
        fprintf(stderr, "no echo from %s\n", o->endpoint);
    echo_close(&e);
    grpc_shutdown();
    return code;
}

int cmd_latency(const struct options *o)
{
    if (o->endpoint == NULL) {
        fputs("latency needs --endpoint\n", stderr);
        return EXIT_USAGE;
    }
    if (o->echo) {
        struct trace_hist *h = mem_zalloc(sizeof(*h));
        int code = echo_latency(o, h);
        if (code == EXIT_FINE)
            code = hist_report(o, "echo", h);
        mem_free(h);
        return code;
    }
    struct options one = *o;
    one.in_flight = 1;
    one.streams = 1;
    one.connections = 1;
    one.rate = 0;
    if (one.seconds == 0)
        one.seconds = SECONDS_DEFAULT;
    return cmd_run(&one);
}

/* ---- the device ---- */

/* Write the file once, so that its blocks are written ones; then time one block at a time. */
static int device_measure(int fd, void *block, struct trace_hist *h)
{
    for (off_t at = 0; at < (off_t)DEVICE_FILE_BYTES; at += DEVICE_BLOCK)
        if (pwrite(fd, block, DEVICE_BLOCK, at) != DEVICE_BLOCK)
            return EXIT_SYSTEM;
    for (unsigned i = 0; i < DEVICE_WRITES && !is_interrupted(); i++) {
        off_t at = (off_t)i * DEVICE_BLOCK % (off_t)DEVICE_FILE_BYTES;
        memset(block, (int)i, 64);
        uint64_t began = now_ns();
        if (pwrite(fd, block, DEVICE_BLOCK, at) != DEVICE_BLOCK)
            return EXIT_SYSTEM;
        trace_hist_add(h, now_ns() - began);
    }
    return EXIT_FINE;
}

int cmd_devwrite(const struct options *o)
{
    if (o->path == NULL) {
        fputs("devwrite needs the folder of the log\n", stderr);
        return EXIT_USAGE;
    }
    _cleanup_(mem_freep) char *path = mem_printf("%s/sluice-devwrite.%d", o->path, (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_DSYNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        fprintf(stderr, "cannot write in %s: %s\n", o->path, strerror(errno));
        return EXIT_SYSTEM;
    }
    void *block = mem_aligned(DEVICE_BLOCK, DEVICE_BLOCK);
    memset(block, 0, DEVICE_BLOCK);
    struct trace_hist *h = mem_zalloc(sizeof(*h));
    int code = device_measure(fd, block, h);
    if (code != EXIT_FINE)
        fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
    close(fd);
    unlink(path);
    mem_free(block);
    if (code == EXIT_FINE)
        code = hist_report(o, "device_write", h);
    mem_free(h);
    return code;
}
