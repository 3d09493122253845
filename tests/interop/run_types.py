#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random schemas and rows through the server and back: ./dev interop types [options]

Each schema becomes a table with a key. Half of its rows go in as protobuf under a random descriptor
of google.protobuf, half as JSON. They are read back by lookup (JSON, and the table's own message),
by pyarrow from the data files, and by a Delta engine: delta-rs, or DuckDB where delta-rs does not
know the table's features. Every value must be the one that was sent.

Exit status 0 when all rows are equal everywhere. A difference names seed, schema and row; --only N
runs that schema alone.
"""
import argparse
import collections
import json
import pathlib
import random
import sys
import tempfile
import time

import deltalake
import pyarrow.parquet
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from sluice.v1 import sluice_pb2
from sluice_local import LocalServer, lake

import random_types as rt
import same_rows

WAVE = 50            # tables that are filled at the same time
BATCH = 20           # rows of one request
DIFFERENCES_MAX = 20  # shown


class Table:
    """One random schema with its rows, and what was found of them."""

    def __init__(self, seed, number, row_count, depth_max):
        self.number = number
        self.rng = random.Random(f"{seed}/{number}")
        self.name = f"interop.types.t{number}"
        self.schema = rt.Schema(self.rng, depth_max)
        self.rows = [rt.row(self.rng, self.schema, n) for n in range(row_count)]
        self.half = row_count // 2  # as protobuf, the others as JSON
        self.rows[self.half:] = [rt.read_from_json(self.schema.columns, r)
                                 for r in self.rows[self.half:]]
        unique = self.schema.unique
        self.by_key = {r[unique.name]: r for r in self.rows}

    def keys(self, rows):
        columns = {c.name: c for c in self.schema.columns}
        return ["{" + ", ".join(f'"{k}": {rt.spell(self.rng, columns[k].type, r[k])}'
                                for k in self.schema.keys) + "}" for r in rows]


class Run:
    def __init__(self, server, options):
        self.server = server
        self.options = options
        self.differences = []
        self.counts = collections.Counter()

    def wave(self, numbers):
        o = self.options
        with self.server.connect() as client:
            tables = [Table(o.seed, n, o.rows, o.depth) for n in numbers]
            for t in tables:
                client.create_table(t.name, t.schema.ddl(), t.schema.keys)
                self.send(client, t)
            self.server.wait_committed([t.name for t in tables])
            for t in tables:
                self.counts["schemas"] += 1
                self.counts["rows"] += len(t.rows)
                self.look_up(client, t)
                self.read_files(client, t)

    def send(self, client, t):
        half = t.half
        messages = rt.Messages(t.rng, t.schema)
        with client.producer(t.name, messages.descriptor()) as p:
            self.send_all(p, t, [messages.encode(r) for r in t.rows[:half]])
        with client.producer(t.name) as p:
            self.send_all(p, t, [rt.as_json(t.rng, t.schema, r) for r in t.rows[half:]])
        self.counts["sent as protobuf"] += half
        self.counts["sent as JSON"] += len(t.rows) - half

    def send_all(self, producer, t, rows):
        """Some alone, some in batches."""
        while rows:
            count = t.rng.choice([1, BATCH])
            if count == 1:
                producer.append(rows[0])
            else:
                producer.append_batch(rows[:count])
            rows = rows[count:]

    def look_up(self, client, t):
        keys = t.keys(t.rows)
        for form, word, way in (
                (sluice_pb2.ROW_FORMAT_JSON, "lookup, JSON", same_rows.JSON),
                (sluice_pb2.ROW_FORMAT_PROTO, "lookup, protobuf", same_rows.MESSAGE)):
            read = self.from_lookup(client, t, form)
            request = sluice_pb2.MultiGetRequest(table=t.name, key_json=keys, format=form)
            answer = client._call(client._rows.MultiGet, request)
            for wanted, got in zip(t.rows, answer.rows):
                self.compare(t, wanted, read(got.row) if got.found else None, word, way)

    def from_lookup(self, client, t, form):
        columns = t.schema.columns
        if form == sluice_pb2.ROW_FORMAT_JSON:
            return lambda row: {c.name: same_rows.from_json(c.type, v) for c, v in (
                (c, same_rows.parse(row)[c.name]) for c in columns)}
        file = descriptor_pb2.FileDescriptorProto(name="own.proto", syntax="proto2")
        file.message_type.add().ParseFromString(client.table(t.name).descriptor_proto)
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        own = message_factory.GetMessageClass(
            pool.FindMessageTypeByName(file.message_type[0].name))
        return lambda row: same_rows.from_message(own.FromString(row), columns)

    def read_files(self, client, t):
        folder = pathlib.Path(client.table(t.name).location)
        files = sorted(folder.glob("*.parquet"))
        parts = [pyarrow.parquet.ParquetFile(f).read() for f in files]
        self.compare_all(t, [row for part in parts for row in self.from_table(t, part)],
                         "pyarrow")
        try:
            found, word = lake.read_delta_rs(folder), "delta-rs"
        except (deltalake.exceptions.DeltaError, deltalake.exceptions.DeltaProtocolError) as e:
            if not t.schema.has_variant():
                raise
            self.counts[f"delta-rs refuses: {str(e)[:60]}"] += 1
            found, word = lake.read_duckdb(folder), "DuckDB"
        self.compare_all(t, self.from_table(t, found), word)

    def from_table(self, t, table):
        columns = t.schema.columns
        values = [same_rows.from_arrow(table.column(c.name), c.type) for c in columns]
        return [dict(zip([c.name for c in columns], row)) for row in zip(*values)]

    def compare_all(self, t, found, word):
        rest = dict(t.by_key)
        for row in found:
            wanted = rest.pop(row[t.schema.unique.name], None)
            self.compare(t, wanted, row, word, same_rows.ARROW)
        for wanted in rest.values():
            self.compare(t, wanted, None, word, same_rows.ARROW)

    def compare(self, t, wanted, found, word, way):
        self.counts[f"compared by {word}"] += 1
        if wanted is None or found is None:
            self.differ(t, word, "a row is missing" if found is None else "an unknown row",
                        wanted or found)
            return
        for c in t.schema.columns:
            if not same_rows.same(c.type, wanted[c.name], found[c.name], way):
                self.differ(t, word, f"column {c.name} {c.ddl_type()}: sent {wanted[c.name]!r}",
                            found[c.name])

    def differ(self, t, word, what, value):
        self.differences.append((t.number, word))
        if len(self.differences) <= DIFFERENCES_MAX:
            print(f"DIFFERENT seed {self.options.seed} schema {t.number}, {word}: {what[:1000]}, "
                  f"found {str(value)[:1000]}", flush=True)

    def all(self, numbers):
        begun = time.monotonic()
        for at in range(0, len(numbers), WAVE):
            self.wave(numbers[at:at + WAVE])
            if sys.stderr.isatty():
                print(f"\r{self.counts['schemas']} of {len(numbers)} schemas, "
                      f"{len(self.differences)} differences", end="", file=sys.stderr)
        if sys.stderr.isatty():
            print(file=sys.stderr)
        self.counts["seconds"] = round(time.monotonic() - begun)
        return {**self.counts, "seed": self.options.seed, "differences": len(self.differences)}


def options(arguments):
    p = argparse.ArgumentParser(
        prog="./dev interop types", description=__doc__.split("\n\n")[1],
        formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--schemas", type=int, default=100, help="how many tables (100)")
    p.add_argument("--rows", type=int, default=100, help="rows of each (100)")
    p.add_argument("--depth", type=int, default=5, help="types nest at most so deep (5)")
    p.add_argument("--seed", default="1", help="what the random choices come from (1)")
    p.add_argument("--only", type=int, metavar="N", help="schema N alone")
    p.add_argument("--json", metavar="FILE", help="the report as JSON")
    return p.parse_args(arguments)


def main():
    o = options(sys.argv[1:])
    numbers = [o.only] if o.only is not None else list(range(o.schemas))
    with tempfile.TemporaryDirectory(prefix="sluice-types-") as folder:
        with LocalServer(pathlib.Path(folder) / "server", freshness_ms=200) as server:
            server.prepare()
            server.start()
            run = Run(server, o)
            report = run.all(numbers)
            server.stop()
    for key, n in report.items():
        print(f"{key}\t{n}")
    if o.json:
        pathlib.Path(o.json).write_text(json.dumps(report, indent=2) + "\n")
    return 1 if run.differences or report["rows"] != len(numbers) * o.rows else 0


if __name__ == "__main__":
    sys.exit(main())
