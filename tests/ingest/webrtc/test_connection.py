"""Video of a real peer (aiortc) arrives undecoded."""

from __future__ import annotations

import asyncio
import re

import pytest

from gifcue.ingest.access_unit import AccessUnit
from gifcue.ingest.webrtc.connection import PeerConnection, PeerLimits
from gifcue.ingest.webrtc.ice import FullIce
from gifcue.ingest.webrtc.lite import LitePort
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


async def test_a_peer_with_another_certificate_is_refused() -> None:
    tracks: list[VideoTrack] = []
    async with LitePort("127.0.0.1", 0) as port, sending("VP8") as sender:
        connection = PeerConnection(port.open(), LIMITS, tracks.append)
        offer = await sender.offer()
        changed = re.sub(r"a=fingerprint:(sha-\d+) ..:", r"a=fingerprint:\1 00:", offer)
        await sender.take_answer(await connection.answer(changed))
        async with asyncio.timeout(20):
            await connection.closed.wait()
            assert [unit async for unit in tracks[0].units()] == []
        assert "completes DTLS" in connection.reason
        assert not connection.connected.is_set()
        await connection.close()


async def test_what_does_not_connect_in_time_is_closed() -> None:
    tracks: list[VideoTrack] = []
    async with LitePort("127.0.0.1", 0) as port, sending("VP8") as sender:
        connection = PeerConnection(port.open(), PeerLimits(connect_s=0.01), tracks.append)
        await connection.answer(await sender.offer())  # which the peer never gets
        async with asyncio.timeout(20):
            await connection.closed.wait()
        assert connection.reason == "expected ICE and DTLS within 0.01 s"
        await connection.close()
        assert port._peers == {}
