# SPDX-License-Identifier: Apache-2.0
"""The four feeds of a vertical farm, streamed by the load tool at a set rate: inventory movements
in grams, supplier quotes, demand in trays per hour, commodity prices.

The load tool makes the rows up as it sends them, and writes a ledger (docs/formats/ledger.md): for
each row its key, and a checksum over all of its columns. The same is made of what engines read.
"""
import json
import subprocess
import zlib

import pyarrow
from sluice_local import lake
from sluice_local.server import row_class

GROUP = "farm"
SCHEMA = "farm.feeds"


def as_sent(column):
    """An Arrow column in the form that it has in protobuf rows."""
    if pyarrow.types.is_timestamp(column.type):
        return column.cast(pyarrow.timestamp("us", column.type.tz)).cast("int64")
    if pyarrow.types.is_date(column.type):
        return column.cast("int32")
    return column.cast("string") if pyarrow.types.is_decimal(column.type) else column


def ledger_rows(rows):
    """[(table, key, hash)] as Arrow."""
    return pyarrow.table(dict(zip(("table", "key", "hash"), map(list, zip(*rows)))))


class Feeds:
    """The load tool at work beside the other producers."""

    def __init__(self, server, token_file):
        self._server = server
        self._tool = server.bin / "sluice-loadgen"
        self._token_file = token_file
        self._report = server.folder / "farm.json"
        self._ledger = server.folder / "farm.ledger"
        self._process = None

    def tables(self):
        """[(name, ddl, key columns)], as the load tool wants them."""
        done = subprocess.run([self._tool, "ddl", "--rows", GROUP, "--table", SCHEMA],
                              stdout=subprocess.PIPE, text=True, check=True)
        lines = [line.split("\t") for line in done.stdout.splitlines()]
        return [(name, ddl, [k for k in keys.split(",") if k]) for name, ddl, keys in lines]

    def start(self, rate, count):
        self._process = subprocess.Popen(
            [self._tool, "run", "--rows", GROUP, "--table", SCHEMA, "--streams", "4",
             "--rate", str(rate), "--count", str(count), "--endpoint", self._server.endpoint,
             "--ca", self._server.ca, "--token-file", self._token_file, "--json", self._report,
             "--ledger", self._ledger, "--quiet"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def wait(self):
        """Until it is done; returns its report."""
        output = self._process.communicate()[0]
        if self._process.returncode != 0:
            raise RuntimeError(f"sluice-loadgen ended with {self._process.returncode}:\n{output}")
        return json.loads(self._report.read_text())

    def stop(self):
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def compare(self, tables):
        """{table: Arrow as an engine read it} against what was acknowledged, by every column."""
        found = []
        with self._server.connect() as connection:
            for name, table in tables.items():
                row, columns = row_class(connection, name), table.column_names
                for values in zip(*(as_sent(table[c]).to_pylist() for c in columns)):
                    cells = dict(zip(columns, values))
                    found.append((name, "{stream_no},{seq}".format(**cells),
                                  f"{zlib.crc32(row(**cells).SerializeToString()):08x}"))
        return lake.compare(self._acked(), ledger_rows(found))

    def _acked(self):
        """Rows of the ledger that were acknowledged."""
        tables, acked, rows = {}, {}, []
        for line in self._ledger.read_text().splitlines():
            kind, stream, *rest = line.split("\t")
            if kind == "S":
                tables[stream] = rest[0]
            elif kind == "R":
                rows.append((stream, int(rest[0]), *rest[1:]))
            elif kind == "A":
                acked[stream] = int(rest[0])
        return ledger_rows([(tables[stream], key, hashed) for stream, offset, key, hashed in rows
                            if offset <= acked.get(stream, -1)])
