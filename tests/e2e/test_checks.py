# SPDX-License-Identifier: Apache-2.0
"""The checks themselves can fail: they see lost, doubled and foreign rows and shared positions."""
import json
import pathlib

import pyarrow as pa

from sluice_local import lake

SOURCE = pa.table({"a": [1, 2, 2, 3], "b": ["x", None, None, "y"]})


def test_equal_tables_compare_equal(world):
    assert lake.compare(SOURCE, SOURCE) == lake.Comparison(4, 0, 0, 0)


def test_lost_doubled_and_foreign_rows_are_counted(world):
    found = pa.table({"a": [1, 1, 2, 9], "b": ["x", "x", None, "y"]})
    assert lake.compare(SOURCE, found) == lake.Comparison(4, 2, 1, 1)


def faults(world, *spans):
    """Of a table whose versions add files with these (first position, last position, rows)."""
    log = pathlib.Path(world.folder) / f"made-up-{len(spans)}-{spans[-1][0]}" / "_delta_log"
    log.mkdir(parents=True)
    for version, (first, last, rows) in enumerate(spans):
        add = {"path": f"{version}.parquet", "stats": json.dumps({"numRecords": rows}),
               "tags": dict(zip(lake.POSITION_TAGS, map(str, (first, last, rows))))}
        (log / f"{version:020}.json").write_text(json.dumps({"add": add}) + "\n")
    return len(lake.position_faults(log.parent))


def test_positions_in_two_files_are_seen(world):
    assert faults(world, (1, 10, 10), (11, 20, 4), (30, 30, 1)) == 0
    assert faults(world, (1, 10, 10), (10, 20, 4)) == 1
    assert faults(world, (5, 10, 7)) == 1
