"""The interface of a sink: a system that receives chosen GIFs."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CueGif:
    """A GIF of the rule book. `id` is its name there; `video_url` is the same animation as MP4 or WEBM.

    Addresses are absolute, or paths on gifcue's HTTP port.
    """

    id: str
    url: str
    title: str
    media_type: str
    video_url: str | None = None


@dataclass(frozen=True, slots=True)
class Cue:
    """A reaction that started, with its GIF. `reaction_id` is random, and the same in every attempt.

    `room_id` is empty if the stream gave none.
    """

    reaction_id: str
    # Not in the repr, since asyncio's own log messages show the arguments of a task.
    room_id: str = field(repr=False)
    participant_id: str = field(repr=False)
    label: str
    score: float
    gif: CueGif

    @property
    def idempotency_key(self) -> str:
        """The reaction and its phase. A reaction keeps its id on every server to which its stream moves."""
        return f"{self.reaction_id}:started"


class DeadReason(enum.StrEnum):
    """Why a cue was given up. For every reason but `unanswered`, it is certain that the receiver did not take it."""

    QUEUE_FULL = "queue_full"  # as many cues were open as are allowed
    NO_ROOM = "no_room"  # the sink has no entry for the cue's room
    NO_VIDEO = "no_video"  # the GIF has no form that the sink can show
    REFUSED = "refused"  # the receiver answered with a status that no retry changes
    CONFLICT = "conflict"
    MEETING_OVER = "meeting_over"
    LOCKED = "locked"
    BUSY = "busy"  # the receiver asked for a later attempt until the cue was too old
    UNREACHABLE = "unreachable"  # there was no connection until the cue was too old
    EXPIRED = "expired"  # the cue was too old before its first attempt
    UNANSWERED = "unanswered"  # sent, but without a definite answer: it may have arrived
    STOPPED = "stopped"  # the server stopped first
    FAILED = "failed"  # the sink has a bug


class AttemptOutcome(enum.Enum):
    """What became of an attempt."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # no further attempt can succeed
    BUSY = "busy"  # the receiver did not act on the cue, and a later attempt may succeed
    NO_ANSWER = "no_answer"  # no connection, or no definite answer


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of an attempt.

    `reason` is set if the outcome is REFUSED. `retry_after_s` is the pause that a busy receiver asks for, or 0.
    """

    outcome: AttemptOutcome
    reason: DeadReason | None = None
    retry_after_s: float = 0.0


class Sink(Protocol):
    """Makes single attempts. The delivery queue decides when, how often and for how long."""

    @property
    def name(self) -> str: ...

    def reject_reason(self, gif: CueGif, room_id: str | None = None) -> DeadReason | None:
        """Why the sink can never show the GIF in the room; None if it can.

        Without a room, the answer is about the GIF alone. Addresses of `gif` are those that the receiver would get.
        """
        ...

    async def send(self, cue: Cue, on_sent: Callable[[], None]) -> AttemptResult:
        """Makes one attempt. It may be cancelled at any time.

        `on_sent` must be called before the first byte of the cue can leave. Called later, an attempt that is cancelled
        in between would count as not sent, and the cue could be shown twice.
        """
        ...

    async def close(self) -> None: ...
