"""A call of StreamReactions without a network: what the client sees, and what the server sees."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from gifcue.server.transport import ConnectionLost, StreamStatus
from gifcue.v1.reaction_service_pb2 import StreamReactionsRequest, StreamReactionsResponse

# Seconds that a message is under way. What is under way is lost with its connection.
LATENCY_S = 0.01


class _Way:
    """One direction: messages that arrive after a while, unless it is cut or frozen."""

    def __init__(self) -> None:
        self._arrived: deque[Any] = deque()
        self._changed = asyncio.Event()
        self.is_cut = False
        self.is_frozen = False

    def put(self, message: Any) -> None:
        asyncio.get_running_loop().call_later(LATENCY_S, self._arrive, message)

    def _arrive(self, message: Any) -> None:
        if not self.is_cut:
            self._arrived.append(message)
            self._changed.set()

    def change(self) -> None:
        self._changed.set()

    async def take(self) -> Any:
        """The next message. Raises ConnectionLost once the way is cut; what has arrived before is still taken."""
        while not self._arrived or self.is_frozen:
            if self.is_cut and not (self._arrived and not self.is_frozen):
                raise ConnectionLost
            self._changed.clear()
            await self._changed.wait()
        return self._arrived.popleft()


class Call:
    """Both ends of one call: `grpc.aio`'s call of the client, and the `Transport` of the server."""

    peer = "memory:1"

    def __init__(self) -> None:
        self._up, self._down = _Way(), _Way()
        self._status: tuple[grpc.StatusCode, str] | None = None
        self._callbacks: list[Callable[[Any], None]] = []

    @property
    def is_over(self) -> bool:
        """Whether the client has a status."""
        return self._status is not None

    # What a test does

    def lose(self, code: grpc.StatusCode, details: str) -> None:
        """The connection breaks. The client gets this status, and the server learns that the client is gone."""
        self._cut(self._up)
        self._cut(self._down)
        self._finish(code, details)

    def freeze(self, *, is_frozen: bool) -> None:
        """Nothing passes while it is frozen."""
        for way in (self._up, self._down):
            way.is_frozen = is_frozen
            way.change()

    # The client's end

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._callbacks.append(callback)

    async def write(self, request: StreamReactionsRequest) -> None:
        if self._status is not None:
            raise asyncio.InvalidStateError
        self._up.put(request.SerializeToString())

    async def done_writing(self) -> None:
        self._up.put(None)

    async def read(self) -> Any:
        try:
            message = await self._down.take()
        except ConnectionLost:
            message = self._status
        if isinstance(message, bytes):
            return StreamReactionsResponse.FromString(message)
        code, details = self._status = message
        self._tell()
        if code is grpc.StatusCode.OK:
            return grpc.aio.EOF
        if code is grpc.StatusCode.CANCELLED:
            raise asyncio.CancelledError  # as grpc.aio does, whoever cancelled
        raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)

    def cancel(self) -> None:
        self.lose(grpc.StatusCode.CANCELLED, "Locally cancelled by application!")

    async def code(self) -> grpc.StatusCode:
        assert self._status is not None
        return self._status[0]

    async def details(self) -> str:
        assert self._status is not None
        return self._status[1]

    async def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    # The server's end

    async def receive(self) -> bytes | None:
        message: bytes | None = await self._up.take()
        return message

    async def send(self, message: bytes) -> None:
        if self._down.is_cut:
            raise ConnectionLost
        self._down.put(message)

    async def close(self, status: StreamStatus) -> None:
        self._down.put((status.code, status.details))

    def abort(self, status: StreamStatus) -> None:
        self._down.put((status.code, status.details))

    def _cut(self, way: _Way) -> None:
        way.is_cut = True
        way.is_frozen = False
        way.change()

    def _finish(self, code: grpc.StatusCode, details: str) -> None:
        if self._status is None:
            self._status = code, details
            self._tell()

    def _tell(self) -> None:
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)
