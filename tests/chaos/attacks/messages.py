"""Messages other than frames: cheap to send, and work for the event loop."""

from __future__ import annotations

import asyncio
import random

from gifcue.v1 import reaction_service_pb2
from tests.chaos.attacks.attack import Attack
from tests.chaos.clip import own_clip
from tests.chaos.server import Server
from tests.chaos.streams import Request, frame, join, now_s

FLOOD_S = 6.0
STATISTICS = Request(statistics=reaction_service_pb2.StatisticsRequest())


async def statistics(server: Server, chance: random.Random) -> None:
    """Asks for the statistics of 64 participants as fast as it goes; each answer is read."""
    async with server.stream() as stream:
        for number in range(64):
            await stream.send(join(f"culprit-{number}", "H264"))
        until_s = now_s() + FLOOD_S
        while now_s() < until_s and await stream.send(STATISTICS):
            pass


async def joins(server: Server, chance: random.Random) -> None:
    """Joins and leaves as fast as it goes, each under another name."""
    leave = Request(participant=reaction_service_pb2.ParticipantUpdate(leave=reaction_service_pb2.Leave()))
    async with server.stream() as stream:
        until_s, number = now_s() + FLOOD_S, 0
        while now_s() < until_s and await stream.send(join(f"culprit-{number}", "H264")):
            leave.participant.participant_id = f"culprit-{number}"
            if not await stream.send(leave):
                return
            number += 1


async def labels(server: Server, chance: random.Random) -> None:
    """Joins with 300,000 labels that nobody knows."""
    many = tuple(f"{number:06}" for number in range(250_000))
    async with server.stream() as stream:
        for number in range(20):
            if not await stream.send(join(f"culprit-{number}", "H264", labels=many)):
                return
            await asyncio.sleep(0.1)


async def unknown_names(server: Server, chance: random.Random) -> None:
    """100,000 frames, each of another participant that nobody knows."""
    async with server.stream() as stream:
        for base in range(0, 100_000, 500):
            frames = [frame(f"{base + index:06}" * 20, 0, 0, b"x") for index in range(500)]
            if not await stream.send(Request(frames=reaction_service_pb2.Frames(frames=frames))):
                return


async def clock_jumps(server: Server, chance: random.Random) -> None:
    """Media time that jumps anywhere, to both ends of the field, with clocks of 1 to 4 GHz."""
    packets = own_clip().packets
    ends = (-(2**63), 2**63 - 1, 0, -1, 1)
    async with server.stream() as stream:
        await stream.send(join("culprit", "H264", own_clip().extradata))
        for sequence in range(600):
            packet = packets[sequence % len(packets)]
            pts = chance.choice((*ends, chance.randrange(-(2**63), 2**63)))
            message = frame("culprit", sequence, pts, packet.payload, keyframe=packet.keyframe)
            message.clock_hz = chance.choice((0, 1, 90_000, 2**32 - 1))
            if not await stream.send(Request(frame=message)):
                return
            await asyncio.sleep(1 / 100)


async def junk(server: Server, chance: random.Random) -> None:
    """500 streams that break the protocol in turn: no configuration, two of them, an empty message, no answer read."""
    config = Request(config=reaction_service_pb2.StreamConfig(room_id="chaos"))
    bad = (Request(), config, Request(participant=reaction_service_pb2.ParticipantUpdate()), STATISTICS)
    for _ in range(500):
        async with server.stream() as stream:
            await stream.send(chance.choice(bad))


ATTACKS = (
    Attack("statistics-flood", "statistics of 64 participants without a pause", statistics),
    Attack("join-flood", "joins and leaves without a pause", joins),
    Attack("label-flood", "joins with 250,000 labels", labels),
    Attack("unknown-names", "100,000 names that nobody knows", unknown_names),
    Attack("clock-jumps", "media time that jumps anywhere", clock_jumps),
    Attack("broken-protocol", "500 streams that break the protocol", junk),
)
