"""So many within a second on average, with a bound on how many at once."""

from __future__ import annotations


class TokenBucket:
    """`per_second` on average, `burst` at once. Times are seconds that never go backwards."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = burst
        self._last_s: float | None = None

    def take(self, now_s: float, count: float = 1.0) -> bool:
        """Takes one, or `count`; False where so many are not left, and none is taken then."""
        if self._last_s is not None:
            self._tokens = min(self._burst, self._tokens + (now_s - self._last_s) * self._per_second)
        self._last_s = now_s
        if self._tokens < count:
            return False
        self._tokens -= count
        return True

    @property
    def next_in_s(self) -> float:
        """Seconds from the last `take` until one is left."""
        return max(0.0, 1.0 - self._tokens) / self._per_second
