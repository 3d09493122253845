# SPDX-License-Identifier: Apache-2.0
"""A table gets columns that no alteration allows: its streams are told, and end with a reason."""
import json
import signal
import threading
import time

import grpc
from google.protobuf import descriptor_pb2
from live import Live
from sluice_local import LocalServer, lake
from world import alone, check_status, eventually, fails_with

DDL = "id BIGINT NOT NULL, price DOUBLE, n STRING"
NEW = "id BIGINT NOT NULL, n STRING, sku STRING"  # price is gone
INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
GRACE_S = 2  # a stream ends this long after it is told, and is told at most a second late


def ids_aside(world, table):
    """The ids of the rows in the folder of the one dropped table of this name."""
    aside = world.server.lake / "dropped" / table.replace(".", "/")
    folder, = aside.parent.glob(f"{aside.name}-*")
    ids = [row["id"] for row in lake.ENGINES["DuckDB"](folder).to_pylist()]
    assert len(ids) == len(set(ids)), "a row stands twice"
    return set(ids)


def ids_in(world, table):
    ids = [row["id"] for row in world.rows(table, "DuckDB")]
    assert len(ids) == len(set(ids)), "a row stands twice"
    return set(ids)


def in_background(work):
    """Runs work(); join() gives its result or its error."""
    result = []

    def run():
        try:
            result.append(work())
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def join():
        thread.join(60)
        if isinstance(result[0], Exception):
            raise result[0]
        return result[0]
    return join


def signals(call):
    return [a.close_stream_signal for a in call._answers
            if a.WhichOneof("payload") == "close_stream_signal"]


def wait_signal(call):
    call.wait(lambda: signals(call))
    told, = signals(call)
    seconds = told.duration.seconds + told.duration.nanos / 1e9
    assert 0 < seconds < GRACE_S, "a client that heeds it must be away before the end"


def test_the_official_sdk_hears_that_the_table_was_replaced_and_which_column_is_gone(world):
    table = world.table(DDL, ["id"])
    message = world.message(table)
    live = Live(world, table, message, lambda i: {"id": i, "price": 0.5, "n": str(i)})
    eventually(lambda: len(live.acked) > 200)

    made = world.admin.replace_table(table, NEW)

    said = live.wait_for_failure()
    assert "invalid argument" in said.lower() and table in said and "price" in said, said
    assert [(c.name, c.key_ordinal) for c in made.columns] == [("id", 0), ("n", 0), ("sku", 0)]
    with world.admin.producer(table) as producer:
        producer.append(json.dumps({"id": -1, "sku": "new"}))
    aside = ids_aside(world, table)
    assert {live.sent[i] for i in live.acked} <= aside
    assert ids_in(world, table) == {-1}


def test_a_stream_whose_columns_still_fit_goes_on_in_the_new_table(world):
    message = world.message(world.table("id BIGINT NOT NULL, n STRING"))
    table = world.table(DDL)
    live = Live(world, table, message, lambda i: {"id": i, "n": str(i)})
    eventually(lambda: len(live.acked) > 200)

    world.admin.replace_table(table, NEW)

    live.wait_for(300)
    live.finish()
    old, new = ids_aside(world, table), ids_in(world, table)
    assert old and new and old | new == set(live.sent)
    assert not lake.position_faults(world.server.table_folder(table))


@alone
def test_a_plain_stream_is_signalled_takes_no_row_and_ends_with_the_reason(world):
    table = world.table(DDL)
    message = world.message(table)
    with world.wire(table) as call, world.wire(table) as idle:
        call.create_proto(message)
        idle.create_json()
        call.record(0, proto=message(id=0).SerializeToString())
        call.wait_ack(0)

        begun = time.monotonic()
        replaced = in_background(lambda: world.admin.replace_table(table, NEW))
        wait_signal(idle)
        call.record(1, proto=message(id=1).SerializeToString())  # goes nowhere
        wait_signal(call)
        with world.wire(table) as early:
            early.create(record_type=2)
            check_status(early.end(), UNAVAILABLE, table, "being replaced")

        status = call.end()
        assert GRACE_S <= time.monotonic() - begun < GRACE_S + 3
        check_status(status, INVALID, table, "was replaced", "column price is gone", "new stream")
        check_status(idle.end(), INVALID, table, "was replaced", "column price is gone")
        assert call.acked() == 0
        replaced()
    with world.admin.producer(table) as producer:
        producer.append(json.dumps({"id": 2}))
    assert ids_aside(world, table) == {0} and ids_in(world, table) == {2}


def test_the_reason_names_a_type_or_nothing_when_all_fits(world):
    for after, words in (("id BIGINT NOT NULL, price INT, n STRING",
                          "column price is int now, was double"),
                         ("id BIGINT NOT NULL, price DOUBLE, n STRING, x INT NOT NULL",
                          "column x is new and NOT NULL"),
                         (DDL + ", more INT", "was replaced; open a new stream")):
        table = world.table(DDL)
        with world.wire(table) as call:
            call.create_json()
            world.admin.replace_table(table, after)
            check_status(call.end(), INVALID, table, words)


def test_a_descriptor_of_before_is_refused_by_the_column(world):
    table = world.table(DDL)
    before = world.message(table)
    world.admin.replace_table(table, NEW)
    with world.wire(table) as call:
        call.create(record_type=1, descriptor_proto=descriptor_of(before))
        check_status(call.end(), INVALID, table, "price")
    retyped = world.table(DDL)
    world.admin.replace_table(retyped, DDL.replace("n STRING", "n INT"))
    with world.wire(retyped) as call:
        call.create(record_type=1, descriptor_proto=descriptor_of(before))
        check_status(call.end(), INVALID, retyped, "column n", "STRING", "INT")


def descriptor_of(message):
    descriptor = descriptor_pb2.DescriptorProto()
    message.DESCRIPTOR.CopyToProto(descriptor)
    return descriptor.SerializeToString()


def test_a_drop_is_signalled_and_then_not_found(world):
    table = world.table(DDL)
    with world.wire(table) as call, world.wire(table) as closing:
        for each in (call, closing):
            each.create_json()
            each.record(0, json='{"id": 0}')
            each.wait_ack(0)
        dropped = in_background(lambda: world.admin.drop_table(table))
        for each in (call, closing):
            wait_signal(each)
        closing.half_close()  # nothing of it is left: it ends well
        assert closing.end()[0] is grpc.StatusCode.OK
        with world.wire(table) as late:
            late.create(record_type=2)
            check_status(late.end(), NOT_FOUND, table)
        check_status(call.end(), NOT_FOUND, table, "has been dropped")
        dropped()


def test_what_cannot_be_made_leaves_the_table_as_it_is(world):
    table = world.table(DDL)
    with world.admin.producer(table) as producer:
        producer.append('{"id": 1}')
        for ddl, options, code in (("id NOTHING", {}, INVALID),
                                   ("id BIGINT", {"primary_key": ["no"]}, INVALID),
                                   ("id BIGINT", {"properties": {"colour": "red"}}, INVALID)):
            with fails_with(code, table):
                world.admin.replace_table(table, ddl, **options)
        producer.append('{"id": 2}')
    with fails_with(NOT_FOUND, "e2e.tests.nowhere", "table create"):
        world.admin.replace_table("e2e.tests.nowhere", DDL)
    with fails_with(INVALID, "quarantine"):
        world.admin.replace_table("e2e.tests.x__quarantine", DDL)
    with world.server.connect(world.token({table: "rw"})) as user:
        with fails_with(grpc.StatusCode.PERMISSION_DENIED):
            user.replace_table(table, DDL)
    assert ids_in(world, table) == {1, 2}


def test_the_quarantine_table_stays(world):
    table = world.table(DDL, properties={"on_error": "quarantine"})
    bad = '{"id": "x"}'
    with world.admin.producer(table) as producer:
        producer.append(bad)
    world.admin.replace_table(table, NEW, properties={"on_error": "quarantine"})
    with world.admin.producer(table) as producer:
        producer.append(bad)
    assert len(world.rows(table + "__quarantine")) == 2


def test_the_command_line_replaces(world):
    table = world.table(DDL, ["id"])
    out = world.server.command("table", "replace", table, NEW, "--primary-key", "id",
                               "--property", "timestamps=iso8601")
    assert f"replaced {table}" in out.stdout and "aside" in out.stdout, out.stdout
    shown = json.loads(world.server.command("table", "show", table, "--json").stdout)
    assert [c["key_ordinal"] for c in shown["columns"]] == [1, 0, 0]
    assert shown["properties"] == {"timestamps": "iso8601"}
    again = world.server.command("table", "replace", table, DDL, "--json")
    assert json.loads(again.stdout)["table_id"] > shown["table_id"]


def test_a_kill_in_between_leaves_a_dropped_table_and_every_row_aside(world):
    with LocalServer(world.folder / "replace-points", freshness_ms=200) as server:
        server.prepare()
        for place, point in enumerate(("lake.move.before_rename", "lake.move.after_rename")):
            table = f"a.b.t{place}"
            server.start(SLUICE_CRASH_AT=point)
            with server.connect() as admin:
                admin.create_table(table, DDL)
                with admin.producer(table) as producer:
                    for i in range(100):
                        producer.append(json.dumps({"id": i}))
                with fails_with(UNAVAILABLE):
                    admin.replace_table(table, NEW)
            assert server.process.wait(30) == -signal.SIGKILL
            server.start()
            with server.connect() as admin:
                with fails_with(NOT_FOUND, "table create"):
                    admin.replace_table(table, NEW)
                admin.create_table(table, NEW)
                with admin.producer(table) as producer:
                    producer.append(json.dumps({"id": -1, "sku": "new"}))
                server.wait_committed([table])
                folder, = (server.lake / "dropped/a/b").glob(f"t{place}-*")
                read = lake.ENGINES["DuckDB"]
                assert sorted(r["id"] for r in read(folder).to_pylist()) == list(range(100))
                assert [r["id"] for r in read(server.table_folder(table)).to_pylist()] == [-1]
            assert server.stop() == 0
        server.command("verify", "--data", server.folder / "data", "--lake", server.lake)
