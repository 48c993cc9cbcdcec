"""The RTCP that a receiver of video sends: RFC 3550 (receiver report), RFC 4585 (NACK, PLI), RFC 5104 (FIR). Of what
senders send, the time of their reports (RFC 3550) is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_VERSION = 2 << 6
_SENDER_REPORT = 200
_RECEIVER_REPORT = 201
_TRANSPORT_FEEDBACK = 205
_PAYLOAD_FEEDBACK = 206
_PLI = 1
_FIR = 4
_NACK = 1
# Report blocks that one report holds: their number has five bits.
MAX_BLOCKS = 31


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one source (RFC 3550 section 6.4.1).

    `fraction_lost` is in 256ths, since the report before. `lost` counts from the first packet on. `highest` is the
    highest sequence number, with the times that it wrapped in the upper half. `jitter` is in ticks. `last_report` is
    the middle of the NTP time of the newest sender report, and `delay` the time since then in 1/65536 seconds; both are
    0 where none has come.
    """

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    last_report: int = 0
    delay: int = 0


def receiver_reports(ssrc: int, blocks: Sequence[ReportBlock]) -> Iterator[bytes]:
    """Receiver reports on any number of sources, each a packet of its own; one where there is no source."""
    for first in range(0, max(len(blocks), 1), MAX_BLOCKS):
        yield _receiver_report(ssrc, blocks[first : first + MAX_BLOCKS])


def _receiver_report(ssrc: int, blocks: Sequence[ReportBlock] = ()) -> bytes:
    """A report. RFC 3550 section 6.1: each compound packet begins with one, which may be empty."""
    head = struct.pack("!BBHI", _VERSION | len(blocks), _RECEIVER_REPORT, 1 + 6 * len(blocks), ssrc)
    return head + b"".join(_packed(each) for each in blocks)


def _packed(block: ReportBlock) -> bytes:
    lost = max(-0x800000, min(block.lost, 0x7FFFFF)) & 0xFFFFFF
    return struct.pack(
        "!IIIIII",
        block.ssrc,
        block.fraction_lost << 24 | lost,
        block.highest & 0xFFFFFFFF,
        block.jitter & 0xFFFFFFFF,
        block.last_report,
        block.delay & 0xFFFFFFFF,
    )


def sender_reports(compound: bytes) -> Iterator[tuple[int, int]]:
    """The SSRC of each sender report of a compound packet, with the middle of its NTP time. Stops at no RTCP."""
    at = 0
    while at + 8 <= len(compound):
        first, kind, words = struct.unpack_from("!BBH", compound, at)
        end = at + 4 * (words + 1)
        if first & 0xC0 != _VERSION or end > len(compound):
            return
        if kind == _SENDER_REPORT and words >= 6:
            ssrc, seconds, fraction = struct.unpack_from("!III", compound, at + 4)
            yield ssrc, (seconds & 0xFFFF) << 16 | fraction >> 16
        at = end


def packets_missing(ssrc: int, media_ssrc: int, numbers: Iterable[int]) -> bytes:
    """NACK: `media_ssrc` shall send the packets with these sequence numbers again, which are in their order."""
    pairs: list[tuple[int, int]] = []
    for number in numbers:
        if pairs:
            first, following = pairs[-1]
            distance = (number - first) & 0xFFFF
            if 0 < distance <= 16:
                pairs[-1] = (first, following | 1 << (distance - 1))
                continue
        pairs.append((number & 0xFFFF, 0))
    head = struct.pack("!BBHII", _VERSION | _NACK, _TRANSPORT_FEEDBACK, 2 + len(pairs), ssrc, media_ssrc)
    return _receiver_report(ssrc) + head + b"".join(struct.pack("!HH", *each) for each in pairs)


def picture_loss(ssrc: int, media_ssrc: int) -> bytes:
    """PLI: `media_ssrc` shall send a keyframe, because `ssrc` has lost pictures."""
    return _receiver_report(ssrc) + struct.pack(
        "!BBHII", _VERSION | _PLI, _PAYLOAD_FEEDBACK, 2, ssrc, media_ssrc
    )


def full_intra_request(ssrc: int, media_ssrc: int, number: int) -> bytes:
    """FIR: as PLI. `number` goes up by one with each new request and wraps at 256."""
    return _receiver_report(ssrc) + struct.pack(
        "!BBHIIIBxxx", _VERSION | _FIR, _PAYLOAD_FEEDBACK, 4, ssrc, 0, media_ssrc, number & 0xFF
    )
