#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Other implementations read the Delta tables that Sluice writes, and every cell is compared.

  delta_readers.py PROGRAM [--keep FOLDER]

PROGRAM is delta_tables (tests/interop). Readers: delta-rs (PyPI deltalake 1.6.6) and DuckDB with
its delta extension (PyPI duckdb 1.5.5, duckdb-extension-delta 1.5.5); pyarrow 26.0.1 and pytz carry
the values. Beyond cells: versions and history, transactions, time travel, the newest version with
and without checkpoint, hint and the commits below it, predicates that skip files by our
statistics. Last line: N passed, N failed.
"""
import argparse
import datetime
import decimal
import json
import math
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import traceback

import duckdb
import duckdb_extension_delta
import pyarrow
from deltalake import DeltaTable, QueryBuilder

APP = "sluice/0/11111111-2222-4333-8444-555555555555/1/7"
EPOCH = datetime.datetime(1970, 1, 1)
COLUMNS = ["id", "flag", "b", "s", "i", "f", "d", "small", "mid", "big", "text", "bytes", "day",
           "at"]
TABLES = {  # name: rows, commits, has the zoneless column, newest checkpoint
    "empty": (0, 0, False, None),
    "all": (1200, 3, False, None),
    "zoneless": (200, 4, True, None),
    "many": (2500, 250, False, 200),
}


def c_mod(a, b):
    return int(math.fmod(a, b))


def scaled(n, factor, scale):
    return decimal.Decimal((n - 500) * factor).scaleb(-scale)


def expected_row(n, zoneless):
    at = EPOCH + datetime.timedelta(microseconds=1700000000000000 + n * 1000001)
    row = [
        n,
        n % 3 == 0,
        n % 256 - 128,
        n * 31 % 65536 - 32768,
        n * 1000003 % 2000000000 - 1000000000,
        struct.unpack("f", struct.pack("f", n / 8))[0],
        math.nan if n % 50 == 9 else n * 0.1,
        scaled(n, 7, 2),
        scaled(n, 7, 4),
        scaled(n, 10000000000000, 10),
        f"{n * 7919 % 100000:05d}-äöü-a text that is longer than the statistics keep",
        b"\x00\xff\x80\x01"[: n % 5],
        (EPOCH + datetime.timedelta(days=n * 37 - 20000)).date(),
        at.replace(tzinfo=datetime.timezone.utc),
    ]
    if zoneless:
        row.append(at)
    return [None if c > 0 and (n + c) % 7 == 0 else v for c, v in enumerate(row)]


def same(a, b):
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
        return math.isnan(b)
    if isinstance(a, datetime.datetime) and isinstance(b, datetime.datetime) and a.tzinfo:
        b = b.astimezone(datetime.timezone.utc)
    return type(a) is type(b) and a == b


def duck():
    con = duckdb.connect()
    folder = pathlib.Path(duckdb_extension_delta.__file__).parent
    (extension,) = folder.rglob("delta.duckdb_extension")
    con.execute(f"LOAD '{extension}'")
    con.execute("SET TimeZone = 'UTC'")
    return con


def names(zoneless):
    return COLUMNS + (["ntz"] if zoneless else [])


def read_duck(path, zoneless, where="true", version=None):
    option = "" if version is None else f", version = {version}"
    columns = ", ".join(f'"{c}"' for c in names(zoneless))
    return duck().execute(
        f"SELECT {columns} FROM delta_scan('{path}'{option}) WHERE {where} ORDER BY id").fetchall()


def read_deltars(path, zoneless, where="true", version=None):
    columns = ", ".join(f'"{c}"' for c in names(zoneless))
    table = DeltaTable(str(path), version=version)
    batches = QueryBuilder().register("t", table).execute(
        f'SELECT {columns} FROM t WHERE {where} ORDER BY "id"')
    data = pyarrow.table(batches.read_all() if hasattr(batches, "read_all") else batches)
    return [tuple(r.values()) for r in data.to_pylist()]


READERS = {"duckdb": read_duck, "delta-rs": read_deltars}


def compare(got, ids, zoneless):
    assert len(got) == len(ids), f"{len(got)} rows, expected {len(ids)}"
    for row, n in zip(got, ids):
        want = expected_row(n, zoneless)
        for column, a, b in zip(names(zoneless), want, row):
            assert same(a, b), f"row {n} column {column}: {b!r}, expected {a!r}"


def check_rows(path, name):
    rows, _, zoneless, _ = TABLES[name]
    for reader, read in READERS.items():
        try:
            compare(read(path, zoneless), range(rows), zoneless)
        except Exception as e:
            raise AssertionError(f"{reader}: {e}") from e


def check_log(path, name):
    rows, commits, zoneless, checkpoint = TABLES[name]
    table = DeltaTable(str(path))
    assert table.version() == commits, table.version()
    assert table.metadata().id == "0f8b1c1e-7f5e-4a5e-9d0a-3c2a1b4d5e6f"
    assert table.protocol().min_reader_version == (3 if zoneless else 1)
    assert table.protocol().min_writer_version == 7
    if commits:
        assert table.transaction_version(APP) == rows, table.transaction_version(APP)
    history = table.history()
    assert [h["operation"] for h in history] == ["WRITE"] * commits + ["CREATE TABLE"]
    stamps = [h["inCommitTimestamp"] for h in history]
    assert all(a > b for a, b in zip(stamps, stamps[1:])), "in-commit timestamps do not grow"
    actions = table.get_add_actions(flatten=True)
    assert sum(actions.column("num_records").to_pylist()) == rows if commits else True


def check_travel(path, name):
    rows, commits, zoneless, _ = TABLES[name]
    for version in sorted({0, 1, commits // 2, commits}):
        if version > commits:
            continue
        count = rows // commits * version if commits else 0
        compare(read_deltars(path, zoneless, version=version), range(count), zoneless)
        compare(read_duck(path, zoneless, version=version), range(count), zoneless)


def predicates(zoneless):
    """SQL, and the same over an expected row."""
    column = {c: i for i, c in enumerate(names(zoneless))}

    def over(name, test):
        return lambda r: r[column[name]] is not None and test(r[column[name]])

    def at(n):
        return EPOCH + datetime.timedelta(microseconds=1700000000000000 + n * 1000001)

    yield "id >= 199", over("id", lambda v: v >= 199)
    yield "b = 127", over("b", lambda v: v == 127)
    yield "i > 0", over("i", lambda v: v > 0)
    yield "f > 20.1", over("f", lambda v: v > 20.1)
    yield "d > 15.05 AND d < 1000", over("d", lambda v: 15.05 < v < 1000)
    yield "small >= -14.00", over("small", lambda v: v >= decimal.Decimal("-14.00"))
    yield "day < DATE '1930-01-01'", over("day", lambda v: v < datetime.date(1930, 1, 1))
    # the longest cut maximum: an equal prefix must not be skipped
    top = max(f"{n * 7919 % 100000:05d}" for n in range(200))
    text = f"{top}-äöü-a text that is longer than the statistics keep"
    yield f"\"text\" >= '{text}'", over("text", lambda v: v >= text)
    # microseconds beyond the statistics' milliseconds
    zoned = at(199).replace(tzinfo=datetime.timezone.utc)
    yield f"\"at\" >= TIMESTAMP '{at(199)}'", over("at", lambda v: v >= zoned)
    one = at(101).replace(tzinfo=datetime.timezone.utc)
    yield f"\"at\" = TIMESTAMP '{at(101)}'", over("at", lambda v: v == one)
    yield "mid IS NULL", lambda r: r[column["mid"]] is None
    if zoneless:
        yield f"ntz > TIMESTAMP '{at(150)}'", over("ntz", lambda v: v > at(150))


def check_predicates(path, name):
    rows, _, zoneless, _ = TABLES[name]
    wanted = [expected_row(n, zoneless) for n in range(rows)]
    for where, test in predicates(zoneless):
        ids = [r[0] for r in wanted if test(r)]
        for reader, read in READERS.items():
            try:
                compare(read(path, zoneless, where), ids, zoneless)
            except Exception as e:
                raise AssertionError(f"{reader}: {where}: {e}") from e


def check_skipping(path, name):
    """By the engine's own counter: a narrow predicate opens few files."""
    _, commits, _, _ = TABLES[name]
    if commits < 100:
        return
    plan = duck().execute(
        f"EXPLAIN ANALYZE SELECT count(*) FROM delta_scan('{path}') "
        "WHERE id >= 1000 AND id < 1010").fetchall()[0][1]
    line = next(l for l in plan.splitlines() if "Scanning Files" in l)
    assert f"1/{commits}" in line, line


def check_checkpoint(path, name):
    """The newest version opens without the hint, and without the commits below the checkpoint."""
    rows, commits, zoneless, checkpoint = TABLES[name]
    log = path / "_delta_log"
    assert (checkpoint is None) == (not list(log.glob("*.checkpoint.parquet")))
    if checkpoint is None:
        return
    assert json.loads((log / "_last_checkpoint").read_text())["version"] == checkpoint
    with tempfile.TemporaryDirectory() as scratch:
        for what in ("no hint", "no old commits", "neither"):
            copy = pathlib.Path(scratch) / what.replace(" ", "-")
            shutil.copytree(path, copy)
            if what in ("no hint", "neither"):
                (copy / "_delta_log" / "_last_checkpoint").unlink()
            if what in ("no old commits", "neither"):
                for commit in (copy / "_delta_log").glob("*.json"):
                    if int(commit.stem) <= checkpoint:
                        commit.unlink()
                for old in (copy / "_delta_log").glob("*.checkpoint.parquet"):
                    if int(old.name.split(".")[0]) < checkpoint:
                        old.unlink()
            for reader, read in READERS.items():
                try:
                    compare(read(copy, zoneless), range(rows), zoneless)
                    some = read(copy, zoneless, "id >= 1990 AND id < 2010")
                    compare(some, range(1990, 2010), zoneless)
                except Exception as e:
                    raise AssertionError(f"{reader}, {what}: {e}") from e
            table = DeltaTable(str(copy))
            assert table.transaction_version(APP) == rows
            assert table.metadata().configuration == {
                "delta.enableInCommitTimestamps": "true",
                "delta.enableExpiredLogCleanup": "false"}


CHECKS = [check_rows, check_log, check_travel, check_predicates, check_skipping, check_checkpoint]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--keep", help="write the tables there and leave them")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        lake = pathlib.Path(args.keep or scratch).resolve() / "lake"
        subprocess.run([args.program, str(lake)], check=True)
        passed = failed = 0
        for name in TABLES:
            for check in CHECKS:
                try:
                    check(lake / name, name)
                    passed += 1
                except Exception:
                    failed += 1
                    print(f"FAILED {name}: {check.__name__}")
                    traceback.print_exc(limit=-2)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
