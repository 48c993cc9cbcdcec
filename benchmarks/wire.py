"""A gRPC call on its own socket at minimal cost: the part of HTTP/2 that one stream of messages needs.

The load generator shares the machine with the server that it measures. gRPC's own Python client spends about as much
time on a message as the server, which would halve the measured capacity. This client spends some tens of microseconds.
To the server it is an ordinary client with HTTP/2 frames (RFC 9113), flow control and pings.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Iterable

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 0x1, 0x1, 0x4
_INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE, _ENABLE_PUSH = 4, 5, 2
_DEFAULT_WINDOW_BYTES = 65_535
# The maximum of HTTP/2: flow control never delays the server's messages.
_MAX_WINDOW_BYTES = 2**31 - 1
_STREAM = 1
_READ_BYTES = 256 * 1024
_CONNECT_TIMEOUT_S = 10.0


class CallEnded(Exception):
    """The server ended the call or the connection before this client did."""


class GrpcCall:
    """One bidirectional call on one connection. Never blocks once it is connected."""

    def __init__(self, host: str, port: int, path: str, metadata: Iterable[tuple[str, str]] = ()) -> None:
        """`path` is "/package.Service/Method". Raises OSError if no server listens."""
        self._socket = socket.create_connection((host, port), _CONNECT_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._out = bytearray()
        self._waiting: deque[bytes] = deque()  # messages that wait for the flow-control windows
        self._stream_window = self._connection_window = self._first_window = _DEFAULT_WINDOW_BYTES
        self._frame_bytes = 16_384
        self._in = bytearray()
        self._message = bytearray()
        self._is_closing = self._is_half_closed = False
        self.is_ended = False
        settings = struct.pack(">HIHI", _ENABLE_PUSH, 0, _INITIAL_WINDOW_SIZE, _MAX_WINDOW_BYTES)
        self._out += _PREFACE + _frame(_SETTINGS, 0, 0, settings)
        more = struct.pack(">I", _MAX_WINDOW_BYTES - _DEFAULT_WINDOW_BYTES)
        self._out += _frame(_WINDOW_UPDATE, 0, 0, more)
        headers = _headers(f"{host}:{port}", path, metadata)
        self._out += _frame(_HEADERS, _END_HEADERS, _STREAM, headers)
        self._write()

    def fileno(self) -> int:
        """The file descriptor of the socket, to wait on."""
        return self._socket.fileno()

    @property
    def unsent_bytes(self) -> int:
        """Bytes that have not been passed to the kernel yet."""
        return len(self._out) + sum(len(message) for message in self._waiting)

    @property
    def wants_to_write(self) -> bool:
        """True if the kernel's buffer is full: call `flush` once the socket is writable."""
        return bool(self._out)

    def send(self, message: bytes) -> None:
        """Sends a serialised message, or queues it until the server's window allows it."""
        self._waiting.append(b"\0" + struct.pack(">I", len(message)) + message)
        self.flush()

    def half_close(self) -> None:
        """Ends the stream of messages after those that are queued."""
        self._is_closing = True
        self.flush()

    def flush(self) -> None:
        """Sends as much as the windows and the kernel accept."""
        waiting = self._waiting
        while waiting and (room := min(self._stream_window, self._connection_window)) > 0:
            message = waiting[0]
            size = min(len(message), room, self._frame_bytes)
            self._out += _frame(_DATA, 0, _STREAM, message[:size])
            self._stream_window -= size
            self._connection_window -= size
            if size == len(message):
                waiting.popleft()
            else:
                waiting[0] = message[size:]
        if self._is_closing and not waiting:
            self._out += _frame(_DATA, _END_STREAM, _STREAM, b"")
            self._is_closing, self._is_half_closed = False, True
        self._write()

    def receive(self) -> list[bytes]:
        """The serialised messages that have arrived. Does not wait.

        Raises:
            CallEnded: the server reset the call or closed the connection.
        """
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return []
        if not data and not self.is_ended:
            raise CallEnded("expected the server to end the call first, it closed the connection")
        self._in += data
        messages: list[bytes] = []
        while len(self._in) >= 9:
            length = int.from_bytes(self._in[:3], "big")
            if len(self._in) < 9 + length:
                break
            kind, flags = self._in[3], self._in[4]
            stream = int.from_bytes(self._in[5:9], "big")
            body = bytes(self._in[9 : 9 + length])
            del self._in[: 9 + length]
            self._take(kind, flags, stream, body, messages)
        if self.is_ended and not self._is_half_closed:
            raise CallEnded("expected the client to end the call first, the server did: see its log")
        return messages

    def close(self) -> None:
        self._socket.close()

    def _take(self, kind: int, flags: int, stream: int, body: bytes, messages: list[bytes]) -> None:
        if kind == _DATA:
            self._message += body
            while len(self._message) >= 5:
                length = int.from_bytes(self._message[1:5], "big")
                if len(self._message) < 5 + length:
                    break
                messages.append(bytes(self._message[5 : 5 + length]))
                del self._message[: 5 + length]
        elif kind == _WINDOW_UPDATE:
            self._widen(int.from_bytes(body, "big"), stream)
        elif kind == _SETTINGS and not flags & _ACK:
            self._settle(body)
        elif kind == _PING and not flags & _ACK:
            self._out += _frame(_PING, _ACK, 0, body)
            self._write()
        elif kind in (_RST_STREAM, _GOAWAY):
            code = int.from_bytes(body[-4:] if kind == _RST_STREAM else body[4:8], "big")
            if code:
                raise CallEnded(f"expected the call to go on, the server reset it with HTTP/2 error {code}")
        if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            self.is_ended = True

    def _widen(self, more: int, stream: int) -> None:
        if stream:
            self._stream_window += more
        else:
            self._connection_window += more
        self.flush()

    def _settle(self, body: bytes) -> None:
        for place in range(0, len(body), 6):
            name, value = struct.unpack_from(">HI", body, place)
            if name == _INITIAL_WINDOW_SIZE:
                self._stream_window += value - self._first_window
                self._first_window = value
            elif name == _MAX_FRAME_SIZE:
                self._frame_bytes = value
        self._out += _frame(_SETTINGS, _ACK, 0, b"")
        self.flush()

    def _write(self) -> None:
        if self._out:
            try:
                del self._out[: self._socket.send(self._out)]
            except BlockingIOError:
                pass
            except OSError as error:
                raise CallEnded(f"expected an open connection: {error.strerror}") from error


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">IBI", len(body) << 8 | kind, flags, stream) + body


def _headers(authority: str, path: str, metadata: Iterable[tuple[str, str]]) -> bytes:
    # HPACK: two entries of the static table, the others literal and not indexed, so that no state is kept.
    block = b"\x83\x86"  # :method POST, :scheme http
    for name, value in (
        (":path", path),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "gifcue-benchmark"),
        *metadata,
    ):
        block += b"\0" + _text(name) + _text(value)
    return block


def _text(text: str) -> bytes:
    data = text.encode()
    if len(data) > 126:
        raise ValueError(f"expected a header of at most 126 bytes, got {len(data)}")
    return bytes([len(data)]) + data
