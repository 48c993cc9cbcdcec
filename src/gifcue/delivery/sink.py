"""What a sink is: somewhere a chosen GIF is handed on to."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Cue:
    """A reaction that started, with its GIF. `reaction_id` is random, and the same in every attempt.

    `room_id` is empty where the stream gave none. URLs are absolute, or paths on gifcue's HTTP port.
    """

    reaction_id: str
    # Not in the repr: asyncio's own complaints about a task show what it carries.
    room_id: str = field(repr=False)
    participant_id: str = field(repr=False)
    label: str
    score: float
    gif_id: str
    url: str
    title: str
    media_type: str
    video_url: str | None = None


class DeadReason(enum.StrEnum):
    """Why a cue was given up. Of all but `unanswered` it is certain that the receiver did not take it."""

    QUEUE_FULL = "queue_full"  # as many as may be open were open
    NO_ROOM = "no_room"  # the sink has no entry for the cue's room
    NO_VIDEO = "no_video"  # the GIF has no form that the sink can show
    REFUSED = "refused"  # a status that no retry changes
    CONFLICT = "conflict"
    MEETING_OVER = "meeting_over"
    LOCKED = "locked"
    BUSY = "busy"  # told to try again until the cue was too old
    UNREACHABLE = "unreachable"  # no connection until the cue was too old
    EXPIRED = "expired"  # too old before its turn came
    UNANSWERED = "unanswered"  # sent, and then nothing, or a proxy that does not know: it may have arrived
    STOPPED = "stopped"  # the server stopped first
    FAILED = "failed"  # a bug in the sink


class Verdict(enum.Enum):
    """What came of an attempt."""

    DELIVERED = "delivered"
    DEAD = "dead"
    BUSY = "busy"  # the receiver says that it did not act, and that a later attempt may succeed
    LOST = "lost"  # no answer


@dataclass(frozen=True, slots=True)
class Answer:
    """`reason` is set where the verdict is DEAD; `wait_s` is how long a busy receiver asks for, 0 where it does not."""

    verdict: Verdict
    reason: DeadReason | None = None
    wait_s: float = 0.0


class Sink(Protocol):
    """Makes attempts, one call each; when, how often and how long is the courier's business."""

    @property
    def name(self) -> str: ...

    def objection(self, cue: Cue) -> DeadReason | None:
        """Why the cue need not be tried at all; None where it can be."""
        ...

    async def send(self, cue: Cue, begun: Callable[[], None]) -> Answer:
        """One attempt. Calls `begun` before the first byte of the cue can leave; may be cancelled any time."""
        ...

    async def close(self) -> None: ...
