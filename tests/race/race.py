#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything that threads share, under the thread sanitizer: ./dev race [PART …] [--seconds N]

  units   the unit and contract tests of what has threads, one process each
  load    the server under the load tool: streams, single rows and batches, lookups, control
          operations of every kind beside them, a stop under load, a second start
  sdk     the server under the official SDK (the e2e tests of the same name)

Exit status 0 only when every part ended well and the sanitizer had nothing to report.
suppressions.txt names what is not built with the sanitizer, with the reason.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from sluice_local import LocalServer

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNITS = ["unit_base", "unit_trace", "unit_sys", "unit_rpc", "unit_store", "unit_bronze",
         "unit_objstore", "unit_catalog", "unit_ingest", "unit_serve", "unit_compact",
         "unit_compact_spill", "unit_admin", "unit_client", "contract_sys", "contract_store"]
UNIT_TIMEOUT_S = 300
KEYS = 5000


class Race:
    def __init__(self, folder, build, seconds):
        self.folder, self.build, self.seconds = folder, build, seconds
        self.reports = folder / "reports"
        self.reports.mkdir()
        self.passed = self.failed = 0
        # Threads are joined with a checked pthread_join, but gRPC's own take their ids again, and
        # the sanitizer then calls them leaked.
        os.environ["TSAN_OPTIONS"] = (
            f"suppressions={ROOT}/tests/race/suppressions.txt report_thread_leaks=0 "
            f"log_path={self.reports}/report")
        os.environ["SLUICE_BIN"] = str(build / "bin")

    def count(self, name, fine, text=""):
        found = sorted(self.reports.glob("report*"))
        if fine and not found:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAIL {name}: {len(found)} reports {text}")
        for file in found:
            print(file.read_text(errors="replace")[:6000])
            file.unlink()

    def units(self):
        for name in UNITS:
            begun = time.monotonic()
            try:
                done = subprocess.run([self.build / "tests" / f"test_{name}"], text=True,
                                      errors="replace", stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, timeout=UNIT_TIMEOUT_S)
                self.count(name, done.returncode == 0, done.stdout[-2000:])
            except subprocess.TimeoutExpired:
                self.count(name, False, f"not over after {UNIT_TIMEOUT_S} s")
            print(f"{name:<16} {time.monotonic() - begun:>6.1f} s", file=sys.stderr, flush=True)

    def load(self):
        with LocalServer(self.folder / "load", freshness_ms=200, rpc_threads=2) as server:
            server.prepare()
            server.start()
            lines = [line.split("\t") for line in server.command(
                "ddl", "--rows", "keyed", program="sluice-loadgen").stdout.splitlines()]
            with server.connect() as admin:
                for table, ddl, keys in lines:
                    admin.create_table(table, ddl, [k for k in keys.split(",") if k])
            self._beside(server, table)
            status = server.stop()
            self.count("stop", status == 0, f"exit status {status}")
            server.start()
            status = server.stop()
            self.count("second start", status == 0, f"exit status {status}")

    def _beside(self, server, table):
        control = Control(server)
        control.start()
        common = ["--endpoint", server.endpoint, "--ca", server.ca, "--token-file",
                  server.admin_token_file, "--seconds", str(self.seconds)]
        tools = []
        for extra in (["run", "--rows", "keyed", "--keys", str(KEYS), "--streams", "4",
                       "--connections", "2", "--rate", "4000", "--quiet"],
                      ["run", "--rows", "keyed", "--keys", str(KEYS), "--streams", "2", "--batch",
                       "50", "--first-stream", "9", "--rate", "20000", "--quiet"],
                      ["lookup", "--table", table, "--keys", str(KEYS), "--rate", "500"]):
            tools.append((extra[0], subprocess.Popen(
                [ROOT / server.bin / "sluice-loadgen", *extra, *common], text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)))
        for name, tool in tools:
            text, _ = tool.communicate(timeout=self.seconds + 120)
            # A key may be asked for before its row came: that is the lookup's only excuse.
            self.count(f"load tool: {name}", tool.returncode in (0, 1 if name == "lookup" else 0),
                       text)
        control.end.set()
        control.join()
        self.count("control operations", control.rounds > 1 and not control.wrong, control.wrong)

    def sdk(self):
        done = subprocess.run([sys.executable, ROOT / "tests/e2e/run.py", "sdk."], text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=600)
        self.count("sdk", done.returncode == 0, done.stdout[-3000:])


class Control(threading.Thread):
    """What operators do, beside the load: every kind of control operation, in circles."""

    def __init__(self, server):
        super().__init__()
        self.server, self.end, self.rounds, self.wrong = server, threading.Event(), 0, ""

    def run(self):
        try:
            with self.server.connect() as admin:
                while not self.end.is_set():
                    self.rounds += 1
                    self.round(admin, f"race.control.t{self.rounds}")
                    time.sleep(0.1)
        except Exception as e:
            self.wrong = f"round {self.rounds}: {type(e).__name__}: {e}"

    def round(self, admin, name):
        admin.create_table(name, "id BIGINT NOT NULL, n INT", ["id"],
                           {"on_error": "quarantine"})
        token = f"token{self.rounds}"
        admin.create_token(token, {name: "rw"})
        with admin.producer(name) as producer:
            producer.append_batch(['{"id": 1}', '{"id": 2, "n": "no number"}'])
            producer.flush()
        admin.alter_table(name, add=["more STRING"], widen=["n BIGINT"])
        if [r.record_index for r in admin.quarantined(name)] != [1]:
            raise RuntimeError(f"{name}: not one row in quarantine")
        if admin.replay(name) != (0, 1):
            raise RuntimeError(f"{name}: the bad row was taken")
        if admin.get(name, {"id": 1}) is None:
            raise RuntimeError(f"{name}: the good row is not there")
        admin.replace_table(name, "id BIGINT NOT NULL", ["id"])
        admin.status()
        admin.tables()
        admin.revoke_token(token)
        admin.drop_table(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--seconds", type=int, default=15, help="of load (15)")
    parser.add_argument("--build", default="build/race", help="folder of the preset race")
    o = parser.parse_args()
    if not set(o.parts) <= {"units", "load", "sdk"}:
        parser.error("the parts are units, load and sdk")
    with tempfile.TemporaryDirectory(prefix="sluice-race-") as folder:
        race = Race(pathlib.Path(folder), ROOT / o.build, o.seconds)
        for part in o.parts or ["units", "load", "sdk"]:
            getattr(race, part)()
    print(f"{race.passed} passed, {race.failed} failed")
    return 1 if race.failed or not race.passed else 0


if __name__ == "__main__":
    sys.exit(main())
