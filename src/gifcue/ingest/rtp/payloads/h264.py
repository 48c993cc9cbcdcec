"""H.264: RFC 6184, packetization modes 0 and 1."""

from __future__ import annotations

from gifcue.ingest.rtp.packet import MalformedPacket
from gifcue.ingest.rtp.payloads.nal_units import NalUnits

_STAP_A = 24
_FU_A = 28
# STAP-B, MTAP16, MTAP24 and FU-B carry units out of decoding order (mode 2). No meeting's media server sends them.
_INTERLEAVED = (25, 26, 27, 29)
_SLICES = range(1, 6)  # nal_unit_type of ITU-T H.264 table 7-1


class H264Depacketizer:
    """Access units as Annex B."""

    def __init__(self) -> None:
        self._units = NalUnits()
        self._begins_mid_picture: bool | None = None

    @property
    def temporal_layer(self) -> int | None:
        """None: plain H.264 does not tell its temporal layers in RTP."""
        return None

    def take(self, payload: bytes) -> None:
        """See `Depacketizer.take`."""
        if not payload:
            raise MalformedPacket("expected a NAL unit, got an empty payload")
        kind = payload[0] & 0x1F
        if 1 <= kind <= 23:
            self._note_slice(payload[0], payload[1:2])
            self._units.add(payload)
        elif kind == _STAP_A:
            for unit in self._units.add_aggregate(payload[1:]):
                self._note_slice(unit[0], unit[1:2])
        elif kind == _FU_A:
            if len(payload) < 3:
                raise MalformedPacket(f"expected at least 3 bytes of a fragment, got {len(payload)}")
            indicator, fu_header = payload[0], payload[1]
            start = bool(fu_header & 0x80)
            header = indicator & 0xE0 | fu_header & 0x1F
            if start:
                self._note_slice(header, payload[2:3])
            self._units.add_fragment(bytes((header,)), payload[2:], start=start, end=bool(fu_header & 0x40))
        elif kind in _INTERLEAVED:
            raise MalformedPacket(f"expected packetization mode 0 or 1, got a packet of type {kind}")
        else:
            raise MalformedPacket(f"expected a NAL unit type of 1 to 24 or 28, got {kind}")

    def finish(self) -> bytes | None:
        """See `Depacketizer.finish`."""
        begins_mid_picture = self._begins_mid_picture
        self._begins_mid_picture = None
        data = self._units.finish()
        return None if begins_mid_picture else data

    def reset(self) -> None:
        """See `Depacketizer.reset`."""
        self._units.reset()
        self._begins_mid_picture = None

    def _note_slice(self, header: int, first: bytes) -> None:
        # A slice begins with first_mb_in_slice, an Exp-Golomb number: 0 is the single bit 1. Where the first slice that
        # came does not begin with macroblock 0, the slices before it were lost, although no packet after it is missing.
        if self._begins_mid_picture is None and header & 0x1F in _SLICES and first:
            self._begins_mid_picture = not first[0] & 0x80
