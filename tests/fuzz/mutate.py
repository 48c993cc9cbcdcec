"""Mutations of bytes: blind ones, and ones that know how a format is built and keep it readable."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Sequence

from gifcue.protocol.codecs import Codec

# The largest unit that is made. Servers accept two megabytes; small units are fuzzed faster.
MAX_BYTES = 64 * 1024
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

Mutation = Callable[[bytes, Sequence[bytes], random.Random], bytes]


def mutated(codec: Codec, unit: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """A unit with one to four mutations, of the codec's structure or of its bytes; never empty.

    `others` are units to take parts from.
    """
    structural = _STRUCTURAL.get(codec, ())
    for _ in range(chance.randint(1, 4)):
        mutations = structural if structural and chance.random() < 0.4 else _BLIND
        unit = chance.choice(mutations)(unit, others, chance)[:MAX_BYTES] or b"\0"
    return unit


def blind(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Bytes with one to four mutations that know no format; never empty."""
    for _ in range(chance.randint(1, 4)):
        data = chance.choice(_BLIND)(data, others, chance)[:MAX_BYTES] or b"\0"
    return data


# Blind mutations


def _flip(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    changed = bytearray(data)
    # Mostly in the front, where headers are.
    most = len(changed) if chance.random() < 0.5 else min(64, len(changed))
    for _ in range(chance.choice((1, 1, 2, 8, 32))):
        changed[chance.randrange(most)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    return data[: chance.randrange(1, len(data) + 1)]


def _behead(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    return data[chance.randrange(len(data)) :]


def _drop(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    return data[:start] + data[end:]


def _repeat(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    return data[:end] + data[start:end] * chance.choice((1, 2, 16)) + data[end:]


def _fill(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    return data[:start] + bytes([chance.choice((0, 0xFF, 0x55))]) * (end - start) + data[end:]


def _number(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    size = chance.choice((1, 2, 4))
    at = chance.randrange(max(1, len(data) - size + 1))
    value = (chance.choice(_INTERESTING) & ((1 << 8 * size) - 1)).to_bytes(
        size, chance.choice(("big", "little"))
    )
    return data[:at] + value + data[at + size :]


def _splice(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    other = chance.choice(others) if others else data
    at = chance.randrange(len(data) + 1)
    return data[:at] + other[chance.randrange(len(other) + 1) :]


def _span(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data))
    return start, min(len(data), start + chance.choice((1, 2, 4, 16, 64, 256)))


_BLIND: tuple[Mutation, ...] = (_flip, _flip, _flip, _cut, _behead, _drop, _repeat, _fill, _number, _splice)


# Formats that are rows of parts


def _parts(
    split: Callable[[bytes], list[bytes]], join: Callable[[list[bytes]], bytes]
) -> tuple[Mutation, ...]:
    """Mutations of a row of parts: one changes, is left out, comes twice, moves, or comes from elsewhere."""

    def change(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
        parts = split(data)
        at = chance.randrange(len(parts))
        # Headers are short and steer everything: they are chosen as often as the long parts.
        parts[at] = _flip(parts[at], others, chance) if parts[at] else b""
        return join(parts)

    def rearrange(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
        parts = split(data)
        at, to = chance.randrange(len(parts)), chance.randrange(len(parts))
        match chance.randrange(4):
            case 0:
                del parts[at]
            case 1:
                parts.insert(to, parts[at])
            case 2:
                parts[at], parts[to] = parts[to], parts[at]
            case _:
                parts.insert(to, chance.choice(split(chance.choice(others)) if others else parts))
        return join(parts)

    return (change, rearrange)


def split_annex_b(data: bytes) -> list[bytes]:
    """The NAL units between start codes."""
    return [part for part in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if part] or [data]


def _join_annex_b(parts: list[bytes]) -> bytes:
    return b"".join(b"\0\0\0\1" + part for part in parts)


def split_obus(data: bytes) -> list[bytes]:
    """AV1's OBUs as header and payload, without their sizes."""
    parts, at = [], 0
    while at < len(data):
        has_extension, has_size = bool(data[at] & 4), bool(data[at] & 2)
        head = data[at : at + 1 + has_extension]
        at += len(head)
        size = 0
        if has_size:
            for index in range(8):
                if at >= len(data):
                    break
                size |= (data[at] & 0x7F) << (7 * index)
                at += 1
                if not data[at - 1] & 0x80:
                    break
        else:
            size = len(data) - at
        parts.append(head + data[at : at + size])
        at += size
    return parts or [data]


def join_obus(parts: list[bytes]) -> bytes:
    """The inverse of `split_obus`: each OBU says its size again."""
    joined = b""
    for part in parts:
        if not part:
            continue
        head = 1 + bool(part[0] & 4)
        size = max(0, len(part) - head)
        encoded = b""
        while True:
            encoded += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
            size >>= 7
            if not size:
                break
        joined += bytes([part[0] | 2]) + part[1:head] + encoded + part[head:]
    return joined


def split_jpeg(data: bytes) -> list[bytes]:
    """A JPEG's segments as marker and contents, without their lengths; the last part is the scan."""
    parts, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        parts.append(data[at + 1 : at + 2] + data[at + 4 : at + 2 + size])
        marker, at = data[at + 1], at + 2 + size
        if marker == 0xDA:
            break
    return [*parts, data[at:]]


def join_jpeg(parts: list[bytes]) -> bytes:
    """The inverse of `split_jpeg`: each segment says its length again."""
    *segments, scan = parts or [b""]
    return (
        b"\xff\xd8"
        + b"".join(
            b"\xff" + part[:1] + struct.pack(">H", min(0xFFFF, len(part) + 1)) + part[1:]
            for part in segments
            if part
        )
        + scan
    )


def split_png(data: bytes) -> list[bytes]:
    """A PNG's chunks as type and contents, without lengths and checksums."""
    parts, at = [], 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        parts.append(data[at + 4 : at + 8 + size])
        at += 12 + size
    return parts or [data]


def join_png(parts: list[bytes]) -> bytes:
    """The inverse of `split_png`: lengths and checksums are right again, so that decoders read on."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", max(0, len(part) - 4)) + part + struct.pack(">I", zlib.crc32(part))
        for part in parts
        if part
    )


def _pixels(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """A PNG whose compressed pixels are unpacked, mutated and packed again."""
    parts = split_png(data)
    packed = b"".join(part[4:] for part in parts if part[:4] == b"IDAT")
    try:
        raw = zlib.decompressobj().decompress(packed, MAX_BYTES)
    except zlib.error:
        return data
    raw = chance.choice(_BLIND)(raw or b"\0", (), chance)[:MAX_BYTES]
    kept = [part for part in parts if part[:4] != b"IDAT"]
    return join_png([*kept[:-1], b"IDAT" + zlib.compress(raw, 1), *kept[-1:]])


def _superframe(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """VP9: several frames behind one another, with an index whose sizes may lie."""
    frames = [data, *(chance.choice(others) for _ in range(chance.randint(0, 7)) if others)]
    frames = [frame[: MAX_BYTES // len(frames)] for frame in frames]
    sizes = [len(frame) if chance.random() < 0.8 else chance.randrange(1 << 16) for frame in frames]
    marker = bytes([0b110_01_000 | (len(frames) - 1)])
    index = marker + b"".join(struct.pack("<H", size & 0xFFFF) for size in sizes) + marker
    return b"".join(frames)[: MAX_BYTES - len(index)] + index


def _vp8_size(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """VP8: another size or another length of the first partition in the header of a keyframe."""
    if chance.random() < 0.5:
        return data[:6] + struct.pack("<HH", chance.randrange(1 << 16), chance.randrange(1 << 16)) + data[10:]
    tag = int.from_bytes(data[:3], "little") & 0x1F | chance.randrange(1 << 19) << 5
    return tag.to_bytes(3, "little") + data[3:]


_STRUCTURAL: dict[Codec, tuple[Mutation, ...]] = {
    Codec.H264: _parts(split_annex_b, _join_annex_b),
    Codec.H265: _parts(split_annex_b, _join_annex_b),
    Codec.AV1: _parts(split_obus, join_obus),
    Codec.MJPEG: _parts(split_jpeg, join_jpeg),
    Codec.JPEG: _parts(split_jpeg, join_jpeg),
    Codec.PNG: (*_parts(split_png, join_png), _pixels),
    Codec.VP9: (_superframe,),
    Codec.VP8: (_vp8_size,),
}
