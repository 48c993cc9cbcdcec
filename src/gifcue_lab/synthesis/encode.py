"""Encodes frames as a media server would: no B frames, a constant rate, a keyframe every few seconds.

In: RGB frames, uint8 [H, W, 3], and the `Video` parameters. Out: an MP4 or WebM file. Encoders run on one thread, so
the same frames give the same bytes on the same builds of the encoders.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from gifcue_lab.synthesis.script import Video
from gifcue_lab.training.samples import Image

SUFFIXES = {"h264": ".mp4", "vp8": ".webm"}
_ENCODERS = {"h264": "libx264", "vp8": "libvpx"}
_CONTAINERS = {"h264": "mp4", "vp8": "webm"}
# Seconds of video in the rate control's buffer, as much as a jitter buffer holds.
BUFFER_S = 1.0


def write_video(frames: Iterable[Image], path: Path, video: Video) -> None:
    """Writes frames of the video's size to a file, whose suffix must be the codec's in `SUFFIXES`."""
    with av.open(str(path), "w", format=_CONTAINERS[video.codec]) as output:
        stream: Any = output.add_stream(_ENCODERS[video.codec], rate=video.fps)
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
        context = stream.codec_context
        context.thread_count = 1
        context.bit_rate = video.bits_per_s
        context.gop_size = round(video.keyframe_s * video.fps)
        context.time_base = Fraction(1, video.fps)
        context.color_range = 1  # limited, as usual in video
        context.options = _options(video)
        for number, frame in enumerate(frames):
            # OpenCV converts to BT.601 with limited range, ten times faster than FFmpeg.
            planes = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420), np.uint8)
            picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, video.fps)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))


def _options(video: Video) -> dict[str, str]:
    rate = str(video.bits_per_s)
    buffer = str(round(video.bits_per_s * BUFFER_S))
    if video.codec == "vp8":
        return {
            "deadline": "realtime",
            "cpu-used": "12",
            "lag-in-frames": "0",
            "auto-alt-ref": "0",
            "maxrate": rate,
            "bufsize": buffer,
        }
    keyframes = round(video.keyframe_s * video.fps)
    return {
        "preset": "superfast",
        "tune": "zerolatency",
        "profile": "baseline",
        "maxrate": rate,
        "bufsize": buffer,
        "x264-params": f"keyint={keyframes}:scenecut=0:repeat-headers=1:bframes=0",
    }
