# SPDX-License-Identifier: Apache-2.0
"""The table of malformed inputs, second part: columns that hold others (malformed.py has the first
part, and says what a case is)."""
import struct

from malformed import BASE, ID, MUST, Case, descriptor, flat_row, i32, i64, key, num, run

NESTED = ("id BIGINT NOT NULL, must STRING NOT NULL, "
          "address STRUCT<street: STRING NOT NULL, zip: INT, "
          "geo: STRUCT<lat: DOUBLE NOT NULL, lon: DOUBLE>>, "
          "tags ARRAY<STRING>, "
          "lines ARRAY<STRUCT<sku: STRING NOT NULL, n: TINYINT, price: DECIMAL(6,2)>>, "
          "attrs MAP<STRING, INT>, byday MAP<INT, STRUCT<v: SMALLINT NOT NULL>>, "
          "grid ARRAY<ARRAY<INT>>, v VARIANT, vs ARRAY<VARIANT>")


def deep(levels):
    return "[" * levels + "]" * levels


PROTO = [
    Case("struct as a number", BASE + num(3, 1),
         "address", "column address: the field at byte 14 has wire type 0, not 2"),
    Case("struct longer than the row", BASE + key(3, 2) + b"\x10a",
         "address", "column address: malformed protobuf at byte 14"),
    Case("struct without a NOT NULL field", BASE + run(3, num(2, 5)),
         "address.street", "column address.street is NOT NULL but the record has no value"),
    Case("empty struct", BASE + run(3, b""),
         "address.street", "column address.street is NOT NULL but the record has no value"),
    Case("struct's text is no UTF-8", BASE + run(3, run(1, b"\xff")),
         "address.street", "column address.street: the text is not valid UTF-8"),
    Case("struct's text as a number", BASE + run(3, num(1, 5)),
         "address.street", "column address.street: the field at byte 16 has wire type 0, not 2"),
    Case("struct's int out of range", BASE + run(3, run(1, "s") + num(2, 1 << 31)),
         "address.zip", "column address.zip: 2147483648 is out of range for int"),
    Case("struct's int cut", BASE + run(3, run(1, "s") + key(2, 0) + b"\x80"),
         "address.zip", "column address.zip: malformed protobuf at byte 19"),
    Case("struct with a group", BASE + run(3, run(1, "s") + key(9, 3) + key(9, 4)),
         "address", "column address: malformed protobuf at byte 19: groups are not supported"),
    Case("struct with noise", BASE + run(3, b"\xff\xff\xff\xff\xff\xff"),
         "address", "column address: malformed protobuf at byte 16"),
    Case("struct in a struct without its field", BASE + run(3, run(1, "s") + run(3, i64(2, 0))),
         "address.geo.lat", "column address.geo.lat is NOT NULL but the record has no value"),
    Case("struct in a struct with a wrong wire type",
         BASE + run(3, run(1, "s") + run(3, num(1, 5))),
         "address.geo.lat", "column address.geo.lat: the field at byte 21 has wire type 0, not"
                            " 1"),
    Case("struct in a struct cut", BASE + run(3, run(1, "s") + key(3, 2) + b"\x09"),
         "address.geo", "column address.geo: malformed protobuf at byte 19"),
    Case("two pieces that lack a field together", BASE + run(3, run(1, "s")) + run(3, run(3, b"")),
         "address.geo.lat", "column address.geo.lat is NOT NULL but the record has no value"),
    Case("bad first piece, good second", BASE + run(3, run(1, b"\xff")) + run(3, run(1, "s")),
         "address.street", "column address.street: the text is not valid UTF-8"),
    Case("array of texts as a number", BASE + num(4, 5),
         "tags", "column tags: the field at byte 14 has wire type 0, not 2"),
    Case("array with a bad text", BASE + run(4, "a") + run(4, b"\xc3"),
         "tags[1]", "column tags[1]: the text is not valid UTF-8"),
    Case("array longer than the row", BASE + run(4, "a") + key(4, 2) + b"\x05b",
         "tags[1]", "column tags[1]: malformed protobuf at byte 17"),
    Case("element without a NOT NULL field", BASE + run(5, run(1, "a")) + run(5, num(2, 1)),
         "lines[1].sku", "column lines[1].sku is NOT NULL but the record has no value"),
    Case("element's int out of range",
         BASE + run(5, run(1, "a")) + run(5, run(1, "b") + num(2, 128)),
         "lines[1].n", "column lines[1].n: 128 is out of range for tinyint"),
    Case("element's decimal", BASE + run(5, run(1, "a") + run(3, "1.234")),
         "lines[0].price", "column lines[0].price: \"1.234\" is not a decimal(6,2)"),
    Case("element as fixed32", BASE + i32(5, 1),
         "lines", "column lines: the field at byte 14 has wire type 5, not 2"),
    Case("map as a number", BASE + num(6, 1),
         "attrs", "column attrs: the field at byte 14 has wire type 0, not 2"),
    Case("map's value out of range", BASE + run(6, run(1, "a") + num(2, 1 << 31)),
         "attrs[\"a\"]", "column attrs[\"a\"]: 2147483648 is out of range for int"),
    Case("map's value as text", BASE + run(6, run(1, "a") + run(2, "1")),
         "attrs[\"a\"]", "column attrs[\"a\"]: the field at byte 19 has wire type 2, not 0"),
    Case("map's key as a number", BASE + run(6, num(1, 5) + num(2, 1)),
         "attrs", "column attrs: the field at byte 16 has wire type 0, not 2"),
    Case("map's key is no UTF-8", BASE + run(6, run(1, b"\xff") + num(2, 1)),
         "attrs", "column attrs: the text is not valid UTF-8"),
    Case("map's entry cut", BASE + run(6, run(1, "a") + key(2, 0)),
         "attrs[\"a\"]", "column attrs[\"a\"]: malformed protobuf at byte 19"),
    Case("map's key out of range", BASE + run(7, num(1, 1 << 40) + run(2, num(1, 1))),
         "byday", "column byday: 1099511627776 is out of range for int"),
    Case("map's struct is missing", BASE + run(7, num(1, 7)),
         "byday[7].v", "column byday[7].v is NOT NULL but the record has no value"),
    Case("map's struct out of range", BASE + run(7, num(1, -3) + run(2, num(1, 40000))),
         "byday[-3].v", "column byday[-3].v: 40000 is out of range for smallint"),
    Case("second entry is bad",
         BASE + run(7, num(1, 1) + run(2, num(1, 1))) + run(7, num(1, 2) + run(2, b"")),
         "byday[2].v", "column byday[2].v is NOT NULL but the record has no value"),
    Case("wrapper as a number", BASE + num(8, 1),
         "grid", "column grid: the field at byte 14 has wire type 0, not 2"),
    Case("packed run cut", BASE + run(8, run(1, b"\x01\x80")),
         "grid[0][1]", "column grid[0][1]: malformed protobuf at byte 16"),
    Case("packed int out of range",
         BASE + run(8, b"") + run(8, run(1, b"\x01\x80\x80\x80\x80\x08")),
         "grid[1][1]", "column grid[1][1]: 2147483648 is out of range for int"),
    Case("unpacked int out of range", BASE + run(8, num(1, 1) + num(1, 1 << 31)),
         "grid[0][1]", "column grid[0][1]: 2147483648 is out of range for int"),
    Case("inner array as fixed64", BASE + run(8, i64(1, 1)),
         "grid[0]", "column grid[0]: the field at byte 16 has wire type 1, not 0"),
    Case("variant as a number", BASE + num(9, 1),
         "v", "column v: the field at byte 14 has wire type 0, not 2"),
    Case("variant that is empty", BASE + run(9, ""),
         "v", "column v: the text is no variant: JSON, byte 0: a JSON value is expected"),
    Case("variant that is no JSON", BASE + run(9, "{"),
         "v", "column v: the text is no variant: JSON, byte 1: a name in quotes is expected"),
    Case("variant with more behind", BASE + run(9, "1 2"),
         "v", "column v: the text is no variant: JSON, byte 2: the value has ended, but more "
              "follows"),
    Case("variant with a name twice", BASE + run(9, '{"a":1,"a":2}'),
         "v", "column v: the text is no variant: JSON, byte 7: the name \"a\" comes twice"),
    Case("variant with a lone surrogate", BASE + run(9, '"\\ud800"'),
         "v", "column v: the text is no variant: JSON, byte 7: a high surrogate stands alone"),
    Case("variant that is no UTF-8", BASE + run(9, b'"\xff"'),
         "v", "column v: the text is no variant: JSON, byte 1: the text is not valid UTF-8"),
    Case("variant beyond a double", BASE + run(9, "1e400"),
         "v", "column v: the text is no variant: JSON, byte 0: the number is out of range"),
    Case("variant 101 deep", BASE + run(9, deep(101)),
         "v", "column v: the text is no variant: JSON, byte 101: the value nests deeper than "
              "100 levels"),
    Case("second variant of an array", BASE + run(10, "1") + run(10, "tru"),
         "vs[1]", "column vs[1]: the text is no variant: JSON, byte 0: a JSON value is "
                  "expected"),
    Case("double for a packed int", BASE + run(8, run(1, struct.pack("<d", -1.0))),
         "grid[0][6]", "column grid[0][6]: malformed protobuf at byte 16"),
]

JSON = [
    Case("struct as text", flat_row('"address": "x"'),
         "address", "JSON, byte 35: column address: an object is expected"),
    Case("struct as an array", flat_row('"address": ["s"]'),
         "address", "JSON, byte 35: column address: an object is expected"),
    Case("struct without a NOT NULL field", flat_row('"address": {"zip": 5}'),
         "address.street", "column address.street is NOT NULL but the record has no value"),
    Case("struct with a null in it", flat_row('"address": {"street": null}'),
         "address.street", "column address.street is NOT NULL but the record has no value"),
    Case("struct with an unknown field", flat_row('"address": {"street": "s", "nope": 1}'),
         "address.nope", "JSON, byte 58: column address.nope: there is no such field"),
    Case("struct with a field twice", flat_row('"address": {"street": "s", "Street": "t"}'),
         "address.street", "JSON, byte 60: column address.street comes twice"),
    Case("struct's int as a word", flat_row('"address": {"street": "s", "zip": "many"}'),
         "address.zip", "JSON, byte 58: column address.zip (int): the text is not an integer"),
    Case("struct not closed", flat_row('"address": {"street": "s"')[:-1],
         "address", "JSON, byte 49: column address: a comma or a closing brace is expected"),
    Case("struct in a struct without its field", flat_row('"address": {"street": "s", "geo": {}}'),
         "address.geo.lat", "column address.geo.lat is NOT NULL but the record has no value"),
    Case("struct in a struct beyond its range",
         flat_row('"address": {"street": "s", "geo": {"lat": 1e400}}'),
         "address.geo.lat", "JSON, byte 66: column address.geo.lat (double): the number is out"
                            " of range"),
    Case("array as text", flat_row('"tags": "a"'),
         "tags", "JSON, byte 32: column tags (array<string>): an array is expected"),
    Case("array as an object", flat_row('"tags": {"a": "b"}'),
         "tags", "JSON, byte 32: column tags (array<string>): an array is expected"),
    Case("array with a null", flat_row('"tags": ["a", null]'),
         "tags[1]", "JSON, byte 38: column tags[1] (string): elements and values of maps "
                    "cannot be null"),
    Case("array with a number", flat_row('"tags": ["a", "b", 3]'),
         "tags[2]", "JSON, byte 43: column tags[2] (string): a text in quotes is expected, not"
                    " a number"),
    Case("array with a comma at its end", flat_row('"tags": ["a",]'),
         "tags[1]", "JSON, byte 37: column tags[1] (string): a JSON value is expected"),
    Case("array not closed", flat_row('"tags": ["a"')[:-1],
         "tags", "JSON, byte 36: column tags: a comma or a closing bracket is expected"),
    Case("element as a number", flat_row('"lines": [5]'),
         "lines[0]", "JSON, byte 34: column lines[0]: an object is expected"),
    Case("element without a NOT NULL field", flat_row('"lines": [{"sku": "a"}, {"n": 1}]'),
         "lines[1].sku", "column lines[1].sku is NOT NULL but the record has no value"),
    Case("element's int out of range", flat_row('"lines": [{"sku": "a", "n": 128}]'),
         "lines[0].n", "JSON, byte 52: column lines[0].n (tinyint): the number is out of range"),
    Case("element's decimal", flat_row('"lines": [{"sku": "a", "price": "1.234"}]'),
         "lines[0].price", "JSON, byte 56: column lines[0].price (decimal(6,2)): the value is "
                           "not such a decimal; it would not be rounded"),
    Case("map as an array", flat_row('"attrs": [["a", 1]]'),
         "attrs", "JSON, byte 33: column attrs (map<string, int>): an object is expected"),
    Case("map with a key twice", flat_row('"attrs": {"a": 1, "a": 2}'),
         "attrs", "JSON, byte 42: column attrs: the name \"a\" comes twice"),
    Case("map with a null", flat_row('"attrs": {"a": null}'),
         "attrs[\"a\"]", "JSON, byte 39: column attrs[\"a\"] (int): elements and values of maps "
                         "cannot be null"),
    Case("map's value out of range", flat_row('"attrs": {"a": 1, "b": 2147483648}'),
         "attrs[\"b\"]", "JSON, byte 47: column attrs[\"b\"] (int): the number is out of range"),
    Case("map's key as a word", flat_row('"byday": {"x": {"v": 1}}'),
         "byday", "JSON, byte 34: column byday (int): the text is not an integer"),
    Case("map's key out of range", flat_row('"byday": {"2147483648": {"v": 1}}'),
         "byday", "JSON, byte 34: column byday (int): the number is out of range"),
    Case("map's struct without its field", flat_row('"byday": {"7": {}}'),
         "byday[7].v", "column byday[7].v is NOT NULL but the record has no value"),
    Case("one array of two", flat_row('"grid": [1]'),
         "grid[0]", "JSON, byte 33: column grid[0] (array<int>): an array is expected"),
    Case("inner array with a word", flat_row('"grid": [[1], [2, "x"]]'),
         "grid[1][1]", "JSON, byte 42: column grid[1][1] (int): the text is not an integer"),
    Case("inner array null", flat_row('"grid": [null]'),
         "grid[0]", "JSON, byte 33: column grid[0] (array<int>): an array is expected"),
    Case("variant beyond a double", flat_row('"v": {"a": 1e400}'),
         "v", "JSON, byte 35: column v: the number is out of range"),
    Case("variant with a name twice", flat_row('"v": {"a": 1, "a": 2}'),
         "v", "JSON, byte 38: column v: the name \"a\" comes twice"),
    Case("variant 101 deep", flat_row('"v": ' + deep(101)),
         "v", "JSON, byte 130: column v: the value nests deeper than 100 levels"),
    Case("variant with a wrong word", flat_row('"v": nil'),
         "v", "JSON, byte 29: column v: a JSON value is expected"),
    Case("second variant of an array", flat_row('"vs": [1, {"a"}]'),
         "vs[1]", "JSON, byte 38: column vs[1]: a colon is expected"),
    Case("100,000 brackets", flat_row('"v": ' + "[" * 100000),
         "v", "JSON, byte 130: column v: the value nests deeper than 100 levels"),
]


def message(name, *fields, **more):
    return descriptor(*fields, name=name, **more)


def wrong(*fields, **more):
    return descriptor(ID, MUST, *fields, **more)


def one(name, label, *inner, **more):
    """A field of message type M, which stands in the row's message."""
    return wrong((name, "message", label, 3, ".Row.M"), nested=[message("M", *inner, **more)])


DESCRIPTORS = [
    Case("string for a struct", wrong(("address", "string")),
         "address", "column address is struct<street: string not null, zip: int, geo: s... and"
                    " takes a field of message type, not string"),
    Case("repeated for a struct", one("address", "repeated", ("street", "string")),
         "address", "column address is struct<street: string not null, zip: int, geo: s..., "
                    "but the field is repeated"),
    Case("struct whose message is not there",
         wrong(("address", "message", "optional", 3, ".Row.Gone")),
         "address", "column address: the message type .Row.Gone is not nested in the "
                    "descriptor"),
    Case("struct without a NOT NULL field", one("address", "optional", ("zip", "int32")),
         "address.street", "column address.street is NOT NULL but the descriptor has no field "
                           "for it"),
    Case("struct with an unknown field",
         one("address", "optional", ("street", "string"), ("nope", "int32")),
         "address", "column address has no field for the descriptor's field \"nope\""),
    Case("struct's field of another type",
         one("address", "optional", ("street", "string"), ("zip", "int64")),
         "address.zip", "column address.zip is int and takes a field of type int32, not int64"),
    Case("struct's field repeated", one("address", "optional", ("street", "string", "repeated")),
         "address.street", "column address.street is string, but the field is repeated"),
    Case("struct in a struct without its field", one("address", "optional", ("street", "string"),
             ("geo", "message", "optional", 2, ".Row.M.Geo"),
             nested=[message("Geo", ("lon", "double"))]),
         "address.geo.lat", "column address.geo.lat is NOT NULL but the descriptor has no "
                            "field for it"),
    Case("a message within itself", one("address", "optional", ("street", "string"),
             ("geo", "message", "optional", 2, ".Row.M")),
         "address.geo", "column address.geo: the message type .Row.M contains itself; a column"
                        " cannot"),
    Case("single for an array", wrong(("tags", "string")),
         "tags", "column tags is array<string>, but the field is not repeated"),
    Case("another type for an array", wrong(("tags", "bytes", "repeated")),
         "tags", "column tags.element is string and takes a field of type string, not bytes"),
    Case("message for an array of texts", one("tags", "repeated", ("element", "string")),
         "tags", "column tags.element is string, but the field is of message type .Row.M"),
    Case("string for an array of structs", wrong(("lines", "string", "repeated")),
         "lines", "column lines.element is struct<sku: string not null, n: tinyint, price: ..."
                  " and takes a field of message type, not string"),
    Case("element's field of another type",
         one("lines", "repeated", ("sku", "string"), ("n", "int64")),
         "lines.element.n", "column lines.element.n is tinyint and takes a field of type "
                            "int32, not int64"),
    Case("single for a map", one("attrs", "optional", ("key", "string"), ("value", "int32")),
         "attrs", "column attrs is map<string, int>, but the field is not repeated"),
    Case("string for a map", wrong(("attrs", "string", "repeated")),
         "attrs", "column attrs is map<string, int> and takes a field of message type, not "
                  "string"),
    Case("map without a value", one("attrs", "repeated", ("key", "string")),
         "attrs", "column attrs.value: its message has no field \"value\""),
    Case("map with another key", one("attrs", "repeated", ("key", "int32"), ("value", "int32")),
         "attrs.key", "column attrs.key is string and takes a field of type string, not int32"),
    Case("map with another value", one("attrs", "repeated", ("key", "string"), ("value", "string")),
         "attrs.value", "column attrs.value is int and takes a field of type int32, not string"),
    Case("map of structs with a flat value",
         one("byday", "repeated", ("key", "int32"), ("value", "int32")),
         "byday.value", "column byday.value is struct<v: smallint not null> and takes a field "
                        "of message type, not int32"),
    Case("array of arrays without wrapper", wrong(("grid", "int32", "repeated")),
         "grid", "column grid.element is array<int> and takes a field of message type, not "
                 "int32"),
    Case("wrapper with another name", one("grid", "repeated", ("inner", "int32", "repeated")),
         "grid.element", "column grid.element has no field for the descriptor's field \"inner\""),
    Case("wrapper with a single field", one("grid", "repeated", ("element", "int32")),
         "grid.element", "column grid.element is array<int>, but the field is not repeated"),
    Case("message for a variant", one("v", "optional", ("metadata", "bytes"), ("value", "bytes")),
         "v", "column v is variant, but the field is of message type .Row.M"),
    Case("bytes for a variant", wrong(("v", "bytes")),
         "v", "column v is variant and takes a field of type string, not bytes"),
    Case("repeated for a variant", wrong(("v", "string", "repeated")),
         "v", "column v is variant, but the field is repeated"),
]
