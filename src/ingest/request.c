/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream's messages by hand: rows on the hot path do not pass through protobuf-c. Field
 * numbers:
 * proto/databricks/zerobus_service.proto. Pure; unknown fields are skipped, the last of a oneof
 * wins.
 */
#include "request_priv.h"

#include "base/limits.h"
#include "base/mem.h"
#include "codec/wire.h"

static int malformed(struct err *e, const char *what)
{
    return err_set(e, ERR_INVALID, "the message is not a valid %s", what);
}

static int parse_create(struct slice m, struct request *r, struct err *e)
{
    const uint8_t *p = m.data, *end = m.data + m.len;
    struct wire_field f;
    int rc;
    while ((rc = wire_next(&p, end, &f)) > 0) {
        if (f.number == 1 && f.type == WIRE_LEN)
            r->table = f.bytes;
        else if (f.number == 3 && f.type == WIRE_LEN)
            r->descriptor = f.bytes;
        else if (f.number == 4 && f.type == WIRE_VARINT) {
            r->has_type = true;
            r->type = (int64_t)f.value;
        }
    }
    return rc < 0 ? malformed(e, "CreateIngestStreamRequest") : 0;
}

/* IngestRecordRequest and IngestRecordBatchRequest share their numbers. */
static int parse_ingest(struct slice m, struct request *r, struct err *e)
{
    const uint8_t *p = m.data, *end = m.data + m.len;
    struct wire_field f;
    int rc;
    while ((rc = wire_next(&p, end, &f)) > 0) {
        if (f.number == 1 && f.type == WIRE_VARINT) {
            r->has_offset = true;
            r->offset = (int64_t)f.value;
        } else if (f.number >= 2 && f.number <= 4 && f.type == WIRE_LEN) {
            r->format = (enum request_format)(f.number - 1);
            r->record = f.bytes;
        }
    }
    return rc < 0 ? malformed(e, "ingest request") : 0;
}

int request_parse(struct slice message, struct request *ret, struct err *e)
{
    *ret = (struct request){0};
    const uint8_t *p = message.data, *end = message.data + message.len;
    struct wire_field f;
    struct slice payload = SLICE_NULL;
    int rc;
    while ((rc = wire_next(&p, end, &f)) > 0)
        if (f.number >= 1 && f.number <= 3 && f.type == WIRE_LEN) {
            ret->kind = (enum request_kind)f.number;
            payload = f.bytes;
        }
    if (rc < 0)
        return malformed(e, "EphemeralStreamRequest");
    switch (ret->kind) {
    case REQUEST_CREATE: return parse_create(payload, ret, e);
    case REQUEST_RECORD:
    case REQUEST_BATCH: return parse_ingest(payload, ret, e);
    case REQUEST_NONE: break;
    }
    return err_set(
        e, ERR_INVALID,
        "the message carries no payload (create_stream, ingest_record or ingest_record_batch)");
}

static int add_row(struct request_rows *rows, struct slice row, struct err *e)
{
    if (rows->count == BATCH_RECORDS_MAX)
        return err_set(e, ERR_INVALID, "a batch holds more than %u records", BATCH_RECORDS_MAX);
    if (rows->count == rows->cap) {
        rows->cap = MAX(64u, rows->cap * 2);
        rows->rows = mem_realloc(rows->rows, rows->cap * sizeof(*rows->rows));
    }
    rows->rows[rows->count++] = row;
    rows->bytes += row.len;
    return 0;
}

int request_rows(const struct request *r, struct request_rows *rows, struct err *e)
{
    rows->count = 0;
    rows->bytes = 0;
    if (r->kind == REQUEST_RECORD)
        return add_row(rows, r->record, e);
    if (r->record.len == 0)
        return 0; /* data is NULL when no batch came at all */
    const uint8_t *p = r->record.data, *end = r->record.data + r->record.len;
    struct wire_field f;
    int rc;
    while ((rc = wire_next(&p, end, &f)) > 0)
        if (f.number == 1 && f.type == WIRE_LEN)
            TRY(add_row(rows, f.bytes, e));
    return rc < 0 ? malformed(e, "record batch") : 0;
}

size_t answer_created(uint8_t *out, const char *stream_id)
{
    size_t len = strlen(stream_id);
    uint8_t *p = out;
    *p++ = 1 << 3 | WIRE_LEN;
    p = wire_put_varint(p, len + 2);
    *p++ = 1 << 3 | WIRE_LEN;
    p = wire_put_varint(p, len);
    memcpy(p, stream_id, len);
    return (size_t)(p + len - out);
}

size_t answer_ack(uint8_t *out, int64_t offset)
{
    uint8_t *p = out;
    *p++ = 2 << 3 | WIRE_LEN;
    *p++ = (uint8_t)(1 + wire_varint_len((uint64_t)offset));
    *p++ = 1 << 3 | WIRE_VARINT;
    return (size_t)(wire_put_varint(p, (uint64_t)offset) - out);
}

/* CloseStreamSignal { duration { seconds = 1, nanos = 2 } } */
size_t answer_signal(uint8_t *out, uint32_t grace_ms)
{
    uint8_t duration[24], *d = duration;
    *d++ = 1 << 3 | WIRE_VARINT;
    d = wire_put_varint(d, grace_ms / 1000);
    *d++ = 2 << 3 | WIRE_VARINT;
    d = wire_put_varint(d, (uint64_t)(grace_ms % 1000) * 1000000);
    size_t len = (size_t)(d - duration);
    uint8_t *p = out;
    *p++ = 3 << 3 | WIRE_LEN;
    *p++ = (uint8_t)(len + 2);
    *p++ = 1 << 3 | WIRE_LEN;
    *p++ = (uint8_t)len;
    memcpy(p, duration, len);
    return (size_t)(p + len - out);
}
