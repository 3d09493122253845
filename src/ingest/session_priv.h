/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The session: one stream's state machine, without I/O. The driver feeds events and performs
 * actions.
 *
 *            create ok            registered durable, reply sent
 *   OPENED ────────────► CREATING ───────────────────────────► STREAMING
 *      │                    │                                     │ half-close, error, drain
 *      └────────────────────┴───────────────► ENDING ◄────────────┘
 *                                                │ all appended is durable and acknowledged (R8)
 *                                                ▼
 *                                              ENDED (status given)
 *
 * Invariants
 *   S1  an ack never exceeds the offset of the newest request whose block is durable (I1)
 *   S2  acks never go back, and none repeats
 *   S3  one send at a time; the status comes after the last ack
 *   S4  offsets are taken in order, each exactly once
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define SESSION_PENDING_MAX 32

enum session_phase {
    SESSION_OPENED,
    SESSION_CREATING,
    SESSION_STREAMING,
    SESSION_ENDING,
    SESSION_ENDED
};

/* Requests of this stream that went into one block (R7): durable with @ticket. */
struct session_pending {
    uint64_t ticket;
    int64_t offset;      /* the last of them */
    uint64_t arrived_ns; /* the first of them */
};

struct session {
    enum session_phase phase;
    bool sending; /* a send is with the transport */
    bool half_closed;
    bool signal_wanted, signal_sent;
    uint32_t grace_ms; /* what the signal says */
    bool create_waits; /* the create reply is still owed */
    uint64_t create_ticket;
    int64_t next_offset;
    int64_t acked;          /* last offset acknowledged; -1 = none */
    int64_t durable_offset; /* last offset known durable; -1 = none */
    uint32_t first, count;  /* ring of pending */
    struct session_pending pending[SESSION_PENDING_MAX];
    int end_code;
    char *end_text;         /* owned by the session */
    struct buf end_details; /* for programs; may be empty */
};

/* What the driver is to do now; at most one send. */
enum session_do { DO_NOTHING, DO_SEND_CREATED, DO_SEND_ACK, DO_SEND_SIGNAL, DO_FINISH };
struct session_action {
    enum session_do what;
    int64_t offset; /* DO_SEND_ACK */
    uint64_t
        /* DO_SEND_ACK: arrival of the oldest request it covers newly; 0 = unknown */
        waited_from_ns;
    uint32_t grace_ms; /* DO_SEND_SIGNAL */
};

void session_init(struct session *s);
void session_deinit(struct session *s);

/* ---- events ---- */

/* The stream is registered; its create reply goes out when @ticket is durable. */
void session_created(struct session *s, uint64_t ticket);
/* May a request with @offset (of table @table) come now? ERR_INVALID with the sentence. */
must_use int session_accept(const struct session *s, bool has_offset, int64_t offset,
                            struct err *e);
/* It was appended with @ticket. */
void session_appended(struct session *s, uint64_t ticket, uint64_t now_ns);
void session_half_closed(struct session *s);
/* End with a status, once everything appended is acknowledged. The first one counts. @details: a
 * google.rpc.Status, copied; may be empty. */
void session_end(struct session *s, int code, const char *text, struct slice details);
/* What is not durable by now is not waited for: the log stands still, and its client sends it
 * again. An end in order becomes @code: it would claim that all was stored. Only for a session that
 * is ending; does nothing when it waits for nothing. */
void session_abandon(struct session *s, uint64_t durable_ticket, int code, const char *text);
/* Announce the close to the client, once; until it is sent the shortest grace counts. */
void session_signal(struct session *s, uint32_t grace_ms);
void session_sent(struct session *s);

/* ---- what to do: after each event, and when the durable end moves ---- */

struct session_action session_step(struct session *s, uint64_t durable_ticket);
/* Has it something that waits for the durable end? */
static inline bool session_waits(const struct session *s)
{
    return s->count > 0 || s->create_waits;
}
/* The ticket that it waits for next; only while session_waits(). */
static inline uint64_t session_waits_for(const struct session *s)
{
    return s->create_waits ? s->create_ticket : s->pending[s->first].ticket;
}
