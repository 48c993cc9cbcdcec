"""VP8: RFC 7741."""

from __future__ import annotations

from gifcue.ingest.rtp.packet import MalformedPacket


class Vp8Depacketizer:
    """Access units as VP8 frames."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._temporal_layer: int | None = None

    @property
    def temporal_layer(self) -> int | None:
        """TID of the payload descriptor."""
        return self._temporal_layer

    def take(self, payload: bytes) -> None:
        """See `Depacketizer.take`."""
        at, is_start, layer = _descriptor(payload)
        if not self._parts and not is_start:
            return  # the beginning is missing: `finish` returns None
        if is_start:
            # A second beginning within one time stamp is a sender's mistake. The frame that began last is kept.
            self._parts = []
        self._parts.append(payload[at:])
        self._temporal_layer = layer

    def finish(self) -> bytes | None:
        """See `Depacketizer.finish`."""
        data = b"".join(self._parts)
        self.reset()
        return data or None

    def reset(self) -> None:
        """See `Depacketizer.reset`."""
        self._parts = []
        self._temporal_layer = None


def _descriptor(payload: bytes) -> tuple[int, bool, int | None]:
    """Where the frame's bytes begin, whether they are its first, and the temporal layer: RFC 7741 section 4.2."""
    try:
        first = payload[0]
        is_start = bool(first & 0x10) and first & 0x07 == 0
        at, layer = 1, None
        if first & 0x80:
            bits = payload[at]
            at += 1
            if bits & 0x80:  # picture id, 7 or 15 bits
                at += 2 if payload[at] & 0x80 else 1
            if bits & 0x40:  # TL0PICIDX
                at += 1
            if bits & 0x30:  # temporal layer and key index share a byte
                if bits & 0x20:
                    layer = payload[at] >> 6
                at += 1
    except IndexError:
        raise MalformedPacket(f"expected a VP8 payload descriptor, got {len(payload)} bytes") from None
    if at >= len(payload):
        raise MalformedPacket(f"expected VP8 data after a descriptor of {at} bytes, got {len(payload)} bytes")
    return at, is_start, layer
