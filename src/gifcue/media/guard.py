"""Bounds on payloads that are cheap to send and expensive to decode. Nothing here decodes.

A progressive JPEG is decoded once per scan, over all of its blocks: two megabytes hold a hundred thousand scans. A PNG
carries text and profiles that unpack to a thousand times their size. FFmpeg keeps a record of some hundred bytes for
each NAL unit, of which two megabytes hold half a million. All are bounded before a decoder sees a byte. Scans and NAL
units are found by searches in C; no loop here runs once per byte.
"""

from __future__ import annotations

import re
import struct

from gifcue.errors import MediaError
from gifcue.media.codecs import MAX_NAL_UNITS, PNG_START
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason

# libjpeg's default progression has 10 scans in colour; encoders that optimise progressions stay below 30.
MAX_JPEG_SCANS = 64
# Tables, comments and application segments of one picture. A camera writes about 20; a large ICC profile or a preview
# is split into segments of 64 KiB, of which the largest accepted payload holds 32.
MAX_JPEG_SEGMENTS = 512
# Encoders write image data in chunks of 8 KiB or more: the largest accepted payload has 256.
MAX_PNG_CHUNKS = 4096

# The chunks that a picture's pixels depend on (PNG specification, 11.2 and 11.3.1.1). Text, colour profiles, times and
# everything else is not decoded by gifcue, and zTXt, iTXt and iCCP can unpack to any size.
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})

_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
# Markers without a length: TEM, RST0 to RST7, SOI (ITU-T T.81, table B.1).
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
# Within entropy-coded data 0xFF is followed by 0 (a stuffed byte), a restart marker or a fill byte. Anything else is
# the next marker.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def guarded(codec: Codec, payload: bytes) -> bytes:
    """The payload as a decoder may see it: PNG without its text and profiles, everything else as it came.

    Raises:
        MediaError: INVALID_DATA, where a JPEG has too many scans or segments, a PNG too many chunks or a cut one, or a
            picture of H.264 or H.265 too many NAL units.
    """
    match codec:
        case Codec.H264 | Codec.H265:
            if payload.count(b"\0\0\1") > MAX_NAL_UNITS:
                message = f"expected at most {MAX_NAL_UNITS} NAL units in a payload, got one with more"
                raise MediaError(DropReason.INVALID_DATA, message)
        case Codec.JPEG | Codec.MJPEG:
            check_jpeg(payload)
        case Codec.PNG:
            return essential_png(payload)
        case _:
            pass
    return payload


def check_jpeg(payload: bytes) -> None:
    """Counts scans and segments, without decoding.

    Bytes that are no JPEG, or a damaged one, pass: the decoder has better words for them.

    Raises:
        MediaError: INVALID_DATA, where it has more than `MAX_JPEG_SCANS` or `MAX_JPEG_SEGMENTS`.
    """
    at, scans = 2, 0
    for _ in range(MAX_JPEG_SEGMENTS):
        found = _NEXT_MARKER.search(payload, at)
        if found is None or payload[found.start() + 1] == _END_OF_IMAGE:
            return
        marker, at = payload[found.start() + 1], found.end()
        if marker in _STANDALONE:
            continue
        if marker == _START_OF_SCAN:
            scans += 1
            if scans > MAX_JPEG_SCANS:
                message = f"expected a JPEG of at most {MAX_JPEG_SCANS} scans, got one with more"
                raise MediaError(DropReason.INVALID_DATA, message)
        if at + 2 > len(payload):
            return
        at += int.from_bytes(payload[at : at + 2], "big")
    message = f"expected a JPEG of at most {MAX_JPEG_SEGMENTS} segments, got one with more"
    raise MediaError(DropReason.INVALID_DATA, message)


def essential_png(payload: bytes) -> bytes:
    """The same PNG with nothing but the chunks that its pixels depend on.

    Raises:
        MediaError: INVALID_DATA, where it has more than `MAX_PNG_CHUNKS`, or a chunk is longer than what is left.
    """
    if not payload.startswith(PNG_START):
        return payload
    kept = [PNG_START]
    at = len(PNG_START)
    for _ in range(MAX_PNG_CHUNKS):
        if at + 12 > len(payload):
            return b"".join(kept)
        (size,) = struct.unpack_from(">I", payload, at)
        end = at + 12 + size
        if end > len(payload):
            message = (
                f"expected a PNG chunk of at most {len(payload) - at - 12} bytes, got one that claims {size}"
            )
            raise MediaError(DropReason.INVALID_DATA, message)
        kind = payload[at + 4 : at + 8]
        if kind in _PNG_KEPT:
            kept.append(payload[at:end])
        if kind == b"IEND":
            return b"".join(kept)
        at = end
    raise MediaError(
        DropReason.INVALID_DATA, f"expected a PNG of at most {MAX_PNG_CHUNKS} chunks, got one with more"
    )
