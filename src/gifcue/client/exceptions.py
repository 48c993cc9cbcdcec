"""What a caller of the client library can meet.

    GifcueError
    └── ClientError
        ├── StreamClosed          this side has closed the stream: nothing more can be sent on it
        ├── SourceError           a file, URL or device that cannot be streamed
        └── ServerError           the server ended the call: `code` is its gRPC status, `details` its words
            ├── InvalidRequest        INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE, …
            ├── AccessDenied          UNAUTHENTICATED, PERMISSION_DENIED
            ├── ServerUnavailable *   UNAVAILABLE: not reached, lost, draining, or without a detector
            ├── ServerBusy *          RESOURCE_EXHAUSTED: no room now
            ├── ServerTimeout *       DEADLINE_EXCEEDED: idle for too long, or no answer in time
            ├── StreamCancelled       CANCELLED: by either side
            └── ServerFailed          every other status

`retryable` is True on those marked *: the same call may succeed later, here or at another replica.
"""

from __future__ import annotations

from typing import ClassVar

import grpc

from gifcue.errors import GifcueError


class ClientError(GifcueError):
    """The root of all errors of the client library."""

    status: ClassVar[str] = "UNKNOWN"


class StreamClosed(ClientError):
    """This side has closed the stream: nothing more can be sent on it."""

    status = "CANCELLED"


class SourceError(ClientError):
    """A file, URL or device that cannot be streamed."""

    status = "INVALID_ARGUMENT"


class ServerError(ClientError):
    """The server ended the call. `code` is the gRPC status' name, `details` the server's words."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(f"{code}: {details}" if details else code)
        self.code = code
        self.details = details


class InvalidRequest(ServerError):
    """What was asked is not what the protocol or the server's limits allow."""

    status = "INVALID_ARGUMENT"


class AccessDenied(ServerError):
    """The credentials are missing or not enough."""

    status = "PERMISSION_DENIED"


class ServerUnavailable(ServerError):
    """The server was not reached, was lost, drains, or has no detector ready."""

    status = "UNAVAILABLE"
    retryable = True


class ServerBusy(ServerError):
    """The server has no room now."""

    status = "RESOURCE_EXHAUSTED"
    retryable = True


class ServerTimeout(ServerError):
    """The stream was idle for too long, or no answer came in time."""

    status = "DEADLINE_EXCEEDED"
    retryable = True


class StreamCancelled(ServerError):
    """One of the two sides cancelled the call."""

    status = "CANCELLED"


class ServerFailed(ServerError):
    """The server met an error of its own."""

    status = "INTERNAL"


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
    "CANCELLED": StreamCancelled,
}


def error_of(code: grpc.StatusCode, details: str | None) -> ServerError:
    """The error that stands for a gRPC status other than OK."""
    kind = _BY_CODE.get(code.name, ServerFailed)
    return kind(code.name, details or "")
