"""What can go wrong, as a tree.

    GifcueError
    ├── ConfigError            a setting, a file of settings or an argument is wrong
    ├── MediaError             encoded bytes that cannot be judged; carries a DropReason
    ├── WorkerError            a worker process failed
    │   ├── WorkerLost         it died or was stuck; what it held is gone, a retry helps
    │   └── WorkerStartError   it never became ready
    ├── ModelError             a model file is missing, damaged or of another shape
    └── Unavailable            the server cannot do it now, a retry helps

Messages say what was expected and what came. `status` is the name of the gRPC status that the edge answers with; the
core knows the name and never gRPC itself. `retryable` says whether the same call may succeed later.
"""

from __future__ import annotations

from typing import ClassVar

from gifcue.protocol.reasons import DropReason


class GifcueError(Exception):
    """The root of all errors that gifcue raises on purpose."""

    status: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False


class ConfigError(GifcueError):
    """A setting, a file of settings or an argument is wrong."""

    status = "INVALID_ARGUMENT"


class MediaError(GifcueError):
    """Encoded bytes that cannot be judged."""

    status = "INVALID_ARGUMENT"

    def __init__(self, reason: DropReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class WorkerError(GifcueError):
    """A worker process failed."""

    status = "UNAVAILABLE"
    retryable = True


class WorkerLost(WorkerError):
    """A worker died or was stuck; what it held is gone."""


class WorkerStartError(WorkerError):
    """A worker never became ready."""

    retryable = False


class ModelError(GifcueError):
    """A model file is missing, damaged or of another shape."""

    status = "FAILED_PRECONDITION"


class Unavailable(GifcueError):
    """The server cannot do it now."""

    status = "UNAVAILABLE"
    retryable = True
