# SPDX-License-Identifier: Apache-2.0
"""Random schemas and rows, and each row as protobuf and as JSON.

Independent of the server: descriptors and messages are google.protobuf's, JSON is Python's. What
a row means is kept in plain Python values, to compare with what readers find:

  BOOLEAN bool · integers, DATE (days), TIMESTAMP, TIMESTAMP_NTZ (µs) int · FLOAT, DOUBLE float
  DECIMAL decimal.Decimal · STRING str · BINARY bytes · STRUCT dict or None · ARRAY list
  MAP list of (key, value), by key · VARIANT Variant or None
"""
import base64
import dataclasses
import datetime
import decimal
import json
import struct

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FLAT = ("boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "string",
        "binary", "date", "timestamp", "timestamp_ntz")
NESTED = ("struct", "array", "map", "variant")
BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64, "date": 32, "timestamp": 64,
        "timestamp_ntz": 64}
MAP_KEYS = ("boolean", "tinyint", "smallint", "int", "bigint", "string")
UNIQUE_KEYS = ("int", "bigint", "string", "binary", "timestamp")
MORE_KEYS = tuple(word for word in FLAT if word not in ("float", "double"))

F = descriptor_pb2.FieldDescriptorProto
FORMS = {"boolean": [F.TYPE_BOOL], "float": [F.TYPE_FLOAT], "double": [F.TYPE_DOUBLE],
         "decimal": [F.TYPE_STRING], "string": [F.TYPE_STRING], "binary": [F.TYPE_BYTES],
         "variant": [F.TYPE_STRING]}
FORMS_32 = [F.TYPE_INT32, F.TYPE_SINT32, F.TYPE_SFIXED32]
FORMS_64 = [F.TYPE_INT64, F.TYPE_SINT64, F.TYPE_SFIXED64]
UNPACKABLE = (F.TYPE_STRING, F.TYPE_BYTES, F.TYPE_MESSAGE)


@dataclasses.dataclass
class Type:
    word: str
    precision: int = 0
    scale: int = 0
    fields: list = dataclasses.field(default_factory=list)  # Columns of a struct
    element: "Type" = None                                  # of an array; value of a map
    key: "Type" = None                                      # of a map

    def ddl(self):
        if self.word == "decimal":
            return f"DECIMAL({self.precision},{self.scale})"
        if self.word == "struct":
            return "STRUCT<" + ", ".join(f"{c.name}: {c.ddl_type()}" for c in self.fields) + ">"
        if self.word == "array":
            return f"ARRAY<{self.element.ddl()}>"
        if self.word == "map":
            return f"MAP<{self.key.ddl()}, {self.element.ddl()}>"
        return self.word.upper()

    def is_list(self):
        return self.word in ("array", "map")

    def has(self, word):
        inner = [c.type for c in self.fields] + [t for t in (self.element, self.key) if t]
        return self.word == word or any(t.has(word) for t in inner)


@dataclasses.dataclass
class Column:
    name: str
    type: Type
    not_null: bool = False

    def ddl_type(self):
        return self.type.ddl() + (" NOT NULL" if self.not_null else "")


@dataclasses.dataclass(frozen=True)
class Variant:
    """A value of a VARIANT column, which may be JSON's null; text is how the row spells it."""
    text: str

    def value(self):
        return json.loads(self.text, parse_int=_integer, parse_float=_fraction)


def _integer(text):
    number = int(text)
    if -2**63 <= number < 2**63:
        return number
    digits = text.lstrip("-")
    return decimal.Decimal(text) if len(digits) <= 38 else float(text)


def _fraction(text):
    digits = text.lstrip("-").replace(".", "")
    if "e" in text.lower() or len(digits.lstrip("0") or "0") > 38:
        return float(text)
    return decimal.Decimal(text)


class Schema:
    """columns, DDL and keys of one random table."""

    def __init__(self, rng, depth_max):
        self.columns = []
        self._names = set()
        keys = [Column(self.name(rng), Type(rng.choice(UNIQUE_KEYS)), True)]
        if rng.random() < 0.4:
            keys.append(Column(self.name(rng), flat(rng, MORE_KEYS), True))
        others = [Column(self.name(rng), random_type(rng, rng.randint(0, depth_max)),
                         rng.random() < 0.25) for _ in range(rng.randint(1, 7))]
        self.columns = keys + others
        rng.shuffle(self.columns)
        rng.shuffle(keys)
        self.unique = next(k for k in keys if k.type.word in UNIQUE_KEYS)
        self.keys = [k.name for k in keys]

    def name(self, rng):
        return fresh_name(rng, self._names)

    def ddl(self):
        return ", ".join(f"{c.name} {c.ddl_type()}" for c in self.columns)

    def has_variant(self):
        return any(c.type.has("variant") for c in self.columns)


def fresh_name(rng, taken):
    while True:
        # protobuf derives names of types and JSON members from fields, leaving out underscores:
        # behind the first a letter, and no two names that differ only in them.
        name = rng.choice(["a", "b", "c", "d", "x", "Y", "Z", "_q", "_R"]) + "".join(
            rng.choice("abcdefghijkl_MNOPQ0123456789") for _ in range(rng.randint(0, 9)))
        if name.lower().replace("_", "") not in taken:
            taken.add(name.lower().replace("_", ""))
            return name


def flat(rng, words=FLAT):
    word = rng.choice(words)
    if word == "decimal":
        precision = rng.choice([1, 5, 9, 10, 18, 19, 38])
        return Type(word, precision, rng.randint(0, precision))
    return Type(word)


def random_type(rng, depth):
    """A type that nests at most depth levels deep."""
    if depth == 0:
        return flat(rng)
    word = rng.choice(NESTED)
    if word == "struct":
        taken = set()
        return Type(word, fields=[
            Column(fresh_name(rng, taken), random_type(rng, rng.randint(0, depth - 1)),
                   rng.random() < 0.2) for _ in range(rng.randint(1, 4))])
    if word == "array":
        return Type(word, element=random_type(rng, rng.randint(0, depth - 1)))
    if word == "map":
        return Type(word, key=flat(rng, MAP_KEYS),
                    element=random_type(rng, rng.randint(0, depth - 1)))
    return Type(word)


# -- values

TEXTS = ["", "a", "Zürich", "東京 🚜", "quote\" back\\slash \n\t\x01", "x" * 70, "0", "null",
         "é" * 40]
DOUBLES = [0.0, -0.0, 1.0, -1.5, 1e300, -5e-324, 0.1, float("inf"), float("-inf"), float("nan"),
           123456789.125]


def text(rng):
    if rng.random() < 0.5:
        return rng.choice(TEXTS)
    return "".join(chr(rng.choice([rng.randint(32, 126), rng.randint(0xa1, 0x17f),
                                   rng.randint(0x4e00, 0x4eff), rng.randint(0x1f300, 0x1f5ff)]))
                   for _ in range(rng.randint(0, 20)))


def integer(rng, bits):
    low, high = -2**(bits - 1), 2**(bits - 1) - 1
    return rng.choice([0, 1, -1, low, high, rng.randint(low, high), rng.randint(-300, 300)
                       if bits > 8 else rng.randint(low, high)])


def number(rng, t):
    """A decimal of the type."""
    digits = rng.choice([0, 1, 10**t.precision - 1, rng.randint(0, 10**t.precision - 1)])
    sign = rng.choice([1, -1])
    return decimal.Decimal(sign * digits).scaleb(-t.scale, decimal.Context(prec=60))


def json_text(rng, depth):
    """The text of a random JSON value."""
    kind = rng.randint(0, 9 if depth > 0 else 6)
    if kind == 0:
        return rng.choice(["null", "true", "false"])
    if kind == 1:
        return str(integer(rng, rng.choice([8, 16, 32, 64])))
    if kind == 2:
        return rng.choice(["1.50", "-0.001", "12345678901234567890123456789012345678",
                           "0.5", "-7.25", "99999999999999999999", "1e3", "-2.5E-7", "1e308",
                           "123456789012345678901234567890.12345678"])
    if kind == 3:
        return repr(rng.choice([d for d in DOUBLES if d - d == 0]) or 0.5)
    if kind <= 6:
        return json.dumps(text(rng), ensure_ascii=rng.random() < 0.5)
    space = rng.choice(["", " "])
    inner = [json_text(rng, depth - 1) for _ in range(rng.choice([0, 1, 3, 300 if depth == 1
                                                                  and rng.random() < 0.02 else 2]))]
    if kind == 7:
        return "[" + ("," + space).join(inner) + "]"
    taken = {}
    for i, v in enumerate(inner):
        taken[rng.choice(["k", "Z", "ä", "a.b", "", "long name "]) + str(i)] = v
    return "{" + ("," + space).join(f"{json.dumps(k)}:{space}{v}" for k, v in taken.items()) + "}"


def flat_value(rng, t):
    if t.word == "boolean":
        return rng.random() < 0.5
    if t.word in BITS:
        return integer(rng, BITS[t.word])
    if t.word == "double":
        return rng.choice(DOUBLES + [rng.uniform(-1e6, 1e6)])
    if t.word == "float":
        wide = rng.choice([d for d in DOUBLES if abs(d) < 1e30 or d - d != 0] + [rng.random()])
        return struct.unpack("<f", struct.pack("<f", wide))[0]
    if t.word == "decimal":
        return number(rng, t)
    if t.word == "string":
        return text(rng)
    return rng.randbytes(rng.choice([0, 1, 5, 40]))


def value(rng, t, may_be_null):
    """May be None only where may_be_null, for a type that has a null."""
    if may_be_null and not t.is_list() and rng.random() < 0.2:
        return None
    if t.word == "struct":
        return {c.name: value(rng, c.type, not c.not_null) for c in t.fields}
    if t.word == "array":
        return [value(rng, t.element, False) for _ in range(rng.choice([0, 1, 2, 5]))]
    if t.word == "map":
        found = {flat_value(rng, t.key): value(rng, t.element, False)
                 for _ in range(rng.choice([0, 1, 2, 5]))}
        return sorted(found.items(), key=lambda pair: pair[0])
    if t.word == "variant":
        return Variant(json_text(rng, rng.randint(0, 3)))
    return flat_value(rng, t)


def unique_value(rng, t, n):
    """A value that no other n has."""
    if t.word == "string":
        return f"{text(rng)[:10]}#{n}"
    if t.word == "binary":
        return rng.randbytes(3) + n.to_bytes(4, "big")
    return n if rng.random() < 0.5 else -n - 1


def row(rng, schema, n):
    found = {c.name: value(rng, c.type, not c.not_null) for c in schema.columns}
    found[schema.unique.name] = unique_value(rng, schema.unique.type, n)
    return found


# -- protobuf

class Messages:
    """A descriptor for the schema with choices of its own, and rows as its messages."""

    def __init__(self, rng, schema):
        self._rng = rng
        self._relative = rng.random() < 0.5
        self._package = rng.choice(["", "a", "some.where"])
        self._names = 0
        self._fields = {}  # id of a column list -> the field's name for each
        self._root = descriptor_pb2.DescriptorProto(name="Row")
        self._message(self._root, schema.columns, ("Row",))
        file = descriptor_pb2.FileDescriptorProto(
            name="row.proto", syntax="proto2", package=self._package)
        file.message_type.add().CopyFrom(self._root)
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        full = f"{self._package}.Row" if self._package else "Row"
        self._class = message_factory.GetMessageClass(pool.FindMessageTypeByName(full))
        self._schema = schema

    def descriptor(self):
        """As the stream sends it, in one of the two dialects of type names."""
        sent = descriptor_pb2.DescriptorProto()
        sent.CopyFrom(self._root)
        if self._relative:
            _make_relative(sent)
        return sent

    def encode(self, values):
        m = self._class()
        self._fill(m, self._schema.columns, values)
        return m.SerializeToString()

    def _message(self, message, columns, path):
        numbers = self._rng.sample(range(1, 3 * len(columns) + 2), len(columns))
        if self._rng.random() < 0.1:
            numbers[0] = 536870911
        self._fields[id(columns)] = {}
        for column, n in zip(columns, numbers):
            name = column.name if self._rng.random() < 0.8 else column.name.swapcase()
            self._fields[id(columns)][column.name] = name
            field = message.field.add(name=name, number=n, label=F.LABEL_OPTIONAL)
            if column.not_null and not column.type.is_list() and self._rng.random() < 0.5:
                field.label = F.LABEL_REQUIRED
            self._form(message, field, column.type, path)

    def _nested(self, message, path, word):
        self._names += 1
        nested = message.nested_type.add(name=f"{word}{self._names}")
        return nested, path + (nested.name,)

    def _refer(self, field, path):
        field.type = F.TYPE_MESSAGE
        field.type_name = "." + ".".join(([self._package] if self._package else []) + list(path))

    def _form(self, message, field, t, path):
        """What a field of this type looks like."""
        if t.word == "array":
            field.label = F.LABEL_REPEATED
            self._inner(message, field, t.element, path)
            if field.type not in UNPACKABLE and self._rng.random() < 0.5:
                field.options.packed = self._rng.random() < 0.5
        elif t.word == "map":
            # A map's entry is named after its field, or protobuf refuses it.
            entry = message.nested_type.add(name=_entry_name(field.name))
            if [n.name for n in message.nested_type].count(entry.name) > 1:
                entry.name += f"X{len(message.nested_type)}"
            else:
                entry.options.map_entry = True
            field.label = F.LABEL_REPEATED
            here = path + (entry.name,)
            key = entry.field.add(name="key", number=1, label=F.LABEL_OPTIONAL)
            key.type = self._flat_form(t.key)
            inner = entry.field.add(name="value", number=2, label=F.LABEL_OPTIONAL)
            self._inner(entry, inner, t.element, here)
            self._refer(field, here)
        else:
            self._inner(message, field, t, path)

    def _inner(self, message, field, t, path):
        if t.is_list():
            nested, here = self._nested(message, path, "Wrap")
            name = "element" if t.word == "array" else "entries"
            self._form(nested, nested.field.add(name=name, number=1, label=F.LABEL_OPTIONAL), t,
                       here)
            self._refer(field, here)
        elif t.word == "struct":
            nested, here = self._nested(message, path, "Part")
            self._message(nested, t.fields, here)
            self._refer(field, here)
        else:
            field.type = self._flat_form(t)

    def _flat_form(self, t):
        if t.word in FORMS:
            return FORMS[t.word][0]
        return self._rng.choice(FORMS_64 if BITS[t.word] == 64 else FORMS_32)

    def _fill(self, m, columns, values):
        names = self._fields[id(columns)]
        for c in columns:
            if values[c.name] is not None:
                self._put(m, names[c.name], c.type, values[c.name])

    def _put(self, m, name, t, v):
        if t.word == "array":
            self._put_all(getattr(m, name), t, v)
        elif t.word == "map":
            self._put_pairs(getattr(m, name), t, v)
        elif t.word == "struct":
            inner = getattr(m, name)
            inner.SetInParent()
            self._fill(inner, t.fields, v)
        else:
            setattr(m, name, on_the_wire(t, v))

    def _put_all(self, field, t, items):
        for item in items:
            if t.element.is_list():
                self._put(field.add(), _inner_name(t.element), t.element, item)
            elif t.element.word == "struct":
                self._fill(field.add(), t.element.fields, item)
            else:
                field.append(on_the_wire(t.element, item))

    def _put_pairs(self, field, t, pairs):
        is_map = not hasattr(field, "add")
        is_message = t.element.is_list() or t.element.word == "struct"
        for key, item in pairs:
            if not is_map:
                entry = field.add(key=key)
                if is_message:
                    entry.value.SetInParent()
                    target = entry.value
                else:
                    entry.value = on_the_wire(t.element, item)
                    continue
            elif is_message:
                target = field[key]
            else:
                field[key] = on_the_wire(t.element, item)
                continue
            if t.element.word == "struct":
                self._fill(target, t.element.fields, item)
            else:
                self._put(target, _inner_name(t.element), t.element, item)


def _inner_name(t):
    return "element" if t.word == "array" else "entries"


def _entry_name(field_name):
    """protobuf's own rule: CamelCase of the field's name, and Entry."""
    words, up = "", True
    for c in field_name:
        if c == "_":
            up = True
        else:
            words += c.upper() if up else c
            up = False
    return words + "Entry"


def _make_relative(message):
    for field in message.field:
        if field.type_name:
            field.type_name = field.type_name.rsplit(".", 1)[1]
    for nested in message.nested_type:
        _make_relative(nested)


def on_the_wire(t, v):
    if t.word == "decimal":
        return format(v, "f")
    return v.text if t.word == "variant" else v


# -- JSON

def as_json(rng, schema, values):
    """The row as a JSON text, spelled at random among the forms that are allowed."""
    return _object(rng, schema.columns, values)


def read_from_json(columns, values):
    """What a row means once it was JSON: there a null in a nullable VARIANT is an absent one."""
    return {c.name: _read_from_json(c.type, values[c.name], not c.not_null) for c in columns}


def _read_from_json(t, v, may_be_null):
    if v is None or (t.word == "variant" and may_be_null and v.value() is None):
        return None
    if t.word == "struct":
        return read_from_json(t.fields, v)
    if t.word == "array":
        return [_read_from_json(t.element, i, False) for i in v]
    if t.word == "map":
        return [(k, _read_from_json(t.element, i, False)) for k, i in v]
    return v


def _object(rng, columns, values):
    members = []
    for c in columns:
        v = values[c.name]
        name = c.name if rng.random() < 0.8 else c.name.swapcase()
        if v is None and c.type.word != "variant" and rng.random() < 0.5:
            members.append(f'"{name}": null')
        elif v is not None and not (v == [] and c.type.is_list() and rng.random() < 0.5):
            members.append(f'"{name}": {spell(rng, c.type, v)}')
    rng.shuffle(members)
    return "{" + ", ".join(members) + "}"


def spell(rng, t, v):
    if t.word == "struct":
        return _object(rng, t.fields, v)
    if t.word == "array":
        return "[" + ",".join(spell(rng, t.element, i) for i in v) + "]"
    if t.word == "map":
        return "{" + ",".join(f"{json.dumps(key_text(k))}:{spell(rng, t.element, i)}"
                              for k, i in v) + "}"
    if t.word == "variant":
        return v.text
    return spell_flat(rng, t, v)


def key_text(k):
    return str(k).lower() if isinstance(k, bool) else str(k)


def spell_flat(rng, t, v):
    if t.word == "binary":
        return json.dumps(base64.b64encode(v).decode())
    if t.word == "decimal":
        return json.dumps(format(v, "f")) if rng.random() < 0.5 else format(v, "f")
    if t.word in ("float", "double"):
        if v - v != 0:
            return json.dumps("NaN" if v != v else "Infinity" if v > 0 else "-Infinity")
        return repr(v)
    if t.word == "date" and -719162 <= v <= 2932896 and rng.random() < 0.5:
        return json.dumps((datetime.date(1970, 1, 1) + datetime.timedelta(days=v)).isoformat())
    if t.word in BITS and rng.random() < 0.2:
        return json.dumps(str(v))
    return json.dumps(v, ensure_ascii=rng.random() < 0.5)
