# SPDX-License-Identifier: Apache-2.0
"""A stream of rows into one table, many in flight, acknowledged in order.

The caller's thread puts requests into a queue that gRPC's sender drains; one thread of the
producer's own reads the answers. An acknowledged offset is durable, and all before it.

A producer does not reconnect by itself: when its stream ends early every call raises
StreamFailed, and unacknowledged() gives the rows to send again on a new one.
"""
import collections
import queue
import threading
import time

import grpc
from databricks import zerobus_service_pb2 as wire
from databricks import zerobus_service_pb2_grpc as service

INFLIGHT_MAX = 20_000  # requests sent and not yet acknowledged; append() waits beyond that
CREATE_TIMEOUT_S = 15


class StreamFailed(Exception):
    """The stream ended before everything was acknowledged. code is a grpc.StatusCode."""

    def __init__(self, code, details):
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details


class Producer:
    def __init__(self, channel, metadata, table, descriptor=None, on_ack=None,
                 inflight_max=INFLIGHT_MAX):
        """on_ack(first, last) is called from the producer's own thread for each answer."""
        self.table = table
        self.stream_id = None
        self._json = descriptor is None
        self._on_ack = on_ack
        self._inflight_max = inflight_max
        self._changed = threading.Condition()
        self._sending = threading.Lock()  # keeps queue order equal to offset order
        self._unacked = collections.deque()
        self._next_offset = 0
        self._acked = -1
        self._failure = None
        self._closed = False
        self._queue = queue.SimpleQueue()
        create = wire.CreateIngestStreamRequest(
            table_name=table, record_type=wire.JSON if self._json else wire.PROTO)
        if descriptor is not None:
            create.descriptor_proto = descriptor.SerializeToString()
        self._queue.put(wire.EphemeralStreamRequest(create_stream=create))
        headers = list(metadata) + [("x-databricks-zerobus-table-name", table)]
        self._call = service.ZerobusStub(channel).EphemeralStream(
            iter(self._queue.get, None), metadata=headers)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._wait(lambda: self.stream_id is not None, CREATE_TIMEOUT_S)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self._call.cancel()

    def append(self, row):
        """Send one row; returns its offset at once. Waits only while too many are in flight."""
        request = wire.IngestRecordRequest()
        if self._json:
            request.json_record = row
        else:
            request.proto_encoded_record = _bytes(row)
        return self._send(wire.EphemeralStreamRequest(ingest_record=request), [row])

    def append_batch(self, rows):
        """Send rows as one request with one offset: all of them are taken, or none."""
        request = wire.IngestRecordBatchRequest()
        if self._json:
            request.json_batch.records.extend(rows)
        else:
            request.proto_encoded_batch.records.extend(_bytes(r) for r in rows)
        return self._send(wire.EphemeralStreamRequest(ingest_record_batch=request), list(rows))

    def wait(self, offset, timeout_s=60):
        """Until offset is durable."""
        self._wait(lambda: self._acked >= offset, timeout_s)

    def flush(self, timeout_s=300):
        """Until everything sent so far is durable."""
        self.wait(self._next_offset - 1, timeout_s)

    def unacknowledged(self):
        """Rows that no answer covers yet, in order. They may be durable all the same."""
        with self._changed:
            return [row for rows in self._unacked for row in rows]

    @property
    def acked(self):
        """The highest durable offset, -1 when there is none."""
        return self._acked

    def close(self, timeout_s=300):
        """Flush, then end the stream; raises StreamFailed if the server did not agree."""
        if self._closed:
            return
        self.flush(timeout_s)
        self._closed = True
        self._queue.put(None)
        self._reader.join(timeout_s)
        if self._failure:
            raise self._failure

    def _send(self, message, rows):
        with self._sending:
            self._wait(lambda: len(self._unacked) < self._inflight_max, 300)
            with self._changed:
                offset = self._next_offset
                self._next_offset += 1
                self._unacked.append(rows)
            getattr(message, message.WhichOneof("payload")).offset_id = offset
            self._queue.put(message)
        return offset

    def _wait(self, done, timeout_s):
        end = time.monotonic() + timeout_s
        with self._changed:
            while not done():
                if self._failure:
                    raise self._failure
                left_s = end - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    raise TimeoutError(f"{self.table}: no answer within {timeout_s} s")

    def _read(self):
        code, details = grpc.StatusCode.OK, "the server ended the stream"
        try:
            for answer in self._call:
                self._take(answer)
        except grpc.RpcError as e:
            code, details = e.code(), e.details()
        with self._changed:
            if self._failure is None and not (code is grpc.StatusCode.OK and self._closed):
                self._failure = StreamFailed(code, details)
            self._changed.notify_all()
        self._queue.put(None)

    def _take(self, answer):
        kind = answer.WhichOneof("payload")
        first, last = self._acked + 1, self._acked
        with self._changed:
            if kind == "create_stream_response":
                self.stream_id = answer.create_stream_response.stream_id
            elif kind == "ingest_record_response":
                last = answer.ingest_record_response.durability_ack_up_to_offset
                if last >= self._next_offset:
                    self._failure = StreamFailed(
                        grpc.StatusCode.INTERNAL, f"offset {last} acknowledged but never sent")
                    self._call.cancel()
                    last = self._acked
                for _ in range(first, last + 1):
                    self._unacked.popleft()
                self._acked = max(self._acked, last)
            self._changed.notify_all()
        if self._on_ack and last >= first:
            self._on_ack(first, last)


def _bytes(row):
    return row if isinstance(row, bytes) else row.SerializeToString()
