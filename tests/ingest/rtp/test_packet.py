from __future__ import annotations

import struct

import pytest

from gifcue.ingest.rtp.packet import MalformedPacket, is_rtcp, parse_rtp
from tests.ingest.rtp.kit import orientation, rtp


def test_every_field() -> None:
    packet = parse_rtp(
        rtp(65_535, b"data", timestamp=1 << 31, marker=True, payload_type=127, ssrc=0xFFFFFFFF)
    )
    assert (packet.sequence, packet.timestamp, packet.marker) == (65_535, 1 << 31, True)
    assert (packet.payload_type, packet.ssrc, packet.payload) == (127, 0xFFFFFFFF, b"data")


def test_contributing_sources_padding_and_extensions_are_no_payload() -> None:
    datagram = bytearray(rtp(1, b"data", padding=3))
    datagram[0] |= 2
    datagram[12:12] = bytes(8)
    assert parse_rtp(bytes(datagram)).payload == b"data"
    packet = parse_rtp(rtp(1, b"data", extension=orientation(2)))
    assert (packet.payload, packet.extensions) == (b"data", {3: b"\x02"})


def test_elements_of_two_bytes() -> None:
    extension = struct.pack("!HH", 0x1000, 2) + b"\x10\x02ab\x00\x20\x00\x00"
    assert parse_rtp(rtp(1, b"d", extension=extension)).extensions == {16: b"ab", 32: b""}


def test_an_unknown_profile_and_the_reserved_id_are_skipped() -> None:
    unknown = struct.pack("!HH", 0x1234, 1) + b"abcd"
    assert parse_rtp(rtp(1, b"d", extension=unknown)).extensions == {}
    reserved = struct.pack("!HH", 0xBEDE, 1) + b"\xf0a\x30b"
    assert parse_rtp(rtp(1, b"d", extension=reserved)).extensions == {}


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        bytes(11),
        b"\x40" + bytes(11),  # version 1
        b"\x8f" + bytes(11),  # contributing sources that are not there
        b"\x90" + bytes(11),  # an extension that is not there
        b"\x90" + bytes(11) + b"\xbe\xde\0\x09abc",
        b"\x90" + bytes(11) + b"\xbe\xde\0\x01\x3fabc",  # an element longer than the extension
        b"\xa0" + bytes(11) + b"ab\x09",  # more padding than payload
        b"\xa0" + bytes(11) + b"ab\x00",
    ],
)
def test_malformed(datagram: bytes) -> None:
    with pytest.raises(MalformedPacket, match="expected"):
        parse_rtp(datagram)


def test_rtcp_on_the_same_port_is_told_apart() -> None:
    assert is_rtcp(struct.pack("!BBHI", 0x80, 200, 1, 7))
    assert not is_rtcp(rtp(1, b"", payload_type=96, marker=True))
    assert not is_rtcp(b"\x80")
