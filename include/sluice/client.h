/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * libsluice: a C client of the Zerobus stream protocol and of Sluice's own calls.
 *
 * A client is one connection with one thread of its own ("the client's thread"), where every
 * callback runs. A stream sends rows into one table: appending only queues the row, the client's
 * thread sends it, and the server's acknowledgements come back as offsets: "every row up to and
 * including this offset is durable". Many rows are in flight at once, up to the limits of the
 * stream.
 *
 *   sluice_client_new → sluice_stream_open → sluice_stream_append … → sluice_stream_flush
 *                     → sluice_stream_close → sluice_client_free
 *
 * There is no reconnect: a broken stream stays broken, says why (sluice_stream_error) and which
 * offset was not acknowledged (sluice_stream_unacked). Whoever wants to go on opens a new stream
 * and sends again from there; offsets start at 0 again.
 *
 * Thread: functions are safe from any thread unless they say otherwise. Text and bytes that go in
 * are copied or no longer needed when the function returns. No function takes NULL for a required
 * pointer; the two that free do.
 * Returns: 0 done; positive an outcome, negative a failure (enum sluice_result).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_MUST_USE __attribute__((warn_unused_result))

struct sluice_client;
struct sluice_stream;

enum sluice_result {
    SLUICE_OK = 0,
    SLUICE_AGAIN = 1,    /* a limit is reached and nothing was appended: wait for acks, try again */
    SLUICE_TIMEOUT = 2,  /* not so in the time given; nothing is lost by it */
    SLUICE_INVALID = -1, /* the arguments cannot be right */
    SLUICE_FAILED = -2,  /* the server, or the way to it, ended the stream or call: see the error */
    SLUICE_SYSTEM = -3,  /* a file or a thread could not be had on this machine */
};

#define SLUICE_ERROR_TEXT_MAX 1024
/* Wait as long as it takes. */
#define SLUICE_FOREVER UINT32_MAX
/* Bytes of records in one request at most: the protocol's 10 MiB. */
#define SLUICE_REQUEST_BYTES_MAX (10u * 1024 * 1024)

/* What went wrong. Owned by the caller; text is always terminated. */
struct sluice_error {
    int status; /* gRPC status code: 3 invalid argument, 5 not found, 14 unavailable, …; 0 = none */
    char text[SLUICE_ERROR_TEXT_MAX];
};

/* A borrowed run of bytes. */
struct sluice_bytes {
    const void *data;
    size_t len;
};

/* ---- the client ---- */

struct sluice_options {
    const char *endpoint;    /* "host:port" */
    const char *ca_pem_path; /* file with the authority's certificates; NULL = the system's */
    const char *server_name; /* in the server's certificate; NULL = the host of the endpoint */
    const char *token;       /* bearer token; NULL = none */
    bool plain_text;         /* no TLS: only for loopback, the token goes unprotected */
};

/*
 * Owns:    copies @o; gives *ret_client (sluice_client_free).
 * Returns: 0. SLUICE_INVALID (no endpoint), SLUICE_SYSTEM (CA file, thread); @e says what.
 *          The connection is made with the first stream or call, and its failure comes there.
 */
SLUICE_MUST_USE int sluice_client_new(const struct sluice_options *o,
                                      struct sluice_client **ret_client, struct sluice_error *e);

/*
 * Takes NULL; returns NULL. Every stream has been closed before; calls still open are awaited.
 * Thread: any but the client's.
 */
struct sluice_client *sluice_client_free(struct sluice_client *c);

/* ---- streams ---- */

enum sluice_record { SLUICE_PROTO = 1, SLUICE_JSON = 2 };

/* Callbacks run on the client's thread, one at a time per client, and must not block. In them a
 * stream may be appended to (with timeout 0) but not waited for, closed or opened. */
struct sluice_stream_options {
    const char *table; /* "catalog.schema.table" */
    enum sluice_record record;
    struct sluice_bytes descriptor; /* google.protobuf.DescriptorProto; for SLUICE_PROTO only */
    uint32_t rows_in_flight_max;    /* requests not yet acknowledged; 0 = 16,384 */
    uint64_t bytes_in_flight_max;   /* of their records; 0 = 64 MiB; one request always fits */
    uint32_t open_timeout_ms;       /* 0 = 10 s */

    /* Everything up to @offset is durable. Comes once for each acknowledgement that moves on. */
    void (*on_ack)(void *ctx, struct sluice_stream *s, int64_t offset);
    /* The stream has ended; see sluice_stream_error(). Comes once, last; not if opening failed. */
    void (*on_end)(void *ctx, struct sluice_stream *s);
    void *ctx;
};

/*
 * Open a stream and wait for the server's answer. A callback may come before this returns.
 *
 * Owns:    copies @o; gives *ret_stream (sluice_stream_close).
 * Thread:  any but the client's; blocks up to the timeout.
 * Returns: 0. SLUICE_INVALID. SLUICE_FAILED with the server's status and sentence in @e (a timeout
 *          is status 4).
 */
SLUICE_MUST_USE int sluice_stream_open(struct sluice_client *c,
                                       const struct sluice_stream_options *o,
                                       struct sluice_stream **ret_stream, struct sluice_error *e);

/* The id that the server gave; borrowed until close. */
const char *sluice_stream_id(const struct sluice_stream *s);

/*
 * Queue one row. Its offset, 0, 1, 2, … in the order of appending, is what acks speak of.
 *
 * Owns:    copies @row.
 * Thread:  any; waits up to @timeout_ms for room (0 = not at all, and always so on the client's
 *          thread).
 * Returns: 0, *ret_offset (may be NULL) is set. SLUICE_AGAIN: no room, nothing appended.
 *          SLUICE_FAILED: the stream has ended. SLUICE_INVALID: above SLUICE_REQUEST_BYTES_MAX.
 */
SLUICE_MUST_USE int sluice_stream_append(struct sluice_stream *s, struct sluice_bytes row,
                                         uint32_t timeout_ms, int64_t *ret_offset);

/* The same for a batch: @rows are one request, have one offset, and become durable all or none. */
SLUICE_MUST_USE int sluice_stream_append_batch(struct sluice_stream *s,
                                               const struct sluice_bytes *rows, size_t row_count,
                                               uint32_t timeout_ms, int64_t *ret_offset);

/*
 * Wait until @offset is acknowledged / until everything appended so far is.
 * Thread:  any but the client's.
 * Returns: 0. SLUICE_TIMEOUT. SLUICE_FAILED: the stream ended before that.
 */
SLUICE_MUST_USE int sluice_stream_wait(struct sluice_stream *s, int64_t offset,
                                       uint32_t timeout_ms);
SLUICE_MUST_USE int sluice_stream_flush(struct sluice_stream *s, uint32_t timeout_ms);

/* Highest acknowledged offset, -1 = none yet. */
int64_t sluice_stream_acked(struct sluice_stream *s);
/* First offset that is not acknowledged: equal to the count appended when all is. */
int64_t sluice_stream_unacked(struct sluice_stream *s);
/* The server has announced that it will close the stream: finish and open another. */
bool sluice_stream_is_closing(struct sluice_stream *s);
/* True when the stream has ended. Then *ret_error (may be NULL) is how: status 0 = in order. */
bool sluice_stream_error(struct sluice_stream *s, struct sluice_error *ret_error);

/*
 * Send what is queued, tell the server that no more comes, wait for its end, free the stream. After
 * @timeout_ms the call is cancelled. *ret_error (may be NULL) is how the stream ended.
 *
 * Owns:    takes @s, whatever is returned; takes NULL.
 * Thread:  any but the client's; nobody else uses @s any more.
 * Returns: 0: everything appended was acknowledged and the server ended the stream with OK.
 *          SLUICE_TIMEOUT, SLUICE_FAILED: not so; ask sluice_stream_unacked() before closing when
 *          it matters which rows.
 */
int sluice_stream_close(struct sluice_stream *s, uint32_t timeout_ms,
                        struct sluice_error *ret_error);

/* ---- unary calls: "/sluice.v1.Tables/CreateTable" and the like ---- */

struct sluice_request {
    const char *method;       /* "/package.Service/Method" */
    struct sluice_bytes body; /* the encoded request message */
    uint32_t timeout_ms;      /* 0 = 10 s */
};

/* The answer, borrowed for the callback. */
struct sluice_reply {
    int status;       /* gRPC status code, 0 = OK */
    const char *text; /* the server's sentence when it is not */
    struct sluice_bytes body;
};
typedef void sluice_call_fn(void *ctx, const struct sluice_reply *reply);

/*
 * Start a call; @done comes once, on the client's thread, never from inside this function.
 * Owns:    copies @r.   Thread: any; does not block.
 * Returns: 0. SLUICE_INVALID: then @done does not come.
 */
SLUICE_MUST_USE int sluice_call_start(struct sluice_client *c, const struct sluice_request *r,
                                      sluice_call_fn *done, void *ctx);

/* A received message. Free with sluice_message_free(). */
struct sluice_message {
    uint8_t *data;
    size_t len;
};
void sluice_message_free(struct sluice_message *m);

/*
 * Call and wait for the answer.
 * Owns:    gives *ret_response.   Thread: any but the client's; blocks up to the request's timeout.
 * Returns: 0. SLUICE_INVALID. SLUICE_FAILED with the status in @e; then there is no response.
 */
SLUICE_MUST_USE int sluice_call(struct sluice_client *c, const struct sluice_request *r,
                                struct sluice_message *ret_response, struct sluice_error *e);

#ifdef __cplusplus
}
#endif
