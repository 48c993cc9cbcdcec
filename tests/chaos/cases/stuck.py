"""Workers that stop or die, and machines that run out of descriptors."""

from __future__ import annotations

import asyncio
import random
import signal

from tests.chaos.cases.case import GAP_STUCK_S, Case, under_attack
from tests.chaos.findings import Findings
from tests.chaos.server import Checkout, Server


async def stopped_worker(checkout: Checkout, seed: random.Random) -> Findings:
    """SIGSTOP of each kind of worker, one after another."""

    async def attack(server: Server, chance: random.Random) -> None:
        for kind in ("decode", "detect"):
            for worker in server.workers(kind):
                worker.send_signal(signal.SIGSTOP)
            await asyncio.sleep(8.0)

    return await under_attack(checkout, seed, attack, gap_s=GAP_STUCK_S)


async def idle_connections(checkout: Checkout, seed: random.Random) -> Findings:
    """120 idle connections to a server that may hold 64 descriptors, and a worker that dies meanwhile."""

    async def attack(server: Server, chance: random.Random) -> None:
        host, _, port = server.http.removeprefix("http://").rpartition(":")
        writers = []
        for _ in range(120):
            try:
                _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 1.0)
                writers.append(writer)
            except (OSError, TimeoutError):
                break
        for worker in server.workers("decode"):
            worker.kill()
        await asyncio.sleep(10.0)
        for writer in writers:
            writer.close()

    return await under_attack(checkout, seed, attack, limits={"n": 64}, gap_s=16.0)


CASES = (
    Case("stopped-worker", "SIGSTOP of workers", stopped_worker),
    Case("idle-connections", "120 idle connections at 64 descriptors, and a dead worker", idle_connections),
)
