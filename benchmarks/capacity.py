"""The most participants that a server carries.

Carried means, all at once: 95 of 100 frames decided within the bound, what was lost to analysis counted as later than
it; nothing in the books' `dropped`, of whatever reason, `superseded` included (the picture of a participant that
waited so long that its next one took the place); every frame received; every participant analysed at least so often
while something moves in its picture; and the load generator in time. What the books call `skipped` (paced, similar)
is the filter's work and no loss.
"""

from __future__ import annotations

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
    """What carrying means. `dropped_share` of the frames offered may be dropped; 0: not one."""

    bound_ms: float = BOUND_MS
    least_analysed_s: float = LEAST_ANALYSED_S
    dropped_share: float = 0.0

    def why_not(self, figures: Figures) -> str:
        """Why this measurement is over capacity, in a few words; empty where it is not."""
        p95_ms = figures["due_to_decision_ms"]["p95"]
        dropped = sum(figures["dropped"].values())
        least = figures["analysed_moving_s"]["least"]
        late_ms, frame_ms = figures["sender_late_ms"]["p95"], 1000.0 / figures["fps"]
        if figures["lost_on_the_way"] or figures["in_flight_at_the_end"]:
            lost = figures["lost_on_the_way"] + figures["in_flight_at_the_end"]
            return f"{lost} frames without an end"
        if late_ms is None or late_ms > frame_ms:
            return f"the load generator is late: p95 {late_ms} ms, over a frame's {frame_ms:.0f}"
        if dropped > self.dropped_share * figures["offered"]:
            reasons = ", ".join(f"{name} {count}" for name, count in figures["dropped"].items())
            return f"dropped: {reasons}"
        if p95_ms is None or p95_ms > self.bound_ms:
            return f"p95 {p95_ms} ms, over {self.bound_ms:g}"
        if least is not None and least < self.least_analysed_s:
            return f"a participant analysed {least} times a second of motion, under {self.least_analysed_s:g}"
        return ""


@dataclass(frozen=True)
class Capacity:
    """`participants` is 0 where not even one is carried. `runs` has every measurement, in the order made;
    `at` the longer one that confirmed the answer, None for 0; `why_limited` tells what ended the next larger one.
    """

    participants: int
    at: Figures | None
    runs: list[Figures]
    why_limited: str


async def search(
    run: Callable[[int, bool], Awaitable[Figures]],
    why_not: Callable[[Figures], str],
    start: int,
    most: int,
) -> Capacity:
    """Doubles from `start` until one fails, halves what lies between, and confirms the answer.

    `run(participants, confirming)` measures; confirming runs are longer, and where one fails the next smaller size is
    tried: a twentieth less, and at least one. The answer is a size that passed the longer run.
    """
    runs: list[Figures] = []
    verdicts: dict[int, str] = {}

    async def passes(count: int, confirming: bool = False) -> bool:
        figures = await run(count, confirming)
        verdict = why_not(figures)
        runs.append({**figures, "why_not": verdict, "confirming": confirming})
        verdicts[count] = verdict
        return not verdict

    carried, failed = 0, most + 1
    count = min(start, most)
    while count < failed:
        if await passes(count):
            carried, count = count, min(2 * count, most) if count < most else failed
        else:
            failed = count
    # A fortieth of the answer is as fine as a run of seconds can tell.
    while failed - carried > max(1, carried // 40):
        middle = (carried + failed) // 2
        if await passes(middle):
            carried = middle
        else:
            failed = middle
    while carried and not await passes(carried, confirming=True):
        failed, carried = carried, carried - max(1, carried // 20)
    why = verdicts.get(failed, f"no more than {most} were tried")
    return Capacity(carried, runs[-1] if carried else None, runs, why)


async def find_capacity(
    server: ServerProcess,
    load: Load,
    bounds: Bounds,
    *,
    most: int = 512,
    confirm_s: float = 20.0,
    told: Callable[[str], None] = lambda line: None,
) -> Capacity:
    """Searches with runs of `load.seconds` from `load.participants` on; `told` gets a line a run."""

    async def run(count: int, confirming: bool) -> Figures:
        figures = await measure(server, load.with_participants(count, confirm_s if confirming else None))
        verdict = bounds.why_not(figures) or "carried"
        told(f"{count} participants: p95 {figures['due_to_decision_ms']['p95']} ms, {verdict}")
        return figures

    return await search(run, bounds.why_not, load.participants, most)
