"""Streams of serialized messages over either transport, for tests that must see the same on both."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiohttp
import grpc

from gifcue.access.bearer import SUBPROTOCOL
from gifcue.server.grpc_access import STREAM
from gifcue.server.lifecycle import Server
from gifcue.v1 import reaction_service_pb2 as pb
from tests.support.waiting import TIMEOUT_S

Request = pb.StreamReactionsRequest
Response = pb.StreamReactionsResponse

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Over(enum.StrEnum):
    """A transport."""

    GRPC = "grpc"
    WEBSOCKET = "websocket"


class RawStream(Protocol):
    """One stream. `read` and `status` raise TimeoutError where the server does not answer."""

    async def send(self, message: Request | bytes) -> None:
        """Sends a message, which need not be one."""
        ...

    async def half_close(self) -> None:
        """Says that no further messages come."""
        ...

    async def read(self) -> Response | None:
        """The next message; None at the end."""
        ...

    async def status(self) -> tuple[grpc.StatusCode, str]:
        """How the stream ended. Reads past what comes before."""
        ...


class GrpcStream:
    """A stream over gRPC."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def send(self, message: Request | bytes) -> None:
        await self._call.write(_bytes(message))

    async def half_close(self) -> None:
        await self._call.done_writing()

    async def read(self) -> Response | None:
        async with asyncio.timeout(TIMEOUT_S):
            try:
                message = await self._call.read()
            except grpc.aio.AioRpcError:
                return None
        return None if message is grpc.aio.EOF else Response.FromString(message)

    async def status(self) -> tuple[grpc.StatusCode, str]:
        # gRPC gives the status once all messages before it are read.
        while await self.read() is not None:
            pass
        return await self._call.code(), await self._call.details()


class WebSocketStream:
    """A stream over WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self.socket = socket
        self.closed: tuple[int, str] | None = None

    async def send(self, message: Request | bytes) -> None:
        await self.socket.send_bytes(_bytes(message))

    async def half_close(self) -> None:
        await self.socket.send_frame(b"", aiohttp.WSMsgType.CLOSE)

    async def read(self) -> Response | None:
        if self.closed is not None:
            return None
        async with asyncio.timeout(TIMEOUT_S):
            message = await self.socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            return Response.FromString(message.data)
        # Without a close frame there is no reason: 1006, as browsers say it.
        is_close = message.type is aiohttp.WSMsgType.CLOSE
        self.closed = (message.data, message.extra or "") if is_close else (1006, "")
        return None

    async def status(self) -> tuple[grpc.StatusCode, str]:
        while await self.read() is not None:
            pass
        assert self.closed is not None
        code, reason = self.closed
        assert code >= 4000, f"expected a close code of 4000 and more, got {code} {reason}"
        return _CODES[code - 4000], reason


@asynccontextmanager
async def raw_stream(server: Server, over: Over) -> AsyncIterator[RawStream]:
    """A stream to a server without TLS."""
    if over is Over.GRPC:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.listen_port}") as channel:
            call: Any = channel.stream_stream(STREAM)()
            yield GrpcStream(call)
            call.cancel()
    else:
        async with websocket(server) as socket:
            yield WebSocketStream(socket)


@asynccontextmanager
async def websocket(
    server: Server, query: str = "", **options: Any
) -> AsyncIterator[aiohttp.ClientWebSocketResponse[bool]]:
    """A WebSocket to a server without TLS. It leaves close frames to the test."""
    url = f"ws://127.0.0.1:{server.http_port}/stream{query}"
    options = {"protocols": (SUBPROTOCOL,), "autoclose": False, "max_msg_size": 1 << 24, **options}
    async with aiohttp.ClientSession() as session, session.ws_connect(url, **options) as socket:
        yield socket


def _bytes(message: Request | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString()
