"""More frames than one participant's share."""

from __future__ import annotations

import asyncio
import random

from gifcue.v1 import media_pb2, reaction_service_pb2
from tests.chaos.attacks.attack import Attack
from tests.chaos.clip import own_clip
from tests.chaos.payloads import video
from tests.chaos.server import Server
from tests.chaos.streams import Request, Stream, frame, join

TICKS = 3000  # of 90 kHz at 30 frames per second
FRAMES_PER_MESSAGE = 500


async def large_frames(server: Server, chance: random.Random) -> None:
    """4,000 pictures of 3840 x 2160 as fast as they go."""
    units = await asyncio.to_thread(video.large)
    async with server.stream() as stream:
        await stream.send(join("culprit", "H264"))
        for sequence in range(4000):
            place = sequence % len(units)
            message = frame("culprit", sequence, sequence * TICKS, units[place], keyframe=place == 0)
            if not await stream.send(Request(frame=message)):
                return
        await asyncio.sleep(5.0)


async def tiny_units(server: Server, chance: random.Random) -> None:
    """300,000 units of 25 bytes after a keyframe."""
    async with server.stream() as stream:
        await stream.send(join("culprit", "H264"))
        first = own_clip().packets[0].payload
        await stream.send(Request(frame=frame("culprit", 0, 0, first, keyframe=True)))
        filler = b"\0\0\0\1\x0c" + b"\xff" * 19 + b"\x80"
        await _send_in_batches(stream, [filler] * 300_000)
        await asyncio.sleep(3.0)


async def _send_in_batches(stream: Stream, units: list[bytes]) -> None:
    for base in range(0, len(units), FRAMES_PER_MESSAGE):
        frames = [
            frame("culprit", 1 + base + index, (1 + base + index) * TICKS, unit)
            for index, unit in enumerate(units[base : base + FRAMES_PER_MESSAGE])
        ]
        if not await stream.send(Request(frames=reaction_service_pb2.Frames(frames=frames))):
            return


async def empty_frames(server: Server, chance: random.Random) -> None:
    """Messages of a million empty frames."""
    message = media_pb2.Frame()
    request = Request(frames=reaction_service_pb2.Frames(frames=[message] * 1_000_000))
    for _ in range(5):
        async with server.stream() as stream:
            await stream.send(request)
            await asyncio.wait({asyncio.create_task(stream.ended.wait())}, timeout=2.0)


async def small_nal_units(server: Server, chance: random.Random) -> None:
    """Keyframes with half a million NAL units of one byte."""
    await _send_keyframes(server, "H264", video.many_small_nal_units(own_clip().packets[0].payload))


async def long_messages(server: Server, chance: random.Random) -> None:
    """Keyframes behind supplemental messages of 2 MB, which say their size in half a million steps."""
    await _send_keyframes(server, "H264", video.long_sei(own_clip().packets[0].payload))


async def empty_obus(server: Server, chance: random.Random) -> None:
    """AV1 units of a million empty OBUs."""
    await _send_keyframes(server, "AV1", video.empty_obus())


async def _send_keyframes(server: Server, codec: str, payload: bytes) -> None:
    async with server.stream() as stream:
        await stream.send(join("culprit", codec))
        for sequence in range(60):
            message = frame("culprit", sequence, sequence * TICKS, payload, keyframe=True)
            if not await stream.send(Request(frame=message)):
                return
            await asyncio.sleep(0.1)


async def fast_clock(server: Server, chance: random.Random) -> None:
    """Real video whose clock runs a hundred times too fast: every picture looks due, and none over the rate."""
    packets = own_clip().packets
    async with server.stream() as stream:
        await stream.send(join("culprit", "H264", own_clip().extradata))
        for sequence in range(3000):
            packet = packets[sequence % len(packets)]
            message = frame("culprit", sequence, sequence * 300_000, packet.payload, keyframe=packet.keyframe)
            if not await stream.send(Request(frame=message)):
                return
            await asyncio.sleep(1 / 300)


ATTACKS = (
    Attack("flood-4k", "4,000 pictures of 4K at once", large_frames),
    Attack("flood-tiny", "300,000 units of 25 bytes", tiny_units),
    Attack("million-empty-frames", "messages of a million empty frames", empty_frames),
    Attack("small-nal-units", "half a million NAL units in a frame", small_nal_units),
    Attack("long-sei", "supplemental messages of 2 MB", long_messages),
    Attack("empty-obus", "a million empty OBUs in a unit", empty_obus),
    Attack("fast-clock", "300 frames a second by a clock that says one a second", fast_clock),
)
