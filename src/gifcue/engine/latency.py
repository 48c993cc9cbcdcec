"""How long decisions take, for the whole server: a histogram for the operator, and percentiles."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

from gifcue.percentiles import RecentValues

# Upper bounds in milliseconds. Dense around 150 ms, the bound that capacity is measured against.
BUCKETS_MS = (5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0, 2000.0, 5000.0)
# Decisions that percentiles are taken over: enough for a stable p95, and few enough to be kept for every participant.
RECENT = 256


@dataclass(frozen=True, slots=True)
class LatencyStatistics:
    """`buckets` counts decisions up to and including each of `BUCKETS_MS`; `count` and `sum_ms` are over all.

    The percentiles are over the last `RECENT` decisions; 0 while there are none.
    """

    count: int
    sum_ms: float
    buckets: tuple[int, ...]
    p50_ms: float
    p95_ms: float


class LatencyRecorder:
    """Collects latencies in milliseconds."""

    def __init__(self) -> None:
        self._counts = [0] * len(BUCKETS_MS)
        self._recent = RecentValues(RECENT)

    def record(self, latency_ms: float) -> None:
        index = bisect.bisect_left(BUCKETS_MS, latency_ms)
        if index < len(self._counts):
            self._counts[index] += 1
        self._recent.record(latency_ms)

    def statistics(self) -> LatencyStatistics:
        """The figures as they stand."""
        cumulative: list[int] = []
        for count in self._counts:
            cumulative.append(count + (cumulative[-1] if cumulative else 0))
        return LatencyStatistics(
            self._recent.count, self._recent.sum, tuple(cumulative), *self._recent.percentiles(0.50, 0.95)
        )
