/* SPDX-License-Identifier: Apache-2.0 */
#include "request_priv.h"

#include "base/limits.h"
#include "base/mem.h"
#include "codec/wire.h"
#include "databricks/zerobus_service.pb-c.h"

#include "test.h"

typedef Databricks__Zerobus__EphemeralStreamRequest Message;

static struct slice packed(const Message *m, struct buf *out)
{
    size_t len = databricks__zerobus__ephemeral_stream_request__get_packed_size(m);
    out->len = 0;
    databricks__zerobus__ephemeral_stream_request__pack(m, buf_reserve(out, len));
    out->len = len;
    return buf_slice(out);
}

Test(ingest_request, reads_what_the_generated_code_writes)
{
    struct buf b = BUF_NULL;
    struct err e = {0};
    struct request r;
    uint8_t row[] = "row bytes";
    Databricks__Zerobus__IngestRecordRequest rec = DATABRICKS__ZEROBUS__INGEST_RECORD_REQUEST__INIT;
    rec.has_offset_id = true;
    rec.offset_id = 1234567890123;
    rec.record_case = DATABRICKS__ZEROBUS__INGEST_RECORD_REQUEST__RECORD_PROTO_ENCODED_RECORD;
    rec.proto_encoded_record = (ProtobufCBinaryData){sizeof(row), row};
    Message m = DATABRICKS__ZEROBUS__EPHEMERAL_STREAM_REQUEST__INIT;
    m.payload_case = DATABRICKS__ZEROBUS__EPHEMERAL_STREAM_REQUEST__PAYLOAD_INGEST_RECORD;
    m.ingest_record = &rec;

    cr_assert_eq(request_parse(packed(&m, &b), &r, &e), 0);

    cr_assert_eq(r.kind, REQUEST_RECORD);
    cr_assert_eq(r.format, FORMAT_PROTO);
    cr_assert_eq(r.offset, 1234567890123);
    cr_assert_eq(r.record.len, sizeof(row));
    buf_deinit(&b);
}

Test(ingest_request, lists_the_records_of_a_batch)
{
    struct buf b = BUF_NULL;
    struct err e = {0};
    struct request r;
    struct request_rows rows = {0};
    char *texts[] = {"{}", "{\"a\":1}", ""};
    Databricks__Zerobus__JsonRecordBatch batch = DATABRICKS__ZEROBUS__JSON_RECORD_BATCH__INIT;
    batch.n_records = 3;
    batch.records = texts;
    Databricks__Zerobus__IngestRecordBatchRequest req =
        DATABRICKS__ZEROBUS__INGEST_RECORD_BATCH_REQUEST__INIT;
    req.has_offset_id = true;
    req.batch_case = DATABRICKS__ZEROBUS__INGEST_RECORD_BATCH_REQUEST__BATCH_JSON_BATCH;
    req.json_batch = &batch;
    Message m = DATABRICKS__ZEROBUS__EPHEMERAL_STREAM_REQUEST__INIT;
    m.payload_case = DATABRICKS__ZEROBUS__EPHEMERAL_STREAM_REQUEST__PAYLOAD_INGEST_RECORD_BATCH;
    m.ingest_record_batch = &req;

    cr_assert_eq(request_parse(packed(&m, &b), &r, &e), 0);
    cr_assert_eq(request_rows(&r, &rows, &e), 0);

    cr_assert_eq(r.format, FORMAT_JSON);
    cr_assert_eq(rows.count, 3);
    cr_assert_eq(rows.bytes, 9);
    cr_assert(slice_eq(rows.rows[1], slice_str("{\"a\":1}")));
    mem_free(rows.rows);
    buf_deinit(&b);
}

Test(ingest_request, takes_a_batch_request_without_a_batch)
{
    const uint8_t message[] = {0x1a, 0x02, 0x08, 0x20}; /* only its offset */
    struct request r;
    struct request_rows rows = {0};
    struct err e = {0};

    cr_assert_eq(request_parse(slice_of(message, sizeof(message)), &r, &e), 0);

    cr_assert_eq(r.kind, REQUEST_BATCH);
    cr_assert_eq(request_rows(&r, &rows, &e), 0);
    cr_assert_eq(rows.count, 0);
    mem_free(rows.rows);
}

Test(ingest_request, refuses_malformed_messages)
{
    static const struct {
        uint8_t bytes[8];
        size_t len;
    } bad[] = {
        {{0}, 0},                      /* no payload */
        {{0x12, 0x05, 0x08}, 3},       /* length beyond the end */
        {{0x12, 0x01, 0x08}, 3},       /* inner varint cut */
        {{0x12, 0x02, 0x0b, 0x0c}, 4}, /* groups */
        {{0x00, 0x01}, 2},             /* field number 0 */
        {{0x20, 0x01}, 2},             /* only an unknown field */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = {0};
        struct request r;
        cr_assert_eq(request_parse(slice_of(bad[i].bytes, bad[i].len), &r, &e), ERR_INVALID,
                     "case %zu", i);
        cr_assert_neq(e.text[0], '\0');
    }
}

Test(ingest_request, answers_what_the_generated_code_reads)
{
    uint8_t out[REQUEST_ANSWER_MAX];
    size_t len = answer_ack(out, 300);

    Databricks__Zerobus__EphemeralStreamResponse *m =
        databricks__zerobus__ephemeral_stream_response__unpack(NULL, len, out);
    cr_assert_not_null(m);
    cr_assert_eq(m->ingest_record_response->durability_ack_up_to_offset, 300);
    databricks__zerobus__ephemeral_stream_response__free_unpacked(m, NULL);

    len = answer_created(out, "0123");
    m = databricks__zerobus__ephemeral_stream_response__unpack(NULL, len, out);
    cr_assert_str_eq(m->create_stream_response->stream_id, "0123");
    databricks__zerobus__ephemeral_stream_response__free_unpacked(m, NULL);

    len = answer_signal(out, 1500);
    m = databricks__zerobus__ephemeral_stream_response__unpack(NULL, len, out);
    cr_assert_eq(m->close_stream_signal->duration->seconds, 1);
    cr_assert_eq(m->close_stream_signal->duration->nanos, 500000000);
    databricks__zerobus__ephemeral_stream_response__free_unpacked(m, NULL);
}
