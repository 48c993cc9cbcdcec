"""Messages as bytes on a stream.

    frame = length of the body (u32, little endian) · kind (u8) · body (pickle protocol 5, or empty)

Both ends run the same program as the same user, and one started the other: so pickle is safe here.
"""

from __future__ import annotations

import enum
import pickle
import struct
from collections.abc import Iterator
from typing import Any

_HEADER = struct.Struct("<IB")
# One read takes up to this much: many small messages, or a large keyframe, for one wake-up.
READ_BYTES = 256 * 1024
_MIN_READ_BYTES = READ_BYTES // 4
# A longer frame was not sent by `encode`: the stream is out of step, and reading on would not help.
MAX_FRAME_BYTES = 256 * 1024 * 1024


class Kind(enum.IntEnum):
    """What a frame is. Only MESSAGE reaches the users of a channel; the rest belongs to the supervision."""

    MESSAGE = 0
    INIT = 1
    READY = 2
    PING = 3
    PONG = 4
    CRASH = 5


def encode(kind: Kind, body: Any = None) -> tuple[bytes, bytes]:
    """A frame as header and body."""
    payload = b"" if body is None else pickle.dumps(body, protocol=5)
    if len(payload) > MAX_FRAME_BYTES:
        raise ValueError(f"expected a message of at most {MAX_FRAME_BYTES} bytes, got {len(payload)}")
    return _HEADER.pack(len(payload), kind), payload


class FrameBuffer:
    """Cuts a stream of bytes into frames, in one buffer that is reused."""

    def __init__(self) -> None:
        self._buffer = bytearray(READ_BYTES)
        self._start = 0
        self._end = 0

    def space(self) -> memoryview:
        """The free part of the buffer, to read into. Release it before `next` is called."""
        held_bytes = self._end - self._start
        wanted = _MIN_READ_BYTES
        if held_bytes >= _HEADER.size:
            length, _ = _HEADER.unpack_from(self._buffer, self._start)
            wanted = _HEADER.size + length - held_bytes
        # The memory of one large frame is given back.
        too_large = len(self._buffer) > READ_BYTES >= held_bytes + wanted
        if too_large or len(self._buffer) - self._end < wanted:
            held = self._buffer[self._start : self._end]
            if too_large or held_bytes + wanted > len(self._buffer):
                self._buffer = bytearray(max(READ_BYTES, held_bytes + wanted))
            self._buffer[:held_bytes] = held
            self._start, self._end = 0, held_bytes
        elif held_bytes == 0:
            self._start = self._end = 0
        return memoryview(self._buffer)[self._end :]

    def filled(self, count: int) -> None:
        """Says that `count` bytes were read into `space`."""
        self._end += count

    def next(self) -> tuple[Kind, Any] | None:
        """The next whole frame, or None where there is none yet.

        Raises ValueError where the stream is out of step.
        """
        if self._end - self._start < _HEADER.size:
            return None
        length, kind = _HEADER.unpack_from(self._buffer, self._start)
        if length > MAX_FRAME_BYTES:
            raise ValueError(f"expected a frame of at most {MAX_FRAME_BYTES} bytes, got {length}")
        body = self._start + _HEADER.size
        if self._end - body < length:
            return None
        self._start = body + length
        if length == 0:
            return Kind(kind), None
        with memoryview(self._buffer)[body : body + length] as view:
            return Kind(kind), pickle.loads(view)

    def frames(self) -> Iterator[tuple[Kind, Any]]:
        """All whole frames."""
        while (frame := self.next()) is not None:
            yield frame
