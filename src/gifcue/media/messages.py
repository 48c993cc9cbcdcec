"""The messages between the front and the decode workers.

A worker answers every `Submit` with exactly one `Outcome`, in order per participant. `key` is a participant's number,
`token` a frame's, unique for its participant. `spent_s` is the CPU time that the worker spent on the unit, in seconds.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from gifcue.media.settings import MediaSettings
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason, SkipReason
from gifcue.workers.arena import ArenaShape


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


class Open(NamedTuple):
    """A participant joins."""

    key: int
    codec: Codec
    extradata: bytes


class Close(NamedTuple):
    """A participant leaves."""

    key: int


class StartOver(NamedTuple):
    """The participant's decoded pictures are forgotten; decoding continues at the next keyframe."""

    key: int


class Submit(NamedTuple):
    """One access unit of a participant; `pts_s` is the sender's time in seconds."""

    key: int
    token: int
    pts_s: float
    payload: bytes


class Hold(NamedTuple):
    """Whether a hold runs. Nothing is skipped as similar while one does."""

    key: int
    holding: bool


class Grant(NamedTuple):
    """Slots that the worker may write from now on."""

    slots: tuple[int, ...]


class Forget(NamedTuple):
    """The last picture of this participant was not analysed: the filter must not compare with it."""

    key: int


class Pace(NamedTuple):
    """The most pictures a second of each participant that go to a detector from now on."""

    fps: float


ToWorker: TypeAlias = Open | Close | StartOver | Submit | Hold | Grant | Forget | Pace


# Worker to front


class Picture(NamedTuple):
    """A picture to analyse: RGB, uint8, `height x width x 3` without gaps from the start of `slot`.

    `pts_s` is the picture's own time, which lies before the unit's where a codec reorders.
    """

    key: int
    token: int
    slot: int
    width: int
    height: int
    pts_s: float
    spent_s: float = 0.0


class Skipped(NamedTuple):
    """A unit that needs no analysis; `pts_s` is the picture's own time, or the unit's where it has no picture."""

    key: int
    token: int
    reason: SkipReason
    pts_s: float
    spent_s: float = 0.0


class Dropped(NamedTuple):
    """A unit lost to analysis. `needs_keyframe`: so is everything up to the next keyframe."""

    key: int
    token: int
    reason: DropReason
    message: str
    needs_keyframe: bool
    spent_s: float = 0.0


Outcome: TypeAlias = Picture | Skipped | Dropped


class DecoderMemory(NamedTuple):
    """What the decoders of the worker take now, by estimate, in bytes."""

    held_bytes: int


FromWorker: TypeAlias = Outcome | DecoderMemory
