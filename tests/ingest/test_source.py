from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from gifcue.ingest.opening import SourceError, is_live
from gifcue.ingest.reader import reading
from gifcue.ingest.source import open_source
from gifcue.media.codecs import FFMPEG_DECODERS, is_keyframe, nal_length_size
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import write
from gifcue.sample_video.photo import photo_frames

FPS = 10.0
SECONDS = 1.2
COUNT = 12


def clip(folder: Path, name: str, codec: Codec, **options: Any) -> Path:
    frames = photo_frames(SECONDS, FPS, width=160, height=96, motion="always")
    return write(frames, folder / name, codec, FPS, keyframe_interval=5, **options)


def decoded(codec: Codec, extradata: bytes, payloads: list[bytes]) -> int:
    context: Any = av.CodecContext.create(FFMPEG_DECODERS[codec], "r")
    context.thread_count = 1
    if extradata:
        context.extradata = extradata
    frames = sum(len(context.decode(av.Packet(payload))) for payload in payloads)
    return frames + len(context.decode(None))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", Codec.H264),
        ("a.mkv", Codec.H264),
        ("a.mp4", Codec.H265),
        ("a.webm", Codec.VP8),
        ("a.webm", Codec.VP9),
        ("a.webm", Codec.AV1),
        ("a.mkv", Codec.MJPEG),
    ],
)
def test_a_files_own_packets_come_out_and_decode(tmp_path: Path, name: str, codec: Codec) -> None:
    path = clip(tmp_path, name, codec)
    with av.open(str(path)) as container:
        stored = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    with open_source(str(path)) as source:
        assert (source.codec, source.width, source.height) == (codec, 160, 96)
        assert source.fps == pytest.approx(FPS)
        assert not source.live
        packets = list(source)
        extradata = source.extradata
    assert [packet.payload for packet in packets] == stored
    assert len(packets) == COUNT
    assert packets[0].keyframe
    assert [p.keyframe for p in packets] == [is_keyframe(codec, p.payload) for p in packets]
    seconds = [packet.pts / packet.clock_hz for packet in packets]
    assert seconds == pytest.approx([number / FPS for number in range(COUNT)], abs=0.002)
    assert [packet.due_s for packet in packets] == pytest.approx(seconds, abs=0.002)
    assert decoded(codec, extradata, [packet.payload for packet in packets]) == COUNT
    if codec in (Codec.VP8, Codec.VP9, Codec.MJPEG):
        assert extradata == b""


def test_an_mp4_is_length_prefixed_and_brings_its_record(tmp_path: Path) -> None:
    with open_source(str(clip(tmp_path, "a.mp4", Codec.H264))) as source:
        assert nal_length_size(Codec.H264, source.extradata) == 4


def test_b_frames_come_in_decoding_order_with_their_own_pts(tmp_path: Path) -> None:
    with open_source(str(clip(tmp_path, "a.mp4", Codec.H264, b_frames=2))) as source:
        packets = list(source)
    times = [packet.pts / packet.clock_hz for packet in packets]
    assert times != sorted(times)
    assert np.diff(sorted(times)) == pytest.approx(1 / FPS)
    due = [packet.due_s for packet in packets]
    assert due == sorted(due)
    assert due[0] == 0
    assert due[-1] == pytest.approx((COUNT - 1) / FPS, abs=0.01)


def test_timestamps_increase_across_loops(tmp_path: Path) -> None:
    with open_source(str(clip(tmp_path, "a.mp4", Codec.H264, b_frames=2)), loop=True) as source:
        assert source.duration_s is None
        packets = list(itertools.islice(source, 3 * COUNT))
    times = sorted(packet.pts / packet.clock_hz for packet in packets)
    assert np.diff(times) == pytest.approx(1 / FPS)
    due = [packet.due_s for packet in packets]
    assert due == sorted(due)
    assert packets[COUNT].payload == packets[0].payload
    assert packets[COUNT].keyframe


def test_an_odd_time_base_becomes_whole_ticks(tmp_path: Path) -> None:
    path = tmp_path / "ntsc.mov"
    with av.open(str(path), "w", options={"video_track_timescale": "30000"}) as output:
        stream = output.add_stream("mjpeg", rate=Fraction(30000, 1001))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for _ in range(4):
            picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
            output.mux(stream.encode(picture.reformat(format="yuvj420p")))
        output.mux(stream.encode(None))
    with open_source(str(path)) as source:
        packets = list(source)
    assert {packet.clock_hz for packet in packets} == {30000}
    assert [packet.pts for packet in packets] == [0, 1001, 2002, 3003]


def test_missing_timestamps_are_generated(tmp_path: Path) -> None:
    path = tmp_path / "bare.h264"
    with open_source(str(clip(tmp_path, "a.mp4", Codec.H264))) as source, path.open("wb") as file:
        for packet in source:
            at = 0
            while at < len(packet.payload):
                size = int.from_bytes(packet.payload[at : at + 4], "big")
                file.write(b"\0\0\0\1" + packet.payload[at + 4 : at + 4 + size])
                at += 4 + size
    with open_source(str(path)) as source:
        packets = list(source)
    assert len(packets) == COUNT
    times = [packet.pts / packet.clock_hz for packet in packets]
    assert times == sorted(times)
    assert len(set(times)) == COUNT


def test_raw_pictures_become_motion_jpeg(tmp_path: Path) -> None:
    # The format of a camera without an encoder.
    path = tmp_path / "raw.nut"
    with av.open(str(path), "w", format="nut") as output:
        stream = output.add_stream("rawvideo", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for frame in photo_frames(0.4, FPS, width=160, height=96):
            picture = av.VideoFrame.from_ndarray(frame, "rgb24").reformat(format="yuv420p")
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    with open_source(str(path)) as source:
        assert source.codec is Codec.MJPEG
        packets = list(source)
    assert len(packets) == 4
    assert all(packet.keyframe and packet.payload[:2] == b"\xff\xd8" for packet in packets)
    assert decoded(Codec.MJPEG, b"", [packet.payload for packet in packets]) == 4


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.mp4", None, "No such file"),
        ("text.mp4", b"this is a text, not a video", "Invalid data"),
        ("empty.mp4", b"", "got:"),
    ],
)
def test_a_file_that_is_not_a_video_is_an_error(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        open_source(str(path))
    assert str(path) in str(caught.value)


def test_an_audio_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        output.mux(stream.encode(sound))
    with pytest.raises(SourceError, match=r"expected a video stream in .*, got audio"):
        open_source(str(path))


def test_a_codec_that_the_wire_does_not_know_is_named(tmp_path: Path) -> None:
    path = tmp_path / "old.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
        output.mux(stream.encode(picture.reformat(format="yuv420p")))
        output.mux(stream.encode(None))
    with pytest.raises(SourceError, match=r"expected video of h264, .*, got mpeg4"):
        open_source(str(path))


def test_live_sources_are_recognised() -> None:
    assert is_live("rtsp://camera/stream")
    assert is_live("/dev/video0")
    assert is_live("avfoundation:0")
    assert not is_live("clip.mp4")
    assert not is_live("https://example.org/clip.mp4")


async def test_reading_gives_the_same_packets_from_a_thread(tmp_path: Path) -> None:
    path = str(clip(tmp_path, "a.mp4", Codec.H264))
    with open_source(path) as source:
        expected = list(source)
    async with reading(path) as read:
        assert read.source.codec is Codec.H264
        assert [packet async for packet in read.packets()] == expected


async def test_reading_what_cannot_be_opened_raises(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        async with reading(str(tmp_path / "missing.mp4")):
            raise AssertionError("opened")


@pytest.mark.parametrize(("anticlockwise", "rotation"), [(0, 0), (90, 270), (180, 180), (270, 90)])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_the_display_matrix_of_a_file_is_its_rotation(
    tmp_path: Path, anticlockwise: int, rotation: int, b_frames: int
) -> None:
    path = str(tmp_path / "turned.mp4")
    with (
        av.open(clip(tmp_path, "a.mp4", Codec.H264, b_frames=b_frames)) as source,
        av.open(path, "w") as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        if anticlockwise:
            stream.set_display_rotation(anticlockwise)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    with open_source(path, loop=True) as looped:
        packets = list(itertools.islice(looped, 2 * COUNT))
    assert {packet.rotation for packet in packets} == {rotation}


@pytest.mark.parametrize(("orientation", "rotation"), [(None, 0), (1, 0), (3, 180), (6, 90), (8, 270)])
def test_the_exif_orientation_of_a_photograph_is_its_rotation(
    tmp_path: Path, orientation: int | None, rotation: int
) -> None:
    picture = Image.fromarray(next(photo_frames(1.0, 1.0, width=160, height=96)))
    exif = picture.getexif()
    if orientation is not None:
        exif[0x0112] = orientation
    picture.save(tmp_path / "photo.jpg", exif=exif)
    with open_source(str(tmp_path / "photo.jpg")) as source:
        (packet,) = source
    assert packet.rotation == rotation
