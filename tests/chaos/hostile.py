"""One hostile client that mixes all attacks, beside two bystanders."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.chaos import results
from tests.chaos.attacks import ATTACKS
from tests.chaos.attacks.attack import Attack
from tests.chaos.bystander import Bystander
from tests.chaos.cases.case import (
    BYSTANDER_P95_MS,
    GAP_STUCK_S,
    MEMORY_BYTES,
    READY_S,
    WARM_S,
    check_books,
    check_model,
)
from tests.chaos.findings import Findings
from tests.chaos.results import Result
from tests.chaos.server import Checkout, Server
from tests.chaos.streams import now_s

# The longest time that one attack goes on before the next begins.
ATTACK_S = 12.0
NAME = "hostile"
SUMMARY = "all attacks mixed, beside two bystanders"


async def hostile_run(
    checkout: Checkout, seed: int, seconds: float, *, judge_latency: bool = True, kept: Path | None = None
) -> int:
    """Attacks for so long, prints what it cost the bystanders; returns 0, or 1 where it cost too much."""
    began_s = time.monotonic()
    try:
        findings = await hostile(
            checkout, random.Random(f"{seed} {NAME}"), seconds, judge_latency=judge_latency, say=print
        )
        result = Result(
            NAME, findings.passed, time.monotonic() - began_s, tuple(findings.checks), findings.notes
        )
    except Exception as error:
        result = Result(NAME, False, time.monotonic() - began_s, problem=f"{type(error).__name__}: {error}")
    print("\n".join(result.lines(SUMMARY)), flush=True)
    if kept is not None:
        results.append(kept, result)
    return 0 if result.passed else 1


async def hostile(
    checkout: Checkout,
    chance: random.Random,
    seconds: float,
    attacks: tuple[Attack, ...] = ATTACKS,
    *,
    judge_latency: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> Findings:
    """Runs attacks in random order for so many seconds, each at most `ATTACK_S`, and checks the bystanders.

    `say` is called with a line after each attack: its name, and the worst of what it cost.
    """
    findings = Findings()
    async with (
        Server(checkout) as server,
        Bystander(server.target, "alice") as alice,
        Bystander(server.target, "bob") as bob,
    ):
        bystanders = (alice, bob)
        await asyncio.sleep(WARM_S)
        began_s = now_s()
        worst: Counter[str] = Counter()
        queue: list[Attack] = []
        while now_s() - began_s < seconds:
            # Every attack once, in random order, before any of them twice.
            queue = queue or chance.sample(attacks, k=len(attacks))
            attack = queue.pop()
            from_s = now_s()
            await _once(attack, server, chance, min(ATTACK_S, began_s + seconds - from_s))
            # An attack that is refused at once still has a window with decisions in it.
            await asyncio.sleep(max(0.0, from_s + WARM_S - now_s()))
            until_s = now_s()
            gap_s = max(each.longest_gap_s(from_s, until_s) for each in bystanders)
            p95_ms = max(each.p95_ms(from_s, until_s) for each in bystanders)
            worst[attack.name] = max(worst[attack.name], round(p95_ms) if p95_ms < 1e6 else 10**6)
            pss_mb, ready = (await asyncio.to_thread(server.pss_bytes)) / 1e6, await server.get("/readyz")
            say(
                f"  {from_s - began_s:5.0f} s  {attack.name:24} {until_s - from_s:4.1f} s  "
                f"p95 {p95_ms:6.0f} ms  gap {gap_s:4.1f} s  memory {pss_mb:5.0f} MB  ready {ready}"
            )
        over_s = now_s()
        findings.at_most("ready after the attacks", await server.until_ready(READY_S * 4), READY_S, "s")
        for each in bystanders:
            p95_ms = each.p95_ms(began_s, over_s)
            if judge_latency:
                findings.at_most(f"latency p95 of {each.name}", p95_ms, BYSTANDER_P95_MS, "ms")
            gap_s = each.longest_gap_s(began_s, over_s)
            findings.at_most(f"longest time without a decision, {each.name}", gap_s, GAP_STUCK_S, "s")
            findings.equal(f"streams of {each.name} that ended early", each.endings, [])
        peak_mb = server.peak_pss_bytes / 1e6
        findings.at_most("peak of memory, all processes", peak_mb, MEMORY_BYTES / 1e6, "MB")
        findings.at_most("until only the bystanders stream", await server.until_streams(2, 20.0), 10.0, "s")
        findings.notes = dict(sorted(server.answers.items()))
        findings.notes |= {f"p95 ms {name}": ms for name, ms in worst.most_common(5)}
        for each in bystanders:
            await each.stop()
            check_model(findings, each)
        await check_books(findings, server)
    return findings


async def _once(attack: Attack, server: Server, chance: random.Random, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.5, seconds)):
            await attack.run(server, chance)
