# SPDX-License-Identifier: Apache-2.0
"""The binary variant encoding read back: metadata and value -> a Python value.

Written against Parquet's VariantEncoding.md alone, so that it judges the server's encoder and
shares nothing with it. Numbers keep their kind: int, decimal.Decimal, float.
"""
import decimal
import struct

PRIMITIVE, SHORT_STRING, OBJECT, ARRAY = range(4)
INTEGERS = {3: 1, 4: 2, 5: 4, 6: 8}
DECIMALS = {8: 4, 9: 8, 10: 16}


def _number(data, at, size):
    return int.from_bytes(data[at:at + size], "little")


def names(metadata):
    """The dictionary of field names."""
    head = metadata[0]
    if head & 15 != 1:
        raise ValueError(f"variant metadata of version {head & 15}")
    size = (head >> 6) + 1
    count = _number(metadata, 1, size)
    places = [_number(metadata, 1 + size * (i + 1), size) for i in range(count + 1)]
    start = 1 + size * (count + 2)
    found = [metadata[start + a:start + b].decode() for a, b in zip(places, places[1:])]
    if len(set(found)) != len(found):
        raise ValueError("a name is twice in a variant's dictionary")
    if head >> 4 & 1 and [n.encode() for n in found] != sorted(n.encode() for n in found):
        raise ValueError("a variant's dictionary says that it is sorted, and is not")
    if start + places[-1] != len(metadata):
        raise ValueError("bytes behind a variant's dictionary")
    return found


def _primitive(kind, data, at):
    if kind in (0, 1, 2):
        return {0: None, 1: True, 2: False}[kind]
    if kind in INTEGERS:
        size = INTEGERS[kind]
        return int.from_bytes(data[at:at + size], "little", signed=True)
    if kind == 7:
        return struct.unpack_from("<d", data, at)[0]
    if kind in DECIMALS:
        scale = data[at]
        unscaled = int.from_bytes(data[at + 1:at + 1 + DECIMALS[kind]], "little", signed=True)
        return decimal.Decimal(unscaled).scaleb(-scale, decimal.Context(prec=60))
    if kind == 16:
        size = _number(data, at, 4)
        return data[at + 4:at + 4 + size].decode()
    raise ValueError(f"a variant of primitive type {kind} does not come from JSON")


def _places(data, at, count, size):
    return [_number(data, at + size * i, size) for i in range(count + 1)]


def value(data, dictionary, at=0):
    """The value whose first byte is data[at]."""
    basic, head = data[at] & 3, data[at] >> 2
    at += 1
    if basic == PRIMITIVE:
        return _primitive(head, data, at)
    if basic == SHORT_STRING:
        return data[at:at + head].decode()
    place_size = (head & 3) + 1
    large = head >> 4 & 1 if basic == OBJECT else head >> 2 & 1
    count_size = 4 if large else 1
    count = _number(data, at, count_size)
    at += count_size
    if basic == ARRAY:
        places = _places(data, at, count, place_size)
        start = at + place_size * (count + 1)
        return [value(data, dictionary, start + p) for p in places[:-1]]
    id_size = (head >> 2 & 3) + 1
    fields = [dictionary[_number(data, at + id_size * i, id_size)] for i in range(count)]
    if [f.encode() for f in fields] != sorted(f.encode() for f in fields):
        raise ValueError("the fields of a variant's object are not sorted by name")
    at += id_size * count
    places = _places(data, at, count, place_size)
    start = at + place_size * (count + 1)
    return {f: value(data, dictionary, start + p) for f, p in zip(fields, places)}


def read(metadata, data):
    """The whole variant."""
    return value(data, names(metadata))
