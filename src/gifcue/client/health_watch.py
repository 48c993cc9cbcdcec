"""Follows the health of one server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gifcue.client.tokens import Metadata

# The service whose health says whether a server takes streams.
SERVICE = "gifcue.v1.ReactionService"
# Seconds within which a server must answer. Its later answers come whenever its health changes.
ANSWER_S = 2.0
_FIRST_PAUSE_S = 0.25
_MAX_PAUSE_S = 5.0
# The server has no such service, or keeps it for others.
_NO_HEALTH = (
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
)


class HealthWatch:
    """Calls `on_health` with every answer of `grpc.health.v1.Health/Watch`, and `on_lost` where it gives none.

    It asks again after growing pauses, until `follow` is cancelled or the server turns out to have no such service.
    """

    def __init__(
        self,
        channel: Any,
        metadata: Metadata | None,
        on_health: Callable[[bool], None],
        on_lost: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._stub = health_pb2_grpc.HealthStub(channel)
        self._metadata = metadata
        self._on_health = on_health
        self._on_lost = on_lost
        self._sleep = sleep
        self._call: Any = None
        self._has_answer = False
        self._asks_again = False

    def ask_again(self) -> None:
        """Something speaks against the server: asks anew, because a server that hangs says nothing on an old call."""
        if self._call is not None and self._has_answer:
            self._asks_again = True
            self._call.cancel()

    async def follow(self) -> None:
        """Watches until it is cancelled. Returns where the server has no such service."""
        pause_s = _FIRST_PAUSE_S
        while True:
            self._asks_again = False
            code = await self._one_call()
            if code in _NO_HEALTH:
                return
            if self._asks_again:
                continue
            if self._has_answer:
                pause_s = _FIRST_PAUSE_S
            elif code is grpc.StatusCode.RESOURCE_EXHAUSTED:
                pause_s = _MAX_PAUSE_S  # it is alive, and has more watches than it wants
            else:
                self._on_lost()
            await self._sleep(pause_s)
            pause_s = min(_MAX_PAUSE_S, 2 * pause_s)

    async def _one_call(self) -> grpc.StatusCode:
        """One call until its end; returns its status."""
        self._has_answer = False
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        self._call = call = self._stub.Watch(request, metadata=self._metadata)
        # Beside the read, because a time limit around it would leak the call.
        limit = asyncio.get_running_loop().call_later(ANSWER_S, call.cancel)
        try:
            while (response := await call.read()) is not grpc.aio.EOF:
                limit.cancel()
                self._has_answer = True
                self._on_health(response.status == health_pb2.HealthCheckResponse.SERVING)
            return grpc.StatusCode.OK
        except grpc.aio.AioRpcError as error:
            return error.code()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return grpc.StatusCode.CANCELLED  # only the call was cancelled, by the limit or by `ask_again`
        finally:
            limit.cancel()
            call.cancel()
            self._call = None
