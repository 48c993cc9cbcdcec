"""Video of a real peer (aiortc) arrives undecoded."""

from __future__ import annotations

import asyncio

import pytest

from gifcue.ingest.access_unit import AccessUnit
from gifcue.ingest.webrtc.connection import PeerConnection, PeerLimits
from gifcue.ingest.webrtc.ice import FullIce
from gifcue.ingest.webrtc.offer import OfferLimits
from gifcue.ingest.webrtc.track import VideoTrack
from gifcue.protocol.codecs import Codec
from tests.ingest.webrtc.kit import sending

LIMITS = PeerLimits(offer=OfferLimits(candidates=8))


@pytest.mark.parametrize(("name", "codec"), [("VP8", Codec.VP8), ("H264", Codec.H264)])
async def test_receives_access_units(name: str, codec: Codec) -> None:
    tracks: list[VideoTrack] = []
    connection = PeerConnection(FullIce(), LIMITS, tracks.append)
    async with sending(name) as sender:
        try:
            await sender.take_answer(await connection.answer(await sender.offer()))
            (track,) = tracks
            units: list[AccessUnit] = []
            async with asyncio.timeout(20):
                async for unit in track.units():
                    units.append(unit)
                    if len(units) > 5:
                        track.request_keyframe()
                        if unit.keyframe:
                            break
            assert units[0].keyframe
            assert all(each.codec is codec for each in units)
            assert track.receiver.packets >= len(units)
        finally:
            await connection.close()
    assert connection.closed.is_set()
