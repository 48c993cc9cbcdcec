"""The codecs of the wire."""

from __future__ import annotations

import enum

# Ticks a second of `pts` where a sender names no clock: the RTP clock of video.
RTP_CLOCK_HZ = 90_000


class Codec(enum.StrEnum):
    """How a participant's payloads are encoded. The wire's names are `CODEC_<NAME>`."""

    H264 = "h264"
    H265 = "h265"
    VP8 = "vp8"
    VP9 = "vp9"
    AV1 = "av1"
    MJPEG = "mjpeg"
    JPEG = "jpeg"
    PNG = "png"

    @property
    def is_intra_only(self) -> bool:
        """True where every payload can be decoded alone, so that a decoder never waits for a keyframe."""
        return self in (Codec.MJPEG, Codec.JPEG, Codec.PNG)
