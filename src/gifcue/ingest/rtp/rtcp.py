"""The RTCP that a receiver of video sends: RFC 3550 (receiver report), RFC 4585 (PLI), RFC 5104 (FIR)."""

from __future__ import annotations

import struct

_VERSION = 2 << 6
_RECEIVER_REPORT = 201
_PAYLOAD_FEEDBACK = 206
_PLI = 1
_FIR = 4


def receiver_report(ssrc: int) -> bytes:
    """An empty receiver report. RFC 3550 section 6.1: each compound packet begins with a report."""
    return struct.pack("!BBHI", _VERSION, _RECEIVER_REPORT, 1, ssrc)


def picture_loss(ssrc: int, media_ssrc: int) -> bytes:
    """PLI: `media_ssrc` shall send a keyframe, because `ssrc` has lost pictures."""
    return receiver_report(ssrc) + struct.pack(
        "!BBHII", _VERSION | _PLI, _PAYLOAD_FEEDBACK, 2, ssrc, media_ssrc
    )


def full_intra_request(ssrc: int, media_ssrc: int, number: int) -> bytes:
    """FIR: as PLI. `number` goes up by one with each new request and wraps at 256."""
    return receiver_report(ssrc) + struct.pack(
        "!BBHIIIBxxx", _VERSION | _FIR, _PAYLOAD_FEEDBACK, 4, ssrc, 0, media_ssrc, number & 0xFF
    )
