"""The bitstreams of the codecs: FFmpeg's decoders, keyframes, NAL units and extradata."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from gifcue.protocol.codecs import Codec

# FFmpeg's own VP8 and VP9 decoders are faster than libvpx. Its AV1 decoder needs hardware, so AV1 is decoded by dav1d.
FFMPEG_DECODERS = {
    Codec.H264: "h264",
    Codec.H265: "hevc",
    Codec.VP8: "vp8",
    Codec.VP9: "vp9",
    Codec.AV1: "libdav1d",
    Codec.MJPEG: "mjpeg",
    Codec.JPEG: "mjpeg",
    Codec.PNG: "png",
}

H264_PARAMETER_SETS = {7, 8}
H265_PARAMETER_SETS = {33, 34}
H264_IDR_SLICE = 5  # nal_unit_type, ITU-T H.264 table 7-1
H264_SEI = 6
SEI_RECOVERY_POINT = 6  # payloadType, ITU-T H.264 D.1.1: encoders of gradual refresh never send an IDR
H265_IRAP_FIRST = 16  # BLA, IDR and CRA: ITU-T H.265 table 7-1
H265_IRAP_LAST = 21
AV1_OBU_SEQUENCE_HEADER = 1
VP9_FRAME_MARKER = 2
VP9_SUPERFRAME_MARKER = 0b110
VP8_START_CODE = b"\x9d\x01\x2a"
JPEG_START = b"\xff\xd8"
PNG_START = b"\x89PNG\r\n\x1a\n"

# Bounds on what is inspected of one payload: the loops below are Python, and a sender chooses how often they run.
# Slices limited to a network packet of 1,200 bytes make 1,750 NAL units of the largest accepted payload.
MAX_NAL_UNITS = 4096
# Parameter sets, delimiters and messages come before the first slice: encoders send fewer than ten.
MAX_LEADING_NAL_UNITS = 64
# A recovery point is a message of 2 to 4 bytes; what comes before it in the same unit is short.
MAX_SEI_BYTES = 1024
# A temporal unit begins with a delimiter, the sequence header and metadata.
MAX_LEADING_OBUS = 64


def is_keyframe(codec: Codec, payload: bytes | memoryview) -> bool:
    """True where a new decoder, given the extradata alone, can start with this payload.

    Reads a few header bytes only, so it tells what the payload claims to be, not that it is intact. Payloads of
    H.264 and H.265 may be Annex B or length-prefixed (avcC, hvcC). Never raises.
    """
    if len(payload) == 0:
        return False
    view = memoryview(payload)
    match codec:
        case Codec.H264:
            return any(_h264_starts(nal) for nal in _leading_nal_units(codec, view))
        case Codec.H265:
            return any(
                H265_IRAP_FIRST <= (nal[0] >> 1) & 0x3F <= H265_IRAP_LAST
                for nal in _leading_nal_units(codec, view)
            )
        case Codec.VP8:
            return view[0] & 1 == 0 and view[3:6] == VP8_START_CODE
        case Codec.VP9:
            return _vp9_is_keyframe(view[0])
        case Codec.AV1:
            return _av1_has_sequence_header(view)
        case Codec.PNG:
            return view[:8] == PNG_START
        case Codec.MJPEG | Codec.JPEG:
            return view[:2] == JPEG_START


def brings_parameter_sets(codec: Codec, payload: bytes | memoryview) -> bool:
    """True for a unit of H.264 or H.265 with sequence and picture parameter sets of its own. Never raises."""
    view = memoryview(payload)
    if codec is Codec.H264:
        return {nal[0] & 0x1F for nal in _leading_nal_units(codec, view)} >= H264_PARAMETER_SETS
    if codec is Codec.H265:
        return {(nal[0] >> 1) & 0x3F for nal in _leading_nal_units(codec, view)} >= H265_PARAMETER_SETS
    return False


def nal_length_size(codec: Codec, extradata: bytes) -> int:
    """Bytes of the length before each NAL unit where `extradata` is an avcC or hvcC record; 0 for Annex B."""
    if codec is Codec.H264 and len(extradata) >= 7 and extradata[0] == 1:
        return (extradata[4] & 3) + 1
    if codec is Codec.H265 and len(extradata) >= 23 and extradata[:3] not in (b"\0\0\0", b"\0\0\1"):
        return (extradata[21] & 3) + 1
    return 0


def split_length_prefixed(payload: memoryview, length_size: int = 4) -> list[memoryview] | None:
    """The NAL units of a length-prefixed access unit, or None where the lengths do not add up to its size, or it has
    more than `MAX_NAL_UNITS`.
    """
    units: list[memoryview] = []
    at = 0
    while at < len(payload):
        if len(units) == MAX_NAL_UNITS:
            return None
        start = at + length_size
        length = int.from_bytes(payload[at:start], "big")
        at = start + length
        if length == 0 or at > len(payload):
            return None
        units.append(payload[start:at])
    return units


def extradata_fault(codec: Codec, extradata: bytes) -> str | None:
    """Why `extradata` cannot be the codec's, as an error message; None where it can be. Empty extradata always can.

    H.264 and H.265: an avcC or hvcC record whose lengths add up, or Annex B. The other codecs need none;
    what is sent for them goes to the decoder as it is.
    """
    if not extradata or codec not in (Codec.H264, Codec.H265):
        return None
    if bytes(extradata[:3]) in (b"\0\0\0", b"\0\0\1"):
        return None
    record = "an avcC" if codec is Codec.H264 else "an hvcC"
    if not nal_length_size(codec, extradata) or extradata[0] != 1:
        return f"expected {record} record of version 1 or Annex B, got {len(extradata)} other bytes"
    try:
        sets = parameter_sets(codec, extradata)
    except IndexError:
        return f"expected {record} record whose lengths add up, got one that is cut short"
    if not sets:
        return f"expected {record} record with parameter sets, got one without"
    return None


def parameter_sets(codec: Codec, record: bytes) -> list[bytes]:
    """The parameter sets of an avcC or hvcC record, as NAL units without start codes.

    Raises:
        IndexError: the record is cut short.
    """
    sets: list[bytes] = []

    def take(at: int, count: int) -> int:
        for _ in range(count):
            end = at + 2 + (record[at] << 8 | record[at + 1])
            if end > len(record):
                raise IndexError(end)
            sets.append(record[at + 2 : end])
            at = end
        return at

    if codec is Codec.H264:
        at = take(6, record[5] & 0x1F)
        take(at + 1, record[at])
    else:
        at = 23
        for _ in range(record[22]):
            at = take(at + 3, record[at + 1] << 8 | record[at + 2])
    return sets


def _h264_starts(nal: memoryview) -> bool:
    kind = nal[0] & 0x1F
    return kind == H264_IDR_SLICE or (kind == H264_SEI and _has_recovery_point(nal))


def _has_recovery_point(sei: memoryview) -> bool:
    # A SEI message: type and size, each in bytes of 255 and a last one. Emulation prevention bytes within long messages
    # are not removed: the walk may then miss a recovery point, which delays the start to the next one, or end early.
    sei = sei[:MAX_SEI_BYTES]
    at = 1
    while at + 1 < len(sei):
        kind = size = 0
        while at < len(sei) and sei[at] == 255:
            kind, at = kind + 255, at + 1
        if at >= len(sei):
            return False
        kind, at = kind + sei[at], at + 1
        while at < len(sei) and sei[at] == 255:
            size, at = size + 255, at + 1
        if at >= len(sei):
            return False
        if kind == SEI_RECOVERY_POINT:
            return True
        size, at = size + sei[at], at + 1
        at += size
    return False


def _leading_nal_units(codec: Codec, payload: memoryview) -> Iterator[memoryview]:
    """The NAL units up to the first slice, that slice included: they say what kind of picture it is."""
    for nal in itertools.islice(_nal_units(payload), MAX_LEADING_NAL_UNITS):
        yield nal
        # Slices: nal_unit_type 1 to 5 of ITU-T H.264 table 7-1, below 32 of ITU-T H.265 table 7-1.
        is_slice = 1 <= nal[0] & 0x1F <= 5 if codec is Codec.H264 else (nal[0] >> 1) & 0x3F < 32
        if is_slice:
            return


def _nal_units(payload: memoryview) -> Iterator[memoryview]:
    # The lengths of a length-prefixed unit add up to its size exactly; Annex B's start codes, read as lengths, do not.
    # The start code alone does not tell: a length prefix of 256 to 511 bytes (00 00 01 ..) looks like one.
    units = split_length_prefixed(payload)
    if units is not None:
        yield from units
        return
    data = bytes(payload)
    start = data.find(b"\0\0\1")
    while start >= 0:
        end = data.find(b"\0\0\1", start + 3)
        unit = payload[start + 3 : end if end >= 0 else len(data)]
        if len(unit):
            yield unit
        start = end


def _vp9_is_keyframe(first: int) -> bool:
    # frame_marker f(2), profile_low_bit, profile_high_bit, [reserved in profile 3], show_existing_frame,
    # frame_type.
    if first >> 6 != VP9_FRAME_MARKER:
        return False
    shift = 1 if (first >> 4) & 3 == 3 else 0
    show_existing = (first >> (3 - shift)) & 1
    is_inter = (first >> (2 - shift)) & 1
    return not show_existing and not is_inter


def _av1_has_sequence_header(payload: memoryview) -> bool:
    # A temporal unit that starts a coded video sequence carries its sequence header before the key frame.
    at = 0
    for _ in range(MAX_LEADING_OBUS):
        if at >= len(payload):
            return False
        header = payload[at]
        if header & 0x80:  # the forbidden bit
            return False
        if (header >> 3) & 0xF == AV1_OBU_SEQUENCE_HEADER:
            return True
        at += 2 if header & 4 else 1  # an extension byte follows
        if not header & 2:  # no size: the OBU reaches to the end
            return False
        size = 0
        for index in range(8):  # leb128
            if at >= len(payload):
                return False
            size |= (payload[at] & 0x7F) << (7 * index)
            at += 1
            if not payload[at - 1] & 0x80:
                break
        at += size
    return False
