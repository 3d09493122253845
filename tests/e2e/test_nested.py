# SPDX-License-Identifier: Apache-2.0
"""Columns that hold others: the same rows by lookup and in the lake, whatever way they came."""
import json

from malformed_nested import NESTED

ROW = {
    "id": 1, "must": "x",
    "address": {"street": "Main St", "zip": 12345, "geo": {"lat": 48.5, "lon": None}},
    "tags": ["a", "ü", ""],
    "lines": [{"sku": "s1", "n": -128, "price": "1.50"}, {"sku": "s2", "n": None, "price": None}],
    "attrs": {"k": 1, "": -1}, "byday": {"7": {"v": 1}, "-3": {"v": 2}},
    "grid": [[1, 2], [], [3]], "v": {"a": [1, "x", None, True]}, "vs": [1, "two", {"three": 3}],
}
EMPTY = {"id": 2, "must": "y", "address": None, "tags": [], "lines": [], "attrs": {}, "byday": {},
         "grid": [], "v": None, "vs": []}


def check(world, table):
    for row in (ROW, EMPTY):
        found = world.admin.get(table, {"id": row["id"]})
        assert found == row, f"{found}, not {row}"
    in_lake = {r["id"]: r for r in world.rows(table)}
    assert in_lake[1]["address"] == ROW["address"] and in_lake[1]["tags"] == ROW["tags"], in_lake
    assert [x["sku"] for x in in_lake[1]["lines"]] == ["s1", "s2"]
    assert dict(in_lake[1]["attrs"]) == ROW["attrs"] and in_lake[1]["grid"] == ROW["grid"]
    assert in_lake[2]["address"] is None and in_lake[2]["tags"] == []


def test_nested_rows_are_the_same_everywhere_and_after_a_restart(world):
    table = world.table(NESTED, ["id"])
    with world.wire(table) as s:
        s.create_json()
        s.batch(0, json=[json.dumps(ROW), '{"id": 2, "must": "y"}'])
        s.wait_ack(0)
    check(world, table)
    world.restart()
    check(world, table)
