from __future__ import annotations

import pickle
import struct
from typing import Any

import pytest

from gifcue.workers.framing import READ_BYTES, FrameBuffer, Kind, decoders_of_the_front, encode
from gifcue.workers.messages import MessageTypes

ANYTHING = MessageTypes(Any, Any, Any)


def feed(buffer: FrameBuffer, data: bytes, piece_bytes: int) -> list[Any]:
    """Feeds the data in pieces. Returns the bodies of the frames."""
    bodies = []
    while data:
        with buffer.space() as space:
            count = min(piece_bytes, len(space), len(data))
            space[:count] = data[:count]
        data = data[count:]
        buffer.filled(count)
        bodies += [body for _, body in buffer.frames()]
    return bodies


def buffer(max_bytes: int = 64 * READ_BYTES) -> FrameBuffer:
    return FrameBuffer(decoders_of_the_front(ANYTHING), max_bytes)


def frame(body: Any) -> bytes:
    return b"".join(encode(Kind.MESSAGE, body))


class TestFrameBuffer:
    @pytest.mark.parametrize("piece_bytes", [1, 2, 7, 1000, READ_BYTES])
    def test_frames_are_assembled_from_pieces_of_any_size(self, piece_bytes: int) -> None:
        messages = [["frame", 1, 2.5], {"a": [1, 2]}, b"x" * 3000, "", 0]
        assert feed(buffer(), b"".join(map(frame, messages)), piece_bytes) == messages

    def test_the_buffer_grows_for_a_large_frame_and_shrinks_afterwards(self) -> None:
        frames = buffer()
        large = b"x" * (3 * READ_BYTES)
        assert feed(frames, frame(large) + frame("after"), 50_000) == [large, "after"]
        assert feed(frames, frame(b"y" * 200_000) * 20, 50_000) == [b"y" * 200_000] * 20
        with frames.space() as space:
            assert len(space) <= READ_BYTES

    def test_a_corrupt_stream_is_detected(self) -> None:
        with pytest.raises(ValueError, match="expected a frame of at most"):
            feed(buffer(), b"\xff" * 64, 64)

    def test_a_frame_over_the_limit_is_refused_before_its_body_comes(self) -> None:
        with pytest.raises(ValueError, match="expected a frame of at most 100 bytes, got 202"):
            feed(buffer(max_bytes=100), frame(b"x" * 200)[:5], 64)

    @pytest.mark.parametrize(("kind", "body"), [(Kind.PING, None), (Kind.INIT, pickle.dumps("anything"))])
    def test_a_kind_that_must_not_come_is_refused(self, kind: Kind, body: Any) -> None:
        with pytest.raises(
            ValueError, match=f"expected a frame of kind MESSAGE, READY, CRASH, PONG, got {kind.name}"
        ):
            feed(buffer(), b"".join(encode(kind, body)), 64)

    def test_a_pong_has_no_body(self) -> None:
        with pytest.raises(ValueError, match="expected a frame without a body, got 3 bytes"):
            feed(buffer(), struct.pack("<IB", 3, Kind.PONG) + b"abc", 64)


def test_a_message_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gifcue.workers.framing.MAX_FRAME_BYTES", 100)
    with pytest.raises(ValueError, match="expected a message of at most 100 bytes"):
        encode(Kind.MESSAGE, b"x" * 100)
