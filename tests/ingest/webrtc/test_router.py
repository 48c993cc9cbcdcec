"""Packets find their track, and what finds none is counted."""

from __future__ import annotations

import struct
from pathlib import Path

from gifcue.ingest.webrtc.offer import OfferLimits, parse_offer
from gifcue.ingest.webrtc.router import MAX_SOURCES_PER_TRACK, PacketRouter
from gifcue.ingest.webrtc.section import OfferedMedia
from gifcue.ingest.webrtc.track import VideoTrack
from tests.ingest.rtp.kit import rtp

OFFER = Path(__file__).with_name("chromium-offer.sdp").read_bytes().decode()
VIDEO = parse_offer(OFFER, OfferLimits()).media[1]
MID = 4  # the local id of the header extension
VP8 = b"\x10\x00\x00\x00\x9d\x01\x2a"


def mid(name: str) -> bytes:
    text = name.encode()
    padded = bytes((MID << 4 | len(text) - 1,)) + text
    padded += bytes(-len(padded) % 4)
    return struct.pack("!HH", 0xBEDE, len(padded) // 4) + padded


def media(name: str, *ssrcs: int) -> OfferedMedia:
    return OfferedMedia(
        "video", name, VIDEO.protocol, VIDEO.formats, False, True, VIDEO.codecs, VIDEO.extensions, ssrcs
    )


async def routed(*described: OfferedMedia) -> tuple[PacketRouter, list[VideoTrack]]:
    router = PacketRouter()
    tracks = [VideoTrack(each, 1, lambda _: None, lambda: 0.0) for each in described]
    for track in tracks:
        router.add(track)
    return router, tracks


async def test_by_the_mid_that_a_packet_carries_and_its_source_from_then_on() -> None:
    router, (one, two) = await routed(media("1"), media("2"))
    router.receive(rtp(1, VP8, ssrc=70, extension=mid("2")))
    router.receive(rtp(2, VP8, ssrc=70))
    router.receive(rtp(1, VP8, ssrc=71, extension=mid("1")))
    assert (one.receiver.packets, two.receiver.packets) == (1, 2)
    router.receive(rtp(1, VP8, ssrc=72, extension=mid("3")))
    router.receive(rtp(1, VP8, ssrc=73))  # either track could have sent it
    assert router.dropped == {"unknown_source": 2}


async def test_by_the_sources_of_the_offer() -> None:
    router, (one, two) = await routed(media("1", 70), media("2", 71))
    router.receive(rtp(1, VP8, ssrc=71))
    assert (one.receiver.packets, two.receiver.packets) == (0, 1)


async def test_by_a_payload_type_that_one_track_has() -> None:
    router, (track,) = await routed(media("1"))
    router.receive(rtp(1, VP8, ssrc=70))
    router.receive(rtp(1, VP8, ssrc=70, payload_type=5))
    router.receive(rtp(1, b"audio", ssrc=80, payload_type=111))
    assert track.receiver.packets == 2
    assert router.dropped == {"unknown_source": 1}


async def test_sources_that_a_peer_makes_up_are_forgotten() -> None:
    router, (track,) = await routed(media("1"))
    for ssrc in range(1000):
        router.receive(rtp(1, VP8, ssrc=ssrc))
    assert len(router._sources) == MAX_SOURCES_PER_TRACK
    assert track.receiver.packets == 1000
    router.remove(track)
    assert router._sources == {}
    router.receive(rtp(1, VP8, ssrc=1))
    router.receive(b"\x80")
    assert router.dropped == {"unknown_source": 1, "malformed_packet": 1}
