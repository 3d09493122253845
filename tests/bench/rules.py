#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What ten simple rules cost at the door: ./dev bench --rules [--json FILE]

The load tool runs as fast as it can, by turns into a table without rules and into one with ten,
which every row satisfies. Compared are the medians of the rows acknowledged in a second, and of the
time that the server's rpc threads spend on a row, which other work on the machine disturbs less.
Exit status 0 when every row was stored and the rules cost less than a tenth of the throughput.
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile

from bench import Bench, cpu_by_thread

ROUNDS, SECONDS = 5, 5
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


def measure_one(bench, table, first_stream, batch):
    pid = bench.server.process.pid
    before = cpu_by_thread(pid)
    report = bench.measure("run", "--rows", "200b", "--batch", batch, "--table", table,
                           "--seconds", SECONDS, "--first-stream", first_stream)
    after = cpu_by_thread(pid)
    rpc_ns = sum(ns - before.get(name, 0) for name, ns in after.items() if name.startswith("rpc"))
    bench.server.wait_committed([table], timeout_s=180)
    return report["rows_acked"], report["rows_per_s"], rpc_ns / report["rows_acked"]


def measure(folder, batch):
    bench = Bench(folder, {})
    with bench.server:
        bench.server.prepare()
        bench.server.start()
        tables = {"plain": bench.table("200b"),
                  "ruled": bench.table("200b", {f"rule.{name}": f"reject: {text}"
                                                for name, text in RULES.items()})}
        acked, rates, costs = ({kind: [] for kind in tables} for _ in range(3))
        for i in range(ROUNDS):
            for kind, table in tables.items():
                rows, rate, cost = measure_one(bench, table, i, batch)
                acked[kind].append(rows)
                rates[kind].append(rate)
                costs[kind].append(cost)
                print(f"{kind}: {rate:,.0f} rows/s, {cost:.0f} ns on rpc threads per row",
                      file=sys.stderr, flush=True)
        for kind, table in tables.items():
            stored = bench.count(table)
            if stored != sum(acked[kind]):
                bench.faults.append(f"{table}: {sum(acked[kind])} acknowledged, {stored} in Delta")
    rate = {kind: statistics.median(v) for kind, v in rates.items()}
    cost = {kind: statistics.median(v) for kind, v in costs.items()}
    return {"batch": batch, "rules": len(RULES), "faults": bench.faults,
            "plain_rows_per_s": round(rate["plain"]), "ruled_rows_per_s": round(rate["ruled"]),
            "cost": round(1 - rate["ruled"] / rate["plain"], 3),
            "plain_rpc_ns_per_row": round(cost["plain"]),
            "ruled_rpc_ns_per_row": round(cost["ruled"])}


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
