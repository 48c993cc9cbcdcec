"""Access units that FFmpeg packetised, received as they were sent."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterable
from typing import Any

import av
import numpy as np
import pytest

from gifcue.ingest.access_unit import AccessUnit
from gifcue.ingest.rtp.receiver import PayloadFormat, VideoReceiver
from gifcue.media.codecs import FFMPEG_DECODERS
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.sample_video.photo import photo_frames
from tests.ingest.rtp.kit import packetised

CODECS = [Codec.H264, Codec.H265, Codec.VP8, Codec.VP9, Codec.AV1]


@functools.cache
def sent(codec: Codec) -> tuple[EncodedClip, tuple[bytes, ...]]:
    frames = photo_frames(1.2, 10, width=160, height=96, motion="always")
    clip = encode(frames, codec, 10, keyframe_interval=4)
    return clip, tuple(packetised(clip))


def received(codec: Codec, datagrams: Iterable[bytes]) -> tuple[list[AccessUnit], VideoReceiver]:
    receiver = VideoReceiver({96: PayloadFormat(codec)}, wait_s=0.1)
    units: list[AccessUnit] = []
    for datagram in datagrams:
        units += receiver.receive(datagram, 0.0)
    return units + receiver.poll(1.0), receiver


def pictures(codec: Codec, payloads: Iterable[bytes]) -> list[np.ndarray[Any, Any]]:
    context: Any = av.CodecContext.create(FFMPEG_DECODERS[codec], "r")
    context.thread_count = 1
    frames = [frame for payload in payloads for frame in context.decode(av.Packet(payload))]
    frames += context.decode(None)
    return [frame.to_ndarray(format="rgb24") for frame in frames]


@pytest.mark.parametrize("codec", CODECS)
def test_what_ffmpeg_packetised_decodes_to_the_same_pictures(codec: Codec) -> None:
    clip, datagrams = sent(codec)
    units, receiver = received(codec, datagrams)
    assert [unit.keyframe for unit in units] == [packet.keyframe for packet in clip.packets]
    steps = {after.pts - before.pts for before, after in itertools.pairwise(units)}
    assert steps == {9000}
    assert not any(unit.follows_loss for unit in units)
    assert receiver.dropped == {}
    expected = pictures(codec, (packet.payload for packet in clip.packets))
    got = pictures(codec, (unit.payload for unit in units))
    assert len(got) == len(expected) == len(clip.packets)
    assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize("codec", CODECS)
def test_packets_out_of_order_and_twice_change_nothing(codec: Codec) -> None:
    _, datagrams = sent(codec)
    expected, _ = received(codec, datagrams)
    shuffled = [each for each in datagrams for _ in range(2)]
    random_ = random.Random(1)
    for at in range(1, len(shuffled) - 4, 4):
        window = shuffled[at : at + 4]
        random_.shuffle(window)
        shuffled[at : at + 4] = window
    # The first packet stays the first: what comes before it would count as late.
    shuffled.insert(0, datagrams[0])
    units, receiver = received(codec, shuffled)
    assert units == expected
    assert receiver.dropped.get("lost", 0) == 0


@pytest.mark.parametrize("codec", CODECS)
def test_every_single_loss_costs_one_access_unit_and_is_told(codec: Codec) -> None:
    _, datagrams = sent(codec)
    media = [each for each in datagrams if each[1] & 0x7F == 96]
    whole, _ = received(codec, media)
    by_pts = {unit.pts: unit for unit in whole}
    for lost in range(1, len(media) - 1):
        units, receiver = received(codec, media[:lost] + media[lost + 1 :])
        assert receiver.dropped["lost"] == 1
        missing = by_pts.keys() - {unit.pts for unit in units}
        assert len(missing) <= 2
        # What is given out is what was sent, except that a lost packet may have been a unit's own beginning that
        # nothing tells: such a unit follows a loss, and so do all that come after a missing one.
        for unit in units:
            if not unit.follows_loss:
                assert unit.payload == by_pts[unit.pts].payload
        after = [unit for unit in units if missing and unit.pts > min(missing)]
        assert not after or after[0].follows_loss
        assert missing or any(unit.follows_loss for unit in units)
