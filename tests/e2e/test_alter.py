# SPDX-License-Identifier: Apache-2.0
"""Columns are added and widened while streams run: no row is lost, doubled or misread."""
import contextlib
import json
import shutil
import signal

import grpc
from live import Live
from sluice_client import StreamFailed
from sluice_local import LocalServer, lake
from test_sdk import open_stream
from world import fails_with

DDL = "id BIGINT NOT NULL, n INT, f FLOAT, name STRING"
KEY = ["id"]
BIG = 1 << 40
WAIT_S = 30


def by_id(rows):
    ids = [row["id"] for row in rows]
    assert len(ids) == len(set(ids)), "a row stands twice"
    return {row["id"]: row for row in rows}


@contextlib.contextmanager
def fails_with_text(word):
    try:
        yield
    except Exception as error:  # the SDK has its own kinds
        assert word in str(error), error
        return
    raise AssertionError("it did not fail")


def test_columns_are_added_and_widened_under_live_streams(world):
    table = world.table(DDL, KEY)

    def old_row(i):
        return {"id": i, "n": i % 1000, "f": 0.1, "name": f"old{i}"}

    def new_row(i):
        return {"id": i, "n": BIG + i, "f": 0.1, "name": f"new{i}", "note": f"note{i}"}

    live = Live(world, table, world.message(table), old_row)
    json_stream = open_stream(world, table)
    json_stream.ingest_record_offset({"id": 5_000_000, "n": 1, "name": "json"})
    live.wait_for(300)
    world.committed(table)  # some rows are in Delta with the old columns, others are on their way
    live.wait_for(100)
    altered = world.admin.alter_table(table, add=["note STRING"],
                                      widen=["n BIGINT", "f DOUBLE"])
    assert altered.version == 2
    late = Live(world, table, world.message(table), new_row, first=1_000_000)
    live.wait_for(300)
    late.wait_for(300)
    json_stream.ingest_record_offset({"id": 5_000_001, "n": 2, "name": "json"})
    fresh = open_stream(world, table)
    fresh.ingest_record_offset({"id": 5_000_002, "n": BIG, "note": "json"})
    for stream in (json_stream, fresh):
        stream.flush()
        stream.close()
    old, new = live.finish(), late.finish()

    rows = by_id(world.rows(table, "DuckDB"))
    f = 0.10000000149011612  # what the FLOAT was, as a DOUBLE
    assert len(rows) == len(old) + len(new) + 3
    for i in old:
        assert rows[i] == dict(old_row(i), f=f, note=None)
    for i in new:
        assert rows[i] == new_row(i)
    assert rows[5_000_001] == {"id": 5_000_001, "n": 2, "f": None, "name": "json", "note": None}
    assert rows[5_000_002] == {"id": 5_000_002, "n": BIG, "f": None, "name": None, "note": "json"}
    for i in (old[0], old[-1], new[0], 5_000_001, 5_000_002):  # lookups say the same
        assert world.admin.get(table, {"id": i}) == rows[i]
    assert not lake.position_faults(world.server.table_folder(table))


def test_added_columns_alone_are_read_by_every_engine(world):
    table = world.table(DDL, KEY)
    stream = open_stream(world, table)
    stream.ingest_record_offset({"id": 1, "name": "a"})
    stream.flush()
    world.committed(table)
    world.admin.alter_table(table, add=["note STRING", "at TIMESTAMP", "d DECIMAL(10,2)"])
    stream.ingest_record_offset({"id": 2, "name": "b"})
    stream.close()
    fresh = open_stream(world, table)
    fresh.ingest_record_offset({"id": 3, "note": "c", "at": 1, "d": "1.50"})
    fresh.close()
    for engine in lake.ENGINES:
        rows = by_id(world.rows(table, engine))
        assert [rows[i]["note"] for i in (1, 2, 3)] == [None, None, "c"]
        assert [rows[i]["name"] for i in (1, 2, 3)] == ["a", "b", None]
        assert str(rows[3]["d"]) == "1.50"


def test_a_producer_built_before_may_come_back(world):
    table = world.table(DDL)
    message = world.message(table)
    stream = open_stream(world, table, message.DESCRIPTOR)
    stream.ingest_record_offset(message(id=1, n=7))
    stream.close()
    world.admin.alter_table(table, widen=["n BIGINT"])
    again = open_stream(world, table, message.DESCRIPTOR)  # its n is an int32 as ever
    again.ingest_record_offset(message(id=2, n=-7))
    again.close()
    assert {i: row["n"] for i, row in by_id(world.rows(table, "DuckDB")).items()} == {1: 7, 2: -7}


def test_what_cannot_change_is_refused_with_the_reason(world):
    table = world.table("id INT NOT NULL, n BIGINT, name STRING", ["id"])
    alter = world.admin.alter_table
    for change, *words in (
            ({"add": ["x STRING NOT NULL"]}, "column x", "NOT NULL"),
            ({"add": ["NAME STRING"]}, "column NAME is there already"),
            ({"add": ["x"]}, "not a column and its type"),
            ({"widen": ["n INT"]}, "column n cannot become int from bigint"),
            ({"widen": ["name BINARY"]}, "column name cannot become binary"),
            ({"widen": ["id DOUBLE"]}, "column id", "key column"),
            ({"set_properties": {"colour": "red"}}, "no property"),
            ({"add": ["y INT"], "widen": ["q BIGINT"]}, "no column q")):
        try:
            alter(table, **change)
            raise AssertionError(f"{change} was taken")
        except grpc.RpcError as error:
            for word in (table, *words):
                assert word in error.details(), error.details()
    assert world.admin.table(table).version == 1
    with fails_with(grpc.StatusCode.NOT_FOUND):
        alter("e2e.tests.nowhere", add=["x INT"])


def test_the_command_line_alters(world):
    table = world.table(DDL)
    out = world.server.command("table", "alter", table, "--add", "note STRING", "--widen",
                               "n BIGINT", "--property", "timestamps=iso8601")
    assert "version 2" in out.stdout
    shown = json.loads(world.server.command("table", "show", table, "--json").stdout)
    assert [c["type"] for c in shown["columns"]] == ["bigint", "bigint", "float", "string",
                                                     "string"]
    assert "timestamps = iso8601" in world.server.command("table", "show", table).stdout
    world.server.command("table", "alter", table, "--unset", "timestamps")
    assert "iso8601" not in world.server.command("table", "show", table).stdout


def test_new_fields_of_a_stream_become_columns(world):
    wide = world.table("id BIGINT NOT NULL, n INT, note STRING, size DOUBLE")
    message = world.message(wide)  # a producer that knows more than the table does
    table = world.table("id BIGINT NOT NULL, n INT")
    with fails_with_text("note"):
        open_stream(world, table, message.DESCRIPTOR, recovery=False)
    world.admin.alter_table(table, set_properties={"evolve": "add_columns"})
    before = world.message(table)
    old = open_stream(world, table, before.DESCRIPTOR)
    old.ingest_record_offset(before(id=1, n=1))
    old.flush()
    streams = [open_stream(world, table, message.DESCRIPTOR) for _ in range(3)]
    for i, stream in enumerate(streams):
        stream.ingest_record_offset(message(id=10 + i, note="x", size=0.5))
    old.ingest_record_offset(before(id=2, n=2))
    for stream in (old, *streams):
        stream.flush()
        stream.close()
    assert world.admin.table(table).version == 3  # once for all three
    for engine in lake.ENGINES:
        rows = by_id(world.rows(table, engine))
        assert rows[2] == {"id": 2, "n": 2, "note": None, "size": None}
        assert [rows[10 + i]["size"] for i in range(3)] == [0.5] * 3
        assert len(rows) == 5


POINTS = ("commit.before_schema", "commit.after_schema", "lake.commit.before_rename:2",
          "lake.commit.after_rename:2", "commit.before_watermark:2")


def produce(server, table, numbers, acked, widened):
    """Rows one by one until the server dies, each waited for; half-way the table is altered."""
    try:
        with server.connect() as admin, admin.producer(table) as producer:
            for number in numbers:
                producer.append(json.dumps({"id": number, "n": number, "name": "x"}))
                producer.flush(WAIT_S)
                acked.add(number)
                if number == widened:
                    admin.alter_table(table, add=["note STRING"], widen=["n BIGINT"])
                if server.process.poll() is not None:
                    return
    except (StreamFailed, grpc.RpcError):
        pass


def test_a_kill_around_the_new_columns_loses_and_doubles_nothing(world):
    with LocalServer(world.folder / "alter-points", freshness_ms=200) as server:
        server.prepare()
        for place, point in enumerate(POINTS):
            table, acked = f"a.b.t{place}", set()
            server.start()
            with server.connect() as admin:
                admin.create_table(table, DDL, KEY)
            server.wait_committed([table])
            assert server.stop() == 0
            server.start(SLUICE_CRASH_AT=point)
            produce(server, table, range(100000), acked, 20)
            assert server.process.wait(WAIT_S) == -signal.SIGKILL
            server.start()
            with server.connect() as admin:
                if admin.table(table).version == 1:  # the answer was not given either
                    admin.alter_table(table, add=["note STRING"], widen=["n BIGINT"])
                with admin.producer(table) as producer:
                    producer.append(json.dumps({"id": -1, "n": BIG, "note": "after"}))
                    producer.flush(WAIT_S)
                server.wait_committed([table])
                rows = by_id(lake.ENGINES["DuckDB"](server.table_folder(table)).to_pylist())
                assert acked and acked | {-1} <= set(rows)
                assert all(rows[i]["n"] == i and rows[i]["note"] is None for i in acked)
                assert rows[-1] == {"id": -1, "n": BIG, "f": None, "name": None, "note": "after"}
                assert admin.get(table, {"id": 3}) == rows[3]
            assert server.stop() == 0
            server.command("verify", "--data", server.folder / "data", "--lake",
                           server.lake)
        shutil.rmtree(server.folder / "data" / "store")
        server.command("store", "rebuild", "--data", server.folder / "data", "--lake", server.lake)
        server.start()
        with server.connect() as admin:  # of the last table, rows of both versions
            assert admin.get(table, {"id": 3}) == rows[3]
            assert admin.get(table, {"id": -1}) == rows[-1]
