# SPDX-License-Identifier: Apache-2.0
"""Tables come and go, lookups see every acknowledged row, and restarts change nothing."""
import json
import os

import grpc

from sluice_local import lake
from world import fails_with

DDL = "region STRING NOT NULL, id BIGINT NOT NULL, value DOUBLE"


def row(region, number, value):
    return json.dumps({"region": region, "id": number, "value": value})


def test_create_describe_list_drop(world):
    table = world.table(DDL, ["region", "id"])
    described = world.admin.table(table)
    assert [c.name for c in described.columns] == ["region", "id", "value"]
    assert [c.key_ordinal for c in described.columns] == [1, 2, 0]
    assert table in [t.name for t in world.admin.tables()]
    with fails_with(grpc.StatusCode.ALREADY_EXISTS, table):
        world.admin.create_table(table, DDL)
    world.admin.drop_table(table)
    assert table not in [t.name for t in world.admin.tables()]
    with fails_with(grpc.StatusCode.NOT_FOUND):
        world.admin.table(table)


def test_dropped_name_can_be_used_again(world):
    table = world.table(DDL)
    with world.admin.producer(table) as producer:
        producer.append(row("old", 1, 1.0))
    world.committed(table)
    world.admin.drop_table(table)
    world.admin.create_table(table, DDL)
    with world.admin.producer(table) as producer:
        producer.append(row("new", 2, 2.0))
    assert [r["region"] for r in world.rows(table)] == ["new"]


def test_bad_names_are_refused(world):
    for name in ("", "one", "one.two", "a.b.c.d", "a..c", "a.b.c/d", "a.b.../x"):
        with fails_with(grpc.StatusCode.INVALID_ARGUMENT):
            world.admin.create_table(name, DDL)


def test_unknown_key_column_is_refused(world):
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT, "absent"):
        world.admin.create_table("e2e.tests.nokey", DDL, ["absent"])


def test_lookup_sees_a_row_as_soon_as_it_is_acknowledged(world):
    table = world.table(DDL, ["region", "id"])
    with world.admin.producer(table) as producer:
        for i in range(200):
            producer.wait(producer.append(row("r", i % 10, float(i))))
            found = world.admin.get(table, {"region": "r", "id": i % 10})
            assert found["value"] == float(i), f"{found} after the ack of {i}"


def test_lookup_of_many_keys(world):
    table = world.table(DDL, ["region", "id"])
    with world.admin.producer(table) as producer:
        for i in range(100):
            producer.append(row("r", i, i / 4))
    keys = [{"region": "r", "id": i} for i in (5, 99, 100, 0, 5)]
    found = world.admin.get_many(table, keys)
    assert [f and f["value"] for f in found] == [1.25, 24.75, None, 0.0, 1.25]


def test_key_must_have_exactly_the_key_columns(world):
    table = world.table(DDL, ["region", "id"])
    for key in ({"region": "r"}, {"region": "r", "id": 1, "value": 2}, {"region": 1, "id": 1}):
        with fails_with(grpc.StatusCode.INVALID_ARGUMENT):
            world.admin.get(table, key)


def test_lookup_in_a_table_without_key_is_refused(world):
    table = world.table(DDL)
    try:
        world.admin.get(table, {"id": 1})
        raise AssertionError("answered")
    except grpc.RpcError as e:
        assert e.code() in (grpc.StatusCode.INVALID_ARGUMENT,
                            grpc.StatusCode.FAILED_PRECONDITION), e


def check_after_restart(world, kill):
    keyed, free = world.table(DDL, ["region", "id"]), world.table(DDL)
    token = world.token({keyed: "rw"})
    for table in (keyed, free):
        with world.admin.producer(table) as producer:
            for i in range(500):
                producer.append(row("before", i, float(i)))
    world.restart(kill)
    with world.server.connect(token) as user:
        assert user.get(keyed, {"region": "before", "id": 499})["value"] == 499.0
    for table in (keyed, free):
        with world.admin.producer(table) as producer:
            for i in range(500):
                producer.append(row("after", i, float(i)))
        found = sorted((r["region"], r["id"]) for r in world.rows(table))
        wanted = sorted((w, i) for w in ("before", "after") for i in range(500))
        assert found == wanted, f"{len(found)} rows instead of {len(wanted)}"
        assert lake.position_faults(world.server.table_folder(table)) == []


def test_clean_restart_keeps_everything_once(world):
    check_after_restart(world, kill=False)


def test_kill_and_restart_keeps_everything_once(world):
    check_after_restart(world, kill=True)


def test_delta_log_is_well_formed(world):
    table = world.table(DDL)
    with world.admin.producer(table) as producer:
        for i in range(50):
            producer.append(row("r", i, None))
    world.committed(table)
    folder = world.server.table_folder(table)
    log = os.path.join(folder, "_delta_log")
    names = sorted(n for n in os.listdir(log) if n.endswith(".json"))
    assert names[0] == f"{0:020}.json"
    actions = {}
    for name in names:
        with open(os.path.join(log, name), encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                action = json.loads(line)
                kind, = action
                actions.setdefault(kind, []).append(action[kind])
                assert (kind == "commitInfo") == (number == 0), f"{name}: {kind} in line {number}"
    assert len(actions["protocol"]) == len(actions["metaData"]) == 1
    times = [c["inCommitTimestamp"] for c in actions["commitInfo"]]
    assert times == sorted(set(times)), times
    versions = [t["version"] for t in actions["txn"]]
    assert versions == sorted(versions) and len({t["appId"] for t in actions["txn"]}) == 1
    for add in actions["add"]:
        stats = json.loads(add["stats"])
        assert add["size"] == os.path.getsize(os.path.join(folder, add["path"]))
        assert stats["nullCount"]["value"] == stats["numRecords"]
    assert sum(a.rows for a in lake.adds(folder)) == 50
