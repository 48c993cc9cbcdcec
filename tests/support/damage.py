"""Damaged access units: truncated, with flipped bits, or with a header that declares a very large picture."""

from __future__ import annotations

import random
import struct
import zlib

from gifcue.media.codecs import VP8_START_CODE
from gifcue.protocol.codecs import Codec

_START_CODE = b"\0\0\0\1"
_H264_SPS = 7
_JPEG_SOF0 = b"\xff\xc0"


def truncated(payload: bytes, share: float) -> bytes:
    """The first `share` of a unit, at least 1 byte."""
    return payload[: max(1, int(len(payload) * share))]


def flipped(payload: bytes, rng: random.Random, bits: int = 3) -> bytes:
    """The unit with a few bits flipped anywhere in it."""
    damaged = bytearray(payload)
    for _ in range(bits):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def announcing(codec: Codec, keyframe: bytes, width: int, height: int) -> bytes:
    """A keyframe whose header declares `width x height`, otherwise unchanged: a resolution bomb.

    For H.264 (Annex B), VP8, JPEG and PNG; sides of H.264 in multiples of 16. Raises ValueError for others.
    """
    match codec:
        case Codec.H264:
            units = [unit for unit in keyframe.replace(_START_CODE, b"\0\0\1").split(b"\0\0\1") if unit]
            others = [unit for unit in units if unit[0] & 0x1F != _H264_SPS]
            return b"".join(_START_CODE + unit for unit in [_h264_sps(width, height), *others])
        case Codec.VP8:
            at = keyframe.index(VP8_START_CODE) + len(VP8_START_CODE)
            return keyframe[:at] + struct.pack("<HH", width, height) + keyframe[at + 4 :]
        case Codec.JPEG | Codec.MJPEG:
            at = keyframe.index(_JPEG_SOF0) + 5  # marker, length, precision
            return keyframe[:at] + struct.pack(">HH", height, width) + keyframe[at + 4 :]
        case Codec.PNG:
            header = b"IHDR" + struct.pack(">II", width, height) + keyframe[24:29]
            return keyframe[:12] + header + struct.pack(">I", zlib.crc32(header)) + keyframe[33:]
        case _:
            raise ValueError(f"expected h264, vp8, jpeg, mjpeg or png, got {codec}")


def _h264_sps(width: int, height: int) -> bytes:
    # Baseline, picture order count type 2, one reference, no cropping, no VUI: ITU-T H.264 7.3.2.1.1.
    fields = [0, 0, 2, 1]
    bits = (
        "".join(_ue(value) for value in fields)
        + "0"
        + _ue(width // 16 - 1)
        + _ue(height // 16 - 1)
        + "1100"
        + "1"
    )
    bits += "0" * (-len(bits) % 8)
    return bytes([0x67, 66, 0xC0, 62]) + int(bits, 2).to_bytes(len(bits) // 8, "big")


def _ue(value: int) -> str:
    # Exp-Golomb, ITU-T H.264 9.1.
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits
