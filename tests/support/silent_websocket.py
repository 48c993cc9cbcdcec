"""A WebSocket client made by hand: it sends what it likes, and reads nothing unless it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

from gifcue.v1 import reaction_service_pb2 as pb

# What the client's kernel takes without the client reading it.
_RECEIVE_BUFFER_BYTES = 4096
_MASK = b"\x01\x02\x03\x04"
BINARY, TEXT, CONTINUATION, CLOSE, PING, PONG = 0x2, 0x1, 0x0, 0x8, 0x9, 0xA


def frame(payload: bytes, opcode: int = BINARY, *, last: bool = True, reserved: int = 0) -> bytes:
    """A frame as clients send it, masked."""
    first = (0x80 if last else 0) | reserved << 4 | opcode
    if len(payload) < 126:
        head = struct.pack("!BB", first, 0x80 | len(payload))
    elif len(payload) < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, len(payload))
    repeated = _MASK * (len(payload) // 4 + 1)
    size = len(payload)
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(repeated[:size], "big")
    return head + _MASK + masked.to_bytes(size, "big")


@dataclass(slots=True)
class SilentWebSocket:
    """The connection after its handshake."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, message: pb.StreamReactionsRequest) -> None:
        """Sends a message of the wire. Raises ConnectionError where the server has closed the connection."""
        self.writer.write(frame(message.SerializeToString()))
        await self.writer.drain()

    async def send_raw(self, data: bytes) -> None:
        """Sends bytes as they are. Raises as `send`."""
        self.writer.write(data)
        await self.writer.drain()

    async def read_to_the_end(self) -> list[tuple[int, bytes]]:
        """Opcodes and payloads of the frames up to the end of the connection."""
        data = b""
        with contextlib.suppress(ConnectionError):
            while chunk := await self.reader.read(65536):
                data += chunk
        return list(_frames(data))


@contextlib.asynccontextmanager
async def silent_websocket(port: int) -> AsyncIterator[SilentWebSocket]:
    """Connects to a server without TLS on this machine. Raises ConnectionRefusedError where it refuses."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    # The limit of the reader is what asyncio reads by itself.
    reader, writer = await asyncio.open_connection(sock=raw, limit=_RECEIVE_BUFFER_BYTES)
    writer.write(
        f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Protocol: gifcue.v1\r\n\r\n".encode()
    )
    try:
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 101 "):
            raise ConnectionRefusedError(f"expected the answer 101, got {answer.splitlines()[0]!r}")
        yield SilentWebSocket(reader, writer)
    finally:
        writer.transport.abort()


def _frames(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while len(data) >= 2:
        size, start = data[1] & 0x7F, 2
        if size == 126:
            (size,), start = struct.unpack("!H", data[2:4]), 4
        elif size == 127:
            (size,), start = struct.unpack("!Q", data[2:10]), 10
        if len(data) < start + size:
            break
        found.append((data[0] & 0x0F, data[start : start + size]))
        data = data[start + size :]
    return found
