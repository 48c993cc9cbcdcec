"""What a case is, and the check of everything that no fault may harm."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

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
SETTLE_S = 10.0

Settings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """A fault by name. `run` makes it happen and says what came of it.

    `number` is the defect, as docs/track-record.md numbers them, that the case shows; 0 for one that was never seen.
    """

    name: str
    summary: str
    run: Callable[[Checkout, random.Random], Awaitable[Findings]]
    number: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a fault may cost others. `p95_ms`: None where latency is not judged while the fault lasts."""

    gap_s: float = GAP_S
    p95_ms: float | None = None
    ready_s: float = READY_S
    memory_bytes: float = MEMORY_BYTES
    fault_timeout_s: float = 60.0


async def beside_bystander(
    checkout: Checkout,
    chance: random.Random,
    fault: Callable[[Server, random.Random, Findings], Awaitable[None]],
    bounds: Bounds | None = None,
    *,
    settings: Settings | None = None,
    limits: dict[str, int] | None = None,
) -> Findings:
    """Lets a fault happen beside a bystander, and checks what every case checks. `fault` may add checks of its own.

    The bystander never waits longer than its bound for a decision, its stream goes on and agrees with the model, the
    server is ready within five seconds of the end of the fault, memory stays within its bound, and nothing of the fault
    is left: no stream, and no frame without an outcome.
    """
    bounds = bounds or Bounds()
    findings = Findings()
    tables = {name: dict(table) for name, table in (settings or {}).items()}
    async with (
        Server(checkout, settings=tables, limits=dict(limits or {})) as server,
        Bystander(server.target) as bystander,
    ):
        await asyncio.sleep(WARM_S)
        began_s = now_s()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(bounds.fault_timeout_s):
                await fault(server, chance, findings)
        # A fault that is over at once ends before the bystander's next decision.
        over_s = max(now_s(), began_s + WARM_S)
        ready_s = await server.until_ready(max(bounds.ready_s, READY_S) * 2)
        await asyncio.sleep(AFTER_S)
        until_s = now_s()
        findings.at_most(
            "longest time without a decision", bystander.longest_gap_s(began_s, until_s), bounds.gap_s, "s"
        )
        if bounds.p95_ms is not None:
            p95_ms = bystander.p95_ms(began_s, over_s)
            findings.at_most("latency p95 of the bystander", p95_ms, bounds.p95_ms, "ms")
        findings.at_most("ready after the fault", ready_s, bounds.ready_s, "s")
        peak_mb = server.peak_pss_bytes / 1e6
        findings.at_most("peak of memory, all processes", peak_mb, bounds.memory_bytes / 1e6, "MB")
        findings.equal("streams of the bystander that ended early", bystander.endings, [])
        findings.at_most("until the bystander's stream is the only one", *await _settled(server))
        findings.notes = dict(sorted(server.answers.items()))
        await bystander.stop()
        check_model(findings, bystander)
        await check_books(findings, server)
    return findings


async def _settled(server: Server) -> tuple[float, float, str]:
    return await server.until_streams(1, SETTLE_S * 2), SETTLE_S, "s"


def check_model(findings: Findings, bystander: Bystander) -> None:
    """A bystander that has stopped: its streams agree with the model, and the last was accounted for."""
    findings.equal("what is against the model", str(bystander.violations), "none")
    findings.holds(
        "frames of the bystander have an outcome",
        bystander.accounted_streams > 0,
        expected="each",
        got="each" if bystander.accounted_streams else "some in flight, or no answer",
    )


async def check_books(findings: Findings, server: Server) -> None:
    """The server's own sum over all streams there were."""
    status = await server.status()
    if status is None:
        findings.holds("frame accounting of the server", False, expected="an answer", got="none")
        return
    books = status.books
    accounted = books.analysed + sum(books.skipped.values()) + sum(books.dropped.values()) + books.in_flight
    findings.equal("frames of the server with an outcome or in flight", accounted, books.received)
    findings.notes |= {f"dropped {reason}": count for reason, count in sorted(books.dropped.items())}
