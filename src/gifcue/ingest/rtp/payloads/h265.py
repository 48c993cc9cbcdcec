"""H.265: RFC 7798, without DONL fields (sprop-max-don-diff is 0)."""

from __future__ import annotations

from gifcue.ingest.rtp.packet import MalformedPacket
from gifcue.ingest.rtp.payloads.nal_units import NalUnits

_AGGREGATION = 48
_FRAGMENTATION = 49
_PACI = 50
_SLICES = range(32)  # nal_unit_type of ITU-T H.265 table 7-1


class H265Depacketizer:
    """Access units as Annex B."""

    def __init__(self) -> None:
        self._units = NalUnits()
        self._begins_mid_picture: bool | None = None
        self._temporal_layer: int | None = None

    @property
    def temporal_layer(self) -> int | None:
        """nuh_temporal_id_plus1 - 1 of the access unit's NAL units."""
        return self._temporal_layer

    def take(self, payload: bytes) -> None:
        """See `Depacketizer.take`."""
        if len(payload) < 3:
            raise MalformedPacket(f"expected at least 3 bytes of a NAL unit, got {len(payload)}")
        kind = payload[0] >> 1 & 0x3F
        temporal_id_plus1 = payload[1] & 0x07
        if temporal_id_plus1 == 0:
            raise MalformedPacket("expected nuh_temporal_id_plus1 of 1 to 7, got 0")
        self._temporal_layer = temporal_id_plus1 - 1
        if kind == _AGGREGATION:
            for unit in self._units.add_aggregate(payload[2:]):
                self._note_slice(unit[0] >> 1 & 0x3F, unit[2:3])
        elif kind == _FRAGMENTATION:
            fu_header = payload[2]
            start = bool(fu_header & 0x80)
            unit_kind = fu_header & 0x3F
            if len(payload) < 4:
                raise MalformedPacket("expected at least 4 bytes of a fragment, got 3")
            if start:
                self._note_slice(unit_kind, payload[3:4])
            header = bytes((payload[0] & 0x81 | unit_kind << 1, payload[1]))
            self._units.add_fragment(header, payload[3:], start=start, end=bool(fu_header & 0x40))
        elif kind == _PACI or kind > _PACI:
            raise MalformedPacket(f"expected a NAL unit type of 0 to 49, got {kind}")
        else:
            self._note_slice(kind, payload[2:3])
            self._units.add(payload)

    def finish(self) -> bytes | None:
        """See `Depacketizer.finish`."""
        begins_mid_picture = self._begins_mid_picture
        self._begins_mid_picture = None
        self._temporal_layer = None
        data = self._units.finish()
        return None if begins_mid_picture else data

    def reset(self) -> None:
        """See `Depacketizer.reset`."""
        self._units.reset()
        self._begins_mid_picture = None
        self._temporal_layer = None

    def _note_slice(self, kind: int, first: bytes) -> None:
        # A slice segment header begins with first_slice_segment_in_pic_flag.
        if self._begins_mid_picture is None and kind in _SLICES and first:
            self._begins_mid_picture = not first[0] & 0x80
