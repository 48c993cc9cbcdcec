"""The statuses with which gRPC and HTTP answer an error of the core."""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from gifcue.access.refusals import AccessRefused, BadRequest, Misdirected, OverQuota, Unauthenticated
from gifcue.errors import (
    ConfigError,
    GifcueError,
    MediaError,
    ModelError,
    Overloaded,
    TooManyRequests,
    Unavailable,
    WorkerError,
    WrongState,
)
from gifcue.gestures.samples import GestureError

# The trailing metadata that says when a refused caller may come back, in milliseconds (docs/decisions/0005).
RETRY_AFTER = "gifcue-retry-after-ms"


@dataclass(frozen=True, slots=True)
class Status:
    """The status of an answer, for either protocol."""

    grpc: grpc.StatusCode
    http: int


INTERNAL = Status(grpc.StatusCode.INTERNAL, 500)

# A subclass has its parent's status unless it stands here itself.
STATUSES: dict[type[GifcueError], Status] = {
    GifcueError: INTERNAL,
    ConfigError: Status(grpc.StatusCode.INVALID_ARGUMENT, 400),
    MediaError: Status(grpc.StatusCode.INVALID_ARGUMENT, 400),
    GestureError: Status(grpc.StatusCode.INVALID_ARGUMENT, 400),
    ModelError: Status(grpc.StatusCode.FAILED_PRECONDITION, 503),
    WrongState: Status(grpc.StatusCode.FAILED_PRECONDITION, 409),
    Unavailable: Status(grpc.StatusCode.UNAVAILABLE, 503),
    Overloaded: Status(grpc.StatusCode.RESOURCE_EXHAUSTED, 503),
    TooManyRequests: Status(grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    WorkerError: Status(grpc.StatusCode.UNAVAILABLE, 503),
    Unauthenticated: Status(grpc.StatusCode.UNAUTHENTICATED, 401),
    AccessRefused: Status(grpc.StatusCode.PERMISSION_DENIED, 403),
    OverQuota: Status(grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    BadRequest: Status(grpc.StatusCode.INVALID_ARGUMENT, 400),
    Misdirected: Status(grpc.StatusCode.INVALID_ARGUMENT, 421),
}

# Every status that a stream can end with.
OF_STREAMS = frozenset(
    {
        grpc.StatusCode.OK,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        *(status.grpc for status in STATUSES.values()),
    }
)


def status_of(error: GifcueError) -> Status:
    """The status for an error: that of its class, or of the nearest parent in the table."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), INTERNAL)
