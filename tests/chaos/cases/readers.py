"""Clients that do not read, and the end of a server."""

from __future__ import annotations

import asyncio
import random
import signal

import psutil

from tests.chaos.bystander import Bystander
from tests.chaos.cases.case import Case
from tests.chaos.findings import Findings
from tests.chaos.raw_http2 import closed_window
from tests.chaos.server import Checkout, Server

IDLE_S = 3.0
DRAIN_S = 2.0
# Unread messages after which a server ends a stream, and some more.
OVERRUN = 12_000


async def idle_reader(checkout: Checkout, chance: random.Random) -> Findings:
    """A client with a closed HTTP/2 window falls silent: the idle timeout ends its stream all the same."""
    findings = Findings()
    settings = {"server": {"idle_timeout_s": IDLE_S}}
    async with Server(checkout, settings=settings) as server, closed_window(server.target) as client:
        await client.ask_statistics(200)
        ended_s = await client.until_ended(IDLE_S + 15.0)
        findings.at_most("time until the stream is ended", ended_s, IDLE_S + 10.0, "s")
        findings.at_most("until no stream is left", await server.until_streams(0, 15.0), 10.0, "s")
    return findings


async def overrun_reader(checkout: Checkout, chance: random.Random) -> Findings:
    """A client with a closed HTTP/2 window has 12,000 messages unread: its stream ends."""
    findings = Findings()
    async with Server(checkout) as server, closed_window(server.target) as client:
        await client.ask_statistics(OVERRUN)
        findings.at_most("time until the stream is ended", await client.until_ended(20.0), 15.0, "s")
        findings.at_most("until no stream is left", await server.until_streams(0, 15.0), 10.0, "s")
    return findings


async def drain_of_a_reader(checkout: Checkout, chance: random.Random) -> Findings:
    """SIGTERM ends the server although a client with a closed HTTP/2 window hangs on."""
    findings = Findings()
    settings = {"server": {"drain_timeout_s": DRAIN_S}}
    async with Server(checkout, settings=settings) as server, closed_window(server.target) as client:
        await client.ask_statistics(200)
        await asyncio.sleep(1.0)
        findings.at_most("time until the process has ended", await server.terminate(20.0), DRAIN_S + 4.0, "s")
    return findings


async def second_signal(checkout: Checkout, chance: random.Random) -> Findings:
    """A second SIGTERM ends a server at once that drains for a minute."""
    findings = Findings()
    settings = {"server": {"drain_timeout_s": 60.0}}
    async with Server(checkout, settings=settings) as server, closed_window(server.target) as client:
        await client.ask_statistics(200)
        await asyncio.sleep(1.0)
        server.processes()[0].send_signal(signal.SIGTERM)
        await asyncio.sleep(1.0)
        workers = server.processes()[1:]
        findings.at_most("time until the process has ended", await server.terminate(20.0), 3.0, "s")
        _, left = await asyncio.to_thread(psutil.wait_procs, workers, 3.0)
        findings.equal("workers that are left", [worker.name() for worker in left], [])
    return findings


async def drain_of_a_bystander(checkout: Checkout, chance: random.Random) -> Findings:
    """SIGTERM while somebody streams: the stream ends with OK, and its reactions are ended."""
    findings = Findings()
    async with Server(checkout) as server, Bystander(server.target) as bystander:
        await asyncio.sleep(4.0)
        findings.at_most("time until the process has ended", await server.terminate(30.0), 14.0, "s")
        findings.equal("status of the stream", await bystander.until_ended(5.0), "OK")
        await bystander.stop()
        findings.equal("what is against the model", str(bystander.violations), "none")
    return findings


CASES = (
    Case("closed-window-idle", "a client that does not read falls silent", idle_reader, 3),
    Case("closed-window-overrun", "12,000 messages that nobody reads", overrun_reader, 3),
    Case("closed-window-drain", "SIGTERM while a client does not read", drain_of_a_reader, 3),
    Case("second-sigterm", "a second SIGTERM during a drain", second_signal, 3),
    Case("drain", "SIGTERM while somebody streams", drain_of_a_bystander),
)
