"""Offers are read strictly, and answers promise what is received."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from pathlib import Path

import pytest

from gifcue.ingest.rtp.sdp import SdpError
from gifcue.ingest.webrtc.answer import LocalTransport, local_setup, write_answer
from gifcue.ingest.webrtc.offer import OfferLimits, parse_offer
from gifcue.protocol.codecs import Codec
from tests.ingest.rtp.test_fuzz import mutated

OFFER = Path(__file__).with_name("chromium-offer.sdp").read_bytes().decode()
LIMITS = OfferLimits()
LOCAL = LocalTransport(
    "user", "p" * 24, [("sha-256", "AA:BB")], "passive", ["1 1 udp 1 192.0.2.1 7 typ host"], True, 1, 1
)


def lines_of(section: str) -> list[str]:
    return section.strip().split("\r\n")


def test_reads_what_chromium_offers() -> None:
    offer = parse_offer(OFFER, LIMITS)
    audio, video, data = offer.media
    assert (offer.username, offer.setup, offer.is_lite) == ("Y81x", "actpass", False)
    assert offer.fingerprints[0][0] == "sha-256"
    assert (audio.kind, audio.opus, audio.sends) == ("audio", 111, True)
    assert (data.kind, data.codecs) == ("application", ())
    # H.264 comes in several profiles, and VP9 with 10 bits is left out.
    assert [each.codec for each in video.codecs] == [Codec.VP8, *[Codec.H264] * 6, Codec.AV1, Codec.VP9]
    assert video.extensions is not None
    assert video.extensions["urn:3gpp:video-orientation"] == 13
    assert video.track == "5fd6b902-ee06-4eb8-9ea4-2caffeaab65a"
    assert video.ssrcs == (2207637919, 2937798809)


def test_answers_with_the_video_alone() -> None:
    offer = parse_offer(OFFER, LIMITS)
    answer = write_answer(offer, {"1"}, {"0"}, LOCAL)
    session, audio, video, data = answer.split("m=")
    assert "a=ice-lite" in lines_of(session)
    assert "a=group:BUNDLE 0 1" in lines_of(session)
    assert lines_of(audio)[0] == "audio 9 UDP/TLS/RTP/SAVPF 111"
    assert "a=inactive" in lines_of(audio)
    assert "a=candidate:1 1 udp 1 192.0.2.1 7 typ host" in lines_of(audio)
    assert lines_of(video)[0] == "video 9 UDP/TLS/RTP/SAVPF 96 102 104 108 114 116 39 45 98"
    assert {"a=recvonly", "a=rtcp-mux", "a=setup:passive", "a=rtcp-fb:96 nack pli"} <= set(lines_of(video))
    assert "a=extmap:13 urn:3gpp:video-orientation" in lines_of(video)
    # Neither retransmissions on a source of their own nor estimates of the bandwidth are promised.
    assert not any("rtx" in each or "transport-cc" in each or "remb" in each for each in lines_of(video))
    assert lines_of(data)[0] == "application 0 UDP/DTLS/SCTP webrtc-datachannel"


@pytest.mark.parametrize(
    ("offered", "answered"), [("actpass", "passive"), ("active", "passive"), ("passive", "active")]
)
def test_the_peer_begins_the_handshake(offered: str, answered: str) -> None:
    assert local_setup(parse_offer(OFFER.replace("actpass", offered), LIMITS).setup) == answered


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("v=0", "v=1"), "begins with v=0"),
        (("a=rtcp-mux", "a=other"), "a=rtcp-mux"),
        (("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "encrypted media"),
        (("a=ice-ufrag:Y81x", "a=ice-ufrag:x"), "a=ice-ufrag of 4 to 256"),
        (("a=ice-ufrag:Y81x", "a=ice-ufrag:Y8\x0b1x"), "a=ice-ufrag of 4 to 256"),
        (("a=ice-pwd:LJa57SmDJE4PNrOTElXtmIwe", "a=ice-pwd:short"), "a=ice-pwd of 22 to 256"),
        (("a=fingerprint:sha-256 BF:", "a=fingerprint:sha-256 "), "fingerprint of 32 bytes"),
        (("a=fingerprint:sha-256", "a=fingerprint:md5"), "a=fingerprint with sha-256"),
        (("a=setup:actpass", "a=setup:holdconn"), "a=setup of"),
        (("a=mid:1", "a=mid:0"), "each a=mid once"),
        (("a=mid:1", "a=mid:" + "x" * 65), "a=mid of 1 to 64"),
        (("a=ssrc:2207637919 c", "a=ssrc:4294967296 c"), "an SSRC"),
        (("m=video 9", "m=video 99999"), "a port"),
        (("a=extmap:13 ", "a=extmap:0 "), "the id of a header extension"),
        (("s=-", "s"), "a line such as"),
        (("m=application", "m=video 9 UDP/TLS/RTP/SAVPF\r\nm=application"), "m=KIND PORT PROTOCOL FORMATS"),
    ],
)
def test_refuses_what_it_cannot_use(change: tuple[str, str], expected: str) -> None:
    with pytest.raises(SdpError, match="expected") as raised:
        parse_offer(OFFER.replace(*change), LIMITS)
    assert expected in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("offer", "expected"),
    [
        (OFFER + "a=x\r\n" * 20_000, "at most 65536 bytes"),
        (OFFER + "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n" * 6, "at most 8 m= sections"),
        (OFFER + "a=x\r\n" * 600, "at most 512 attributes"),
        (OFFER + "a=" + "x" * 2000 + "\r\n", "at most 1024 bytes"),
        ("", "begins with v=0"),
        ("v=0\r\n", "with an m= section"),
    ],
)
def test_refuses_what_is_too_much_or_too_little(offer: str, expected: str) -> None:
    with pytest.raises(SdpError, match=expected):
        parse_offer(offer, LIMITS)


def test_candidates_are_read_up_to_a_bound() -> None:
    offer = OFFER + "a=candidate:1 1 udp 1 192.0.2.1 7 typ host\r\n" * 10
    assert parse_offer(offer, LIMITS).candidates == ()
    assert len(parse_offer(offer, replace(LIMITS, candidates=3)).candidates) == 3


def test_mutated_offers_are_answered_or_refused() -> None:
    random_ = random.Random(13)
    answered = 0
    for _ in range(1000):
        text = mutated(OFFER.encode(), random_).decode("utf-8", "replace")
        with contextlib.suppress(SdpError):
            offer = parse_offer(text, LIMITS)
            usable = {each.mid for each in offer.media if each.sends and each.codecs}
            answer = write_answer(offer, usable, {each.mid for each in offer.media if each.opus}, LOCAL)
            # Nothing of an offer adds a line to the answer.
            assert all(line[1] == "=" for line in lines_of(answer))
            answered += 1
    assert answered > 100
