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

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import Load, measure
from benchmarks.server_process import ServerProcess

BOUND_MS = 150.0
LEAST_ANALYSED_S = 3.0

Figures = dict[str, Any]


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


@dataclass(frozen=True)
class Capacity:
    """The result of a search.

    `participants` is 0 if not even one is carried. `runs` has every measurement in order. `at` is the longer run that
    confirmed the result, None for 0 participants. `why_limited` says why the next larger number was not carried.
    """

    participants: int
    at: Figures | None
    runs: list[Figures]
    why_limited: str


async def search(
    run: Callable[[int, bool], Awaitable[Figures]],
    limit_reason: Callable[[Figures], str],
    start: int,
    most: int,
    growth: float = 2.0,
) -> Capacity:
    """Multiplies the number by `growth` from `start` until a run fails, bisects, and confirms the result.

    `run(participants, confirming)` measures. Confirming runs are longer. If one fails, the next smaller number is
    tried: 5 % less, and at least one less. The result is a number that passed a confirming run.
    """
    runs: list[Figures] = []
    reasons: dict[int, str] = {}

    async def passes(count: int, confirming: bool = False) -> bool:
        figures = await run(count, confirming)
        reason = limit_reason(figures)
        runs.append({**figures, "limit_reason": reason, "confirming": confirming})
        reasons[count] = reason
        return not reason

    carried, failed = 0, most + 1
    count = min(start, most)
    while count < failed:
        if await passes(count):
            carried, count = count, min(math.ceil(growth * count), most) if count < most else failed
        else:
            failed = count
    # Runs of a few seconds cannot resolve less than 2.5 % of the result.
    while failed - carried > max(1, carried // 40):
        middle = (carried + failed) // 2
        if await passes(middle):
            carried = middle
        else:
            failed = middle
    while carried and not await passes(carried, confirming=True):
        failed, carried = carried, carried - max(1, carried // 20)
    why_limited = reasons.get(failed, f"the search ended at its maximum of {most}")
    return Capacity(carried, runs[-1] if carried else None, runs, why_limited)


async def find_capacity(
    server: ServerProcess,
    load: Load,
    bounds: Bounds,
    *,
    most: int = 512,
    confirm_s: float = 20.0,
    report: Callable[[str], None] = lambda line: None,
) -> Capacity:
    """Searches from `load.participants` with runs of `load.seconds`. `report` receives a line for each run."""

    async def run(count: int, confirming: bool) -> Figures:
        figures = await measure(server, load.with_participants(count, confirm_s if confirming else None))
        reason = bounds.limit_reason(figures) or "carried"
        report(f"{count} participants: p95 {figures['due_to_decision_ms']['p95']} ms, {reason}")
        return figures

    return await search(run, bounds.limit_reason, load.participants, most)
