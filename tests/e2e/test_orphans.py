# SPDX-License-Identifier: Apache-2.0
"""A data file that a crash left without a commit is never counted, and goes after its time."""
import pathlib

from test_stop import Place
from world import eventually

TABLE = "orphans.t.a"


def data_files(place):
    return sorted(p.name for p in pathlib.Path(place.server.table_folder(TABLE)).glob("*.parquet"))


def test_file_of_a_killed_attempt_is_removed_and_no_other(world):
    with Place(world, "orphans", orphan_grace_ms=1000) as place:
        place.create(TABLE)
        place.send(TABLE, 0, 100)
        place.server.wait_committed([TABLE])
        committed = data_files(place)
        foreign = pathlib.Path(place.server.table_folder(TABLE), "part-0-of-others.parquet")
        foreign.write_bytes(b"PAR1")
        place.stop()
        place.server.write_config(freshness_ms=3000)  # all is acknowledged before the attempt
        place.server.start(SLUICE_CRASH_AT="commit.before_commit")
        place.send(TABLE, 100, 100)
        eventually(lambda: place.server.process.poll() is not None)
        place.server.kill()
        place.server.start()
        assert place.names(TABLE) == [f"d{i:07}" for i in range(200)]
        assert len(data_files(place)) == 4, "the orphan, the other's, and two that are committed"

        eventually(lambda: place.counter("lake_orphans_removed") == 1, timeout_s=40)

        left = data_files(place)
        assert len(left) == 3 and foreign.name in left and set(committed) < set(left)
        assert place.names(TABLE) == [f"d{i:07}" for i in range(200)]
