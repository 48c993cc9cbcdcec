"""The state machine of one label of one participant: idle, holding, active, cooling down."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass

from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase
from gifcue.reactions.events import EndReason, PolicyEvent

# HOLDING never reports a progress of 1: that is reported by STARTED.
MOST_PROGRESS = 0.99


class State(enum.Enum):
    IDLE = enum.auto()
    HOLDING = enum.auto()
    ACTIVE = enum.auto()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A face or hand that shows the label now.

    `progress` is 0..1. `is_ripe`: the reaction may start. `sends_holding`: it is worth a HOLDING event.
    """

    track: int
    box: Box
    score: float
    progress: float
    is_ripe: bool
    sends_holding: bool


_NOWHERE = Box(0.0, 0.0, 0.0, 0.0)
# Stands for the face or hand of a reaction that goes on from elsewhere. Tracks are numbered from 1.
_UNSEEN = Candidate(0, _NOWHERE, 0.0, 1.0, is_ripe=True, sends_holding=False)


def ended_unseen(label: str, reaction_id: str, at_s: float, reason: str) -> PolicyEvent:
    """The ENDED of a reaction that STARTED elsewhere and does not go on here."""
    return PolicyEvent(Phase.ENDED, reaction_id, label, 1.0, 0.0, _NOWHERE, at_s, str(reason))


class LabelReaction:
    """Turns candidates into events. At most one reaction of a label is under way at a time.

    Two thumbs up are one reaction, so the GIF is shown once.
    """

    def __init__(self, label: str, cooldown_s: float, ids: Callable[[], str]) -> None:
        self.label = label
        self._cooldown_s = cooldown_s
        self._ids = ids
        self._state = State.IDLE
        self._reaction_id = ""
        self._candidate: Candidate | None = None
        self._free_at_s: float | None = None

    @property
    def state(self) -> State:
        return self._state

    @property
    def active_id(self) -> str | None:
        """The id of the reaction that runs; None while none does."""
        return self._reaction_id if self._state is State.ACTIVE else None

    def cools_for_s(self, at_s: float) -> float:
        """Seconds of the cooldown that are left, 0 without one."""
        return 0.0 if self._free_at_s is None else max(0.0, self._free_at_s - at_s)

    def cool_down(self, at_s: float, for_s: float = math.inf) -> None:
        """Begins the cooldown, at most `for_s` of it. One that is in force and lasts longer stays."""
        free_at_s = at_s + min(for_s, self._cooldown_s)
        self._free_at_s = free_at_s if self._free_at_s is None else max(self._free_at_s, free_at_s)

    def resume(self, reaction_id: str) -> None:
        """Continues a reaction that STARTED elsewhere, without an event. Without score and box until it is seen."""
        self._state, self._reaction_id, self._candidate = State.ACTIVE, reaction_id, _UNSEEN

    def hand_over(self) -> None:
        """Forgets a reaction that goes on elsewhere, without an event."""
        if self._state is State.ACTIVE:
            self._state, self._candidate = State.IDLE, None

    def step(self, candidates: list[Candidate], at_s: float) -> list[PolicyEvent]:
        """Takes the faces and hands that show the label in this frame."""
        best = self._best(candidates)
        if self._state is State.ACTIVE:
            if best is None:
                return self.stop(at_s, EndReason.RELEASED)
            self._candidate = best
            return []
        if best is None:
            return self.stop(at_s, EndReason.RELEASED)
        if best.is_ripe:
            self._begin()
            self._state, self._candidate = State.ACTIVE, best
            return [self._event(Phase.STARTED, best, 1.0, at_s)]
        if not best.sends_holding:
            return []
        self._begin()
        self._state, self._candidate = State.HOLDING, best
        return [self._event(Phase.HOLDING, best, min(best.progress, MOST_PROGRESS), at_s)]

    def stop(self, at_s: float, reason: str) -> list[PolicyEvent]:
        """Ends or cancels what is under way, if anything is."""
        state, candidate = self._state, self._candidate
        self._state, self._candidate = State.IDLE, None
        if candidate is None or state is State.IDLE:
            return []
        if state is State.ACTIVE:
            self.cool_down(at_s)
            return [self._event(Phase.ENDED, candidate, 1.0, at_s, reason)]
        progress = min(candidate.progress, MOST_PROGRESS)
        return [self._event(Phase.CANCELLED, candidate, progress, at_s, reason)]

    def shift_clock(self, from_s: float, to_s: float) -> None:
        """Media time jumped from `from_s` to `to_s`: the rest of the cooldown stays as long as it was."""
        if self._free_at_s is not None:
            self._free_at_s = to_s + max(0.0, self._free_at_s - from_s)

    def _begin(self) -> None:
        if self._state is State.IDLE:
            self._reaction_id = self._ids()

    def _best(self, candidates: list[Candidate]) -> Candidate | None:
        """A ripe one first, then the one of the last frame, then the one with the most progress."""
        was = self._candidate.track if self._candidate is not None else None
        return max(
            candidates,
            key=lambda each: (each.is_ripe, each.track == was, each.progress, -each.track),
            default=None,
        )

    def _event(
        self, phase: Phase, candidate: Candidate, progress: float, at_s: float, reason: str = ""
    ) -> PolicyEvent:
        return PolicyEvent(
            phase,
            self._reaction_id,
            self.label,
            progress,
            candidate.score,
            candidate.box,
            at_s,
            str(reason),
            self.cools_for_s(at_s) if phase is Phase.ENDED else 0.0,
        )
