"""What parameter sets say of the memory of a decoder, and that no bytes of a stranger upset the reading."""

from __future__ import annotations

import contextlib
import random
import time
from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifcue.errors import MediaError
from gifcue.media.bits import BitReader
from gifcue.media.parameter_sets import (
    MAX_SETS,
    PictureShape,
    shape_of,
    shapes_in,
    shapes_of_extradata,
)
from gifcue.protocol.codecs import Codec

X264 = {"preset": "ultrafast", "tune": "zerolatency"}
CODECS = (Codec.H264, Codec.H265)


@cache
def first_unit(
    encoder: str, width: int, height: int, pixel_format: str, options: tuple[tuple[str, str], ...]
) -> bytes:
    context: Any = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt = width, height, pixel_format
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
    context.thread_count = 1
    context.options = dict(options)
    packets = []
    for index in range(3):
        picture = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24")
        picture = picture.reformat(format=pixel_format)
        picture.pts = index
        packets += context.encode(picture)
    packets += context.encode(None)
    return bytes(packets[0])


def h264(width: int, height: int, pixel_format: str = "yuv420p", **options: str) -> bytes:
    return first_unit("libx264", width, height, pixel_format, tuple({**X264, **options}.items()))


def h265(width: int, height: int, pixel_format: str = "yuv420p", **options: str) -> bytes:
    given = {"preset": "ultrafast", **options}
    given["x265-params"] = "log-level=none:" + given.get("x265-params", "")
    return first_unit("libx265", width, height, pixel_format, tuple(given.items()))


def sets(codec: Codec, unit: bytes) -> list[bytes]:
    """The sequence parameter sets of an Annex B unit."""
    kind = 7 if codec is Codec.H264 else 33
    nals = unit.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
    return [nal for nal in nals if (nal[0] & 31 if codec is Codec.H264 else nal[0] >> 1 & 63) == kind]


@pytest.mark.parametrize(
    ("unit", "shape"),
    [
        (h264(640, 360, **{"x264-params": "ref=1"}), PictureShape(640, 368, 1, 8, 1)),
        (h264(1280, 720, **{"x264-params": "ref=5"}), PictureShape(1280, 720, 1, 8, 5)),
        (h264(320, 180, **{"x264-params": "ref=16"}), PictureShape(320, 192, 1, 8, 16)),
        (h264(320, 192, "yuv422p", **{"x264-params": "ref=2"}), PictureShape(320, 192, 2, 8, 2)),
        (h264(320, 192, "yuv444p10le", **{"x264-params": "ref=2"}), PictureShape(320, 192, 3, 10, 2)),
        (h264(320, 192, **{"x264-params": "ref=1:interlaced=1"}), PictureShape(320, 192, 1, 8, 1)),
        (h264(320, 192, **{"x264-params": "ref=1:cqm=jvt"}), PictureShape(320, 192, 1, 8, 1)),
        (h264(320, 192, **{"x264-params": "ref=1:nal-hrd=cbr:bitrate=300:vbv-maxrate=300:vbv-bufsize=300"}),
         PictureShape(320, 192, 1, 8, 1)),
        # Three references, two pictures reordered.
        (h264(320, 192, tune="film", preset="medium", **{"x264-params": "ref=3:bframes=3:b-pyramid=normal"}),
         PictureShape(320, 192, 1, 8, 6)),
    ],
)  # fmt: skip
def test_h264(unit: bytes, shape: PictureShape) -> None:
    assert shapes_in(Codec.H264, unit) == [shape]


def test_h265() -> None:
    (shape,) = shapes_in(Codec.H265, h265(640, 360, **{"x265-params": "ref=4:bframes=0"}))
    assert shape[:4] == (640, 368, 1, 8) or shape[:4] == (640, 360, 1, 8)
    assert 4 <= shape.pictures <= 7
    (deep,) = shapes_in(Codec.H265, h265(320, 192, "yuv444p10le"))
    assert (deep.chroma, deep.bit_depth) == (3, 10)


@pytest.mark.parametrize("codec", CODECS)
def test_a_length_prefixed_unit_says_the_same(codec: Codec) -> None:
    unit = h264(320, 192) if codec is Codec.H264 else h265(320, 192)
    nals = unit.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
    for size in (2, 4):
        prefixed = b"".join(len(nal).to_bytes(size, "big") + nal for nal in nals)
        assert shapes_in(codec, prefixed, size) == shapes_in(codec, unit) != []


def test_extradata_says_the_same() -> None:
    unit = h264(320, 192)
    (sps,) = sets(Codec.H264, unit)
    record = bytes([1, sps[1], sps[2], sps[3], 0xFF, 0xE1]) + len(sps).to_bytes(2, "big") + sps + b"\0"
    assert shapes_of_extradata(Codec.H264, record) == shapes_in(Codec.H264, unit)
    assert shapes_of_extradata(Codec.H264, unit) == shapes_in(Codec.H264, unit)
    assert shapes_of_extradata(Codec.H264, record[:-4]) == []
    assert shapes_of_extradata(Codec.H264, b"") == []


def test_a_set_behind_a_picture_is_found() -> None:
    unit = h264(320, 192)
    (large,) = sets(Codec.H264, h264(1280, 720, **{"x264-params": "ref=5"}))
    assert PictureShape(1280, 720, 1, 8, 5) in shapes_in(Codec.H264, unit + b"\0\0\1" + large)


def test_more_sets_than_are_read_are_refused() -> None:
    (sps,) = sets(Codec.H264, h264(320, 192))
    assert len(shapes_in(Codec.H264, (b"\0\0\1" + sps) * MAX_SETS)) == MAX_SETS
    with pytest.raises(MediaError, match="at most 32 sequence parameter sets"):
        shapes_in(Codec.H264, (b"\0\0\1" + sps) * (MAX_SETS + 1))


@pytest.mark.parametrize("tail", [b"\0", b"\0\0\0\7ab", b"\xff" * 8])
def test_a_set_before_lengths_that_do_not_add_up_is_found(tail: bytes) -> None:
    (large,) = sets(Codec.H264, h264(1280, 720, **{"x264-params": "ref=5"}))
    unit = len(large).to_bytes(4, "big") + large + tail
    assert [(shape.width, shape.pictures) for shape in shapes_in(Codec.H264, unit, 4)] == [(1280, 5)]


def test_a_set_within_another_unit_is_found() -> None:
    # FFmpeg ends a unit at a start code and reads on behind it.
    (large,) = sets(Codec.H264, h264(1280, 720, **{"x264-params": "ref=5"}))
    filler = b"\x0c\xff\0\0\1" + large
    unit = len(filler).to_bytes(4, "big") + filler
    assert [(shape.width, shape.pictures) for shape in shapes_in(Codec.H264, unit, 4)] == [(1280, 5)]


def test_a_length_that_looks_like_a_start_code_is_none() -> None:
    (sps,) = sets(Codec.H264, h264(1280, 720))
    # 00 00 01 67: a unit of 359 bytes that is no set, and would be one if its length were a start code.
    unit = 0x167.to_bytes(4, "big") + sps[1:].ljust(0x167, b"\x80")
    assert shapes_in(Codec.H264, unit, 4) == []


def test_codes_are_read_as_the_standard_says() -> None:
    read = BitReader(bytes([0b1_010_011_0, 0b0100_0010, 0b1_0000000]))
    assert [read.ue() for _ in range(5)] == [0, 1, 2, 3, 4]
    read = BitReader(bytes([0b1_010_011_0, 0b0100_0010, 0b1_0000000]))
    assert [read.se() for _ in range(5)] == [0, 1, -1, 2, -2]
    assert BitReader(b"\0\0\x03\1").u(24) == 1
    with pytest.raises(ValueError, match="expected 1 more bits, got 0"):
        BitReader(b"").flag()
    with pytest.raises(ValueError, match="at most 32 leading zeros"):
        BitReader(bytes(100)).ue()


@given(st.binary(max_size=300), st.sampled_from(CODECS), st.sampled_from([0, 1, 2, 4]))
def test_no_bytes_raise(data: bytes, codec: Codec, length_size: int) -> None:
    shapes_in(codec, data, length_size)
    shapes_of_extradata(codec, data)
    shape = shape_of(codec, data)
    assert shape is None or (shape.chroma <= 3 and shape.bit_depth <= 16 and shape.pictures <= 32)


@pytest.mark.parametrize("codec", CODECS)
def test_no_changed_set_raises(codec: Codec) -> None:
    chance = random.Random(13)
    (sps,) = sets(codec, h264(320, 192) if codec is Codec.H264 else h265(320, 192))
    read = 0
    for _ in range(5000):
        changed = bytearray(sps)
        for _ in range(chance.randrange(1, 5)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        changed = changed[: chance.randrange(1, len(changed) + 1)]
        shape = shape_of(codec, bytes(changed))
        assert shape is None or (shape.chroma <= 3 and shape.bit_depth <= 16 and shape.pictures <= 32)
        read += shape is not None
    assert read > 100


@pytest.mark.parametrize("header", [b"\x67", b"\x42\x01"])
@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"\0\0\1\x67", b"\0\0\1\x42\x01", b"\x80"])
def test_the_work_does_not_grow_with_the_payload(header: bytes, fill: bytes) -> None:
    codec = Codec.H264 if header == b"\x67" else Codec.H265
    payload = b"\0\0\1" + header + fill * (2_000_000 // len(fill))
    began_s = time.thread_time()
    for length_size in (0, 4):
        with contextlib.suppress(MediaError):
            shapes_in(codec, payload, length_size)
    # A search in C over two megabytes, and a bounded number of sets: a hundred times less than this.
    assert time.thread_time() - began_s < 2.0
