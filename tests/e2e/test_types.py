# SPDX-License-Identifier: Apache-2.0
"""Every flat type, with nulls and edges, by protobuf and JSON, through two engines and a lookup."""
import base64
import datetime
import decimal
import json
import pathlib

import duckdb
import grpc

from world import fails_with

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1)
TYPES = {
    "id": "BIGINT NOT NULL", "b": "BOOLEAN", "i8": "TINYINT", "i16": "SMALLINT", "i32": "INT",
    "i64": "BIGINT", "f32": "FLOAT", "f64": "DOUBLE", "d9": "DECIMAL(9,2)",
    "d18": "DECIMAL(18,4)", "d38": "DECIMAL(38,10)", "s": "STRING", "raw": "BINARY",
    "day": "DATE", "ts": "TIMESTAMP", "ntz": "TIMESTAMP_NTZ"}
DDL = ", ".join(f"{c} {t}" for c, t in TYPES.items())
LOW = {
    "id": 1, "b": False, "i8": -128, "i16": -32768, "i32": -2**31, "i64": -2**63, "f32": -1.5,
    "f64": -1.7976931348623157e308, "d9": decimal.Decimal("-9999999.99"),
    "d18": decimal.Decimal("-99999999999999.9999"),
    "d38": decimal.Decimal("-9999999999999999999999999999.9999999999"), "s": "",
    "raw": b"", "day": datetime.date(1969, 12, 31),
    "ts": datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
    "ntz": datetime.datetime(1600, 2, 29, 1, 2, 3, 4)}
HIGH = {
    "id": 2, "b": True, "i8": 127, "i16": 32767, "i32": 2**31 - 1, "i64": 2**63 - 1, "f32": 0.25,
    "f64": 5e-324, "d9": decimal.Decimal("9999999.99"),
    "d18": decimal.Decimal("0.0001"), "d38": decimal.Decimal("0.0000000001"),
    "s": "Zürich 東京 🚜 \" \\ \n", "raw": bytes(range(256)), "day": datetime.date(9999, 12, 31),
    "ts": datetime.datetime(2026, 2, 28, 12, 0, 0, 1, UTC),
    "ntz": datetime.datetime(2026, 2, 28, 12, 0, 0, 1)}
NULLS = {"id": 3, **{c: None for c in TYPES if c != "id"}}
ROWS = [LOW, HIGH, NULLS]


def micros(moment):
    return (moment.replace(tzinfo=None) - EPOCH) // datetime.timedelta(microseconds=1)


def on_the_wire(column, value):
    """The value as protobuf and JSON carry it, before bytes are coded."""
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        return micros(value)
    if isinstance(value, datetime.date):
        return (value - EPOCH.date()).days
    return value


def as_json(row):
    wire = {c: on_the_wire(c, v) for c, v in row.items()}
    if wire["raw"] is not None:
        wire["raw"] = base64.b64encode(wire["raw"]).decode()
    return json.dumps(wire)


def as_message(message, row):
    return message(**{c: on_the_wire(c, v) for c, v in row.items() if v is not None})


def check(world, table, rows):
    world.committed(table)
    for engine in ("delta-rs", "DuckDB"):
        found = sorted(world.rows(table, engine), key=lambda r: r["id"])
        for row, wanted in zip(found, rows, strict=True):
            for column in TYPES:
                assert row[column] == wanted[column], \
                    f"{engine}: {column}: {row[column]!r} instead of {wanted[column]!r}"


def test_protobuf_rows_of_every_type(world):
    table = world.table(DDL)
    message = world.message(table)
    with world.admin.producer(table, message) as producer:
        producer.append_batch([as_message(message, r) for r in ROWS])
    check(world, table, ROWS)


def test_json_rows_of_every_type(world):
    table = world.table(DDL)
    with world.admin.producer(table) as producer:
        for row in ROWS:
            producer.append(as_json(row))
    check(world, table, ROWS)


def test_lookup_gives_back_every_type(world):
    table = world.table(DDL, ["id"])
    with world.admin.producer(table) as producer:
        for row in ROWS:
            producer.append(as_json(row))
    for row in ROWS:
        found = world.admin.get(table, {"id": row["id"]})
        wanted = json.loads(as_json(row))
        for column, value in wanted.items():
            got = found.get(column)
            if column in ("d9", "d18", "d38") and value is not None:
                got, value = decimal.Decimal(str(got)), decimal.Decimal(value)
            assert got == value, f"{column}: {got!r} instead of {value!r}"


def test_timestamps_come_as_text_where_the_table_says_so(world):
    ddl = "id BIGINT NOT NULL, ts TIMESTAMP, ntz TIMESTAMP_NTZ, l ARRAY<TIMESTAMP>"
    table = world.table(ddl, ["id"], properties={"timestamps": "iso8601"})
    with world.admin.producer(table) as producer:
        producer.append('{"id": 1, "ts": "2026-02-28T13:00:00.000001+01:00", '
                        '"ntz": "2026-02-28T12:00:00.000001", "l": ["1970-01-01T00:00:00Z", 1]}')
        producer.append('{"id": 2, "ts": 1772280000000001}')
    assert world.admin.get(table, {"id": 1}) == {
        "id": 1, "ts": 1772280000000001, "ntz": 1772280000000001, "l": [0, 1]}
    rows = {r["id"]: r for r in world.rows(table)}
    assert rows[1]["ts"] == rows[2]["ts"] == HIGH["ts"], rows
    assert rows[1]["ntz"] == HIGH["ntz"], rows


def test_schema_is_seen_by_other_engines(world):
    import deltalake
    table = world.table(DDL)
    with world.admin.producer(table) as producer:
        producer.append(as_json(LOW))
    world.committed(table)
    schema = deltalake.DeltaTable(world.server.table_folder(table)).schema()
    found = {f.name: (f.type.type, f.nullable) for f in schema.fields}
    assert found["id"] == ("long", False), found["id"]
    assert {n: t for n, (t, _) in found.items()} == {
        "id": "long", "b": "boolean", "i8": "byte", "i16": "short", "i32": "integer",
        "i64": "long", "f32": "float", "f64": "double", "d9": "decimal(9,2)",
        "d18": "decimal(18,4)", "d38": "decimal(38,10)", "s": "string", "raw": "binary",
        "day": "date", "ts": "timestamp", "ntz": "timestamp_ntz"}, found


NESTED = ("id BIGINT NOT NULL, address STRUCT<street: STRING NOT NULL, geo: STRUCT<lat: DOUBLE, "
          "day: DATE>>, tags ARRAY<STRING>, lines ARRAY<STRUCT<sku: STRING, n: INT NOT NULL>>, "
          "counts MAP<STRING, BIGINT>, parts MAP<INT, STRUCT<d: DECIMAL(5,2)>>, "
          "matrix ARRAY<ARRAY<DOUBLE>>, words MAP<STRING, ARRAY<STRING>>, "
          "deep ARRAY<MAP<STRING, MAP<BOOLEAN, INT>>>")
FULL = {
    "id": 1, "address": {"street": "Via", "geo": {"lat": 1.5, "day": "2026-02-28"}},
    "tags": ["b", "", "a"], "lines": [{"sku": "x", "n": 1}, {"sku": None, "n": -2}],
    "counts": {"a": 2**63 - 1, "": 0}, "parts": {"-7": {"d": "1.50"}, "8": {"d": None}},
    "matrix": [[1.0, 2.5], [], [-3.0]], "words": {"x": ["y", "z"], "none": []},
    "deep": [{"k": {"true": 1, "false": 0}}, {}]}
SPARSE = {"id": 2, "address": {"street": "", "geo": None}}
EMPTY = {"tags": [], "lines": [], "counts": {}, "parts": {}, "matrix": [], "words": {}, "deep": []}


def fill(message, row):
    """FULL as a protobuf message of the table's own type."""
    message.id = row["id"]
    message.address.street = row["address"]["street"]
    if row["address"]["geo"]:
        message.address.geo.lat = 1.5
        message.address.geo.day = (datetime.date(2026, 2, 28) - EPOCH.date()).days
    message.tags.extend(row.get("tags", []))
    for line in row.get("lines", []):
        message.lines.add(**{k: v for k, v in line.items() if v is not None})
    message.counts.update(row.get("counts", {}))
    for key, part in row.get("parts", {}).items():
        message.parts[int(key)].SetInParent()
        if part["d"]:
            message.parts[int(key)].d = part["d"]
    for inner in row.get("matrix", []):
        message.matrix.add(element=inner)
    for key, words in row.get("words", {}).items():
        message.words[key].element.extend(words)
    for entries in row.get("deep", []):
        outer = message.deep.add()
        for key, inner in entries.items():
            for flag, number in inner.items():
                outer.entries[key].entries[flag == "true"] = number
    return message


def as_engines_see_it(row):
    geo = row["address"]["geo"]
    row = {**EMPTY, **row}
    return {
        **row, "address": {**row["address"], "geo": geo and {
            **geo, "day": datetime.date.fromisoformat(geo["day"])}},
        "counts": sorted(row["counts"].items()), "words": sorted(row["words"].items()),
        "parts": [(int(k), {"d": v["d"] and decimal.Decimal(v["d"])})
                  for k, v in sorted(row["parts"].items())],
        "deep": [[(k, sorted((f == "true", n) for f, n in inner.items()))
                  for k, inner in entries.items()] for entries in row["deep"]]}


def in_order(row):
    """Maps have no order."""
    for column in ("counts", "words", "parts"):
        row[column] = sorted(row[column], key=lambda entry: entry[0])
    row["deep"] = [[(k, sorted(inner)) for k, inner in entries] for entries in row["deep"]]
    return row


def check_nested(world, table):
    for engine in ("delta-rs", "DuckDB"):
        found = sorted(world.rows(table, engine), key=lambda r: r["id"])
        for row, wanted in zip(found, [FULL, SPARSE], strict=True):
            assert in_order(row) == as_engines_see_it(wanted), f"{engine}: {row}"
    for wanted in (FULL, SPARSE):
        found = world.admin.get(table, {"id": wanted["id"]})
        wanted = {**EMPTY, **wanted}
        if wanted["address"]["geo"]:
            wanted["address"] = {**wanted["address"], "geo": {"lat": 1.5, "day": 20512}}
        assert found == wanted, found


def test_nested_rows_by_protobuf(world):
    table = world.table(NESTED, ["id"])
    message = world.message(table)
    with world.admin.producer(table, message) as producer:
        producer.append_batch([fill(message(), r) for r in (FULL, SPARSE)])
    check_nested(world, table)


def test_nested_rows_by_json(world):
    table = world.table(NESTED, ["id"])
    with world.admin.producer(table) as producer:
        for row in (FULL, SPARSE):
            producer.append(json.dumps(row))
    check_nested(world, table)


def test_variants_by_protobuf_and_json(world):
    table = world.table("id BIGINT NOT NULL, v VARIANT, s STRUCT<v: VARIANT>, a ARRAY<VARIANT>",
                        ["id"])
    message = world.message(table)
    value = {"b": [1, 2.5, None, "x"], "a": {"deep": True}}
    with world.admin.producer(table, message) as producer:
        producer.append(message(id=1, v=json.dumps(value), s={"v": "7"}, a=["null", '"t"']))
    with world.admin.producer(table) as producer:
        producer.append(json.dumps({"id": 2, "v": value, "s": {"v": 7}, "a": [None, "t"]}))
        producer.append('{"id": 3}')
    for i in (1, 2):
        assert world.admin.get(table, {"id": i}) == {
            "id": i, "v": value, "s": {"v": 7}, "a": [None, "t"]}
    assert world.admin.get(table, {"id": 3}) == {"id": 3, "v": None, "s": None, "a": []}
    world.committed(table)
    file, = (pathlib.Path(world.server.table_folder(table))).glob("**/*.parquet")
    found = duckdb.sql(f"SELECT id, v::JSON, s.v::JSON, v IS NULL, s.v IS NULL FROM '{file}' "
                       "ORDER BY id").fetchall()
    assert [(i, json.loads(v), s, *nulls) for i, v, s, *nulls in found] == [
        (1, value, "7", False, False), (2, value, "7", False, False),
        (3, None, "null", True, True)], found  # its JSON of a NULL variant is the text null


def test_a_type_that_delta_has_not_is_refused_clearly(world):
    with fails_with(grpc.StatusCode.UNIMPLEMENTED, "column t.element", "interval",
                    "not supported"):
        world.admin.create_table("e2e.tests.other", "id BIGINT, t ARRAY<INTERVAL>")


def test_bad_ddl_is_refused(world):
    for ddl in ("", "id", "id NUMBER", "id INT, ID INT", "d DECIMAL(39,2)", "id INT,,x INT",
                "m MAP<DATE, INT>", "a ARRAY<INT", "s STRUCT<>", "s STRUCT<b INT, B INT>"):
        with fails_with(grpc.StatusCode.INVALID_ARGUMENT):
            world.admin.create_table("e2e.tests.bad", ddl)
