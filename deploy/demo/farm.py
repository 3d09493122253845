# SPDX-License-Identifier: Apache-2.0
"""The four feeds of a vertical farm, streamed by the load tool at a set rate: inventory movements
in grams, supplier quotes, demand in trays per hour, commodity prices.

Each row carries the number of its stream and its own number there, so each can be found again.
"""
import json
import subprocess

import duckdb
from sluice_local.lake import Comparison

GROUP = "farm"
SCHEMA = "farm.feeds"
IDENTITY = ["stream_no", "seq"]  # what tells one row from every other, within its table


class Feeds:
    """The load tool at work beside the other producers."""

    def __init__(self, server, token_file):
        self._server = server
        self._tool = server.bin / "sluice-loadgen"
        self._token_file = token_file
        self._report = server.folder / "farm.json"
        self._process = None
        self._acked = 0

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
             "--quiet"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def wait(self):
        """Until it is done; returns its report."""
        output = self._process.communicate()[0]
        if self._process.returncode != 0:
            raise RuntimeError(f"sluice-loadgen ended with {self._process.returncode}:\n{output}")
        report = json.loads(self._report.read_text())
        self._acked = report["rows_acked"]
        return report

    def stop(self):
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def compare(self, tables):
        """The feeds' tables, read with IDENTITY's columns, against what was acknowledged: each
        stream numbered its rows 0, 1, 2 …, and all of them were acknowledged."""
        rows = different = gaps = 0
        for table in tables:
            with duckdb.connect() as connection:
                connection.register("found", table)
                count, once, missing = connection.execute("""
                    SELECT coalesce(sum(n), 0), coalesce(sum(once), 0), coalesce(sum(gap), 0)
                    FROM (SELECT count(*) AS n, count(DISTINCT seq) AS once,
                                 max(seq) + 1 - count(DISTINCT seq) AS gap
                          FROM found GROUP BY stream_no)""").fetchone()
            rows, different, gaps = rows + count, different + once, gaps + missing
        return Comparison(rows, max(gaps, self._acked - different), rows - different,
                          max(0, different - self._acked))
