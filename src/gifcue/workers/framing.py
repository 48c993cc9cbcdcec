"""Messages as bytes on a stream.

    frame = length of the body (u32, little endian) · kind (u8) · body

The body is msgpack, checked against the types of the reading end (`gifcue.workers.messages`). PING and PONG have none.
The body of INIT is pickle: only the front writes it, which the child trusts anyway, and the front never reads one.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterator, Mapping
from types import GenericAlias
from typing import Any

import msgspec

from gifcue.workers.confinement.profile import Report
from gifcue.workers.messages import Crash, MessageTypes

_HEADER = struct.Struct("<IB")
# One read takes up to this much: many small messages, or a large keyframe, for one wake-up.
READ_BYTES = 256 * 1024
_MIN_READ_BYTES = READ_BYTES // 4
# A longer frame was not sent by `encode`: the stream is out of step, and reading on would not help.
MAX_FRAME_BYTES = 256 * 1024 * 1024

_encoder = msgspec.msgpack.Encoder()


class Kind(enum.IntEnum):
    """What a frame is. Only MESSAGE reaches the users of a channel; the rest belongs to the supervision."""

    MESSAGE = 0
    INIT = 1
    READY = 2
    PING = 3
    PONG = 4
    CRASH = 5


_BARE = (Kind.PING, Kind.PONG)

# Decodes the body of one kind of frame; raises an error where it does not fit.
Decode = Callable[[memoryview], Any]


def encode(kind: Kind, body: Any = None) -> tuple[bytes, bytes]:
    """A frame as header and body. The body of INIT is bytes.

    Raises TypeError for what msgpack cannot express, and ValueError for a body that is too long.
    """
    payload = body if kind is Kind.INIT else b"" if kind in _BARE else _encoder.encode(body)
    if len(payload) > MAX_FRAME_BYTES:
        raise ValueError(f"expected a message of at most {MAX_FRAME_BYTES} bytes, got {len(payload)}")
    return _HEADER.pack(len(payload), kind), payload


def decoders_of_the_front(types: MessageTypes) -> Mapping[Kind, Decode]:
    """What the front accepts of a child."""
    return {
        Kind.MESSAGE: msgspec.msgpack.Decoder(types.to_front).decode,
        Kind.READY: msgspec.msgpack.Decoder(_ready(types.ready)).decode,
        Kind.CRASH: msgspec.msgpack.Decoder(Crash).decode,
        Kind.PONG: _nothing,
    }


def decoders_of_a_child(types: MessageTypes | None) -> Mapping[Kind, Decode]:
    """What a child accepts of the front; None: before the child knows the types, INIT alone."""
    if types is None:
        return {Kind.INIT: bytes}
    return {Kind.MESSAGE: msgspec.msgpack.Decoder(types.to_worker).decode, Kind.PING: _nothing}


def _ready(info: Any) -> Any:
    """The type of READY's body: what became of the confinement, and what the worker reports."""
    return GenericAlias(tuple, (Report, info))


def _nothing(view: memoryview) -> None:
    if view.nbytes:
        raise ValueError(f"expected a frame without a body, got {view.nbytes} bytes")


class FrameBuffer:
    """Cuts a stream of bytes into frames, in one buffer that is reused.

    `decoders` has a decoder for each kind that may come. They may be replaced at any time, and apply to frames that
    `next` has not returned yet.
    """

    def __init__(self, decoders: Mapping[Kind, Decode], max_bytes: int = MAX_FRAME_BYTES) -> None:
        self.decoders = decoders
        self._max_bytes = max_bytes
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

        Raises an error where the stream is out of step or a body does not fit; nothing can be read after that.
        """
        if self._end - self._start < _HEADER.size:
            return None
        length, number = _HEADER.unpack_from(self._buffer, self._start)
        if length > self._max_bytes:
            raise ValueError(f"expected a frame of at most {self._max_bytes} bytes, got {length}")
        kind = Kind(number)
        decode = self.decoders.get(kind)
        if decode is None:
            expected = ", ".join(kind.name for kind in self.decoders)
            raise ValueError(f"expected a frame of kind {expected}, got {kind.name}")
        body = self._start + _HEADER.size
        if self._end - body < length:
            return None
        self._start = body + length
        with memoryview(self._buffer)[body : body + length] as view:
            return kind, decode(view)

    def frames(self) -> Iterator[tuple[Kind, Any]]:
        """All whole frames."""
        while (frame := self.next()) is not None:
            yield frame
