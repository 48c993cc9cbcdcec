"""Latency statistics: cumulative buckets and percentiles by nearest rank."""

from __future__ import annotations

from gifcue.engine.latency import BUCKETS_MS, RECENT, LatencyRecorder


def test_statistics_without_records_are_zero() -> None:
    figures = LatencyRecorder().statistics()
    assert (figures.count, figures.p50_ms, figures.p95_ms) == (0, 0.0, 0.0)
    assert figures.buckets == (0,) * len(BUCKETS_MS)


def test_buckets_are_cumulative_and_include_their_bound() -> None:
    recorder = LatencyRecorder()
    for latency_ms in (5.0, 5.1, 10.0, 99_999.0):
        recorder.record(latency_ms)
    figures = recorder.statistics()
    assert figures.buckets[:3] == (1, 3, 3)
    assert figures.buckets[-1] == 3
    assert figures.count == 4


def test_percentiles_are_over_recent_decisions() -> None:
    recorder = LatencyRecorder()
    for _ in range(RECENT):
        recorder.record(1000.0)
    for latency_ms in range(1, RECENT + 1):
        recorder.record(float(latency_ms))
    figures = recorder.statistics()
    assert figures.p50_ms == RECENT / 2
    assert figures.p95_ms == 244.0
