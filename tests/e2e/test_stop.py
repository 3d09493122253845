# SPDX-License-Identifier: Apache-2.0
"""SIGTERM: what was acknowledged is there after the next start, the exit status is 0, and it takes
no longer than stop_grace_ms, whether the lake is there or not."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import grpc
from sluice_local import LocalServer, lake
from test_replace import signals
from test_sdk import open_stream
from world import Wire, check_status, eventually
from zerobus.sdk.shared import AckCallback

ALONE = True  # it measures how long things take (run.py)
DDL = "device_name STRING NOT NULL, filler STRING"
STOP_S = 8
GRACE_MS = 2000  # of streams; the stop's first part
FILLER = "x" * 1000


class Place:
    """A server of its own, in the shape that open_stream() wants a world."""

    def __init__(self, world, name, **settings):
        self.server = LocalServer(world.folder / name, freshness_ms=200,
                                  stop_grace_ms=STOP_S * 1000, grace_ms=GRACE_MS, **settings)
        self._world_tls = world.server.folder / "tls"
        self._tokens = 0

    def __enter__(self):
        self.server.prepare()
        # The SDK trusts the CA of the world's server only.
        shutil.copytree(self._world_tls, self.server.folder / "tls", dirs_exist_ok=True)
        self.server.start()
        return self

    def __exit__(self, *_):
        self.server.kill()

    def token(self, grants):
        self._tokens += 1
        with self.server.connect() as admin:
            return admin.create_token(f"t{self._tokens}", grants)

    def create(self, table, key=()):
        with self.server.connect() as admin:
            admin.create_table(table, DDL, key)

    def send(self, table, first, count):
        """Rows of a kilobyte, acknowledged on return."""
        with self.server.connect() as admin, admin.producer(table) as producer:
            for at in range(first, first + count, 100):
                producer.append_batch([json.dumps({"device_name": f"d{i:07}", "filler": FILLER})
                                       for i in range(at, at + 100)])
            producer.flush()

    def stop(self):
        """Returns the seconds it took."""
        begun = time.monotonic()
        status = self.server.stop()
        assert status == 0, f"sluiced ended with {status}\n{self.server.log_tail()}"
        return time.monotonic() - begun

    def last_line(self):
        return self.server.log_file.read_text().splitlines()[-1]

    def names(self, table):
        self.server.wait_committed([table])
        folder = self.server.table_folder(table)
        return sorted(r["device_name"] for r in lake.ENGINES["delta-rs"](folder).to_pylist())

    def counter(self, name):
        with self.server.connect() as admin:
            return {c.name: c.value for c in admin.status().counters}[name]


@contextlib.contextmanager
def no_lake(place, table):
    """A file stands where the table's folder was: whoever is root cannot write there either."""
    folder = pathlib.Path(place.server.table_folder(table))
    aside = folder.with_name(folder.name + ".aside")
    folder.rename(aside)
    folder.write_text("in the way")
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


class Load:
    """A process in which the official SDK sends rows until its stream ends. It notes which were
    acknowledged; the row of offset n is named <word><n>."""

    def __init__(self, place, table, word, folder):
        self.word, self._acks = word, folder / f"{word}.acks"
        self._process = subprocess.Popen(
            [sys.executable, __file__, place.server.endpoint, place.token({table: "w"}), table,
             word, self._acks], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def acked(self):
        offsets = self._acks.read_text().split("\n")[:-1] if self._acks.exists() else []
        return {f"{self.word}{int(i):07}" for i in offsets}

    def is_over(self):
        return self._process.poll() is not None

    def end(self):
        """Acknowledgements that arrived are in the file by then."""
        time.sleep(0.5)
        self._process.kill()
        self._process.wait()


def produce(endpoint, token, table, word, acks):
    with open(acks, "w", buffering=1) as file:
        class Acks(AckCallback):
            def on_ack(self, offset):
                file.write(f"{offset}\n")

        stream = open_stream(SimpleNamespace(server=SimpleNamespace(endpoint=endpoint)), table,
                             token=token, ack_callback=Acks(), max_inflight_records=1000)
        for i in range(10 ** 7):
            stream.ingest_record_offset({"device_name": f"{word}{i:07}"})


def test_under_load_keeps_what_the_sdk_was_told(world):
    with Place(world, "stop1") as place:
        place.create("stop.t.a")
        loads = [Load(place, "stop.t.a", w, place.server.folder) for w in "xyz"]
        try:
            eventually(lambda: min(len(x.acked()) for x in loads) >= 300)
            assert not any(x.is_over() for x in loads)

            took = place.stop()
        finally:
            for x in loads:
                x.end()

        acked = set().union(*(x.acked() for x in loads))
        assert took < STOP_S + 1, f"the stop took {took:.1f} s"
        place.server.start()
        found = place.names("stop.t.a")
        assert not acked - set(found), f"{len(acked - set(found))} acknowledged rows are missing"
        assert len(found) == len(set(found)), "rows that were sent once stand twice"


def test_with_the_lake_away_ends_in_time_and_loses_nothing(world):
    with Place(world, "stop2", compact_memory_bytes=32 << 20, segment_bytes=16 << 20) as place:
        for table in ("stop.t.away", "stop.t.there"):
            place.create(table)
            place.send(table, 0, 100)
        place.server.wait_committed(["stop.t.away", "stop.t.there"])
        with no_lake(place, "stop.t.away"):
            place.send("stop.t.away", 100, 60000)  # twice what fits in memory
            place.send("stop.t.there", 100, 100)

            took = place.stop()

            assert took < STOP_S + 1, f"the stop took {took:.1f} s"
            assert "stopped with work left" in place.last_line()
            place.server.start()
            assert len(place.names("stop.t.there")) == 200
            took = place.stop()
            assert took < STOP_S + 1, f"the second stop took {took:.1f} s"
            place.server.start()
        assert place.names("stop.t.away") == [f"d{i:07}" for i in range(60100)]


def test_with_a_lake_that_does_not_answer_ends_in_time(world):
    with Place(world, "stop4") as place:
        place.create("stop.t.hangs")
        place.send("stop.t.hangs", 0, 100)
        place.server.wait_committed(["stop.t.hangs"])
        hint = pathlib.Path(place.server.table_folder("stop.t.hangs"), "_delta_log",
                            "_last_checkpoint")
        place.stop()
        os.mkfifo(hint)  # whoever opens it to read waits for ever
        place.server.start()
        place.send("stop.t.hangs", 100, 100)

        took = place.stop()

        assert STOP_S - 1 < took < STOP_S + 2, f"the stop took {took:.1f} s"
        assert f"stopped after {STOP_S}000 ms with work left" in place.last_line()
        hint.unlink()
        place.server.start()
        assert place.names("stop.t.hangs") == [f"d{i:07}" for i in range(200)]


def test_second_start_replays_nothing(world):
    with Place(world, "stop3") as place:
        place.create("stop.t.keyed", ["device_name"])
        place.send("stop.t.keyed", 0, 2000)

        place.stop()
        assert "stopped in good order: all is in the lake" in place.last_line()
        place.server.command("verify", "--data", place.server.folder / "data", "--stopped-well")
        place.server.start()

        assert len(place.names("stop.t.keyed")) == 2000
        assert place.counter("rows_applied") == 0
        assert place.counter("delta_rows") == 0
        place.send("stop.t.keyed", 2000, 100)
        assert len(place.names("stop.t.keyed")) == 2100
        assert place.counter("rows_applied") == 100


def wire(place, stack, admin, table):
    token = [("authorization", f"Bearer {place.server.admin_token}"),
             ("x-databricks-zerobus-table-name", table)]
    return stack.enter_context(Wire(admin.channel, token, table))


def test_open_streams_are_signalled_and_acknowledged_to_their_end(world):
    with Place(world, "stop5") as place, contextlib.ExitStack() as stack:
        table = "stop.t.signalled"
        place.create(table)
        admin = stack.enter_context(place.server.connect())
        heeds, ignores = (wire(place, stack, admin, table) for _ in range(2))
        for i, call in enumerate((heeds, ignores)):
            call.create_json()
            call.record(0, json=json.dumps({"device_name": f"{i} before"}))
            call.wait_ack(0)

        begun = time.monotonic()
        place.server.process.send_signal(signal.SIGTERM)

        for i, call in enumerate((heeds, ignores)):
            call.wait(lambda: signals(call))
            told, = signals(call)
            assert told.duration.ToMilliseconds() == GRACE_MS, told
            call.record(1, json=json.dumps({"device_name": f"{i} after"}))
            call.wait_ack(1)
        assert time.monotonic() - begun < GRACE_MS / 1000, "too slow to see anything"
        heeds.half_close()
        assert heeds.end() == (grpc.StatusCode.OK, "")
        check_status(ignores.end(), grpc.StatusCode.UNAVAILABLE, "shutting down")
        assert GRACE_MS / 1000 <= time.monotonic() - begun < STOP_S
        assert len(signals(heeds)) == len(signals(ignores)) == 1
        assert place.server.process.wait(STOP_S) == 0, place.server.log_tail()
        assert "stopped in good order: all is in the lake" in place.last_line()
        place.server.start()
        assert place.names(table) == ["0 after", "0 before", "1 after", "1 before"]


if __name__ == "__main__":
    produce(*sys.argv[1:])
