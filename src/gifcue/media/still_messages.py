"""The messages between the front and a still decoder, which answers each request before it gets the next."""

from __future__ import annotations

from typing import Annotated, NamedTuple, TypeAlias

from msgspec import Meta

from gifcue.media.still_settings import StillSettings
from gifcue.protocol.reasons import DropReason
from gifcue.workers.arena import ArenaShape
from gifcue.workers.messages import Message, MessageTypes, Number, Text

# Width or height of a picture, in pixels. Whether it fits its slot is checked by the pool.
Side = Annotated[int, Meta(ge=1, le=65535)]


class StillInit(NamedTuple):
    """What a still decoder is started with; the arena comes as the file descriptor `ARENA_FD`."""

    settings: StillSettings
    max_pixels: int
    shape: ArenaShape


class StillRequest(Message, frozen=True):
    """Front to worker: one JPEG or PNG, and the slot for its picture."""

    number: int
    slot: int
    data: bytes


class StillDone(Message, frozen=True, tag=1):
    """Worker to front: the picture lies in the slot, RGB, `height x width x 3` bytes. `source_*` is the still's size as
    it came, upright.
    """

    number: Number
    width: Side
    height: Side
    source_width: Number
    source_height: Number


class StillFailed(Message, frozen=True, tag=2):
    """Worker to front: the bytes are no still, or one that may not be decoded."""

    number: Number
    reason: DropReason
    message: Text


StillAnswer: TypeAlias = StillDone | StillFailed

MESSAGES = MessageTypes(to_worker=StillRequest, to_front=StillAnswer)
