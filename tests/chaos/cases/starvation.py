"""Participants who send more than their share."""

from __future__ import annotations

import asyncio
import random

from gifcue.v1 import media_pb2, reaction_service_pb2
from tests.chaos.bystander import own_clip
from tests.chaos.cases.case import BYSTANDER_P95_MS, Case, under_attack
from tests.chaos.findings import Findings
from tests.chaos.payloads import video
from tests.chaos.server import Checkout, Server
from tests.chaos.streams import Request, Stream, frame, join

TICKS = 3000  # of 90 kHz at 30 frames per second


async def flood_of_large_frames(checkout: Checkout, seed: random.Random) -> Findings:
    """4,000 pictures of 3840 x 2160 as fast as they go."""

    async def attack(server: Server, chance: random.Random) -> None:
        units = await asyncio.to_thread(video.large)
        async with Stream(server.target) as stream:
            await stream.send(join("culprit", "H264"))
            for sequence in range(4000):
                unit = units[sequence % len(units)]
                key = sequence % len(units) == 0
                message = frame("culprit", sequence, sequence * TICKS, unit, keyframe=key)
                if not await stream.send(Request(frame=message)):
                    return
            await asyncio.sleep(10.0)

    return await under_attack(checkout, seed, attack, p95_ms=BYSTANDER_P95_MS)


async def flood_of_tiny_units(checkout: Checkout, seed: random.Random) -> Findings:
    """300,000 units of 25 bytes."""

    async def attack(server: Server, chance: random.Random) -> None:
        async with Stream(server.target) as stream:
            await stream.send(join("culprit", "H264"))
            first = own_clip().packets[0].payload
            await stream.send(Request(frame=frame("culprit", 0, 0, first, keyframe=True)))
            filler = b"\0\0\0\1\x0c" + b"\xff" * 19 + b"\x80"
            for base in range(0, 300_000, 500):
                frames = [
                    frame("culprit", 1 + base + index, (1 + base + index) * TICKS, filler)
                    for index in range(500)
                ]
                if not await stream.send(Request(frames=reaction_service_pb2.Frames(frames=frames))):
                    return
            await asyncio.sleep(5.0)

    return await under_attack(checkout, seed, attack, p95_ms=BYSTANDER_P95_MS)


async def message_of_empty_frames(checkout: Checkout, seed: random.Random) -> Findings:
    """Messages of a million empty frames."""

    async def attack(server: Server, chance: random.Random) -> None:
        message = media_pb2.Frame()
        request = Request(frames=reaction_service_pb2.Frames(frames=[message] * 1_000_000))
        async with Stream(server.target) as stream:
            for _ in range(5):
                if not await stream.send(request):
                    return
            await asyncio.sleep(3.0)

    return await under_attack(checkout, seed, attack, p95_ms=BYSTANDER_P95_MS)


async def small_nal_units(checkout: Checkout, seed: random.Random) -> Findings:
    """Keyframes with half a million NAL units of one byte."""

    async def attack(server: Server, chance: random.Random) -> None:
        payload = video.many_small_nal_units(own_clip().packets[0].payload)
        async with Stream(server.target) as stream:
            await stream.send(join("culprit", "H264"))
            for sequence in range(60):
                message = frame("culprit", sequence, sequence * TICKS, payload, keyframe=True)
                if not await stream.send(Request(frame=message)):
                    return
                await asyncio.sleep(0.1)

    return await under_attack(checkout, seed, attack, p95_ms=BYSTANDER_P95_MS)


CASES = (
    Case("flood-4k", "4,000 pictures of 4K at once", flood_of_large_frames),
    Case("flood-tiny", "300,000 units of 25 bytes", flood_of_tiny_units),
    Case("million-empty-frames", "messages of a million empty frames", message_of_empty_frames),
    Case("small-nal-units", "half a million NAL units in a frame", small_nal_units),
)
