"""Frame accounting: every received frame is counted as analysed, skipped or dropped, with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """The outcome of the frames of a participant, a stream or a server, in frames.

    At every moment, received = analysed + sum(skipped) + sum(dropped) + in_flight. The keys of `skipped` are values of
    `SkipReason`, those of `dropped` values of `DropReason` (`gifcue.protocol.reasons`).
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
        """True where every received frame is accounted for. False indicates a defect of the server."""
        return self.received == self.accounted

    @classmethod
    def total(cls, many: Iterable[FrameCounts]) -> FrameCounts:
        """The sum of several counts."""
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
