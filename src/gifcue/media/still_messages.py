"""The messages between the front and a still decoder, which answers each request before it gets the next."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from gifcue.media.still_settings import StillSettings
from gifcue.protocol.reasons import DropReason
from gifcue.workers.arena import ArenaShape


class StillInit(NamedTuple):
    """What a still decoder is started with; the arena comes as the file descriptor `ARENA_FD`."""

    settings: StillSettings
    max_pixels: int
    shape: ArenaShape


class StillRequest(NamedTuple):
    """Front to worker: one JPEG or PNG, and the slot for its picture."""

    number: int
    slot: int
    data: bytes


class StillDone(NamedTuple):
    """Worker to front: the picture lies in the slot, RGB, `height x width x 3` bytes. `source_*` is the still's size as
    it came, upright.
    """

    number: int
    width: int
    height: int
    source_width: int
    source_height: int


class StillFailed(NamedTuple):
    """Worker to front: the bytes are no still, or one that may not be decoded."""

    number: int
    reason: DropReason
    message: str


StillAnswer: TypeAlias = StillDone | StillFailed
