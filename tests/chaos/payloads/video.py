"""Video that costs far more to take than to send."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable
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
    ramp = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None].repeat(height, 0).repeat(3, 2)
    options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x264-params": f"keyint=1000:ref={references}:level-force=0",
    }
    pictures = (np.roll(ramp, index * 64, axis=1) for index in range(frames))
    return _encoded("libx264", width, height, pixel_format, options, pictures)


@functools.cache
def noise(size_bytes: int = 2 * 1024 * 1024) -> bytes:
    """A 4K keyframe of H.264 that is all residuals, as large as the limit allows: the most work per byte."""
    width, height = 3840, 2160
    chance = np.random.default_rng(1)
    picture = chance.integers(68, 189, (height, width, 3)).astype(np.uint8)
    for quality in range(24, 52, 2):
        options = {"preset": "ultrafast", "crf": str(quality), "x264-params": "cabac=1:bframes=0:keyint=1"}
        (unit,) = _encoded("libx264", width, height, "yuv420p", options, [picture])
        if len(unit) <= size_bytes:
            return unit
    raise ValueError(f"expected a unit of at most {size_bytes} bytes at some quality, got {len(unit)}")


@functools.cache
def superframe() -> bytes:
    """A VP9 superframe of eight keyframes of 4K (annex B of the VP9 specification), 25 kB."""
    width, height = 3840, 2160
    options = {"deadline": "realtime", "cpu-used": "8", "crf": "40", "b": "0"}
    (key,) = _encoded(
        "libvpx-vp9", width, height, "yuv420p", options, [np.zeros((height, width, 3), np.uint8)]
    )
    # The marker: 110, two bits for the bytes of a size less one, three for the number of frames less one.
    marker = bytes([0b110_11_111])
    return key * 8 + marker + len(key).to_bytes(4, "little") * 8 + marker


def _encoded(
    encoder: str, width: int, height: int, pixel_format: str, options: dict[str, str], pictures: Iterable[Any]
) -> tuple[bytes, ...]:
    context: Any = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt = width, height, pixel_format
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
    context.thread_count = 2
    context.options = options
    units: list[bytes] = []
    for index, picture in enumerate(pictures):
        image = av.VideoFrame.from_ndarray(picture, format="rgb24")
        image.pts = index
        units += [bytes(packet) for packet in context.encode(image)]
    units += [bytes(packet) for packet in context.encode(None)]
    return tuple(units)


@functools.cache
def hidden_references() -> tuple[bytes, tuple[bytes, ...]]:
    """Extradata that states a picture of 64 x 64, and length-prefixed units of 4K with 16 references.

    A byte behind the last unit keeps the lengths from adding up, which FFmpeg ignores. A filler unit holds a recovery
    point behind a start code, so that the first unit looks like a keyframe all the same.
    """
    stated = [unit for unit in _nal_units(large(64, 64)[0]) if unit[0] & 0x1F in (7, 8)]
    sps, pps = stated[:2]
    extradata = bytes([1, *sps[1:4], 0xFF, 0xE1]) + struct.pack(">H", len(sps)) + sps
    extradata += b"\1" + struct.pack(">H", len(pps)) + pps
    filler = b"\x0c\xff\0\0\1\x06\x06\x01\xc4\x80"
    units = [_prefixed(_nal_units(unit)) for unit in large(3840, 2160, 18, 16, "yuv444p10le")]
    return extradata, (_prefixed([filler]) + units[0] + b"\0", *units[1:])


def crowded_references() -> tuple[bytes, ...]:
    """Units of 4K with 16 references whose parameter set stands behind 40 small ones."""
    small = next(unit for unit in _nal_units(large(64, 64)[0]) if unit[0] & 0x1F == 7)
    first, *others = large(3840, 2160, 18, 16, "yuv444p10le")
    return (b"\0\0\0\1" + small) * 40 + first, *others


def _nal_units(unit: bytes) -> list[bytes]:
    return [part for part in unit.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if part]


def _prefixed(nal_units: list[bytes]) -> bytes:
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in nal_units)


def many_small_nal_units(keyframe: bytes, size_bytes: int = 2 * 1024 * 1024) -> bytes:
    """Supplemental NAL units of one byte each, as many as fit, before a real keyframe (Annex B)."""
    unit = b"\0\0\1\x06"
    return unit * ((size_bytes - len(keyframe)) // len(unit)) + keyframe


def long_sei(keyframe: bytes, size_bytes: int = 2 * 1024 * 1024) -> bytes:
    """One supplemental message whose size is said in bytes of 255 as often as they fit (ITU-T H.264, 7.3.2.3.1)."""
    return b"\0\0\1\x06\x05" + b"\xff" * (size_bytes - len(keyframe) - 8) + b"\x80" + keyframe


def empty_obus(size_bytes: int = 2 * 1024 * 1024) -> bytes:
    """AV1 padding OBUs without a byte, as many as fit."""
    return b"\x7a\x00" * (size_bytes // 2)
