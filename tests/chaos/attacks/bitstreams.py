"""Payloads that cost far more to decode than to send."""

from __future__ import annotations

import asyncio
import random

from tests.chaos.attacks.attack import Attack
from tests.chaos.payloads import images, video
from tests.chaos.server import Server
from tests.chaos.streams import Request, frame, join, leave

TICKS = 3000  # of 90 kHz at 30 frames per second


async def stills(server: Server, chance: random.Random) -> None:
    """Three stills with a hundred thousand scans each, one after another."""
    image = await asyncio.to_thread(images.many_scans)
    for _ in range(3):
        await server.annotate(image, timeout_s=15.0)


async def still_by_participant(server: Server, chance: random.Random) -> None:
    """The same picture from a participant, again and again."""
    image = await asyncio.to_thread(images.many_scans)
    async with server.stream() as stream:
        await stream.send(join("culprit", "JPEG"))
        for sequence in range(20):
            message = frame("culprit", sequence, sequence * 90_000, image, keyframe=True)
            if not await stream.send(Request(frame=message)):
                return
            await asyncio.sleep(1.0)


async def text_bomb(server: Server, chance: random.Random) -> None:
    """A small PNG whose text unpacks to 1.8 GB."""
    image = await asyncio.to_thread(images.text_bomb)
    for _ in range(3):
        await server.annotate(image, timeout_s=15.0)


async def expensive_units(server: Server, chance: random.Random) -> None:
    """4K keyframes of noise, 2 MB each, 30 a second: each takes a quarter of a second to decode."""
    unit = await asyncio.to_thread(video.noise)
    async with server.stream() as stream:
        await stream.send(join("culprit", "H264"))
        for sequence in range(300):
            message = frame("culprit", sequence, sequence * TICKS, unit, keyframe=True)
            if not await stream.send(Request(frame=message)):
                return
            await asyncio.sleep(1 / 30)


async def expensive_rejoins(server: Server, chance: random.Random) -> None:
    """Keyframes that take a tenth of a second to decode, from somebody who leaves and joins again under another name
    once a second.
    """
    unit = await asyncio.to_thread(video.noise, 1024 * 1024)
    async with server.stream() as stream:
        for number in range(10):
            name = f"culprit-{number}"
            await stream.send(join(name, "H264"))
            for sequence in range(30):
                message = frame(name, sequence, sequence * TICKS, unit, keyframe=True)
                if not await stream.send(Request(frame=message)):
                    return
                await asyncio.sleep(1 / 30)
            if not await stream.send(leave(name)):
                return


async def superframes(server: Server, chance: random.Random) -> None:
    """VP9 in which each unit of 25 kB holds eight pictures of 4K, 30 units a second."""
    unit = await asyncio.to_thread(video.superframe)
    async with server.stream() as stream:
        await stream.send(join("culprit", "VP9"))
        for sequence in range(300):
            message = frame("culprit", sequence, sequence * TICKS, unit, keyframe=True)
            if not await stream.send(Request(frame=message)):
                return
            await asyncio.sleep(1 / 30)


async def changing_sizes(server: Server, chance: random.Random) -> None:
    """Keyframes that change between 4K and 64 x 64, so that the decoder allocates anew each time."""
    units = (await asyncio.to_thread(video.large))[0], (await asyncio.to_thread(video.large, 64, 64))[0]
    async with server.stream() as stream:
        await stream.send(join("culprit", "H264"))
        for sequence in range(300):
            message = frame("culprit", sequence, sequence * TICKS, units[sequence % 2], keyframe=True)
            if not await stream.send(Request(frame=message)):
                return
            await asyncio.sleep(1 / 30)


ATTACKS = (
    Attack("progressive-stills", "stills with a hundred thousand scans", stills),
    Attack("progressive-participant", "the same, sent by a participant", still_by_participant),
    Attack("png-text-bomb", "a PNG whose text unpacks to 1.8 GB", text_bomb),
    Attack("expensive-units", "4K keyframes of noise, 30 a second", expensive_units),
    Attack(
        "expensive-rejoins", "keyframes of 0.1 s from somebody who joins anew each second", expensive_rejoins
    ),
    Attack("vp9-superframes", "eight pictures of 4K in a unit of 25 kB", superframes),
    Attack("changing-sizes", "keyframes of 4K and 64 x 64 by turns", changing_sizes),
)
