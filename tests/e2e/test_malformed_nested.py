# SPDX-License-Identifier: Apache-2.0
"""The table of malformed inputs, second part: columns that hold others."""
import malformed_nested as nested
from test_malformed import (ANY_ROW, QUARANTINE, refuse_descriptors, rows_of, send_records,
                            send_to_quarantine)


def test_nested_protobuf_records(world):
    send_records(rows_of(world, nested.NESTED, "proto"), nested.PROTO)


def test_nested_protobuf_records_of_a_table_with_rules(world):
    send_records(rows_of(world, nested.NESTED, "proto", ANY_ROW), nested.PROTO)


def test_nested_json_records(world):
    send_records(rows_of(world, nested.NESTED, "json"), nested.JSON)


def test_nested_records_go_to_quarantine(world):
    send_to_quarantine(rows_of(world, nested.NESTED, "proto", QUARANTINE), nested.PROTO)
    send_to_quarantine(rows_of(world, nested.NESTED, "json", QUARANTINE), nested.JSON)


def test_nested_descriptors(world):
    refuse_descriptors(rows_of(world, nested.NESTED, "proto"), nested.DESCRIPTORS)
