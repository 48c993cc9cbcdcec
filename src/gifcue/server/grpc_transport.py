"""gRPC as a transport of streams.

A read is never wrapped in a timeout and CancelledError is never swallowed: both leak in grpc.aio.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import grpc
import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from gifcue.server.status_codes import RETRY_AFTER
from gifcue.server.transport import ConnectionLost, StreamStatus

log = structlog.get_logger()

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class GrpcTransport:
    """One call of StreamReactions, whose messages grpc.aio neither parses nor serializes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.is_aborted = False

    @property
    def peer(self) -> str:
        return self._context.peer()

    async def receive(self) -> bytes | None:
        # Also EOF where the client is gone. grpc.aio then cancels the task of the handler.
        message = await self._context.read()
        return None if message is grpc.aio.EOF else message

    async def send(self, message: bytes) -> None:
        try:
            await self._context.write(message)
        except cygrpc.ExecuteBatchError:
            raise ConnectionLost from None

    async def close(self, status: StreamStatus) -> None:
        # grpc.aio sends this once the handler returns.
        self._context.set_code(status.code)
        self._context.set_details(status.details)
        if status.retry_after_ms:
            self._context.set_trailing_metadata(((RETRY_AFTER, str(status.retry_after_ms)),))

    def abort(self, status: StreamStatus) -> None:
        self.is_aborted = True
        if not cancel_call(self._context, status):
            log.warning("a call could not be cancelled", peer=self.peer)


def cancel_call(context: Context, status: StreamStatus) -> bool:
    """Cancels a call from the server's side, with a status; whether it did.

    grpc.aio has no method for it. A write to a client with a closed HTTP/2 window never ends, and neither does a status
    sent behind it: even after the handler has ended, the call and its memory stay until the client goes.
    gRPC's core can cancel a call, and `cygrpc.Call` offers that. The context of a handler makes such an object only to
    pass it to `cygrpc.peer_identities`, so that function is replaced for one call. Nothing is awaited meanwhile.
    tests/server/test_readers.py fails where a version of grpcio does this differently.
    """

    def cancel(call: cygrpc.Call) -> None:
        call.cancel(status.code.value[0], status.details)

    original = cygrpc.peer_identities
    cygrpc.peer_identities = cancel
    try:
        context.peer_identities()
    except Exception as error:
        log.warning("a call could not be cancelled", error=type(error).__name__)
        return False
    finally:
        cygrpc.peer_identities = original
    return True
