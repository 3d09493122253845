# SPDX-License-Identifier: Apache-2.0
"""One table whose lake does not take its rows leaves the log to the others (rule L9)."""
import contextlib
import json
import os
import pathlib
import subprocess
import threading
import time

import grpc
from sluice_local import LocalServer, lake
from test_disk import pump, small_disk
from world import eventually, heavy

MIB = 1 << 20
SLOW, FAST = "e2e.spill.slow", "bench.load.rows_1kb"
LOG = {"segment_bytes": 16 * MIB, "log_bytes_max": 64 * MIB, "table_log_bytes": 16 * MIB,
       "spill_bytes": 1024 * MIB}
FAST_ROWS = 150_000  # of 1 KB: more than twice the log


@contextlib.contextmanager
def no_space(place):
    """Nothing fits into this file system."""
    state = os.statvfs(place)
    left = state.f_bavail * state.f_frsize
    with open(place / "ballast", "wb", buffering=0) as f:
        os.posix_fallocate(f.fileno(), 0, left - 4 * MIB)
        f.seek(left - 4 * MIB)
        with contextlib.suppress(OSError):
            while f.write(b"x" * 4096) == 4096:
                pass
    try:
        yield
    finally:
        (place / "ballast").unlink()


@contextlib.contextmanager
def two_tables(world, place, word, **settings):
    """A server with a slow table on a small disk of its own, and a fast one."""
    with LocalServer(world.folder / word, freshness_ms=500, **{**LOG, **settings}) as server:
        server.prepare()
        folder = pathlib.Path(server.lake) / "e2e/spill"
        folder.mkdir(parents=True)
        (place / "slow").mkdir()
        (folder / "slow").symlink_to(place / "slow")
        server.start()
        text = server.command("ddl", "--rows", "1kb", program="sluice-loadgen").stdout
        with server.connect() as admin:
            admin.create_table(SLOW, "id BIGINT NOT NULL, filler STRING", ["id"])
            for line in text.splitlines():
                name, ddl, keys = line.split("\t")
                admin.create_table(name, ddl, [k for k in keys.split(",") if k])
        yield server


def run_fast(server, count=FAST_ROWS):
    """Rows of the fast table, all acknowledged; how many."""
    report = server.folder / "fast.json"
    command = (server.bin / "sluice-loadgen", "run", "--rows", "1kb", "--batch", "100",
               "--in-flight", "200", "--count", count, "--quiet", "--json", report,
               "--endpoint", server.endpoint, "--ca", server.ca,
               "--token-file", server.admin_token_file)
    done = subprocess.run([str(a) for a in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    r = json.loads(report.read_text())
    assert r["rows_acked"] == r["rows_sent"] and r["acks_wrong"] == 0, r
    return r["rows_acked"]


def table_status(server, name):
    with server.connect() as admin:
        status = admin.status()
    return status, next(t for t in status.tables if t.name == name)


class SlowPump(threading.Thread):
    """Rows of the slow table for some seconds; they may have to wait."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.result = server, None
        self.start()

    def run(self):
        with self.server.connect() as admin:
            self.result = pump(admin, SLOW, 0, 8)

    def wait_slowed(self):
        return eventually(lambda: table_status(self.server, SLOW)[1].slowed, 60)

    def finish(self):
        """(sent, acknowledged); not all of them only when the stream was refused meanwhile."""
        self.join()
        sent, acked, failure = self.result
        assert acked == sent if failure is None else (
            failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED and SLOW in str(failure)), failure
        return sent, acked


def unspilled(server, name, timeout_s=10):
    """The status once the table's spill files are gone: that is a turn of the compactor after the
    commit of their rows."""
    end = time.monotonic() + timeout_s
    while True:
        _, status = table_status(server, name)
        if status.spilled_files == 0 or time.monotonic() > end:
            return status
        time.sleep(0.05)


def check_rows(folder, sent, acked):
    ids = lake.read_delta_rs(folder, ["id"])["id"].to_pylist()
    assert lake.position_faults(folder) == []
    assert len(ids) == len(set(ids)), "a row stands twice"
    lost = set(range(acked)) - set(ids)
    assert not lost, f"{len(lost)} acknowledged rows are lost"
    assert set(ids) <= set(range(sent))


def verify(server, *more):
    server.command("verify", "--data", server.folder / "data", "--lake", server.lake, *more)


def test_a_table_without_its_lake_leaves_the_log_to_the_others(world):
    with small_disk(world.folder) as place, two_tables(world, place, "spill") as server:
        with no_space(place):
            with server.connect() as admin:
                sent, acked, failure = pump(admin, SLOW, 0, 5)
            assert failure is None and acked == sent, failure
            fast = run_fast(server)
            status, slow = table_status(server, SLOW)
            assert slow.fault and slow.spilled_rows > 0, slow
            assert status.trimmed_position > acked, status.trimmed_position
            server.kill()
            server.start()
            fast += run_fast(server)
            with server.connect() as admin:
                more, more_acked, failure = pump(admin, SLOW, sent, 2)
                assert failure is None and more_acked == more, failure
                assert admin.get(SLOW, {"id": 7}) is not None
            verify(server)  # at work
            server.kill()
            verify(server)  # and as the crash left it
            server.start()
        server.wait_committed([SLOW, FAST])
        slow = unspilled(server, SLOW)
        assert slow.spilled_files == 0 and not slow.fault, slow
        assert server.stop() == 0, server.log_tail()
        assert list((server.folder / "data/spill").iterdir()) == []
        verify(server, "--stopped-well")
        check_rows(place / "slow", sent + more, sent + more_acked)
        folder = pathlib.Path(server.lake, *FAST.split("."))
        assert lake.read_delta_rs(folder).num_rows == fast


def test_a_lost_store_has_the_spilled_rows_again(world):
    with small_disk(world.folder) as place, two_tables(world, place, "spill-lost") as server:
        with no_space(place):
            with server.connect() as admin:
                sent, acked, failure = pump(admin, SLOW, 0, 5)
                assert failure is None and acked == sent, failure
            run_fast(server)
            _, slow = table_status(server, SLOW)
            assert slow.spilled_rows > 0, slow
            server.kill()
            subprocess.run(["rm", "-rf", server.folder / "data/store"], check=True)
            server.command("store", "rebuild", "--data", server.folder / "data", "--lake",
                           server.lake)
            server.start()
            with server.connect() as admin:
                for i in range(0, acked, max(1, acked // 200)):
                    assert admin.get(SLOW, {"id": i}) is not None, i
        server.wait_committed([SLOW])
        assert server.stop() == 0, server.log_tail()
        verify(server)
        check_rows(place / "slow", sent, acked)


def test_beyond_the_limit_the_others_go_on_for_more_than_the_log_holds(world):
    with small_disk(world.folder) as place, \
            two_tables(world, place, "spill-limit", spill_bytes=16 * MIB) as server:
        with no_space(place):
            slow = SlowPump(server)
            slow.wait_slowed()
            fast = run_fast(server)
            status, state = table_status(server, SLOW)
            assert state.slowed and state.spilled_bytes < (16 + 64) * MIB, state
            assert not next(t for t in status.tables if t.name == FAST).slowed
        sent, acked = slow.finish()
        server.wait_committed([SLOW, FAST])
        assert not unspilled(server, SLOW).slowed
        assert server.stop() == 0, server.log_tail()
        verify(server, "--stopped-well")
        check_rows(place / "slow", sent, acked)
        folder = pathlib.Path(server.lake, *FAST.split("."))
        assert lake.read_delta_rs(folder).num_rows == fast


def test_where_nothing_may_be_spilled_half_of_the_log_is_left_to_the_others(world):
    with small_disk(world.folder) as place, \
            two_tables(world, place, "spill-none", spill_bytes=0) as server:
        with no_space(place):
            slow = SlowPump(server)
            slow.wait_slowed()
            run_fast(server, 10_000)
            status, state = table_status(server, SLOW)
            assert state.slowed and state.spilled_rows == 0, state
            assert not next(t for t in status.tables if t.name == FAST).slowed
        sent, acked = slow.finish()
        server.wait_committed([SLOW, FAST])
        assert not table_status(server, SLOW)[1].slowed
        assert server.stop() == 0, server.log_tail()
        check_rows(place / "slow", sent, acked)


@heavy
def test_beyond_the_limit_only_the_slow_table_is_refused(world):
    with small_disk(world.folder) as place, \
            two_tables(world, place, "spill-full", spill_bytes=32 * MIB) as server:
        with no_space(place):
            with server.connect() as admin:
                sent, acked, failure = pump(admin, SLOW, 0, 60)
            assert failure is not None, f"{sent} rows were taken"
            assert failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED, failure
            assert SLOW in str(failure) and "spill_bytes" in str(failure), failure
            begun = time.monotonic()
            run_fast(server)
            assert time.monotonic() - begun < 60
            _, slow = table_status(server, SLOW)
            assert slow.slowed and slow.spilled_bytes < (32 + 64) * MIB, slow
        server.wait_committed([SLOW, FAST])
        with server.connect() as admin:
            more, more_acked, failure = pump(admin, SLOW, sent, 2)
            assert failure is None and more_acked == more, failure
        server.wait_committed([SLOW])
        assert server.stop() == 0, server.log_tail()
        verify(server)
        check_rows(place / "slow", sent + more, acked)
