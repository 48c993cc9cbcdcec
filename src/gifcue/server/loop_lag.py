"""How long the event loop keeps a timer waiting. While it does, no frame is taken and no event is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

# Upper bounds of the histogram, in seconds.
BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_INTERVAL_S = 0.05
# The maximum is that of the last one to two of these.
_WINDOW_S = 30.0


@dataclass(frozen=True, slots=True)
class LagStatistics:
    """`counts` has one entry for each of BUCKETS_S, and one for longer lags; `max_s` is of the last 30 to 60 s."""

    counts: tuple[int, ...] = (0,) * (len(BUCKETS_S) + 1)
    sum_s: float = 0.0
    max_s: float = 0.0


class LoopLag:
    """Measures the event loop that `follow` runs in. `clock` is in seconds."""

    def __init__(
        self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._counts = [0] * (len(BUCKETS_S) + 1)
        self._sum_s = 0.0
        self._window_began_s = clock()
        self._max_s = self._max_before_s = 0.0

    def statistics(self) -> LagStatistics:
        """The figures as they stand."""
        return LagStatistics(tuple(self._counts), self._sum_s, max(self._max_s, self._max_before_s))

    async def follow(self) -> None:
        """Measures until it is cancelled."""
        while True:
            due_s = self._clock() + _INTERVAL_S
            await self._sleep(_INTERVAL_S)
            now_s = self._clock()
            self._record(max(0.0, now_s - due_s), now_s)

    def _record(self, lag_s: float, now_s: float) -> None:
        self._counts[sum(lag_s > bound for bound in BUCKETS_S)] += 1
        self._sum_s += lag_s
        if now_s - self._window_began_s >= _WINDOW_S:
            self._window_began_s, self._max_before_s, self._max_s = now_s, self._max_s, 0.0
        self._max_s = max(self._max_s, lag_s)
