#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How soon a killed server takes rows again: ./dev bench --restart [--gib N] [--json FILE]

The key tables stop following (their disk is full, so the log keeps every row), 1 GiB of log is
written, the server is killed with SIGKILL. Then, in turn:
  read     the log's files once, O_DIRECT, 1 MiB reads, one after the other
  restart  from the start of the process to the first ack, as the load tool sees it
  behind   lookups wait for their position meanwhile; how long the key tables take to catch up
Exit status 0 when the first ack came within 3 times the time of reading, and every key is there.
"""
import argparse
import json
import mmap
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import grpc
from sluice_local import LocalServer

ROWS = "keyed"
TABLE = "restart.bench.t"
KEYED = "restart.bench.keyed"
KEYS = 5000
TARGET = 3.0
STORE_DISK_BYTES = 20 << 20  # less than what is written at once: no write gets through
READ_BYTES = 1 << 20


def say(text):
    print(text, file=sys.stderr, flush=True)


class FullStore:
    """The store's folder as a file system of its own that is too small; needs root or sudo."""

    def __init__(self, folder):
        self.folder = folder
        self.root = [] if os.geteuid() == 0 else ["sudo"]

    def __enter__(self):
        self.folder.mkdir()
        subprocess.run([*self.root, "mount", "-t", "tmpfs", "-o",
                        f"size={STORE_DISK_BYTES},uid={os.geteuid()}", "tmpfs", self.folder],
                       check=True)
        return self

    def __exit__(self, *_):
        """What the store had made durable becomes an ordinary folder."""
        kept = self.folder.with_name("store.kept")
        shutil.copytree(self.folder, kept)
        subprocess.run([*self.root, "umount", "-l", self.folder], check=True)
        self.folder.rmdir()
        kept.rename(self.folder)


def tool(server, command, *arguments):
    return [server.bin / "sluice-loadgen", command, "--endpoint", server.endpoint, "--ca",
            server.ca, "--token-file", server.admin_token_file, *map(str, arguments)]


def load(server, log_bytes):
    """Rows until the log holds so many bytes that the key tables have not seen."""
    with server.connect() as admin:
        ddl = subprocess.run([server.bin / "sluice-loadgen", "ddl", "--rows", ROWS], check=True,
                             stdout=subprocess.PIPE, text=True).stdout.split("\n")[0].split("\t")
        admin.create_table(TABLE, ddl[1], ddl[2].split(","))
        admin.create_table(KEYED, "k BIGINT NOT NULL, n BIGINT", ["k"])
        producer = admin.producer(KEYED)
        for at in range(0, KEYS, 100):
            producer.append_batch([json.dumps({"k": k, "n": k * 7}) for k in range(at, at + 100)])
        producer.close()
        while admin.status().log_bytes < log_bytes:
            subprocess.run(tool(server, "run", "--rows", ROWS, "--table", TABLE, "--streams", 4,
                                "--batch", 100, "--count", 500_000, "--keys", 200_000,
                                "--seconds", 60, "--quiet"),
                           check=True, stdout=subprocess.DEVNULL)
        # The newest rows of all: a lookup of them must wait until everything is applied.
        producer = admin.producer(KEYED)
        producer.append_batch([json.dumps({"k": KEYS, "n": 1})])
        producer.close()
        return admin.status()


def read_once(folder):
    """Seconds and bytes of reading all segment files, O_DIRECT."""
    buffer = mmap.mmap(-1, READ_BYTES)
    files = [os.open(f, os.O_RDONLY | os.O_DIRECT) for f in sorted(folder.glob("*.log"))]
    begun, total = time.monotonic(), 0
    for file in files:
        at = 0
        while got := os.preadv(file, [buffer], at):
            at += got
        total += at
    took = time.monotonic() - begun
    for file in files:
        os.close(file)
    return took, total


def restart(server, report):
    """Seconds from the start of the process to the first ack."""
    waiting = subprocess.Popen(tool(server, "first-ack", "--rows", ROWS, "--table", TABLE,
                                    "--json", report), stdout=subprocess.DEVNULL)
    time.sleep(0.2)  # it is trying to connect
    begun = time.monotonic_ns()
    with open(server.log_file, "ab") as log:
        server.process = subprocess.Popen([server.bin / "sluiced", "--config", server.config],
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    status = waiting.wait(timeout=120)
    assert status == 0, f"no ack: {server.log_tail()}"
    seen = json.loads(report.read_text())
    return (seen["acked_ns"] - begun) / 1e9, (seen["listening_ns"] - begun) / 1e9


def catch_up(server):
    """Lookups wait for their position or their deadline; the status says how far they are."""
    begun, waited, late, seen = time.monotonic(), None, 0, []
    with server.connect() as admin:
        target = admin.status().durable_position
        while True:
            status = admin.status()
            seen.append(status.applied_position)
            try:
                row = admin.get(KEYED, {"k": KEYS})
                assert row == {"k": KEYS, "n": 1}, f"a lookup did not wait: {row}"
                waited = time.monotonic() - begun
                break
            except grpc.RpcError as e:
                assert e.code() in (grpc.StatusCode.UNAVAILABLE,
                                    grpc.StatusCode.DEADLINE_EXCEEDED), e
                late += 1
        status = admin.status()
        assert status.applied_position >= target - 1, "answered below its position"
        rows = []
        for at in range(0, KEYS, 500):
            rows += admin.get_many(KEYED, [{"k": k} for k in range(at, at + 500)])
        assert rows == [{"k": k, "n": k * 7} for k in range(KEYS)], "keys are lost"
        assert seen == sorted(seen), "the status went back"
    return {"caught_up_s": waited, "lookups_late": late, "applied_at_first": seen[0],
            "durable": target}


def measure(folder, gib):
    with LocalServer(folder / "server", log_bytes_max=16 << 30) as server:
        server.prepare()
        with FullStore(server.folder / "data" / "store"):
            server.start()
            say(f"writing {gib} GiB that the key tables do not see")
            # The last segment is not full.
            status = load(server, int(gib * (1 << 30)) + (128 << 20))
            behind = status.durable_position - status.applied_position
            server.kill()
        assert behind > status.durable_position // 2, f"only {behind} rows are not applied"
        read_s, log_bytes = read_once(server.folder / "data" / "log")
        first_ack_s, listening_s = restart(server, folder / "first.json")
        with server.connect() as admin:
            lag = admin.status()
        after = catch_up(server)
        again_s, _ = read_once(server.folder / "data" / "log")
        ended = server.stop()
        assert ended == 0, server.log_tail()
        return {"log_bytes": log_bytes, "rows_behind": behind, "read_s": read_s,
                "read_again_s": again_s, "listening_s": listening_s, "first_ack_s": first_ack_s,
                "ratio": first_ack_s / read_s, "target": TARGET,
                "applied_at_first_ack": lag.applied_position, **after}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gib", type=float, default=1.0)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--restart", action="store_true", help=argparse.SUPPRESS)
    o = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-restart-"))
    try:
        r = measure(folder, o.gib)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    r["machine"] = f"{platform.machine()}, {os.cpu_count()} processors"
    print(f"log {r['log_bytes'] / 2 ** 30:.2f} GiB, {r['rows_behind']} rows behind; read once in "
          f"{r['read_s']:.2f} s ({r['log_bytes'] / r['read_s'] / 2 ** 20:.0f} MiB/s)\n"
          f"first ack after {r['first_ack_s']:.2f} s: {r['ratio']:.2f} times (target {TARGET})\n"
          f"key tables caught up {r['caught_up_s']:.1f} s later, {r['lookups_late']} lookups were "
          f"told to come again")
    if o.json:
        o.json.write_text(json.dumps(r, indent=1) + "\n")
    return 0 if r["ratio"] <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
