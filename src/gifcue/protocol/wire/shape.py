"""A check of a serialized StreamReactionsRequest before it is parsed.

Parsing holds up the event loop, and its time follows the number of fields: 2 MB of empty frames take 55 ms, one frame
of 2 MB takes 0.2 ms. The check walks over the outer fields, stops at a bound and takes at most two milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator

from gifcue.v1 import reaction_service_pb2 as pb

# A message this small is parsed in less than 5 ms, whatever it holds, and is not checked.
UNCHECKED_BYTES = 32 * 1024
MAX_FRAMES_PER_MESSAGE = 512
# Fields of a message or of an update. A correct sender sets one, and a later version may add a few.
MAX_OUTER_FIELDS = 16
# Fields of a join, of allowed labels or of a dismissal; most are labels.
MAX_UPDATE_FIELDS = 1024
# Fields of a configuration, or of a frame. Of several frames it is the mean.
MAX_INNER_FIELDS = 16
# Fields of the state that a client carries to the next server, those of its entries included: three lists of 256
# entries, each of two or three fields.
MAX_STATE_FIELDS = 3072
# From this size on, the fields inside of several frames are counted, too: fewer bytes of them are parsed in 4 ms.
DEEP_BYTES = 512 * 1024

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FRAMES = pb.StreamReactionsRequest.FRAMES_FIELD_NUMBER
_FRAME = pb.StreamReactionsRequest.FRAME_FIELD_NUMBER
_CONFIG = pb.StreamReactionsRequest.CONFIG_FIELD_NUMBER
_PARTICIPANT = pb.StreamReactionsRequest.PARTICIPANT_FIELD_NUMBER
_CONFIG_RESUME = pb.StreamConfig.RESUME_FIELD_NUMBER
_JOIN = pb.ParticipantUpdate.JOIN_FIELD_NUMBER
_JOIN_RESUME = pb.Join.RESUME_FIELD_NUMBER
_ROOM_ENTRIES = frozenset({pb.RoomState.GIF_COOLDOWNS_FIELD_NUMBER})
_PARTICIPANT_ENTRIES = frozenset(
    {
        pb.ParticipantState.RUNNING_FIELD_NUMBER,
        pb.ParticipantState.COOLDOWNS_FIELD_NUMBER,
        pb.ParticipantState.GIF_COOLDOWNS_FIELD_NUMBER,
    }
)
_UPDATES = (
    _JOIN,
    pb.ParticipantUpdate.ALLOWED_FIELD_NUMBER,
    pb.ParticipantUpdate.DISMISS_FIELD_NUMBER,
)


def too_many_frames(count: str) -> str:
    """The message for more frames than allowed; `count` says how many."""
    return f"frames: expected at most {MAX_FRAMES_PER_MESSAGE} frames in a message, got {count}"


def shape_fault(data: bytes) -> str | None:
    """Why a serialized request must not be parsed; None where it may be."""
    if len(data) <= UNCHECKED_BYTES:
        return None
    try:
        return _fault(data)
    except (IndexError, ValueError):
        return "expected a protobuf message, got bytes that are none"


def _fault(data: bytes) -> str | None:
    frames = inner = 0
    is_deep = len(data) >= DEEP_BYTES
    for outer, (number, start, end) in enumerate(_fields(data, 0, len(data))):
        if outer >= MAX_OUTER_FIELDS:
            return f"expected at most {MAX_OUTER_FIELDS} fields in a message, got more"
        if number == _FRAMES:
            # Several fields of this number are merged into one when the message is parsed.
            for _, frame_start, frame_end in _fields(data, start, end):
                frames += 1
                if frames > MAX_FRAMES_PER_MESSAGE:
                    return too_many_frames(f"{frames} or more")
                if is_deep:
                    for _ in _fields(data, frame_start, frame_end):
                        inner += 1
                        if inner > MAX_INNER_FIELDS * MAX_FRAMES_PER_MESSAGE:
                            return f"frames: expected at most {MAX_INNER_FIELDS} fields in a frame, got more"
        elif number in (_FRAME, _CONFIG):
            state = 0
            for count, (field, field_start, field_end) in enumerate(_fields(data, start, end)):
                if count >= MAX_INNER_FIELDS:
                    return f"expected at most {MAX_INNER_FIELDS} fields in a frame or configuration, got more"
                if number == _CONFIG and field == _CONFIG_RESUME:
                    state += _state_fields(data, field_start, field_end, _ROOM_ENTRIES)
                    if state > MAX_STATE_FIELDS:
                        return f"config: expected at most {MAX_STATE_FIELDS} fields in `resume`, got more"
        elif number == _PARTICIPANT:
            fault = _update_fault(data, start, end)
            if fault is not None:
                return fault
    return None


def _update_fault(data: bytes, start: int, end: int) -> str | None:
    fields = state = 0
    for outer, (number, inner_start, inner_end) in enumerate(_fields(data, start, end)):
        if outer >= MAX_OUTER_FIELDS:
            return f"participant: expected at most {MAX_OUTER_FIELDS} fields, got more"
        if number in _UPDATES:
            for field, field_start, field_end in _fields(data, inner_start, inner_end):
                fields += 1
                if number == _JOIN and field == _JOIN_RESUME:
                    state += _state_fields(data, field_start, field_end, _PARTICIPANT_ENTRIES)
                    if state > MAX_STATE_FIELDS:
                        return (
                            f"participant: expected at most {MAX_STATE_FIELDS} fields in `resume`, got more"
                        )
                if fields > MAX_UPDATE_FIELDS:
                    return f"participant: expected at most {MAX_UPDATE_FIELDS} fields in an update, got more"
    return None


def _state_fields(data: bytes, start: int, end: int, entries: frozenset[int]) -> int:
    """The fields of a carried state and of its entries, which have the numbers `entries`. Stops beyond the bound."""
    count = 0
    for number, entry_start, entry_end in _fields(data, start, end):
        count += 1
        # Fields of a later version are not walked: they are not parsed either, and may be texts.
        if number in entries:
            for _ in _fields(data, entry_start, entry_end):
                count += 1
                if count > MAX_STATE_FIELDS:
                    return count
        if count > MAX_STATE_FIELDS:
            return count
    return count


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Each field's number, and where its value begins and ends. The number is 0 where the value holds no message.

    Raises:
        IndexError, ValueError: the bytes are no protobuf message, or hold a group, which proto3 does not have.
    """
    while at < end:
        tag, at = _varint(data, at)
        start, kind = at, tag & 7
        if kind == _LENGTH:
            size, start = _varint(data, at)
            at = start + size
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind == _FIXED64:
            at += 8
        elif kind == _FIXED32:
            at += 4
        else:
            raise ValueError(f"wire type {kind}")
        if at > end:
            raise ValueError("a field beyond the end")
        yield tag >> 3 if kind == _LENGTH else 0, start, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = data[at]
    at += 1
    if value < 0x80:
        return value, at
    value &= 0x7F
    # At most ten bytes, as the format has it.
    for shift in range(7, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than ten bytes")
