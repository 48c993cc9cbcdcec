from __future__ import annotations

import random
import sys

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gifcue.errors import MediaError
from gifcue.media.decoder import Decoder
from gifcue.media.picture import Converter
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.sample_video.photo import photo_frames
from tests.support.damage import announcing, flipped, truncated

MAX_PIXELS = 1920 * 1080
INTER = [Codec.H264, Codec.H265, Codec.VP8, Codec.VP9, Codec.AV1]
# The largest difference that encoding makes to the photograph.
LEAST_PSNR_DB = 33.0


def decoder(clip: EncodedClip, max_pixels: int = MAX_PIXELS) -> Decoder:
    return Decoder(clip.codec, clip.extradata, max_pixels)


def play(clip: EncodedClip, into: Decoder | None = None) -> list[tuple[float, np.ndarray]]:
    into = into or decoder(clip)
    converter = Converter(640, 360)
    pictures = []
    for packet in clip.packets:
        decoded = into.decode(packet.payload, packet.pts / packet.clock_hz)
        if decoded is not None:
            pictures.append((decoded.pts_s, converter.array(decoded.frame)))
    return pictures


def fault(into: Decoder, payload: bytes) -> MediaError:
    with pytest.raises(MediaError) as caught:
        into.decode(payload, 0.0)
    return caught.value


def reason_of(into: Decoder, payload: bytes) -> DropReason | None:
    try:
        into.decode(payload, 0.0)
    except MediaError as error:
        return error.reason
    return None


@pytest.mark.parametrize("codec", Codec)
def test_every_unit_gives_its_picture(codec: Codec, clip, frames) -> None:
    pictures = play(clip(codec))
    assert [round(pts_s * 15) for pts_s, _ in pictures] == list(range(len(frames)))
    worst = min(cv2.PSNR(picture, frame) for (_, picture), frame in zip(pictures, frames, strict=True))
    assert worst > LEAST_PSNR_DB


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_length_prefixed_units_decode_alike(codec: Codec, clip, frames) -> None:
    pictures = play(clip(codec, form="mp4"))
    assert len(pictures) == len(frames)
    assert (
        min(cv2.PSNR(picture, frame) for (_, picture), frame in zip(pictures, frames, strict=True))
        > LEAST_PSNR_DB
    )


@pytest.mark.parametrize("form", ["raw", "mp4"])
@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_reordered_pictures_carry_their_own_time(codec: Codec, form: str, clip, frames) -> None:
    shuffled = clip(codec, b_frames=2, form=form)
    assert [packet.pts for packet in shuffled.packets] != sorted(packet.pts for packet in shuffled.packets)
    pictures = play(shuffled)
    assert len(frames) - 4 <= len(pictures) < len(frames)
    for pts_s, picture in pictures:
        assert cv2.PSNR(picture, frames[round(pts_s * 15)]) > LEAST_PSNR_DB


@pytest.mark.parametrize("pts_s", [-3.25, 1e18, float("inf")])
def test_any_timestamp_of_the_sender_is_kept(pts_s: float, clip) -> None:
    stream = clip(Codec.H264)
    decoded = decoder(stream).decode(stream.packets[0].payload, pts_s)
    assert decoded is not None
    assert decoded.pts_s == pts_s


def test_an_empty_payload_is_refused_without_side_effects(clip) -> None:
    stream = clip(Codec.H264)
    into = decoder(stream)
    into.decode(stream.packets[0].payload, 0.0)
    assert fault(into, b"").reason is DropReason.EMPTY_PAYLOAD
    assert not into.is_awaiting_keyframe
    assert into.decode(stream.packets[1].payload, 0.1) is not None


@pytest.mark.parametrize("codec", INTER)
def test_joining_in_mid_stream_waits_for_a_keyframe(codec: Codec, clip, frames) -> None:
    stream = clip(codec)
    into = decoder(stream)
    for packet in stream.packets[5:12]:
        assert fault(into, packet.payload).reason is DropReason.AWAITING_KEYFRAME
        assert into.is_awaiting_keyframe
    decoded = into.decode(stream.packets[12].payload, 0.8)
    assert decoded is not None
    assert cv2.PSNR(Converter(640, 360).array(decoded.frame), frames[12]) > LEAST_PSNR_DB


@pytest.mark.parametrize("codec", [*INTER, Codec.MJPEG, Codec.JPEG, Codec.PNG])
def test_decoding_continues_at_a_keyframe_after_random_bytes(codec: Codec, clip, frames) -> None:
    stream = clip(codec)
    into = decoder(stream)
    into.decode(stream.packets[0].payload, 0.0)
    error = fault(into, random.Random(8).randbytes(2000))
    assert error.reason is DropReason.INVALID_DATA
    assert str(codec) in str(error)
    if not codec.is_intra_only:
        assert fault(into, stream.packets[2].payload).reason is DropReason.AWAITING_KEYFRAME
    decoded = into.decode(stream.packets[12].payload, 0.8)
    assert decoded is not None
    assert cv2.PSNR(Converter(640, 360).array(decoded.frame), frames[12]) > LEAST_PSNR_DB


# H.265 in Annex B and VP8 are missing: their decoders do not report truncated data (docs/decisions/0021).
@pytest.mark.parametrize("codec", [Codec.H264, Codec.AV1, Codec.MJPEG, Codec.JPEG, Codec.PNG])
def test_a_truncated_unit_is_invalid(codec: Codec, clip) -> None:
    stream = clip(codec)
    for share in (0.2, 0.5, 0.9):
        into = decoder(stream)
        into.decode(stream.packets[0].payload, 0.0)
        assert fault(into, truncated(stream.packets[1].payload, share)).reason is DropReason.INVALID_DATA
        assert into.is_awaiting_keyframe is not codec.is_intra_only


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_a_truncated_length_prefixed_unit_is_invalid(codec: Codec, clip) -> None:
    stream = clip(codec, form="mp4")
    into = decoder(stream)
    into.decode(stream.packets[0].payload, 0.0)
    assert fault(into, truncated(stream.packets[1].payload, 0.5)).reason is DropReason.INVALID_DATA


def test_flipped_bits_are_detected_where_the_codec_allows_it(clip) -> None:
    stream = clip(Codec.H264)
    noticed = 0
    for seed in range(12):
        into = decoder(stream)
        into.decode(stream.packets[0].payload, 0.0)
        reason = reason_of(into, flipped(stream.packets[1].payload, random.Random(seed)))
        assert reason in (None, DropReason.INVALID_DATA)
        assert into.is_awaiting_keyframe is (reason is not None)
        noticed += reason is not None
    assert noticed >= 8


@pytest.mark.parametrize("codec", INTER)
def test_bytes_of_another_codec_are_refused(codec: Codec, clip) -> None:
    for other in Codec:
        if other is codec:
            continue
        reason = fault(decoder(clip(codec)), clip(other).packets[0].payload).reason
        assert reason in (DropReason.INVALID_DATA, DropReason.AWAITING_KEYFRAME)


@pytest.mark.parametrize("codec", [*INTER, Codec.MJPEG])
def test_the_resolution_may_change_in_mid_stream(codec: Codec, clip, frames) -> None:
    into = decoder(clip(codec))
    assert len(play(clip(codec), into)) == len(frames)
    small = [cv2.resize(frame, (320, 180), interpolation=cv2.INTER_AREA) for frame in frames[:3]]
    pictures = play(encode(small, codec, 15.0), into)
    assert [picture.shape for _, picture in pictures] == [(180, 320, 3)] * 3
    assert min(cv2.PSNR(p, frame) for (_, p), frame in zip(pictures, small, strict=True)) > LEAST_PSNR_DB - 3
    assert len(play(clip(codec), into)) == len(frames)


@pytest.mark.parametrize("codec", Codec)
def test_a_picture_over_the_limit_has_its_own_reason(codec: Codec, clip) -> None:
    stream = clip(codec)
    into = decoder(stream, max_pixels=640 * 360 - 1)
    error = fault(into, stream.packets[0].payload)
    assert error.reason is DropReason.RESOLUTION_TOO_LARGE
    assert "got 640x360" in str(error)
    assert fault(into, stream.packets[0].payload).reason is DropReason.RESOLUTION_TOO_LARGE


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process's memory from /proc")
@pytest.mark.parametrize("codec", [Codec.H264, Codec.VP8, Codec.MJPEG, Codec.JPEG, Codec.PNG])
def test_a_resolution_bomb_allocates_no_picture(codec: Codec, clip) -> None:
    bomb = announcing(codec, clip(codec).packets[0].payload, 16368, 16368)
    into = decoder(clip(codec))
    before = resident_bytes()
    error = fault(into, bomb)
    assert error.reason is DropReason.RESOLUTION_TOO_LARGE
    assert "16368x16368" in str(error)
    assert resident_bytes() - before < 64 * 1024 * 1024
    assert into.decode(clip(codec).packets[0].payload, 0.0) is not None


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * 4096


def test_invalid_extradata_is_an_error_of_the_unit(clip) -> None:
    broken = Decoder(Codec.H264, b"\x01\x42\xc0\x16\xff\xff\xff\xff\xff", MAX_PIXELS)
    error = fault(broken, clip(Codec.H264, form="mp4").packets[0].payload)
    assert error.reason is DropReason.INVALID_DATA
    assert "extradata" in str(error)


def test_nothing_reaches_stderr(clip, capfd) -> None:
    stream = clip(Codec.H264)
    into = decoder(stream)
    for seed in range(5):
        into.decode(stream.packets[0].payload, 0.0)
        fault(into, truncated(stream.packets[1].payload, 0.3 + seed / 10))
    assert capfd.readouterr().err == ""


def test_ten_bits_and_full_colour_decode(frames) -> None:
    for pixel_format in ("yuv420p10le", "yuv444p", "yuv422p"):
        stream = encode(frames[:3], Codec.H264, 15.0, pixel_format=pixel_format)
        pictures = play(stream)
        assert (
            min(cv2.PSNR(p, frame) for (_, p), frame in zip(pictures, frames, strict=False)) > LEAST_PSNR_DB
        )


ANY_DAMAGE = (
    None,
    DropReason.INVALID_DATA,
    DropReason.AWAITING_KEYFRAME,
    DropReason.RESOLUTION_TOO_LARGE,
)
FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(codec=st.sampled_from(Codec), payload=st.binary(min_size=1, max_size=400))
def test_fuzz_random_bytes(codec: Codec, payload: bytes) -> None:
    into = Decoder(codec, b"", MAX_PIXELS)
    for _ in range(2):
        assert reason_of(into, payload) in ANY_DAMAGE


@FUZZ
@example(codec=Codec.H264, seed=47, bits=9)  # parameter sets that make the decoder buffer pictures
@given(codec=st.sampled_from(Codec), seed=st.integers(0, 2**32), bits=st.integers(1, 64))
def test_fuzz_flipped_keyframes_and_what_follows(clip, codec: Codec, seed: int, bits: int) -> None:
    stream = clip(codec)
    rng = random.Random(seed)
    into = decoder(stream)
    for packet in stream.packets[:4]:
        assert reason_of(into, flipped(packet.payload, rng, bits)) in ANY_DAMAGE
    assert into.decode(stream.packets[12].payload, 1.0) is not None


def test_photo_frames_alternate_between_still_and_motion() -> None:
    still = list(photo_frames(1, 10, motion="still"))
    assert len(still) == 10
    assert all(np.array_equal(frame, still[0]) for frame in still)
    moving = list(photo_frames(4, 10, motion="phases"))
    assert np.array_equal(moving[0], moving[19])
    assert not np.array_equal(moving[20], moving[25])
