"""Participants who do nothing wrong and could be taken for hostile ones."""

from __future__ import annotations

import asyncio
import functools
import random

from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.sample_video.photo import photo_frames
from gifcue.v1 import reaction_service_pb2
from tests.chaos.bystander import Bystander
from tests.chaos.cases.case import Bounds, Case, beside_bystander
from tests.chaos.findings import Findings
from tests.chaos.payloads import video
from tests.chaos.server import Checkout, Server
from tests.chaos.streams import Request, frame, join, now_s

FPS = 15
# Until a newcomer's first decision: its join, a keyframe and its analysis, and whatever trouble there was before.
NEWCOMER_S = 4.0


@functools.cache
def large_clip() -> EncodedClip:
    """Two seconds of 3840 x 2160, as a good camera sends them."""
    return encode(photo_frames(2.0, FPS, width=3840, height=2160, motion="always"), Codec.H264, FPS)


async def large_video(checkout: Checkout, chance: random.Random) -> Findings:
    """A participant with a 4K camera is analysed like any other, for as long as it stays within the limits."""

    async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
        clip = await asyncio.to_thread(large_clip)
        decided = 0

        def hear(response: reaction_service_pb2.StreamReactionsResponse) -> None:
            nonlocal decided
            decided += response.WhichOneof("message") == "decision"

        stream = server.stream()
        stream.on_response = hear
        async with stream:
            await stream.send(join("honest", "H264", clip.extradata))
            began_s = now_s()
            for index in range(10 * FPS):
                await asyncio.sleep(max(0.0, began_s + index / FPS - now_s()))
                packet = clip.packets[index % len(clip.packets)]
                message = frame("honest", index, index * 6000, packet.payload, keyframe=packet.keyframe)
                if not await stream.send(Request(frame=message)):
                    break
        findings.holds(
            "its pictures analysed in 10 s", decided >= 20, expected="20 or more", got=str(decided)
        )
        faults = {what: count for what, count in server.answers.items() if what.startswith("fault")}
        findings.equal("faults of it", faults, {})

    return await beside_bystander(checkout, chance, fault)


async def newcomer(checkout: Checkout, chance: random.Random) -> Findings:
    """A culprit joins under ever new names with video that costs too much. Then somebody joins another room from the
    same address, since a media server has many rooms.
    """

    async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
        unit = await asyncio.to_thread(video.noise)
        async with server.stream() as stream:
            for number in range(40):
                name = f"culprit-{number}"
                await stream.send(join(name, "H264"))
                for sequence in range(3):
                    message = frame(name, sequence, sequence * 3000, unit, keyframe=True)
                    if not await stream.send(Request(frame=message)):
                        return
                await asyncio.sleep(0.5)
            async with Bystander(server.target, "newcomer") as guest:
                waited_s = guest.decided_s[0] - guest.joined_s[0]
            findings.at_most("until the newcomer's first decision", waited_s, NEWCOMER_S, "s")

    return await beside_bystander(checkout, chance, fault, Bounds(fault_timeout_s=120.0))


async def newcomer_among_many(checkout: Checkout, chance: random.Random) -> Findings:
    """Twelve participants of one stream send more 4K video than can be decoded in time. Then somebody joins another
    room: whoever sends too much must not keep others out.
    """

    async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
        units = await asyncio.to_thread(video.large)
        async with server.stream() as stream:
            names = [f"culprit-{number}" for number in range(12)]
            for name in names:
                await stream.send(join(name, "H264"))

            async def flood() -> None:
                began_s, index = now_s(), 0
                while True:
                    await asyncio.sleep(max(0.0, began_s + index / 30 - now_s()))
                    frames = [frame(name, index, index * 3000, units[0], keyframe=True) for name in names]
                    if not await stream.send(Request(frames=reaction_service_pb2.Frames(frames=frames))):
                        return
                    index += 1

            flooding = asyncio.create_task(flood(), name="flood of 4K")
            await asyncio.sleep(8.0)
            try:
                async with Bystander(server.target, "newcomer") as guest:
                    waited_s = guest.decided_s[0] - guest.joined_s[0]
            except TimeoutError:
                waited_s = float("inf")
            flooding.cancel()
            findings.at_most("until the newcomer's first decision", waited_s, NEWCOMER_S, "s")

    return await beside_bystander(checkout, chance, fault, Bounds(fault_timeout_s=120.0))


async def newcomer_among_rejoins(checkout: Checkout, chance: random.Random) -> Findings:
    """One participant joins again and again, each time with a burst of 4K video. Then somebody joins another room."""

    async def fault(server: Server, chance: random.Random, findings: Findings) -> None:
        units = await asyncio.to_thread(video.large)
        async with server.stream() as stream:

            async def rejoin() -> None:
                while True:
                    await stream.send(join("culprit", "H264"))
                    frames = [
                        frame("culprit", at, at * 3000, units[at], keyframe=at == 0)
                        for at in range(len(units))
                    ]
                    if not await stream.send(Request(frames=reaction_service_pb2.Frames(frames=frames))):
                        return
                    await asyncio.sleep(0.03)

            rejoining = asyncio.create_task(rejoin(), name="rejoining")
            await asyncio.sleep(6.0)
            try:
                async with Bystander(server.target, "newcomer") as guest:
                    waited_s = guest.decided_s[0] - guest.joined_s[0]
            except TimeoutError:
                waited_s = float("inf")
            rejoining.cancel()
            findings.at_most("until the newcomer's first decision", waited_s, NEWCOMER_S, "s")

    return await beside_bystander(checkout, chance, fault, Bounds(fault_timeout_s=120.0))


CASES = (
    Case("honest-4k", "a participant with a 4K camera", large_video),
    Case("newcomer", "somebody who joins after a culprit with 40 names", newcomer),
    Case("newcomer-among-many", "somebody who joins while twelve send too much", newcomer_among_many),
    Case(
        "newcomer-among-rejoins",
        "somebody who joins while another rejoins without end",
        newcomer_among_rejoins,
    ),
)
