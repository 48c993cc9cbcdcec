"""What a peer can make grow."""

from __future__ import annotations

import asyncio
import random

from tests.chaos.attacks.attack import Attack
from tests.chaos.payloads import images, video
from tests.chaos.server import Server
from tests.chaos.streams import Request, frame, join


async def rejoining(server: Server, chance: random.Random) -> None:
    """A participant fills its buffer, joins again, fills it again."""
    units = await asyncio.to_thread(video.large)
    padded = units[0] + b"\0\0\0\1\x0c" + b"\xff" * 1_500_000 + b"\x80"
    async with server.stream() as stream:
        for _ in range(300):
            await stream.send(join("culprit", "H264"))
            for sequence in range(5):
                message = frame("culprit", sequence, sequence * 3000, padded, keyframe=True)
                if not await stream.send(Request(frame=message)):
                    return


async def long_names(server: Server, chance: random.Random) -> None:
    """Frames of 400 participants that nobody knows, with names of 2 MB each."""
    async with server.stream() as stream:
        for number in range(400):
            message = frame(f"{number:06}" + "n" * 2_000_000, 0, 0, b"x")
            if not await stream.send(Request(frame=message)):
                return
        await asyncio.sleep(3.0)


async def reference_frames(server: Server, chance: random.Random) -> None:
    """Twenty participants with 4K video of 16 reference frames."""
    await _references(server, "yuv420p")


async def deep_reference_frames(server: Server, chance: random.Random) -> None:
    """The same with 10 bits and without subsampling: three times the memory."""
    await _references(server, "yuv444p10le")


async def _references(server: Server, pixel_format: str) -> None:
    units = await asyncio.to_thread(video.large, 3840, 2160, 18, 16, pixel_format)
    await _send_to_twenty(server, b"", units)


async def _send_to_twenty(server: Server, extradata: bytes, units: tuple[bytes, ...]) -> None:
    async with server.stream() as stream:
        for number in range(20):
            await stream.send(join(f"culprit-{number}", "H264", extradata))
        for sequence, unit in enumerate(units):
            for number in range(20):
                message = frame(f"culprit-{number}", sequence, sequence * 3000, unit, keyframe=sequence == 0)
                if not await stream.send(Request(frame=message)):
                    return
            await asyncio.sleep(0.5)


async def hidden_references(server: Server, chance: random.Random) -> None:
    """Twenty participants whose extradata states a small picture, and whose units bring other parameter sets."""
    extradata, units = await asyncio.to_thread(video.hidden_references)
    await _send_to_twenty(server, extradata, units)


async def crowded_references(server: Server, chance: random.Random) -> None:
    """Twenty participants whose parameter set stands behind 40 small ones."""
    await _send_to_twenty(server, b"", await asyncio.to_thread(video.crowded_references))


async def many_stills(server: Server, chance: random.Random) -> None:
    """600 stills at once."""
    image = await asyncio.to_thread(images.padded_jpeg)
    await asyncio.gather(*(server.annotate(image, timeout_s=20.0) for _ in range(600)))


async def large_extradata(server: Server, chance: random.Random) -> None:
    """Joins of 1 MB, whose extradata is kept for as long as the participant stays."""
    async with server.stream() as stream:
        for number in range(400):
            if not await stream.send(join(f"culprit-{number}", "VP8", bytes(1_000_000))):
                return
        await asyncio.sleep(2.0)


ATTACKS = (
    Attack("rejoining", "a participant that joins again and again with a full buffer", rejoining),
    Attack("long-names", "names of 2 MB", long_names),
    Attack("reference-frames", "4K video with 16 reference frames", reference_frames),
    Attack("deep-reference-frames", "the same at 10 bits, 4:4:4", deep_reference_frames),
    Attack("hidden-references", "4K video whose extradata states a small picture", hidden_references),
    Attack("crowded-references", "4K video whose parameter set stands behind 40 others", crowded_references),
    Attack("many-stills", "600 stills at once", many_stills),
    Attack("large-extradata", "joins of 1 MB", large_extradata),
)
