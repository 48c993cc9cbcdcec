"""Helpers for tests of a server: send a clip, and wait until all of its frames are accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from gifcue.client import FrameCounts, Participant, ReactionStream, Statistics
from gifcue.ingest.source import EncodedPacket
from gifcue.sample_video.clips import EncodedClip
from tests.support.waiting import TIMEOUT_S


async def send_all(participant: Participant, packets: Iterable[EncodedPacket]) -> None:
    """Sends packets as fast as the connection takes them."""
    for packet in packets:
        await participant.send(
            packet.payload, packet.pts, packet.clock_hz, packet.keyframe, rotation=packet.rotation
        )


async def send_in_step(
    stream: ReactionStream, participant: Participant, packets: Sequence[EncodedPacket]
) -> None:
    """Sends each packet once the previous one is accounted for, so that none is superseded at any speed."""
    for packet in packets:
        await send_all(participant, [packet])
        await settled(stream, participant.id)


async def settled(stream: ReactionStream, participant_id: str) -> FrameCounts:
    """The participant's frame counts, once none of its frames is in flight.

    Raises:
        TimeoutError: frames are still in flight after `TIMEOUT_S` seconds.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            # Every request takes a turn of the server's event loop, which processes frames meanwhile.
            while True:
                counts = (await stream.statistics()).participant(participant_id).frames
                if counts.in_flight == 0:
                    return counts
    except TimeoutError:
        raise TimeoutError(
            f"expected all frames of {participant_id} to be accounted for within {TIMEOUT_S:g} s"
        ) from None


def packets_from(clip: EncodedClip, start_s: float) -> list[EncodedPacket]:
    """The clip's packets, shifted by `start_s` seconds."""
    return [
        EncodedPacket(each.pts + round(start_s * each.clock_hz), each.clock_hz, each.keyframe, each.payload)
        for each in clip.packets
    ]


def unaccounted(statistics: Statistics) -> list[str]:
    """The participants whose frame counts are inconsistent."""
    return [each.participant_id for each in statistics.participants if not each.frames.is_consistent]
