from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gifcue.media.decoder import Decoder
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import EncodedClip, encode, read, reencode, write
from gifcue.sample_video.photo import Motion, photo_frames, photograph

Frames = list[NDArray[np.uint8]]


def decoded(clip: EncodedClip) -> int:
    into = Decoder(clip.codec, clip.extradata, 1920 * 1080)
    return sum(
        into.decode(packet.payload, packet.pts / packet.clock_hz) is not None for packet in clip.packets
    )


@pytest.fixture(scope="module")
def frames() -> Frames:
    return list(photo_frames(0.8, 10, motion="always"))


def test_the_photograph_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("the network was asked"))
    assert photograph().shape == (512, 512, 3)


def test_without_scikit_image_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r"Install gifcue\[demo\]"):
        photograph()


@pytest.mark.parametrize(("width", "height"), [(640, 360), (360, 640), (320, 240), (64, 64)])
@pytest.mark.parametrize("motion", ["still", "phases", "always"])
def test_frames_of_any_size_stay_inside_the_photograph(width: int, height: int, motion: Motion) -> None:
    frames = list(photo_frames(4, 5, width, height, motion))
    assert len(frames) == 20
    assert {frame.shape for frame in frames} == {(height, width, 3)}
    # The photograph has a hundred shades along each edge. A generated border would have few.
    assert min(np.unique(frame[:, 0]).size for frame in frames) > 20


@pytest.mark.parametrize(
    ("codec", "ending"),
    [
        (Codec.H264, "mp4"),
        (Codec.H264, "mkv"),
        (Codec.H265, "mp4"),
        (Codec.H265, "mkv"),
        (Codec.VP8, "webm"),
        (Codec.VP9, "webm"),
        (Codec.VP9, "mkv"),
        (Codec.AV1, "mp4"),
        (Codec.AV1, "webm"),
        (Codec.MJPEG, "mkv"),
        (Codec.MJPEG, "mp4"),
    ],
)
def test_files_hold_what_was_encoded(codec: Codec, ending: str, frames: Frames, tmp_path: Path) -> None:
    clip = encode(frames, codec, 10.0, keyframe_interval=4)
    packets = read(write(clip, tmp_path / f"remuxed.{ending}"))
    straight = read(write(frames, tmp_path / f"straight.{ending}", codec, 10.0, keyframe_interval=4))
    for stored in (packets, straight):
        assert (stored.codec, stored.width, stored.height) == (codec, 640, 360)
        assert decoded(stored) == len(frames)
        # Matroska counts in milliseconds.
        assert [packet.pts for packet in stored.packets] == pytest.approx(
            [9000 * i for i in range(8)], abs=90
        )
        keyframes = [index for index, packet in enumerate(stored.packets) if packet.keyframe]
        assert keyframes == ([0, 4] if not codec.is_intra_only else list(range(8)))


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_an_mp4s_units_can_be_written_again(codec: Codec, frames: Frames, tmp_path: Path) -> None:
    stored = encode(frames, codec, 10.0, form="mp4")
    assert stored.extradata[0] == 1
    again = read(write(stored, tmp_path / "again.mp4"))
    assert again.extradata[0] == 1
    assert decoded(again) == len(frames)


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.VP9, Codec.AV1, Codec.MJPEG])
def test_reencoding_keeps_every_frame_and_its_time(codec: Codec, frames: Frames, tmp_path: Path) -> None:
    source = write(frames, tmp_path / "source.mp4", Codec.H264, 10.0)
    target = io.BytesIO()
    reencode(source, codec, "matroska", target)
    target.seek(0)
    clip = read(target)
    assert clip.codec is codec
    assert decoded(clip) == len(frames)
    assert [packet.pts for packet in clip.packets] == pytest.approx([9000 * i for i in range(8)], abs=90)


def test_encoding_no_frames_is_an_error() -> None:
    for codec in (Codec.H264, Codec.PNG):
        with pytest.raises(ValueError, match="expected at least one frame"):
            encode([], codec)


def test_encoding_is_reproducible(frames: Frames) -> None:
    assert encode(frames, Codec.H264) == encode(frames, Codec.H264)
