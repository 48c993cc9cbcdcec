"""The figures of a stream as a whole."""

from __future__ import annotations

from gifcue.engine.summary import summary_of
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.statistics import ParticipantStatistics


def test_the_latencies_are_those_of_the_slowest_participant() -> None:
    counts = FrameCounts(received=5, analysed=5)
    present = [
        ParticipantStatistics("alice", counts, 1, 10.0, 90.0),
        ParticipantStatistics("bob", counts, 2, 30.0, 40.0),
    ]
    summary = summary_of(present, FrameCounts(received=20, analysed=20), 7)
    assert (summary.participants, summary.reactions, summary.frames.received) == (2, 7, 20)
    assert (summary.latency_p50_ms, summary.latency_p95_ms) == (30.0, 90.0)


def test_a_stream_without_participants_has_none() -> None:
    summary = summary_of([], FrameCounts(), 3)
    assert (summary.participants, summary.reactions) == (0, 3)
    assert (summary.latency_p50_ms, summary.latency_p95_ms) == (0.0, 0.0)
