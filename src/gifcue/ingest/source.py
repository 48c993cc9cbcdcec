"""Files, URLs and cameras as encoded packets: what a media server would send of them.

Packets are the source's own, as the demuxer gives them, in decoding order; nothing is decoded. Only a camera
that gives raw pictures has them encoded here, as Motion JPEG, because the wire carries encoded video alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import av
import av.error

from gifcue.client.exceptions import SourceError
from gifcue.protocol.codecs import Codec

# The wire's `clock_hz` goes up to here, ticks a second.
MAX_CLOCK_HZ = 1_000_000_000
RTP_CLOCK_HZ = 90_000

# For streams that tell neither times nor a rate, frames a second.
ASSUMED_FPS = 25

# Seconds that a URL may take to answer, and then between two packets.
URL_TIMEOUT_S = 15.0

# Motion JPEG of raw pictures: FFmpeg's quantiser, 2 (best) .. 31. 4 keeps the small hands.
MJPEG_QUANTISER = 4

_DEVICE_FORMATS = ("v4l2", "avfoundation", "dshow")
_RAW = "rawvideo"

_CODECS = {
    "h264": Codec.H264,
    "hevc": Codec.H265,
    "vp8": Codec.VP8,
    "vp9": Codec.VP9,
    "av1": Codec.AV1,
    "mjpeg": Codec.MJPEG,
    "png": Codec.PNG,
}
# A VP8, VP9 or Motion JPEG stream is whole without the container's header, and VP9's says nothing that a
# decoder reads.
_WITH_EXTRADATA = (Codec.H264, Codec.H265, Codec.AV1)


@dataclass(frozen=True, slots=True)
class EncodedPacket:
    """One access unit. `pts` counts ticks of `clock_hz`; `due_s` after the first packet it is to be sent."""

    payload: bytes
    pts: int
    clock_hz: int
    keyframe: bool
    due_s: float


def open_source(where: str, loop: bool = False) -> MediaSource:
    """Opens a file, a URL (rtsp, http, …) or a camera ("/dev/video0", "avfoundation:0", "dshow:video=…").

    With `loop` it begins anew at its end, times going on. SourceError where it cannot be opened, has no
    video, or its codec is none of the wire's.
    """
    return MediaSource(where, loop)


class MediaSource:
    """An open source: iterate over it once, and close it (or use it with `with`). One thread at a time."""

    def __init__(self, where: str, loop: bool = False) -> None:
        self._where = where
        self._loop = loop
        self._container = _open(where)
        try:
            self._stream = _video_of(self._container, where)
            name = self._stream.codec_context.codec.canonical_name
            self._encoder: _MotionJpeg | None = None
            if name == _RAW:
                self._encoder = _MotionJpeg()
                self._codec = Codec.MJPEG
            elif name in _CODECS:
                self._codec = _CODECS[name]
            else:
                known = ", ".join(_CODECS)
                raise SourceError(f"expected video of {known} or raw pictures in {where}, got {name}")
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file, connection or camera."""
        self._container.close()

    @property
    def where(self) -> str:
        """What was opened."""
        return self._where

    @property
    def codec(self) -> Codec:
        """The codec of every packet."""
        return self._codec

    @property
    def extradata(self) -> bytes:
        """The codec's own header for the join; empty where every keyframe carries it."""
        if self._codec not in _WITH_EXTRADATA:
            return b""
        return bytes(self._stream.codec_context.extradata or b"")

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self._stream.codec_context.width)

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self._stream.codec_context.height)

    @property
    def fps(self) -> float:
        """Frames a second on average, 0 where the source does not tell."""
        return float(self._stream.average_rate or 0)

    @property
    def duration_s(self) -> float | None:
        """Seconds, None where there is no end or none is told."""
        if self.live or self._loop or self._container.duration is None:
            return None
        return float(self._container.duration / av.time_base)

    @property
    def live(self) -> bool:
        """True where packets come as they happen, so that nobody need pace them."""
        return is_live(self._where)

    def __iter__(self) -> Iterator[EncodedPacket]:
        times = _Times(self._stream)
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    # The demuxer ends with an empty packet, which tells a decoder to drain: it is not video.
                    if not packet.size:
                        continue
                    yield from self._packets(packet, times)
            except (av.error.FFmpegError, OSError) as error:
                raise SourceError(f"expected more video from {self._where}, got: {_reason(error)}") from error
            if not self._loop or times.count == 0:
                return
            times.next_round()
            self._reopen()

    def _packets(self, packet: Any, times: _Times) -> Iterator[EncodedPacket]:
        if self._encoder is None:
            yield times.packet(packet, bytes(packet), packet.is_keyframe or self._codec.is_intra_only)
            return
        for frame in packet.decode():
            payload = self._encoder.encode(frame)
            yield times.packet(packet, payload, True)

    def _reopen(self) -> None:
        self._container.close()
        self._container = _open(self._where)
        self._stream = _video_of(self._container, self._where)


class _Times:
    """Turns a stream's own times into the wire's, going on across rounds of a loop."""

    def __init__(self, stream: Any) -> None:
        self._frame_s = 1 / Fraction(stream.average_rate or ASSUMED_FPS)
        self._offset_s = Fraction(0)  # where this round begins
        self._first_s: Fraction | None = None
        self._end_s = Fraction(0)  # of this round
        self._origin_s: Fraction | None = None  # the time of the very first packet's decoding
        self._due_s = 0.0
        self.count = 0

    def packet(self, packet: Any, payload: bytes, keyframe: bool) -> EncodedPacket:
        """The packet with its times."""
        base: Fraction | None = packet.time_base
        pts_s = self._end_s if packet.pts is None or base is None else packet.pts * base
        dts_s = pts_s if packet.dts is None or base is None else packet.dts * base
        if self._first_s is None:
            self._first_s = pts_s
        length_s = packet.duration * base if packet.duration and base is not None else self._frame_s
        self._end_s = max(self._end_s, pts_s + length_s)
        if self._origin_s is None:
            self._origin_s = dts_s
        # Sent in decoding order, never earlier than the one before, however odd the source's times are.
        self._due_s = max(self._due_s, float(dts_s - self._origin_s + self._offset_s))
        clock_hz = RTP_CLOCK_HZ if base is None or base.denominator > MAX_CLOCK_HZ else base.denominator
        self.count += 1
        return EncodedPacket(
            payload=payload,
            pts=round((pts_s + self._offset_s) * clock_hz),
            clock_hz=clock_hz,
            keyframe=keyframe,
            due_s=self._due_s,
        )

    def next_round(self) -> None:
        """The source begins anew: its first frame comes where the last one ended."""
        if self._first_s is not None:
            self._offset_s += self._end_s - self._first_s
        self._first_s = None
        self._end_s = Fraction(0)


class _MotionJpeg:
    """Encodes raw pictures one by one."""

    def __init__(self) -> None:
        self._context: Any = None
        self._shape = (0, 0)

    def encode(self, frame: Any) -> bytes:
        """One JPEG picture."""
        shape = (frame.width, frame.height)
        if self._context is None or shape != self._shape:
            self._context = av.CodecContext.create("mjpeg", "w")
            self._context.width, self._context.height = self._shape = shape
            self._context.pix_fmt = "yuvj420p"
            self._context.time_base = Fraction(1, RTP_CLOCK_HZ)
            self._context.options = {"qmin": str(MJPEG_QUANTISER), "qmax": str(MJPEG_QUANTISER)}
            self._context.thread_count = 1
        picture = frame.reformat(format="yuvj420p", dst_color_range=2)
        picture.pts = None
        return b"".join(bytes(packet) for packet in self._context.encode(picture))


def is_live(where: str) -> bool:
    """True for a camera or a stream that runs in its own time."""
    if _device_of(where) is not None:
        return True
    return where.partition("://")[0].lower() in ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "srt")


def _device_of(where: str) -> tuple[str, str] | None:
    """FFmpeg's input format and the device's name, None for what is no camera."""
    if where.startswith("/dev/"):
        return "v4l2", where
    name, colon, device = where.partition(":")
    if colon and name in _DEVICE_FORMATS:
        return name, device
    return None


def _open(where: str) -> Any:
    device = _device_of(where)
    try:
        if device is not None:
            return av.open(device[1], format=device[0])
        if "://" in where:
            # UDP loses packets of a big keyframe on the first busy router.
            options = {"rtsp_transport": "tcp"} if where.lower().startswith("rtsp") else {}
            return av.open(where, options=options, timeout=URL_TIMEOUT_S)
        return av.open(where)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        what = "a camera" if device is not None else "a media file, URL or camera"
        raise SourceError(f"expected {what} at {where}, got: {_reason(error)}") from error


def _video_of(container: Any, where: str) -> Any:
    for stream in container.streams.video:
        # The cover of a song is a video stream of one picture.
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise SourceError(f"expected a video stream in {where}, got {kinds}")


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)
