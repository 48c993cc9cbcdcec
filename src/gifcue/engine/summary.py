"""The figures of one stream as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.statistics import ParticipantStatistics


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """`participants` are those joined, `reactions` all that started. The latencies, in milliseconds, are those of the
    slowest participant joined: the highest median, and the highest 95th percentile.
    """

    participants: int
    frames: FrameCounts
    reactions: int
    latency_p50_ms: float
    latency_p95_ms: float


def summary_of(
    present: Sequence[ParticipantStatistics], frames: FrameCounts, reactions: int
) -> SessionSummary:
    """`present` are the participants joined; `frames` and `reactions` are of those that left as well."""
    return SessionSummary(
        len(present),
        frames,
        reactions,
        max((each.latency_p50_ms for each in present), default=0.0),
        max((each.latency_p95_ms for each in present), default=0.0),
    )
