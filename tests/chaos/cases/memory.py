"""What a peer can make grow."""

from __future__ import annotations

import asyncio
import random

from tests.chaos.cases.case import Case, under_attack
from tests.chaos.findings import Findings
from tests.chaos.payloads import video
from tests.chaos.server import Checkout, Server
from tests.chaos.streams import Request, Stream, annotate, frame, join


async def rejoining(checkout: Checkout, seed: random.Random) -> Findings:
    """A participant fills its buffer, joins again, fills it again."""

    async def attack(server: Server, chance: random.Random) -> None:
        units = await asyncio.to_thread(video.large)
        padded = units[0] + b"\0\0\0\1\x0c" + b"\xff" * 1_500_000 + b"\x80"
        async with Stream(server.target) as stream:
            for _ in range(300):
                await stream.send(join("culprit", "H264"))
                for sequence in range(5):
                    message = frame("culprit", sequence, sequence * 3000, padded, keyframe=True)
                    if not await stream.send(Request(frame=message)):
                        return

    return await under_attack(checkout, seed, attack, attack_timeout_s=15.0)


async def long_names(checkout: Checkout, seed: random.Random) -> Findings:
    """Frames of 400 participants that nobody knows, with names of 2 MB each."""

    async def attack(server: Server, chance: random.Random) -> None:
        async with Stream(server.target) as stream:
            for number in range(400):
                message = frame(f"{number:06}" + "n" * 2_000_000, 0, 0, b"x")
                if not await stream.send(Request(frame=message)):
                    return
            await asyncio.sleep(3.0)

    return await under_attack(checkout, seed, attack)


async def reference_frames(checkout: Checkout, seed: random.Random) -> Findings:
    """Twenty participants with 4K video of 16 reference frames."""

    async def attack(server: Server, chance: random.Random) -> None:
        units = await asyncio.to_thread(video.large, 3840, 2160, 18, 16)
        async with Stream(server.target) as stream:
            for number in range(20):
                await stream.send(join(f"culprit-{number}", "H264"))
            for sequence, unit in enumerate(units):
                for number in range(20):
                    message = frame(
                        f"culprit-{number}", sequence, sequence * 3000, unit, keyframe=sequence == 0
                    )
                    if not await stream.send(Request(frame=message)):
                        return
                await asyncio.sleep(0.5)

    return await under_attack(checkout, seed, attack)


async def many_stills(checkout: Checkout, seed: random.Random) -> Findings:
    """600 stills at once."""

    async def attack(server: Server, chance: random.Random) -> None:
        image = own_still()
        await asyncio.gather(*(annotate(server.target, image, timeout_s=20.0) for _ in range(600)))

    return await under_attack(checkout, seed, attack)


def own_still() -> bytes:
    """A JPEG of 1.5 MB: a small picture behind comments of nothing."""
    import cv2
    import numpy as np

    done, data = cv2.imencode(".jpg", np.zeros((720, 1280, 3), np.uint8))
    assert done
    comment = b"\xff\xfe\xff\xff" + bytes(65_533)
    jpeg = data.tobytes()
    return jpeg[:2] + comment * 23 + jpeg[2:]


CASES = (
    Case("rejoining", "a participant that joins again and again with a full buffer", rejoining),
    Case("long-names", "names of 2 MB", long_names),
    Case("reference-frames", "4K video with 16 reference frames", reference_frames),
    Case("many-stills", "600 stills at once", many_stills),
)
