"""Payloads made by hand from the RFCs, for what FFmpeg's packetisers do not send."""

from __future__ import annotations

import pytest

from gifcue.ingest.rtp.packet import MalformedPacket
from gifcue.ingest.rtp.payloads import depacketizer_of
from gifcue.ingest.rtp.payloads.nal_units import MAX_UNITS
from gifcue.protocol.codecs import Codec

START = b"\0\0\0\1"


def unit(codec: Codec, *payloads: bytes) -> bytes | None:
    depacketizer = depacketizer_of(codec)
    for payload in payloads:
        depacketizer.take(payload)
    return depacketizer.finish()


def layer(codec: Codec, payload: bytes) -> int | None:
    depacketizer = depacketizer_of(codec)
    depacketizer.take(payload)
    return depacketizer.temporal_layer


def test_h264_aggregate_and_fragments() -> None:
    sps, pps = b"\x67\x42", b"\x68\xce"
    aggregate = b"\x18" + b"\0\2" + sps + b"\0\2" + pps
    # A slice of type 5 in three fragments (RFC 6184 section 5.8): its header is made of the indicator and FU header.
    first, middle, last = b"\x7c\x85\x88a", b"\x7c\x05b", b"\x7c\x45c"
    assert unit(Codec.H264, aggregate, first, middle, last) == (
        START + sps + START + pps + START + b"\x65\x88abc"
    )


@pytest.mark.parametrize(
    "payloads",
    [
        (b"\x7c\x05b", b"\x7c\x45c"),  # the first fragment is missing
        (b"\x7c\x85\x88a",),  # the last one is missing
        (b"\x7c\x85\x88a", b"\x41\x88"),  # another unit within
        (b"\x41\x40",),  # a slice that does not begin with macroblock 0
    ],
)
def test_h264_that_is_not_whole(payloads: tuple[bytes, ...]) -> None:
    assert unit(Codec.H264, *payloads) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x18",
        b"\x18\0\0",
        b"\x18\0\xff\x67",
        b"\x18\0",
        b"\x7c\x85",
        b"\x7c\xc5a",
        b"\x19abc",
        b"\x1f",
        b"\x00",
    ],
)
def test_h264_that_is_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedPacket, match="expected"):
        unit(Codec.H264, payload)


def test_nal_units_of_one_access_unit_are_bounded() -> None:
    depacketizer = depacketizer_of(Codec.H264)
    for _ in range(MAX_UNITS):
        depacketizer.take(b"\x06a")
    with pytest.raises(MalformedPacket, match=f"at most {MAX_UNITS}"):
        depacketizer.take(b"\x06a")


def test_h265_aggregate_fragments_and_layer() -> None:
    vps, sps = b"\x40\x01v", b"\x42\x01s"
    aggregate = b"\x60\x01" + b"\0\3" + vps + b"\0\3" + sps
    # IDR_W_RADL (19) in two fragments, RFC 7798 section 4.4.3.
    first, last = b"\x62\x01\x93\x80a", b"\x62\x01\x53b"
    assert unit(Codec.H265, aggregate, first, last) == START + vps + START + sps + START + b"\x26\x01\x80ab"
    assert layer(Codec.H265, b"\x02\x03\x80") == 2
    assert unit(Codec.H265, b"\x02\x01\x00") is None  # not the first segment of the picture


@pytest.mark.parametrize(
    "payload", [b"", b"\x62\x01", b"\x62\x01\x93", b"\x02\x00a", b"\x64\x01a", b"\x60\x01\0\xffa"]
)
def test_h265_that_is_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedPacket, match="expected"):
        unit(Codec.H265, payload)


def test_vp8_descriptors() -> None:
    # RFC 7741 section 4.2: X, then I with 15 bits, L and T.
    assert unit(Codec.VP8, b"\x90\xe0\x81\x23\x07\x80a", b"\x80\xe0\x81\x23\x07\x80b") == b"ab"
    assert layer(Codec.VP8, b"\x90\xe0\x81\x23\x07\x80a") == 2
    assert layer(Codec.VP8, b"\x10a") is None
    assert unit(Codec.VP8, b"\x90\x80\x7fa") == b"a"
    assert unit(Codec.VP8, b"\x00a") is None
    with pytest.raises(MalformedPacket):
        unit(Codec.VP8, b"\x90\xe0\x81")


def test_vp9_layers_become_a_superframe() -> None:
    # RFC 9628 section 4.2: I with 15 bits, L, B and E; two spatial layers of one picture, then TL0PICIDX.
    low, high = b"\xac\x80\x01\x40\x05" + b"low", b"\xac\x80\x01\x42\x05" + b"high!"
    # VP9 bitstream specification, annex B: marker, sizes in little endian, marker.
    assert unit(Codec.VP9, low, high) == b"lowhigh!" + b"\xc1\x03\x05\xc1"
    assert layer(Codec.VP9, low) == 2
    assert unit(Codec.VP9, low) == b"low"


def test_vp9_descriptors() -> None:
    # F and P with two references, then a scalability structure with sizes and a group of pictures.
    flexible = b"\x5e\x03\x04" + b"\x38\x01\x40\x00\xf0\x02\x80\x01\xe0\x01\x04\x01" + b"data"
    assert unit(Codec.VP9, flexible) == b"data"
    assert unit(Codec.VP9, b"\x08a") is None  # no end
    assert unit(Codec.VP9, b"\x04a") is None  # no beginning
    assert unit(Codec.VP9, b"\x08a", b"\x00b", b"\x04c") == b"abc"
    for payload in (b"", b"\x80", b"\x0c", b"\x5c\x03\x03\x03\x01a", b"\x0e\xf8"):
        with pytest.raises(MalformedPacket):
            unit(Codec.VP9, payload)


def test_av1_elements_get_their_sizes() -> None:
    sequence, frame = b"\x08seq", b"\x30frame"
    # W = 2: the second element has no length. A temporal delimiter (type 2) is left out.
    assert unit(Codec.AV1, b"\x20" + b"\x04" + sequence + frame) == b"\x0a\x03seq\x32\x05frame"
    # W = 0: every element has a length.
    assert unit(Codec.AV1, b"\x00" + b"\x01\x10" + b"\x06" + frame) == b"\x32\x05frame"
    # An OBU over three packets: Y, Z and Y, Z.
    assert unit(Codec.AV1, b"\x50" + b"\x30fr", b"\xd0" + b"am", b"\x90" + b"e") == b"\x32\x05frame"
    # An extension header tells the temporal layer, and a size that is there already is kept.
    assert layer(Codec.AV1, b"\x10" + b"\x34\x48x") == 2
    assert unit(Codec.AV1, b"\x10" + b"\x32\x05frame") == b"\x32\x05frame"


def test_av1_that_is_not_whole() -> None:
    assert unit(Codec.AV1, b"\x90" + b"rest") is None
    assert unit(Codec.AV1, b"\x50" + b"\x30fr") is None
    assert unit(Codec.AV1, b"\x50" + b"\x30fr", b"\x10" + b"\x30new") is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00",
        b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x20\x05ab",
        b"\x10\x80",
        b"\x10\x34",
        b"\x10\x32\x7fa",
        b"\x20\x00a",
    ],
)
def test_av1_that_is_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedPacket, match="expected"):
        unit(Codec.AV1, payload)


def test_still_pictures_have_no_payload_format() -> None:
    with pytest.raises(ValueError, match="got png"):
        depacketizer_of(Codec.PNG)
