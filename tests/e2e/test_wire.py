# SPDX-License-Identifier: Apache-2.0
"""Everything that an SDK never does: the protocol's rules by a scripted client."""
import time

import grpc
from databricks import zerobus_service_pb2 as wire

from world import alone, check_status, eventually

INVALID = grpc.StatusCode.INVALID_ARGUMENT
DDL = "id BIGINT NOT NULL, name STRING, small TINYINT"
PAYLOAD_MAX = 10 << 20


def test_initial_metadata_comes_before_anything_is_sent(world):
    table = world.table(DDL)
    with world.wire(table) as s:
        begun = time.monotonic()
        s.call.initial_metadata()
        assert time.monotonic() - begun < 5


def test_ingest_before_create_is_refused(world):
    with world.wire(world.table(DDL)) as s:
        s.record(0, json='{"id": 1}')
        check_status(s.end(), INVALID, "create")


def test_second_create_is_refused(world):
    with world.wire(world.table(DDL)) as s:
        s.create_json()
        s.create(record_type=wire.JSON)
        check_status(s.end(), INVALID)


def test_empty_message_is_refused(world):
    with world.wire(world.table(DDL)) as s:
        s.create_json()
        s.send(wire.EphemeralStreamRequest())
        check_status(s.end(), INVALID)


def test_record_of_the_other_kind_is_refused(world):
    table = world.table(DDL)
    with world.wire(table) as s:
        s.create_json()
        s.record(0, proto=world.message(table)(id=1).SerializeToString())
        check_status(s.end(), INVALID, "JSON")
    with world.wire(table) as s:
        s.create_proto(world.message(table))
        s.record(0, json='{"id": 1}')
        check_status(s.end(), INVALID)


def test_offset_gap_is_refused_after_the_ack_of_what_came_before(world):
    table = world.table(DDL)
    with world.wire(table) as s:
        s.create_json()
        for i in range(3):
            s.record(i, json=f'{{"id": {i}}}')
        s.record(4, json='{"id": 4}')
        check_status(s.end(), INVALID, "3", "4")
        assert s.acked() == 2
    assert sorted(r["id"] for r in world.rows(table)) == [0, 1, 2]


def test_repeated_offset_is_refused(world):
    with world.wire(world.table(DDL)) as s:
        s.create_json()
        s.record(0, json='{"id": 0}')
        s.record(0, json='{"id": 0}')
        check_status(s.end(), INVALID)
        assert s.acked() == 0


def test_offsets_begin_at_zero(world):
    with world.wire(world.table(DDL)) as s:
        s.create_json()
        s.record(1, json='{"id": 0}')
        check_status(s.end(), INVALID)
        assert s.acked() == -1


def test_missing_offset_is_refused(world):
    with world.wire(world.table(DDL)) as s:
        s.create_json()
        s.send(wire.EphemeralStreamRequest(
            ingest_record=wire.IngestRecordRequest(json_record='{"id": 1}')))
        check_status(s.end(), INVALID)


def test_empty_batch_consumes_its_offset(world):
    table = world.table(DDL)
    with world.wire(table) as s:
        s.create_json()
        s.batch(0, json=[])
        s.batch(1, json=['{"id": 7}', '{"id": 8}'])
        s.half_close()
        assert s.end()[0] is grpc.StatusCode.OK
        assert s.acked() == 1
    assert sorted(r["id"] for r in world.rows(table)) == [7, 8]


def test_batch_is_taken_whole_or_not_at_all(world):
    table = world.table(DDL)
    with world.wire(table) as s:
        s.create_json()
        s.batch(0, json=['{"id": 1}', '{"id": 2}'])
        s.batch(1, json=['{"id": 3}', '{"id": "many"}', '{"id": 5}'])
        check_status(s.end(), INVALID, table, "offset 1", "record 1", "id")
        assert s.acked() == 0
    assert sorted(r["id"] for r in world.rows(table)) == [1, 2]


def test_record_of_ten_mebibytes_is_taken_and_one_byte_more_is_not(world):
    table = world.table(DDL)
    message = world.message(table)
    frame = len(message(id=1, name="x" * PAYLOAD_MAX).SerializeToString()) - PAYLOAD_MAX
    with world.wire(table) as s:
        s.create_proto(message)
        record = message(id=1, name="x" * (PAYLOAD_MAX - frame)).SerializeToString()
        assert len(record) == PAYLOAD_MAX
        s.record(0, proto=record)
        s.wait_ack(0)
        s.record(1, proto=message(id=1, name="x" * (PAYLOAD_MAX - frame + 1)).SerializeToString())
        check_status(s.end(), INVALID, "offset 1")
        assert s.acked() == 0
    rows = world.rows(table)
    assert [len(r["name"]) for r in rows] == [PAYLOAD_MAX - frame]


def test_batch_over_ten_mebibytes_is_refused(world):
    table = world.table(DDL)
    message = world.message(table)
    record = message(id=1, name="x" * (1 << 20)).SerializeToString()
    with world.wire(table) as s:
        s.create_proto(message)
        s.batch(0, proto=[record] * 10)
        check_status(s.end(), INVALID, "offset 0")


def test_metadata_of_16_kib_is_accepted(world):
    with world.wire(world.table(DDL), extra=[("x-filler", "f" * 16_000)]) as s:
        assert s.create_json()


def test_table_header_must_agree_with_create(world):
    table, other = world.table(DDL), world.table(DDL)
    with world.wire(table, header=other) as s:
        s.create(record_type=wire.JSON)
        check_status(s.end(), INVALID, table)


def test_table_header_may_be_absent(world):
    with world.wire(world.table(DDL), header=False) as s:
        assert s.create_json()


def test_absent_record_type_means_proto(world):
    table = world.table(DDL)
    message = world.message(table)
    with world.wire(table) as s:
        s.create(descriptor_proto=world.admin.table(table).descriptor_proto)
        assert s.stream_id()
        s.record(0, proto=message(id=5).SerializeToString())
        s.wait_ack(0)


def test_unspecified_record_type_is_refused(world):
    with world.wire(world.table(DDL)) as s:
        s.create(record_type=wire.RECORD_TYPE_UNSPECIFIED)
        check_status(s.end(), INVALID)


def test_avro_is_unimplemented(world):
    with world.wire(world.table(DDL)) as s:
        s.create(record_type=wire.AVRO)
        check_status(s.end(), grpc.StatusCode.UNIMPLEMENTED)


def test_proto_stream_needs_a_descriptor(world):
    with world.wire(world.table(DDL)) as s:
        s.create(record_type=wire.PROTO)
        check_status(s.end(), INVALID, "descriptor")


def test_garbage_descriptor_is_refused(world):
    with world.wire(world.table(DDL)) as s:
        s.create(record_type=wire.PROTO, descriptor_proto=b"\xff\xff\xff")
        check_status(s.end(), INVALID, "descriptor")


@alone
def test_half_close_gets_the_last_ack_and_ok_promptly(world):
    table = world.table(DDL)
    with world.wire(table) as s:
        s.create_json()
        for i in range(100):
            s.record(i, json=f'{{"id": {i}}}')
        begun = time.monotonic()
        s.half_close()
        assert s.end()[0] is grpc.StatusCode.OK
        assert time.monotonic() - begun < 0.5
        assert s.acked() == 99


def test_half_close_without_a_row_is_ok(world):
    with world.wire(world.table(DDL)) as s:
        s.create_json()
        s.half_close()
        assert s.end()[0] is grpc.StatusCode.OK


def test_cancel_keeps_what_was_acknowledged(world):
    table = world.table(DDL)
    with world.wire(table) as s:
        s.create_json()
        for i in range(10):
            s.record(i, json=f'{{"id": {i}}}')
        s.wait_ack(9)
        s.call.cancel()
    assert sorted(r["id"] for r in world.rows(table)) == list(range(10))


def test_idle_stream_stays_open(world):
    with world.wire(world.table(DDL)) as s:
        s.create_json()
        time.sleep(3)
        s.record(0, json='{"id": 1}')
        s.wait_ack(0)


def test_many_streams_at_once_keep_their_own_offsets(world):
    table = world.table(DDL)
    streams = [world.wire(table) for _ in range(20)]
    calls = [s.__enter__() for s in streams]
    assert len({c.create_json() for c in calls}) == 20
    for offset in range(50):
        for n, call in enumerate(calls):
            call.record(offset, json=f'{{"id": {n * 50 + offset}}}')
    for call in calls:
        call.wait_ack(49)
    for s in streams:
        s.__exit__(None, None, None)
    assert sorted(r["id"] for r in world.rows(table)) == list(range(1000))


def test_unknown_method_is_unimplemented(world):
    call = world.admin.channel.unary_unary("/databricks.zerobus.Zerobus/RetireStream")
    try:
        call(b"", metadata=world.admin.metadata, timeout=10)
        raise AssertionError("answered")
    except grpc.RpcError as e:
        assert e.code() is grpc.StatusCode.UNIMPLEMENTED, e


def test_rate_of_streams_does_not_leak_into_the_count(world):
    """Streams that came and went leave nothing behind that a status would count."""
    table = world.table(DDL)
    for _ in range(30):
        with world.wire(table) as s:
            s.create_json()
            s.half_close()
            s.end()
    open_now = lambda: {c.name: c.value for c in world.admin.status().counters}.get(
        "streams_open", 0)
    eventually(lambda: open_now() <= 1)
