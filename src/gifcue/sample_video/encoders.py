"""The encoders of sample clips: fast, in good quality, and with the same bytes on every machine."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from gifcue.protocol.codecs import RTP_CLOCK_HZ, Codec

# FFmpeg's names.
ENCODERS = {
    Codec.H264: "libx264",
    Codec.H265: "libx265",
    Codec.VP8: "libvpx",
    Codec.VP9: "libvpx-vp9",
    Codec.AV1: "libsvtav1",
    Codec.MJPEG: "mjpeg",
}


def color_range(codec: Codec) -> int:
    """swscale's number: 2 is full range, which JPEG always has; 1 is limited range, as in all other video."""
    return 2 if codec is Codec.MJPEG else 1


def configure(
    context: Any, codec: Codec, fps: float, keyframe_interval: int, b_frames: int, pixel_format: str | None
) -> None:
    """Sets the encoder up. `keyframe_interval` counts frames.

    Raises:
        ValueError: the codec is one of stills.
    """
    # With one thread, the bytes are the same on every machine.
    context.thread_count = 1
    context.gop_size = keyframe_interval
    context.framerate = Fraction(fps).limit_denominator(1001)
    context.pix_fmt = pixel_format or ("yuvj420p" if codec is Codec.MJPEG else "yuv420p")
    context.color_range = color_range(codec)
    match codec:
        case Codec.H264:
            context.max_b_frames = b_frames
            context.options = {
                "preset": "veryfast",
                "crf": "20",
                "x264-params": f"scenecut=0:keyint={keyframe_interval}:repeat-headers=1:bframes={b_frames}:b-adapt=0",
            }
            if b_frames == 0:
                context.options = {**context.options, "tune": "zerolatency"}
                if pixel_format in (None, "yuv420p"):
                    context.options = {**context.options, "profile": "baseline"}
        case Codec.H265:
            context.max_b_frames = b_frames
            context.options = {
                "preset": "ultrafast",
                "crf": "22",
                **({} if b_frames else {"tune": "zerolatency"}),
                "x265-params": f"log-level=none:info=0:scenecut=0:keyint={keyframe_interval}:repeat-headers=1:"
                f"pools=none:frame-threads=1:bframes={b_frames}:b-adapt=0",
            }
        case Codec.VP8 | Codec.VP9:
            context.bit_rate = 3_000_000
            context.options = {
                "deadline": "realtime",
                "cpu-used": "8",
                "lag-in-frames": "0",
                "auto-alt-ref": "0",
                "crf": "10" if codec is Codec.VP8 else "24",
            }
        case Codec.AV1:
            # The library reads this variable once and logs accordingly: 1 is errors only.
            os.environ.setdefault("SVT_LOG", "1")
            context.options = {
                "preset": "11",
                "crf": "30",
                "svtav1-params": f"pred-struct=1:rtc=1:lp=1:keyint={keyframe_interval}:scd=0",
            }
        case Codec.MJPEG:
            context.options = {"qmin": "3", "qmax": "3"}
        case Codec.JPEG | Codec.PNG:
            raise ValueError(f"expected a video codec, got {codec}, which is for stills")


def video_frame(frame: NDArray[np.uint8], index: int, fps: float, pixel_format: str) -> Any:
    """An RGB frame as the encoder takes it. `index` counts frames from 0."""
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    full = pixel_format.startswith("yuvj")
    picture = picture.reformat(format=pixel_format, dst_color_range=2 if full else 1)
    picture.pts = round(index * RTP_CLOCK_HZ / fps)
    picture.time_base = Fraction(1, RTP_CLOCK_HZ)
    return picture
