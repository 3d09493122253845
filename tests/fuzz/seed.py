#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the first inputs of every fuzz target, from the real formats: seed.py [FOLDER].

What a fuzzer finds on its way is added by `./dev fuzz --keep`. Uses nothing but the standard
library and protobuf, so that a seed says in this file what it is.
"""
import json
import pathlib
import struct
import sys

from databricks import zerobus_service_pb2 as zerobus
from google.protobuf import descriptor_pb2
from sluice.v1 import sluice_pb2 as v1

ROOT = pathlib.Path(__file__).resolve().parents[2]
STRING, INT64, INT32, DOUBLE, FLOAT, BOOL, BYTES = 9, 3, 5, 1, 2, 8, 12

# As tests/fuzz/schemas.h: columns with the type that their field has.
SCHEMAS = [
    [("id", INT64, 2), ("name", STRING, 1)],
    [("a", BOOL, 1), ("b", INT32, 1), ("c", INT32, 1), ("d", INT32, 1), ("e", INT64, 2),
     ("f", FLOAT, 1), ("g", DOUBLE, 1), ("h", STRING, 1), ("i", STRING, 1), ("j", BYTES, 1),
     ("k", INT32, 1), ("l", INT64, 1), ("m", INT64, 1)],
    [("word", STRING, 2), ("n", INT32, 1)],
    [("amount", STRING, 2), ("day", INT32, 2), ("raw", BYTES, 1)],
    [("x", DOUBLE, 2), ("y", FLOAT, 1)],
]
JSON_ROWS = [
    ['{"id":1,"name":"Ada"}', '{"id":"9223372036854775807","name":null}', '{"id":-1e3}',
     '{"ID":7,"name":"\\u00e9\\ud83d\\ude00\\n"}', '{"id":1.0}', '{}', '{"id":1,"id":2}'],
    ['{"a":true,"b":-128,"c":32767,"d":1,"e":5,"f":1.5,"g":-2.5e-3,"h":"12.0000000001","i":"x",'
     '"j":"AP8=","k":"2024-02-29","l":1700000000000000,"m":0}',
     '{"e":0,"f":"NaN","g":"-Infinity","h":-0.5,"j":"_-8","k":19000}', '{"e":1,"j":""}'],
    ['{"word":"key","n":3}', '{"word":"\\u0000\\u0001"}', '{"word":""}'],
    ['{"amount":"-99999999.99","day":"1970-01-01","raw":"AAEC"}', '{"amount":1.10,"day":0}'],
    ['{"x":0.1,"y":3.4e38}', '{"x":-0.0}', '{"x":1e-320,"y":1e-45}', '{"x":"Infinity"}'],
]
# As schema_nested there.
NESTED_JSON_ROWS = [
    ['{"id":1,"s":{"a":-1,"t":"x","u":{"b":0.5,"c":"2024-02-29"}},"l":[1,-2,300],"m":{"k":7}}',
     '{"id":1,"S":{"A":0,"u":null},"l":[]}', '{"id":1,"s":{}}', '{"id":1,"l":null}',
     '{"id":1,"m":{"a":1,"\\u0061":2}}', '{"id":1,"s":{"a":1,"A":2}}'],
    ['{"l":[{"k":true,"x":[1.5,"NaN"]},{"k":false}],"d":["1.25",-3],"n":{"4":{"v":"v","w":"AP8="}},'
     '"f":{"true":127}}', '{"n":{"1":{"v":""},"1.0":{"v":""}}}', '{"l":[{}]}'],
    ['{"w":[[1,2],[]],"x":{"8":["a","b"]},"y":[{"1":{"x":3}},{}]}', '{"w":[null]}',
     '{"x":{"":[]}}'],
    ['{"v":{"b":[1,2.50,null],"a":"x"},"l":[null,"t"],"m":{"k":{}},"s":{"v":true}}',
     '{"v":null,"s":{"v":null}}', '{"v":{"a":1,"a":2}}', '{"l":["\\ud83d\\ude00",-0,1e2]}'],
    ['{"w":null,"s":{"v":null,"t":"2026-02-28T12:00:00.000001+01:00","n":"1970-01-01T00:00:00"},'
     '"f":{"false":[0.1,"-Infinity"]},"t":["2024-02-29",0]}',
     '{"w":[],"s":{"t":"2016-12-31T23:59:60Z"}}'],
]
DDLS = [
    "id BIGINT NOT NULL, name STRING COMMENT 'who it''s', x DECIMAL(38,10)",
    "`a` BOOLEAN, b TINYINT, c SMALLINT, d INT, e LONG, f FLOAT, g DOUBLE, i VARCHAR(3), j BINARY,"
    " k DATE, l TIMESTAMP, m TIMESTAMP_NTZ",
    "s STRUCT<a: INT>, t ARRAY<INT>", "a INT, A INT", "x DECIMAL(39,2)", "", "a INT NOT NULL,",
    "catalog.schema.table",
]

NESTED_DDLS = [
    "s STRUCT<a: INT NOT NULL COMMENT 'x', `b` STRUCT<c VARIANT>> NOT NULL, v VARIANT",
    "m MAP<STRING, ARRAY<STRUCT<x: DATE NOT NULL>> NOT NULL>",
    "a ARRAY<ARRAY<DECIMAL(3,1) NOT NULL>>",
    "m MAP<DATE, INT>", "a ARRAY<INT", "a STRUCT<b INT, B INT>", "a STRUCT<>",
    "a " + "ARRAY<" * 33 + "INT" + ">" * 33, "a " + "STRUCT<b: " * 32 + "INT" + ">" * 32,
]


def varint(v):
    v &= (1 << 64) - 1
    out = bytearray()
    while v >= 0x80:
        out.append(v & 0x7F | 0x80)
        v >>= 7
    return bytes(out + bytes([v]))


def message(*fields):
    """(number, value) pairs on the wire: int as varint, bytes and str with their length."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        elif isinstance(value, float):
            out += varint(number << 3 | 1) + struct.pack("<d", value)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def part(content):
    content = content.encode() if isinstance(content, str) else content
    return struct.pack("<H", len(content)) + content


def descriptor(columns, shift=0, kinds=None):
    d = descriptor_pb2.DescriptorProto(name="Row")
    for i, (name, kind, label) in enumerate(columns):
        kind = (kinds or {}).get(kind, kind)
        d.field.add(name=name, number=i + 1 + shift, type=kind, label=label)
    return d.SerializeToString()


def own_row(columns, shift=0):
    samples = {STRING: "1.25", INT64: 77, INT32: 5, DOUBLE: 2.5, BOOL: 1, BYTES: b"\0\xff"}
    out = b""
    for i, (_, kind, _) in enumerate(columns):
        if kind == FLOAT:
            out += varint(i + 1 + shift << 3 | 5) + struct.pack("<f", 1.5)
        else:
            out += message((i + 1 + shift, samples[kind]))
    return out


def protobuf():
    for i, columns in enumerate(SCHEMAS):
        row = own_row(columns)
        yield bytes([i]) + part(b"") + part(row) + part(b"") + part(row + row) + part(row[:-1])
        # Another order of numbers, far from 1, and the other integer forms.
        zigzag = {INT64: 18, INT32: 17}
        yield bytes([i]) + part(descriptor(columns, 5000, zigzag)) + part(own_row(columns, 5000))
        fixed = {INT64: 16, INT32: 15}
        yield bytes([i]) + part(descriptor(columns, 3, fixed)) + part(own_row(columns, 3))
    yield b"\0" + part(b"") + part(message((1, 5), (99, "unknown"), (100, 7)))
    for i, rows in enumerate(NESTED_ROWS):
        yield bytes([128 + i]) + part(b"") + b"".join(part(row) for row in rows)
    yield bytes([128]) + part(nested_descriptor()) + part(NESTED_FOREIGN_ROW)


# As schema_nested in tests/fuzz/schemas.h, in the tables' own messages.
NESTED_ROWS = [
    [message((1, 5), (2, message((1, 1), (2, "t"), (3, message((1, 2.5), (2, 19000))))),
             (3, b"\1\2\x80\1"), (3, 9), (4, message((1, "k"), (2, 7)))),
     message((1, 5), (2, message((2, "t"))), (2, message((1, 1), (9, "unknown")))),
     message((1, 5), (4, message((1, "k"), (2, 7))), (4, message((1, "k"))), (4, b""))],
    [message((1, message((1, 1), (2, struct.pack("<2f", 1.5, 2)))), (2, "1.25"), (2, "-3"),
             (3, message((1, 4), (2, message((1, "v"), (2, b"\0\xff"))))),
             (4, message((1, 1), (2, 127)))),
     message((3, message((1, 4)))), b""],
    [message((1, message((1, b"\1\2"), (1, 3))), (1, b""),
             (2, message((1, 8), (2, message((1, "a"), (1, "b"))))),
             (3, message((1, message((1, 1), (2, message((1, message((1, "x"), (2, 3))))))))))],
    [message((1, '{"b":[1,2.50,null],"a":"x"}'), (2, "1"), (2, '"t"'),
             (3, message((1, "k"), (2, "{}"))), (4, message((1, "true")))),
     message((1, "{")), message((4, b""))],
]
NESTED_FOREIGN_ROW = message((3, 5), (1, message((7, 1), (8, message((1, 0.5))))),
                             (2, message((1, "k"), (2, 7))))


def nested_descriptor():
    """The first nested table under other numbers, with absolute and relative type names."""
    d = descriptor_pb2.DescriptorProto(name="Record")
    d.field.add(name="ID", number=3, type=INT64, label=2)
    d.field.add(name="s", number=1, type=11, label=1, type_name=".pkg.Record.S")
    d.field.add(name="m", number=2, type=11, label=3, type_name="MEntry")
    s = d.nested_type.add(name="S")
    s.field.add(name="a", number=7, type=17, label=1)
    s.field.add(name="u", number=8, type=11, label=1, type_name="Inner")
    s.nested_type.add(name="Inner").field.add(name="b", number=1, type=DOUBLE, label=1)
    entry = d.nested_type.add(name="MEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=STRING, label=1)
    entry.field.add(name="value", number=2, type=18, label=1)
    return d.SerializeToString()


def descriptors():
    for ddl in DDLS:
        for columns in SCHEMAS[:2]:
            yield part(ddl) + descriptor(columns)
    yield part("id BIGINT NOT NULL, name STRING") + descriptor(SCHEMAS[0])
    yield part("id BIGINT") + descriptor([("id", 11, 1)])
    yield part("id BIGINT") + descriptor([("id", INT64, 3)])
    yield part("id BIGINT, x INT") + descriptor([("id", INT64, 1), ("ID", INT64, 1)])
    yield part("id BIGINT NOT NULL, s STRUCT<a: INT NOT NULL, u: STRUCT<b: DOUBLE>>, "
               "m MAP<STRING, BIGINT>") + nested_descriptor()


def json_rows():
    for i, rows in enumerate(JSON_ROWS):
        for row in rows:
            yield bytes([i]) + row.encode()
    for i, rows in enumerate(NESTED_JSON_ROWS):
        for row in rows:
            yield bytes([128 + i]) + row.encode()
    yield b"\0" + b' { "id" : 1 , "name" : "a\\/b" } '
    yield b"\0" + b'{"id":1,"name":{"nested":[1,2]}}'


VARIANTS = ['null', '[1,-129,70000,1e10,9999999999,1.50,12345678901234567890]',
            '"\\u00e9\\ud83d\\ude00"',
            ' {"b":[true,false,{}],"a":{"a":"' + "long " * 15 + '","":[]}} ', '{"a":1,"\\u0061":2}',
            "[" * 101 + "]" * 101]
VARIANT_BYTES = [b"\x11\0\0\x00",
                 b"\x01\x02\0\x01\x02ba\x02\x02\x01\0\x02\0\x04\x0c\x01\x0c\x02",
                 b"\x11\0\0\x03\x03\0\x06\x0c\x0e\x20\x02\x96\0\0\0\x40\x01\0\0\0a\x05b",
                 b"\x41\x01\0\0\0\x01\0a\x7e\x01\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x08",
                 b"\x11\0\0\x1c\0\0\0\0\0\0\x59\x40", b"\x11\0\0\x28\x26" + b"\x01" * 16]


def variants():
    yield from (b"\0" + text.encode() for text in VARIANTS)
    yield from (b"\1" + content for content in VARIANT_BYTES)


def numbers():
    for text in ["0", "-0.0", "1e308", "1e309", "4.9e-324", "2.2250738585072011e-308", "0.1",
                 "123456789012345678901234567890", "1e-400", "3.4028235677973366e38", "1.5E+3",
                 "99999999999999999999999999999999999999", "9007199254740993", "AP8=", "AAECAwQ",
                 "NaN", "+1", ".5", "1."]:
        yield bytes([37, 10]) + text.encode()


def csv():
    nested = '1,"{""a"":[1,2.5]}","[1,2]","{""x"":3}"\n2,"""t""",,\n'
    for head, text in [
            (b"\1,\4", 'id,name,ok\r\n1,"a ""b""\nc",true\r\n,,FALSE\r\n'),
            (b"\1;\0", '\ufeffNAME;id\n\nx;1\n"";2'), (b"\0,\2", 'a\n\n1\r\n""\n'),
            (b"\2,\x20", "id,v,l,s\n" + nested), (b"\1\t\1", "id\tok\n1\tyes\n"),
            (b"\1,\1", 'id\n"1'), (b"\1,\1", 'id\n1"2\n')]:
        yield head + text.encode()


def ddl():
    for text in DDLS:
        yield b"\0" + text.encode()
        yield b"\1" + part("id") + text.encode()
    yield b"\2" + part("b") + part("A") + b"a INT, b STRING"
    for text in NESTED_DDLS:
        yield b"\0" + text.encode()


def requests():
    create = zerobus.CreateIngestStreamRequest(
        table_name="a.b.c", descriptor_proto=descriptor(SCHEMAS[0]), record_type=zerobus.PROTO)
    yield zerobus.EphemeralStreamRequest(create_stream=create).SerializeToString()
    for record in ({"proto_encoded_record": own_row(SCHEMAS[0])}, {"json_record": '{"id":1}'},
                   {"avro_encoded_record": b"\2"}, {}):
        one = zerobus.IngestRecordRequest(offset_id=3, **record)
        yield zerobus.EphemeralStreamRequest(ingest_record=one).SerializeToString()
    many = zerobus.IngestRecordBatchRequest(offset_id=2**62)
    many.proto_encoded_batch.records.extend([own_row(SCHEMAS[0])] * 3 + [b""])
    yield zerobus.EphemeralStreamRequest(ingest_record_batch=many).SerializeToString()
    many = zerobus.IngestRecordBatchRequest(offset_id=-1)
    many.json_batch.records.extend(JSON_ROWS[0])
    yield zerobus.EphemeralStreamRequest(ingest_record_batch=many).SerializeToString()
    yield message((3, message((1, 1))))
    yield b""


def sessions():
    create, row, durable, sent, close = b"\0\0", b"\1\xff", b"\4\1", b"\5\0", b"\6\0"
    yield create + durable + sent + row * 3 + durable * 3 + sent + close + sent
    yield create + (row + durable) * 50 + sent * 3 + b"\7\0" + durable * 9 + sent
    yield create + row * 40 + b"\x08\0" + close + b"\7\1"
    yield b"\1\3" + durable
    yield create + b"\1\1" + sent
    yield close + sent
    yield create + close + durable + sent


def metadata():
    for text in ["Bearer slcAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "bearer  x", "Basic x",
                 "Bearer ", "Bearer a b", ""]:
        yield b"\0" + text.encode()
    for text in ["a.b.c", "a.b.*", "a.*", "*", "a.b", "a..c", "a.b.c.d", "a-1._.C", ".b.c",
                 "x" * 256 + ".b.c"]:
        yield b"\1" + text.encode()


def services():
    grants = [v1.Grant(table="a.b.*", read=True, write=True), v1.Grant(table="*")]
    for kind, m in enumerate([
            v1.CreateTableRequest(name="a.b.c", ddl=DDLS[0], primary_key=["id"]),
            v1.DescribeTableRequest(name="a.b.c"), v1.ListTablesRequest(),
            v1.DropTableRequest(name="a.b.c"),
            v1.CreateTokenRequest(name="t", grants=grants, admin=True, lifetime_s=60),
            v1.ListTokensRequest(), v1.RevokeTokenRequest(name="t"), v1.StatusRequest(),
            v1.FindRequest(),
            v1.MultiGetRequest(table="a.b.c", key_json=['{"id":1}', '{"id":2}'], format=1),
            v1.GetRequest(table="a.b.c", key_json='{"id":1}')]):
        yield bytes([kind]) + m.SerializeToString()


def frames():
    def frame(pos, rows, kind=1):
        payload = b"".join(struct.pack("<I", len(r)) + r for r in rows)
        head = struct.pack("<IIQIIIIQQqII", 64 + len(payload), kind, pos, len(rows), 1, 1, 1, 1, 0,
                           1, len(payload), 0)
        return (head + payload).ljust((64 + len(payload) + 7) // 8 * 8, b"\0")
    yield bytes([1, 2, 0]) + frame(9, [b"row", b""])
    yield bytes([2, 3, 0]) + frame(9, [b"one", b"two"]) + frame(11, [b"control"], 3)
    yield bytes([1, 0, 0]) + frame(9, [])
    yield bytes([1, 2, 0]) + frame(9, [b"row"])
    yield bytes([0, 0, 1]) + part(b"first") + part(b"") + part(b"third" * 100)


def recoveries():
    shape = bytes([2, 0b0111, 0b0110, 0b1001])  # three lives of one or two segments
    blocks = bytes([0, 1, 0x82, 3, 0, 0, 0x81, 1, 0, 2, 0, 0])
    yield shape + blocks
    for kind in range(4):
        for seg, place, value in [(0, 4200, 16), (1, 50, 1), (2, 8300, 0x11), (0, 0, 0x20)]:
            yield shape + blocks + struct.pack("<BBHH", kind, seg, place, value)
    yield bytes([0, 0b0110, 0, 0]) + bytes([1, 1, 1]) + struct.pack("<BBHH", 0, 0, 12300, 1)
    yield bytes([0, 0, 0, 0])


def controls():
    table = message((1, 1), (2, "a.b.c"), (3, DDLS[0]), (4, "id"), (5, "a/b/c"), (6, 1),
                    (7, "0b5f3d3e-0000-4000-8000-000000000001"))
    token = message((1, "admin"), (2, b"\7" * 32), (3, message((1, "*"), (2, 1), (3, 1))), (5, 1))
    added = message((1, 1), (2, 1), (3, descriptor([("id", INT64, 2)])))
    opened = message((1, 1), (2, "0b5f3d3e-0000-4000-8000-000000000002"), (3, 1), (4, 1),
                     (5, "admin"))
    commit = message((1, 1), (2, 1), (3, 9), (4, b"h" * 16), (6, "f.parquet"), (9, 3))
    story = [message((1, table)), message((3, token)), message((5, added)), message((6, opened)),
             message((10, commit)), message((7, message((1, 1)))), message((8, message((1, 2)))),
             message((9, b"")), message((4, message((1, "admin")))), message((2, message((1, 1))))]
    yield b"".join(map(part, story))
    for record in story:
        yield part(record)
    yield part(story[0]) + part(message((1, message((1, 2), (2, "a.b.c"), (3, "bad ddl")))))


def parquets():
    texts = b"".join(bytes([len(t)]) + t for t in (b"one", b"two", b"", b"one", b"\xff" * 200))
    yield bytes([4, 0]) + texts
    yield bytes([199, 0]) + texts * 40
    for end, place in ((0, 6), (0, 40), (1, 20), (1, 60), (1, 5), (1, 120)):
        yield bytes([4, 1]) + struct.pack("<BHB", end, place, 1) + texts
    choices = bytes(i * 37 % 251 for i in range(600))
    yield bytes([20, 8]) + choices
    yield bytes([3, 8])
    for end, place in ((0, 6), (0, 300), (1, 20), (1, 900), (1, 2000)):
        yield bytes([20, 9]) + struct.pack("<BHB", end, place, 3) + choices


def deltas():
    features = {"minReaderVersion": 1, "minWriterVersion": 7,
                "writerFeatures": ["appendOnly", "invariants", "inCommitTimestamp"]}
    info = {"commitInfo": {"inCommitTimestamp": 5, "engineInfo": "sluice/0.1.0"}}
    first = [info, {"protocol": features}, {"metaData": {"id": "x", "schemaString": "{}"}}]
    later = [info, {"txn": {"appId": "fuzz/app", "version": 41}},
             {"add": {"path": "p.parquet", "size": 1, "stats": "{}"}}]
    foreign = [{"commitInfo": {"engineInfo": "other"}}, {"remove": {"path": "p.parquet"}}]
    newer = [{"protocol": {"minReaderVersion": 3, "minWriterVersion": 7,
                           "readerFeatures": ["deletionVectors"]}}]
    text = ["\n".join(json.dumps(a) for a in actions) + "\n"
            for actions in (first, later, foreign, newer)]
    yield part("") + part(text[0])
    yield part("") + part(text[0]) + part(text[1]) + part(text[2]) + part(text[1])
    yield part('{"version":1,"size":4}') + part(text[0]) + part(text[1]) + part(text[2])
    yield part("") + part(text[0]) + part(text[3])
    yield part('{"version":99}') + part(text[0]) + part("")
    yield part("{") + part(text[0]) + part(text[1][:20])


RULES = [
    "n > 0", "s IS NOT NULL AND length(s) <= 32", "d BETWEEN -90 AND 90 OR d IS NULL",
    "at >= TIMESTAMP '2020-01-01T00:00:00Z' AND day < DATE '2100-01-01'",
    "wall <> TIMESTAMP_NTZ '2026-01-01 00:00:00.5'", "s LIKE 'a%_b\\%' OR lower(s) NOT LIKE '%!%%' "
    "ESCAPE '!'", "i IN (1, 2, -3, NULL)", "s IN ('x', 'it''s')", "b = X'00ff'",
    "st.x + a[0] * 2 - l % 3 > abs(w) / 2", "m['k'] > 1e300 AND NOT isnan(m['k'])",
    "coalesce(i, n, d, 0) = 0", "size(a) > 1 AND a[1] = 1", "t IS NOT FALSE", "v IS NULL",
    "trim(upper(st.s)) < s", "w * w > 0", "f = 0.1 AND -f < +d", "((t", "i >", "nope = 1",
]


def rules():
    for i, text in enumerate(RULES):
        yield part(text) + bytes((i * 37 + k * 11) & 255 for k in range(200))


def configs():
    yield (ROOT / "deploy/sluiced.conf").read_bytes()
    yield b"data_dir = /d\nlake_dir=/l\nlisten_plain = 127.0.0.1:1\nrpc_threads = 64\n"
    yield b"data_dir = /d\nlake_dir=/l\nlisten_plain = 0.0.0.0:1\n"
    yield b"data_dir\n"
    yield b"grace_ms = 18446744073709551616\n"
    yield b"unknown = 1 # comment\n"


SEEDS = {
    "protobuf": protobuf, "descriptor": descriptors, "json": json_rows, "number": numbers,
    "variant": variants,
    "ddl": ddl, "csv": csv, "request": requests, "session": sessions, "metadata": metadata,
    "service": services, "frames": frames, "recover": recoveries, "control": controls,
    "parquet": parquets, "delta": deltas, "config": configs, "rule": rules,
}


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests/fuzz/corpus")
    for name, make in SEEDS.items():
        target = folder / name
        target.mkdir(parents=True, exist_ok=True)
        for old in target.glob("seed-*"):
            old.unlink()
        for i, content in enumerate(make()):
            (target / f"seed-{i:02}").write_bytes(content)


if __name__ == "__main__":
    main()
