# SPDX-License-Identifier: Apache-2.0
"""The table of malformed inputs: what is sent, and the status, column path and message that must
come back. Every case stands alone; test_malformed.py sends them, each between good neighbours.

A record case is Case(name, input, path, message): protobuf as bytes, JSON as text. The status is
INVALID_ARGUMENT unless it says otherwise; @path is "" when no column is to blame.
"""
import struct
from dataclasses import dataclass

from google.protobuf import descriptor_pb2

INVALID = "INVALID_ARGUMENT"
UNSUPPORTED = "UNIMPLEMENTED"


@dataclass
class Case:
    name: str
    input: object
    path: str
    message: str
    status: str = INVALID


# ---- bytes on the wire ---------------------------------------------------------------------------


def varint(v, width=0):
    """@width: padded to so many bytes, as no writer does it."""
    v &= (1 << 64) - 1
    out = bytearray()
    while v >= 0x80 or len(out) + 1 < width:
        out.append(v & 0x7F | 0x80)
        v >>= 7
    return bytes(out + bytes([v]))


def key(number, wire_type):
    return varint(number << 3 | wire_type)


def num(number, v):
    return key(number, 0) + varint(v)


def run(number, content):
    """A field with a length: text, bytes, message."""
    content = content.encode() if isinstance(content, str) else content
    return key(number, 2) + varint(len(content)) + content


def i32(number, v):
    return key(number, 5) + struct.pack("<I", v & 0xFFFFFFFF)


def i64(number, v):
    return key(number, 1) + struct.pack("<Q", v & (1 << 64) - 1)


# ---- flat rows -----------------------------------------------------------------------------------

FLAT = ("id BIGINT NOT NULL, must STRING NOT NULL, flag BOOLEAN, tiny TINYINT, small SMALLINT, "
        "n INT, f FLOAT, d DOUBLE, price DECIMAL(6,2), wide DECIMAL(38,0), name STRING, "
        "raw BINARY, day DATE, at TIMESTAMP, wall TIMESTAMP_NTZ")
BASE = num(1, -1) + run(2, "x")  # the columns that a row must have


PROTO = [
    Case("empty", b"", "id", "column id is NOT NULL but the record has no value"),
    Case("one column of two", num(1, -1), "must",
         "column must is NOT NULL but the record has no value"),
    Case("only unknown fields", num(99, 1) + run(100, "x"),
         "id", "column id is NOT NULL but the record has no value"),
    Case("tag cut", BASE + b"\x80", "", "malformed protobuf at byte 14"),
    Case("tag of six bytes", BASE + b"\x80\x80\x80\x80\x80\x01",
         "", "malformed protobuf at byte 14"),
    Case("tag of ten bytes and more", BASE + b"\xff" * 11, "", "malformed protobuf at byte 14"),
    Case("field number 0", BASE + b"\x00\x01", "", "malformed protobuf at byte 14"),
    Case("field number 0 with length", BASE + b"\x02\x01a", "", "malformed protobuf at byte 14"),
    Case("wire type 6", BASE + key(99, 6), "", "malformed protobuf at byte 14"),
    Case("wire type 7", BASE + key(99, 7), "", "malformed protobuf at byte 14"),
    Case("group begins", BASE + key(99, 3) + key(99, 4),
         "", "malformed protobuf at byte 14: groups are not supported"),
    Case("group ends", BASE + key(99, 4),
         "", "malformed protobuf at byte 14: groups are not supported"),
    Case("group in a known field", BASE + key(11, 3) + key(11, 4),
         "name", "column name: the field at byte 14 has wire type 3, not 2"),
    Case("unknown varint cut", BASE + key(99, 0) + b"\xff", "", "malformed protobuf at byte 14"),
    Case("unknown varint without end", BASE + key(99, 0) + b"\xff" * 10 + b"\x01",
         "", "malformed protobuf at byte 14"),
    Case("unknown varint of 11 bytes", BASE + key(99, 0) + b"\x80" * 10 + b"\x00",
         "", "malformed protobuf at byte 14"),
    Case("unknown length beyond the row", BASE + key(99, 2) + b"\x05ab",
         "", "malformed protobuf at byte 14"),
    Case("unknown length of 2^63", BASE + key(99, 2) + varint(1 << 63),
         "", "malformed protobuf at byte 14"),
    Case("unknown fixed32 cut", BASE + key(99, 5) + b"abc", "", "malformed protobuf at byte 14"),
    Case("unknown fixed64 cut", BASE + key(99, 1) + b"abcdefg",
         "", "malformed protobuf at byte 14"),
    Case("bigint without its value", key(1, 0), "id", "column id: malformed protobuf at byte 0"),
    Case("bigint cut", key(1, 0) + b"\xff\xff", "id", "column id: malformed protobuf at byte 0"),
    Case("bigint of 11 bytes", key(1, 0) + b"\x80" * 10 + b"\x01",
         "id", "column id: malformed protobuf at byte 0"),
    Case("bigint of 65 bits", key(1, 0) + b"\xff" * 9 + b"\x02",
         "id", "column id: malformed protobuf at byte 0"),
    Case("bigint as text", run(1, "5"),
         "id", "column id: the field at byte 0 has wire type 2, not 0"),
    Case("bigint as fixed64", i64(1, 5),
         "id", "column id: the field at byte 0 has wire type 1, not 0"),
    Case("bigint as fixed32", i32(1, 5),
         "id", "column id: the field at byte 0 has wire type 5, not 0"),
    Case("boolean as text", BASE + run(3, "true"),
         "flag", "column flag: the field at byte 14 has wire type 2, not 0"),
    Case("tinyint 128", BASE + num(4, 128), "tiny", "column tiny: 128 is out of range for tinyint"),
    Case("tinyint -129", BASE + num(4, -129),
         "tiny", "column tiny: -129 is out of range for tinyint"),
    Case("smallint 32768", BASE + num(5, 32768),
         "small", "column small: 32768 is out of range for smallint"),
    Case("smallint -32769", BASE + num(5, -32769),
         "small", "column small: -32769 is out of range for smallint"),
    Case("int 2^31", BASE + num(6, 1 << 31), "n", "column n: 2147483648 is out of range for int"),
    Case("int -2^31-1", BASE + num(6, -(1 << 31) - 1),
         "n", "column n: -2147483649 is out of range for int"),
    Case("int of -1 as 32 bits", BASE + num(6, 0xFFFFFFFF),
         "n", "column n: 4294967295 is out of range for int"),
    Case("float as varint", BASE + num(7, 1),
         "f", "column f: the field at byte 14 has wire type 0, not 5"),
    Case("float as double", BASE + key(7, 1) + struct.pack("<d", 1.5),
         "f", "column f: the field at byte 14 has wire type 1, not 5"),
    Case("float cut", BASE + key(7, 5) + b"ab", "f", "column f: malformed protobuf at byte 14"),
    Case("double as float", BASE + key(8, 5) + struct.pack("<f", 1.5),
         "d", "column d: the field at byte 14 has wire type 5, not 1"),
    Case("double cut", BASE + key(8, 1) + b"abcdefg",
         "d", "column d: malformed protobuf at byte 14"),
    Case("decimal with a word", BASE + run(9, "many"),
         "price", "column price: \"many\" is not a decimal(6,2)"),
    Case("decimal empty", BASE + run(9, ""), "price", "column price: \"\" is not a decimal(6,2)"),
    Case("decimal with too many digits before the point", BASE + run(9, "12345.00"),
         "price", "column price: \"12345.00\" is not a decimal(6,2)"),
    Case("decimal that needs rounding", BASE + run(9, "1.005"),
         "price", "column price: \"1.005\" is not a decimal(6,2)"),
    Case("decimal with a space", BASE + run(9, " 1.00"),
         "price", "column price: \" 1.00\" is not a decimal(6,2)"),
    Case("decimal NaN", BASE + run(9, "NaN"),
         "price", "column price: \"NaN\" is not a decimal(6,2)"),
    Case("decimal with two points", BASE + run(9, "1.0.0"),
         "price", "column price: \"1.0.0\" is not a decimal(6,2)"),
    Case("decimal as varint", BASE + num(9, 1),
         "price", "column price: the field at byte 14 has wire type 0, not 2"),
    Case("decimal of 39 digits", BASE + run(10, "9" * 39),
         "wide", "column wide: \"999999999999999999999999999999999999999\" is not a "
                 "decimal(38,0)"),
    Case("decimal with a huge exponent", BASE + run(10, "1e999999999999"),
         "wide", "column wide: \"1e999999999999\" is not a decimal(38,0)"),
    Case("string as varint", BASE + num(11, 5),
         "name", "column name: the field at byte 14 has wire type 0, not 2"),
    Case("string with a lone byte", BASE + run(11, b"a\xff"),
         "name", "column name: the text is not valid UTF-8"),
    Case("string with a surrogate", BASE + run(11, b"\xed\xa0\x80"),
         "name", "column name: the text is not valid UTF-8"),
    Case("string with an overlong form", BASE + run(11, b"\xc0\xaf"),
         "name", "column name: the text is not valid UTF-8"),
    Case("string beyond U+10FFFF", BASE + run(11, b"\xf4\x90\x80\x80"),
         "name", "column name: the text is not valid UTF-8"),
    Case("string cut within a character", BASE + run(11, b"\xe2\x82"),
         "name", "column name: the text is not valid UTF-8"),
    Case("string longer than the row", BASE + key(11, 2) + b"\x7fabc",
         "name", "column name: malformed protobuf at byte 14"),
    Case("string of 2^64-1 bytes", BASE + key(11, 2) + varint(-1),
         "name", "column name: malformed protobuf at byte 14"),
    Case("string without its length", BASE + key(11, 2),
         "name", "column name: malformed protobuf at byte 14"),
    Case("first of two values is bad", BASE + run(11, b"\xff") + run(11, "good"),
         "name", "column name: the text is not valid UTF-8"),
    Case("binary as fixed64", BASE + i64(12, 5),
         "raw", "column raw: the field at byte 14 has wire type 1, not 2"),
    Case("binary longer than the row", BASE + key(12, 2) + b"\x02a",
         "raw", "column raw: malformed protobuf at byte 14"),
    Case("date beyond 32 bits", BASE + num(13, 1 << 40),
         "day", "column day: 1099511627776 is out of range for date"),
    Case("date as text", BASE + run(13, "2026-01-01"),
         "day", "column day: the field at byte 14 has wire type 2, not 0"),
    Case("timestamp as text", BASE + run(14, "2026-01-01T00:00:00Z"),
         "at", "column at: the field at byte 14 has wire type 2, not 0"),
    Case("timestamp as double", BASE + key(14, 1) + struct.pack("<d", 1.7e15),
         "at", "column at: the field at byte 14 has wire type 1, not 0"),
    Case("timestamp_ntz cut", BASE + key(15, 0) + b"\x80",
         "wall", "column wall: malformed protobuf at byte 14"),
    Case("JSON text", b'{"id": 1, "must": "x"}',
         "wall", "column wall: the field at byte 0 has wire type 3, not 0"),
    Case("a batch within the record", run(1, BASE) + run(1, BASE),
         "id", "column id: the field at byte 0 has wire type 2, not 0"),
]


def flat_row(extra):
    return '{"id": -1, "must": "x", ' + extra + "}"


JSON = [
    Case("empty", "", "", "JSON, byte 0: the record is empty"),
    Case("white space", "  \n", "", "JSON, byte 3: the record is empty"),
    Case("null", "null", "", "JSON, byte 0: a record must be a JSON object"),
    Case("number", "5", "", "JSON, byte 0: a record must be a JSON object"),
    Case("text", '"x"', "", "JSON, byte 0: a record must be a JSON object"),
    Case("array", '[{"id": -1, "must": "x"}]', "", "JSON, byte 0: a record must be a JSON object"),
    Case("no closing brace", '{"id": -1, "must": "x"',
         "", "JSON, byte 22: a comma or a closing brace is expected"),
    Case("a comma at the end", '{"id": -1, "must": "x",}',
         "", "JSON, byte 23: a name in quotes is expected"),
    Case("no comma", '{"id": -1 "must": "x"}',
         "", "JSON, byte 10: a comma or a closing brace is expected"),
    Case("no colon", '{"id" -1, "must": "x"}', "", "JSON, byte 6: a colon is expected"),
    Case("single quotes", "{'id': -1, 'must': 'x'}",
         "", "JSON, byte 1: a name in quotes is expected"),
    Case("name without quotes", '{id: -1, "must": "x"}',
         "", "JSON, byte 1: a name in quotes is expected"),
    Case("a comment", '{"id": -1, "must": "x" /* no */}',
         "", "JSON, byte 23: a comma or a closing brace is expected"),
    Case("two objects", '{"id": -1, "must": "x"}{"id": -1, "must": "x"}',
         "", "JSON, byte 23: the object has ended, but more follows"),
    Case("text behind the object", '{"id": -1, "must": "x"} x',
         "", "JSON, byte 24: the object has ended, but more follows"),
    Case("byte order mark", '\ufeff{"id": -1, "must": "x"}',
         "", "JSON, byte 0: a record must be a JSON object"),
    Case("a zero byte", '{"id": -1, "must": "x"}\0',
         "", "JSON, byte 23: the object has ended, but more follows"),
    Case("unknown column", flat_row('"nope": 1'),
         "nope", "JSON, byte 31: the table has no column \"nope\""),
    Case("unknown column with an object", flat_row('"nope": {"a": [1]}'),
         "nope", "JSON, byte 31: the table has no column \"nope\""),
    Case("empty name", flat_row('"": 1'), "", "JSON, byte 27: the table has no column \"\""),
    Case("column twice", flat_row('"n": 1, "n": 2'), "n", "JSON, byte 36: column n comes twice"),
    Case("column twice in other letters", flat_row('"n": 1, "N": 2'),
         "n", "JSON, byte 36: column n comes twice"),
    Case("no columns", "{}", "id", "column id is NOT NULL but the record has no value"),
    Case("one column of two", '{"id": -1}',
         "must", "column must is NOT NULL but the record has no value"),
    Case("null in a NOT NULL column", '{"id": -1, "must": null}',
         "must", "column must is NOT NULL but the record has no value"),
    Case("wrong word", flat_row('"flag": tru'),
         "flag", "JSON, byte 32: column flag (boolean): true or false is expected"),
    Case("boolean as number", flat_row('"flag": 1'),
         "flag", "JSON, byte 32: column flag (boolean): true or false is expected"),
    Case("boolean as text", flat_row('"flag": "true"'),
         "flag", "JSON, byte 32: column flag (boolean): true or false is expected"),
    Case("tinyint 128", flat_row('"tiny": 128'),
         "tiny", "JSON, byte 32: column tiny (tinyint): the number is out of range"),
    Case("smallint -32769", flat_row('"small": -32769'),
         "small", "JSON, byte 33: column small (smallint): the number is out of range"),
    Case("int 2^31", flat_row('"n": 2147483648'),
         "n", "JSON, byte 29: column n (int): the number is out of range"),
    Case("int with a fraction", flat_row('"n": 1.5'),
         "n", "JSON, byte 29: column n (int): the number is not an integer, or out of range"),
    Case("int of 1e400", flat_row('"n": 1e400'),
         "n", "JSON, byte 29: column n (int): the number is not an integer, or out of range"),
    Case("int as a word", flat_row('"n": "many"'),
         "n", "JSON, byte 29: column n (int): the text is not an integer"),
    Case("int as empty text", flat_row('"n": ""'),
         "n", "JSON, byte 29: column n (int): the text is not an integer"),
    Case("int with a leading zero", flat_row('"n": 01'),
         "n", "JSON, byte 29: column n (int): malformed number"),
    Case("int with a plus", flat_row('"n": +1'),
         "n", "JSON, byte 29: column n (int): a JSON value is expected"),
    Case("int in hexadecimal", flat_row('"n": 0x10'),
         "", "JSON, byte 30: a comma or a closing brace is expected"),
    Case("int as an object", flat_row('"n": {"v": 1}'),
         "n", "JSON, byte 29: column n (int): an object does not fit the column"),
    Case("int as an array", flat_row('"n": [1]'),
         "n", "JSON, byte 29: column n (int): an array does not fit the column"),
    Case("int as boolean", flat_row('"n": true'),
         "n", "JSON, byte 29: column n (int): true and false do not fit the column"),
    Case("bigint beyond 64 bits", '{"id": 9223372036854775808, "must": "x"}',
         "id", "JSON, byte 7: column id (bigint): the number is out of range"),
    Case("float beyond its range", flat_row('"f": 1e39'),
         "f", "JSON, byte 29: column f (float): the number is out of range"),
    Case("double beyond its range", flat_row('"d": 1e309'),
         "d", "JSON, byte 29: column d (double): the number is out of range"),
    Case("bare NaN", flat_row('"d": NaN'),
         "d", "JSON, byte 29: column d (double): a JSON value is expected"),
    Case("double as another word", flat_row('"d": "inf"'),
         "d", "JSON, byte 29: column d (double): the text is not a number, NaN, Infinity or "
              "-Infinity"),
    Case("a point without digits", flat_row('"d": 1.'),
         "d", "JSON, byte 29: column d (double): malformed number"),
    Case("an exponent without digits", flat_row('"d": 1e'),
         "d", "JSON, byte 29: column d (double): malformed number"),
    Case("decimal too wide", flat_row('"price": 12345'),
         "price", "JSON, byte 33: column price (decimal(6,2)): the value is not such a "
                  "decimal; it would not be rounded"),
    Case("decimal that needs rounding", flat_row('"price": "0.001"'),
         "price", "JSON, byte 33: column price (decimal(6,2)): the value is not such a "
                  "decimal; it would not be rounded"),
    Case("decimal as a word", flat_row('"price": "1,50"'),
         "price", "JSON, byte 33: column price (decimal(6,2)): the value is not such a "
                  "decimal; it would not be rounded"),
    Case("decimal of 39 digits", flat_row('"wide": ' + "9" * 39),
         "wide", "JSON, byte 32: column wide (decimal(38,0)): the value is not such a decimal;"
                 " it would not be rounded"),
    Case("string as number", flat_row('"name": 5'),
         "name", "JSON, byte 32: column name (string): a text in quotes is expected, not a "
                 "number"),
    Case("string without end", flat_row('"name": "abc')[:-1],
         "name", "JSON, byte 36: column name: the text is not closed"),
    Case("lone high surrogate", flat_row('"name": "\\ud800"'),
         "name", "JSON, byte 39: column name: a high surrogate stands alone"),
    Case("lone low surrogate", flat_row('"name": "\\udc00x"'),
         "name", "JSON, byte 39: column name: a low surrogate stands alone"),
    Case("two high surrogates", flat_row('"name": "\\ud800\\ud800"'),
         "name", "JSON, byte 45: column name: a high surrogate stands alone"),
    Case("unknown escape", flat_row('"name": "\\x41"'),
         "name", "JSON, byte 34: column name: this escape is unknown"),
    Case("short escape", flat_row('"name": "\\u12"'),
         "name", "JSON, byte 37: column name: four hexadecimal digits are expected after \\u"),
    Case("bare newline", flat_row('"name": "a\nb"'),
         "name", "JSON, byte 34: column name: a control character must be written as an escape"),
    Case("binary that is no base64", flat_row('"raw": "a*b"'),
         "raw", "JSON, byte 31: column raw (binary): the text is not base64"),
    Case("binary as number", flat_row('"raw": 5'),
         "raw", "JSON, byte 31: column raw (binary): base64 text in quotes is expected, not a "
                "number"),
    Case("date without its day", flat_row('"day": "2026-01"'),
         "day", "JSON, byte 31: column day (date): the text is neither YYYY-MM-DD nor a number"
                " of days since 1970-01-01"),
    Case("29 February of a common year", flat_row('"day": "2026-02-29"'),
         "day", "JSON, byte 31: column day (date): the text is neither YYYY-MM-DD nor a number"
                " of days since 1970-01-01"),
    Case("date with a time", flat_row('"day": "2026-01-01T00:00:00Z"'),
         "day", "JSON, byte 31: column day (date): the text is neither YYYY-MM-DD nor a number"
                " of days since 1970-01-01"),
    Case("timestamp as text", flat_row('"at": "2026-01-01T00:00:00Z"'),
         "at", "JSON, byte 30: column at (timestamp): a timestamp is a whole number of "
               "microseconds since 1970-01-01, not a text"),
    Case("timestamp with a fraction", flat_row('"at": 1.5'),
         "at", "JSON, byte 30: column at (timestamp): the number is not an integer, or out of "
               "range"),
    Case("timestamp_ntz beyond 64 bits", flat_row('"wall": 1e19'),
         "wall", "JSON, byte 32: column wall (timestamp_ntz): the number is out of range"),
]

# ---- descriptors ---------------------------------------------------------------------------------

F = descriptor_pb2.FieldDescriptorProto
T = {name[5:].lower(): value for name, value in F.Type.items()}


def descriptor(*fields, nested=(), enums=(), name="Row"):
    """Fields as (name, type[, label[, number[, type_name]]])."""
    d = descriptor_pb2.DescriptorProto(name=name)
    for i, (field, kind, *more) in enumerate(fields, 1):
        label, number, type_name = (more + ["optional", i, ""][len(more):])
        f = d.field.add(name=field, number=number, type=T[kind],
                        label=F.Label.Value("LABEL_" + label.upper()))
        if type_name:
            f.type_name = type_name
    for n in nested:
        d.nested_type.add().ParseFromString(n)
    for n in enums:
        d.enum_type.add(name=n).value.add(name="ZERO", number=0)
    return d.SerializeToString()


ID, MUST = ("id", "int64"), ("must", "string")


def wrong(*field, **more):
    return descriptor(ID, MUST, field, **more)


DESCRIPTORS = [
    Case("empty", b"", "", "a PROTO stream needs descriptor_proto"),
    Case("no descriptor", b"\xff\xff\xff",
         "", "the descriptor is not a serialised DescriptorProto"),
    Case("cut", descriptor(ID, MUST)[:-2],
         "", "the descriptor is not a serialised DescriptorProto"),
    Case("a file's descriptor", descriptor_pb2.FileDescriptorProto(
        name="row.proto", message_type=[descriptor_pb2.DescriptorProto(name="Row")]
    ).SerializeToString(),
         "", "column id is NOT NULL but the descriptor has no field for it"),
    Case("no fields", descriptor(),
         "id", "column id is NOT NULL but the descriptor has no field for it"),
    Case("a NOT NULL column is missing", descriptor(ID),
         "must", "column must is NOT NULL but the descriptor has no field for it"),
    Case("field without a column", wrong("nope", "int32"),
         "", "the table has no column for the descriptor's field \"nope\""),
    Case("two fields for one column", wrong("ID", "int64"),
         "id", "column id: two fields have its name"),
    Case("two fields with one number", wrong("n", "int32", "optional", 1),
         "n", "column id and column n: both fields have the number 1"),
    Case("number 0", wrong("n", "int32", "optional", 0),
         "n", "column n: the field number 0 is outside 1 to 536870911"),
    Case("number 2^29", wrong("n", "int32", "optional", 1 << 29),
         "n", "column n: the field number 536870912 is outside 1 to 536870911"),
    Case("negative number", wrong("n", "int32", "optional", -5),
         "n", "column n: the field number 18446744073709551611 is outside 1 to 536870911"),
    Case("repeated scalar", wrong("n", "int32", "repeated"),
         "n", "column n is int, but the field is repeated"),
    Case("group", wrong("name", "group", "optional", 3, "Name"),
         "name", "column name: the field is a group", UNSUPPORTED),
    Case("enum for an int", wrong("n", "enum", "optional", 3, ".Row.E", enums=["E"]),
         "n", "column n is int, but the field is of enum type .Row.E"),
    Case("message for a string", wrong("name", "message", "optional", 3, ".Row.M",
                                       nested=[descriptor()]),
         "name", "column name is string, but the field is of message type .Row.M"),
    Case("message that is not there", wrong("name", "message", "optional", 3, ".x.Gone"),
         "name", "column name is string, but the field is of message type .x.Gone"),
    Case("int64 for int", wrong("n", "int64"),
         "n", "column n is int and takes a field of type int32, not int64"),
    Case("int32 for bigint", descriptor(("id", "int32"), MUST),
         "id", "column id is bigint and takes a field of type int64, not int32"),
    Case("string for bigint", descriptor(("id", "string"), MUST),
         "id", "column id is bigint and takes a field of type int64, not string"),
    Case("string for boolean", wrong("flag", "string"),
         "flag", "column flag is boolean and takes a field of type bool, not string"),
    Case("int64 for smallint", wrong("small", "uint64"),
         "small", "column small is smallint and takes a field of type int32, not uint64"),
    Case("double for float", wrong("f", "double"),
         "f", "column f is float and takes a field of type float, not double"),
    Case("float for double", wrong("d", "float"),
         "d", "column d is double and takes a field of type double, not float"),
    Case("double for decimal", wrong("price", "double"),
         "price", "column price is decimal(6,2) and takes a field of type string, not double"),
    Case("bytes for string", wrong("name", "bytes"),
         "name", "column name is string and takes a field of type string, not bytes"),
    Case("string for binary", wrong("raw", "string"),
         "raw", "column raw is binary and takes a field of type bytes, not string"),
    Case("string for date", wrong("day", "string"),
         "day", "column day is date and takes a field of type int32, not string"),
    Case("int64 for date", wrong("day", "int64"),
         "day", "column day is date and takes a field of type int32, not int64"),
    Case("double for timestamp", wrong("at", "double"),
         "at", "column at is timestamp and takes a field of type int64, not double"),
    Case("string for timestamp_ntz", wrong("wall", "string"),
         "wall", "column wall is timestamp_ntz and takes a field of type int64, not string"),
    Case("half a mebibyte and more", descriptor(ID, MUST, *((f"f{i}" + "x" * 400, "int32")
                                                            for i in range(1300))),
         "", "descriptor_proto has 542196 bytes, at most 524288 are taken"),
]

# ---- tables --------------------------------------------------------------------------------------
# Case.input: the column list, or (column list, primary key, properties). No path is looked at.

DDL = [
    Case("empty", "", "", "column list, at its end: a column name is expected"),
    Case("no type", "id", "", "column list, at its end: a type is expected"),
    Case("a comma at the end", "id INT,", "", "column list, at its end: a column name is expected"),
    Case("no comma", "id INT name STRING",
         "", "column list, byte 8, at \"name STRING\": a comma or the end is expected"),
    Case("unknown type", "id NUMBER",
         "", "column list, byte 4, at \"NUMBER\": no type has this name"),
    Case("name with a minus", "a-b INT",
         "", "column list, byte 2, at \"-b INT\": a type is expected"),
    Case("name begins with a digit", "1a INT",
         "", "column list, byte 1, at \"1a INT\": a column name starts with a letter or an "
             "underscore"),
    Case("empty name in backquotes", "`` INT",
         "", "column list, byte 2, at \"` INT\": a column name is expected"),
    Case("open backquote", "`a INT",
         "", "column list, byte 4, at \"INT\": a column name has only ASCII letters, digits and "
             "underscores"),
    Case("name beyond ASCII", "größe INT",
         "", "column list, byte 3, at \"????e INT\": a column name has only ASCII letters, "
             "digits and underscores"),
    Case("name of 256 bytes", "a" * 256 + " INT",
         "", "column list, byte 1, at \"aaaaaaaaaaaaaaaaaaaaaaaa\": the column name is too long"),
    Case("column twice", "a INT, A STRING",
         "", "column list, byte 8, at \"A STRING\": a column of this name is there already"),
    Case("NOT alone", "a INT NOT", "", "column list, at its end: NULL is expected after NOT"),
    Case("decimal without digits", "a DECIMAL(0)",
         "", "column list, at its end: the precision before this must be 1 to 38"),
    Case("decimal of 39 digits", "a DECIMAL(39, 2)",
         "", "column list, at its end: the precision before this must be 1 to 38"),
    Case("scale above precision", "a DECIMAL(5, 6)",
         "", "column list, at its end: the scale before this is larger than the precision"),
    Case("decimal without end", "a DECIMAL(5, 2",
         "", "column list, at its end: a closing parenthesis is expected"),
    Case("decimal with a word", "a DECIMAL(five)",
         "", "column list, byte 11, at \"five)\": a number is expected"),
    Case("int with a number", "a INT(5)",
         "", "column list, at its end: the type before this takes no number"),
    Case("varchar with two numbers", "a VARCHAR(5, 6)",
         "", "column list, at its end: the type before this takes one number"),
    Case("comment without quotes", "a INT COMMENT no",
         "", "column list, byte 15, at \"no\": a text in single quotes is expected"),
    Case("comment without end", "a INT COMMENT 'no",
         "", "column list, at its end: the text's closing quote is missing"),
    Case("default", "a INT DEFAULT 5",
         "", "column list, byte 7, at \"DEFAULT 5\": defaults and generated columns are not "
             "supported", UNSUPPORTED),
    Case("generated", "a INT GENERATED ALWAYS AS (1)",
         "", "column list, byte 7, at \"GENERATED ALWAYS AS (1)\": defaults and generated "
             "columns are not supported", UNSUPPORTED),
    Case("primary key in the list", "a INT, PRIMARY KEY (a)",
         "", "column list, byte 16, at \"KEY (a)\": the primary key is named apart from the "
             "column list"),
    Case("half a time zone", "a TIMESTAMP WITHOUT",
         "", "column list, at its end: TIME ZONE is expected"),
    Case("interval", "a INTERVAL",
         "", "column list, byte 3, at \"INTERVAL\": column a: columns of type interval are not "
             "supported", UNSUPPORTED),
    Case("geometry", "a GEOMETRY",
         "", "column list, byte 3, at \"GEOMETRY\": column a: columns of type geometry are not "
             "supported", UNSUPPORTED),
    Case("a whole statement", "CREATE TABLE x (a INT)",
         "", "column list, byte 8, at \"TABLE x (a INT)\": no type has this name"),
    Case("a semicolon", "a INT; DROP TABLE x",
         "", "column list, byte 6, at \"; DROP TABLE x\": a comma or the end is expected"),
    Case("a zero byte", "a INT\0", "", "ddl in the request holds a zero byte"),
    Case("2,001 columns", ", ".join(f"c{i} INT" for i in range(2001)),
         "", "column list, byte 20891, at \"c2000 INT\": a table has at most 2000 columns"),
    Case("longer than 256 KiB", "a INT COMMENT '" + "x" * (256 << 10) + "'",
         "", "the column list is longer than 262144 bytes"),
    Case("key that is no column", ("a INT", ["b"]),
         "", "primary key column \"b\" is not in the column list"),
    Case("key named twice", ("a INT", ["a", "A"]), "", "primary key column \"A\" is named twice"),
    Case("17 key columns", (", ".join(f"c{i} INT" for i in range(17)),
                            [f"c{i}" for i in range(17)]),
         "", "a primary key has at most 16 columns, not 17"),
    Case("struct without fields", "a STRUCT<>",
         "", "column list, byte 10, at \">\": a column name is expected"),
    Case("struct without end", "a STRUCT<x INT",
         "", "column list, at its end: a comma or > is expected"),
    Case("struct with a field twice", "a STRUCT<x INT, X INT>",
         "", "column list, byte 17, at \"X INT>\": a column of this name is there already"),
    Case("array of nothing", "a ARRAY<>", "", "column list, byte 9, at \">\": a type is expected"),
    Case("array without its type", "a ARRAY", "", "column list, at its end: < is expected"),
    Case("map without a value", "a MAP<STRING>",
         "", "column list, byte 13, at \">\": a comma and the type of the map's values are "
             "expected"),
    Case("map with a double key", "a MAP<DOUBLE, INT>",
         "", "column list, byte 7, at \"DOUBLE, INT>\": the key of a map is of type boolean, "
             "tinyint, smallint, int, bigint or string"),
    Case("map with a struct key", "a MAP<STRUCT<x INT>, INT>",
         "", "column list, byte 7, at \"STRUCT<x INT>, INT>\": the key of a map is of type "
             "boolean, tinyint, smallint, int, bigint or string"),
    Case("variant with an argument", "a VARIANT<INT>",
         "", "column list, byte 10, at \"<INT>\": a comma or the end is expected"),
    Case("types 33 deep", "a " + "ARRAY<" * 33 + "INT" + ">" * 33,
         "", "column list, byte 200, at \"<INT>>>>>>>>>>>>>>>>>>>>\": types stand at most 32 "
             "deep within each other"),
    Case("struct as key", ("a STRUCT<x INT>", ["a"]),
         "", "primary key column \"a\" is a struct; a key is of flat types"),
    Case("variant as key", ("a VARIANT", ["a"]),
         "", "primary key column \"a\" is a variant; a key is of flat types"),
    Case("unknown property", ("a INT", [], {"color": "red"}),
         "", "there is no property \"color\"; known are on_error, timestamps, evolve and "
             "rule.NAME"),
    Case("unknown word of a property", ("a INT", [], {"on_error": "ignore"}),
         "", "property on_error is reject or quarantine, not \"ignore\""),
]

RULE_DDL = "id BIGINT NOT NULL, price DECIMAL(8,2), name STRING, at TIMESTAMP, q INT, d DOUBLE"


def rule(text):
    return RULE_DDL, ["id"], {"rule.r": text}


RULES = [
    Case("no action", rule("price > 0"),
         "", "rule \"r\": \"ACTION: PREDICATE\" is expected, with warn, drop, quarantine or reject"
             " before the colon"),
    Case("unknown action", rule("stop: price > 0"),
         "", "rule \"r\": \"ACTION: PREDICATE\" is expected, with warn, drop, quarantine or reject"
             " before the colon"),
    Case("no predicate", rule("warn:"),
         "", "rule \"r\": at the predicate's end: a column, a literal or a function is expected"),
    Case("no name", (RULE_DDL, ["id"], {"rule.": "warn: price > 0"}),
         "", "\"\" is no name for a rule: 1 to 128 letters, digits and underscores, not a digit "
             "first"),
    Case("bad name", (RULE_DDL, ["id"], {"rule.a b": "warn: price > 0"}),
         "", "\"a b\" is no name for a rule: 1 to 128 letters, digits and underscores, not a "
             "digit first"),
    Case("unknown column", rule("warn: cost > 0"),
         "", "rule \"r\": byte 1, at \"cost > 0\": no column has this name"),
    Case("no boolean", rule("warn: price"),
         "", "rule \"r\": byte 1, at \"price\": a predicate is a BOOLEAN, this is INTEGER/DECIMAL"),
    Case("number with text", rule("warn: price > '0'"),
         "", "rule \"r\": byte 7, at \"> '0'\": INTEGER/DECIMAL is not comparable with STRING"),
    Case("time with text", rule("warn: at > '2026-01-01'"),
         "", "rule \"r\": byte 4, at \"> '2026-01-01'\": TIMESTAMP is not comparable with STRING; "
             "write TIMESTAMP '...'"),
    Case("half a comparison", rule("warn: price >"),
         "", "rule \"r\": at the predicate's end: a column, a literal or a function is expected"),
    Case("open parenthesis", rule("warn: (price > 0"),
         "", "rule \"r\": at the predicate's end: ) is expected"),
    Case("closed too often", rule("warn: price > 0)"),
         "", "rule \"r\": byte 10, at \")\": an operator or the end is expected"),
    Case("open quote", rule("warn: name = 'x"),
         "", "rule \"r\": byte 8, at \"'x\": the closing quote is missing"),
    Case("double quotes", rule('warn: name = "x"'),
         "", "rule \"r\": byte 8, at \"\"x\"\": texts stand in single quotes, names in backquotes"),
    Case("BETWEEN without AND", rule("warn: price BETWEEN 1"),
         "", "rule \"r\": at the predicate's end: BETWEEN needs AND and an upper bound"),
    Case("empty list", rule("warn: q IN ()"),
         "", "rule \"r\": byte 7, at \")\": a literal is expected"),
    Case("LIKE on a number", rule("warn: q LIKE '1%'"),
         "", "rule \"r\": byte 3, at \"LIKE '1%'\": LIKE takes a STRING, not INTEGER/DECIMAL"),
    Case("bad escape", rule("warn: name LIKE 'a\\b'"),
         "", "rule \"r\": byte 11, at \"'a\\b'\": behind the pattern's escape character \\ only "
             "%, _ or itself may stand"),
    Case("unknown function", rule("warn: sha2(name) = 'x'"),
         "", "rule \"r\": byte 1, at \"sha2(name) = 'x'\": no function has this name (there are "
             "length, size, abs, lower, upper, trim, isnan, coalesce)"),
    Case("function of another type", rule("warn: length(q) > 1"),
         "", "rule \"r\": byte 8, at \"q) > 1\": length() takes a STRING or BINARY, not "
             "INTEGER/DECIMAL"),
    Case("AND of numbers", rule("warn: q AND price > 0"),
         "", "rule \"r\": byte 1, at \"q AND price > 0\": a BOOLEAN is expected here, not "
             "INTEGER/DECIMAL"),
    Case("bad date", rule("warn: at > TIMESTAMP '2026-13-01T00:00Z'"),
         "", "rule \"r\": byte 16, at \"'2026-13-01T00:00Z'\": a time 'YYYY-MM-"
             "DDTHH:MM[:SS[.ffffff]]' with Z or +HH:MM at its end is expected"),
    Case("number of 39 digits", rule("warn: price > " + "9" * 39),
         "", "rule \"r\": byte 9, at \"999999999999999999999999\": a number has at most 38 digits"),
    Case("33 levels", rule("warn: " + "(" * 33 + "q > 0" + ")" * 33),
         "", "rule \"r\": byte 33, at \"(q > 0))))))))))))))))))\": nesting is at most 32 levels "
             "deep"),
    Case("a statement", rule("warn: price > 0; DROP TABLE t"),
         "", "rule \"r\": byte 10, at \"; DROP TABLE t\": a predicate has no semicolon"),
    Case("longer than 4 KiB", rule("warn: name = '" + "x" * 4100 + "'"),
         "", "rule \"r\": the predicate has 4109 bytes, at most 4096"),
]

# Rows that fail a rule of RULED; Case.path is the first column that the rule names.
RULED = (RULE_DDL, ["id"], {
    "positive": "price > 0",
    "short": "name IS NULL OR length(name) <= 5",
    "recent": "at IS NULL OR at >= TIMESTAMP '2020-01-01T00:00:00Z'",
    "ratio": "q IS NULL OR 100 / q < 50",
    "sum": "d IS NULL OR abs(d) < 1e6 AND NOT isnan(d)"})
FAILED_RULES = [
    Case("FALSE", '{"id": -1, "price": 0}',
         "price", "rule \"positive\": price > 0 is FALSE for price = 0.00"),
    Case("NULL", '{"id": -1}', "price", "rule \"positive\": price > 0 is NULL for price = NULL"),
    Case("too long", '{"id": -1, "price": 1, "name": "äöüßé!"}',
         "name", "rule \"short\": name IS NULL OR length(name) <= 5 is FALSE for name = 'äöüßé!'"),
    Case("too old", '{"id": -1, "price": 1, "at": 0}',
         "at", "rule \"recent\": at IS NULL OR at >= TIMESTAMP '2020-01-01T00:00:00Z' is FALSE "
               "for at = 1970-01-01T00:00:00Z"),
    Case("divided by zero", '{"id": -1, "price": 1, "q": 0}',
         "q", "rule \"ratio\": q IS NULL OR 100 / q < 50 divides by zero for q = 0"),
    Case("NaN", '{"id": -1, "price": 1, "d": "NaN"}',
         "d", "rule \"sum\": d IS NULL OR abs(d) < 1e6 AND NOT isnan(d) is FALSE for d = nan"),
    Case("too large", '{"id": -1, "price": 1, "d": -1e6}',
         "d", "rule \"sum\": d IS NULL OR abs(d) < 1e6 AND NOT isnan(d) is FALSE for d = "
              "-1000000"),
]

# ---- messages of the stream ----------------------------------------------------------------------
# Case.input: the bytes of one EphemeralStreamRequest, behind a good request 0 of a JSON stream.

GOOD_JSON = '{"id": -1, "must": "x"}'
MESSAGES = [
    Case("empty", b"",
         "", "the message carries no payload (create_stream, ingest_record or "
             "ingest_record_batch)"),
    Case("noise", b"\xff\xff\xff\xff", "", "the message is not a valid EphemeralStreamRequest"),
    Case("only unknown fields", num(9, 1),
         "", "the message carries no payload (create_stream, ingest_record or "
             "ingest_record_batch)"),
    Case("payload longer than the message", key(2, 2) + b"\x50\x08\x01",
         "", "the message is not a valid EphemeralStreamRequest"),
    Case("payload as a number", num(2, 1),
         "", "the message carries no payload (create_stream, ingest_record or "
             "ingest_record_batch)"),
    Case("record without an offset", run(2, run(3, GOOD_JSON)),
         "", "a request has no offset_id; expected 1"),
    Case("record without a record", run(2, num(1, 1)),
         "", "the request carries no record, the stream was created for JSON"),
    Case("record of the other kind", run(2, num(1, 1) + run(2, BASE)),
         "", "the request carries protobuf, the stream was created for JSON"),
    Case("offset again", run(2, num(1, 0) + run(3, GOOD_JSON)),
         "", "offset 0 is out of order: expected 1 (offsets of a stream start at 0 and grow by"
             " one per request)"),
    Case("offset skipped", run(2, num(1, 7) + run(3, GOOD_JSON)),
         "", "offset 7 is out of order: expected 1 (offsets of a stream start at 0 and grow by"
             " one per request)"),
    Case("offset negative", run(2, num(1, -1) + run(3, GOOD_JSON)),
         "", "offset -1 is out of order: expected 1 (offsets of a stream start at 0 and grow "
             "by one per request)"),
    Case("offset as text", run(2, run(1, "1") + run(3, GOOD_JSON)),
         "", "a request has no offset_id; expected 1"),
    Case("batch cut", run(3, num(1, 1) + run(3, key(1, 2) + b"\x7f{")),
         "", "the message is not a valid record batch"),
    Case("batch of the other kind", run(3, num(1, 1) + run(2, run(1, BASE))),
         "", "the request carries protobuf, the stream was created for JSON"),
    Case("second create", run(1, run(1, "a.b.c") + num(4, 2)),
         "", "create_stream came a second time; a stream is created once"),
]
