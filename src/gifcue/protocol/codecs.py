"""The codecs of the wire."""

from __future__ import annotations

import enum

# Ticks a second of `pts` where a sender names no clock: the RTP clock of video.
RTP_CLOCK_HZ = 90_000
# The largest `clock_hz`, in ticks a second.
MAX_CLOCK_HZ = 1_000_000_000
# Degrees clockwise by which a picture can be turned.
ROTATIONS = (0, 90, 180, 270)
MAX_TEMPORAL_LAYER = 7


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
