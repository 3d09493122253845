#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What ten simple rules cost at the door: ./dev bench --rules [--json FILE]

The load tool runs as fast as it can, by turns into a table without rules and into one with ten,
which every row satisfies. Compared are the rows acknowledged in a second, pair by pair (turns.py),
and the time that the server's rpc threads spend on a row, which other work on the machine disturbs
less.
Exit status 0 when every row was stored and the rules cost less than a tenth of the throughput.
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile

import turns
from bench import Bench, cpu_by_thread

ROUNDS, SECONDS = 9, 4
COST_MAX = 0.10
RULES = {
    "stream": "stream_no >= 0",
    "seq": "seq >= 0",
    "recent": "at >= TIMESTAMP '2020-01-01T00:00:00Z'",
    "warm": "temperature BETWEEN -100 AND 1000",
    "humid": "humidity < 1000",
    "known": "healthy IS NOT NULL",
    "device": "device IS NOT NULL AND length(device) <= 32",
    "state": "state <> 'unknown'",
    "source": "source LIKE 'http%'",
    "trace": "trace <> ''",
}


class Runs:
    def __init__(self, bench, batch):
        self.bench, self.batch = bench, batch
        self.acked = {}  # table: rows
        self.rpc_ns = {}  # table: [a row, in each run]

    def run(self, kind, table):
        """Returns rows acknowledged in a second."""
        pid = self.bench.server.process.pid
        before = cpu_by_thread(pid)
        report = self.bench.measure(
            "run", "--rows", "200b", "--batch", self.batch, "--table", table, "--seconds", SECONDS,
            "--first-stream", len(self.rpc_ns.get(table, ())))
        after = cpu_by_thread(pid)
        rpc_ns = sum(ns - before.get(name, 0) for name, ns in after.items()
                     if name.startswith("rpc")) / report["rows_acked"]
        self.bench.server.wait_committed([table], timeout_s=180)
        self.acked[table] = self.acked.get(table, 0) + report["rows_acked"]
        self.rpc_ns.setdefault(table, []).append(rpc_ns)
        print(f"{kind}: {report['rows_per_s']:,.0f} rows/s, {rpc_ns:.0f} ns on rpc threads per row",
              file=sys.stderr, flush=True)
        return report["rows_per_s"]

    def faults(self):
        stored = {table: self.bench.count(table) for table in self.acked}
        return self.bench.faults + [
            f"{table}: {rows} acknowledged, {stored[table]} in Delta"
            for table, rows in self.acked.items() if stored[table] != rows]


def measure(folder, batch):
    bench = Bench(folder, {})
    with bench.server:
        bench.server.prepare()
        bench.server.start()
        plain = bench.table("200b")
        ruled = bench.table("200b", {f"rule.{name}": f"reject: {text}"
                                     for name, text in RULES.items()})
        runs = Runs(bench, batch)
        seen = turns.pairs(lambda: runs.run("plain", plain), lambda: runs.run("ruled", ruled),
                           ROUNDS)
        faults = runs.faults()
    rate = turns.medians(seen)
    return {"batch": batch, "rules": len(RULES), "faults": faults,
            "plain_rows_per_s": round(rate[0]), "ruled_rows_per_s": round(rate[1]),
            "cost": round(1 - turns.ratio(seen), 3), "pairs": turns.rounded(seen),
            "plain_rpc_ns_per_row": round(statistics.median(runs.rpc_ns[plain])),
            "ruled_rpc_ns_per_row": round(statistics.median(runs.rpc_ns[ruled]))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rules", action="store_true")
    parser.add_argument("--batch", type=int, default=1, help="rows in a request")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        report = measure(pathlib.Path(folder), options.batch)
    report["ok"] = not report["faults"] and report["cost"] < COST_MAX
    text = json.dumps(report, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
