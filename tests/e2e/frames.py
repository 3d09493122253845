# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 by hand, for clients that no library wants to be: calls whose message never ends."""
import select
import socket
import ssl
import struct
import time

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_HEADERS, ACK = 4, 1
INITIAL_WINDOW_SIZE = 4
FRAME_BYTES = 16384
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header(name, value):
    """A literal without indexing (RFC 7541, 6.2.2); shorter than 127 bytes each."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


class HalfCalls:
    """Calls on one TLS connection, each with the beginning of a message and not its end."""

    def __init__(self, server, method, metadata, calls):
        host, port = server.endpoint.rsplit(":", 1)
        context = ssl.create_default_context(cafile=str(server.ca))
        context.set_alpn_protocols(["h2"])
        self._socket = context.wrap_socket(socket.create_connection((host, int(port))),
                                           server_hostname=host)
        self._received = b""
        self._initial = 65535
        self._window = 65535
        self._windows = {}     # stream -> more or less than the initial window
        self.sent = {}         # stream -> bytes of its message
        self.ended = {}        # stream -> error code of its end, -1: with a status
        self.gone = False
        block = b"".join(header(n, v) for n, v in (
            (":method", "POST"), (":scheme", "https"), (":path", method), (":authority", host),
            ("te", "trailers"), ("content-type", "application/grpc"), *metadata))
        self._socket.sendall(PREFACE + frame(SETTINGS, 0, 0))
        for stream in range(1, 2 * calls, 2):
            self._socket.sendall(frame(HEADERS, END_HEADERS, stream, block))
            self._windows[stream], self.sent[stream] = 0, 0

    def close(self):
        self._socket.close()

    def send(self, told_bytes, bytes_each, seconds):
        """As much of each message as the server lets through, up to bytes_each of told_bytes."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.gone:
            waiting = [s for s, n in self.sent.items() if n < bytes_each and s not in self.ended]
            if not waiting:
                break
            wrote = sum(self._send_some(s, told_bytes, bytes_each) for s in waiting)
            self.listen(0 if wrote else 0.05)

    def _send_some(self, stream, told_bytes, bytes_each):
        sent = self.sent[stream]
        room = min(bytes_each - sent, FRAME_BYTES, self._window,
                   self._initial + self._windows[stream])
        if room <= 0 or self.gone:
            return 0
        piece = bytes(room) if sent else (b"\0" + struct.pack(">I", told_bytes)).ljust(room, b"\0")
        try:
            self._socket.sendall(frame(DATA, 0, stream, piece))
        except OSError:
            self.gone = True
        self._window -= room
        self._windows[stream] -= room
        self.sent[stream] += room
        return room

    def listen(self, wait_s):
        """Take what has come."""
        while not self.gone and (self._socket.pending()
                                 or select.select([self._socket], [], [], wait_s)[0]):
            wait_s = 0
            try:
                piece = self._socket.recv(1 << 16)
            except OSError:
                piece = b""
            self.gone |= not piece
            self._received += piece
            self._take_frames()

    def _take_frames(self):
        while len(self._received) >= 9:
            length = int.from_bytes(self._received[:3], "big")
            kind, flags, stream = struct.unpack(">BBI", self._received[3:9])
            if len(self._received) < 9 + length:
                return
            self._take(kind, flags, stream, self._received[9:9 + length])
            self._received = self._received[9 + length:]

    def _take(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[at:at + 6])
                if name == INITIAL_WINDOW_SIZE:
                    self._initial = value
            self._socket.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self._socket.sendall(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            more = struct.unpack(">I", payload)[0]
            if stream:
                self._windows[stream] += more
            else:
                self._window += more
        elif kind == RST_STREAM:
            self.ended[stream] = struct.unpack(">I", payload)[0]
        elif kind == HEADERS and flags & 1:
            self.ended[stream] = -1
        elif kind == GOAWAY:
            self.ended.setdefault(0, struct.unpack(">I", payload[4:8])[0])
