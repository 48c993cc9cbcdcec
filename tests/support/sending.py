"""What tests of a server repeat: send a clip, and wait until its frames have their outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from gifcue.client import FrameCounts, Participant, ReactionStream, Statistics
from gifcue.sample_video.clips import EncodedClip, EncodedPacket

# Longest wait for the frames in flight, in seconds; tests take far less.
SETTLE_TIMEOUT_S = 60.0


async def send_all(participant: Participant, packets: Iterable[EncodedPacket]) -> None:
    """Sends packets as fast as the connection takes them."""
    for packet in packets:
        await participant.send(
            packet.payload, pts=packet.pts, clock_hz=packet.clock_hz, keyframe=packet.keyframe
        )


async def send_in_step(
    stream: ReactionStream, participant: Participant, packets: Sequence[EncodedPacket]
) -> None:
    """Sends each packet once the one before has its outcome, so that no frame supersedes another."""
    for packet in packets:
        await send_all(participant, [packet])
        await settled(stream, participant.id)


async def settled(stream: ReactionStream, participant_id: str) -> FrameCounts:
    """The participant's frame accounting, once none of its frames is in flight.

    Raises:
        TimeoutError: a frame had no outcome after `SETTLE_TIMEOUT_S`.
    """
    async with asyncio.timeout(SETTLE_TIMEOUT_S):
        while True:
            # The answer comes from the server, so each request also gives it time to go on.
            counts = (await stream.statistics()).participant(participant_id).frames
            if counts.in_flight == 0:
                return counts


def packets_from(clip: EncodedClip, start_s: float) -> list[EncodedPacket]:
    """The clip's packets, shifted by `start_s` seconds."""
    return [
        EncodedPacket(each.pts + round(start_s * each.clock_hz), each.clock_hz, each.keyframe, each.payload)
        for each in clip.packets
    ]


def unaccounted(statistics: Statistics) -> list[str]:
    """The participants whose frame accounting is inconsistent."""
    return [each.participant_id for each in statistics.participants if not each.frames.is_consistent]
