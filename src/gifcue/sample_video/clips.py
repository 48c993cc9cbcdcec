"""Encodes and reads video clips, for tests, benchmarks and `gifcue demo`.

frames = photo_frames(seconds=4, fps=15)           # gifcue.sample_video.photo
clip = encode(frames, Codec.H264, fps=15)          # packets to send
write(frames, "clip.mp4")                          # or a file to stream
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Literal

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from gifcue.ingest.source import EncodedPacket
from gifcue.media.codecs import is_keyframe, nal_length_size, parameter_sets, split_length_prefixed
from gifcue.protocol.codecs import RTP_CLOCK_HZ, Codec
from gifcue.sample_video.encoders import ENCODERS, color_range, configure, video_frame
from gifcue.sample_video.priority import same_priority

START_CODE = b"\0\0\0\1"  # Annex B

Form = Literal["raw", "mp4"]


@dataclass(frozen=True, slots=True)
class EncodedClip:
    """A clip as a media server would send it. `packets` are in decoding order and state no time to send them."""

    codec: Codec
    extradata: bytes
    packets: list[EncodedPacket]
    width: int
    height: int
    fps: float


@same_priority()
def encode(
    frames: Iterable[NDArray[np.uint8]],
    codec: Codec,
    fps: float = 15.0,
    *,
    keyframe_interval: int = 30,
    b_frames: int = 0,
    form: Form = "raw",
    pixel_format: str | None = None,
) -> EncodedClip:
    """Encodes RGB frames of one size, fast and in good quality: one access unit a packet, pts from 0.

    `keyframe_interval` counts frames. With `b_frames` (H.264, H.265) the packets are not in the order of their pts.
    `form="mp4"` gives H.264 and H.265 as an mp4 file holds them: length-prefixed, with an avcC or hvcC record as
    extradata. Otherwise they are Annex B with the parameter sets in every keyframe. `pixel_format` is FFmpeg's name,
    such as "yuv444p".

    Raises:
        ValueError: there are no frames.
    """
    if form == "mp4":
        memory = io.BytesIO()
        write_frames(
            frames,
            memory,
            codec,
            fps,
            container="mp4",
            keyframe_interval=keyframe_interval,
            b_frames=b_frames,
            pixel_format=pixel_format,
        )
        memory.seek(0)
        return read(memory)
    if codec in (Codec.JPEG, Codec.PNG):
        return _encode_stills(frames, codec, fps)
    context: Any = None
    packets: list[EncodedPacket] = []
    time_base = Fraction(1, RTP_CLOCK_HZ)
    index = 0
    for index, frame in enumerate(frames):
        if context is None:
            context = av.CodecContext.create(ENCODERS[codec], "w")
            configure(context, codec, fps, keyframe_interval, b_frames, pixel_format)
            context.height, context.width = frame.shape[:2]
            context.time_base = time_base
        packets += _packets(codec, context.encode(video_frame(frame, index, fps, context.pix_fmt)))
    if context is None:
        raise ValueError("expected at least one frame to encode, got none")
    packets += _packets(codec, context.encode(None))
    return EncodedClip(codec, b"", packets, context.width, context.height, fps)


def read(source: str | Path | IO[bytes]) -> EncodedClip:
    """The first video stream of a media file: its encoded packets and its extradata."""
    with av.open(_openable(source)) as container:
        stream = container.streams.video[0]
        codec = _BY_FFMPEG_NAME[stream.codec_context.name]
        packets = [
            EncodedPacket(
                round(packet.pts * packet.time_base * RTP_CLOCK_HZ),
                RTP_CLOCK_HZ,
                bool(packet.is_keyframe),
                bytes(packet),
            )
            for packet in container.demux(stream)
            if packet.size
        ]
        context = stream.codec_context
        return EncodedClip(
            codec,
            bytes(context.extradata or b""),
            packets,
            context.width,
            context.height,
            float(stream.average_rate or 0),
        )


def write(
    clip_or_frames: EncodedClip | Iterable[NDArray[np.uint8]],
    path: str | Path,
    codec: Codec = Codec.H264,
    fps: float = 15.0,
    **options: Any,
) -> Path:
    """Writes an mp4, webm or mkv file, by the suffix of its name. Frames are encoded as by `encode`. Returns the path.

    VP8 and VP9 clips need webm or mkv. H.264 and H.265 in an mp4 are length-prefixed with an avcC or hvcC record, as in
    every mp4.

    Raises:
        KeyError: the name has another suffix.
    """
    path = Path(path)
    container = _CONTAINERS[path.suffix.lower()]
    if not isinstance(clip_or_frames, EncodedClip):
        write_frames(clip_or_frames, path, codec, fps, container=container, **options)
        return path
    _remux(clip_or_frames, path, container)
    return path


@same_priority()
def write_frames(
    frames: Iterable[NDArray[np.uint8]],
    target: str | Path | IO[bytes],
    codec: Codec,
    fps: float,
    *,
    container: str,
    keyframe_interval: int = 30,
    b_frames: int = 0,
    pixel_format: str | None = None,
) -> None:
    """Encodes RGB frames into a container, given by FFmpeg's name ("mp4", "webm", "matroska")."""
    with av.open(_openable(target), "w", format=container) as output:
        stream: Any = None
        for index, frame in enumerate(frames):
            if stream is None:
                stream = output.add_stream(ENCODERS[codec], rate=Fraction(fps).limit_denominator(1001))
                configure(stream.codec_context, codec, fps, keyframe_interval, b_frames, pixel_format)
                stream.height, stream.width = frame.shape[:2]
                stream.time_base = stream.codec_context.time_base = Fraction(1, RTP_CLOCK_HZ)
            for packet in stream.encode(video_frame(frame, index, fps, stream.pix_fmt)):
                output.mux(packet)
        if stream is None:
            raise ValueError("expected at least one frame to encode, got none")
        for packet in stream.encode(None):
            output.mux(packet)


@same_priority()
def reencode(path: str | Path, codec: Codec, container: str, target: str | Path | IO[bytes]) -> None:
    """Transcodes a clip's video into another codec and container ("mp4", "webm", …). Times are kept."""
    with av.open(str(path)) as source, av.open(_openable(target), "w", format=container) as output:
        origin: Any = source.streams.video[0]
        rate = origin.average_rate or Fraction(30)
        stream: Any = output.add_stream(ENCODERS[codec], rate=rate)
        configure(stream.codec_context, codec, float(rate), round(rate), 0, None)
        stream.width, stream.height = origin.codec_context.width, origin.codec_context.height
        stream.time_base = stream.codec_context.time_base = Fraction(1, RTP_CLOCK_HZ)
        for frame in source.decode(origin):
            time = frame.pts * frame.time_base
            picture = frame.reformat(format=stream.pix_fmt, dst_color_range=color_range(codec))
            picture.pts = round(time * RTP_CLOCK_HZ)
            picture.time_base = Fraction(1, RTP_CLOCK_HZ)
            picture.pict_type = 0
            for packet in stream.encode(picture):
                output.mux(packet)
        for packet in stream.encode(None):
            output.mux(packet)


_STREAM_NAMES = {
    Codec.H264: "h264",
    Codec.H265: "hevc",
    Codec.VP8: "vp8",
    Codec.VP9: "vp9",
    Codec.AV1: "av1",
    Codec.MJPEG: "mjpeg",
    Codec.JPEG: "mjpeg",
    Codec.PNG: "png",
}
_BY_FFMPEG_NAME = {
    "h264": Codec.H264,
    "hevc": Codec.H265,
    "vp8": Codec.VP8,
    "vp9": Codec.VP9,
    "libdav1d": Codec.AV1,
    "av1": Codec.AV1,
    "mjpeg": Codec.MJPEG,
    "png": Codec.PNG,
}
_CONTAINERS = {".mp4": "mp4", ".webm": "webm", ".mkv": "matroska"}


def _packets(codec: Codec, packets: Iterable[Any]) -> list[EncodedPacket]:
    return [
        EncodedPacket(packet.pts, RTP_CLOCK_HZ, is_keyframe(codec, payload), payload)
        for packet in packets
        if (payload := bytes(packet))
    ]


def _encode_stills(frames: Iterable[NDArray[np.uint8]], codec: Codec, fps: float) -> EncodedClip:
    suffix, options = (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 92]) if codec is Codec.JPEG else (".png", [])
    packets = []
    width = height = 0
    for index, frame in enumerate(frames):
        height, width = frame.shape[:2]
        encoded = cv2.imencode(suffix, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options)[1]
        packets.append(
            EncodedPacket(round(index * RTP_CLOCK_HZ / fps), RTP_CLOCK_HZ, True, encoded.tobytes())
        )
    if not packets:
        raise ValueError("expected at least one frame to encode, got none")
    return EncodedClip(codec, b"", packets, width, height, fps)


def _remux(clip: EncodedClip, path: Path, container: str) -> None:
    # PyAV copies a stream's extradata only from another stream, so H.264 and H.265 are first made an Annex B file in
    # memory.
    template: Any = None
    payloads = [packet.payload for packet in clip.packets]
    if clip.codec in (Codec.H264, Codec.H265):
        payloads = _annex_b(clip)
        template = av.open(io.BytesIO(b"".join(payloads)), format=_STREAM_NAMES[clip.codec])
    with av.open(str(path), "w", format=container) as output:
        stream: Any
        if template is not None:
            stream = output.add_stream_from_template(template.streams.video[0])
        else:
            rate = Fraction(clip.fps).limit_denominator(1001)
            stream = output.add_mux_stream(
                _STREAM_NAMES[clip.codec], rate=rate, width=clip.width, height=clip.height
            )
        stream.time_base = Fraction(1, RTP_CLOCK_HZ)
        times = sorted(packet.pts for packet in clip.packets)
        # A muxer needs rising dts that are at most their pts. These are the sorted presentation times, all earlier by
        # the largest delay between decoding and presentation.
        delay = max(time - packet.pts for time, packet in zip(times, clip.packets, strict=True))
        for time, packet, payload in zip(times, clip.packets, payloads, strict=True):
            unit = av.Packet(payload)
            unit.stream = stream
            unit.time_base = Fraction(1, packet.clock_hz)
            unit.pts = packet.pts
            unit.dts = time - delay
            unit.is_keyframe = packet.keyframe
            output.mux(unit)
    if template is not None:
        template.close()


def _annex_b(clip: EncodedClip) -> list[bytes]:
    # Replaces lengths by start codes, and puts the record's parameter sets before the first unit.
    length_size = nal_length_size(clip.codec, clip.extradata)
    if length_size == 0:
        return [packet.payload for packet in clip.packets]
    units = [split_length_prefixed(memoryview(packet.payload), length_size) or [] for packet in clip.packets]
    payloads = [b"".join(START_CODE + bytes(nal) for nal in unit) for unit in units]
    sets = b"".join(START_CODE + nal for nal in parameter_sets(clip.codec, clip.extradata))
    return [sets + payloads[0], *payloads[1:]]


def _openable(source: str | Path | IO[bytes]) -> Any:
    return str(source) if isinstance(source, str | Path) else source
