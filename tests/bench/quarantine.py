#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What bad rows cost: ./dev bench --quarantine [--rows N] [--json FILE]

The same rows into a table with on_error = quarantine, without bad rows and with 1 % of them, by
turns (turns.py). Afterwards every good row stands in the table, every bad one in the
quarantine table, each once, with the reason that it should have. Exit status 0 when they do and the
run with bad rows reaches 0.9 of the other.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import turns
from sluice_local import LocalServer, lake

TARGET = 0.9
ROUNDS = 5
SHARE = 1


def say(text):
    print(text, file=sys.stderr, flush=True)


class Runs:
    def __init__(self, server, rows):
        self.server = server
        self.rows = rows
        self.tool = server.bin / "sluice-loadgen"
        self.faults = []
        self.tables = 0

    def table(self):
        done = subprocess.run([self.tool, "ddl", "--rows", "200b"], stdout=subprocess.PIPE,
                              text=True, check=True)
        _, ddl, _ = done.stdout.splitlines()[0].split("\t")
        self.tables += 1
        name = f"bench.quarantine.t{self.tables}"
        with self.server.connect() as admin:
            admin.create_table(name, ddl, (), {"on_error": "quarantine"})
        return name

    def run(self, share):
        table = self.table()
        report = self.server.folder / "report.json"
        subprocess.run([str(a) for a in (
            self.tool, "run", "--rows", "200b", "--table", table, "--streams", 4, "--batch", 100,
            "--count", self.rows, "--seconds", 600, "--bad-share", share, "--quiet",
            "--endpoint", self.server.endpoint, "--ca", self.server.ca,
            "--token-file", self.server.admin_token_file, "--json", report)],
            stdout=subprocess.DEVNULL, check=True)
        rate = json.loads(report.read_text())["rows_per_s"]
        say(f"{self.rows} rows, {share} % bad: {rate:,.0f} rows/s")
        self.check(table, share)
        return rate

    def check(self, table, share):
        quarantine = f"{table}__quarantine"
        self.server.wait_committed([table, quarantine], timeout_s=300)
        bad = self.rows * share // 100
        good = self.read(table, "count(*), count(DISTINCT (stream_no, seq))", "")
        held = self.read(quarantine, "count(*), count(DISTINCT (stream_id, stream_offset, "
                                     "record_index))", "WHERE reason LIKE '%seq%'")
        for what, found, want in (("rows", good, self.rows - bad), ("bad rows", held, bad)):
            if found != (want, want):
                self.faults.append(f"{table}: {want} {what} sent, {found} found (all, different)")

    def read(self, table, what, where):
        folder = pathlib.Path(self.server.table_folder(table))
        if not (folder / "_delta_log").exists():
            return (0, 0)
        with lake.connect_duckdb() as connection:
            return connection.execute(
                f"SELECT {what} FROM delta_scan('{folder}') {where}").fetchone()


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quarantine", action="store_true")
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--json", metavar="FILE")
    o = options.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-quarantine-"))
    server = LocalServer(folder / "server", log_bytes_max=16 << 30)
    server.prepare()
    server.start()
    try:
        runs = Runs(server, o.rows)
        runs.run(0)  # the first of all warms up
        seen = turns.pairs(lambda: runs.run(0), lambda: runs.run(SHARE), ROUNDS)
    finally:
        server.kill()
    shutil.rmtree(folder)
    clean, mixed = turns.medians(seen)
    ratio = turns.ratio(seen)
    report = {"rows": o.rows, "bad_percent": SHARE, "rows_per_s_without": round(clean),
              "rows_per_s_with": round(mixed), "ratio": round(ratio, 3),
              "pairs": turns.rounded(seen),
              "faults": runs.faults}
    for fault in runs.faults:
        say(f"FAULT {fault}")
    print(f"1 % bad rows: {mixed:,.0f} rows/s against {clean:,.0f} without: "
          f"{ratio:.2f} in pairs (reach: {TARGET})")
    if o.json:
        pathlib.Path(o.json).write_text(json.dumps(report, indent=2) + "\n")
    return 0 if not runs.faults and ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
