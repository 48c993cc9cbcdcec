"""Runs guests against one server, and measures it twice while nobody is there."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from tests.chaos.cases.case import check_books
from tests.chaos.findings import Findings
from tests.chaos.server import Checkout, Server
from tests.soak.guests import CODECS, MEAN_S, Guests, clip
from tests.soak.measure import MIB, Holds, measure

# The share of streams after which a server has reached its size.
WARM_SHARE = 0.2
MEMORY_GROWTH = 0.03
# How long a server may take to close what streams held. Threads of gRPC end some seconds after they were needed.
SETTLE_S = 40.0
SAY_EVERY = 100


async def soak(
    checkout: Checkout,
    seed: int,
    *,
    streams: int,
    seconds: float,
    judge_memory: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> Findings:
    """Lets so many streams come and go within about so many seconds.

    `judge_memory=False`: for short runs, in which a server has not reached its size.
    """
    findings = Findings()
    await asyncio.gather(*(asyncio.to_thread(clip, codec) for codec in CODECS))
    at_once = max(1, round(streams * MEAN_S / seconds))
    say(f"{streams} streams, {at_once} at the same time")
    async with Server(checkout) as server:
        guests = Guests(server)
        warm = max(at_once, round(streams * WARM_SHARE))
        await _visits(guests, range(warm), at_once, seed, server, say)
        before = await _settled(server, None)
        await _visits(guests, range(warm, streams), at_once, seed, server, say)
        after = await _settled(server, before)
        findings.equal("what is against the model", str(guests.violations), "none")
        findings.equal("descriptors", after.descriptors, before.descriptors)
        findings.equal("threads", after.threads, before.threads)
        findings.equal("segments of shared memory", after.segments, before.segments)
        growth = after.rss_bytes / before.rss_bytes - 1.0
        memory = (
            f"{before.rss_bytes / MIB:.0f} MiB before, {after.rss_bytes / MIB:.0f} MiB after, {growth:+.1%}"
        )
        if judge_memory:
            expected = f"at most {MEMORY_GROWTH:+.0%}"
            findings.holds("memory (RSS)", growth <= MEMORY_GROWTH, expected=expected, got=memory)
        status = await server.status()
        findings.equal(
            "workers that were restarted", status and sum(each.restarts for each in status.workers), 0
        )
        findings.equal("frames in flight", status and status.books.in_flight, 0)
        await check_books(findings, server)
        say(memory)
        for line in after.grown_since(before):
            say(f"  {line}")
        findings.notes |= {f"streams {ending}": count for ending, count in sorted(guests.endings.items())}
    return findings


async def _visits(
    guests: Guests, numbers: range, at_once: int, seed: int, server: Server, say: Callable[[str], None]
) -> None:
    queue = iter(numbers)
    began_s, done = time.monotonic(), 0

    async def visitor() -> None:
        nonlocal done
        for number in queue:
            await guests.visit(number, random.Random(f"{seed} soak {number}"))
            done += 1
            if done % SAY_EVERY == 0:
                holds = await asyncio.to_thread(measure, server.processes())
                say(
                    f"{time.monotonic() - began_s:6.0f} s  {numbers.start + done:5} streams  "
                    f"memory {holds.rss_bytes / MIB:5.0f} MiB  descriptors {holds.descriptors:4}  "
                    f"threads {holds.threads:4}"
                )

    await asyncio.gather(*(visitor() for _ in range(at_once)))


async def _settled(server: Server, before: Holds | None) -> Holds:
    """What the server holds once no stream is left, and as little as `before` where it gets there in time."""
    await server.until_streams(0, SETTLE_S)
    until_s = time.monotonic() + SETTLE_S
    holds = await asyncio.to_thread(measure, server.processes())
    same = 0
    while time.monotonic() < until_s:
        await asyncio.sleep(0.5)
        now = await asyncio.to_thread(measure, server.processes())
        goal = before or holds
        same = same + 1 if _counts(now) == _counts(goal) else 0
        holds = now
        # Equal five times in a row: no thread or descriptor is about to end.
        if same >= 5:
            break
    return holds


def _counts(holds: Holds) -> tuple[int, int, int]:
    return holds.descriptors, holds.threads, holds.segments
