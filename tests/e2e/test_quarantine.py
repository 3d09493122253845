# SPDX-License-Identifier: Apache-2.0
"""Bad rows: every one is told or goes to the quarantine table; rules decide; replay after a fix."""
import json
import pathlib

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

from test_sdk import open_stream
from world import check_status, eventually, fails_with

INVALID = grpc.StatusCode.INVALID_ARGUMENT
DDL = "id BIGINT NOT NULL, name STRING, n INT"
QUARANTINE = {"on_error": "quarantine"}


def rpc_messages():
    """google.rpc.Status, BadRequest and ErrorInfo, as far as they are needed here."""
    file = descriptor_pb2.FileDescriptorProto(
        name="rpc.proto", package="google.rpc", syntax="proto3",
        dependency=["google/protobuf/any.proto"])

    def message(name, *fields):
        m = file.message_type.add(name=name)
        for number, (label, kind, field) in enumerate(fields, 1):
            f = m.field.add(name=field, number=number, label=label)
            f.type = kind if isinstance(kind, int) else 11
            if not isinstance(kind, int):
                f.type_name = kind
    one, many, text = 1, 3, 9
    message("Violation", (one, text, "field"), (one, text, "description"))
    message("Entry", (one, text, "key"), (one, text, "value"))
    message("BadRequest", (many, ".google.rpc.Violation", "field_violations"))
    message("ErrorInfo", (one, text, "reason"), (one, text, "domain"),
            (many, ".google.rpc.Entry", "metadata"))
    message("Status", (one, 5, "code"), (one, text, "message"),
            (many, ".google.protobuf.Any", "details"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(descriptor_pb2.FileDescriptorProto.FromString(any_pb2.DESCRIPTOR.serialized_pb))
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"google.rpc.{name}"))
            for name in ("Status", "BadRequest", "ErrorInfo")}


def details(stream):
    """(status, violations, facts) of a stream that was refused."""
    kinds = rpc_messages()
    status = kinds["Status"].FromString(stream.trailing["grpc-status-details-bin"])
    found = {d.type_url.rpartition(".")[2]: d.value for d in status.details}
    bad = kinds["BadRequest"].FromString(found["BadRequest"])
    info = kinds["ErrorInfo"].FromString(found["ErrorInfo"])
    facts = {m.key: m.value for m in info.metadata}
    return status, [(v.field, v.description) for v in bad.field_violations], (
        info.reason, info.domain, facts)


def quarantined(world, table):
    return sorted(world.rows(f"{table}__quarantine"),
                  key=lambda r: (r["stream_offset"], r["record_index"]))


def test_every_bad_record_of_a_refused_batch_is_told(world):
    table = world.table(DDL)
    with world.wire(table) as s:
        stream_id = s.create_json()
        s.batch(0, json=['{"id": 1}'])
        s.batch(1, json=['{"id": 2}', '{"id": 3, "n": "x"}', '{"id": 4}', '{"name": "y"}'])
        check_status(s.end(), INVALID, table, "offset 1", "2 of 4 records are bad",
                     "record 1: ", "record 3: ", "column n", "column id")
        assert s.acked() == 0
        status, violations, (reason, domain, facts) = details(s)
    assert (status.code, status.message) == (3, s.details)
    assert [field.split(".")[0] for field, _ in violations] == ["records[1]", "records[3]"]
    assert "column n" in violations[0][1] and "column id" in violations[1][1]
    assert (reason, domain) == ("BAD_RECORDS", "sluice")
    assert facts == {"table": table, "stream_id": stream_id, "offset": "1", "records": "4",
                     "bad_records": "2"}
    assert [r["id"] for r in world.rows(table)] == [1]


def test_a_thousand_bad_records_are_told_within_what_clients_take(world):
    table = world.table(DDL)
    with world.wire(table) as s:
        s.create_json()
        s.batch(0, json=[json.dumps({"id": f"no number {i}" * 10}) for i in range(1000)])
        check_status(s.end(), INVALID, "1000 of 1000 records are bad", "more")
        _, violations, (_, _, facts) = details(s)
    assert len(violations) == 100 and violations[99][0].startswith("records[99]")
    assert facts["bad_records"] == "1000"


def test_bad_rows_go_to_quarantine_and_the_others_to_the_table(world):
    table = world.table(DDL, ["id"], properties=QUARANTINE)
    message = world.message(table)
    good = [message(id=i, name=f"row {i}").SerializeToString() for i in range(10)]
    no_id = b"\x12\x01x"
    with world.wire(table) as s:
        stream_id = s.create_proto(message)
        s.record(0, proto=good[0])
        s.record(1, proto=no_id)
        s.batch(2, proto=[good[1], b"\xff", good[2], no_id])
        s.batch(3, proto=[b"\xff", no_id])
        s.record(4, proto=good[3])
        s.wait_ack(4)
    assert sorted(r["id"] for r in world.rows(table)) == [0, 1, 2, 3]
    bad = quarantined(world, table)
    assert [(r["stream_offset"], r["record_index"]) for r in bad] == [
        (1, 0), (2, 1), (2, 3), (3, 0), (3, 1)]
    assert all(r["stream_id"] == stream_id and r["format"] == "protobuf" for r in bad)
    assert bad[0]["raw"] == no_id and "column id" in bad[0]["reason"]
    assert bad[1]["raw"] == b"\xff" and bad[0]["principal"]
    assert all(r["replayed"] is None and r["rule"] is None for r in bad)
    status = next(t for t in world.admin.status().tables if t.name == table)
    assert (status.rows_appended, status.rows_quarantined) == (4, 5)


def test_the_official_sdk_goes_on_when_rows_go_to_quarantine(world):
    table = world.table(DDL, properties={**QUARANTINE, "rule.positive": "quarantine: n > 0"})
    message = world.message(table)
    stream = open_stream(world, table, message.DESCRIPTOR)
    for i in range(500):
        stream.ingest_record_offset(message(id=i, n=-1 if i % 100 == 7 else 1))
    stream.flush()
    stream.close()
    assert len(world.rows(table)) == 495
    bad = quarantined(world, table)
    assert [json.loads(r["json"])["id"] for r in bad] == [7, 107, 207, 307, 407]
    assert all(r["rule"] == "positive" and r["column_path"] == "n" for r in bad)


def test_rules_warn_drop_quarantine_and_reject(world):
    table = world.table(DDL, properties={
        "rule.even": "warn: n % 2 = 0", "rule.small": "drop: n < 100",
        "rule.named": "quarantine: length(name) > 0", "rule.positive": "reject: id > 0"})
    rows = [{"id": 1, "name": "odd", "n": 1}, {"id": 2, "name": "large", "n": 100},
            {"id": 3, "name": "", "n": 2}, {"id": 4, "name": "fine", "n": 4}]
    with world.wire(table) as s:
        s.create_json()
        s.batch(0, json=[json.dumps(r) for r in rows])
        s.wait_ack(0)
        s.record(1, json='{"id": -1, "name": "x", "n": 2}')
        check_status(s.end(), INVALID, 'rule "positive"', "record 0")
    assert sorted(r["id"] for r in world.rows(table)) == [1, 4]
    assert [json.loads(r["json"])["id"] for r in quarantined(world, table)] == [3]
    t = next(t for t in world.admin.status().tables if t.name == table)
    assert (t.rows_warned, t.rows_dropped, t.rows_quarantined, t.rows_rejected) == (1, 1, 1, 1)
    assert {r.name: r.rows_failed for r in t.rules} == {
        "even": 1, "small": 1, "named": 1, "positive": 1}


def test_nobody_writes_into_a_quarantine_table_and_reading_needs_a_grant(world):
    table = world.table(DDL, properties=QUARANTINE)
    name = f"{table}__quarantine"
    with world.wire(name) as s:
        s.create(record_type=2)
        check_status(s.end(), grpc.StatusCode.PERMISSION_DENIED, name)
    with fails_with(grpc.StatusCode.FAILED_PRECONDITION, table):
        world.admin.drop_table(name)
    token = world.token({table: "rw"})
    with world.server.connect(token) as user:
        with fails_with(grpc.StatusCode.PERMISSION_DENIED, name):
            user.quarantined(table)
    world.admin.drop_table(table)
    world.admin.drop_table(name)


def test_replay_after_a_fix_stores_each_row_once(world):
    table = world.table(DDL, ["id"], properties={**QUARANTINE,
                                                 "rule.small": "quarantine: n < 100"})
    message = world.message(table)
    with world.wire(table) as s:
        s.create_proto(message)
        s.batch(0, proto=[message(id=20, n=500).SerializeToString(), b"\xff"])
        s.wait_ack(0)
    with world.wire(table) as s:
        s.create_json()
        s.batch(0, json=[json.dumps({"id": i, "n": i * 50}) for i in range(6)]
                + ['{"id": "x"}'])
        s.wait_ack(0)
    assert [(r.stream_offset, r.record_index) for r in world.admin.quarantined(table)] == [
        (0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (0, 6)]
    assert world.admin.replay(table) == (0, 7)
    # The fix: the table is made anew without the rule. Its quarantine table stays.
    folder = pathlib.Path(world.server.table_folder(table))
    world.admin.drop_table(table)
    eventually(lambda: not folder.exists())
    world.admin.create_table(table, DDL, ["id"], QUARANTINE)

    assert world.admin.replay(table) == (4, 3)
    assert world.admin.replay(table) == (0, 3)

    world.restart(kill=True)
    assert world.admin.replay(table) == (0, 3)
    assert sorted(r["id"] for r in world.rows(table)) == [2, 3, 4, 5]
    assert world.admin.get(table, {"id": 5})["n"] == 250
    rows = quarantined(world, table)
    assert sum(r["replayed"] is None for r in rows) == 7
    assert sum(r["replayed"] is not None and r["raw"] is None for r in rows) == 4
    listed = world.server.command("quarantine", "list", table, "--json").stdout.splitlines()
    assert len(listed) == 3 and all(json.loads(r)["reason"] for r in listed)
    everything = world.server.command("quarantine", "list", table, "--all").stdout
    assert len(everything.splitlines()) == 8, everything
    done = world.server.command("quarantine", "replay", table).stdout
    assert "0 rows brought into the table, 3 are still bad" in done, done
    assert "not known any more" in done, done
