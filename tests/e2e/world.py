# SPDX-License-Identifier: Apache-2.0
"""What end-to-end tests share: one server, and tables, tokens and streams of each test's own."""
import contextlib
import itertools
import os
import queue
import threading
import time

import grpc
from databricks import zerobus_service_pb2 as wire
from google.protobuf import descriptor_pb2
from sluice_local import LocalServer, lake
from sluice_local.server import row_class

FRESHNESS_MS = 200


def heavy(function):
    """A test that waits for long on purpose: it runs when it is asked for by name only."""
    function.heavy = True
    return function


def alone(function):
    """A test that measures how long something takes: nothing else runs beside it."""
    function.alone = True
    return function


class World:
    def __init__(self, folder):
        self.folder = folder
        self.server = LocalServer(folder / "server", freshness_ms=FRESHNESS_MS)
        self._numbers = itertools.count(1)
        self.admin = None

    def __enter__(self):
        self.server.prepare()
        self.server.start()
        self.admin = self.server.connect()
        # The official SDK trusts the system's CAs, and these too.
        os.environ["SSL_CERT_FILE"] = str(self.server.ca)
        os.environ["no_proxy"] = "localhost,127.0.0.1"
        os.environ.setdefault("RUST_LOG", "off")
        return self

    def __exit__(self, *_):
        if self.admin:
            self.admin.close()
        self.server.kill()

    def revive(self):
        """Start the server again when a test before this one ended it."""
        if self.server.process is None or self.server.process.poll() is not None:
            self.server.start()

    def restart(self, kill=False):
        if kill:
            self.server.kill()
        else:
            status = self.server.stop()
            assert status == 0, f"sluiced ended with {status}\n{self.server.log_tail()}"
        self.server.start()

    def table(self, ddl, key=(), word="t", properties=None):
        name = f"e2e.tests.{word}{next(self._numbers)}"
        self.admin.create_table(name, ddl, key, properties)
        return name

    def token(self, grants, **options):
        return self.admin.create_token(f"token{next(self._numbers)}", grants, **options)

    def committed(self, table):
        self.server.wait_committed([table], timeout_s=60)

    def rows(self, table, engine="delta-rs"):
        """All rows of a table as dicts, as another engine reads them."""
        self.committed(table)
        read = lake.ENGINES[engine]
        return read(self.server.table_folder(table)).to_pylist()

    def message(self, table):
        """A message class made from the table's own descriptor."""
        return row_class(self.admin, table)

    @contextlib.contextmanager
    def wire(self, table, token=None, header=True, extra=()):
        """A raw call of EphemeralStream: nothing is sent but what the test sends."""
        token = self.server.admin_token if token is None else token
        metadata = list(extra)
        if token:
            metadata.append(("authorization", f"Bearer {token}"))
        if header:
            named = table if header is True else header
            metadata.append(("x-databricks-zerobus-table-name", named))
        with Wire(self.admin.channel, metadata, table) as call:
            yield call


class Wire:
    """One raw stream. Requests, messages or bytes, are sent as they are; answers are collected by
    a thread."""

    def __init__(self, channel, metadata, table):
        self.table = table
        self._requests = queue.SimpleQueue()
        self._answers = []
        self._changed = threading.Condition()
        self.code = None
        self.details = None
        self.trailing = {}
        stream = channel.stream_stream(
            "/databricks.zerobus.Zerobus/EphemeralStream",
            request_serializer=lambda r: r if isinstance(r, bytes) else r.SerializeToString(),
            response_deserializer=wire.EphemeralStreamResponse.FromString)
        self.call = stream(iter(self._requests.get, None), metadata=metadata)
        threading.Thread(target=self._collect, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._requests.put(None)
        self.call.cancel()

    def _collect(self):
        try:
            for answer in self.call:
                with self._changed:
                    self._answers.append(answer)
                    self._changed.notify_all()
            code, details = grpc.StatusCode.OK, ""
        except grpc.RpcError as e:
            code, details = e.code(), e.details()
        with self._changed:
            self.trailing = dict(self.call.trailing_metadata() or ())
            self.code, self.details = code, details
            self._changed.notify_all()

    def send(self, request):
        self._requests.put(request)

    def create(self, **fields):
        fields.setdefault("table_name", self.table)
        self.send(wire.EphemeralStreamRequest(
            create_stream=wire.CreateIngestStreamRequest(**fields)))

    def create_json(self):
        self.create(record_type=wire.JSON)
        return self.stream_id()

    def create_proto(self, message):
        descriptor = descriptor_pb2.DescriptorProto()
        message.DESCRIPTOR.CopyToProto(descriptor)
        self.create(record_type=wire.PROTO, descriptor_proto=descriptor.SerializeToString())
        return self.stream_id()

    def record(self, offset, json=None, proto=None):
        request = wire.IngestRecordRequest(offset_id=offset)
        if json is not None:
            request.json_record = json
        if proto is not None:
            request.proto_encoded_record = proto
        self.send(wire.EphemeralStreamRequest(ingest_record=request))

    def batch(self, offset, json=None, proto=None):
        request = wire.IngestRecordBatchRequest(offset_id=offset)
        if json is not None:
            request.json_batch.SetInParent()
            request.json_batch.records.extend(json)
        if proto is not None:
            request.proto_encoded_batch.SetInParent()
            request.proto_encoded_batch.records.extend(proto)
        self.send(wire.EphemeralStreamRequest(ingest_record_batch=request))

    def half_close(self):
        self._requests.put(None)

    def stream_id(self):
        self.wait(lambda: self._answers)
        assert self._answers, f"no stream: {self.code} {self.details}"
        return self._answers[0].create_stream_response.stream_id

    def acked(self):
        """The highest offset acknowledged so far, -1 when none is."""
        values = [a.ingest_record_response.durability_ack_up_to_offset for a in self._answers
                  if a.WhichOneof("payload") == "ingest_record_response"]
        assert values == sorted(values), f"acks went back: {values}"
        return values[-1] if values else -1

    def wait_ack(self, offset):
        self.wait(lambda: self.acked() >= offset)
        assert self.acked() == offset, f"{self.acked()} acked, {self.code} {self.details}"

    def wait(self, done, timeout_s=20):
        end = time.monotonic() + timeout_s
        with self._changed:
            while not done() and self.code is None:
                if not self._changed.wait(max(0.0, end - time.monotonic())):
                    raise TimeoutError("no answer from the server")

    def end(self, timeout_s=20):
        """Wait for the end of the stream; returns (code, details)."""
        self.wait(lambda: False, timeout_s)
        return self.code, self.details


def fails_with(code, *words):
    """A context that wants grpc.RpcError with this code and all words in its details."""
    return Failure(code, words)


class Failure:
    def __init__(self, code, words):
        self._code, self._words = code, words

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        assert error is not None, f"no error, {self._code} expected"
        if not isinstance(error, grpc.RpcError):
            return False
        check_status((error.code(), error.details()), self._code, *self._words)
        return True


def check_status(status, code, *words):
    """status is (code, details); every word must stand in the details."""
    assert status[0] is code, f"{status[0]} ({status[1]}), {code} expected"
    missing = [w for w in words if w.lower() not in status[1].lower()]
    assert not missing, f"{missing} not in: {status[1]}"


def eventually(check, timeout_s=20):
    """Until check() is true; fails with its last value."""
    end = time.monotonic() + timeout_s
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"still {value!r} after {timeout_s} s"
        time.sleep(0.05)
