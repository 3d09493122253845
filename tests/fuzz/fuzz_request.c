/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream's messages, taken apart by hand, against protobuf-c. What both read says the same in
 * every field (unless a field came twice: ours takes the last, protobuf-c merges); what ours reads
 * reads again from protobuf-c's writing.
 *
 * Input: one EphemeralStreamRequest.
 */
#include "fuzz.h"

#include "request_priv.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "codec/wire.h"

#include "databricks/zerobus_service.pb-c.h"

typedef Databricks__Zerobus__EphemeralStreamRequest wire_request;

/* Does a field of the message come twice, or with a wire type that none of ours has? */
static bool has_repeats(struct slice m)
{
    const uint8_t *p = m.data, *end = m.len == 0 ? p : p + m.len;
    struct wire_field f;
    unsigned seen = 0;
    while (wire_next(&p, end, &f) > 0) {
        unsigned bit = f.number < 5 ? 1u << f.number : 0;
        if (f.number < 5 && (f.type != WIRE_LEN && f.type != WIRE_VARINT))
            return true;
        if (seen & bit)
            return true;
        seen |= bit;
    }
    return false;
}

static struct slice payload_of(struct slice m)
{
    const uint8_t *p = m.data, *end = m.len == 0 ? p : p + m.len;
    struct wire_field f;
    struct slice payload = SLICE_NULL;
    while (wire_next(&p, end, &f) > 0)
        if (f.number >= 1 && f.number <= 3 && f.type == WIRE_LEN)
            payload = f.bytes;
    return payload;
}

static struct slice bytes_of(ProtobufCBinaryData b)
{
    return slice_of(b.data, b.len);
}

static void compare_create(const struct request *r,
                           const Databricks__Zerobus__CreateIngestStreamRequest *m)
{
    struct slice name = m->table_name != NULL ? slice_str(m->table_name) : SLICE_NULL;
    if (r->table.len == 0 || memchr(r->table.data, 0, r->table.len) == NULL)
        FUZZ_CHECK(slice_eq(r->table, name));
    FUZZ_CHECK(slice_eq(r->descriptor, bytes_of(m->descriptor_proto)));
    FUZZ_CHECK(r->has_type == (m->has_record_type != 0));
    FUZZ_CHECK(!r->has_type || (int32_t)r->type == (int32_t)m->record_type);
}

static void compare_record(const struct request *r,
                           const Databricks__Zerobus__IngestRecordRequest *m)
{
    FUZZ_CHECK(r->has_offset == (m->has_offset_id != 0));
    FUZZ_CHECK(!r->has_offset || r->offset == m->offset_id);
    if (m->record_case == DATABRICKS__ZEROBUS__INGEST_RECORD_REQUEST__RECORD_PROTO_ENCODED_RECORD)
        FUZZ_CHECK(r->format == FORMAT_PROTO &&
                   slice_eq(r->record, bytes_of(m->proto_encoded_record)));
}

static void compare_batch(const struct request *r, const struct request_rows *rows,
                          const Databricks__Zerobus__IngestRecordBatchRequest *m)
{
    FUZZ_CHECK(r->has_offset == (m->has_offset_id != 0));
    FUZZ_CHECK(!r->has_offset || r->offset == m->offset_id);
    if (m->batch_case !=
        DATABRICKS__ZEROBUS__INGEST_RECORD_BATCH_REQUEST__BATCH_PROTO_ENCODED_BATCH)
        return;
    FUZZ_CHECK(r->format == FORMAT_PROTO && rows->count == m->proto_encoded_batch->n_records);
    for (uint32_t i = 0; i < rows->count; i++)
        FUZZ_CHECK(slice_eq(rows->rows[i], bytes_of(m->proto_encoded_batch->records[i])));
}

/* Only what is written once in each message is compared: see the head. */
static void compare(struct slice message, const struct request *r, const struct request_rows *rows)
{
    wire_request *m =
        databricks__zerobus__ephemeral_stream_request__unpack(NULL, message.len, message.data);
    if (m == NULL)
        return;
    if (!has_repeats(message) && !has_repeats(payload_of(message))) {
        FUZZ_CHECK((unsigned)m->payload_case == (unsigned)r->kind);
        if (r->kind == REQUEST_CREATE)
            compare_create(r, m->create_stream);
        else if (r->kind == REQUEST_RECORD)
            compare_record(r, m->ingest_record);
        else
            compare_batch(r, rows, m->ingest_record_batch);
    }
    databricks__zerobus__ephemeral_stream_request__free_unpacked(m, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice message = slice_of(data, size);
    struct request r;
    struct request_rows rows = {0};
    struct err e = {0};
    int rc = request_parse(message, &r, &e);
    FUZZ_CHECK(rc == 0 || (rc == ERR_INVALID && e.text[0] != '\0'));
    if (rc == 0 && r.kind != REQUEST_CREATE)
        rc = request_rows(&r, &rows, &e);
    FUZZ_CHECK(rc == 0 || (rc == ERR_INVALID && e.text[0] != '\0'));
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < rows.count; i++)
        bytes += rows.rows[i].len;
    FUZZ_CHECK(rc < 0 || (bytes == rows.bytes && bytes <= size && rows.count <= BATCH_RECORDS_MAX));
    if (rc == 0)
        compare(message, &r, &rows);
    mem_free(rows.rows);
    return 0;
}
