#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Other implementations read what Sluice's Parquet writer wrote, and every cell is compared.

  parquet_readers.py PROGRAM [--seeds N] [--keep FOLDER]

PROGRAM is parquet_tables (tests/interop), which writes random tables with the expected cells
beside them. Readers: pyarrow (page checksums on), DuckDB, polars, delta-rs (parquet-rs with
DataFusion), fastparquet where it is installed. Beyond cells: footer statistics against the data,
offsets against the file's bytes, predicates with the page index in use, and a flipped byte that the
checksum must find. Nested tables are read by pyarrow, DuckDB, delta-rs and polars; variants as
values by DuckDB, as their two binaries by pyarrow (polars 2.1.0 refuses the logical type). Last
line: N passed, N failed.
"""
import argparse
import datetime
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import traceback

import duckdb
import numpy
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder

try:
    import fastparquet
except ImportError:
    fastparquet = None
try:
    import polars
except ImportError:
    polars = None

INTS = {"byte", "short", "integer", "long"}


def chunked(column):
    return column.combine_chunks() if isinstance(column, pyarrow.ChunkedArray) else column


def cells(column, kind):
    """A column in the form of the .ndjson file."""
    column = chunked(column)
    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kind in INTS:
        return column.cast("int64").to_pylist()
    if kind in ("float", "double"):
        bits = numpy.uint32 if kind == "float" else numpy.uint64
        assert column.type == (pyarrow.float32() if kind == "float" else pyarrow.float64())
        values = pc.fill_null(column, 0).to_numpy(zero_copy_only=False).view(bits).tolist()
        return [v if ok else None for v, ok in zip(values, column.is_valid().to_pylist())]
    if kind.startswith("decimal"):
        return [None if v is None else format(v, "f") for v in column.to_pylist()]
    if kind == "date":
        return column.cast("int32").to_pylist()
    if kind.startswith("timestamp"):
        zoned = kind == "timestamp"
        assert (column.type.tz is not None) == zoned, f"{kind} read as {column.type}"
        return column.cast(pyarrow.timestamp("us", column.type.tz)).cast("int64").to_pylist()
    if kind == "binary":
        return [None if v is None else v.hex() for v in column.to_pylist()]
    return column.to_pylist()


class Table:
    def __init__(self, path):
        self.path = path
        facts = json.loads(path.with_suffix(".json").read_text())
        self.delta_schema = facts["schema"]
        fields = json.loads(facts["schema"])["fields"]
        self.names = [f["name"] for f in fields]
        self.kinds = [f["type"] for f in fields]
        self.flat = all(isinstance(k, str) and k != "variant" for k in self.kinds)
        self.nullable = [f["nullable"] for f in fields]
        self.groups, self.row_count, self.stats = facts["groups"], facts["rows"], facts["stats"]
        rows = [json.loads(line) for line in path.with_suffix(".ndjson").open()]
        assert len(rows) == self.row_count
        self.columns = [list(c) for c in zip(*rows)] if rows else [[] for _ in fields]

    def check_in_any_order(self, read):
        got = [cells(read.column(name), kind) for name, kind in zip(self.names, self.kinds)]
        got, want = sorted(zip(*got), key=repr), sorted(zip(*self.columns), key=repr)
        assert got == want, f"{len(got)} rows differ from the {len(want)} expected"

    def check(self, read):
        assert read.num_rows == self.row_count, f"{read.num_rows} rows, not {self.row_count}"
        for i, (name, kind) in enumerate(zip(self.names, self.kinds)):
            got = cells(read.column(name), kind)
            if got != self.columns[i]:
                at = next(k for k in range(self.row_count) if got[k] != self.columns[i][k])
                raise AssertionError(f"{name} {kind}, row {at}: {str(got[at])[:80]!r}, "
                                     f"expected {str(self.columns[i][at])[:80]!r}")


# ---- readers ----

def with_pyarrow(t):
    f = pq.ParquetFile(t.path, page_checksum_verification=True)
    t.check(f.read())


def with_duckdb(t):
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    t.check(con.execute(f"select * from read_parquet('{t.path}')").arrow().read_all())


def with_polars(t):
    t.check(polars.read_parquet(t.path).to_arrow())


def delta_table(t, folder):
    """A Delta table of this one file, so that delta-rs reads it."""
    log = folder / "_delta_log"
    log.mkdir(parents=True)
    (folder / "part.parquet").write_bytes(t.path.read_bytes())
    features = [f for f, kind in (("timestampNtz", "timestamp_ntz"), ("variantType", "variant"))
                if f'"{kind}"' in t.delta_schema]
    protocol = {"minReaderVersion": 3 if features else 1, "minWriterVersion": 7,
                "writerFeatures": ["appendOnly"] + features}
    if features:
        protocol["readerFeatures"] = features
    actions = [
        {"protocol": protocol},
        {"metaData": {"id": "11111111-2222-3333-4444-555555555555",
                      "format": {"provider": "parquet", "options": {}},
                      "schemaString": t.delta_schema, "partitionColumns": [], "configuration": {},
                      "createdTime": 0}},
        {"add": {"path": "part.parquet", "partitionValues": {}, "size": t.path.stat().st_size,
                 "modificationTime": 0, "dataChange": True}}]
    (log / f"{0:020}.json").write_text("\n".join(json.dumps(a) for a in actions))
    return DeltaTable(str(folder))


def with_delta_rs(t):
    with tempfile.TemporaryDirectory() as folder:
        table = delta_table(t, pathlib.Path(folder) / "t")
        q = QueryBuilder().register("t", table)
        # row groups are read in parallel
        t.check_in_any_order(pyarrow.table(q.execute("select * from t")))


def with_fastparquet(t):
    """It has no exact decimals: those are left out. Row groups are read one by one: in one go,
    2026.9 loses the strings of groups without dictionary when other groups have one."""
    if t.row_count == 0:
        return
    f = fastparquet.ParquetFile(str(t.path))
    for i, (name, kind) in enumerate(zip(t.names, t.kinds)):
        if kind.startswith("decimal") or kind.startswith("timestamp") or kind == "date":
            continue
        want = t.columns[i]
        got = [v for group in f for v in group.to_pandas(columns=[name])[name].tolist()]
        assert len(got) == len(want), f"{name}: {len(got)} rows"
        for k, (a, b) in enumerate(zip(got, want)):
            if b is None:
                same = a is None or str(a) in ("<NA>", "nan", "NaT")
            elif kind in ("float", "double"):
                width = numpy.float32 if kind == "float" else numpy.float64
                bits = numpy.uint32 if kind == "float" else numpy.uint64
                nans = a != a and numpy.isnan(bits(b).view(width))
                same = nans or int(width(a).view(bits)) == b
            elif kind == "binary":
                same = a.hex() == b
            else:
                same = a == b
            assert same, f"{name} {kind}, row {k}: {str(a)[:80]!r}, expected {str(b)[:80]!r}"


# ---- statistics and places ----

def floats(kind, values):
    width = numpy.float32 if kind == "float" else numpy.float64
    bits = numpy.uint32 if kind == "float" else numpy.uint64
    return numpy.array(values, dtype=bits).view(width)


def bounds(kind, values):
    """(min, max, has NaN) of expected cells, as comparable Python values."""
    values = [v for v in values if v is not None]
    if kind in ("float", "double"):
        a = floats(kind, values)
        nan = bool(numpy.isnan(a).any())
        a = a[~numpy.isnan(a)]
        return (float(a.min()), float(a.max()), nan) if len(a) else (None, None, nan)
    if kind.startswith("decimal"):
        from decimal import Decimal
        values = [Decimal(v) for v in values]
    elif kind == "binary":
        values = [bytes.fromhex(v) for v in values]
    elif kind == "string":
        values = [v.encode() for v in values]
    return (min(values), max(values), False) if values else (None, None, False)


def statistic(kind, value):
    """A min or max as pyarrow gives it, comparable with bounds()."""
    if value is None:
        return None
    if kind == "date":
        return (value - __import__("datetime").date(1970, 1, 1)).days
    if kind.startswith("timestamp"):
        return pyarrow.scalar(value, pyarrow.timestamp("us")).value if not hasattr(value, "value") \
            else value.value // 1000
    if kind == "string" and isinstance(value, str):
        return value.encode()
    return value


def raw_statistics(path):
    con = duckdb.connect()
    rows = con.execute(f"""select row_group_id, path_in_schema, min_is_exact, max_is_exact
                           from parquet_metadata('{path}')""").fetchall()
    return {(g, name): (low, high) for g, name, low, high in rows}


def check_statistics(t):
    meta = pq.ParquetFile(t.path).metadata
    exact = raw_statistics(t.path)
    assert meta.num_row_groups == t.groups
    assert meta.created_by.startswith("sluice version ")
    start = 0
    for g in range(meta.num_row_groups):
        group = meta.row_group(g)
        end = start + group.num_rows
        for i, (name, kind) in enumerate(zip(t.names, t.kinds)):
            column = group.column(i)
            values = t.columns[i][start:end]
            low, high, nan = bounds(kind, values)
            s = column.statistics
            assert s.null_count == values.count(None), f"{name}: null_count {s.null_count}"
            assert column.is_stats_set
            assert s.has_min_max == (low is not None and not nan), f"{name}: bounds {low} {nan}"
            assert column.has_offset_index and column.has_column_index == (not nan)
            if not s.has_min_max:
                continue
            got_low, got_high = statistic(kind, s.min), statistic(kind, s.max)
            if kind in ("string", "binary"):
                assert got_low <= low and got_high >= high, f"{name}: not a bound"
                assert (got_low == low) == exact[(g, name)][0], f"{name}: min exact"
                assert (got_high == high) == exact[(g, name)][1], f"{name}: max exact"
                assert len(got_low) <= 64 and (len(got_high) <= 64 or got_high == high)
            elif not kind.startswith("timestamp"):
                assert (got_low, got_high) == (low, high), f"{name} {kind}: {got_low} {got_high}"
                if low == 0 and kind in ("float", "double"):
                    assert numpy.signbit(got_low)
                if high == 0 and kind in ("float", "double"):
                    assert not numpy.signbit(got_high)
        start = end
    check_totals(t)


def check_totals(t):
    for i, kind in enumerate(t.kinds):
        nulls, low, high, nan = t.stats[i]
        want_low, want_high, want_nan = bounds(kind, t.columns[i])
        got_low, got_high, _ = bounds(kind, [low, high])
        assert (nulls, nan) == (t.columns[i].count(None), want_nan), t.names[i]
        assert (got_low, got_high) == (want_low, want_high), f"{t.names[i]}: {got_low} {got_high}"


def check_places(t):
    """Offsets and sizes: chunks lie one behind the other from byte 4 on."""
    meta = pq.ParquetFile(t.path).metadata
    at = 4
    for g in range(meta.num_row_groups):
        group = meta.row_group(g)
        start = at
        for i in range(group.num_columns):
            c = group.column(i)
            first = c.dictionary_page_offset if c.has_dictionary_page else c.data_page_offset
            assert first == at, f"column {i} starts at {first}, not {at}"
            assert c.file_offset == 0
            assert c.data_page_offset >= first
            at += c.total_compressed_size
        assert group.total_byte_size == sum(group.column(i).total_uncompressed_size
                                            for i in range(group.num_columns))
        offset = duckdb.execute(f"""select min(row_group_compressed_bytes) from parquet_metadata(
            '{t.path}') where row_group_id = {g}""").fetchone()[0]
        assert offset in (None, 0, at - start), f"group {g}: {offset} bytes, not {at - start}"
    assert at < t.path.stat().st_size


def check_schema(t):
    rows = duckdb.execute(f"""select name, type, repetition_type, field_id, converted_type,
                              logical_type from parquet_schema('{t.path}')""").fetchall()[1:]
    assert [r[0] for r in rows] == t.names
    assert [int(r[3]) for r in rows] == list(range(1, len(rows) + 1))
    for (name, _, repetition, _, converted, logical), kind, null in zip(rows, t.kinds, t.nullable):
        assert repetition == ("OPTIONAL" if null else "REQUIRED"), name
        want = {"string": "UTF8", "date": "DATE", "timestamp": "TIMESTAMP_MICROS",
                "byte": "INT_8", "short": "INT_16"}.get(kind)
        want = "DECIMAL" if kind.startswith("decimal") else want
        assert converted == want, f"{name}: {converted}"
        assert (logical is not None) == (kind in ("string", "date", "byte", "short")
                                         or kind.startswith(("decimal", "timestamp"))), name


def check_predicates(t):
    """The same rows with the page index and statistics in use (DataFusion, DuckDB) as without."""
    rng = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        table = delta_table(t, pathlib.Path(folder) / "t")
        q = QueryBuilder().register("t", table)
        for i, (name, kind) in enumerate(zip(t.names, t.kinds)):
            values = [v for v in t.columns[i] if v is not None]
            if not values or kind not in ("integer", "long", "string") and kind not in INTS:
                continue
            for v in rng.sample(values, min(3, len(values))):
                literal = "'" + v.replace("'", "''") + "'" if kind == "string" else str(v)
                if kind == "string" and (len(v) > 2000 or "\0" in v):
                    continue
                key = (lambda x: x.encode()) if kind == "string" else (lambda x: x)
                for op, want in (("=", sum(x == v for x in values)),
                                 (">", sum(key(x) > key(v) for x in values)),
                                 ("<=", sum(key(x) <= key(v) for x in values))):
                    sql = f'select count(*) as n from {{}} where "{name}" {op} {literal}'
                    got = pyarrow.table(q.execute(sql.format("t"))).column(0)[0].as_py()
                    assert got == want, f"delta-rs: {name} {op} {literal[:60]}: {got}, not {want}"
                    got = duckdb.execute(sql.format(f"'{t.path}'")).fetchone()[0]
                    assert got == want, f"DuckDB: {name} {op} {literal[:60]}: {got}, not {want}"


def check_damage(t):
    """A flipped byte in the middle of a page is an error, not other rows."""
    data = bytearray(t.path.read_bytes())
    meta = pq.ParquetFile(t.path).metadata
    found = 0
    for i in range(meta.num_columns):
        c = meta.row_group(0).column(i)
        at = c.data_page_offset + (c.total_compressed_size - (c.data_page_offset - (
            c.dictionary_page_offset if c.has_dictionary_page else c.data_page_offset))) - 1
        data[at] ^= 1
        try:
            pq.ParquetFile(pyarrow.BufferReader(bytes(data)),
                           page_checksum_verification=True).read_row_group(0, columns=[t.names[i]])
        except OSError as e:
            found += "CRC" in str(e)
        data[at] ^= 1
    assert found == meta.num_columns, f"{found} of {meta.num_columns} damaged pages found"


# ---- nested ----

EPOCH = datetime.datetime(1970, 1, 1)


def flat_cell(v, kind):
    """One flat value as a reader gave it, in the form of the .ndjson file."""
    if kind in ("float", "double"):
        width, bits = ((numpy.float32, numpy.uint32) if kind == "float" else
                       (numpy.float64, numpy.uint64))
        return int(width(v).view(bits))
    if kind.startswith("decimal"):
        return format(v, "f")
    if kind == "date":
        return (v - EPOCH.date()).days
    if kind.startswith("timestamp"):
        assert (v.tzinfo is not None) == (kind == "timestamp"), f"{kind} read as {v!r}"
        return (v.replace(tzinfo=None) - EPOCH) // datetime.timedelta(microseconds=1)
    return v.hex() if kind == "binary" else v


def cell(v, kind):
    if v is None:
        return None
    if isinstance(kind, str):
        return flat_cell(v, kind)
    if kind["type"] == "struct":
        assert list(v) == [f["name"] for f in kind["fields"]], f"fields {list(v)}"
        return {f["name"]: cell(v[f["name"]], f["type"]) for f in kind["fields"]}
    if kind["type"] == "array":
        return [cell(x, kind["elementType"]) for x in v]
    pairs = [(p["key"], p["value"]) if isinstance(p, dict) else p for p in v]
    return [[cell(k, kind["keyType"]), cell(x, kind["valueType"])] for k, x in pairs]


def check_nested(t, read, ordered=True):
    assert read.num_rows == t.row_count, f"{read.num_rows} rows, not {t.row_count}"
    got = [[cell(row[n], k) for n, k in zip(t.names, t.kinds)] for row in read.to_pylist()]
    want = [list(row) for row in zip(*t.columns)]
    if not ordered:
        got, want = sorted(got, key=repr), sorted(want, key=repr)
    for i, (a, b) in enumerate(zip(got, want)):
        for name, x, y in zip(t.names, a, b):
            assert x == y, f"row {i} {name}: {str(x)[:200]}, expected {str(y)[:200]}"


def nested_with_pyarrow(t):
    check_nested(t, pq.ParquetFile(t.path, page_checksum_verification=True).read())


def nested_with_duckdb(t):
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    check_nested(t, con.execute(f"select * from read_parquet('{t.path}')").arrow().read_all())


def nested_with_polars(t):
    check_nested(t, polars.read_parquet(t.path).to_arrow())


def nested_with_delta_rs(t):
    with tempfile.TemporaryDirectory() as folder:
        q = QueryBuilder().register("t", delta_table(t, pathlib.Path(folder) / "t"))
        check_nested(t, pyarrow.table(q.execute("select * from t")), ordered=False)


def check_rows_of_lists(t):
    """By DuckDB's own counting: lists are as long and as null as they were written."""
    for name, kind in zip(t.names, t.kinds):
        if not isinstance(kind, dict) or kind["type"] == "struct":
            continue
        values = t.columns[t.names.index(name)]
        size = "len" if kind["type"] == "array" else "cardinality"
        got = duckdb.execute(f"select count(*) filter (\"{name}\" is null), coalesce(sum({size}("
                             f"\"{name}\")), 0) from read_parquet('{t.path}')").fetchone()
        want = (values.count(None), sum(len(v) for v in values if v is not None))
        assert got == want, f"{name}: {got}, not {want}"


# ---- variants ----

def value(v, kind):
    """What DuckDB is to give for an expected cell: a variant's own null is None, too."""
    if v is None or isinstance(kind, str):
        return v if v is None or kind != "variant" else v[0]
    if kind["type"] == "struct":
        return {f["name"]: value(v[f["name"]], f["type"]) for f in kind["fields"]}
    if kind["type"] == "array":
        return [value(x, kind["elementType"]) for x in v]
    return {k: value(x, kind["valueType"]) for k, x in v}


def variants_with_duckdb(t):
    rows = duckdb.execute(f"select * from read_parquet('{t.path}')").fetchall()
    assert len(rows) == t.row_count
    for i, (got, want) in enumerate(zip(rows, zip(*t.columns))):
        want = tuple(value(w, k) for w, k in zip(want, t.kinds))
        assert got == want, f"row {i}: {str(got)[:300]}, expected {str(want)[:300]}"


def variants_with_pyarrow(t):
    """Not as values: as the two binaries of each, null where the variant is."""
    read = pq.ParquetFile(t.path, page_checksum_verification=True).read()
    for name in ("v", "w"):
        got, want = read.column(name).to_pylist(), t.columns[t.names.index(name)]
        assert [v is None for v in got] == [v is None for v in want], name
        assert all(v is None or (v["metadata"][0] & 15 == 1 and v["value"]) for v in got), name


# ---- run ----

def run(name, check, *arguments):
    try:
        check(*arguments)
        return 1, 0
    except Exception as e:  # every failure is one line and the run goes on
        print(f"FAIL {name}: {type(e).__name__}: {e}")
        if not isinstance(e, AssertionError):
            traceback.print_exc()
        return 0, 1


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("program")
    args.add_argument("--seeds", type=int, default=1)
    args.add_argument("--first-seed", type=int, default=1)
    args.add_argument("--keep", help="write the files here and leave them")
    a = args.parse_args()
    checks = [with_pyarrow, with_duckdb, with_delta_rs, check_schema, check_statistics,
              check_places]
    nested = [nested_with_pyarrow, nested_with_duckdb, nested_with_delta_rs, check_rows_of_lists,
              check_places]
    variants = [variants_with_duckdb, variants_with_pyarrow, check_places]
    if fastparquet is not None:
        checks.append(with_fastparquet)
    if polars is not None:
        checks.append(with_polars)
        nested.append(nested_with_polars)
    results = []
    for seed in range(a.first_seed, a.first_seed + a.seeds):
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(a.keep or temporary)
            folder.mkdir(exist_ok=True)
            subprocess.run([a.program, str(folder), str(seed)], check=True)
            for path in sorted(folder.glob("*.parquet")):
                t = Table(path)
                for check in checks if t.flat else nested if path.stem < "v" else variants:
                    results.append(run(f"{seed} {path.stem} {check.__name__}", check, t))
                if path.stem in ("tiny_pages", "small_pages", "groups"):
                    results.append(run(f"{seed} {path.stem} predicates", check_predicates, t))
                if path.stem == "level_nine":
                    results.append(run(f"{seed} {path.stem} damage", check_damage, t))
    passed, failed = (sum(r[i] for r in results) for i in (0, 1))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
