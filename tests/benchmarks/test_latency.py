from __future__ import annotations

import json
import math

import pytest

from benchmarks.latency import percentile, summary


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50.0), (0.95, 95.0), (0.951, 96.0), (0.99, 99.0), (1.0, 100.0)]
)
def test_percentile_is_that_of_the_nearest_rank(share: float, expected: float) -> None:
    values = [float(value) for value in range(100, 0, -1)]

    assert percentile(values, share) == expected


def test_missing_values_count_as_infinite() -> None:
    fast = [10.0] * 95

    assert percentile(fast, 0.95, missing=5) == 10.0
    assert percentile(fast, 0.95, missing=6) == math.inf
    assert percentile([], 0.5, missing=1) == math.inf
    assert math.isnan(percentile([], 0.5))


def test_summary_counts_every_frame_once_and_is_json() -> None:
    figures = summary([5.0, 5.1, 150.0, 150.1, 20_000.0], missing=2)

    assert figures["decided"] == 5
    assert figures["missing"] == 2
    assert sum(figures["histogram"].values()) == 7
    assert figures["histogram"]["5"] == 1
    assert figures["histogram"]["10"] == 1
    assert figures["histogram"]["150"] == 1
    assert figures["histogram"]["200"] == 1
    assert figures["histogram"]["over"] == 3
    assert figures["p50"] == 150.1
    assert figures["p95"] is None
    assert figures["max"] == 20_000.0
    json.dumps(figures, allow_nan=False)
