# SPDX-License-Identifier: Apache-2.0
"""The world's airports, streamed as JSON over plain generated stubs, then looked up by key."""
import array
import json
import random
import time

import airportsdata
import pyarrow as pa

NAME = "world.geo.airports"
KEY = "icao"
NUMBERS = {"elevation", "lat", "lon"}
COLUMNS = ["icao", "iata", "name", "city", "subd", "country", "elevation", "lat", "lon", "tz",
           "lid"]
DDL = ", ".join(f"{c} {'DOUBLE' if c in NUMBERS else 'STRING'}{' NOT NULL' if c == KEY else ''}"
                for c in COLUMNS)
UNKNOWN_KEY = "no such airport"


def load():
    """All airports as dicts, by ICAO code."""
    return {key: {c: float(a[c]) if c in NUMBERS else a[c] for c in COLUMNS}
            for key, a in airportsdata.load("ICAO").items()}


def arrow(airports):
    fields = [pa.field(c, pa.float64() if c in NUMBERS else pa.string()) for c in COLUMNS]
    return pa.Table.from_pylist(list(airports.values()), schema=pa.schema(fields))


def send(airports, server, on_progress):
    """Stream all airports; returns (rows acknowledged, ack latencies in microseconds)."""
    sent_at = array.array("d")
    latencies = array.array("d")

    def on_ack(first, last):
        now = time.perf_counter()
        latencies.extend((now - sent_at[i]) * 1e6 for i in range(first, last + 1))
        on_progress(last + 1)

    with server.producer(NAME, on_ack=on_ack, inflight_max=200) as producer:
        for airport in airports.values():
            row = json.dumps(airport, ensure_ascii=False)
            sent_at.append(time.perf_counter())
            producer.append(row)
        producer.flush()
        return producer.acked + 1, latencies


def look_up(airports, server, count, on_progress):
    """Look up count airports and one unknown key; returns (right, wrong, examples of wrong)."""
    keys = random.Random(20131).sample(sorted(airports), count)
    wrong = []
    for done, key in enumerate(keys, 1):
        found = server.get(NAME, {KEY: key})
        if found != airports[key]:
            wrong.append(f"{key}: {found} instead of {airports[key]}")
        on_progress(done)
    found = server.get(NAME, {KEY: UNKNOWN_KEY})
    if found is not None:
        wrong.append(f"{UNKNOWN_KEY}: {found} instead of nothing")
    return count + 1 - len(wrong), len(wrong), wrong[:3]
