#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a server costs that does nothing: ./dev bench --idle [--json FILE]

Resident memory of the release server: alone; with 10,000 idle streams on 100 TLS connections, and
after they have gone; started again, with 2,000 idle TLS connections. Exit status 0 when the targets
are met and no stream was lost.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from sluice_local import LocalServer

STREAMS, STREAM_CONNECTIONS = 10_000, 100
CONNECTIONS = 2_000
IDLE_MIB_MAX, STREAMS_MIB_MAX = 64, 300
SETTLE_S = 3


def resident_mib(server):
    text = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


def hold(server, connections, streams, table):
    """The memory that the server holds while they are open, and the load tool's report."""
    report = server.folder / "held.json"
    tool = subprocess.Popen(
        [server.bin / "sluice-loadgen", "idle", "--endpoint", server.endpoint, "--ca", server.ca,
         "--token-file", server.admin_token_file, "--connections", str(connections),
         "--streams", str(streams), "--table", table, "--json", report],
        stdout=subprocess.PIPE, text=True)
    try:
        print(tool.stdout.readline(), end="", file=sys.stderr, flush=True)
        time.sleep(SETTLE_S)
        mib = resident_mib(server)
        tool.terminate()
        status = tool.wait(timeout=180)
    finally:
        tool.kill()
    return mib, {**json.loads(report.read_text()), "status": status}


def measure(folder):
    with LocalServer(folder / "server") as server:
        server.prepare()
        server.start()
        with server.connect() as admin:
            admin.create_table("idle.bench.t", "id BIGINT NOT NULL", [])
        time.sleep(SETTLE_S)
        alone = resident_mib(server)
        with_streams, streams = hold(server, STREAM_CONNECTIONS, STREAMS, "idle.bench.t")
        time.sleep(SETTLE_S)
        after = resident_mib(server)
        server.stop()
        server.start()  # what was freed would be used again
        time.sleep(SETTLE_S)
        fresh = resident_mib(server)
        with_connections, connections = hold(server, CONNECTIONS, 0, "idle.bench.t")
        server.stop()
    return {
        "idle_mib": alone, "streams_mib": with_streams - alone, "after_mib": after - alone,
        "stream_kib": (with_streams - alone) * 1024 / STREAMS,
        "connection_kib": (with_connections - fresh) * 1024 / CONNECTIONS,
        "streams_open_ms": streams["open_ms"], "connections_open_ms": connections["open_ms"],
        "lost": streams["status"] + connections["status"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--idle", action="store_true", help=argparse.SUPPRESS)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sluice-idle-") as folder:
        r = measure(pathlib.Path(folder))
    print(f"idle server                                   {r['idle_mib']:8.1f} MiB (at most "
          f"{IDLE_MIB_MAX})")
    print(f"{STREAMS} idle streams on {STREAM_CONNECTIONS} TLS connections     "
          f"+{r['streams_mib']:7.1f} MiB (at most {STREAMS_MIB_MAX}), "
          f"{r['stream_kib']:.1f} KiB each, opened in {r['streams_open_ms']} ms")
    print(f"after they have gone                          +{r['after_mib']:7.1f} MiB")
    print(f"an idle TLS connection                        +{r['connection_kib']:7.1f} KiB "
          f"({CONNECTIONS} of them, opened in {r['connections_open_ms']} ms)")
    if o.json:
        o.json.write_text(json.dumps(r, indent=1))
    fine = (r["idle_mib"] <= IDLE_MIB_MAX and r["streams_mib"] <= STREAMS_MIB_MAX
            and r["lost"] == 0)
    print("targets met" if fine else "targets MISSED" + (": streams lost" if r["lost"] else ""))
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
