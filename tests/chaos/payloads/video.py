"""Video that costs far more to take than to send."""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Any

import av
import numpy as np


@functools.cache
def large(
    width: int = 3840,
    height: int = 2160,
    frames: int = 12,
    references: int = 1,
    pixel_format: str = "yuv420p",
) -> tuple[bytes, ...]:
    """H.264 access units of noise-free pictures, the first a keyframe, with `references` reference frames."""
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, pixel_format
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
    context.thread_count = 2
    context.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x264-params": f"keyint=1000:ref={references}:level-force=0",
    }
    units: list[bytes] = []
    ramp = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None].repeat(height, 0).repeat(3, 2)
    for index in range(frames):
        picture = av.VideoFrame.from_ndarray(np.roll(ramp, index * 64, axis=1), format="rgb24")
        picture.pts = index
        units += [bytes(packet) for packet in context.encode(picture)]
    units += [bytes(packet) for packet in context.encode(None)]
    return tuple(units)


def many_small_nal_units(keyframe: bytes, size_bytes: int = 2 * 1024 * 1024) -> bytes:
    """Supplemental NAL units of one byte each, as many as fit, before a real keyframe (Annex B)."""
    unit = b"\0\0\1\x06"
    return unit * ((size_bytes - len(keyframe)) // len(unit)) + keyframe
