"""Files, URLs and cameras as encoded packets, as a media server would send them.

Packets are those of the source, as the demuxer returns them, in decoding order. Nothing is decoded. Only the raw
pictures of a camera are encoded here, as Motion JPEG, because the wire carries only encoded video.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import av
import av.error

from gifcue.ingest.opening import SourceError, is_live, open_container, reason, shown, video_of
from gifcue.ingest.orientation import rotation_of
from gifcue.protocol.codecs import MAX_CLOCK_HZ, RTP_CLOCK_HZ, Codec

# Frames a second of streams that state neither times nor a rate.
ASSUMED_FPS = 25

# FFmpeg's quantiser for raw pictures, 2 (best) to 31. At 4, hands far from the camera keep their detail.
MJPEG_QUANTISER = 4

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
# A VP8, VP9 or Motion JPEG stream needs no header of the container. VP9 has one, but decoders do not read it.
_WITH_EXTRADATA = (Codec.H264, Codec.H265, Codec.AV1)


@dataclass(frozen=True, slots=True)
class EncodedPacket:
    """One access unit. `pts` counts ticks of `clock_hz`.

    `due_s`: a source's packet is to be sent so many seconds after its first one. Packets of a clip in memory have 0.
    `rotation` is degrees clockwise that bring the picture upright.
    """

    pts: int
    clock_hz: int
    keyframe: bool
    payload: bytes
    due_s: float = 0.0
    rotation: int = 0


def open_source(where: str, loop: bool = False, track: int = 1) -> MediaSource:
    """Opens a file, "-" (standard input), a session description (".sdp"), a URL (rtsp, http, …) or a camera
    ("/dev/video0", "avfoundation:0", "dshow:video=…").

    With `loop` it starts again at its end, and times continue. `track` counts the video tracks from 1.

    Raises:
        SourceError: it cannot be opened, has no video, or the wire does not know its codec.
    """
    return MediaSource(where, loop, track)


class MediaSource:
    """An open source: iterate over it once, and close it (or use it with `with`). One thread at a time."""

    def __init__(self, where: str, loop: bool = False, track: int = 1) -> None:
        self._where = where
        self._loop = loop
        self._track = track
        self._container = open_container(where)
        try:
            self._stream = video_of(self._container, where, track)
            name = self._stream.codec_context.codec.canonical_name
            self._encoder: _MotionJpeg | None = None
            self._rotation: int | None = None  # None until a keyframe came
            if name == _RAW:
                self._encoder = _MotionJpeg()
                self._codec = Codec.MJPEG
            elif name in _CODECS:
                self._codec = _CODECS[name]
            else:
                known = ", ".join(_CODECS)
                raise SourceError(f"expected video of {known} or raw pictures in {shown(where)}, got {name}")
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
        """Closes the file, connection or camera."""
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
        """The codec's own header, for the join. Empty where every keyframe carries it."""
        if self._codec not in _WITH_EXTRADATA:
            return b""
        return bytes(self._stream.codec_context.extradata or b"")

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self._stream.codec_context.width)

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self._stream.codec_context.height)

    @property
    def fps(self) -> float:
        """Average frames a second; 0 where the source does not state it."""
        return float(self._stream.average_rate or 0)

    @property
    def duration_s(self) -> float | None:
        """Length in seconds; None where the source has no end or does not state it."""
        if self.live or self._loop or self._container.duration is None:
            return None
        return float(self._container.duration / av.time_base)

    @property
    def live(self) -> bool:
        """True where packets come when they are due, so that they need no pacing."""
        return is_live(self._where)

    def __iter__(self) -> Iterator[EncodedPacket]:
        times = _Times(self._stream)
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    # The demuxer ends with an empty packet, a signal for decoders. It is not video.
                    if not packet.size:
                        continue
                    yield from self._packets(packet, times)
            except (av.error.FFmpegError, OSError) as error:
                raise SourceError(
                    f"expected more video from {shown(self._where)}, got: {reason(error)}"
                ) from error
            if not self._loop or times.count == 0:
                return
            times.next_round()
            self._reopen()

    def _packets(self, packet: Any, times: _Times) -> Iterator[EncodedPacket]:
        if self._encoder is None:
            keyframe = packet.is_keyframe or self._codec.is_intra_only
            if self._rotation is None and keyframe:
                self._rotation = rotation_of(packet)
            yield times.packet(packet, bytes(packet), keyframe, self._rotation or 0)
            return
        for frame in packet.decode():
            payload = self._encoder.encode(frame)
            yield times.packet(packet, payload, True)

    def _reopen(self) -> None:
        self._container.close()
        self._container = open_container(self._where)
        self._stream = video_of(self._container, self._where, self._track)


class _Times:
    """Converts a stream's times to the wire's. They continue across the rounds of a loop."""

    def __init__(self, stream: Any) -> None:
        self._frame_s = 1 / Fraction(stream.average_rate or ASSUMED_FPS)
        self._offset_s = Fraction(0)  # start of this round
        self._first_s: Fraction | None = None
        self._end_s = Fraction(0)  # end of this round
        self._origin_s: Fraction | None = None  # decoding time of the very first packet
        self._due_s = 0.0
        self.count = 0

    def packet(self, packet: Any, payload: bytes, keyframe: bool, rotation: int = 0) -> EncodedPacket:
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
        # Packets are sent in decoding order, so none is due before the previous one, whatever the source's times are.
        self._due_s = max(self._due_s, float(dts_s - self._origin_s + self._offset_s))
        clock_hz = RTP_CLOCK_HZ if base is None or base.denominator > MAX_CLOCK_HZ else base.denominator
        self.count += 1
        return EncodedPacket(
            payload=payload,
            pts=round((pts_s + self._offset_s) * clock_hz),
            clock_hz=clock_hz,
            keyframe=keyframe,
            due_s=self._due_s,
            rotation=rotation,
        )

    def next_round(self) -> None:
        """The source starts again: its first frame follows the end of the last one."""
        if self._first_s is not None:
            self._offset_s += self._end_s - self._first_s
        self._first_s = None
        self._end_s = Fraction(0)


class _MotionJpeg:
    """Encodes raw pictures, each by itself."""

    def __init__(self) -> None:
        self._context: Any = None
        self._shape = (0, 0)

    def encode(self, frame: Any) -> bytes:
        """The picture as JPEG."""
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
