# SPDX-License-Identifier: Apache-2.0
"""SLUICE_CRASH_AT: the real server dies at a named point, says so before, and loses nothing. A
release build has nothing of the planted bugs."""
import itertools
import json
import re
import signal
import subprocess

from sluice_client import StreamFailed
from sluice_local import LocalServer, lake
from sluice_local.server import ROOT

DDL = "id BIGINT NOT NULL, name STRING"
POINTS = ("log.append.after_write:60", "lake.commit.before_rename")
BUGS_H = ROOT / "src" / "sys" / "bug.h"
WAIT_S = 30


def server_of(world, name):
    server = LocalServer(world.folder / name, freshness_ms=200)
    server.prepare()
    return server


def produce_until_death(server, numbers, acked):
    """Rows one by one, each waited for; no number is sent twice."""
    try:
        with server.connect() as admin, admin.producer("a.b.points") as producer:
            while server.process.poll() is None:
                number = next(numbers)
                producer.append(json.dumps({"id": number, "name": "x"}))
                producer.flush(WAIT_S)
                acked.add(number)
    except StreamFailed:
        pass


def test_points_kill_the_server_and_nothing_acknowledged_is_lost(world):
    numbers, acked = itertools.count(), set()
    with server_of(world, "points") as server:
        server.start()
        with server.connect() as admin:
            admin.create_table("a.b.points", DDL, ())
        assert server.stop() == 0
        for point in POINTS:
            server.start(SLUICE_CRASH_AT=point)
            assert f"kills itself at {point}" in server.log_file.read_text()
            produce_until_death(server, numbers, acked)
            assert server.process.wait(WAIT_S) == -signal.SIGKILL
            server.start()  # nothing is left for the next one's start
            server.wait_committed(["a.b.points"])
            assert server.stop() == 0
        server.start()
        rows = lake.ENGINES["delta-rs"](server.table_folder("a.b.points")).to_pylist()
        ids = [row["id"] for row in rows]
        assert len(ids) == len(set(ids))
        assert acked and acked <= set(ids)
        assert server.stop() == 0


def test_an_unknown_point_ends_the_start_with_a_sentence(world):
    with server_of(world, "no-point") as server:
        for order in ("log.append.never", "log.append.after_write:x"):
            assert server.spawn(SLUICE_CRASH_AT=order).wait(WAIT_S) == 1
            assert re.search(f'not started: SLUICE_CRASH_AT.*"{order}"', server.log_tail())


def test_a_release_has_no_planted_bugs(world):
    bugs = re.findall(r'X\([A-Z_]+, "([a-z_]+)"', BUGS_H.read_text())
    assert len(bugs) >= 12
    bare = world.folder / "sluiced-without-debug-information"
    subprocess.run(["strip", "--strip-debug", "-o", bare, world.server.bin / "sluiced"],
                   check=True)
    binary = bare.read_bytes()
    assert b"lake.commit.before_rename" in binary  # a string of the points is found this way
    for name in [*bugs, "sys_set_bug", "must_set_handler"]:
        assert name.encode() not in binary, name
