"""The errors of the client library.

    GifcueError
    └── ClientError
        ├── StreamClosed          this side has closed the stream: nothing more can be sent on it
        └── ServerError           the server ended the call: `code` is its gRPC status, `details` its message
            ├── InvalidRequest        INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE, NOT_FOUND, UNIMPLEMENTED
            ├── AccessDenied          UNAUTHENTICATED, PERMISSION_DENIED
            ├── ServerUnavailable *   UNAVAILABLE: not reached, lost, draining, or without a detector; and the
            │                         CANCELLED, INTERNAL and UNKNOWN by which proxies and gRPC say the same
            ├── ServerBusy *          RESOURCE_EXHAUSTED: no capacity at the moment
            ├── ServerTimeout *       DEADLINE_EXCEEDED: the stream was idle for too long, or no answer in time
            ├── StreamCancelled       this side cancelled the call
            └── ServerFailed          every other status

`retryable` is True for those marked *: the same call may succeed later, here or at another replica.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc

from gifcue.errors import GifcueError

# Trailing metadata of a refusal: the milliseconds after which the same call may succeed.
RETRY_AFTER = "gifcue-retry-after-ms"
# Seconds. No server can make a client wait longer.
MAX_RETRY_AFTER_S = 600.0
_MAX_DIGITS = 12
# Parts of the details by which gRPC itself, and not a server, says that a connection or a proxy failed: a stream that
# was reset, an answer without a status such as a proxy's 502 or 504, and a connection that was closed.
_LOST = (
    "RST_STREAM",
    "Received http2 header with status: 5",
    "Stream removed",
    "GOAWAY",
)


class ClientError(GifcueError):
    """The root of all errors of the client library."""


class StreamClosed(ClientError):
    """This side has closed the stream: nothing more can be sent on it."""


class ServerError(ClientError):
    """The server ended the call. `code` is the name of the gRPC status, `details` the server's message.

    `retry_after_s` is the time after which the server lets the caller try again; None where it named none.
    """

    def __init__(self, code: str, details: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{code}: {details}" if details else code)
        self.code = code
        self.details = details
        self.retry_after_s = retry_after_s


class InvalidRequest(ServerError):
    """The request is not what the protocol or the server's limits allow."""


class AccessDenied(ServerError):
    """The credentials are missing or insufficient."""


class ServerUnavailable(ServerError):
    """The server was not reached, was lost, is draining, or has no detector ready."""

    retryable = True


class ServerBusy(ServerError):
    """The server has no capacity at the moment."""

    retryable = True


class ServerTimeout(ServerError):
    """The stream was idle for too long, or no answer came in time."""

    retryable = True


class StreamCancelled(ServerError):
    """This side cancelled the call."""


class ServerFailed(ServerError):
    """The server met an error of its own."""


_BY_CODE: dict[str, type[ServerError]] = {
    "INVALID_ARGUMENT": InvalidRequest,
    "FAILED_PRECONDITION": InvalidRequest,
    "OUT_OF_RANGE": InvalidRequest,
    "NOT_FOUND": InvalidRequest,
    "UNIMPLEMENTED": InvalidRequest,
    "UNAUTHENTICATED": AccessDenied,
    "PERMISSION_DENIED": AccessDenied,
    "UNAVAILABLE": ServerUnavailable,
    "RESOURCE_EXHAUSTED": ServerBusy,
    "DEADLINE_EXCEEDED": ServerTimeout,
    # This side knows its own cancellations. Any other comes from a proxy whose server is gone.
    "CANCELLED": ServerUnavailable,
}


def error_of(
    code: grpc.StatusCode, details: str | None, trailing: Iterable[Any] | None = None
) -> ServerError:
    """The error for a gRPC status other than OK. `trailing` is the metadata that came with it, as pairs."""
    kind = _BY_CODE.get(code.name, ServerFailed)
    if kind is ServerFailed and any(each in (details or "") for each in _LOST):
        kind = ServerUnavailable
    return kind(code.name, details or "", _retry_after_s(trailing or ()))


def _retry_after_s(trailing: Iterable[Any]) -> float | None:
    """The pause that the server asks for, at most `MAX_RETRY_AFTER_S`; None for none or for what is no number."""
    for name, value in trailing:
        if name == RETRY_AFTER and isinstance(value, str) and value.isascii() and value.isdigit():
            # More digits than any sensible pause has are not converted: Python limits the length of such a text.
            return min(int(value[:_MAX_DIGITS]) / 1000.0, MAX_RETRY_AFTER_S)
    return None
