"""Payloads that make a worker hang or die."""

from __future__ import annotations

import asyncio
import contextlib
import random

import psutil

from tests.chaos.cases.case import GAP_STUCK_S, Case, under_attack
from tests.chaos.findings import Findings
from tests.chaos.payloads import images, video
from tests.chaos.server import Checkout, Server
from tests.chaos.streams import Request, Stream, annotate, frame, join


async def progressive_stills(checkout: Checkout, seed: random.Random) -> Findings:
    """Three stills with a hundred thousand scans each, one after another."""

    async def attack(server: Server, chance: random.Random) -> None:
        image = await asyncio.to_thread(images.many_scans)
        for _ in range(3):
            await annotate(server.target, image, timeout_s=15.0)

    return await under_attack(checkout, seed, attack, gap_s=GAP_STUCK_S)


async def progressive_participant(checkout: Checkout, seed: random.Random) -> Findings:
    """The same picture as a participant's still, again and again, with two decode workers to move between."""

    async def attack(server: Server, chance: random.Random) -> None:
        image = await asyncio.to_thread(images.many_scans)
        async with Stream(server.target) as stream:
            await stream.send(join("culprit", "JPEG"))
            for sequence in range(20):
                await stream.send(
                    Request(frame=frame("culprit", sequence, sequence * 90_000, image, keyframe=True))
                )
                await asyncio.sleep(1.0)

    return await under_attack(checkout, seed, attack, settings={"media": {"workers": 2}}, gap_s=GAP_STUCK_S)


async def text_bomb(checkout: Checkout, seed: random.Random) -> Findings:
    """A small PNG whose text unpacks to 1.8 GB."""

    async def attack(server: Server, chance: random.Random) -> None:
        image = await asyncio.to_thread(images.text_bomb)
        for _ in range(3):
            await annotate(server.target, image, timeout_s=15.0)

    return await under_attack(checkout, seed, attack)


async def killed_by_culprit(checkout: Checkout, seed: random.Random) -> Findings:
    """Whatever worker decodes the culprit's pictures dies, eight times within some seconds."""

    async def attack(server: Server, chance: random.Random) -> None:
        units = await asyncio.to_thread(video.large)
        async with Stream(server.target) as stream:
            await stream.send(join("culprit", "H264"))
            killer = asyncio.create_task(_kill_the_busy(server), name="what the culprit's bytes do")
            for sequence in range(600):
                place = sequence % len(units)
                message = frame("culprit", sequence, sequence * 3000, units[place], keyframe=place == 0)
                if not await stream.send(Request(frame=message)):
                    break
                await asyncio.sleep(0.02)
            killer.cancel()

    return await under_attack(checkout, seed, attack, settings={"media": {"workers": 2}}, gap_s=GAP_STUCK_S)


async def _kill_the_busy(server: Server) -> None:
    """Stands for bytes that kill their decoder: a worker dies as soon as it has worked hard for a moment."""
    while True:
        before = {worker.pid: worker.cpu_times().user for worker in server.workers("decode")}
        await asyncio.sleep(0.1)
        for worker in server.workers("decode"):
            with contextlib.suppress(psutil.NoSuchProcess):
                if worker.cpu_times().user - before.get(worker.pid, float("inf")) > 0.03:
                    worker.kill()


CASES = (
    Case("progressive-stills", "stills with a hundred thousand scans", progressive_stills),
    Case(
        "progressive-participant",
        "the same, sent by a participant, two decode workers",
        progressive_participant,
    ),
    Case("png-text-bomb", "a PNG whose text unpacks to 1.8 GB", text_bomb),
    Case("deadly-participant", "every worker that decodes the culprit dies", killed_by_culprit),
)
