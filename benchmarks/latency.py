"""Latency as it is reported: percentiles and a histogram that count what never came.

A frame that the server lost to analysis has no latency, and leaving it out would make an overloaded server look quick.
It counts as later than any bound: with 4 lost frames of 100 the p95 is that of the 95 quickest, with 6 it is infinite.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

# Upper bounds in milliseconds, dense around 150 ms, the bound that capacity is measured against.
BUCKETS_MS = (5, 10, 15, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200, 300, 500, 1000, 2000, 5000, 10000)
SHARES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))


def percentile(values: Iterable[float], share: float, missing: int = 0) -> float:
    """By nearest rank. `missing` more values were infinite; NaN where there is nothing at all."""
    ordered = sorted(values)
    count = len(ordered) + missing
    if not count:
        return math.nan
    rank = math.ceil(share * count)
    return ordered[rank - 1] if rank <= len(ordered) else math.inf


def summary(latencies_ms: Sequence[float], missing: int) -> dict[str, Any]:
    """What a report says of latencies: percentiles, null where infinite, and the histogram.

    `max` is that of the frames that were decided. The histogram's key "10" counts what took over 5 and up to 10 ms;
    "over" what took longer than the last bound, `missing` included.
    """
    counts = [0] * (len(BUCKETS_MS) + 1)
    for latency_ms in latencies_ms:
        counts[bisect_left(BUCKETS_MS, latency_ms)] += 1
    counts[-1] += missing
    histogram = {str(bound): count for bound, count in zip((*BUCKETS_MS, "over"), counts, strict=True)}
    figures: dict[str, Any] = {
        name: finite(percentile(latencies_ms, share, 0 if name == "max" else missing), 1)
        for name, share in SHARES
    }
    return {**figures, "decided": len(latencies_ms), "missing": missing, "histogram": histogram}


def finite(value: float, digits: int) -> float | None:
    """The value rounded, or None, JSON's null, where it is infinite or not a number."""
    return round(value, digits) if math.isfinite(value) else None
