"""Mutated packets and session descriptions raise nothing but their own errors, and leave nothing behind."""

from __future__ import annotations

import contextlib
import random

import pytest

from gifcue.ingest.rtp.jitter import MAX_WAITING
from gifcue.ingest.rtp.receiver import PayloadFormat, VideoReceiver
from gifcue.ingest.rtp.sdp import SdpError, parse_sdp
from gifcue.protocol.codecs import Codec
from tests.ingest.rtp.test_real_senders import CODECS, sent
from tests.ingest.rtp.test_sdp import FFMPEG

PACKETS = 4000


def mutated(data: bytes, random_: random.Random) -> bytes:
    """`data` with bytes changed, cut out, repeated or appended."""
    changed = bytearray(data)
    for _ in range(random_.randint(0, 4)):
        at = random_.randrange(len(changed) + 1)
        match random_.randrange(5):
            case 0 if at < len(changed):
                changed[at] = random_.randrange(256)
            case 1:
                del changed[at : at + random_.randint(1, 40)]
            case 2:
                changed[at:at] = random_.randbytes(random_.randint(1, 20))
            case 3:
                changed[at:at] = changed[at : at + 100]
            case 4 if len(changed) > 1:
                # The headers and descriptors are what parsers read.
                changed[random_.randrange(min(len(changed), 24))] ^= 1 << random_.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("codec", CODECS)
def test_mutated_packets_are_counted_and_nothing_grows(codec: Codec) -> None:
    _, datagrams = sent(codec)
    random_ = random.Random(11)
    receiver = VideoReceiver({96: PayloadFormat(codec)}, orientation_id=3)
    for number in range(PACKETS):
        datagram = mutated(datagrams[number % len(datagrams)], random_)
        for unit in receiver.receive(datagram, number * 0.001):
            assert unit.payload
            assert unit.rotation in (0, 90, 180, 270)
        assert receiver._jitter.waiting <= MAX_WAITING
    assert receiver.units > 0
    assert sum(receiver.dropped.values()) > 0


def test_mutated_session_descriptions_are_read_or_refused() -> None:
    random_ = random.Random(12)
    for _ in range(PACKETS):
        text = mutated(FFMPEG.encode(), random_).decode("utf-8", "replace")
        with contextlib.suppress(SdpError):
            for video in parse_sdp(text):
                assert 0 <= video.port <= 65535
