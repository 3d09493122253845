# SPDX-License-Identifier: Apache-2.0
"""What readers find, brought into the plain values of random_types.py and compared with the source.

Three ways back: Arrow arrays (pyarrow, delta-rs, DuckDB), JSON and protobuf messages (lookups).
"""
import base64
import decimal
import json
import struct

import pyarrow as pa

import random_types as rt
import variant_binary


# -- Arrow -> plain values

def from_arrow(array, t):
    """A list of plain values. Times are taken as the integers they are: Python's own do not reach
    far enough."""
    if isinstance(array, pa.ChunkedArray):
        return [v for chunk in array.chunks for v in from_arrow(chunk, t)]
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    absent = array.is_null().to_pylist()
    if t.word == "struct":
        parts = [from_arrow(p, c.type) for p, c in zip(array.flatten(), t.fields)]
        found = [dict(zip([c.name for c in t.fields], values)) for values in zip(*parts)]
    elif t.word == "variant":
        metadata, data = (part.to_pylist() for part in _variant_parts(array))
        found = [None if no else variant_binary.read(m, d)
                 for no, m, d in zip(absent, metadata, data)]
        return [None if no else Found(v) for no, v in zip(absent, found)]
    elif t.word == "array":
        found = _slices(array, from_arrow(array.values, t.element))
    elif t.word == "map":
        pairs = list(zip(from_arrow(array.keys, t.key), from_arrow(array.items, t.element)))
        found = [sorted(p, key=lambda pair: pair[0]) for p in _slices(array, pairs)]
    else:
        return _flat_from_arrow(array, t)
    return [None if no else v for no, v in zip(absent, found)]


def _variant_parts(array):
    parts = dict(zip([f.name for f in array.type], array.flatten()))
    return parts["metadata"], parts["value"]


def _slices(array, items):
    places = array.offsets.to_pylist()
    return [items[a:b] for a, b in zip(places, places[1:])]


def _flat_from_arrow(array, t):
    if t.word == "date":
        array = array.cast(pa.int32())
    elif t.word in ("timestamp", "timestamp_ntz"):
        zone = None if t.word == "timestamp_ntz" else "UTC"
        if array.type != pa.timestamp("us", zone):
            raise ValueError(f"a {t.word} is read as {array.type}")
        array = array.view(pa.int64())
    return array.to_pylist()


class Found:
    """A variant that is there; value may be None, JSON's null."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"Found({self.value!r})"


# -- JSON -> plain values

def parse(text):
    """Numbers stay decimals: their column says what they are."""
    return json.loads(text, parse_int=decimal.Decimal, parse_float=decimal.Decimal)


def from_json(t, v):
    if v is None and t.word != "variant":
        return None
    if t.word == "struct":
        return {c.name: from_json(c.type, v[c.name]) for c in t.fields}
    if t.word == "array":
        return [from_json(t.element, i) for i in v]
    if t.word == "map":
        return sorted(((_key_from_text(t.key, k), from_json(t.element, i))
                       for k, i in v.items()), key=lambda pair: pair[0])
    if t.word == "variant":
        return Found(v)
    if t.word == "decimal":
        return decimal.Decimal(v)
    if t.word == "binary":
        return base64.b64decode(v, validate=True)
    if t.word == "float":  # the shortest text that reads back as this float
        return struct.unpack("<f", struct.pack("<f", float(v)))[0]
    if t.word == "double":
        return float(v)
    return int(v) if t.word in rt.BITS else v


def _key_from_text(t, text):
    if t.word == "boolean":
        return {"true": True, "false": False}[text]
    return int(text) if t.word in rt.BITS else text


# -- the table's own message -> plain values

def from_message(message, columns):
    found = {}
    for c in columns:
        field = message.DESCRIPTOR.fields_by_name[c.name]
        v = getattr(message, c.name)
        if c.type.is_list():
            found[c.name] = _list_from_message(c.type, v)
        elif not message.HasField(field.name):
            found[c.name] = None
        else:
            found[c.name] = _from_field(c.type, v)
    return found


def _from_field(t, v):
    if t.word == "struct":
        return from_message(v, t.fields)
    if t.is_list():  # its wrapper
        return _list_from_message(t, getattr(v, "element" if t.word == "array" else "entries"))
    if t.word == "variant":
        return Found(parse(v))
    return decimal.Decimal(v) if t.word == "decimal" else v


def _list_from_message(t, v):
    if t.word == "array":
        return [_from_field(t.element, i) for i in v]
    if hasattr(v, "add"):  # an entry type that could not have its name
        pairs = [(e.key, e.value) for e in v]
    else:
        pairs = [(k, v[k]) for k in v]
    return sorted(((k, _from_field(t.element, i)) for k, i in pairs), key=lambda pair: pair[0])


# -- comparing

JSON, MESSAGE, ARROW = range(3)  # how the row came back


def same(t, wanted, found, way):
    """In Arrow's binary variants numbers have a kind, in text only a value. JSON spells a variant
    that says null like one that is not there."""
    if t.word == "variant" and way == JSON:
        wanted, found = wanted or rt.Variant("null"), found or Found(None)
    if wanted is None or found is None:
        return wanted is None and found is None
    if t.word == "struct":
        return all(same(c.type, wanted[c.name], found[c.name], way) for c in t.fields)
    if t.word == "array":
        return len(wanted) == len(found) and all(
            same(t.element, w, f, way) for w, f in zip(wanted, found))
    if t.word == "map":
        return [k for k, _ in wanted] == [k for k, _ in found] and all(
            same(t.element, w, f, way) for (_, w), (_, f) in zip(wanted, found))
    if t.word == "variant":
        return _same_json(wanted.value(), found.value, way == ARROW)
    if t.word in ("float", "double"):
        return _same_float(wanted, found)
    return type(wanted) is type(found) and wanted == found


def _same_float(a, b):
    return (a != a and b != b) or struct.pack("<d", a) == struct.pack("<d", b)


def _same_json(wanted, found, exact):
    if isinstance(wanted, dict):
        return isinstance(found, dict) and wanted.keys() == found.keys() and all(
            _same_json(wanted[k], found[k], exact) for k in wanted)
    if isinstance(wanted, list):
        return isinstance(found, list) and len(wanted) == len(found) and all(
            _same_json(w, f, exact) for w, f in zip(wanted, found))
    if isinstance(wanted, (bool, str)) or wanted is None:
        return type(wanted) is type(found) and wanted == found
    if exact:
        if isinstance(wanted, float):
            return isinstance(found, float) and _same_float(wanted, found)
        return type(wanted) is type(found) and wanted == found
    if isinstance(found, bool) or not isinstance(found, (int, float, decimal.Decimal)):
        return False
    return float(found) == wanted if isinstance(wanted, float) else found == wanted
