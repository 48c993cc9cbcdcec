"""What tests of a server do again and again: join, send a clip, wait until its frames have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from gifcue.client import FrameCounts, Participant, ReactionStream, Statistics
from gifcue.sample_video.clips import EncodedClip, EncodedPacket


async def send_all(participant: Participant, packets: Iterable[EncodedPacket]) -> None:
    """Sends packets as fast as the connection takes them."""
    for packet in packets:
        await participant.send(
            packet.payload, pts=packet.pts, clock_hz=packet.clock_hz, keyframe=packet.keyframe
        )


async def send_in_step(
    stream: ReactionStream, participant: Participant, packets: Sequence[EncodedPacket]
) -> None:
    """Sends each packet once the one before has ended, so that none is superseded and no clock matters."""
    for packet in packets:
        await send_all(participant, [packet])
        await settled(stream, participant.id)


async def settled(stream: ReactionStream, participant_id: str) -> FrameCounts:
    """The participant's books, once no frame of it is in flight. Every question gives the server a turn."""
    while True:
        books = (await stream.statistics()).participant(participant_id).books
        if books.in_flight == 0:
            return books
        await asyncio.sleep(0)


def packets_from(clip: EncodedClip, start_s: float) -> list[EncodedPacket]:
    """The clip's packets as if they were recorded `start_s` seconds later."""
    return [
        EncodedPacket(each.pts + round(start_s * each.clock_hz), each.clock_hz, each.keyframe, each.payload)
        for each in clip.packets
    ]


def unaccounted(statistics: Statistics) -> list[str]:
    """The participants whose books do not balance."""
    return [each.participant_id for each in statistics.participants if not each.books.is_consistent]
