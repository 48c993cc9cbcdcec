"""The search for the largest load that is carried. It knows neither servers nor clocks."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

Figures = dict[str, Any]


@dataclass(frozen=True)
class Found:
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
    resolution: float = 1 / 40,
    growth: float = 2.0,
) -> Found:
    """Multiplies the number by `growth` from `start` until a run fails, bisects, and confirms the result.

    `run(participants, confirming)` measures. `limit_reason` says why what it measured is not carried, in a few words;
    nothing where it is. Confirming runs are longer. If one fails, the next smaller number is tried: 5 % less, and at
    least one less. The result is a number that passed a confirming run. The bisection ends at `resolution` of the
    result: short runs cannot tell smaller differences.
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
    while failed - carried > max(1, int(carried * resolution)):
        middle = (carried + failed) // 2
        if await passes(middle):
            carried = middle
        else:
            failed = middle
    while carried and not await passes(carried, confirming=True):
        failed, carried = carried, carried - max(1, carried // 20)
    why_limited = reasons.get(failed, f"the search ended at its maximum of {most}")
    return Found(carried, runs[-1] if carried else None, runs, why_limited)
