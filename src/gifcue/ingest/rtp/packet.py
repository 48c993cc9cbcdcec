"""One RTP packet: RFC 3550 section 5.1, header extensions of RFC 8285."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

RTP_VERSION = 2
_FIXED = struct.Struct("!BBHII")
_ONE_BYTE_PROFILE = 0xBEDE
_TWO_BYTE_PROFILE = 0x1000  # the low four bits are for the application
# RFC 5761 section 4: with the marker bit removed, RTCP packet types 192 to 223 look like these payload types.
_RTCP_TYPES = range(192, 224)


class MalformedPacket(ValueError):
    """Bytes that do not follow the format that they claim to have. The message says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """`timestamp` counts ticks of the payload's clock and wraps at 32 bits, `sequence` wraps at 16.

    `marker` is set on the last packet of a frame. `extensions` has the bytes of each header extension by its local id.
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    payload: bytes
    extensions: Mapping[int, bytes] = field(default_factory=dict)


def is_rtcp(datagram: bytes) -> bool:
    """True for RTCP on a port that carries RTP as well (RFC 5761)."""
    return len(datagram) >= 2 and datagram[1] in _RTCP_TYPES


def parse_rtp(datagram: bytes) -> RtpPacket:
    """Reads one datagram.

    Raises:
        MalformedPacket: it is not RTP of version 2, or its lengths do not fit.
    """
    if len(datagram) < _FIXED.size:
        raise MalformedPacket(f"expected at least {_FIXED.size} bytes of RTP header, got {len(datagram)}")
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(datagram)
    if first >> 6 != RTP_VERSION:
        raise MalformedPacket(f"expected RTP version {RTP_VERSION}, got {first >> 6}")
    at = _FIXED.size + 4 * (first & 0x0F)  # contributing sources
    end = len(datagram)
    extensions: Mapping[int, bytes] = {}
    if first & 0x10:
        if at + 4 > end:
            raise MalformedPacket("expected a header extension, got the end of the packet")
        profile, words = struct.unpack_from("!HH", datagram, at)
        at += 4
        if at + 4 * words > end:
            raise MalformedPacket(f"expected a header extension of {4 * words} bytes, got {end - at}")
        extensions = _extensions(profile, datagram[at : at + 4 * words])
        at += 4 * words
    if first & 0x20:
        padding = datagram[-1]
        if padding == 0 or at + padding > end:
            raise MalformedPacket(f"expected 1 to {max(end - at, 0)} bytes of padding, got {padding}")
        end -= padding
    if at > end:
        raise MalformedPacket(f"expected a header of {at} bytes, got {end}")
    return RtpPacket(
        second & 0x7F, sequence, timestamp, ssrc, bool(second & 0x80), datagram[at:end], extensions
    )


def _extensions(profile: int, data: bytes) -> Mapping[int, bytes]:
    # RFC 8285: extensions that are not understood are skipped. So an unknown profile is no error.
    if profile == _ONE_BYTE_PROFILE:
        return _elements(data, one_byte=True)
    if profile & 0xFFF0 == _TWO_BYTE_PROFILE:
        return _elements(data, one_byte=False)
    return {}


def _elements(data: bytes, *, one_byte: bool) -> Mapping[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        if data[at] == 0:  # padding between elements
            at += 1
            continue
        if one_byte:
            number, length = data[at] >> 4, (data[at] & 0x0F) + 1
            if number == 15:  # reserved: nothing after it is read
                break
            at += 1
        else:
            if at + 2 > len(data):
                break
            number, length = data[at], data[at + 1]
            at += 2
        if at + length > len(data):
            raise MalformedPacket(
                f"expected {length} bytes of header extension {number}, got {len(data) - at}"
            )
        found[number] = data[at : at + length]
        at += length
    return found
