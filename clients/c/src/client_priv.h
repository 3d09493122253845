/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of the client library share: the loop and its operations. */

#include "sluice/client.h"

#include <grpc/grpc.h>

#include <pthread.h>
#include <stdatomic.h>

struct sluice_client;

/* One operation of gRPC in flight: its address is the tag. */
struct op {
    void (*done)(struct op *op, bool ok); /* on the client's thread */
    struct op *next;                      /* private to the loop */
    bool ok;
};

/*
 * An operation goes from the thread that starts it to the one that finds it finished by way of
 * gRPC's completion queue. gRPC is not built with the thread sanitizer, so it is told.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define HAND_OVER(op) __tsan_release(op)
#define TAKE_OVER(op) __tsan_acquire(op)
#endif
#endif
#ifndef HAND_OVER
#define HAND_OVER(op) ((void)(op))
#define TAKE_OVER(op) ((void)(op))
#endif

/* A stream that has something to send, in the loop's list. */
struct runnable {
    void (*run)(struct runnable *r);
    struct runnable *next;
    bool queued;
};

struct sluice_client {
    grpc_channel *channel;
    grpc_completion_queue *queue;
    grpc_slice authorization; /* "Bearer …"; empty = no token */
    pthread_t thread;
    atomic_uint call_count; /* unary calls open */

    /* The client's thread only. */
    struct op *ready_first, **ready_last;
    struct runnable *run_first, **run_last;
};

#define OP_OF(op_, type, member) ((type *)(void *)((char *)(op_)-offsetof(type, member)))

void *sluice__alloc(size_t size); /* cleared; ends the process when there is none */
void sluice__error_set(struct sluice_error *e, int status, const char *text, size_t len);

bool sluice__is_loop(const struct sluice_client *c); /* is this the client's thread? */
/* Start @ops from the client's thread. True when @op is done already (op->ok says how); its done()
 * is not called then. Another operation that is done in passing goes to the ready list. */
bool sluice__start(struct sluice_client *c, grpc_call *call, const grpc_op *ops, size_t count,
                   struct op *op);
/* The same, but done() is always called by the loop. */
void sluice__start_later(struct sluice_client *c, grpc_call *call, const grpc_op *ops, size_t count,
                         struct op *op);
void sluice__run_later(struct sluice_client *c, struct runnable *r);

/* The absolute time @timeout_ms from now, for gRPC and for condition variables (monotonic). */
gpr_timespec sluice__deadline(uint32_t timeout_ms);
struct timespec sluice__timespec(uint32_t timeout_ms);

#define METADATA_MAX 2
/* The request headers of a call; returns their count. @table may be NULL. */
size_t sluice__metadata(const struct sluice_client *c, const char *table,
                        grpc_metadata metadata[METADATA_MAX]);
