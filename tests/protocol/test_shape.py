"""What is refused before it is parsed, because parsing it would hold up the event loop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifcue.protocol.wire.shape import MAX_FRAMES_PER_MESSAGE, UNCHECKED_BYTES, shape_fault
from gifcue.v1 import media_pb2
from gifcue.v1 import reaction_service_pb2 as pb

Request = pb.StreamReactionsRequest
LARGE = UNCHECKED_BYTES + 1
COOLDOWNS = [pb.RuleCooldown(rule_id="r" * 128, remaining_ms=9)] * 256


def length_delimited(number: int, data: bytes) -> bytes:
    size, prefix = len(data), bytearray([number << 3 | 2])
    while size > 0x7F:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes(prefix) + bytes([size]) + data


def frames(count: int, payload: bytes) -> bytes:
    each = media_pb2.Frame(participant_id="alice", sequence=2**40, pts=1, payload=payload)
    return Request(frames=pb.Frames(frames=[each] * count)).SerializeToString()


@pytest.mark.parametrize(
    "message",
    [
        frames(MAX_FRAMES_PER_MESSAGE, bytes(200)),
        Request(frame=media_pb2.Frame(payload=bytes(2_000_000))).SerializeToString(),
        Request(
            participant=pb.ParticipantUpdate(
                participant_id="n" * LARGE,
                join=pb.Join(extradata=bytes(LARGE), allowed_labels=["smile"] * 64),
            )
        ).SerializeToString(),
        Request(config=pb.StreamConfig(room_id="r" * LARGE)).SerializeToString(),
        Request(config=pb.StreamConfig(resume=pb.RoomState(gif_cooldowns=COOLDOWNS))).SerializeToString(),
        Request(
            participant=pb.ParticipantUpdate(
                join=pb.Join(
                    resume=pb.ParticipantState(
                        running=[
                            pb.RunningReaction(reaction_id="r" * 64, label="l", age_ms=9) for _ in range(256)
                        ],
                        cooldowns=[pb.LabelCooldown(label="l" * 128, remaining_ms=9)] * 256,
                        gif_cooldowns=COOLDOWNS,
                    )
                )
            )
        ).SerializeToString(),
        # Fields of a later version, of every wire type.
        length_delimited(15, bytes(LARGE)) + b"\x08\x01" + b"\x11" + bytes(8) + b"\x1d" + bytes(4),
    ],
    ids=["batch", "frame", "join", "config", "state of a room", "state of a participant", "unknown fields"],
)
def test_a_large_message_of_few_fields_is_parsed(message: bytes) -> None:
    assert len(message) > UNCHECKED_BYTES
    assert shape_fault(message) is None
    Request.FromString(message)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (frames(MAX_FRAMES_PER_MESSAGE + 1, bytes(64)), "at most 512 frames in a message, got 513 or more"),
        (length_delimited(5, b"\x0a\x00" * LARGE), "at most 512 frames in a message"),
        (
            length_delimited(5, b"\x0a\x00" * 300) * 2 + length_delimited(15, bytes(LARGE)),
            "at most 512 frames",
        ),
        (b"\x22\x00" * LARGE, "at most 16 fields in a message"),
        (length_delimited(2, length_delimited(2, b"\x1a\x00" * LARGE)), "at most 1024 fields in an update"),
        (length_delimited(2, length_delimited(4, b"\x0a\x00" * LARGE)), "at most 1024 fields in an update"),
        (length_delimited(2, b"\x2a\x00" * LARGE), "participant: expected at most 16 fields"),
        (length_delimited(3, b"\x0a\x00" * LARGE), "at most 16 fields in a frame or configuration"),
        (length_delimited(1, b"\x0a\x00" * LARGE), "at most 16 fields in a frame or configuration"),
        (length_delimited(1, length_delimited(11, b"\x0a\x00" * LARGE)), "fields in `resume`, got more"),
        (
            length_delimited(1, length_delimited(11, length_delimited(1, b"\x10\x01" * LARGE))),
            "config: expected at most 3072 fields in `resume`",
        ),
        (
            length_delimited(2, length_delimited(2, length_delimited(4, b"\x1a\x00" * LARGE))),
            "participant: expected at most 3072 fields in `resume`",
        ),
        (
            length_delimited(5, length_delimited(1, b"\x0a\x00" * 2000) * 500),
            "at most 16 fields in a frame, got more",
        ),
        (bytes([0xFF]) * LARGE, "bytes that are none"),
        (length_delimited(3, bytes(LARGE))[:-1], "bytes that are none"),
        (b"\x0b" * LARGE, "bytes that are none"),
    ],
    ids=[
        "frames",
        "empty frames",
        "frames in two fields",
        "top level",
        "labels of a join",
        "allowed labels",
        "updates",
        "fields of a frame",
        "fields of a configuration",
        "entries of a room",
        "fields of an entry",
        "entries of a participant",
        "fields of frames",
        "no numbers",
        "cut short",
        "groups",
    ],
)
def test_a_message_that_costs_too_much_is_refused(message: bytes, words: str) -> None:
    fault = shape_fault(message)
    assert fault is not None
    assert words in fault


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_any_bytes_get_an_answer(head: bytes, tail: bytes) -> None:
    message = head + length_delimited(5, bytes(LARGE)) + tail
    fault = shape_fault(message)
    assert fault is None or fault.startswith(("expected", "frames: expected", "participant: expected"))
