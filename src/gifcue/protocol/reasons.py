"""Why frames are skipped or dropped, and what a client is told of it."""

from __future__ import annotations

import enum


class DropReason(enum.StrEnum):
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


class FaultCode(enum.StrEnum):
    """What can be wrong with one participant or one frame; `gifcue.v1.FaultCode` explains each."""

    UNSPECIFIED = "unspecified"
    UNKNOWN_PARTICIPANT = "unknown_participant"
    UNSUPPORTED_CODEC = "unsupported_codec"
    INVALID_EXTRADATA = "invalid_extradata"
    INVALID_LABEL = "invalid_label"
    TOO_MANY_PARTICIPANTS = "too_many_participants"
    INVALID_ARGUMENT = "invalid_argument"
    EMPTY_PAYLOAD = "empty_payload"
    FRAME_TOO_LARGE = "frame_too_large"
    INVALID_DATA = "invalid_data"
    RESOLUTION_TOO_LARGE = "resolution_too_large"
    SEQUENCE_GAP = "sequence_gap"
    WORKER_LOST = "worker_lost"
    OVERLOAD = "overload"


# The losses that the media server should hear of. The others are either asked of it otherwise (rate_limit: SlowDown),
# follow from one of these (awaiting_keyframe), or are the server's own choice (superseded, not_allowed ...).
FAULT_CODES = {
    DropReason.UNKNOWN_PARTICIPANT: FaultCode.UNKNOWN_PARTICIPANT,
    DropReason.EMPTY_PAYLOAD: FaultCode.EMPTY_PAYLOAD,
    DropReason.FRAME_TOO_LARGE: FaultCode.FRAME_TOO_LARGE,
    DropReason.INVALID_DATA: FaultCode.INVALID_DATA,
    DropReason.RESOLUTION_TOO_LARGE: FaultCode.RESOLUTION_TOO_LARGE,
    DropReason.SEQUENCE_GAP: FaultCode.SEQUENCE_GAP,
    DropReason.DECODE_WORKER_LOST: FaultCode.WORKER_LOST,
    DropReason.OVERLOAD: FaultCode.OVERLOAD,
}
