"""What the engine tells a stream. The edge turns these into messages of the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gifcue.protocol.reasons import FaultCode
from gifcue.reactions.events import PolicyEvent
from gifcue.rules.chooser import Choice


@dataclass(frozen=True, slots=True)
class ReactionNotice:
    """Somebody reacts. `sequence`, `pts` and `clock_hz` are the deciding frame's; `choice` is set on STARTED."""

    participant_id: str
    event: PolicyEvent
    sequence: int
    pts: int
    clock_hz: int
    latency_ms: float
    model_version: str
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class DecisionNotice:
    """A detector judged a frame."""

    participant_id: str
    sequence: int
    pts: int
    clock_hz: int
    latency_ms: float


@dataclass(frozen=True, slots=True)
class KeyframeNotice:
    """Nothing of this participant can be decoded before its next keyframe."""

    participant_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SlowDownNotice:
    """Send less: `max_fps` would be taken."""

    participant_id: str
    max_fps: float
    reason: str


@dataclass(frozen=True, slots=True)
class DrainNotice:
    """The server stops; the stream is ended after `deadline_ms` regardless."""

    deadline_ms: int


@dataclass(frozen=True, slots=True)
class FaultNotice:
    """Something is wrong; stands for `count` such faults."""

    participant_id: str
    kind: FaultCode
    message: str
    sequence: int
    count: int


Notice = ReactionNotice | DecisionNotice | KeyframeNotice | SlowDownNotice | DrainNotice | FaultNotice


class Sink(Protocol):
    """Where a stream's notices go. Must not block."""

    def put(self, notice: Notice) -> None: ...


class FaultReporter:
    """Reports the same fault of the same participant at most once an interval, and counts what it held back."""

    # Names come from outside; over this many the oldest are forgotten, which at worst reports one fault early.
    MAX_REMEMBERED = 4096

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._last: dict[tuple[str, FaultCode], tuple[float, int]] = {}

    def report(
        self, participant_id: str, kind: FaultCode, message: str, *, sequence: int, now_s: float
    ) -> FaultNotice | None:
        """A notice to send, or None when one was sent less than an interval ago."""
        key = (participant_id, kind)
        last_s, held_back = self._last.get(key, (-float("inf"), 0))
        if now_s - last_s < self._interval_s:
            self._last[key] = (last_s, held_back + 1)
            return None
        self._last.pop(key, None)
        if len(self._last) >= self.MAX_REMEMBERED:
            del self._last[next(iter(self._last))]
        self._last[key] = (now_s, 0)
        return FaultNotice(participant_id, kind, message, sequence, held_back + 1)
