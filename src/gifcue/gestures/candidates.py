"""Candidates: gestures that were trained and are not kept yet. They are in memory alone, for a bounded time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gifcue.gestures.taught import TaughtGesture
from gifcue.gestures.trainer import Report

MAX_CANDIDATES = 16
# Seconds since it was last used after which a candidate is forgotten.
FORGET_AFTER_S = 1800.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained gesture under a random name."""

    name: str
    label: str
    gesture: TaughtGesture
    report: Report


class Candidates:
    """At most `MAX_CANDIDATES`; a further one takes the place of the one that was used longest ago.

    Args:
        clock: seconds.
        ids: gives random names.
    """

    def __init__(self, clock: Callable[[], float], ids: Callable[[], str]) -> None:
        self._clock = clock
        self._ids = ids
        self._entries: OrderedDict[str, tuple[float, Candidate]] = OrderedDict()

    def add(self, label: str, gesture: TaughtGesture, report: Report) -> Candidate:
        """A new candidate."""
        self._forget_old()
        while len(self._entries) >= MAX_CANDIDATES:
            self._entries.popitem(last=False)
        candidate = Candidate(self._ids(), label, gesture, report)
        self._entries[candidate.name] = (self._clock(), candidate)
        return candidate

    def find(self, name: str) -> Candidate | None:
        """The candidate of this name, which counts as used; None where there is none."""
        self._forget_old()
        entry = self._entries.get(name)
        if entry is None:
            return None
        self._entries[name] = (self._clock(), entry[1])
        self._entries.move_to_end(name)
        return entry[1]

    def discard(self, name: str) -> bool:
        """Forgets a candidate; False where there is none."""
        return self._entries.pop(name, None) is not None

    def _forget_old(self) -> None:
        oldest_s = self._clock() - FORGET_AFTER_S
        while self._entries and next(iter(self._entries.values()))[0] < oldest_s:
            self._entries.popitem(last=False)
