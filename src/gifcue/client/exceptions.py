"""The errors of the client library.

    GifcueError
    └── ClientError
        ├── StreamClosed          this side has closed the stream: nothing more can be sent on it
        └── ServerError           the server ended the call: `code` is its gRPC status, `details` its message
            ├── InvalidRequest        INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE, NOT_FOUND, UNIMPLEMENTED
            ├── AccessDenied          UNAUTHENTICATED, PERMISSION_DENIED
            ├── ServerUnavailable *   UNAVAILABLE: not reached, lost, draining, or without a detector
            ├── ServerBusy *          RESOURCE_EXHAUSTED: no capacity at the moment
            ├── ServerTimeout *       DEADLINE_EXCEEDED: the stream was idle for too long, or no answer in time
            ├── StreamCancelled       CANCELLED by either side
            └── ServerFailed          every other status

`retryable` is True for those marked *: the same call may succeed later, here or at another replica.
"""

from __future__ import annotations

import grpc

from gifcue.errors import GifcueError


class ClientError(GifcueError):
    """The root of all errors of the client library."""


class StreamClosed(ClientError):
    """This side has closed the stream: nothing more can be sent on it."""


class ServerError(ClientError):
    """The server ended the call. `code` is the name of the gRPC status, `details` the server's message."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(f"{code}: {details}" if details else code)
        self.code = code
        self.details = details


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
    """One of the two sides cancelled the call."""


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
    "CANCELLED": StreamCancelled,
}


def error_of(code: grpc.StatusCode, details: str | None) -> ServerError:
    """The error for a gRPC status other than OK."""
    kind = _BY_CODE.get(code.name, ServerFailed)
    return kind(code.name, details or "")
