"""The messages between the front and the decode workers.

A worker answers every `Submit` with exactly one `Outcome`, in order per participant. `key` is a participant's number,
`token` a frame's, unique for its participant. `spent_s` is the CPU time that the worker spent on the unit, in seconds.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple, TypeAlias

from msgspec import Meta

from gifcue.media.settings import MediaSettings
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason, SkipReason
from gifcue.workers.arena import ArenaShape
from gifcue.workers.messages import Finite, Message, MessageTypes, Number, Text

# Width or height of a picture, in pixels. Whether it fits its slot is checked by the pool.
Side = Annotated[int, Meta(ge=1, le=65535)]


class WorkerInit(NamedTuple):
    """What a worker is started with. The arena comes as the file descriptor `ARENA_FD` (`gifcue.workers.arena`), the
    cells as `UNITS_FD`.
    """

    settings: MediaSettings
    shape: ArenaShape
    # The worker's number in its pool, and the cells of all (`gifcue.workers.units`).
    number: int
    cells: int


# Front to worker


class Open(Message, frozen=True, tag=1):
    """A participant joins."""

    key: int
    codec: Codec
    extradata: bytes


class Close(Message, frozen=True, tag=2):
    """A participant leaves."""

    key: int


class StartOver(Message, frozen=True, tag=3):
    """The participant's decoded pictures are forgotten; decoding continues at the next keyframe."""

    key: int


class Submit(Message, frozen=True, tag=4):
    """One access unit of a participant; `pts_s` is the sender's time in seconds, `rotation` the degrees clockwise (0,
    90, 180, 270) that bring its picture upright.
    """

    key: int
    token: int
    pts_s: float
    payload: bytes
    rotation: int = 0


class Hold(Message, frozen=True, tag=5):
    """Whether a hold runs. Nothing is skipped as similar while one does."""

    key: int
    holding: bool


class Grant(Message, frozen=True, tag=6):
    """Slots that the worker may write from now on."""

    slots: tuple[int, ...]


class Forget(Message, frozen=True, tag=7):
    """The last picture of this participant was not analysed: the filter must not compare with it."""

    key: int


class Pace(Message, frozen=True, tag=8):
    """The most pictures a second of each participant that go to a detector from now on."""

    fps: float


ToWorker: TypeAlias = Open | Close | StartOver | Submit | Hold | Grant | Forget | Pace


# Worker to front


class Picture(Message, frozen=True, tag=1):
    """A picture to analyse: RGB, uint8, `height x width x 3` without gaps from the start of `slot`.

    The picture is upright. `pts_s` is its own time, which lies before the unit's where a codec reorders.
    """

    key: Number
    token: Number
    slot: Number
    width: Side
    height: Side
    pts_s: Finite
    spent_s: Finite = 0.0


class Skipped(Message, frozen=True, tag=2):
    """A unit that needs no analysis; `pts_s` is the picture's own time, or the unit's where it has no picture."""

    key: Number
    token: Number
    reason: SkipReason
    pts_s: Finite
    spent_s: Finite = 0.0


class Dropped(Message, frozen=True, tag=3):
    """A unit lost to analysis. `needs_keyframe`: so is everything up to the next keyframe."""

    key: Number
    token: Number
    reason: DropReason
    message: Text
    needs_keyframe: bool
    spent_s: Finite = 0.0


Outcome: TypeAlias = Picture | Skipped | Dropped


class DecoderMemory(Message, frozen=True, tag=4):
    """What the decoders of the worker take now, by estimate, in bytes."""

    held_bytes: Number


FromWorker: TypeAlias = Outcome | DecoderMemory

MESSAGES = MessageTypes(to_worker=ToWorker, to_front=FromWorker)
