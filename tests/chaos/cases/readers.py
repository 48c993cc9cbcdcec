"""Clients that do not read."""

from __future__ import annotations

import asyncio
import random

from tests.chaos.cases.case import Case
from tests.chaos.closed_window import closed_window
from tests.chaos.findings import Findings
from tests.chaos.server import Checkout, Server

IDLE_S = 3.0
DRAIN_S = 2.0


async def idle_reader(checkout: Checkout, seed: random.Random) -> Findings:
    """A client with a closed HTTP/2 window falls silent: the idle timeout ends its stream all the same."""
    findings = Findings()
    settings: dict[str, dict[str, object]] = {"server": {"idle_timeout_s": IDLE_S}}
    async with Server(checkout, settings=settings) as server, closed_window(server.target) as client:
        await client.ask_statistics(200)
        ended = await client.until_ended(IDLE_S + 10.0)
        findings.at_most("time until the stream is ended", ended, IDLE_S + 8.0, "s")
    return findings


async def drain_of_a_reader(checkout: Checkout, seed: random.Random) -> Findings:
    """SIGTERM ends the server although a client with a closed HTTP/2 window hangs on."""
    findings = Findings()
    settings: dict[str, dict[str, object]] = {"server": {"drain_timeout_s": DRAIN_S}}
    async with Server(checkout, settings=settings) as server, closed_window(server.target) as client:
        await client.ask_statistics(200)
        await asyncio.sleep(1.0)
        findings.at_most("time until the process has ended", await server.terminate(20.0), DRAIN_S + 4.0, "s")
    return findings


CASES = (
    Case("closed-window-idle", "a client that does not read falls silent", idle_reader),
    Case("closed-window-drain", "SIGTERM while a client does not read", drain_of_a_reader),
)
