# SPDX-License-Identifier: Apache-2.0
"""The official Zerobus Python SDK, unmodified, over TLS with a private CA and a static token."""
import asyncio
import json
import threading
import time

from world import alone
from zerobus.sdk import aio
from zerobus.sdk.shared import AckCallback, StreamConfigurationOptions, TableProperties
from zerobus.sdk.sync import HeadersProvider, NonRetriableException, ZerobusSdk

DDL = "device_name STRING NOT NULL, temp INT, humidity BIGINT"
KEY = ["device_name"]
NOBODY = "https://localhost:1"  # OAuth is not used: a headers provider stands in its place


class StaticToken(HeadersProvider):
    def __new__(cls, *_):
        return super().__new__(cls)

    def __init__(self, token, table):
        super().__init__()
        self._headers = [("authorization", f"Bearer {token}"),
                         ("x-databricks-zerobus-table-name", table)]

    def get_headers(self):
        return self._headers


def sdk_stream(world, table, headers, descriptor=None, **options):
    sdk = ZerobusSdk(f"https://{world.server.endpoint}", NOBODY, application_name="e2e/1")
    return sdk.create_stream(
        table_properties=TableProperties(table, descriptor), headers_provider=headers,
        options=StreamConfigurationOptions(**options))


def open_stream(world, table, descriptor=None, token=None, **options):
    headers = StaticToken(token or world.token({table: "w"}), table)
    return sdk_stream(world, table, headers, descriptor, **options)


def names(world, table):
    return sorted(r["device_name"] for r in world.rows(table))


def test_protobuf_records_one_by_one(world):
    table = world.table(DDL, KEY)
    message = world.message(table)
    stream = open_stream(world, table, message.DESCRIPTOR)
    offsets = [stream.ingest_record_offset(message(device_name=f"d{i:04}", temp=i))
               for i in range(1000)]
    stream.flush()
    stream.close()
    assert offsets == list(range(1000))
    assert not list(stream.get_unacked_records())
    assert world.admin.get(table, {"device_name": "d0999"})["temp"] == 999
    assert names(world, table) == [f"d{i:04}" for i in range(1000)]


def test_protobuf_batches(world):
    table = world.table(DDL)
    message = world.message(table)
    stream = open_stream(world, table, message.DESCRIPTOR)
    for first in range(0, 1000, 100):
        stream.ingest_records_offset(
            [message(device_name=f"d{i:04}", humidity=i) for i in range(first, first + 100)])
    assert stream.ingest_records_offset([]) is None
    stream.wait_for_offset(9)
    stream.close()
    assert names(world, table) == [f"d{i:04}" for i in range(1000)]


def test_json_records_and_batches(world):
    table = world.table(DDL)
    stream = open_stream(world, table)
    for i in range(100):
        stream.ingest_record_offset({"device_name": f"d{i:04}", "temp": i, "humidity": None})
    stream.ingest_records_offset(
        [json.dumps({"device_name": f"e{i:04}", "temp": i}) for i in range(100)])
    stream.flush()
    stream.close()
    assert names(world, table) == [f"{c}{i:04}" for c in "de" for i in range(100)]


def test_every_record_gets_its_callback(world):
    table = world.table(DDL)
    seen = []

    class Acks(AckCallback):
        def on_ack(self, offset):
            seen.append(offset)

    stream = open_stream(world, table, ack_callback=Acks())
    for i in range(500):
        stream.ingest_record_offset({"device_name": str(i)})
    stream.flush()
    stream.close()
    assert seen == list(range(500))


@alone
def test_close_is_prompt(world):
    stream = open_stream(world, world.table(DDL))
    stream.ingest_record_offset({"device_name": "x"})
    stream.flush()
    begun = time.monotonic()
    stream.close()
    assert time.monotonic() - begun < 0.5


def test_asynchronous_client(world):
    table = world.table(DDL)

    async def produce():
        sdk = aio.ZerobusSdk(f"https://{world.server.endpoint}", NOBODY)
        stream = await sdk.create_stream(
            table_properties=TableProperties(table),
            headers_provider=StaticToken(world.token({table: "w"}), table))
        for i in range(200):
            await stream.ingest_record_offset({"device_name": f"d{i:04}"})
        await stream.flush()
        await stream.close()

    asyncio.run(produce())
    assert names(world, table) == [f"d{i:04}" for i in range(200)]


def refused(world, *words, **how):
    try:
        open_stream(world, **how)
    except NonRetriableException as e:
        missing = [w for w in words if w not in str(e)]
        assert not missing, f"{missing} not in: {e}"
    else:
        raise AssertionError("the stream was opened")


def test_unknown_table_is_final(world):
    refused(world, "e2e.tests.absent", table="e2e.tests.absent", token=world.server.admin_token)


def test_wrong_token_is_final(world):
    refused(world, table=world.table(DDL), token="nonsense")


def test_descriptor_that_does_not_fit_is_final(world):
    other = world.message(world.table("device_name BIGINT"))
    refused(world, "device_name", table=world.table(DDL), descriptor=other.DESCRIPTOR)


def test_bad_record_fails_the_stream_and_keeps_the_rest(world):
    table = world.table(DDL)
    stream = open_stream(world, table)
    for i in range(10):
        stream.ingest_record_offset({"device_name": f"d{i}"})
    stream.ingest_record_offset({"temp": 1})
    stream.ingest_record_offset({"device_name": "behind the bad one"})
    try:
        stream.flush()
    except NonRetriableException as e:
        assert "device_name" in str(e), e
    else:
        raise AssertionError("flush did not fail")
    assert names(world, table) == [f"d{i}" for i in range(10)]
    assert len(list(stream.get_unacked_records())) == 2


def test_stream_survives_kill_and_restart_of_the_server(world):
    table = world.table(DDL)
    message = world.message(table)
    stream = open_stream(world, table, message.DESCRIPTOR, recovery_backoff_ms=200,
                         recovery_retries=50)
    count, killed = 4000, threading.Event()

    def produce():
        for i in range(count):
            stream.ingest_record_offset(message(device_name=f"d{i:06}"))
            if i == count // 2:
                killed.wait(30)
        stream.flush()

    thread = threading.Thread(target=produce)
    thread.start()
    time.sleep(0.2)
    world.server.kill()
    killed.set()
    world.server.start()
    thread.join(60)
    assert not thread.is_alive(), "the stream did not recover"
    stream.close()
    found = names(world, table)
    assert set(found) == {f"d{i:06}" for i in range(count)}
    # Rows that were under way at the kill may have been sent, and so stand, twice.
    assert len(found) <= 2 * count
