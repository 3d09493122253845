/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One message of the client, taken apart without copying: docs/formats/zerobus.md. */

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum request_kind { REQUEST_NONE, REQUEST_CREATE, REQUEST_RECORD, REQUEST_BATCH };
enum request_format { FORMAT_NONE, FORMAT_PROTO, FORMAT_JSON, FORMAT_AVRO };

struct request {
    enum request_kind kind;
    /* create */
    struct slice table, descriptor;
    bool has_type;
    int64_t type; /* RecordType as sent */
    /* record, batch */
    bool has_offset;
    int64_t offset;
    enum request_format format; /* which member of the oneof came */
    struct slice record;        /* record: its bytes. batch: the repeated field's message */
};

/* ERR_INVALID: not a well-formed EphemeralStreamRequest. Slices are borrowed from @message. */
must_use int request_parse(struct slice message, struct request *ret, struct err *e);

/* The records of a batch: *rows is grown as needed (mem_realloc), *ret_count set, total bytes
 * too. */
struct request_rows {
    struct slice *rows;
    uint32_t count, cap;
    uint64_t bytes;
};
must_use int request_rows(const struct request *r, struct request_rows *rows, struct err *e);

/* Answers, written into @out (REQUEST_ANSWER_MAX bytes); the length is returned. */
#define REQUEST_ANSWER_MAX 64
size_t answer_created(uint8_t *out, const char *stream_id);
size_t answer_ack(uint8_t *out, int64_t offset);
size_t answer_signal(uint8_t *out, uint32_t grace_ms);
