"""Single JPEG and PNG pictures, turned upright by their EXIF orientation."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gifcue.errors import MediaError
from gifcue.media.codecs import JPEG_START, PNG_START
from gifcue.media.decoder import Decoder
from gifcue.media.guard import MAX_JPEG_SEGMENTS
from gifcue.media.picture import Converter
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason

_EXIF_ORIENTATION = 0x0112
# The orientation of a picture that is shown as it is stored.
UPRIGHT = 1
_JPEG_APP1 = 0xE1
_JPEG_SCAN = 0xDA
# Start of frame: all of SOF0 to SOF15 but the markers of other uses among them (ITU-T T.81, table B.1).
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PNG_SIZE_AT = 16

# Files that are often sent by mistake, by their first bytes.
_KNOWN = (
    (b"GIF8", "a GIF"),
    (b"%PDF", "a PDF"),
    (b"BM", "a BMP"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"\x1a\x45\xdf\xa3", "a WebM or Matroska file"),
)


class Still(NamedTuple):
    """`rgb` is `height x width x 3`, upright and scaled; `source_*` the size before scaling, upright too."""

    rgb: NDArray[np.uint8]
    source_width: int
    source_height: int


def decode_still(data: bytes, max_pixels: int) -> NDArray[np.uint8]:
    """Decodes a JPEG or PNG of at most `max_pixels` to RGB, `height x width x 3`, upright by its EXIF
    orientation.

    Raises:
        MediaError: EMPTY_PAYLOAD, INVALID_DATA (neither, or damaged), RESOLUTION_TOO_LARGE.
    """
    return scaled_still(data, max_pixels, 1 << 16, 1 << 16).rgb


def scaled_still(data: bytes, max_pixels: int, long_side: int, short_side: int) -> Still:
    """As `decode_still`, scaled down to fit `long_side x short_side` in the picture's own orientation."""
    codec = still_codec(data)
    decoded = Decoder(codec, b"", max_pixels).decode(data, 0.0)
    if decoded is None:
        raise MediaError(DropReason.INVALID_DATA, f"expected a {codec} with a picture, got one without")
    frame: Any = decoded.frame
    orientation = exif_orientation(data) if codec is Codec.JPEG else UPRIGHT
    rgb = _upright(Converter(long_side, short_side).array(frame), orientation)
    width, height = frame.width, frame.height
    if orientation >= 5:
        width, height = height, width
    return Still(rgb, width, height)


def announced_pixels(data: bytes) -> int:
    """Width times height as the header of a JPEG or PNG says; 0 where it says nothing."""
    if data.startswith(PNG_START):
        if len(data) < _PNG_SIZE_AT + 8:
            return 0
        width, height = struct.unpack_from(">II", data, _PNG_SIZE_AT)
        return int(width * height)
    at = 2
    for _ in range(MAX_JPEG_SEGMENTS):
        if at + 9 > len(data) or data[at] != 0xFF or data[at + 1] == _JPEG_SCAN:
            return 0
        if data[at + 1] in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return int(width * height)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0


def still_codec(data: bytes) -> Codec:
    """JPEG or PNG, by the first bytes. Raises MediaError saying what came where it is neither."""
    if not data:
        raise MediaError(DropReason.EMPTY_PAYLOAD, "expected a JPEG or PNG, got 0 bytes")
    if data.startswith(JPEG_START):
        return Codec.JPEG
    if data.startswith(PNG_START):
        return Codec.PNG
    raise MediaError(DropReason.INVALID_DATA, f"expected a JPEG or PNG, got {_describe(data)}")


def exif_orientation(jpeg: bytes) -> int:
    """The EXIF orientation of a JPEG, 1..8; 1 (as it is) where it has none or an invalid one."""
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] != _JPEG_SCAN:
        size = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if jpeg[at + 1] == _JPEG_APP1 and jpeg[at + 4 : at + 10] == b"Exif\0\0":
            return _tiff_orientation(jpeg[at + 10 : at + 2 + size])
        at += 2 + size
    return UPRIGHT


def _tiff_orientation(tiff: bytes) -> int:
    order: Any = {b"II": "little", b"MM": "big"}.get(tiff[:2])
    if order is None:
        return UPRIGHT
    at = int.from_bytes(tiff[4:8], order)
    count = int.from_bytes(tiff[at : at + 2], order)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(tiff) - 11), 12):
        if int.from_bytes(tiff[entry : entry + 2], order) == _EXIF_ORIENTATION:
            value = int.from_bytes(tiff[entry + 8 : entry + 10], order)
            return value if 1 <= value <= 8 else UPRIGHT
    return UPRIGHT


def _upright(rgb: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    # EXIF 2.32, tag 0x0112: 5 to 8 are 1 to 4 with rows and columns exchanged.
    if orientation >= 5:
        rgb = rgb.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
    return np.ascontiguousarray(rgb)


def _describe(data: bytes) -> str:
    for start, name in _KNOWN:
        if data.startswith(start):
            return name
    if data[4:8] == b"ftyp":
        return "an MP4, HEIC or AVIF file"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "a WebP"
    head = data[:64]
    if all(byte in (9, 10, 13) or 32 <= byte < 127 for byte in head):
        return "text"
    return f"{len(data)} bytes that begin with {data[:4].hex()}"
