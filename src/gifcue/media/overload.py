"""Whether a decode worker has more to decode than it can in time, and for whom it should not decode.

    calm ──many are late──► overloaded: slow down, no joins ──still──► the newest of those who are late are paused
      ▲                                                                     │
      └──────────────── nobody is late for a while ◄── resumed one by one ──┘

Without this, everybody would be late under overload, and everybody's frames would be dropped. Pausing those who joined
last keeps the latency of the others. Whoever needs less than its share is never late (`gifcue.media.queues`), and is
therefore never paused. There is no clock here: the caller passes times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Seconds of a window, at whose end it is decided.
WINDOW_S = 0.5
# A participant is late where each of its units waited longer than this within a window, or one was dropped because it
# had waited too long. A burst makes some wait.
LATE_S = 0.1
# Overload is where so many are late, and this share of those who send. A few who are late want more than this part of
# the worker's time: that is their own doing, and a newcomer that needs less finds room.
LATE_COUNT = 8
LATE_SHARE = 0.25
# Windows of overload, less those without, before anything is done, and before somebody is paused: first the analysis
# rate falls (`gifcue.engine.pace`), and clients that were asked to slow down need a moment.
OVERLOADED_AFTER = 2
PAUSE_AFTER = 6
# Windows without overload in a row before it is over, and between two who are resumed.
CALM_AFTER = 4
# This share of those who are late is paused at once.
PAUSE_SHARE = 1 / 8
# Seconds of a pause. Each further pause of the same participant lasts twice as long.
PAUSE_S, MAX_PAUSE_S = 2.0, 60.0


@dataclass(frozen=True, slots=True)
class Relief:
    """What is to be done: who is asked to send less, whose frames are not decoded from now on, and whose are again."""

    slow_down: tuple[int, ...] = ()
    pause: tuple[int, ...] = ()
    resume: tuple[int, ...] = ()


NO_RELIEF = Relief()


@dataclass(slots=True)
class _Pause:
    """`until_s` bounds it from below, `length_s` is that of the last one."""

    until_s: float
    length_s: float
    is_running: bool = True


class OverloadControl:
    """Of one worker. Participants are their keys; a higher key joined later."""

    def __init__(self) -> None:
        # Counted up to PAUSE_AFTER and down to 0, because what is dropped makes room, and windows alternate.
        self._pressure = 0
        self._calm_windows = 0
        self._pauses: dict[int, _Pause] = {}
        self.is_overloaded = False

    @property
    def is_idle(self) -> bool:
        """True while nothing depends on further windows."""
        return not (self.is_overloaded or self._pressure or self.paused)

    @property
    def paused(self) -> tuple[int, ...]:
        """Participants whose frames are not decoded, in the order of joining."""
        return tuple(sorted(key for key, pause in self._pauses.items() if pause.is_running))

    def forget(self, key: int) -> None:
        """The participant left, or moved to another worker."""
        self._pauses.pop(key, None)

    def decide(self, now_s: float, waits_s: Mapping[int, float]) -> Relief:
        """A window ended. `waits_s` has the shortest wait within it of each participant that sent something, infinity
        where something of it was dropped.
        """
        late = sorted(key for key, wait_s in waits_s.items() if wait_s > LATE_S)
        if len(late) >= max(LATE_COUNT, LATE_SHARE * len(waits_s)):
            return self._overload(now_s, late)
        return self._calm(now_s)

    def _overload(self, now_s: float, late: list[int]) -> Relief:
        self._calm_windows = 0
        self._pressure = min(self._pressure + 1, PAUSE_AFTER)
        if self._pressure < OVERLOADED_AFTER:
            return NO_RELIEF
        self.is_overloaded = True
        if self._pressure < PAUSE_AFTER:
            return Relief(slow_down=tuple(late))
        chosen = late[-max(1, int(PAUSE_SHARE * len(late))) :]
        for key in chosen:
            before = self._pauses.get(key)
            length_s = min(MAX_PAUSE_S, 2 * before.length_s) if before is not None else PAUSE_S
            self._pauses[key] = _Pause(now_s + length_s, length_s)
        return Relief(slow_down=tuple(late[: -len(chosen)]), pause=tuple(chosen))

    def _calm(self, now_s: float) -> Relief:
        self._pressure = max(0, self._pressure - 1)
        self._calm_windows += 1
        if self._calm_windows < CALM_AFTER:
            return NO_RELIEF
        self.is_overloaded = False
        # Pauses that are long over are forgotten, so that a participant that behaves is not held to its past.
        for key in [
            key
            for key, pause in self._pauses.items()
            if not pause.is_running and now_s - pause.until_s > MAX_PAUSE_S
        ]:
            del self._pauses[key]
        due = [key for key in self.paused if now_s >= self._pauses[key].until_s]
        if not due:
            return NO_RELIEF
        # Those who have been here longest first, and one at a time: each may bring the overload back.
        self._calm_windows = CALM_AFTER - 2
        self._pauses[due[0]].is_running = False
        return Relief(resume=(due[0],))
