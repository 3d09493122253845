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


# ---- nested, variants, widened: what a value is, by its type and the row's number ----

NESTED = [("id", "long"),
          ("s", ("struct", [("n", "long"),
                            ("t", ("struct", [("x", "double"), ("name", "string"),
                                              ("at", "timestamp")]))])),
          ("l", ("list", ("struct", [("a", "integer"), ("b", "string")]))),
          ("m", ("map", "integer")),
          ("ll", ("list", ("list", "short"))),
          ("r", ("struct", [("i!", "integer"), ("l", ("list", "date"))]))]
VARIANT = [("id", "long"), ("v", "variant"), ("s", ("struct", [("v", "variant"),
                                                               ("n", "integer")]))]
WIDENED = {  # table: type of the older file, type of the newer one and of the table
    "byte_short": ("byte", "short"), "byte_int": ("byte", "integer"),
    "short_int": ("short", "integer"), "short_long": ("short", "long"),
    "int_long": ("integer", "long"), "float_double": ("float", "double"),
    "int_double": ("integer", "double"), "date_ntz": ("date", "timestamp_ntz"),
    "decimal_decimal": ("decimal2", "decimal4"), "int_decimal": ("integer", "decimal2"),
    "long_decimal": ("long", "decimal2"),
    "element_long": (("list", "integer"), ("list", "long")),
    "value_double": (("map", "float"), ("map", "double")),
    "field_int": (("struct", [("x", "short")]), ("struct", [("x", "integer"), ("y", "string")])),
    "same": ("integer", "integer"),
}


def flat_value(kind, n):
    at = EPOCH + datetime.timedelta(microseconds=1700000000000000 + n * 1000001)
    if kind.startswith("decimal"):
        return scaled(n, 7, int(kind[7:]))
    return {
        "byte": n % 256 - 128, "short": n * 31 % 65536 - 32768,
        "integer": n * 1000003 % 2000000000 - 1000000000, "long": n,
        "float": struct.unpack("f", struct.pack("f", n / 8))[0],
        "double": math.nan if n % 50 == 9 else n * 0.1,
        "string": f"{n * 7919 % 100000:05d}-äöü-a text that is longer than the statistics keep",
        "date": (EPOCH + datetime.timedelta(days=n * 37 - 20000)).date(),
        "timestamp": at.replace(tzinfo=datetime.timezone.utc), "timestamp_ntz": at,
        "variant": {"n": n, "list": [1, "two", None, {"x": True}]},
    }[kind]


def nested_value(kind, n):
    def part(inner, seed, f):
        return None if (seed + f) % 5 == 0 else nested_value(inner, seed)

    if isinstance(kind, str):
        return flat_value(kind, n)
    if kind[0] == "list":
        return [part(kind[1], n + i, 0) for i in range(n % 4)]
    if kind[0] == "map":
        return [(flat_value("string", n + i), part(kind[1], n + i, 1)) for i in range(n % 3)]
    return {name.rstrip("!"): nested_value(k, n) if name[-1] == "!" else part(k, n, f)
            for f, (name, k) in enumerate(kind[1])}


def nested_row(columns, n):
    return [None if c > 0 and (n + c) % 7 == 0 else nested_value(k, n)
            for c, (_, k) in enumerate(columns)]


def widen(v, old, new):
    """An older value as the newer type has it."""
    if v is None or isinstance(old, tuple):
        if v is None:
            return None
        if old[0] == "list":
            return [widen(x, old[1], new[1]) for x in v]
        if old[0] == "map":
            return [(k, widen(x, old[1], new[1])) for k, x in v]
        was = dict(old[1])
        return {name: widen(v[name], was[name], k) if name in was else None
                for name, k in new[1]}
    if new.startswith("decimal"):
        return decimal.Decimal(v).quantize(decimal.Decimal(1).scaleb(-int(new[7:])))
    if new == "timestamp_ntz" and old == "date":
        return datetime.datetime.combine(v, datetime.time())
    return float(v) if new == "double" else v


def shaped(v, kind):
    """What a reader gave, in the form of nested_value()."""
    if v is None or isinstance(kind, str):
        return v
    if kind[0] == "list":
        return [shaped(x, kind[1]) for x in v]
    if kind[0] == "map":
        return [(k, shaped(x, kind[1])) for k, x in (v.items() if isinstance(v, dict) else v)]
    assert list(v) == [name.rstrip("!") for name, _ in kind[1]], list(v)
    return {name.rstrip("!"): shaped(v[name.rstrip("!")], k) for name, k in kind[1]}


def alike(a, b):
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return set(a) == set(b) and all(alike(a[k], b[k]) for k in a)
    return same(a, b)


def read_columns(reader, path, columns, where="true"):
    listed = ", ".join(f'"{c}"' for c, _ in columns)
    if reader == "duckdb":
        return duck().execute(
            f"SELECT {listed} FROM delta_scan('{path}') WHERE {where} ORDER BY id").fetchall()
    batches = QueryBuilder().register("t", DeltaTable(str(path))).execute(
        f'SELECT {listed} FROM t WHERE {where} ORDER BY "id"')
    data = pyarrow.table(batches.read_all() if hasattr(batches, "read_all") else batches)
    return [tuple(r.values()) for r in data.to_pylist()]


def compare_nested(got, want, columns, reader):
    assert len(got) == len(want), f"{reader}: {len(got)} rows, expected {len(want)}"
    for a, b in zip(got, want):
        for (name, kind), x, y in zip(columns, a, b):
            x = shaped(x, kind)
            assert alike(y, x), f"{reader}: row {b[0]} column {name}: {x!r}, expected {y!r}"


def check_nested(lake):
    want = [nested_row(NESTED, n) for n in range(2200)]
    for reader in READERS:
        compare_nested(read_columns(reader, lake / "nested", NESTED), want, NESTED, reader)


def check_nested_skipping(lake):
    """A predicate over a struct's field opens few files and loses no row."""
    path = lake / "nested"
    want = [nested_row(NESTED, n) for n in range(2200)]
    top = max(r[1]["t"]["name"] for r in want if r[1] and r[1]["t"] and r[1]["t"]["name"])
    cases = [("s.n >= 1000 AND s.n < 1010",
              lambda s: s["n"] is not None and 1000 <= s["n"] < 1010),
             (f"s.t.name >= '{top}'", lambda s: s["t"] and (s["t"]["name"] or "") >= top),
             ("s.t.x < 1.05", lambda s: s["t"] and s["t"]["x"] is not None and s["t"]["x"] < 1.05),
             ("s.n IS NULL AND id < 30", None)]
    for where, test in cases:
        rows = [r for r in want if (r[1] and test(r[1])) ] if test else \
            [r for r in want if r[0] < 30 and (r[1] is None or r[1]["n"] is None)]
        for reader in READERS:
            sql = where if reader == "duckdb" else where.replace("s.t.", "s['t'].") \
                .replace("s['t'].name", "s['t']['name']").replace("s['t'].x", "s['t']['x']") \
                .replace("s.n", "s['n']")
            compare_nested(read_columns(reader, path, NESTED, sql), rows, NESTED, reader)
    plan = duck().execute(f"EXPLAIN ANALYZE SELECT count(*) FROM delta_scan('{path}') "
                          f"WHERE {cases[0][0]}").fetchall()[0][1]
    line = next((l for l in plan.splitlines() if "Scanning Files" in l), None)
    assert line and "1/110" in line, line or plan


def reading(reader, path, columns):
    """The rows, or why this engine has none."""
    try:
        return read_columns(reader, path, columns), None
    except Exception as e:  # whatever an engine says that it cannot do
        return None, f"{type(e).__name__}: {e}"


# What these versions do not read; a change here is news for docs/formats/delta.md.
NOT_READ = {("delta-rs", name) for name in WIDENED if name != "same"}


def check_variant(lake):
    """DuckDB has values; delta-rs 1.6.6 the two binaries of each."""
    want = [nested_row(VARIANT, n) for n in range(100)]
    compare_nested(read_columns("duckdb", lake / "variant", VARIANT), want, VARIANT, "duckdb")
    got = read_columns("delta-rs", lake / "variant", VARIANT)
    assert len(got) == len(want)
    for (_, v, s), (n, want_v, want_s) in zip(got, want):
        assert (v is None) == (want_v is None), n
        assert v is None or (set(v) == {"metadata", "value"} and v["metadata"][0] & 15 == 1), n
        assert (s is None) == (want_s is None), n
        assert s is None or (s["v"] is None) == (want_s["v"] is None), n


def check_widened_skipping(lake, name, want):
    """No row is lost by statistics that were written for the narrower type."""
    if not isinstance(WIDENED[name][1], str):
        return
    values = [r[1] for r in want if r[1] is not None and not same(r[1], math.nan)]
    for v in values[::9]:
        literal = f"TIMESTAMP '{v}'" if isinstance(v, datetime.datetime) else repr(v)
        literal = str(v) if isinstance(v, decimal.Decimal) else literal
        no_nan = " AND NOT isnan(x)" if WIDENED[name][1] == "double" else ""
        for op, test in ((">=", lambda x: x >= v), ("=", lambda x: x == v), ("<", lambda x: x < v)):
            got = duck().execute(f"SELECT count(*) FROM delta_scan('{lake / name}') "
                                 f"WHERE x {op} {literal}{no_nan}").fetchone()[0]
            assert got == sum(map(test, values)), f"{name}: x {op} {literal}: {got} rows"


def check_widened(lake, name):
    old, new = WIDENED[name]
    columns = [("id", "long"), ("x", new), ("added", "string")]
    before, after = [("id", "long"), ("x", old)], columns
    want = [[*nested_row(before, n), None] for n in range(40)]
    want = [[i, widen(x, old, new), a] for i, x, a in want]
    want += [nested_row(after, n) for n in range(41, 81)]
    for reader in READERS:
        got, why = reading(reader, lake / name, columns)
        assert (got is None) == ((reader, name) in NOT_READ), why or "it is read now"
        if got is not None:
            compare_nested(got, want, columns, reader)
    check_widened_skipping(lake, name, want)


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
        more = [(check_nested, ()), (check_nested_skipping, ()), (check_variant, ())]
        more += [(check_widened, (name,)) for name in WIDENED]
        for check, arguments in more:
            try:
                check(lake, *arguments)
                passed += 1
            except Exception:
                failed += 1
                print(f"FAILED {check.__name__} {' '.join(arguments)}")
                traceback.print_exc(limit=-2)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
