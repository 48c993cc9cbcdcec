"""Why a frame is skipped or dropped, and which faults are reported to the media server."""

from __future__ import annotations

import enum


class SkipReason(enum.StrEnum):
    """Why a frame that arrived intact is not analysed. The keys of `FrameCounts.skipped` and of the metrics."""

    # The picture shows nothing new against the picture last analysed, and inherits its result.
    SIMILAR = "similar"
    # The picture came sooner than the analysis rate needs one.
    PACED = "paced"
    # The access unit yields no picture by itself, such as a parameter set or a frame held back for reordering.
    NO_PICTURE = "no_picture"


class DropReason(enum.StrEnum):
    """Why a frame is lost to analysis. The keys of `FrameCounts.dropped` and of the metrics."""

    # No participant joined under the frame's name.
    UNKNOWN_PARTICIPANT = "unknown_participant"
    # No label is allowed for the participant, so nothing of it is decoded.
    NOT_ALLOWED = "not_allowed"
    # A field of the frame is out of its range.
    INVALID_ARGUMENT = "invalid_argument"
    # The payload has 0 bytes.
    EMPTY_PAYLOAD = "empty_payload"
    # The payload is larger than the limit for one frame.
    FRAME_TOO_LARGE = "frame_too_large"
    # The participant sends more frames a second, by its own clock, than the limit allows.
    RATE_LIMIT = "rate_limit"
    # The sequence number does not follow the one before.
    SEQUENCE_GAP = "sequence_gap"
    # A frame before it was lost, so nothing can be decoded before the next keyframe.
    AWAITING_KEYFRAME = "awaiting_keyframe"
    # The decoder refuses the bytes: they are damaged, truncated or of another codec.
    INVALID_DATA = "invalid_data"
    # The picture has more pixels than the limit.
    RESOLUTION_TOO_LARGE = "resolution_too_large"
    # A decoder of this video would take more memory than is left for it.
    TOO_EXPENSIVE = "too_expensive"
    # More of the participant, or of all participants, waits for a decoder than the limits allow, or it waited too long.
    OVERLOAD = "overload"
    # The participant left before a decoder had the frame.
    LEFT = "left"
    # No slot of shared memory was free for the picture.
    NO_SLOT = "no_slot"
    # A newer picture of the same participant arrived before a detector was free.
    SUPERSEDED = "superseded"
    # The decode worker that held the frame died or was stuck.
    DECODE_WORKER_LOST = "decode_worker_lost"
    # Decoding the frame took so much CPU time that the decode worker was ended.
    CPU_BUDGET = "cpu_budget"
    # The participant is refused for a while: its frames killed decode workers or took too much CPU time.
    QUARANTINED = "quarantined"
    # The detector worker that held the picture died or was stuck.
    DETECT_WORKER_LOST = "detect_worker_lost"
    # The detector raised an error on this picture alone.
    DETECT_FAILED = "detect_failed"
    # The stream drains and takes no more frames.
    DRAINING = "draining"


# The reasons for which a participant is asked to send fewer frames. The values of `SlowDown.reason`.
SLOW_DOWN_REASONS = frozenset({DropReason.RATE_LIMIT, DropReason.OVERLOAD})


class KeyframeReason(enum.StrEnum):
    """Why a keyframe is asked for although no frame was dropped. Otherwise the reason is a `DropReason`."""

    # The participant's first label was allowed.
    ALLOWED = "allowed"
    # The client library has a new connection. No server sends this.
    RECONNECTED = "reconnected"


class LeaveReason(enum.StrEnum):
    """Why all reactions of a participant end with it. Further values of `Reaction.end_reason`."""

    # The participant left, or the client has sent all its messages.
    LEFT = "left"
    # It joined again under the same name.
    REJOINED = "rejoined"
    # The stream ended without the client's doing.
    STREAM_CLOSED = "stream_closed"
    # The stream drains.
    DRAINING = "draining"
    # The join that carried the reaction from another server was refused.
    REFUSED = "refused"
    # The client library ends what no server goes on with. No server sends this.
    STREAM_LOST = "stream_lost"


class FaultCode(enum.StrEnum):
    """What can be wrong with one participant or one frame. The wire's names are `FAULT_CODE_<NAME>`."""

    # A code that this version does not know; the fault's message still explains it.
    UNSPECIFIED = "unspecified"
    # A frame or an update names a participant that has not joined.
    UNKNOWN_PARTICIPANT = "unknown_participant"
    # The server does not decode the join's codec.
    UNSUPPORTED_CODEC = "unsupported_codec"
    # The join's extradata does not belong to its codec.
    INVALID_EXTRADATA = "invalid_extradata"
    # Labels are not among the server's reactions; they are left out.
    INVALID_LABEL = "invalid_label"
    # The join would exceed the limit of participants on one stream.
    TOO_MANY_PARTICIPANTS = "too_many_participants"
    # A participant's name is empty or too long, or a field is out of its range.
    INVALID_ARGUMENT = "invalid_argument"
    # The payload has 0 bytes.
    EMPTY_PAYLOAD = "empty_payload"
    # The payload is larger than the limit for one frame.
    FRAME_TOO_LARGE = "frame_too_large"
    # The decoder refuses the bytes.
    INVALID_DATA = "invalid_data"
    # The picture has more pixels than the limit.
    RESOLUTION_TOO_LARGE = "resolution_too_large"
    # The sequence number does not follow the one before.
    SEQUENCE_GAP = "sequence_gap"
    # The participant's decode worker was lost; its replacement waits for a keyframe.
    WORKER_LOST = "worker_lost"
    # A decoder of this video would take more memory than is left for it, or one frame took too much CPU time.
    TOO_EXPENSIVE = "too_expensive"
    # More participants join within a second than the limit allows.
    TOO_MANY_JOINS = "too_many_joins"
    # More waits for a decoder than the limits allow, or it waited too long.
    OVERLOAD = "overload"
    # The participant's video killed decode workers or took too much CPU time: its frames are refused for a while.
    QUARANTINED = "quarantined"


# The reasons that are reported as a fault. The others are not, for one of three reasons: another message reports them
# (RATE_LIMIT by SlowDown), the frame is a consequence of an earlier fault (AWAITING_KEYFRAME), or the server chose to
# drop it (SUPERSEDED, NOT_ALLOWED).
FAULT_CODES = {
    DropReason.UNKNOWN_PARTICIPANT: FaultCode.UNKNOWN_PARTICIPANT,
    DropReason.INVALID_ARGUMENT: FaultCode.INVALID_ARGUMENT,
    DropReason.EMPTY_PAYLOAD: FaultCode.EMPTY_PAYLOAD,
    DropReason.FRAME_TOO_LARGE: FaultCode.FRAME_TOO_LARGE,
    DropReason.INVALID_DATA: FaultCode.INVALID_DATA,
    DropReason.RESOLUTION_TOO_LARGE: FaultCode.RESOLUTION_TOO_LARGE,
    DropReason.TOO_EXPENSIVE: FaultCode.TOO_EXPENSIVE,
    DropReason.SEQUENCE_GAP: FaultCode.SEQUENCE_GAP,
    DropReason.DECODE_WORKER_LOST: FaultCode.WORKER_LOST,
    DropReason.CPU_BUDGET: FaultCode.TOO_EXPENSIVE,
    DropReason.QUARANTINED: FaultCode.QUARANTINED,
    DropReason.OVERLOAD: FaultCode.OVERLOAD,
}
