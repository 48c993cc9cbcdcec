"""What the payload formats of H.264 and H.265 share: an access unit is built from NAL units, as Annex B."""

from __future__ import annotations

from gifcue.ingest.rtp.packet import MalformedPacket

START_CODE = b"\0\0\0\1"
# NAL units of one access unit. Slices of 1,200 bytes make 1,750 units of the largest access unit.
MAX_UNITS = 4096


class NalUnits:
    """The NAL units of one access unit. A fragmented unit is complete once its last fragment came."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._count = 0
        self._fragment_open = False
        # False from a fragment whose beginning is missing: the access unit is then incomplete.
        self._whole = True

    def add(self, unit: bytes) -> None:
        """A whole NAL unit.

        Raises:
            MalformedPacket: the access unit has too many.
        """
        if self._fragment_open:
            self._whole = False
        self._fragment_open = False
        self._begin(unit)

    def add_aggregate(self, data: bytes) -> list[bytes]:
        """NAL units, each after its size in two bytes; returns them.

        Raises:
            MalformedPacket: a size does not fit.
        """
        units: list[bytes] = []
        at = 0
        while at < len(data):
            if at + 2 > len(data):
                raise MalformedPacket("expected the size of an aggregated NAL unit, got one byte")
            size = data[at] << 8 | data[at + 1]
            at += 2
            if size == 0 or at + size > len(data):
                raise MalformedPacket(
                    f"expected an aggregated NAL unit of {size} bytes, got {len(data) - at}"
                )
            units.append(data[at : at + size])
            at += size
        if not units:
            raise MalformedPacket("expected an aggregated NAL unit, got none")
        for unit in units:
            self.add(unit)
        return units

    def add_fragment(self, header: bytes, data: bytes, *, start: bool, end: bool) -> None:
        """A part of a NAL unit; `header` is the header of the whole unit.

        Raises:
            MalformedPacket: it is both the first and the last part, which RFC 6184 and RFC 7798 forbid.
        """
        if start and end:
            raise MalformedPacket("expected a fragment of a NAL unit, got the first and the last in one")
        if start:
            if self._fragment_open:
                self._whole = False
            self._begin(header)
            self._fragment_open = True
        elif not self._fragment_open:
            self._whole = False
            return
        self._parts.append(data)
        if end:
            self._fragment_open = False

    def finish(self) -> bytes | None:
        """The access unit as Annex B, or None where a part of it is missing. Starts the next one."""
        whole = self._whole and not self._fragment_open and bool(self._parts)
        data = b"".join(self._parts) if whole else None
        self.reset()
        return data

    def reset(self) -> None:
        """Starts the next access unit."""
        self._parts = []
        self._count = 0
        self._fragment_open = False
        self._whole = True

    def _begin(self, data: bytes) -> None:
        self._count += 1
        if self._count > MAX_UNITS:
            raise MalformedPacket(f"expected at most {MAX_UNITS} NAL units in an access unit, got more")
        self._parts += (START_CODE, data)
