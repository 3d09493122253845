#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load, again and again: crash.py [--rounds N] [--seed N] [--keep]

Each round streams rows with identities of their own over TLS: one producer of single rows, one of
batches, in every fifth round the official SDK as well, which resends by itself. At a random
moment, after at least 10,000 rows were acknowledged and with rows in flight, the server is killed.
After the restart, in every round:
  - every acknowledged row is in Delta; exactly once if it was sent once
  - no row stands there more often than it was sent, and none that was never sent
  - no log position is in two files of a table (tags of each add)
  - a sample of acknowledged rows is found by key
Last line: N passed, N failed (rounds).
"""
import argparse
import collections
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time

import pyarrow as pa
from sluice_client import StreamFailed
from sluice_local import LocalServer, lake

TABLE = "crash.test.rows"
KEYED = "crash.test.keyed"
DDL = "id BIGINT NOT NULL, round INT NOT NULL, filler STRING"
ROWS_ACKED_MIN = 10_000
BATCH = 100
SAMPLE = 50
SDK_EVERY = 5


class Ledger:
    """What a round sent and what was acknowledged, by table."""

    def __init__(self):
        self.sent = {TABLE: collections.Counter(), KEYED: collections.Counter()}
        self.acked = {TABLE: set(), KEYED: set()}

    def acked_count(self):
        return sum(len(ids) for ids in self.acked.values())

    def sent_count(self):
        return sum(len(rows) for rows in self.sent.values())


class Load(threading.Thread):
    """One producer on generated stubs, until its stream breaks or it is told to end."""

    def __init__(self, server, ledger, table, round_number, ids, batch):
        super().__init__(daemon=True)
        self._server, self._ledger, self._table = server, ledger, table
        self._round, self._ids, self._batch = round_number, ids, batch
        self._requests = []
        self.wrong = None
        self.over = threading.Event()

    def run(self):
        try:
            with self._server.connect() as connection:
                self._pump(connection)
        except StreamFailed:
            pass  # the kill
        except Exception as e:  # told in the round's verdict
            self.wrong = f"{type(e).__name__}: {e}"

    def _pump(self, connection):
        message = message_class(connection, self._table)
        acked, sent = self._ledger.acked[self._table], self._ledger.sent[self._table]

        def on_ack(first, last):
            for offset in range(first, last + 1):
                acked.update(self._requests[offset])

        with connection.producer(self._table, message, on_ack=on_ack,
                                 inflight_max=1000) as producer:
            while not self.over.is_set():
                ids = [next(self._ids) for _ in range(self._batch)]
                rows = [message(id=i, round=self._round, filler="x" * (i % 200)).SerializeToString()
                        for i in ids]
                self._requests.append(ids)
                sent.update(ids)
                if self._batch == 1:
                    producer.append(rows[0])
                else:
                    producer.append_batch(rows)


class SdkLoad(threading.Thread):
    """The official SDK: it reconnects and resends by itself, so its rows may stand twice."""

    ROWS = 5_000

    def __init__(self, server, ledger, round_number, ids):
        super().__init__(daemon=True)
        self._server, self._ledger = server, ledger
        self._round, self._ids = round_number, ids
        self.wrong = None
        self.over = threading.Event()

    def run(self):
        try:
            self._pump()
        except Exception as e:
            self.wrong = f"SDK: {type(e).__name__}: {e}"

    def _pump(self):
        from zerobus.sdk.shared import StreamConfigurationOptions, TableProperties
        from zerobus.sdk.sync import HeadersProvider, ZerobusSdk
        token = self._server.admin_token

        class StaticToken(HeadersProvider):
            def get_headers(self):
                return [("authorization", f"Bearer {token}"),
                        ("x-databricks-zerobus-table-name", TABLE)]

        with self._server.connect() as connection:
            message = message_class(connection, TABLE)
        sdk = ZerobusSdk(f"https://{self._server.endpoint}", "https://localhost:1")
        stream = sdk.create_stream(
            table_properties=TableProperties(TABLE, message.DESCRIPTOR),
            headers_provider=StaticToken(),
            options=StreamConfigurationOptions(recovery_backoff_ms=200, recovery_retries=100))
        ids = [next(self._ids) for _ in range(self.ROWS)]
        for i in ids:
            # Twice at most: before the kill, and once more after it.
            self._ledger.sent[TABLE][i] += 2
            stream.ingest_record_offset(message(id=i, round=self._round).SerializeToString())
            time.sleep(0.0002)
        stream.flush()
        stream.close()
        self._ledger.acked[TABLE].update(ids)


def message_class(connection, table):
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    file = descriptor_pb2.FileDescriptorProto(name="row.proto", syntax="proto2")
    file.message_type.add().ParseFromString(connection.table(table).descriptor_proto)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(file.message_type[0].name))


class Crash:
    def __init__(self, folder, seed):
        self.server = LocalServer(folder, freshness_ms=500, segment_bytes=16 << 20)
        self.random = random.Random(seed)
        self.ids = iter(range(1 << 62))
        self.ids_lock = threading.Lock()
        self.ledger = Ledger()

    def next_ids(self):
        while True:
            with self.ids_lock:
                value = next(self.ids)
            yield value

    def prepare(self):
        self.server.prepare()
        self.server.start()
        with self.server.connect() as admin:
            admin.create_table(TABLE, DDL)
            admin.create_table(KEYED, DDL, ["id"])

    def run_round(self, number):
        """One round; returns (faults, facts)."""
        before, sent_before = self.ledger.acked_count(), self.ledger.sent_count()
        loads = [Load(self.server, self.ledger, TABLE, number, self.next_ids(), 1),
                 Load(self.server, self.ledger, KEYED, number, self.next_ids(), BATCH)]
        if number % SDK_EVERY == 0:
            loads.append(SdkLoad(self.server, self.ledger, number, self.next_ids()))
        for load in loads:
            load.start()
        faults = self.wait_for_acks(loads, before + ROWS_ACKED_MIN)
        time.sleep(self.random.uniform(0, 1.0))
        self.server.kill()
        begun = time.monotonic()
        acked = self.ledger.acked_count() - before
        in_flight = self.ledger.sent_count() - sent_before - acked
        for load in loads:
            load.over.set()
        self.server.start()
        restart_s = time.monotonic() - begun
        for load in loads:
            load.join(90)
            if load.is_alive():
                faults.append("a producer hangs")
            if load.wrong:
                faults.append(load.wrong)
        faults += self.check(number)
        if in_flight <= 0:
            faults.append("nothing was in flight at the kill")
        return faults, f"{acked:,} acknowledged, {in_flight:,} in flight, back in {restart_s:.2f} s"

    def wait_for_acks(self, loads, wanted):
        end = time.monotonic() + 60
        while self.ledger.acked_count() < wanted:
            stopped = [load.wrong for load in loads if not load.is_alive() and load.wrong]
            if stopped or time.monotonic() > end:
                return stopped or [f"{self.ledger.acked_count():,} rows acknowledged after 60 s"]
            time.sleep(0.01)
        return []

    def check(self, number):
        self.server.wait_committed([TABLE, KEYED])
        faults = []
        for table in (TABLE, KEYED):
            folder = self.server.table_folder(table)
            found = collections.Counter(count_ids(folder))
            sent, acked = self.ledger.sent[table], self.ledger.acked[table]
            lost = [i for i in acked if i not in found]
            often = [i for i, n in found.items() if n > sent[i]]
            faults += [f"{table}: {len(ids):,} rows {what}, such as {ids[0]}"
                       for ids, what in ((lost, "acknowledged and lost"),
                                         (often, "stand more often than they were sent")) if ids]
            faults += [f"{table}: {fault}" for fault in lake.position_faults(folder)]
        return faults + self.check_lookups()

    def check_lookups(self):
        acked = sorted(self.ledger.acked[KEYED])
        sample = self.random.sample(acked, min(SAMPLE, len(acked)))
        with self.server.connect() as admin:
            rows = admin.get_many(KEYED, [{"id": i} for i in sample])
        return [f"{KEYED}: key {i} gives {row}" for i, row in zip(sample, rows)
                if row is None or row["id"] != i]


def count_ids(folder):
    column = lake.read_delta_rs(folder, ["id"])["id"]
    return {v["values"]: v["counts"] for v in pa.compute.value_counts(column).to_pylist()}


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options.add_argument("--keep", action="store_true", help="keep the folder")
    options = options.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-crash-"))
    crash = Crash(folder, options.seed)
    print(f"seed {options.seed}, folder {folder}", flush=True)
    passed, failed = 0, 0
    with crash.server:
        crash.prepare()
        os.environ["SSL_CERT_FILE"] = str(crash.server.ca)
        os.environ["no_proxy"] = "localhost,127.0.0.1"
        os.environ.setdefault("RUST_LOG", "off")
        for number in range(1, options.rounds + 1):
            begun = time.monotonic()
            faults, facts = crash.run_round(number)
            for fault in faults:
                print(f"  round {number}: {fault}")
            passed, failed = passed + (not faults), failed + bool(faults)
            print(f"{'FAIL' if faults else 'ok  '} round {number}: {facts} "
                  f"({time.monotonic() - begun:.1f} s)", flush=True)
        status = crash.server.stop()
        if status != 0:
            failed += 1
            print(f"FAIL the clean stop at the end: status {status}")
    if failed or options.keep:
        print(f"kept: {folder}")
    else:
        shutil.rmtree(folder)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
