/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ingest: the Zerobus EphemeralStream method. One session per stream: create, offsets 0,1,2…,
 * cumulative acks after the log's durable end, half-close. Rules: docs/formats/zerobus.md. The
 * session is a pure step function (session.h); this module drives it over rpc, codec, catalog and
 * bronze.
 *
 * Thread: a stream lives on its queue's thread. ingest_new/free and ingest_drain on the program's.
 */

#include "base/attr.h"
#include "base/err.h"

#include <stdint.h>

struct sys;
struct bronze;
struct catalog;
struct catalog_table;
struct row_value;
struct rpc_server;
struct rpc_queue;
struct trace_hist;
struct ingest;

struct ingest_options {
    struct sys *sys;
    struct bronze *log;
    struct catalog *catalog;
    struct rpc_server *server;
};

/* Registers its method and its listener of the log: before either starts. Borrows all of @o. */
struct ingest *ingest_new(const struct ingest_options *o);
/* After the server and the log have stopped. Takes NULL; returns NULL. */
struct ingest *ingest_free(struct ingest *in);

/* To be called from the server's hooks, on the queue's thread. */
void ingest_on_idle(struct ingest *in, struct rpc_queue *q);
void ingest_on_tick(struct ingest *in, struct rpc_queue *q);

/*
 * The server is about to stop: every stream gets a CloseStreamSignal of @grace_ms; after it, what
 * was received becomes durable, is acknowledged, and the stream ends with UNAVAILABLE. Any thread.
 */
void ingest_drain(struct ingest *in, uint32_t grace_ms);

/*
 * Replay: quarantined records judged again, as the table is now. A record that is good goes into
 * its table, and in the same block of the log a row that says so into the quarantine table: so a
 * crash leaves both or none, and a record is replayed once. On a thread that may block; one replay
 * of a table at a time.
 */
struct ingest_replay;
/* @table, @quarantine: shared. @principal: who asks; borrowed. */
struct ingest_replay *ingest_replay_new(struct ingest *in, struct catalog_table *table,
                                        struct catalog_table *quarantine, const char *principal);
enum ingest_replay_outcome { INGEST_STILL_BAD = 1 };
/*
 * @bad: a row of the quarantine table that has no "replayed". 0: it is in the log;
 * INGEST_STILL_BAD: @e says why; <0: the log takes nothing, nothing was done.
 */
must_use int ingest_replay_row(struct ingest_replay *r, const struct row_value *bad, struct err *e);
/* What was replayed becomes durable. ERR_UNAVAILABLE: not in time; it will be. Frees. */
must_use int ingest_replay_end(struct ingest_replay *r, struct err *e);

struct ingest_counters {
    uint64_t streams_open, streams_opened, rows, requests, bytes, refused, acks, parked;
    uint64_t rejected, quarantined, dropped, warned; /* rows that failed a check */
};
void ingest_read_counters(const struct ingest *in, struct ingest_counters *ret_counters);
/* From the request's arrival to its ack being handed to the transport, µs; first request of each
 * block. */
const struct trace_hist *ingest_ack_hist(const struct ingest *in);
