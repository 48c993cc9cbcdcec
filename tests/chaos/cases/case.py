"""What a case is, and the attack that most cases are made of."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.bystander import Bystander
from tests.chaos.findings import Findings
from tests.chaos.server import Checkout, Server
from tests.chaos.streams import now_s

# What a bystander may miss: two seconds beyond its next keyframe, which comes every two seconds.
GAP_S = 4.0
# Where a stuck worker must be detected first.
GAP_STUCK_S = 6.0
READY_S = 5.0
MEMORY_BYTES = 1_000_000_000
BYSTANDER_P95_MS = 150.0
WARM_S = 2.0
AFTER_S = 4.0

Attack = Callable[[Server, random.Random], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Case:
    """A fault by name. `run` makes it happen and says what came of it."""

    name: str
    summary: str
    run: Callable[[Checkout, random.Random], Awaitable[Findings]]


async def under_attack(
    checkout: Checkout,
    seed: random.Random,
    attack: Attack,
    *,
    settings: dict[str, dict[str, object]] | None = None,
    limits: dict[str, int] | None = None,
    attack_timeout_s: float = 60.0,
    gap_s: float = GAP_S,
    p95_ms: float | None = None,
    memory_bytes: float = MEMORY_BYTES,
) -> Findings:
    """Lets `attack` run beside a bystander, and checks what every case checks.

    The bystander never waits longer than `gap_s` for a decision, its reactions alternate, its frames are accounted for,
    the server is ready within five seconds of the end of the attack, and memory stays within its bound.
    """
    findings = Findings()
    async with (
        Server(checkout, settings=dict(settings or {}), limits=dict(limits or {})) as server,
        Bystander(server.target) as bystander,
    ):
        await asyncio.sleep(WARM_S)
        began_s = now_s()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(attack_timeout_s):
                await attack(server, seed)
        # An attack that is refused at once ends before the bystander's next decision.
        over_s = max(now_s(), began_s + WARM_S)
        ready_s = await server.until_ready(READY_S * 2)
        await asyncio.sleep(AFTER_S)
        until_s = now_s()
        findings.at_most(
            "longest time without a decision", bystander.longest_gap_s(began_s, until_s), gap_s, "s"
        )
        if p95_ms is not None:
            findings.at_most("latency p95 of the bystander", bystander.p95_ms(began_s, over_s), p95_ms, "ms")
        findings.at_most("ready after the attack", ready_s, READY_S, "s")
        findings.at_most(
            "peak of memory, all processes", server.peak_pss_bytes / 1e6, memory_bytes / 1e6, "MB"
        )
        findings.equal("streams of the bystander that ended early", bystander.endings, [])
    findings.holds(
        "STARTED and ENDED alternate",
        bystander.alternates,
        expected="alternation",
        got="alternation" if bystander.alternates else str(bystander.reactions),
    )
    counts = bystander.counts
    findings.holds(
        "frame accounting of the bystander",
        counts is not None and counts.is_consistent,
        expected="consistent",
        got="no answer" if counts is None else f"received {counts.received}, accounted {counts.accounted}",
    )
    return findings
