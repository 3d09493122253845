# SPDX-License-Identifier: Apache-2.0
"""A producer that does not stop while a test changes its table."""
import itertools
import threading

from test_sdk import open_stream
from zerobus.sdk.shared import AckCallback


class Live:
    """An official SDK's stream that sends a row a millisecond, from @first on, on its own thread,
    until finish() or until it fails."""

    def __init__(self, world, table, message, row, first=0):
        self.sent, self.acked, self.error = [], set(), None
        live = self

        class Acks(AckCallback):
            def on_ack(self, offset):
                live.acked.add(offset)

        self.stream = open_stream(world, table, message.DESCRIPTOR, ack_callback=Acks())
        self._stop = threading.Event()

        def work():
            try:
                for number in itertools.count(first):
                    if self._stop.is_set():
                        return
                    self.stream.ingest_record_offset(message(**row(number)))
                    self.sent.append(number)
                    self._stop.wait(0.001)
            except Exception as error:  # the SDK has its own kinds
                self.error = error

        self._thread = threading.Thread(target=work)
        self._thread.start()

    def wait_for(self, more):
        end = len(self.sent) + more
        while len(self.sent) < end and self._thread.is_alive():
            self._stop.wait(0.01)

    def wait_for_failure(self, timeout_s=30):
        """What the SDK says to who waits for the rest."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "it goes on"
        assert self.error is not None
        try:
            self.stream.flush()
        except Exception as error:
            return str(error)
        raise AssertionError("all is well")

    def finish(self):
        """Everything is acknowledged; returns the numbers that were sent."""
        self._stop.set()
        self._thread.join()
        assert self.error is None, self.error
        self.stream.flush()
        self.stream.close()
        return self.sent
