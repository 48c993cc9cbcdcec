"""A WebSocket at minimal cost: the load generator's other transport, with the interface of `benchmarks.wire.GrpcCall`.

To the server it is an ordinary client with masked frames (RFC 6455), and with one binary message per message.
"""

from __future__ import annotations

import base64
import os
import socket
import struct

from benchmarks.wire import CallEnded

_BINARY, _CLOSE, _PING, _PONG = 0x2, 0x8, 0x9, 0xA
_FINAL = 0x80
_MASKED = 0x80
_READ_BYTES = 256 * 1024
_CONNECT_TIMEOUT_S = 10.0
_DONE = 1000
# gifcue's close code for the status OK.
_OK = 4000


class WebSocketCall:
    """One stream on one connection. Never blocks once it is connected."""

    def __init__(self, host: str, port: int, path: str) -> None:
        """`path` is "/stream". Raises OSError if no server listens, CallEnded if it refuses the handshake."""
        self._socket = socket.create_connection((host, port), _CONNECT_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._out = bytearray()
        self._in = bytearray()
        self._is_half_closed = False
        self.is_ended = False
        try:
            self._shake_hands(f"{host}:{port}", path)
        except BaseException:
            self._socket.close()
            raise
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """The file descriptor of the socket, to wait on."""
        return self._socket.fileno()

    @property
    def unsent_bytes(self) -> int:
        """Bytes that have not been passed to the kernel yet."""
        return len(self._out)

    @property
    def wants_to_write(self) -> bool:
        """True if the kernel's buffer is full: call `flush` once the socket is writable."""
        return bool(self._out)

    def send(self, message: bytes) -> None:
        """Sends a serialised message."""
        self._out += _frame(_BINARY, message)
        self.flush()

    def half_close(self) -> None:
        """Says that no further messages come, after those that are queued."""
        self._out += _frame(_CLOSE, struct.pack("!H", _DONE))
        self._is_half_closed = True
        self.flush()

    def flush(self) -> None:
        """Sends as much as the kernel accepts."""
        if self._out:
            try:
                del self._out[: self._socket.send(self._out)]
            except BlockingIOError:
                pass
            except OSError as error:
                raise CallEnded(f"expected an open connection: {error.strerror}") from error

    def receive(self) -> list[bytes]:
        """The serialised messages that have arrived. Does not wait.

        Raises:
            CallEnded: the server ended the stream first or closed the connection.
        """
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return []
        if not data and not self.is_ended:
            raise CallEnded("expected the server to end the stream first, it closed the connection")
        self._in += data
        messages: list[bytes] = []
        while (found := self._next()) is not None:
            kind, body = found
            if kind == _BINARY:
                messages.append(body)
            elif kind == _PING:
                self._out += _frame(_PONG, body)
                self.flush()
            elif kind == _CLOSE:
                self._end(body)
        return messages

    def close(self) -> None:
        self._socket.close()

    def _end(self, body: bytes) -> None:
        code = int.from_bytes(body[:2], "big")
        if code != _OK or not self._is_half_closed:
            raise CallEnded(f"expected the stream to go on, the server ended it: {code} {body[2:].decode()}")
        self.is_ended = True

    def _next(self) -> tuple[int, bytes] | None:
        """The next frame of the server, which sends none masked and none in fragments: kind and payload."""
        if len(self._in) < 2:
            return None
        size, start = self._in[1], 2
        if size == 126:
            size, start = int.from_bytes(self._in[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(self._in[2:10], "big"), 10
        if len(self._in) < start + size:
            return None
        found = self._in[0] & 0x0F, bytes(self._in[start : start + size])
        del self._in[: start + size]
        return found

    def _shake_hands(self, authority: str, path: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Protocol: gifcue.v1\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._in:
            data = self._socket.recv(_READ_BYTES)
            if not data:
                raise CallEnded("expected an answer to the handshake, the server closed the connection")
            self._in += data
        head, _, rest = bytes(self._in).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise CallEnded(f"expected the answer 101, got {head.splitlines()[0].decode(errors='replace')}")
        self._in[:] = rest


def _frame(kind: int, body: bytes) -> bytes:
    size = len(body)
    if size < 126:
        head = struct.pack("!BB", _FINAL | kind, _MASKED | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", _FINAL | kind, _MASKED | 126, size)
    else:
        head = struct.pack("!BBQ", _FINAL | kind, _MASKED | 127, size)
    mask = os.urandom(4)
    repeated = (mask * (size // 4 + 1))[:size]
    # A number of any length is the fastest exclusive or of the standard library.
    masked = int.from_bytes(body, "big") ^ int.from_bytes(repeated, "big")
    return head + mask + masked.to_bytes(size, "big")
