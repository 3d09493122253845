# SPDX-License-Identifier: Apache-2.0
"""A row that does not fit ends its stream with a sentence; the rows before it are safe."""
import grpc
from google.protobuf import descriptor_pb2

from world import check_status

INVALID = grpc.StatusCode.INVALID_ARGUMENT
DDL = ("id BIGINT NOT NULL, name STRING, tiny TINYINT, small SMALLINT, n INT, "
       "price DECIMAL(6,2), day DATE, flag BOOLEAN, raw BINARY")
GOOD = '{"id": 1}'


def refuse_json(world, row, *words):
    """Rows 0 and 1 are good, row 2 is the bad one."""
    table = world.table(DDL)
    with world.wire(table) as s:
        s.create_json()
        s.record(0, json=GOOD)
        s.record(1, json=GOOD)
        s.record(2, json=row)
        check_status(s.end(), INVALID, table, "offset 2", *words)
        assert s.acked() == 1, s.acked()
    assert len(world.rows(table)) == 2


def refuse_proto(world, record, *words):
    table = world.table(DDL)
    good = world.message(table)(id=1).SerializeToString()
    with world.wire(table) as s:
        s.create_proto(world.message(table))
        s.record(0, proto=good)
        s.batch(1, proto=[good, record])
        check_status(s.end(), INVALID, table, "offset 1", "record 1", *words)
        assert s.acked() == 0, s.acked()
    assert len(world.rows(table)) == 1


def test_json_that_is_no_json(world):
    refuse_json(world, '{"id": 1', "JSON, byte 8", "comma")


def test_json_that_is_no_object(world):
    refuse_json(world, '[1, 2]', "JSON object")


def test_json_with_text_behind_the_object(world):
    refuse_json(world, '{"id": 1} x', "more follows")


def test_json_without_a_not_null_column(world):
    refuse_json(world, '{"name": "x"}', "column id ")


def test_json_null_in_a_not_null_column(world):
    refuse_json(world, '{"id": null}', "column id ")


def test_json_integer_out_of_range(world):
    refuse_json(world, '{"id": 1, "tiny": 128}', "column tiny ")


def test_json_integer_beyond_64_bits(world):
    refuse_json(world, '{"id": 9223372036854775808}', "column id ")


def test_json_fraction_for_an_integer(world):
    refuse_json(world, '{"id": 1, "n": 1.5}', "column n ")


def test_json_text_for_a_number(world):
    refuse_json(world, '{"id": 1, "n": "many"}', "column n ")


def test_json_decimal_that_does_not_fit(world):
    refuse_json(world, '{"id": 1, "price": "12345.67"}', "column price ")


def test_json_boolean_of_another_type(world):
    refuse_json(world, '{"id": 1, "flag": "yes"}', "column flag ")


def test_proto_that_ends_early(world):
    refuse_proto(world, b"\x08", "column id:", "malformed")


def test_proto_without_a_not_null_column(world):
    refuse_proto(world, b"", "column id ")


def test_proto_string_that_is_no_utf8(world):
    refuse_proto(world, b"\x08\x01\x12\x02\xff\xfe", "column name:")


def test_proto_integer_out_of_range(world):
    # Field 3 (tiny) = 300, as a valid varint of the wire type.
    refuse_proto(world, b"\x08\x01\x18\xac\x02", "column tiny:")


def test_proto_with_the_wrong_wire_type(world):
    # Field 2 (name) as a varint.
    refuse_proto(world, b"\x08\x01\x10\x05", "column name:")


def test_unknown_proto_field_is_skipped(world):
    table = world.table(DDL)
    with world.wire(table) as s:
        s.create_proto(world.message(table))
        s.record(0, proto=b"\x08\x05\xfa\x07\x03abc")
        s.wait_ack(0)
    assert [r["id"] for r in world.rows(table)] == [5]


def descriptor(*fields):
    d = descriptor_pb2.DescriptorProto(name="Row")
    for number, (name, kind, label) in enumerate(fields, 1):
        d.field.add(name=name, number=number, type=kind, label=label)
    return d.SerializeToString()


FIELD = descriptor_pb2.FieldDescriptorProto


def refuse_descriptor(world, wire_descriptor, *words):
    table = world.table(DDL)
    with world.wire(table) as s:
        s.create(descriptor_proto=wire_descriptor)
        check_status(s.end(), INVALID, f"table {table}:", *words)


def test_descriptor_with_a_wrong_type_names_the_column(world):
    refuse_descriptor(world, descriptor(("id", FIELD.TYPE_STRING, FIELD.LABEL_OPTIONAL)),
                      "column id is bigint and takes")


def test_descriptor_without_a_not_null_column(world):
    refuse_descriptor(world, descriptor(("name", FIELD.TYPE_STRING, FIELD.LABEL_OPTIONAL)),
                      "column id is NOT NULL")


def test_descriptor_with_a_repeated_scalar(world):
    refuse_descriptor(world, descriptor(("id", FIELD.TYPE_INT64, FIELD.LABEL_REPEATED)),
                      "column id is bigint, but the field is repeated")


def test_columns_are_matched_by_name_not_by_number(world):
    table = world.table(DDL)
    with world.wire(table) as s:
        s.create(descriptor_proto=descriptor(
            ("name", FIELD.TYPE_STRING, FIELD.LABEL_OPTIONAL),
            ("id", FIELD.TYPE_INT64, FIELD.LABEL_OPTIONAL)))
        assert s.stream_id()
        s.record(0, proto=b"\x0a\x03abc\x10\x2a")
        s.wait_ack(0)
    row, = world.rows(table)
    assert (row["id"], row["name"], row["n"]) == (42, "abc", None), row
