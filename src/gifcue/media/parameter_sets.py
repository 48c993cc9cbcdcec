"""What a sequence parameter set of H.264 or H.265 says of the memory that its pictures take.

The bytes are a stranger's. Every loop is bounded, and what does not parse is no parameter set. FFmpeg reads the same
bytes with stricter eyes: a set that only this module accepts costs nothing, because FFmpeg refuses its pictures.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gifcue.errors import MediaError
from gifcue.media.bits import BitReader
from gifcue.media.codecs import MAX_NAL_UNITS, nal_length_size, parameter_sets
from gifcue.protocol.codecs import Codec
from gifcue.protocol.reasons import DropReason

MAX_REFERENCES = 16  # ITU-T H.264 A.3.1, ITU-T H.265 A.4.2
# Sequence parameter sets of one payload; H.264 has 32 numbers for them, encoders use one. A payload with more is
# refused: FFmpeg would use those that were not read.
MAX_SETS = 32

_H264_SPS = 7
_H265_SPS = 33
# Profiles with chroma_format_idc in the set (ITU-T H.264, 7.3.2.1.1).
_H264_HIGH = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
_H264_BASELINE = 66  # without B pictures
_EXTENDED_SAR = 255
# The start code and the header's first byte. Whatever the other bits of the header are, FFmpeg reads it as a set.
_H264_START = re.compile(rb"\x00\x00\x01[\x07\x27\x47\x67]")
_H265_START = re.compile(rb"\x00\x00\x01[\x42\x43]")


class PictureShape(NamedTuple):
    """`chroma` is chroma_format_idc: 0 is grey, 1 to 3 are 4:2:0, 4:2:2 and 4:4:4. `pictures` are those that a decoder
    keeps at once at most: references, and those that wait for their turn to be shown.
    """

    width: int
    height: int
    chroma: int
    bit_depth: int
    pictures: int


def shapes_in(codec: Codec, payload: bytes, length_size: int = 0) -> list[PictureShape]:
    """The shapes of the sequence parameter sets of an access unit.

    `length_size` is the number of bytes of the length before each NAL unit, 0 for Annex B. Where there are lengths,
    start codes count too: FFmpeg looks for them within and behind units whose lengths do not add up.

    Raises:
        MediaError: INVALID_DATA, where there are more than `MAX_SETS`.
    """
    return _shapes(codec, _prefixed(codec, payload, length_size) if length_size else _annex_b(codec, payload))


def shapes_of_extradata(codec: Codec, extradata: bytes) -> list[PictureShape]:
    """The same of an avcC or hvcC record, or Annex B."""
    if not nal_length_size(codec, extradata):
        return shapes_in(codec, extradata)
    try:
        return _shapes(codec, (nal for nal in parameter_sets(codec, extradata) if _is_set(codec, nal)))
    except IndexError:
        return []


def shape_of(codec: Codec, nal: bytes) -> PictureShape | None:
    """The shape that one sequence parameter set states; None where it is damaged."""
    try:
        return _h264(BitReader(nal[1:])) if codec is Codec.H264 else _h265(BitReader(nal[2:]))
    except ValueError:
        return None


def _shapes(codec: Codec, sets: Iterable[bytes]) -> list[PictureShape]:
    found = list(itertools.islice(sets, MAX_SETS + 1))
    if len(found) > MAX_SETS:
        message = f"expected at most {MAX_SETS} sequence parameter sets in a payload, got more"
        raise MediaError(DropReason.INVALID_DATA, message)
    shapes = (shape_of(codec, nal) for nal in found)
    return [shape for shape in shapes if shape is not None]


def _is_set(codec: Codec, nal: bytes | memoryview) -> bool:
    """True for a sequence parameter set."""
    if not nal:
        return False
    return nal[0] & 0x1F == _H264_SPS if codec is Codec.H264 else (nal[0] >> 1) & 0x3F == _H265_SPS


def _prefixed(codec: Codec, payload: bytes, length_size: int) -> Iterator[bytes]:
    # As far as the lengths can be followed: FFmpeg ignores bytes that are left over at the end. The lengths themselves
    # are left out, since one of 256 to 511 bytes looks like a start code.
    at = 0
    for _ in range(MAX_NAL_UNITS):
        start = at + length_size
        end = start + int.from_bytes(payload[at:start], "big")
        if start >= len(payload) or end > len(payload):
            break
        if _is_set(codec, payload[start : start + 1]):
            yield payload[start:end]
        yield from _annex_b(codec, payload, start, end)
        at = end
    yield from _annex_b(codec, payload, at)


def _annex_b(codec: Codec, payload: bytes, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    stop = len(payload) if stop is None else stop
    for found in (_H264_START if codec is Codec.H264 else _H265_START).finditer(payload, start, stop):
        end = payload.find(b"\0\0\1", found.end(), stop)
        yield payload[found.end() - 1 : end if end >= 0 else stop]


def _h264(read: BitReader) -> PictureShape:
    # ITU-T H.264, 7.3.2.1.1
    profile = read.u(8)
    read.skip(16)
    read.ue()
    chroma, depth = 1, 8
    if profile in _H264_HIGH:
        chroma = read.ue()
        if chroma == 3:
            read.skip(1)
        depth = 8 + max(read.ue(), read.ue())
        read.skip(1)
        if read.flag():
            for index in range(12 if chroma == 3 else 8):
                if read.flag():
                    _skip_scaling_list(read, 16 if index < 6 else 64)
    read.ue()
    order = read.ue()
    if order == 0:
        read.ue()
    elif order == 1:
        read.skip(1)
        read.se()
        read.se()
        for _ in range(_at_most(read.ue(), 255)):
            read.se()
    references = _at_most(read.ue(), MAX_REFERENCES)
    read.skip(1)
    width = 16 * (read.ue() + 1)
    map_units = read.ue() + 1
    is_frame_only = read.flag()
    height = 16 * map_units * (1 if is_frame_only else 2)
    if not is_frame_only:
        read.skip(1)
    read.skip(1)
    if read.flag():
        for _ in range(4):
            read.ue()
    # Without the statement below, a decoder learns from the pictures how many wait: at most as many as are kept.
    reordered = 0 if profile == _H264_BASELINE else references
    if read.flag():
        try:
            stated = _h264_reordered(read)
        except ValueError:
            # Encoders cut this part short, and FFmpeg takes what it has read.
            stated = None
        if stated is not None:
            reordered = stated
    return PictureShape(width, height, _at_most(chroma, 3), _at_most(depth, 16), references + reordered)


def _skip_scaling_list(read: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + read.se()) % 256
        last = following or last


def _h264_reordered(read: BitReader) -> int | None:
    """max_num_reorder_frames of the usability information; None where it is not stated (ITU-T H.264, E.1.1)."""
    if read.flag() and read.u(8) == _EXTENDED_SAR:
        read.skip(32)
    if read.flag():
        read.skip(1)
    if read.flag():
        read.skip(4)
        if read.flag():
            read.skip(24)
    if read.flag():
        read.ue()
        read.ue()
    if read.flag():
        read.skip(65)
    has_timing = False
    for _ in range(2):
        if read.flag():
            has_timing = True
            _skip_hrd(read)
    if has_timing:
        read.skip(1)
    read.skip(1)
    if not read.flag():
        return None
    read.skip(1)
    for _ in range(4):
        read.ue()
    return _at_most(read.ue(), MAX_REFERENCES)


def _skip_hrd(read: BitReader) -> None:
    count = _at_most(read.ue() + 1, 32)
    read.skip(8)
    for _ in range(count):
        read.ue()
        read.ue()
        read.skip(1)
    read.skip(20)


def _h265(read: BitReader) -> PictureShape:
    # ITU-T H.265, 7.3.2.2.1
    read.skip(4)
    layers = read.u(3)
    read.skip(1)
    _skip_profile_and_level(read, layers)
    read.ue()
    chroma = read.ue()
    if chroma == 3:
        read.skip(1)
    width, height = read.ue(), read.ue()
    if read.flag():
        for _ in range(4):
            read.ue()
    depth = 8 + max(read.ue(), read.ue())
    read.ue()
    pictures = 0
    for _ in range(layers + 1 if read.flag() else 1):
        # max_dec_pic_buffering_minus1: the picture that is decoded, the references and those that wait to be shown.
        pictures = max(pictures, _at_most(read.ue(), MAX_REFERENCES) + 1)
        read.ue()
        read.ue()
    return PictureShape(width, height, _at_most(chroma, 3), _at_most(depth, 16), pictures)


def _skip_profile_and_level(read: BitReader, layers: int) -> None:
    read.skip(96)
    if not layers:
        return
    present = [(read.flag(), read.flag()) for _ in range(layers)]
    read.skip(2 * (8 - layers))
    for has_profile, has_level in present:
        read.skip(88 * has_profile + 8 * has_level)


def _at_most(value: int, limit: int) -> int:
    """The value, which a sound set never states above the limit."""
    if value > limit:
        raise ValueError(f"expected at most {limit}, got {value}")
    return value
