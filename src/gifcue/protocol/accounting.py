"""Frame accounting: every received frame is counted as analysed, skipped or dropped, with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """What became of the frames of a participant, a stream or a server. All figures are frames.

    received = analysed + sum(skipped) + sum(dropped) + in_flight, at any moment and exactly. `skipped` and `dropped`
    are keyed by reason (`gifcue.protocol.reasons`).
    """

    received: int = 0
    analysed: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    in_flight: int = 0

    @property
    def accounted(self) -> int:
        """Frames that have an outcome or are in flight."""
        return self.analysed + sum(self.skipped.values()) + sum(self.dropped.values()) + self.in_flight

    @property
    def is_consistent(self) -> bool:
        """True where every received frame is accounted for. False is a defect of gifcue."""
        return self.received == self.accounted

    @classmethod
    def total(cls, many: Iterable[FrameCounts]) -> FrameCounts:
        """The sum of many counts."""
        received = analysed = in_flight = 0
        skipped: Counter[str] = Counter()
        dropped: Counter[str] = Counter()
        for counts in many:
            received += counts.received
            analysed += counts.analysed
            in_flight += counts.in_flight
            skipped.update(counts.skipped)
            dropped.update(counts.dropped)
        return cls(received, analysed, dict(skipped), dict(dropped), in_flight)
