"""Who is refused for a while because its bytes killed workers, hung in them or took too much CPU time.

One event proves nothing: a worker may die of anything. After a second one within a minute, everything of the suspect is
refused for 5 s, and for twice as long after each further event, up to 5 minutes. A suspect without an event for 10
minutes is forgotten.

Everything here is pure: the clock is handed in, in seconds. What a suspect is, a participant or a still, is up to the
caller.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

# Events that are tolerated within the window; one more is answered by a pause.
TOLERATED = 1
WINDOW_S = 60.0
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
FORGOTTEN_AFTER_S = 600.0

Suspect = TypeVar("Suspect", bound=Hashable)


class Incident(NamedTuple):
    """What a decode worker met with while it had a participant's unit in hand.

    `key` and `token` name participant and unit, `worker` is the index of the worker in its pool. `is_fatal`: the
    worker died or was killed; otherwise the unit took more CPU time than its budget.
    """

    key: int
    token: int
    worker: int
    worker_name: str
    reason: str
    is_fatal: bool


@dataclass(slots=True)
class _Record:
    """`recent_s` are the times of the events that led to no pause, `pauses` counts the pauses so far."""

    recent_s: list[float] = field(default_factory=list)
    pauses: int = 0
    last_s: float = 0.0
    until_s: float = 0.0


def pause_after(pauses: int) -> float:
    """The pause in seconds after so many earlier ones."""
    # The exponent is bounded: a record may grow for days.
    return float(min(FIRST_PAUSE_S * 2.0 ** min(pauses, 16), LONGEST_PAUSE_S))


class Suspects(Generic[Suspect]):
    """Remembers at most `remembered` suspects; over that, the one whose last event is the oldest is forgotten."""

    def __init__(self, clock: Callable[[], float], remembered: int) -> None:
        self._clock = clock
        self._remembered = remembered
        # In the order of the last events.
        self._records: dict[Suspect, _Record] = {}

    def __len__(self) -> int:
        """Suspects that are remembered."""
        return len(self._records)

    def accuse(self, suspect: Suspect, *, tolerated: int = TOLERATED) -> float:
        """Counts an event. Returns for how many seconds the suspect is refused from now on; 0 where it is not."""
        now_s = self._clock()
        self._forget(now_s)
        record = self._records.pop(suspect, None) or _Record()
        if len(self._records) >= self._remembered:
            del self._records[next(iter(self._records))]
        self._records[suspect] = record
        record.last_s = now_s
        record.recent_s = [at_s for at_s in record.recent_s if now_s - at_s < WINDOW_S]
        record.recent_s.append(now_s)
        # One that was refused before has used up what is tolerated.
        if len(record.recent_s) > tolerated or record.pauses:
            record.until_s = now_s + pause_after(record.pauses)
            record.pauses += 1
            record.recent_s.clear()
        return max(0.0, record.until_s - now_s)

    def held_s(self, suspect: Suspect) -> float:
        """For how many seconds the suspect is still refused; 0 where it is not."""
        record = self._records.get(suspect)
        return 0.0 if record is None else max(0.0, record.until_s - self._clock())

    def is_known(self, suspect: Suspect) -> bool:
        """True for a suspect with an event that is not forgotten."""
        self._forget(self._clock())
        return suspect in self._records

    def _forget(self, now_s: float) -> None:
        while self._records:
            suspect, record = next(iter(self._records.items()))
            if now_s - max(record.last_s, record.until_s) < FORGOTTEN_AFTER_S:
                return
            del self._records[suspect]
