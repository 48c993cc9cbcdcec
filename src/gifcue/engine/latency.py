"""How long decisions take: a histogram for the operator, percentiles for a client."""

from __future__ import annotations

import bisect
import math
from collections import deque
from dataclasses import dataclass

# Upper bounds in milliseconds. Dense around 150 ms, the bound that capacity is measured against.
BUCKETS_MS = (5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0, 2000.0, 5000.0)
# Decisions that percentiles are taken over. Enough for a p95 that does not jump, small enough for every participant.
RECENT = 256


@dataclass(frozen=True, slots=True)
class LatencyStatistics:
    """`buckets` counts decisions up to and including each of `BUCKETS_MS`; `count` and `sum_ms` are over all."""

    count: int
    sum_ms: float
    buckets: tuple[int, ...]
    p50_ms: float
    p95_ms: float


class RecentLatencies:
    """The last `RECENT` latencies of one participant, in milliseconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=RECENT)

    def record(self, latency_ms: float) -> None:
        self._recent.append(latency_ms)

    def percentiles_ms(self) -> tuple[float, float]:
        """p50 and p95 by nearest rank; 0 while there are no latencies."""
        ordered = sorted(self._recent)
        return _rank(ordered, 0.50), _rank(ordered, 0.95)


class LatencyRecorder:
    """Collects the latencies of the whole server in milliseconds: a histogram over all, percentiles over the last."""

    def __init__(self) -> None:
        self._counts = [0] * len(BUCKETS_MS)
        self._count = 0
        self._sum_ms = 0.0
        self._recent = RecentLatencies()

    def record(self, latency_ms: float) -> None:
        index = bisect.bisect_left(BUCKETS_MS, latency_ms)
        if index < len(self._counts):
            self._counts[index] += 1
        self._count += 1
        self._sum_ms += latency_ms
        self._recent.record(latency_ms)

    def statistics(self) -> LatencyStatistics:
        """The figures as they stand; the percentiles are over the last `RECENT` decisions."""
        cumulative: list[int] = []
        for count in self._counts:
            cumulative.append(count + (cumulative[-1] if cumulative else 0))
        p50_ms, p95_ms = self._recent.percentiles_ms()
        return LatencyStatistics(self._count, self._sum_ms, tuple(cumulative), p50_ms, p95_ms)


def _rank(ordered: list[float], share: float) -> float:
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else 0.0
