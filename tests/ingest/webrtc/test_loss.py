"""Packets that are lost on the way are asked for again, and come."""

from __future__ import annotations

import asyncio
import itertools
import random

from gifcue.ingest.access_unit import AccessUnit
from gifcue.ingest.webrtc.connection import PeerConnection, PeerLimits
from gifcue.ingest.webrtc.lite import LiteIce, LitePort
from gifcue.ingest.webrtc.track import VideoTrack
from tests.ingest.webrtc.kit import sending

FRAMES = 45
LOSS = 0.1


async def test_a_loss_of_one_packet_in_ten_is_repaired() -> None:
    random_ = random.Random(5)
    lost = 0

    class Lossy(LiteIce):
        def take(self, datagram: bytes) -> None:
            nonlocal lost
            if datagram[0] > 127 and not 192 <= datagram[1] < 224 and random_.random() < LOSS:
                lost += 1
            else:
                super().take(datagram)

    tracks: list[VideoTrack] = []
    units: list[AccessUnit] = []
    async with LitePort("127.0.0.1", 0) as port, sending("VP8") as sender:
        connection = PeerConnection(Lossy(port), PeerLimits(), tracks.append)
        try:
            await sender.take_answer(await connection.answer(await sender.offer()))
            (track,) = tracks
            async with asyncio.timeout(30):
                async for unit in track.units():
                    units.append(unit)
                    if len(units) == FRAMES:
                        break
        finally:
            await connection.close()
    assert lost >= 2
    assert [each for each in units if each.follows_loss] == []
    steps = {after.pts - before.pts for before, after in itertools.pairwise(units)}
    assert max(steps) < 2 * 3000
    assert track.dropped.get("lost", 0) == 0
