"""The packets of one time stamp as one access unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gifcue.ingest.rtp.jitter import Ordered
from gifcue.ingest.rtp.packet import MalformedPacket, RtpPacket
from gifcue.ingest.rtp.payloads import Depacketizer

# Bytes of one access unit. The wire takes 2 MiB; what is larger is not collected any further.
MAX_UNIT_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class AssembledUnit:
    """One access unit with the 32-bit time stamp of its packets. `rotation` is what its last packet with an orientation
    says, as the raw byte of the header extension; None where none has it.

    `follows_loss`: packets before it or of it were lost, so that frames may be missing in between. `payload` is None
    where the unit itself is incomplete.
    """

    payload: bytes | None
    timestamp: int
    follows_loss: bool
    temporal_layer: int | None
    orientation: int | None


class Assembler:
    """Joins packets that come in order. A unit ends with the marker bit, or with the next time stamp.

    `orientation_id` is the local id of the header extension for the orientation (3GPP TS 26.114); None: there is none.
    """

    def __init__(self, depacketizer: Depacketizer, orientation_id: int | None = None) -> None:
        self._depacketizer = depacketizer
        self._orientation_id = orientation_id
        self._timestamp: int | None = None
        self._follows_loss = False
        self._is_damaged = False
        self._size = 0
        self._orientation: int | None = None
        self.malformed = 0

    def take(self, ordered: Ordered) -> Iterator[AssembledUnit]:
        """Takes the next packet; yields every unit that it completes."""
        packet = ordered.packet
        is_same_unit = self._timestamp == packet.timestamp
        if ordered.lost_before or ordered.restarted:
            # The end of the unit in work is missing, or the whole of it came and only the marker is gone. Which of
            # both it was cannot be told, so it is incomplete.
            if self._timestamp is not None:
                self._is_damaged = True
                if not is_same_unit:
                    yield self._end()
            self._follows_loss = True
        elif self._timestamp is not None and not is_same_unit:
            yield self._end()
        if not packet.payload:
            return  # padding, as senders probe the network with
        self._timestamp = packet.timestamp
        self._collect(packet)
        if packet.marker:
            yield self._end()

    def _collect(self, packet: RtpPacket) -> None:
        if self._orientation_id is not None:
            orientation = packet.extensions.get(self._orientation_id)
            if orientation:
                self._orientation = orientation[0]
        self._size += len(packet.payload)
        if self._is_damaged or self._size > MAX_UNIT_BYTES:
            self._is_damaged = True
            return
        try:
            self._depacketizer.take(packet.payload)
        except MalformedPacket:
            self.malformed += 1
            self._is_damaged = True

    def _end(self) -> AssembledUnit:
        assert self._timestamp is not None
        layer = self._depacketizer.temporal_layer
        payload = None if self._is_damaged else self._depacketizer.finish()
        self._depacketizer.reset()
        unit = AssembledUnit(payload, self._timestamp, self._follows_loss, layer, self._orientation)
        self._timestamp = None
        # A unit that is incomplete is a loss for the one after it.
        self._follows_loss = payload is None
        self._is_damaged = False
        self._size = 0
        self._orientation = None
        return unit
