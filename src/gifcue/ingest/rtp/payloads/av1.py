"""AV1: "RTP Payload Format For AV1" of the Alliance for Open Media. Temporal units in the low-overhead format."""

from __future__ import annotations

from gifcue.ingest.rtp.packet import MalformedPacket

_TEMPORAL_DELIMITER = 2
_TILE_LIST = 8
_MAX_LEB128_BYTES = 8


class Av1Depacketizer:
    """Temporal units of OBUs, each with its size."""

    def __init__(self) -> None:
        self._obus: list[bytes] = []
        # The OBU that continues in the next packet; None where none does.
        self._partial: bytearray | None = None
        self._whole = True
        self._temporal_layer: int | None = None

    @property
    def temporal_layer(self) -> int | None:
        """temporal_id of the OBUs' extension headers."""
        return self._temporal_layer

    def take(self, payload: bytes) -> None:
        """See `Depacketizer.take`."""
        if len(payload) < 2:
            raise MalformedPacket(f"expected an aggregation header and an OBU, got {len(payload)} bytes")
        header = payload[0]
        continues_last, is_continued, count = header & 0x80, header & 0x40, header >> 4 & 3
        elements = _elements(payload, count)
        for index, element in enumerate(elements):
            is_last = index == len(elements) - 1
            if index == 0 and continues_last:
                if self._partial is None:
                    self._whole = False
                    continue
                self._partial += element
            else:
                if self._partial is not None:
                    self._whole = False
                self._partial = bytearray(element)
            if is_last and is_continued:
                return
            self._add(bytes(self._partial))
            self._partial = None

    def finish(self) -> bytes | None:
        """See `Depacketizer.finish`."""
        whole = self._whole and self._partial is None and bool(self._obus)
        data = b"".join(self._obus) if whole else None
        self.reset()
        return data

    def reset(self) -> None:
        """See `Depacketizer.reset`."""
        self._obus = []
        self._partial = None
        self._whole = True
        self._temporal_layer = None

    def _add(self, obu: bytes) -> None:
        header = obu[0]
        if header & 0x80:
            raise MalformedPacket("expected an OBU whose forbidden bit is 0, got 1")
        kind = header >> 3 & 0x0F
        if kind in (_TEMPORAL_DELIMITER, _TILE_LIST):
            return  # the format says that receivers ignore them
        at = 1
        if header & 0x04:
            if len(obu) < 2:
                raise MalformedPacket("expected an OBU extension header, got the end of the OBU")
            self._temporal_layer = obu[1] >> 5
            at = 2
        if header & 0x02:  # it has its size already
            size, start = _leb128(obu, at)
            if start + size > len(obu):
                raise MalformedPacket(f"expected an OBU of {size} bytes, got {len(obu) - start}")
            self._obus.append(obu[: start + size])
            return
        body = obu[at:]
        self._obus += (bytes((header | 0x02,)), obu[1:at], _to_leb128(len(body)), body)


def _elements(payload: bytes, count: int) -> list[bytes]:
    """The OBU elements of a payload. `count` is W: the last of W elements has no length; 0 means all have one."""
    elements: list[bytes] = []
    at = 1
    while at < len(payload):
        if count and len(elements) == count - 1:
            size = len(payload) - at
        else:
            size, at = _leb128(payload, at)
        if at + size > len(payload):
            raise MalformedPacket(f"expected an OBU element of {size} bytes, got {len(payload) - at}")
        if size:
            elements.append(payload[at : at + size])
        elif count:
            raise MalformedPacket("expected an OBU element, got one of 0 bytes")
        at += size
        if count and len(elements) == count:
            break
    if not elements or (count and len(elements) != count):
        raise MalformedPacket(f"expected {count or 'some'} OBU elements, got {len(elements)}")
    return elements


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    value = 0
    for index in range(_MAX_LEB128_BYTES):
        if at >= len(data):
            raise MalformedPacket("expected a size, got the end of the payload")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, at
    raise MalformedPacket(f"expected a size of at most {_MAX_LEB128_BYTES} bytes, got a longer one")


def _to_leb128(value: int) -> bytes:
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if not value:
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)
