"""A peer that offers again: ICE that begins anew, and sections that are not received."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.offering import OfferedVideo, OfferingPeer
from gifcue.ingest.rtp.packet import is_rtcp
from gifcue.ingest.rtp.sdp import SdpError
from gifcue.ingest.webrtc.connection import PeerConnection, PeerLimits
from gifcue.ingest.webrtc.ice import FullIce
from gifcue.ingest.webrtc.offer import OfferLimits
from gifcue.ingest.webrtc.section import OfferedMedia
from gifcue.ingest.webrtc.track import VideoTrack
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import encode
from gifcue.sample_video.photo import photo_frames
from tests.ingest.rtp.kit import packetised
from tests.support.waiting import until

LIMITS = PeerLimits(offer=OfferLimits(candidates=32), tracks=2, keeps_video=True, needs_video=False)
VIDEOS = (OfferedVideo("TR_1", 1000, encoding="VP8/90000"), OfferedVideo("TR_2", 2000, encoding="VP8/90000"))


@asynccontextmanager
async def connected(*wanted: str) -> AsyncIterator[tuple[OfferingPeer, PeerConnection, list[VideoTrack]]]:
    """A peer that offers `VIDEOS`, and an end that wants those tracks."""
    tracks: list[VideoTrack] = []

    def wants(media: OfferedMedia) -> bool:
        return media.track in wanted

    peer = OfferingPeer(VIDEOS, lambda packet: None)
    connection = PeerConnection(FullIce(), LIMITS, tracks.append, wants)
    try:
        async with asyncio.timeout(30.0):
            await peer.take_answer(await connection.answer(await peer.offer()))
            await connection.connected.wait()
        yield peer, connection, tracks
    finally:
        await peer.close()
        await connection.close()


def packets(ssrc: int) -> list[bytes]:
    """RTP of a small clip."""
    clip = encode(photo_frames(0.5, 10, width=160, height=96), Codec.VP8, 10, keyframe_interval=2)
    sent = [each for each in packetised(clip) if not is_rtcp(each)]
    return [each[:8] + ssrc.to_bytes(4, "big") + each[12:] for each in sent]


async def test_video_goes_on_where_ice_begins_anew() -> None:
    async with connected("TR_1") as (peer, connection, (track,)):
        sent = packets(1000)
        half = len(sent) // 2
        for packet in sent[:half]:
            await peer.send(packet)
        await until(lambda: track.receiver.packets == half)
        path_before = connection._ice.path.transport  # type: ignore[attr-defined]
        peer.restart()
        await peer.take_answer(await connection.answer(await peer.offer()))
        await until(lambda: connection._ice.path.transport is not path_before)  # type: ignore[attr-defined]
        for packet in sent[half:]:
            await peer.send(packet)
        await until(lambda: track.receiver.packets == len(sent), state=lambda: track.receiver.packets)
        assert track.dropped == {}
        assert not connection.closed.is_set()


async def test_a_section_that_is_not_wanted_stays_inactive_and_nothing_of_it_is_taken() -> None:
    async with connected("TR_2") as (peer, connection, (track,)):
        assert track.media.track == "TR_2"
        answer = await connection.answer(await peer.offer())
        first, second = answer.split("m=video ")[1:]
        assert first.startswith("9 ")
        assert "a=inactive" in first
        assert "a=recvonly" in second
        for packet in (*packets(1000), *packets(2000)):
            await peer.send(packet)
        await until(lambda: track.receiver.packets == len(packets(2000)))
        assert track.receiver.media_ssrc == 2000
        assert track.dropped == {}
        assert connection.dropped == {"unknown_source": len(packets(1000))}


async def test_nothing_more_comes_of_a_track_that_is_forgotten_nor_does_another_one_get_it() -> None:
    async with connected("TR_1", "TR_2") as (peer, connection, (first, second)):
        connection.forget(first)
        for packet in (*packets(1000), *packets(2000)):
            await peer.send(packet)
        await until(lambda: second.receiver.packets == len(packets(2000)))
        assert first.receiver.packets == 0
        assert second.dropped == {}
        assert connection.dropped == {"unknown_source": len(packets(1000))}


async def test_ice_cannot_begin_anew_before_it_is_connected() -> None:
    peer = OfferingPeer(VIDEOS, lambda packet: None)
    connection = PeerConnection(FullIce(), LIMITS, lambda track: None)
    try:
        await connection.answer(await peer.offer())
        peer.restart()
        with pytest.raises(SdpError, match="expected an offer of the same ICE session"):
            await connection.answer(await peer.offer())
    finally:
        await peer.close()
        await connection.close()
