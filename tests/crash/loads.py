# SPDX-License-Identifier: Apache-2.0
"""Producers of a crash round, and the ledger of what they sent and what was acknowledged.

Three kinds: the load tool (rows numbered by stream), a producer of batches on generated stubs, and
the official SDK. The latter two go on in the next life of the server and send again what had no
answer, so a row of theirs may stand as often as it was sent; a row of the load tool once.
"""
import collections
import signal
import subprocess
import threading
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from sluice_client import StreamFailed

SDK_TABLE = "crash.test.rows"
KEYED = "crash.test.keyed"
TOOL_TABLE = "crash.test.tool"
DDL = "id BIGINT NOT NULL, round INT NOT NULL, filler STRING"
FILLER_MAX = 200

BATCH = 100
BATCHES_IN_FLIGHT = 60
BATCH_PAUSE_S = 0.002
SDK_PAUSE_S = 0.0002
TOOL_RATE = 6000
TOOL_STREAMS = 2
LIFE_TIMEOUT_S = 90


class Ledger:
    """What was sent and acknowledged in one folder's rounds."""

    def __init__(self):
        self.sent = {SDK_TABLE: collections.Counter(), KEYED: collections.Counter()}
        self.acked = {SDK_TABLE: set(), KEYED: set()}
        self.round_of = {}     # id -> round
        self.streams = {}      # number of a stream of the load tool -> (acked, sent)
        self._next_id = 0
        self._next_stream = 0
        self._lock = threading.Lock()

    def new_ids(self, count, round_number):
        with self._lock:
            first = self._next_id
            self._next_id += count
        ids = range(first, first + count)
        self.round_of.update(dict.fromkeys(ids, round_number))
        return ids

    def new_streams(self, count):
        self._next_stream += count
        return self._next_stream - count

    def add_tool_file(self, file):
        """stream number, table, last acknowledged offset, rows acknowledged, rows sent"""
        acked_now = sent_now = 0
        for line in file.read_text().splitlines():
            number, _, _, acked, sent = line.split("\t")[:5]
            self.streams[int(number)] = (int(acked), int(sent))
            acked_now, sent_now = acked_now + int(acked), sent_now + int(sent)
        return acked_now, sent_now


def message_class(connection, table):
    file = descriptor_pb2.FileDescriptorProto(name="row.proto", syntax="proto2")
    file.message_type.add().ParseFromString(connection.table(table).descriptor_proto)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(file.message_type[0].name))


def filler(row_id):
    return "x" * (row_id % FILLER_MAX)


class Load(threading.Thread):
    """A producer of rows with identities, from start() until finish()."""

    def __init__(self, server, ledger, round_number):
        super().__init__(daemon=True)
        self.server, self.ledger, self.round = server, ledger, round_number
        self.over = threading.Event()   # no new rows
        self.again = threading.Event()  # the server lives (again)
        self.again.set()
        self.wrong = None
        self.deaths = 0                 # of the server, while this load ran

    def run(self):
        try:
            self.pump()
        except Exception as e:  # told in the round's verdict
            self.wrong = f"{type(self).__name__}: {type(e).__name__}: {e}"

    def server_died(self):
        self.deaths += 1
        self.again.clear()

    def finish(self):
        """Everything acknowledged; what is wrong, if anything."""
        self.over.set()
        self.again.set()
        self.join(LIFE_TIMEOUT_S)
        return f"{type(self).__name__} hangs" if self.is_alive() else self.wrong


class BatchLoad(Load):
    """Batches into the keyed table, on generated stubs; sends again what had no answer."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.acked_rows = 0
        self.sent_rows = 0
        self._unanswered = []  # ids of batches

    def in_flight(self):
        """Rows sent and not acknowledged, in this life or the one before."""
        return self.sent_rows - self.acked_rows

    def pump(self):
        while not self.over.is_set() or self._unanswered:
            if not self.again.wait(LIFE_TIMEOUT_S):
                raise TimeoutError("the server did not come back")
            try:
                with self.server.connect() as connection:
                    self._life(connection)
            except (StreamFailed, TimeoutError, grpc.RpcError):
                time.sleep(0.02)  # the server went: on in its next life

    def _life(self, connection):
        message = message_class(connection, KEYED)
        waiting, self._unanswered = self._unanswered, []
        sent, acked = self.ledger.sent[KEYED], self.ledger.acked[KEYED]
        batches = []

        def on_ack(first, last):
            for offset in range(first, last + 1):
                acked.update(batches[offset])
                self.acked_rows += len(batches[offset])

        producer = connection.producer(KEYED, message, on_ack=on_ack,
                                       inflight_max=BATCHES_IN_FLIGHT)
        try:
            with producer:
                while waiting or not self.over.is_set():
                    ids = (waiting.pop(0) if waiting
                           else self.ledger.new_ids(BATCH, self.round))
                    batches.append(ids)
                    self.sent_rows += 0 if ids[0] in sent else len(ids)
                    sent.update(ids)
                    producer.append_batch([self._row(message, i) for i in ids])
                    time.sleep(BATCH_PAUSE_S)
        finally:
            self._unanswered = batches[producer.acked + 1:] + waiting

    def _row(self, message, row_id):
        return message(id=row_id, round=self.round, filler=filler(row_id)).SerializeToString()


class SdkLoad(Load):
    """The official SDK: it connects again and sends again by itself."""

    def pump(self):
        stream, message = self._open()
        ids = []
        while not self.over.is_set():
            row_id, = self.ledger.new_ids(1, self.round)
            # As often as there were lives of the server; known when the stream is closed.
            self.ledger.sent[SDK_TABLE][row_id] = 1_000
            ids.append(row_id)
            row = message(id=row_id, round=self.round, filler=filler(row_id))
            stream.ingest_record_offset(row.SerializeToString())
            time.sleep(SDK_PAUSE_S)
        stream.flush()
        stream.close()
        for row_id in ids:
            self.ledger.sent[SDK_TABLE][row_id] = 1 + self.deaths
        self.ledger.acked[SDK_TABLE].update(ids)

    def _open(self):
        """The SDK goes on after a break by itself, but its first stream needs a server."""
        end = time.monotonic() + LIFE_TIMEOUT_S
        while True:
            self.again.wait(LIFE_TIMEOUT_S)
            try:
                with self.server.connect() as connection:
                    message = message_class(connection, SDK_TABLE)
                return sdk_stream(self.server, message), message
            except Exception:  # grpc.RpcError, or one of the SDK's own
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)


def sdk_stream(server, message):
    from zerobus.sdk.shared import StreamConfigurationOptions, TableProperties
    from zerobus.sdk.sync import HeadersProvider, ZerobusSdk
    token = server.admin_token

    class StaticToken(HeadersProvider):
        def get_headers(self):
            return [("authorization", f"Bearer {token}"),
                    ("x-databricks-zerobus-table-name", SDK_TABLE)]

    sdk = ZerobusSdk(f"https://{server.endpoint}", "https://localhost:1")
    return sdk.create_stream(
        table_properties=TableProperties(SDK_TABLE, message.DESCRIPTOR),
        headers_provider=StaticToken(),
        options=StreamConfigurationOptions(recovery_backoff_ms=100, recovery_retries=300))


class ToolLoad:
    """The load tool for one life of the server: single rows, its ledger says what must be there."""

    def __init__(self, server, ledger, random):
        self._ledger = ledger
        first = ledger.new_streams(TOOL_STREAMS)
        self._file = server.folder / f"ledger-{first}.tsv"
        self._process = subprocess.Popen(
            [server.bin / "sluice-loadgen", "run", "--endpoint", server.endpoint,
             "--ca", server.ca, "--token-file", server.admin_token_file, "--rows", "200b",
             "--table", TOOL_TABLE, "--record", random.choice(("proto", "proto", "json")),
             "--streams", str(TOOL_STREAMS), "--first-stream", str(first),
             "--rate", str(TOOL_RATE), "--seconds", "120", "--ledger", self._file, "--quiet"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def finish(self):
        """(rows acknowledged, rows sent, what is wrong); its streams ended with the server."""
        self._process.send_signal(signal.SIGINT)
        try:
            _, said = self._process.communicate(timeout=LIFE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return 0, 0, "the load tool hangs"
        if self._process.returncode in (3, -signal.SIGINT) and not self._file.exists():
            return 0, 0, None  # the server went before the streams were open
        if self._process.returncode not in (0, 1) or not self._file.exists():
            return 0, 0, f"the load tool ended with {self._process.returncode}: {said[-300:]}"
        return *self._ledger.add_tool_file(self._file), None
