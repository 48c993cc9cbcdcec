"""The errors of gifcue, as a tree.

    GifcueError
    ├── ConfigError            a setting, a file of settings or an argument is wrong
    ├── MediaError             encoded bytes cannot be analysed; carries a DropReason
    ├── WorkerError *          a worker process failed
    │   ├── WorkerLost *       it died or was stuck, and what it held is lost
    │   └── WorkerStartError   it never became ready
    ├── ModelError             a model file is missing, damaged or of another shape than expected
    ├── WrongState             the state of the server does not allow the call
    ├── Unavailable *          the server cannot answer at the moment
    └── Overloaded *           the server has too much to do; carries when to come back
        └── TooManyRequests *  this caller asks for too much

The client library adds a branch of its own (`gifcue.client.exceptions`). Messages say what was expected and what came.
`retryable` is True for those marked *: the same call may succeed later. The server maps each class to a status of gRPC
and of HTTP (`gifcue.server.status_codes`).
"""

from __future__ import annotations

import re
from typing import ClassVar

from gifcue.protocol.reasons import DropReason

# From the user's name to the last "@": a password may have "@", "/", "?", "#" and brackets in it.
_PASSWORD = re.compile(r"(?<=://)([^:/@]*):.*@", re.DOTALL)


def without_secrets(address: str) -> str:
    """An address for messages: without password and query, which can carry a token. Anything but a URL stays whole."""
    if "://" not in address:
        return address
    return _PASSWORD.sub(r"\1:***@", address).partition("?")[0]


class GifcueError(Exception):
    """The root of all errors that gifcue raises on purpose."""

    retryable: ClassVar[bool] = False


class ConfigError(GifcueError):
    """A setting, a file of settings or an argument is wrong."""


class MediaError(GifcueError):
    """Encoded bytes cannot be analysed, for `reason`."""

    def __init__(self, reason: DropReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class WorkerError(GifcueError):
    """A worker process failed."""

    retryable = True


class WorkerLost(WorkerError):
    """A worker died or was stuck, and what it held is lost."""


class WorkerStartError(WorkerError):
    """A worker never became ready."""

    retryable = False


class ModelError(GifcueError):
    """A model file is missing, damaged or of another shape than expected."""


class WrongState(GifcueError):
    """The state of the server does not allow the call: something else has to change first."""


class Unavailable(GifcueError):
    """The server cannot answer at the moment."""

    retryable = True


class Overloaded(GifcueError):
    """The server has too much to do. The call may succeed after `retry_after_ms` milliseconds."""

    retryable = True

    def __init__(self, message: str, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class TooManyRequests(Overloaded):
    """This caller asks for too much; others are served."""
