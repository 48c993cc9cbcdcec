"""Counters that wrap around, as counters that do not."""

from __future__ import annotations


class Unwrapper:
    """Turns a counter of `bits` bits into one that never wraps.

    Each value is taken as the one nearest to the highest value so far: up to half the range ahead of it is newer, the
    rest is older. The first value is kept as it is. An older value near the start can be negative.
    """

    def __init__(self, bits: int) -> None:
        self._range = 1 << bits
        self._highest: int | None = None

    @property
    def highest(self) -> int | None:
        """The highest value so far; None before the first."""
        return self._highest

    def peek(self, value: int) -> int:
        """What `take` would return, without remembering it."""
        if self._highest is None:
            return value
        step = (value - self._highest) % self._range
        if step >= self._range // 2:
            step -= self._range
        return self._highest + step

    def take(self, value: int) -> int:
        """The unwrapped value of `value`, which is 0 to 2**bits - 1."""
        unwrapped = self.peek(value)
        if self._highest is None or unwrapped > self._highest:
            self._highest = unwrapped
        return unwrapped
