"""The capacity: the largest number of participants that a server carries.

A server carries a load if all of these hold:

- The 95th percentile of latency is within the bound. A frame that was lost counts as later than any bound.
- No frame was dropped, for any reason; `superseded`, a picture replaced by a newer one, included.
- Every frame sent was received.
- Every participant was analysed often enough while its picture moved.
- The load generator was on time.

Frames skipped as paced or similar are the filter's regular work and no loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measure import Load, measure
from benchmarks.server_process import ServerProcess
from gifcue.server.capacity.search import Figures, Found, search

BOUND_MS = 150.0
LEAST_ANALYSED_S = 3.0


@dataclass(frozen=True)
class Bounds:
    """The conditions that a carried load meets. `dropped_share` is the permitted fraction of dropped frames."""

    bound_ms: float = BOUND_MS
    least_analysed_s: float = LEAST_ANALYSED_S
    dropped_share: float = 0.0

    def limit_reason(self, figures: Figures) -> str:
        """The condition that this measurement does not meet, in a few words; empty if it meets all."""
        p95_ms = figures["due_to_decision_ms"]["p95"]
        dropped = sum(figures["dropped"].values())
        least = figures["analysed_moving_s"]["least"]
        late_ms, frame_ms = figures["sender_late_ms"]["p95"], 1000.0 / figures["fps"]
        if figures["lost_on_the_way"] or figures["in_flight_at_the_end"]:
            lost = figures["lost_on_the_way"] + figures["in_flight_at_the_end"]
            return f"{lost} frames without an outcome"
        if late_ms is None or late_ms > frame_ms:
            return f"the load generator is late: p95 {late_ms} ms, over a frame interval of {frame_ms:.0f} ms"
        if dropped > self.dropped_share * figures["offered"]:
            reasons = ", ".join(f"{name} {count}" for name, count in figures["dropped"].items())
            return f"dropped: {reasons}"
        if p95_ms is None or p95_ms > self.bound_ms:
            return f"p95 {p95_ms} ms, over {self.bound_ms:g}"
        if least is not None and least < self.least_analysed_s:
            return (
                f"a participant with {least} analyses per second of motion, under {self.least_analysed_s:g}"
            )
        return ""


async def find_capacity(
    server: ServerProcess,
    load: Load,
    bounds: Bounds,
    *,
    most: int = 512,
    confirm_s: float = 20.0,
    report: Callable[[str], None] = lambda line: None,
) -> Found:
    """Searches from `load.participants` with runs of `load.seconds`. `report` receives a line for each run."""

    async def run(count: int, confirming: bool) -> Figures:
        figures = await measure(server, load.with_participants(count, confirm_s if confirming else None))
        reason = bounds.limit_reason(figures) or "carried"
        report(f"{count} participants: p95 {figures['due_to_decision_ms']['p95']} ms, {reason}")
        return figures

    return await search(run, bounds.limit_reason, load.participants, most)
