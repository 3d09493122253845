/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A server on the loopback with a handful of small services that count what they see, and a client
 * on the bare core. Waiting is always for an event, with a generous end.
 */

#include "rpc/rpc.h"
#include "sys/sys.h"

#include <grpc/grpc.h>

#include <stdatomic.h>

/* What the services saw. Changes signal @event. */
struct seen {
    struct sys_event event;
    _Atomic int opened, messages, half_closed, sent, closed, cancelled, ran, idle, ticks;
    _Atomic int last_count;               /* Chat: messages of its call, kept in the call's state */
    _Atomic(struct rpc_call *) kept_call; /* of Later and Mute; Later holds a reference */
    _Atomic(struct rpc_message *) kept_message; /* of Keep */
    _Atomic(struct rpc_post *) idle_post;       /* posted by the next on_idle */
};

struct rig {
    struct sys *sys;
    struct rpc_server *server;
    struct seen seen;
    grpc_completion_queue *cq;
    grpc_channel *channel;
    struct rpc_post answer;
};

enum rig_kind { RIG_PLAIN, RIG_TLS };

/*
 * Services, all "/t.T/<name>":
 *   Echo    unary   answers with the request
 *   Facts   unary   answers "<x-fact>|<peer up to the first colon>|<deadline given: y or n>"
 *   Later   unary   keeps the call and answers when a post finishes it (rig_answer_later)
 *   Deny    unary   refuses in on_open
 *   Keep    unary   answers, and keeps the message
 *   Chat    stream  echoes each message; OK after the half close
 *   Mute    stream  never asks for a message
 *   Last    stream  sends each message back and gives a status with details at once
 *   Closed  stream  refuses in on_open
 */
void rig_init(struct rig *g, enum rig_kind kind, unsigned queue_count); /* no ticks */
void rig_init_ticking(struct rig *g, uint32_t tick_ms);
void rig_deinit(struct rig *g); /* stops with no grace */
/* Waits until the counter has reached @value; fails the test after 20 s. */
void rig_await(struct rig *g, _Atomic int *counter, int value);
void rig_answer_later(struct rig *g); /* from this thread, through a post */

/* ---- a call of the client; every function waits for its operation ---- */

struct tag {
    bool done, ok;
};
struct ccall {
    struct rig *rig;
    grpc_call *call;
    grpc_metadata_array initial, trailing;
    grpc_status_code status;
    grpc_slice details;
    struct tag begun, greeted, ended, sent, got;
    grpc_byte_buffer *in;
    char text[2048]; /* status text, after ccall_status */
};

#define NO_DEADLINE 0
void ccall_init(struct ccall *c, struct rig *g, const char *path, uint32_t deadline_ms);
void ccall_init_header(struct ccall *c, struct rig *g, const char *path, const char *name,
                       const char *value);
void ccall_deinit(struct ccall *c);         /* cancels what is open */
void ccall_await_greeting(struct ccall *c); /* the server's initial metadata */
bool ccall_send(struct ccall *c, struct slice message);
bool ccall_half_close(struct ccall *c);
/* Returns the length, or -1 at the end; at most @max bytes go into @out. */
long ccall_recv(struct ccall *c, void *out, size_t max);
int ccall_status(struct ccall *c);
/* Of the trailing metadata, after ccall_status; data NULL = absent. */
struct slice ccall_trailer(const struct ccall *c, const char *name);

/* A whole unary call: returns the status, the answer (or the status text) in @out, terminated. */
int unary(struct rig *g, const char *path, struct slice request, char *out, size_t out_max);
