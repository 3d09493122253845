#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ratios against a null sink and a bare echo on the same gRPC core, in one run on one machine:
./dev bench [--quick] [--json FILE]

First rows alone, without a server: codec.py (./dev bench --codec runs only that).

Machines change their speed while one measures. So sink and server are measured by turns (turns.py),
and a ratio is the median of the pairs'. While the sink has its turn the server stands still
(SIGSTOP): its log and its lag go on growing in the next. The echo is measured in two halves, one
before ours and one after, and their mean is taken. Lookups at a fixed rate are measured twice
before the shapes, and once after each of the first; the median counts. All of them stand in the
report, beside the CPU time that the load tool itself took for a row: where sink and ingest differ
by much, the machine had probably changed its speed. How far the pairs lie apart says what a ratio
is worth; so does stolen_share, the part of the processors' time that the host of a virtual machine
gave to others.

For each row set, number of streams and batch size, over TLS:
  ingest     as fast as the load tool can, while Delta is written; the lag may grow
  sustained  at a fixed rate at which the lag stays flat: it grows by less than 3 % of the rows that
             come, and as many of them do. Begins with seven tenths of the rows of the ingest runs
             by the time until all of them were committed, and steps down, by as much as was too
             much, until it holds; then once between the highest that held and the lowest that did
             not. 0 when no rate that there was time for held: the report has all that were tried
and afterwards every acknowledged row is counted in Delta, and no log position is there twice.
Exit status 0 when nothing is lost and nothing is there twice, whatever the speed.
"""
import argparse
import concurrent.futures
import contextlib
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
import turns
from sluice_local import LocalServer, lake
from sluice_local.server import ROOT

FULL = {"rows": ["200b", "1kb"], "streams": [1, 4], "batch": [1, 100], "turns": 5, "sink_s": 3,
        "ingest_s": 6, "sustained_s": 24, "latency_s": 6, "lookup_s": 8, "codec_s": 0.25,
        "budget_s": 850}
QUICK = {"rows": ["200b", "1kb"], "streams": [1], "batch": [1], "turns": 2, "sink_s": 3,
         "ingest_s": 5, "sustained_s": 10, "latency_s": 4, "lookup_s": 6, "codec_s": 0.25,
         "budget_s": 170}
SETTLE_S = 8  # until all rows of a run are in Delta
FIRST_RATE = 0.7  # of what was ingested and committed
STEP_DOWN_MIN, STEP_DOWN_MAX = 0.9, 0.5
GAP_MAX = 1.15  # between a rate that did not hold and one that did, as a factor
TRIES = 3
FLAT_S = 20
GROWTH_MAX = 0.03
KEYS = 100_000
LOOKUPS_PER_S = 5_000
# One stall of the machine is a whole run's p99.
PACED_FIRST, PACED_RUNS, PACED_S = 2, 5, 5
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
        self._machine_cpu = machine_cpu()
        self._keyed = None  # what the load tool is told about the table of the lookups
        self._paced = []  # reports of lookups at a fixed rate
        self._shapes_s = []  # how long each took, but for further tries

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    # -- the load tool

    def measure(self, *arguments, endpoint=None):
        """Run a measuring command of the load tool; returns its report."""
        report_file = self.folder / "report.json"
        report_file.unlink(missing_ok=True)
        reach = []
        if endpoint is None or endpoint:
            reach = ["--endpoint", endpoint or self.server.endpoint, "--ca", self.server.ca,
                     "--token-file", self.server.admin_token_file]
        command = [str(a) for a in (self.tool, *arguments, *reach, "--json", report_file,
                                      "--quiet")]
        if arguments[0] in ("devwrite", "latency", "lookup"):
            command.remove("--quiet")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True) as process:
            said = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
        report = json.loads(report_file.read_text())
        if report.get("rows_acked") == 0:
            raise RuntimeError(f"{' '.join(command)}: no row was acknowledged:\n{said}")
        if "rows_acked" in report:
            cpu_s = used.ru_utime + used.ru_stime
            report["tool_cpu_ns_per_row"] = cpu_s * 1e9 / report["rows_acked"]
        return report

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
        run, begun = Shape(self, rows, streams, batch), time.monotonic()
        seen = turns.pairs(run.sink, run.full_speed, self.plan["turns"])
        run.drain()
        sink, ingest = turns.medians(seen)
        held = run.sustained()
        in_delta = run.rows_in_delta()
        if in_delta != run.acked:
            self.faults.append(f"{run.table}: {run.acked} rows acknowledged, {in_delta} in Delta")
        with self.server.connect() as admin:
            admin.drop_table(run.table)
        self._shapes_s.append(time.monotonic() - begun - run.again_s)
        return {
            "rows": rows, "streams": streams, "batch": batch,
            "sink_rows_per_s": round(sink), "ingest_rows_per_s": round(ingest),
            "ratio": round(turns.ratio(seen), 3), "pairs": turns.rounded(seen),
            "sustained_rows_per_s": round(held), "sustained_ratio": round(held / sink, 3),
            "sustained_tried": run.tried, "rows_acked": run.acked, "rows_in_delta": in_delta,
            **run.report()}

    @contextlib.contextmanager
    def standing(self):
        """The server does nothing meanwhile."""
        self.server.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.server.process.send_signal(signal.SIGCONT)

    def has_time(self):
        """Whether the shapes still to come will fit into the budget, at a try each, if this one
        tries again. They take as long as those that were; with full batches it takes longer until
        all rows are in Delta."""
        p, done, slower_s = self.plan, len(self._shapes_s), SETTLE_S
        again_s = p["sustained_s"] + SETTLE_S
        each_s = max([p["turns"] * (p["sink_s"] + p["ingest_s"]) + SETTLE_S + again_s,
                      *self._shapes_s])
        left_s = p["budget_s"] - (time.monotonic() - self._begun)
        batches = [b for b in p["batch"] for _ in p["rows"] for _ in p["streams"]]
        if done > 0 and batches[done - 1] > 1:
            slower_s = 0  # such a one was timed already
        return again_s + sum(each_s + (slower_s if b > 1 else 0)
                             for b in batches[done + 1:]) < left_s

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
        self._keyed = ["--table", table, "--keys", KEYS]
        ours, echoes = self.between(
            "echo", ["lookup", "--echo", *self._keyed], seconds, "echo_qps",
            lambda: self.measure("lookup", *self._keyed, "--seconds", seconds))
        self.look_for_faults(ours)
        for _ in range(PACED_FIRST):
            self.paced()
        return {"echo_qps": round(statistics.mean(echoes)), "echo_qps_halves": echoes,
                "lookup_qps": round(ours["lookup_qps"]), **self.paced_figures()}

    def look_for_faults(self, report):
        if report["failed"] or report["missing"]:
            self.faults.append(f"lookups: {report['failed']} failed, {report['missing']} missing")

    def paced(self):
        """Lookups at a fixed rate while rows are ingested."""
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            ingest = beside.submit(self.measure_beside, PACED_S + 2)
            time.sleep(1)
            report = self.measure("lookup", *self._keyed, "--rate", LOOKUPS_PER_S, "--seconds",
                                  PACED_S)
            ingest.result()  # raises when rows were not ingested meanwhile
        self.look_for_faults(report)
        self._paced.append(report)

    def paced_figures(self):
        return {"lookup_p50_us": statistics.median(r["lookup_p50_us"] for r in self._paced),
                "lookup_p99_us": statistics.median(r["lookup_p99_us"] for r in self._paced),
                "lookup_p99_us_each": [r["lookup_p99_us"] for r in self._paced]}

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
        os.sync()  # what was built just now is not written back meanwhile
        self.server.prepare()
        self.server.start()
        with self.server.connect() as admin:
            self.queues = next(c.value for c in admin.status().counters if c.name == "rpc_queues")
        report = {"commit": commit(), "machine": machine(), "plan": self.plan,
                  "queues": self.queues, "codec": codec.measure(self.plan["codec_s"])}
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
                    self.say("{rows} x{batch} {streams} stream(s): sink {sink_rows_per_s:,} "
                             "ingest {ingest_rows_per_s:,} ratio {ratio} {held}".format(
                                 **figures, held=held_line(figures)))
                    if len(self._paced) < PACED_RUNS:
                        self.paced()
        report.update(self.paced_figures())
        self.server.stop()
        report["faults"] = self.faults
        report["stolen_share"] = round(stolen_share(self._machine_cpu, machine_cpu()), 3)
        report["seconds"] = round(time.monotonic() - self._begun)
        report["targets"] = targets(report) + report["codec"]["targets"]
        return report


class Shape:
    """One row set, number of streams and batch size, in a table of its own."""

    def __init__(self, bench, rows, streams, batch):
        self._bench, self._streams = bench, streams
        self._command = ["run", "--rows", rows, "--streams", streams, "--batch", batch]
        self.table = bench.table(rows)
        self.acked = 0
        self.tried = []  # rates: rows a second, how fast the lag grew
        self.again_s = 0  # what all but the first of them took
        self._first = 0  # number of the next run's first stream
        self._full_acked = self._full_s = 0
        self._seen = []
        self._cpu_ns = cpu_by_thread(bench.server.process.pid)
        self._machine_cpu = machine_cpu()
        self._tool_ns = {"sink": [], "ingest": []}

    def _load(self, **more):
        """Run the load tool on the table; returns its report and what was seen meanwhile."""
        watch = Watch(self._bench.server, self.table)
        options = itertools.chain(*((f"--{k}", v) for k, v in more.items()))
        report = self._bench.measure(*self._command, "--table", self.table, "--first-stream",
                                     self._first, *options)
        self._first += self._streams
        self.acked += report["rows_acked"]
        return report, watch.stop()

    def _wait_committed(self):
        """Until all of it is in Delta; returns how many seconds that took."""
        begun = time.monotonic()
        self._bench.server.wait_committed([self.table], timeout_s=180)
        return time.monotonic() - begun

    def sink(self):
        """Rows a second that the sink takes."""
        with self._bench.standing(), Bare(self._bench, "sink") as endpoint:
            report = self._bench.measure(*self._command, "--table", "bench.load.sink", "--seconds",
                                         self._bench.plan["sink_s"], endpoint=endpoint)
        self._tool_ns["sink"].append(report["tool_cpu_ns_per_row"])
        return report["rows_per_s"]

    def full_speed(self):
        """Rows a second, as fast as the load tool can."""
        begun = time.monotonic()
        report, seen = self._load(seconds=self._bench.plan["ingest_s"])
        self._full_s += time.monotonic() - begun
        self._full_acked += report["rows_acked"]
        self._seen.append({**report, **seen})
        self._tool_ns["ingest"].append(report["tool_cpu_ns_per_row"])
        return report["rows_per_s"]

    def drain(self):
        """After the last run at full speed: all of it is in Delta."""
        self._full_s += self._wait_committed()
        self._machine_cpu_full = machine_cpu()
        before, after = self._cpu_ns, cpu_by_thread(self._bench.server.process.pid)
        self._cpu_ns = {name: ns - before.get(name, 0) for name, ns in after.items()}

    def sustained(self):
        """The highest rate tried at which the lag is flat over all but the first seconds; 0 when
        none was."""
        rate = self._full_acked / self._full_s * FIRST_RATE
        best, held, failed = 0, 0, math.inf
        while True:
            begun = time.monotonic()
            flat, rows_per_s, came = self._at(rate)
            if flat:
                held, best = max(held, rate), max(best, rows_per_s)
            else:
                failed = min(failed, rate)
            if len(self.tried) > 1:
                self.again_s += time.monotonic() - begun
            if (failed < GAP_MAX * held or math.isinf(failed) or len(self.tried) == TRIES
                    or not self._bench.has_time()):
                return best
            rate = math.sqrt(held * failed) if held else rate * min(
                STEP_DOWN_MIN, max(STEP_DOWN_MAX, 0.95 * came / rate))

    def _at(self, rate):
        """At a fixed rate: whether it was reached with a flat lag, rows a second, and how many of
        them came into Delta."""
        self._wait_committed()
        report, seen = self._load(rate=max(1, int(rate)), seconds=self._bench.plan["sustained_s"])
        grows = seen["lag_grows_per_s"]
        self.tried.append([round(rate), round(grows) if math.isfinite(grows) else None])
        real = report["rows_per_s"]
        flat = grows < GROWTH_MAX * rate and real > (1 - GROWTH_MAX) * rate
        return flat, real, real - grows

    def rows_in_delta(self):
        self._wait_committed()
        return self._bench.count(self.table)

    def report(self):
        """Of the runs at full speed."""
        return {
            "ack_p50_us": statistics.median(s["ack_p50_us"] for s in self._seen),
            "ack_p99_us": statistics.median(s["ack_p99_us"] for s in self._seen),
            "cpu_ns_per_row": {name: round(ns / self._full_acked)
                               for name, ns in sorted(self._cpu_ns.items())
                               if ns > 10_000_000},
            "tool_cpu_ns_per_row": {what: round(statistics.median(ns))
                                    for what, ns in self._tool_ns.items()},
            "stolen_share": round(stolen_share(self._machine_cpu, self._machine_cpu_full), 3),
            "log_bytes": max(s["log_bytes"] for s in self._seen)}


def held_line(figures):
    if figures["sustained_rows_per_s"] == 0:
        return f"sustained: no rate of {len(figures['sustained_tried'])} was flat"
    return "sustained {sustained_rows_per_s:,} ratio {sustained_ratio}".format(**figures)


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
    """Looks at the server while it is measured: lag of a table, size of the log."""

    PERIOD_S = 0.5

    def __init__(self, server, table):
        super().__init__(daemon=True)
        self._server, self._table = server, table
        self._over = threading.Event()
        self._samples = []  # (time, rows not in Delta, log bytes)
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
        return {"lag_grows_per_s": self._lag_grows_per_s(),
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


def machine_cpu():
    """All processors' time so far, by use: the first eight columns of /proc/stat (man 5 proc)."""
    with open("/proc/stat") as stat:
        return [int(ticks) for ticks in stat.readline().split()[1:9]]


def stolen_share(before, after):
    took = [b - a for a, b in zip(before, after)]
    return took[7] / max(1, sum(took))


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
