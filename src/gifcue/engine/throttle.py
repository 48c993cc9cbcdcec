"""At most one of a kind within an interval."""

from __future__ import annotations

from collections.abc import Callable, Hashable

# Keys that are remembered. Keys come from outside, names among them: over this many, those admitted longest ago are
# forgotten, which at worst admits one occurrence early.
MAX_REMEMBERED = 4096


class Throttle:
    """Admits one occurrence of a key per `interval_s`, and counts those that it held back. `clock` is in seconds."""

    def __init__(self, interval_s: float, clock: Callable[[], float]) -> None:
        self._interval_s = interval_s
        self._clock = clock
        # When the key was last admitted, and how many were held back since; in the order of admission.
        self._last: dict[Hashable, tuple[float, int]] = {}

    def admit(self, key: Hashable) -> int:
        """How many occurrences this one stands for: itself and those held back before it. 0 where it is held back."""
        now_s = self._clock()
        last_s, held_back = self._last.get(key, (-float("inf"), 0))
        if now_s - last_s < self._interval_s:
            self._last[key] = (last_s, held_back + 1)
            return 0
        # Removed and added again, so that the order of the entries stays that of admission.
        self._last.pop(key, None)
        if len(self._last) >= MAX_REMEMBERED:
            del self._last[next(iter(self._last))]
        self._last[key] = (now_s, 0)
        return held_back + 1
