"""Stills that cost far more to decode than to send."""

from __future__ import annotations

import functools
import struct
import zlib

# A JPEG block is 8 x 8 pixels; one end-of-band run covers at most so many blocks (ITU-T T.81, G.1.2.2).
BLOCK = 8
MAX_RUN = 32767


def many_scans(width: int = 3840, height: int = 2160, size_bytes: int = 2 * 1024 * 1024) -> bytes:
    """A progressive grey JPEG whose scans hold nothing: each walks over every block of the picture.

    A scan takes some 20 bytes to send, and a decoder's pass over all blocks to decode.
    """
    blocks = (width // BLOCK) * (height // BLOCK)
    head = b"\xff\xd8"
    head += _segment(0xDB, bytes([0]) + bytes([16] * 64))
    head += _segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0]))
    head += _segment(0xC4, _table(0x00, [0, 1])) + _segment(0xC4, _table(0x10, [0xE0, 0x00]))
    dc_scan = _scan(0, 0) + _packed([(0, 1)] * blocks)
    ac_scan = _scan(1, 63) + _packed(_runs(blocks))
    count = max(1, (size_bytes - len(head) - len(dc_scan) - 2) // len(ac_scan))
    return head + dc_scan + ac_scan * count + b"\xff\xd9"


def text_bomb(unpacked_bytes: int = 1_800_000_000) -> bytes:
    """A PNG of one pixel whose compressed text chunk unpacks to `unpacked_bytes` zeros."""
    packer = zlib.compressobj(9)
    zeros = bytes(1 << 20)
    packed = b"".join(packer.compress(zeros) for _ in range(unpacked_bytes >> 20)) + packer.flush()
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\0\0\0")
    chunks = [(b"IHDR", header), (b"zTXt", b"Comment\0\0" + packed), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


@functools.cache
def packed_zeros(mebibytes: int, head: bytes) -> bytes:
    """One gzip stream of `head` and so many mebibytes of nothing: a thousandth of that to send."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    return b"".join(
        (packer.compress(head), *(packer.compress(zeros) for _ in range(mebibytes)), packer.flush())
    )


def padded_jpeg(size_bytes: int = 1_500_000) -> bytes:
    """A small picture behind comments of nothing, as a JPEG of this size."""
    import cv2
    import numpy as np

    done, data = cv2.imencode(".jpg", np.zeros((720, 1280, 3), np.uint8))
    if not done:
        raise ValueError("expected OpenCV to encode a JPEG, it did not")
    comment = b"\xff\xfe\xff\xff" + bytes(65_533)
    jpeg = data.tobytes()
    return jpeg[:2] + comment * (size_bytes // len(comment) + 1) + jpeg[2:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _table(identity: int, symbols: list[int]) -> bytes:
    # The first symbol has a code of one bit, the second one of two bits.
    return bytes([identity, 1, 1, *[0] * 14, *symbols])


def _scan(first: int, last: int) -> bytes:
    return _segment(0xDA, bytes([1, 1, 0x00, first, last, 0x00]))


def _runs(blocks: int) -> list[tuple[int, int]]:
    fields = []
    while blocks:
        run = min(blocks, MAX_RUN)
        if run < 1 << 14:
            raise ValueError(f"expected a picture whose last run is 16384 blocks or more, got one of {run}")
        fields += [(0, 1), (run - (1 << 14), 14)]
        blocks -= run
    return fields


def _packed(fields: list[tuple[int, int]]) -> bytes:
    bits = "".join(f"{value:0{width}b}" for value, width in fields)
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return data.replace(b"\xff", b"\xff\x00")
