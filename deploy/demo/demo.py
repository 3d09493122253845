#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole way with real data: ./dev demo [--once] [--json FILE]

Starts a server in demo-data/ with a development CA, streams real flights with the official Zerobus
SDK, real airports with generated stubs and the feeds of a vertical farm with the load tool, all at
once, and compares every row with what other engines read from the Delta tables.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import airports  # noqa: E402
import farm  # noqa: E402
import flights  # noqa: E402
from sluice_local import LocalServer, Progress, lake  # noqa: E402
from sluice_local.server import ROOT, port_or_another  # noqa: E402

FOLDER = ROOT / "demo-data"
PORT = 50051
LOOKUPS = 1000
FARM_RATE = 5_000  # rows a second, of all four feeds
FARM_ROWS = 60_000


class Worker(threading.Thread):
    """A producer beside the others; result() raises what it raised."""

    def __init__(self, work, *arguments):
        super().__init__(daemon=True)
        self._work, self._arguments = work, arguments
        self._result = self._error = None

    def run(self):
        try:
            self._result = self._work(*self._arguments)
        except BaseException as e:
            self._error = e

    def result(self):
        self.join()
        if self._error:
            raise self._error
        return self._result


class Demo:
    def __init__(self, progress):
        self.progress = progress
        self.server = LocalServer(FOLDER, port_or_another(PORT))
        self.flights = self.airports = self.feeds = None
        self.counts = {}  # table -> [sent, acked]

    # -- 1: a server with tables

    def start_server(self):
        self.progress.say(f"1. a server with certificates and tokens of its own in {FOLDER}")
        if FOLDER.exists():
            shutil.rmtree(FOLDER)
        self.server.prepare()
        self.server.start()
        # The official SDK trusts the system's CAs; this names ours instead.
        os.environ["SSL_CERT_FILE"] = str(self.server.ca)
        os.environ["no_proxy"] = "localhost,127.0.0.1"
        os.environ.setdefault("RUST_LOG", "error")

    def create_tables(self):
        _, farm_token_file = self.server.token("farm", {f"{farm.SCHEMA}.*": "rw"})
        self.feeds = farm.Feeds(self.server, farm_token_file)
        for name, ddl, key in [(flights.NAME, flights.DDL, []),
                               (airports.NAME, airports.DDL, [airports.KEY]),
                               *self.feeds.tables()]:
            options = ["--primary-key", ",".join(key)] if key else []
            self.server.command("table", "create", name, ddl, *options)

    # -- 2: rows

    def stream(self):
        """All three producers at once; returns their ack latencies in microseconds."""
        self.flights, self.airports = flights.load(), airports.load()
        self.progress.say(
            f"2. {len(self.flights):,} flights by the official Zerobus SDK (protobuf), "
            f"{len(self.airports):,} airports\n   by generated stubs (JSON), {FARM_ROWS:,} rows of "
            f"four farm feeds by the load tool at {FARM_RATE:,}/s")
        for name, rows in (("flights", self.flights), ("airports", self.airports)):
            self.progress.add(name, len(rows))
        flights_token, _ = self.server.token("flights", {flights.NAME: "w"})
        airports_token, _ = self.server.token("airports", {airports.NAME: "rw"})
        with self.server.connect(airports_token) as connection:
            workers = [
                Worker(flights.send, self.flights, self.server.endpoint, flights_token,
                       lambda n: self.progress.update("flights", n)),
                Worker(airports.send, self.airports, connection,
                       lambda n: self.progress.update("airports", n))]
            self.feeds.start(FARM_RATE, FARM_ROWS)
            for worker in workers:
                worker.start()
            try:
                (flights_acked, flight_acks), (airports_acked, airport_acks) = [
                    worker.result() for worker in workers]
                report = self.feeds.wait()
            finally:
                self.feeds.stop()
        self.progress.finish()
        self.counts[flights.NAME] = [len(self.flights), flights_acked]
        self.counts[airports.NAME] = [len(self.airports), airports_acked]
        self.counts[farm.SCHEMA] = [report["rows_sent"], report["rows_acked"]]
        return {"official SDK": latency(flight_acks), "stubs": latency(airport_acks),
                "load tool": (report["ack_p50_us"], report["ack_p99_us"])}

    # -- 3: what other engines see

    def wait_committed(self):
        self.progress.say("3. everything acknowledged is committed, and read by other engines")
        tables = [flights.NAME, airports.NAME] + [name for name, _, _ in self.feeds.tables()]
        status = self.server.wait_committed(tables, timeout_s=300)
        return next((x.p95_us / 1000 for x in status.latencies if x.name == "commit_freshness"), 0)

    def compare(self):
        """{engine: Comparison over all tables}"""
        sources = {flights.NAME: flights.arrow(self.flights),
                   airports.NAME: airports.arrow(self.airports)}
        verdicts = {}
        for engine, read in lake.ENGINES.items():
            total = lake.Comparison(0, 0, 0, 0)
            for name, source in sources.items():
                total += lake.compare(source, read(self.server.table_folder(name)))
            total += self.feeds.compare({name: read(self.server.table_folder(name))
                                         for name, _, _ in self.feeds.tables()})
            verdicts[engine] = total
            self.progress.say(f"   {engine:<9} {total.rows:,} rows, {total.lost} lost, "
                              f"{total.duplicated} duplicated, {total.foreign} foreign")
        faults = [fault for name in [*sources, *(n for n, _, _ in self.feeds.tables())]
                  for fault in lake.position_faults(self.server.table_folder(name))]
        for fault in faults:
            self.progress.say(f"   {fault}")
        return verdicts, faults

    # -- 4: lookups

    def look_up(self):
        self.progress.say(f"4. {LOOKUPS:,} airports by key, and one that does not exist")
        self.progress.add("lookups", LOOKUPS, "keys")
        with self.server.connect() as connection:
            right, wrong, examples = airports.look_up(
                self.airports, connection, LOOKUPS, lambda n: self.progress.update("lookups", n))
        self.progress.finish()
        for example in examples:
            self.progress.say(f"   wrong: {example}")
        return right, wrong

    # -- 5: the report

    def run(self):
        begun = time.monotonic()
        self.start_server()
        self.create_tables()
        acks = self.stream()
        freshness_p95_ms = self.wait_committed()
        verdicts, faults = self.compare()
        right, wrong = self.look_up()
        sent = sum(s for s, _ in self.counts.values())
        acked = sum(a for _, a in self.counts.values())
        # An engine that sees less than another is not forgiven: the worst counts.
        return {
            "rows_sent": sent,
            "rows_acked": acked,
            "rows_in_delta": min(v.rows for v in verdicts.values()),
            "rows_lost": max(v.lost for v in verdicts.values()),
            "rows_duplicated": max(v.duplicated + v.foreign for v in verdicts.values()),
            "lookups_right": right,
            "lookups_wrong": wrong,
            "ack_p50_us": acks["load tool"][0],
            "ack_p99_us": acks["load tool"][1],
            "freshness_p95_ms": round(freshness_p95_ms, 1),
            "position_faults": len(faults),
            "acks": {name: {"p50_us": p50, "p99_us": p99} for name, (p50, p99) in acks.items()},
            "seconds": round(time.monotonic() - begun, 1),
        }

    def summary(self, report):
        folder = self.server.lake
        lines = [
            "5. report",
            f"   rows       {report['rows_sent']:,} sent, {report['rows_acked']:,} acknowledged, "
            f"{report['rows_in_delta']:,} in Delta, {report['rows_lost']} lost, "
            f"{report['rows_duplicated']} duplicated",
            *(f"   acks       {name}: p50 {p['p50_us'] / 1000:,.2f} ms, "
              f"p99 {p['p99_us'] / 1000:,.2f} ms" for name, p in report["acks"].items()),
            f"   freshness  p95 {report['freshness_p95_ms'] / 1000:.2f} s from ack to committed",
            f"   lookups    {report['lookups_right']:,} right, {report['lookups_wrong']} wrong",
            f"   listening  {self.server.endpoint} (TLS, CA {self.server.ca})",
            f"   tables     {folder}",
        ]
        return "\n".join(lines)

    def next_steps(self):
        tool = self.server.bin / "sluice"
        return "\n".join([
            "   try next, in another terminal:",
            f"     export SLUICE_ENDPOINT={self.server.endpoint} SLUICE_CA={self.server.ca}",
            f"     export SLUICE_TOKEN_FILE={self.server.admin_token_file}",
            f"     {tool} status",
            f"     {tool} get {airports.NAME} EDDF",
            f"     {ROOT / '.venv/bin/python'} -c \"from deltalake import DeltaTable as T; "
            f"print(T('{self.server.table_folder(flights.NAME)}').to_pyarrow_table().num_rows)\""])


def latency(samples):
    """(p50, p99) of microseconds."""
    ordered = sorted(samples)
    if not ordered:
        return 0, 0
    return tuple(round(ordered[min(len(ordered) - 1, int(len(ordered) * q))]) for q in (0.5, 0.99))


def all_is_well(report):
    return (not any(report[k] for k in ("rows_lost", "rows_duplicated", "lookups_wrong",
                                        "position_faults"))
            and report["rows_sent"] == report["rows_acked"] == report["rows_in_delta"])


def main():
    options = argparse.ArgumentParser(prog="./dev demo", description=__doc__.split("\n")[0])
    options.add_argument("--once", action="store_true", help="end after the report")
    options.add_argument("--json", metavar="FILE", help="write the report as JSON")
    options = options.parse_args()
    demo = Demo(Progress())
    with demo.server:
        report = demo.run()
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(report, indent=2) + "\n")
        print(demo.summary(report), flush=True)
        well = all_is_well(report)
        print("   " + ("all is well" if well else "SOMETHING IS WRONG, see above"), flush=True)
        if not options.once and well:
            print(demo.next_steps())
            print("serving until Ctrl-C", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                demo.server.process.wait()
        status = demo.server.stop()
        if status != 0:
            print(f"sluiced ended with {status}:\n{demo.server.log_tail()}")
    return 0 if well and status == 0 else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
