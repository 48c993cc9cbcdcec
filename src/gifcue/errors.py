"""What can go wrong, as a tree.

    GifcueError
    ├── ConfigError            a setting, a file of settings or an argument is wrong
    ├── MediaError             encoded bytes that cannot be judged; carries a FaultReason
    ├── WorkerError            a worker process failed
    │   ├── WorkerLost         it died or was stuck; what it held is gone, a retry helps
    │   └── WorkerStartError   it never became ready
    ├── ModelError             a model file is missing, damaged or of another shape
    └── Unavailable            the server cannot do it now, a retry helps

Messages say what was expected and what came. `status` is the name of the gRPC status that the edge answers with; the
core knows the name and never gRPC itself. `retryable` says whether the same call may succeed later.
"""

from __future__ import annotations

import enum
from typing import ClassVar


class GifcueError(Exception):
    """The root of all errors that gifcue raises on purpose."""

    status: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False


class ConfigError(GifcueError):
    """A setting, a file of settings or an argument is wrong."""

    status = "INVALID_ARGUMENT"


class FaultReason(enum.StrEnum):
    """Why frames are lost to analysis: the keys of the books' `dropped`."""

    UNKNOWN_PARTICIPANT = "unknown_participant"
    NOT_ALLOWED = "not_allowed"
    EMPTY_PAYLOAD = "empty_payload"
    FRAME_TOO_LARGE = "frame_too_large"
    RATE_LIMIT = "rate_limit"
    SEQUENCE_GAP = "sequence_gap"
    AWAITING_KEYFRAME = "awaiting_keyframe"
    INVALID_DATA = "invalid_data"
    RESOLUTION_TOO_LARGE = "resolution_too_large"
    OVERLOAD = "overload"
    NO_SLOT = "no_slot"
    SUPERSEDED = "superseded"
    DECODE_WORKER_LOST = "decode_worker_lost"
    DETECT_WORKER_LOST = "detect_worker_lost"
    DETECT_FAILED = "detect_failed"
    LEFT = "left"
    DRAINING = "draining"


class SkipReason(enum.StrEnum):
    """Why a decoded frame needs no analysis: the keys of the books' `skipped`."""

    SIMILAR = "similar"
    PACED = "paced"
    NO_PICTURE = "no_picture"


class MediaError(GifcueError):
    """Encoded bytes that cannot be judged."""

    status = "INVALID_ARGUMENT"

    def __init__(self, reason: FaultReason, message: str) -> None:
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
