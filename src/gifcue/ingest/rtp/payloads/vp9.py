"""VP9: RFC 9628. Spatial layers of one time stamp become one superframe (VP9 bitstream specification, annex B)."""

from __future__ import annotations

from gifcue.ingest.rtp.packet import MalformedPacket

_MAX_REFERENCES = 3
_MAX_FRAMES = 8  # of a superframe


class Vp9Depacketizer:
    """Access units as VP9 frames, or as superframes where there are several spatial layers."""

    def __init__(self) -> None:
        self._frames: list[list[bytes]] = []
        self._is_open = False
        self._whole = True
        self._temporal_layer: int | None = None

    @property
    def temporal_layer(self) -> int | None:
        """TID of the payload descriptor."""
        return self._temporal_layer

    def take(self, payload: bytes) -> None:
        """See `Depacketizer.take`."""
        at, is_start, is_end, layer = _descriptor(payload)
        if is_start:
            if self._is_open or len(self._frames) == _MAX_FRAMES:
                self._whole = False
                return
            self._frames.append([])
            self._is_open = True
        elif not self._is_open:
            self._whole = False
            return
        self._frames[-1].append(payload[at:])
        self._temporal_layer = layer
        if is_end:
            self._is_open = False

    def finish(self) -> bytes | None:
        """See `Depacketizer.finish`."""
        frames = [b"".join(parts) for parts in self._frames]
        whole = self._whole and not self._is_open and bool(frames)
        self.reset()
        if not whole:
            return None
        return frames[0] if len(frames) == 1 else superframe(frames)

    def reset(self) -> None:
        """See `Depacketizer.reset`."""
        self._frames = []
        self._is_open = False
        self._whole = True
        self._temporal_layer = None


def superframe(frames: list[bytes]) -> bytes:
    """Several frames of one time with the index that tells their sizes. 1 to 8 frames."""
    size_bytes = max(1, (max(len(frame) for frame in frames).bit_length() + 7) // 8)
    marker = bytes((0b110 << 5 | size_bytes - 1 << 3 | len(frames) - 1,))
    sizes = b"".join(len(frame).to_bytes(size_bytes, "little") for frame in frames)
    return b"".join((*frames, marker, sizes, marker))


def _descriptor(payload: bytes) -> tuple[int, bool, bool, int | None]:
    """Where the frame's bytes begin, whether they are its first and its last, and the temporal layer."""
    try:
        first = payload[0]
        has_picture_id, is_inter, has_layers, is_flexible = (
            first & 0x80,
            first & 0x40,
            first & 0x20,
            first & 0x10,
        )
        at, layer = 1, None
        if has_picture_id:
            at += 2 if payload[at] & 0x80 else 1
        if has_layers:
            layer = payload[at] >> 5
            at += 1
            if not is_flexible:
                at += 1  # TL0PICIDX
        if is_flexible and is_inter:
            for _ in range(_MAX_REFERENCES):
                at += 1
                if not payload[at - 1] & 1:
                    break
            else:
                raise MalformedPacket(f"expected at most {_MAX_REFERENCES} references, got more")
        if first & 0x02:
            at = _after_structure(payload, at)
    except IndexError:
        raise MalformedPacket(f"expected a VP9 payload descriptor, got {len(payload)} bytes") from None
    if at >= len(payload):
        raise MalformedPacket(f"expected VP9 data after a descriptor of {at} bytes, got {len(payload)} bytes")
    return at, bool(first & 0x08), bool(first & 0x04), layer


def _after_structure(payload: bytes, at: int) -> int:
    """The end of the scalability structure that begins at `at`."""
    bits = payload[at]
    at += 1
    if bits & 0x10:  # width and height of each spatial layer
        at += 4 * ((bits >> 5) + 1)
    if bits & 0x08:  # the pictures of a group, each with its references
        count = payload[at]
        at += 1
        for _ in range(count):
            at += 1 + (payload[at] >> 2 & 3)
    return at
