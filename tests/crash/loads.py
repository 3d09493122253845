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
import zlib

import grpc
from sluice_client import StreamFailed
from sluice_local.server import row_class

SDK_TABLE = "crash.test.rows"
KEYED = "crash.test.keyed"
TOOL_TABLE = "crash.test.tool"
DDL = "id BIGINT NOT NULL, round INT NOT NULL, filler STRING"
NEW_COLUMN = "added STRING"
FILLER_MAX = 800

BATCH = 100
BATCHES_IN_FLIGHT = 40
BATCH_PAUSE_S = 0.004
SDK_PAUSE_S = 0.0002
TRICKLE_PAUSE_S = 0.05
TOOL_RATE = 6000
TOOL_STREAMS = 2
LIFE_TIMEOUT_S = 90


class Ledger:
    """What was sent and acknowledged in one folder's rounds: in memory for check.py, and in files
    for `sluice verify` (docs/formats/ledger.md)."""

    def __init__(self, folder):
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.files = []
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

    def new_file(self):
        self.files.append(self._folder / f"ledger-{len(self.files)}.tsv")
        return self.files[-1]

    def add_tool_file(self, file):
        """The load tool's own file: (rows acknowledged, rows sent)."""
        sent, acked, number_of = collections.Counter(), {}, {}
        for line in file.read_text().splitlines():
            kind, stream, *fields = line.split("\t")
            if kind == "R":
                sent[stream] += 1
                number_of[stream] = int(fields[1].split(",")[0])
            elif kind == "A":
                acked[stream] = int(fields[0]) + 1
        for stream, number in number_of.items():
            self.streams[number] = (acked.get(stream, 0), sent[stream])
        return sum(acked.values()), sum(sent.values())


class LedgerFile:
    """The lines of one producer."""

    def __init__(self, path):
        self._out = open(path, "w", encoding="utf-8", buffering=1 << 16)
        self._lock = threading.Lock()
        self._streams = 0

    def stream(self, table):
        """A new stream into a table; its name in the other calls."""
        self._streams += 1
        name = f"{self._out.name.rsplit('/', 1)[1]}-{self._streams}"
        self._write(f"S\t{name}\t{table}\tid\tcrc32\n")
        return name

    def rows(self, stream, offset, ids, rows):
        self._write("".join(f"R\t{stream}\t{offset}\t{i}\t{zlib.crc32(row):08x}\n"
                            for i, row in zip(ids, rows)))

    def ack(self, stream, offset):
        self._write(f"A\t{stream}\t{offset}\n")

    def flush(self):
        with self._lock:
            self._out.flush()

    def close(self):
        self._out.close()

    def _write(self, text):
        with self._lock:
            self._out.write(text)


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
        self.trickle = threading.Event()  # a few rows only
        self.wrong = None
        self._first_life = server.lives
        self.file = LedgerFile(ledger.new_file())

    def run(self):
        try:
            self.pump()
            self.file.close()
        except Exception as e:  # told in the round's verdict
            self.wrong = f"{type(self).__name__}: {type(e).__name__}: {e}"

    def pause(self, seconds):
        time.sleep(TRICKLE_PAUSE_S if self.trickle.is_set() else seconds)

    def lives(self):
        """Of the server, since this load was made."""
        return 1 + self.server.lives - self._first_life

    def server_died(self):
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
        message = row_class(connection, KEYED)
        waiting, self._unanswered = self._unanswered, []
        sent, acked = self.ledger.sent[KEYED], self.ledger.acked[KEYED]
        batches = []
        stream = self.file.stream(KEYED)

        def on_ack(first, last):
            self.file.ack(stream, last)
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
                    rows = [self._row(message, i) for i in ids]
                    self.file.rows(stream, len(batches) - 1, ids, rows)
                    producer.append_batch(rows)
                    self.pause(BATCH_PAUSE_S)
        finally:
            self._unanswered = batches[producer.acked + 1:] + waiting

    def _row(self, message, row_id):
        return message(id=row_id, round=self.round, filler=filler(row_id)).SerializeToString()


class SdkLoad(Load):
    """The official SDK: it connects again and sends again by itself."""

    def pump(self):
        stream, message = self._open()
        ids, rows = [], []
        while not self.over.is_set():
            row_id, = self.ledger.new_ids(1, self.round)
            # As often as there were lives of the server; known when the stream is closed.
            self.ledger.sent[SDK_TABLE][row_id] = 1_000
            ids.append(row_id)
            rows.append(message(id=row_id, round=self.round,
                                filler=filler(row_id)).SerializeToString())
            stream.ingest_record_offset(rows[-1])
            self.pause(SDK_PAUSE_S)
        stream.flush()
        stream.close()
        for row_id in ids:
            self.ledger.sent[SDK_TABLE][row_id] = self.lives()
        self.ledger.acked[SDK_TABLE].update(ids)
        for life in range(self.lives()):
            name = self.file.stream(SDK_TABLE)
            for offset, (row_id, row) in enumerate(zip(ids, rows)):
                self.file.rows(name, offset, [row_id], [row])
            if life == 0 and ids:
                self.file.ack(name, len(ids) - 1)

    def _open(self):
        """The SDK goes on after a break by itself, but its first stream needs a server."""
        end = time.monotonic() + LIFE_TIMEOUT_S
        while True:
            self.again.wait(LIFE_TIMEOUT_S)
            try:
                with self.server.connect() as connection:
                    message = row_class(connection, SDK_TABLE)
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


class TablesLoad(Load):
    """Makes, alters and drops tables beside the others; what was answered must be so afterwards."""

    PAUSE_S = 0.15

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._known = {}    # name -> is it there? None: there was no answer
        self._altered = set()

    def pump(self):
        while not self.over.is_set():
            self.again.wait(LIFE_TIMEOUT_S)
            try:
                with self.server.connect() as admin:
                    self._life(admin)
            except grpc.RpcError:
                time.sleep(0.05)

    def _life(self, admin):
        while not self.over.is_set():
            name = f"crash.side.t{self.round}_{len(self._known)}"
            self._known[name] = None
            admin.create_table(name, DDL)
            self._known[name] = True
            admin.alter_table(name, add=[NEW_COLUMN])
            self._altered.add(name)
            time.sleep(self.PAUSE_S)
            if len(self._known) % 3:
                self._known[name] = None
                admin.drop_table(name)
                self._known[name] = False

    def faults(self, admin):
        there = {table.name for table in admin.tables()}
        column = NEW_COLUMN.split()[0]
        old = [name for name in self._altered & there
               if column not in (c.name for c in admin.table(name).columns)]
        return [f"table {name} has lost its new column" for name in old] + [
            f"table {name} was {'made and is not there' if made else 'dropped and is there'}"
            for name, made in self._known.items()
            if made is not None and made != (name in there)]


class ToolLoad:
    """The load tool for one life of the server: single rows, its ledger says what must be there."""

    def __init__(self, server, ledger, random):
        self._ledger = ledger
        first = ledger.new_streams(TOOL_STREAMS)
        self._file = ledger.new_file()
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
        if self._process.returncode in (3, -signal.SIGINT):
            self._file.touch()  # the server went before the streams were open
        elif self._process.returncode not in (0, 1):
            return 0, 0, f"the load tool ended with {self._process.returncode}: {said[-300:]}"
        return *self._ledger.add_tool_file(self._file), None
