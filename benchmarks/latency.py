"""Percentiles and a histogram of latencies that include the frames without a decision.

A frame that the server lost has no latency, and without it an overloaded server would look fast. It therefore counts as
later than any bound: with 4 lost frames of 100 the p95 is finite, with 6 it is infinite.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

# Upper bounds in milliseconds, dense around 150 ms, the bound of the capacity.
BUCKETS_MS = (5, 10, 15, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200, 300, 500, 1000, 2000, 5000, 10000)
SHARES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))


def percentile(values: Iterable[float], share: float, missing: int = 0) -> float:
    """The percentile by nearest rank, with `missing` infinite values added; NaN if there is no value."""
    ordered = sorted(values)
    count = len(ordered) + missing
    if not count:
        return math.nan
    rank = math.ceil(share * count)
    return ordered[rank - 1] if rank <= len(ordered) else math.inf


def summary(latencies_ms: Sequence[float], missing: int) -> dict[str, Any]:
    """The report of latencies: percentiles, None where infinite, and the histogram.

    `max` is the maximum of the decided frames. The histogram's key "10" counts latencies above 5 and up to 10 ms,
    "over" those above the last bound and the `missing` ones.
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
    """The value rounded, or None (null in JSON) if it is infinite or not a number."""
    return round(value, digits) if math.isfinite(value) else None
