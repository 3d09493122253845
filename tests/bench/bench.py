#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ratios against a null sink and a bare echo on the same gRPC core, in one run on one machine:
./dev bench [--quick] [--json FILE]

First rows alone, without a server: codec.py (./dev bench --codec runs only that).

Machines change their speed while one measures, so what a figure is compared with is measured in two
halves, one before it and one after, and their mean is taken; both stand in the report.

For each row set, number of streams and batch size, over TLS:
  ingest     as fast as the load tool can, while Delta is written; the lag may grow
  sustained  at a fixed rate at which the lag stays flat: it grows by less than 3 % of the rows that
             come. Begins with four fifths of the rows of the ingest run by the time until all of
             them were committed, and steps down, by as much as was too much, until it holds
and afterwards every acknowledged row is counted in Delta, and no log position is there twice.
Exit status 0 when nothing is lost and nothing is there twice, whatever the speed.
"""
import argparse
import concurrent.futures
import itertools
import json
import math
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import codec
import duckdb
from sluice_local import LocalServer, lake
from sluice_local.server import ROOT

FULL = {"rows": ["200b", "1kb"], "streams": [1, 4], "batch": [1, 100], "sink_s": 30,
        "ingest_s": 30, "sustained_s": 24, "latency_s": 8, "lookup_s": 10,
        "budget_s": 870}
QUICK = {"rows": ["200b", "1kb"], "streams": [1], "batch": [1], "sink_s": 6, "ingest_s": 8,
         "sustained_s": 10, "latency_s": 4, "lookup_s": 6,
         "budget_s": 170}
STEP_DOWN = 0.8
TRIES = 3
FLAT_S = 20
GROWTH_MAX = 0.03
KEYS = 100_000
LOOKUPS_PER_S = 5_000
PACED_RUNS = 3  # their median counts: one stall of the machine is a whole run's p99
INGEST_BESIDE = 20_000  # rows a second while lookups are measured
TARGETS = [
    ("ratio, single rows", 0.5), ("sustained_ratio, single rows", 0.25),
    ("ack_p50 against echo + device write", 2.0), ("lookup_qps against echo_qps", 0.6),
    ("lookup_p99_us, median of the runs", 5000)]


class Bench:
    def __init__(self, folder, plan):
        self.plan = plan
        self.folder = folder
        self.server = LocalServer(folder / "server", log_bytes_max=16 << 30)
        self.tool = self.server.bin / "sluice-loadgen"
        self.faults = []
        self.queues = None  # of the server, and therefore of sink and echo
        self._tables = itertools.count(1)
        self._begun = time.monotonic()
        self._shapes_done = 0

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    # -- the load tool

    def measure(self, *arguments, endpoint=None):
        """Run a measuring command of the load tool; returns its report."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        reach = []
        if endpoint is None or endpoint:
            reach = ["--endpoint", endpoint or self.server.endpoint, "--ca", self.server.ca,
                     "--token-file", self.server.admin_token_file]
        command = [str(a) for a in (self.tool, *arguments, *reach, "--json", report, "--quiet")]
        if arguments[0] in ("devwrite", "latency", "lookup"):
            command.remove("--quiet")
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
        return json.loads(report.read_text())

    def between(self, kind, command, seconds, field, ours):
        """Run ours between two halves of the command against the bare server of that kind;
        returns what ours returned, and the field of both halves' reports."""
        def half():
            with Bare(self, kind) as endpoint:
                return self.measure(*command, "--seconds", max(1, seconds // 2),
                                    endpoint=endpoint)[field]
        before, result, after = half(), ours(), half()
        return result, [before, after]

    def table(self, rows, properties=None):
        """A new table for a row set; returns its name."""
        done = subprocess.run([self.tool, "ddl", "--rows", rows], stdout=subprocess.PIPE,
                              text=True, check=True)
        _, ddl, keys = done.stdout.splitlines()[0].split("\t")
        name = f"bench.load.t{next(self._tables)}"
        with self.server.connect() as admin:
            admin.create_table(name, ddl, [k for k in keys.split(",") if k], properties)
        return name

    # -- ingest

    def ingest(self, rows, streams, batch):
        shape = ["--rows", rows, "--streams", streams, "--batch", batch]
        table = self.table(rows)
        (full, seen), sinks = self.between(
            "sink", ["run", *shape, "--table", "bench.load.sink"], self.plan["sink_s"],
            "rows_per_s", lambda: self.full_speed(shape, table))
        ceiling = statistics.mean(sinks)
        sustained, more_acked = self.sustained(shape, table, seen["committed_per_s"], streams)
        self.server.wait_committed([table], timeout_s=180)
        acked, in_delta = full["rows_acked"] + more_acked, self.count(table)
        if in_delta != acked:
            self.faults.append(f"{table}: {acked} rows acknowledged, {in_delta} in Delta")
        with self.server.connect() as admin:
            admin.drop_table(table)
        return {
            "rows": rows, "streams": streams, "batch": batch,
            "sink_rows_per_s": round(ceiling), "sink_halves": [round(s) for s in sinks],
            "ingest_rows_per_s": round(full["rows_per_s"]),
            "ratio": round(full["rows_per_s"] / ceiling, 3),
            "sustained_rows_per_s": round(sustained),
            "sustained_ratio": round(sustained / ceiling, 3),
            "ack_p50_us": full["ack_p50_us"], "ack_p99_us": full["ack_p99_us"],
            "rows_acked": acked, "rows_in_delta": in_delta,
            "cpu_ns_per_row": {name: round(ns / full["rows_acked"])
                               for name, ns in seen["cpu_ns"].items()},
            "log_bytes": seen["log_bytes"]}

    def full_speed(self, shape, table):
        """As fast as the load tool can; ends when all of it is in Delta."""
        begun = time.monotonic()
        watch = Watch(self.server, table)
        full = self.measure("run", *shape, "--table", table, "--seconds", self.plan["ingest_s"])
        seen = watch.stop()
        self.server.wait_committed([table], timeout_s=180)
        seen["committed_per_s"] = full["rows_acked"] / (time.monotonic() - begun)
        return full, seen

    def sustained(self, shape, table, committed_per_s, streams):
        """A rate at which the lag is flat over all but the first seconds; returns (rate, rows
        acknowledged on the way)."""
        rate, acked, first = committed_per_s * STEP_DOWN, 0, streams
        for attempt in range(TRIES):
            watch = Watch(self.server, table)
            report = self.measure("run", *shape, "--table", table, "--rate", max(1, int(rate)),
                                  "--seconds", self.plan["sustained_s"], "--first-stream", first)
            seen = watch.stop()
            acked, first = acked + report["rows_acked"], first + streams
            if seen["lag_grows_per_s"] < GROWTH_MAX * rate:
                return report["rows_per_s"], acked
            if not self.has_time():
                break
            if attempt + 1 < TRIES:
                # A little less than what came into Delta meanwhile: one to three steps down.
                came = rate - seen["lag_grows_per_s"]
                rate *= min(STEP_DOWN, max(STEP_DOWN ** 3, 0.9 * came / rate))
                self.server.wait_committed([table], timeout_s=180)
        return 0, acked

    def has_time(self):
        """Whether the shapes still to come will fit into the budget if this one tries again."""
        shapes = len(self.plan["rows"]) * len(self.plan["streams"]) * len(self.plan["batch"])
        share = (self._shapes_done + 1) / shapes
        again_s = 2 * self.plan["sustained_s"]
        return time.monotonic() - self._begun + again_s < self.plan["budget_s"] * share

    def count(self, table):
        """Rows of a table as DuckDB counts them; looks for positions that are there twice."""
        folder = self.server.table_folder(table)
        self.faults += [f"{table}: {fault}" for fault in lake.position_faults(folder)]
        with lake.connect_duckdb() as connection:
            return connection.execute(f"SELECT count(*) FROM delta_scan('{folder}')").fetchone()[0]

    # -- latency and lookups

    def latencies(self):
        seconds = self.plan["latency_s"]
        table = self.table("200b")
        device = self.measure("devwrite", self.server.folder / "data", endpoint="")
        ours, echoes = self.between(
            "echo", ["latency", "--echo"], seconds, "echo_p50_us", lambda: self.measure(
                "latency", "--rows", "200b", "--table", table, "--seconds", seconds))
        return {"device_write_p50_us": device["device_write_p50_us"],
                "echo_p50_us": statistics.mean(echoes), "echo_p50_us_halves": echoes,
                "ack_p50_us": ours["ack_p50_us"],
                "ack_p99_us": ours["ack_p99_us"]}

    def lookups(self):
        seconds, table = self.plan["lookup_s"], self.table("keyed")
        self.measure("run", "--rows", "keyed", "--table", table, "--keys", KEYS, "--count", KEYS,
                     "--batch", 100)
        shape = ["--table", table, "--keys", KEYS]
        ours, echoes = self.between(
            "echo", ["lookup", "--echo", *shape], seconds, "echo_qps",
            lambda: self.measure("lookup", *shape, "--seconds", seconds))
        paced = [self.paced(shape, seconds) for _ in range(PACED_RUNS)]
        for report in (ours, *paced):
            if report["failed"] or report["missing"]:
                self.faults.append(f"lookups: {report['failed']} failed, {report['missing']} "
                                   "missing")
        return {"echo_qps": round(statistics.mean(echoes)), "echo_qps_halves": echoes,
                "lookup_qps": round(ours["lookup_qps"]),
                "lookup_p50_us": statistics.median(r["lookup_p50_us"] for r in paced),
                "lookup_p99_us": statistics.median(r["lookup_p99_us"] for r in paced),
                "lookup_p99_us_each": [r["lookup_p99_us"] for r in paced]}

    def paced(self, shape, seconds):
        """Lookups at a fixed rate while rows are ingested."""
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            ingest = beside.submit(self.measure_beside, seconds + 2)
            time.sleep(1)
            report = self.measure("lookup", *shape, "--rate", LOOKUPS_PER_S, "--seconds", seconds)
            ingest.result()  # raises when rows were not ingested meanwhile
        return report

    def measure_beside(self, seconds):
        """Ingest while lookups are measured; its own report is of no interest."""
        table = self.table("200b")
        subprocess.run(
            [str(a) for a in (
                self.tool, "run", "--rows", "200b", "--table", table, "--rate", INGEST_BESIDE,
                "--seconds", seconds, "--endpoint", self.server.endpoint, "--ca", self.server.ca,
                "--token-file", self.server.admin_token_file, "--quiet")],
            stdout=subprocess.DEVNULL, check=True)

    def run(self):
        self.server.prepare()
        self.server.start()
        with self.server.connect() as admin:
            self.queues = next(c.value for c in admin.status().counters if c.name == "rpc_queues")
        report = {"commit": commit(), "machine": machine(), "plan": self.plan,
                  "queues": self.queues, "codec": codec.measure()}
        codec.show(report["codec"], sys.stderr)
        report.update(self.latencies())
        self.say(" ".join(f"{k} {report[k]:.0f}" for k in
                          ("device_write_p50_us", "echo_p50_us", "ack_p50_us", "ack_p99_us")))
        report.update(self.lookups())
        self.say(" ".join(f"{k} {report[k]:.0f}" for k in
                          ("echo_qps", "lookup_qps", "lookup_p50_us", "lookup_p99_us")))
        report["ingest"] = []
        for batch in self.plan["batch"]:
            for rows in self.plan["rows"]:
                for streams in self.plan["streams"]:
                    figures = self.ingest(rows, streams, batch)
                    report["ingest"].append(figures)
                    self._shapes_done += 1
                    self.say("{rows} x{batch} {streams} stream(s): sink {sink_rows_per_s:,} "
                             "ingest {ingest_rows_per_s:,} ratio {ratio} sustained "
                             "{sustained_rows_per_s:,} ratio {sustained_ratio}".format(**figures))
        self.server.stop()
        report["faults"] = self.faults
        report["seconds"] = round(time.monotonic() - self._begun)
        report["targets"] = targets(report) + report["codec"]["targets"]
        return report


class Bare:
    """The load tool's own server: the sink or the echo, with the server's certificate and as many
    completion queues, each with its thread, as the server says it has."""

    def __init__(self, bench, kind):
        self._bench, self._kind = bench, kind
        self._port_file = bench.folder / "bare.port"

    def __enter__(self):
        self._port_file.unlink(missing_ok=True)
        tls = self._bench.server.folder / "tls"
        self._process = subprocess.Popen(
            [self._bench.tool, self._kind, "--listen", "127.0.0.1:0", "--cert", tls / "server.pem",
             "--key", tls / "server.key", "--port-file", self._port_file,
             "--queues", str(self._bench.queues)],
            stdout=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not (self._port_file.exists() and self._port_file.read_text().endswith("\n")):
            if time.monotonic() > end or self._process.poll() is not None:
                raise RuntimeError(f"the {self._kind} does not start")
            time.sleep(0.02)
        return f"localhost:{self._port_file.read_text().strip()}"

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)


class Watch(threading.Thread):
    """Looks at the server while it is measured: lag of a table, CPU time by thread."""

    PERIOD_S = 0.5

    def __init__(self, server, table):
        super().__init__(daemon=True)
        self._server, self._table = server, table
        self._over = threading.Event()
        self._samples = []  # (time, rows not in Delta, log bytes)
        self._cpu_before = cpu_by_thread(server.process.pid)
        self.start()

    def run(self):
        with self._server.connect() as admin:
            while not self._over.wait(self.PERIOD_S):
                status = admin.status()
                for t in status.tables:
                    if t.name == self._table:
                        self._samples.append((time.monotonic(), t.rows_appended - t.rows_committed,
                                              status.log_bytes))

    def stop(self):
        self._over.set()
        self.join()
        after = cpu_by_thread(self._server.process.pid)
        cpu = {n: ns - self._cpu_before.get(n, 0) for n, ns in after.items()}
        return {"cpu_ns": {n: ns for n, ns in sorted(cpu.items()) if ns > 10_000_000},
                "lag_grows_per_s": self._lag_grows_per_s(),
                "log_bytes": max((s[2] for s in self._samples), default=0)}

    def _lag_grows_per_s(self):
        """The lag rises and falls with each commit: by the means of both halves of the last FLAT_S
        seconds (or five sixths of a shorter run). Infinite when too little was seen."""
        if len(self._samples) < 9:
            return math.inf
        end, begun = self._samples[-1][0], self._samples[0][0]
        length = min(FLAT_S, (end - begun) * 5 / 6)
        first = [s[1] for s in self._samples if end - length <= s[0] < end - length / 2]
        second = [s[1] for s in self._samples if s[0] >= end - length / 2]
        return (statistics.mean(second) - statistics.mean(first)) / (length / 2)


def cpu_by_thread(pid):
    """{name of thread: ns on a core}; threads of the same name are added up."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text().strip()
            ns = int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[name] = found.get(name, 0) + ns
    return found


def commit():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"],
                          stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in info.splitlines()
                  if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": model, "cores": os.cpu_count(), "memory_gib": round(memory / 2**30),
            "kernel": platform.release(), "duckdb": duckdb.__version__}


def targets(report):
    """[(what, figure, target, reached)]"""
    single = [f for f in report["ingest"] if f["batch"] == 1]
    figures = [
        min(f["ratio"] for f in single), min(f["sustained_ratio"] for f in single),
        report["ack_p50_us"] / (report["echo_p50_us"] + report["device_write_p50_us"]),
        report["lookup_qps"] / report["echo_qps"], report["lookup_p99_us"]]
    upward = [True, True, False, True, False]
    return [{"what": what, "figure": round(figure, 3), "target": target,
             "reached": figure >= target if up else figure <= target}
            for (what, target), figure, up in zip(TARGETS, figures, upward)]


def main():
    options = argparse.ArgumentParser(prog="./dev bench", description=__doc__.split("\n")[0])
    options.add_argument("--quick", action="store_true", help="fewer shapes, shorter runs")
    options.add_argument("--json", metavar="FILE", help="write the report as JSON")
    options = options.parse_args()
    place = ROOT / "bench-data"
    place.mkdir(exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=place))
    bench = Bench(folder, QUICK if options.quick else FULL)
    try:
        with bench.server:
            report = bench.run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report, indent=2) + "\n")
    for t in report["targets"]:
        print(f"{t['what']:<38} {t['figure']:>10} target {t['target']:>6} "
              f"{'reached' if t['reached'] else 'MISSED'}")
    for fault in report["faults"]:
        print(f"FAULT {fault}")
    print(f"{len(report['ingest'])} shapes in {report['seconds']} s on {report['machine']['cpu']}, "
          f"commit {report['commit']}")
    return 1 if report["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
