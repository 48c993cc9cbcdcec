"""What the code that serves a stream needs of a connection.

gRPC and WebSocket are transports: they carry serialized messages and a status, and decide nothing. Limits, faults,
drain, idle timeout and back-pressure are in `gifcue.server.stream`, and so are the same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import grpc


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """The gRPC status that a stream ends with, and its details for the client.

    `retry_after_ms` tells the client when to come back at the earliest, in milliseconds; 0: nothing is said of it.
    """

    code: grpc.StatusCode
    details: str = ""
    retry_after_ms: int = 0


OK = StreamStatus(grpc.StatusCode.OK)
CANCELLED = StreamStatus(grpc.StatusCode.CANCELLED, "by the client")
NOT_READING = StreamStatus(grpc.StatusCode.RESOURCE_EXHAUSTED, "expected a client that reads what it is sent")
DRAINING = StreamStatus(
    grpc.StatusCode.UNAVAILABLE,
    "expected a server that takes streams, got one that drains: open the stream on another server",
    retry_after_ms=1000,
)


class ConnectionLost(Exception):
    """The client is gone: nothing can be received from it or sent to it any more."""


class BrokenStream(Exception):
    """The client sent what the transport cannot take. The stream ends with `status`."""

    def __init__(self, status: StreamStatus) -> None:
        super().__init__(status.details)
        self.status = status


class Transport(Protocol):
    """The connection of one stream. One task receives, another one sends.

    Cancelling a pending `receive` or `send` must free what it holds. The task that serves the stream is cancelled where
    the library below learns that the client is gone; otherwise `receive` and `send` raise ConnectionLost.
    """

    @property
    def peer(self) -> str:
        """The client's address, for the log."""
        ...

    async def receive(self) -> bytes | None:
        """The next serialized StreamReactionsRequest; None once the client has sent all of its messages.

        Raises:
            BrokenStream: what came is no message. Nothing more can be received.
            ConnectionLost: the client is gone.
        """
        ...

    async def send(self, message: bytes) -> None:
        """Sends a serialized StreamReactionsResponse. Returns once the connection has taken it, which may be never.

        Raises:
            ConnectionLost: the client is gone.
        """
        ...

    async def close(self, status: StreamStatus) -> None:
        """Ends the stream, after everything sent. Called once, last, and not after `abort`."""
        ...

    def abort(self, status: StreamStatus) -> None:
        """Ends the stream at once, for a client that does not read. Discards what is not sent, never waits, never
        raises. The client gets the status where the connection can carry it without what is discarded.
        """
        ...
