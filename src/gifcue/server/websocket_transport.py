"""WebSocket as a transport of streams: one binary message per message of the wire, the status in the close frame.

aiohttp bounds what one client can make it hold: a message of `max_message_bytes`, and a queue of about 512 KiB before
it stops reading the socket. `unread` bounds what all clients together hold. Compression is never negotiated, so a
message cannot unpack to more than was sent.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import grpc
from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web

from gifcue.bucket import TokenBucket
from gifcue.server.http_connections import BoundedConnection
from gifcue.server.transport import BrokenStream, ConnectionLost, StreamStatus

# Close codes from 4000 on are free for applications (RFC 6455, section 7.4.2).
CLOSE_CODE_BASE = 4000
# A control frame holds 125 bytes, of which the code takes two.
MAX_REASON_BYTES = 123
# Close codes with which a client says that it is done; 0 stands for a close frame without a code.
DONE_CODES = frozenset({0, WSCloseCode.OK})
# Seconds for the client's answer to the close frame. Meanwhile what it still sends is read and discarded: otherwise it
# would get a reset instead of the close frame.
CLOSE_S = 1.0
# Control frames of a client: so many a second on average, and so many at once.
CONTROL_FRAMES_PER_S = 4.0
CONTROL_FRAMES_AT_ONCE = 64
# Messages of the queue that are taken before others get their turn.
_MESSAGES_AT_ONCE = 8
# Bytes that the kernel holds unsent for one client. Its default of some MiB would hide for long that nobody reads.
_UNSENT_BYTES = 128 * 1024
# A client whose machine has gone is noticed within 40 s, as over gRPC.
_SOCKET_OPTIONS = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 30),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 2),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 40_000),
    (socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT", _UNSENT_BYTES),
)

_TOO_MANY_CONTROL_FRAMES = StreamStatus(
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    f"expected at most {CONTROL_FRAMES_PER_S:g} pings and pongs a second",
)
_NOT_BINARY = StreamStatus(
    grpc.StatusCode.INVALID_ARGUMENT, "expected binary WebSocket messages, got a text message"
)


class Socket(web.WebSocketResponse[bool]):
    """aiohttp's WebSocket, which leaves the close frame to the transport."""

    def __init__(self, subprotocol: str, max_message_bytes: int) -> None:
        super().__init__(
            protocols=(subprotocol,),
            compress=False,
            autoping=False,
            autoclose=False,
            decode_text=False,
            # aiohttp refuses a message of this size, too.
            max_msg_size=max_message_bytes + 1,
            # Each send waits while the client does not read. aiohttp would only look every 256 KiB.
            writer_limit=0,
        )

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """Does nothing. aiohttp calls it for a message that breaks the protocol, with a code of its own."""
        return False


class WebSocketTransport:
    """One WebSocket after its handshake. `request` is the one that was upgraded to `websocket`.

    Raises:
        ConnectionLost: the client has gone meanwhile.
    """

    def __init__(self, request: web.Request, websocket: Socket, max_message_bytes: int) -> None:
        if request.transport is None:
            raise ConnectionLost
        self._socket = websocket
        self._max_message_bytes = max_message_bytes
        self._protocol = request.protocol
        self._connection: asyncio.Transport = request.transport
        self._loop = asyncio.get_running_loop()
        self._control_frames = TokenBucket(CONTROL_FRAMES_PER_S, CONTROL_FRAMES_AT_ONCE)
        # The client has sent its close frame.
        self._is_closed_by_client = False
        # The client broke the protocol; aiohttp discards what else it sends.
        self._is_broken = False
        # Messages taken since the last wait.
        self._at_once = 0
        peer = self._connection.get_extra_info("peername")
        self._peer = f"websocket:{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "websocket:local"
        _set_options(self._connection)
        protocol = self._connection.get_protocol()
        assert isinstance(protocol, BoundedConnection), "expected a connection of a port of this server"
        self._meter = protocol.measure(self._connection)

    @property
    def peer(self) -> str:
        return self._peer

    async def receive(self) -> bytes | None:
        while True:
            received = self._meter.received
            message = await self._socket.receive()
            waited_bytes = self._meter.received - received
            # A message of the queue is returned at once, so others wait until the queue is empty.
            self._at_once = 0 if waited_bytes else self._at_once + 1
            if self._at_once >= _MESSAGES_AT_ONCE:
                self._at_once = 0
                await asyncio.sleep(0)
            if isinstance(message.data, bytes | bytearray):
                self._meter.take(len(message.data), waited_bytes)
            if message.type is WSMsgType.BINARY:
                data: bytes = message.data
                return data
            if message.type is WSMsgType.CLOSE:
                self._is_closed_by_client = True
                if message.data in DONE_CODES:
                    return None
                raise ConnectionLost
            await self._other(message.type, message.data)

    async def send(self, message: bytes) -> None:
        try:
            await self._socket.send_bytes(message)
        except ConnectionError:
            raise ConnectionLost from None

    async def close(self, status: StreamStatus) -> None:
        """See Transport. Returns once the client has answered, after `CLOSE_S` at the latest."""
        frame = struct.pack("!H", CLOSE_CODE_BASE + status.code.value[0]) + reason_of(status)
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._socket.send_frame(frame, WSMsgType.CLOSE)
                await self._closed_by_client()
        except TimeoutError:
            self._connection.abort()
        except ConnectionError:
            pass

    def abort(self, status: StreamStatus) -> None:
        """See Transport. A close frame would wait behind what is discarded, so the client sees a lost connection."""
        self._connection.abort()

    async def _other(self, kind: WSMsgType, data: Any) -> None:
        """Acts on what is no message of the wire and not the end.

        Raises:
            BrokenStream: the client may not send this.
            ConnectionLost: the client is gone.
        """
        match kind:
            case WSMsgType.PING | WSMsgType.PONG:
                if not self._control_frames.take(self._loop.time()):
                    raise BrokenStream(_TOO_MANY_CONTROL_FRAMES)
                # Pongs never wait: those of a client that does not read are left out.
                if kind is WSMsgType.PING and not self._protocol.writing_paused:
                    try:
                        await self._socket.pong(data)
                    except ConnectionError:
                        raise ConnectionLost from None
            case WSMsgType.TEXT:
                raise BrokenStream(_NOT_BINARY)
            case WSMsgType.ERROR if isinstance(data, WebSocketError):
                self._is_broken = True
                raise BrokenStream(self._status_of(data))
            case _:
                raise ConnectionLost

    def _status_of(self, error: WebSocketError) -> StreamStatus:
        if error.code == WSCloseCode.MESSAGE_TOO_BIG:
            details = f"expected messages of at most {self._max_message_bytes} bytes, got a larger one"
            return StreamStatus(grpc.StatusCode.RESOURCE_EXHAUSTED, details)
        return StreamStatus(
            grpc.StatusCode.INVALID_ARGUMENT, f"expected WebSocket frames (RFC 6455): {error}"
        )

    async def _closed_by_client(self) -> None:
        """Returns once the client has sent its close frame or is gone."""
        while not self._is_closed_by_client:
            if self._is_broken:
                # aiohttp discards what comes, and cancels this task once the connection is lost.
                self._meter.close()
                await self._loop.create_future()
            received = self._meter.received
            message = await self._socket.receive()
            # What comes is discarded, and counts until then: a client may send for as long as it is waited for.
            if isinstance(message.data, bytes | bytearray):
                self._meter.take(len(message.data), self._meter.received - received)
            if message.type is WSMsgType.ERROR and isinstance(message.data, WebSocketError):
                self._is_broken = True
            elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
                self._is_closed_by_client = True


def reason_of(status: StreamStatus) -> bytes:
    """The text of a close frame, cut between two characters where it is too long. It begins with the milliseconds after
    which to come back, where the status has them.
    """
    details = f"{status.retry_after_ms} {status.details}" if status.retry_after_ms else status.details
    return details.encode()[:MAX_REASON_BYTES].decode(errors="ignore").encode()


def _set_options(connection: asyncio.Transport) -> None:
    raw = connection.get_extra_info("socket")
    for level, name, value in _SOCKET_OPTIONS:
        option = getattr(socket, name, None)
        # A system that lacks one of them keeps its own defaults.
        if raw is not None and option is not None:
            raw.setsockopt(level, option, value)
