from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifcue.media.codecs import (
    MAX_LEADING_NAL_UNITS,
    MAX_LEADING_OBUS,
    MAX_NAL_UNITS,
    extradata_fault,
    is_keyframe,
    nal_length_size,
    parameter_sets,
    split_length_prefixed,
)
from gifcue.protocol.codecs import Codec

VIDEO = [Codec.H264, Codec.H265, Codec.VP8, Codec.VP9, Codec.AV1]


@pytest.mark.parametrize("codec", VIDEO)
def test_a_keyframe_is_detected_in_its_bytes(codec: Codec, clip) -> None:
    seen = [is_keyframe(codec, packet.payload) for packet in clip(codec).packets]
    assert [index for index, keyframe in enumerate(seen) if keyframe] == [0, 12]


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_a_keyframe_is_detected_in_length_prefixed_units(codec: Codec, clip) -> None:
    stored = clip(codec, form="mp4")
    assert nal_length_size(codec, stored.extradata) == 4
    assert [is_keyframe(codec, packet.payload) for packet in stored.packets] == [
        packet.keyframe for packet in stored.packets
    ]


def test_lengths_that_look_like_a_start_code_are_lengths() -> None:
    # 00 00 01 2c is 300 as a length, and a start code before a NAL unit of type 12 otherwise.
    idr = b"\x65" + b"\x99" * 299
    assert is_keyframe(Codec.H264, len(idr).to_bytes(4, "big") + idr)


def test_the_first_slice_says_what_kind_of_picture_it_is() -> None:
    other_slice, idr = b"\0\0\1\x41\x9a", b"\0\0\1\x65\x88"
    assert is_keyframe(Codec.H264, idr + other_slice)
    assert not is_keyframe(Codec.H264, other_slice + idr)


def test_few_units_are_inspected_before_the_first_slice() -> None:
    message, idr = b"\0\0\1\x06", b"\0\0\1\x65\x88"
    assert is_keyframe(Codec.H264, message * (MAX_LEADING_NAL_UNITS - 1) + idr)
    assert not is_keyframe(Codec.H264, message * MAX_LEADING_NAL_UNITS + idr)


def test_lengths_of_too_many_units_are_not_followed() -> None:
    unit = b"\0\0\0\1\x06"
    assert split_length_prefixed(memoryview(unit * MAX_NAL_UNITS)) is not None
    assert split_length_prefixed(memoryview(unit * (MAX_NAL_UNITS + 1))) is None


def test_few_units_of_av1_are_inspected() -> None:
    delimiter, sequence_header = b"\x12\x00", b"\x0a\x01\x00"
    assert is_keyframe(Codec.AV1, delimiter * (MAX_LEADING_OBUS - 1) + sequence_header)
    assert not is_keyframe(Codec.AV1, delimiter * MAX_LEADING_OBUS + sequence_header)


def test_a_recovery_point_is_looked_for_in_the_first_bytes_of_a_unit() -> None:
    assert not is_keyframe(Codec.H264, b"\0\0\1\x06" + b"\xff" * 2_000_000 + b"\x80")


def test_a_recovery_point_counts_as_a_keyframe() -> None:
    recovery_point = b"\0\0\0\1\x06\x06\x01\xc4\x80\0\0\0\1\x41\x9a\x00"
    other_message = b"\0\0\0\1\x06\x05\x01\xc4\x80\0\0\0\1\x41\x9a\x00"
    assert is_keyframe(Codec.H264, recovery_point)
    assert not is_keyframe(Codec.H264, other_message)


@pytest.mark.parametrize("codec", [Codec.JPEG, Codec.PNG, Codec.MJPEG])
def test_every_still_is_a_keyframe(codec: Codec, clip) -> None:
    assert all(is_keyframe(codec, packet.payload) for packet in clip(codec).packets[:3])


@given(payload=st.binary(max_size=64), codec=st.sampled_from(Codec))
def test_detection_never_raises(payload: bytes, codec: Codec) -> None:
    assert is_keyframe(codec, payload) in (True, False)
    assert extradata_fault(codec, payload) is None or payload


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_extradata_of_a_file_is_valid(codec: Codec, clip) -> None:
    record = clip(codec, form="mp4").extradata
    assert extradata_fault(codec, record) is None
    assert len(parameter_sets(codec, record)) >= 2
    assert extradata_fault(codec, b"") is None


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_malformed_extradata_is_detected(codec: Codec, clip) -> None:
    record = clip(codec, form="mp4").extradata
    assert "cut short" in (extradata_fault(codec, record[:-5]) or "")
    assert "version 1" in (extradata_fault(codec, b"hello, this is no record of any kind") or "")
