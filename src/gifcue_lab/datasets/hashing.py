"""Pictures that look the same: a perceptual hash, and pairs that are near each other by it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

# 16 x 16 comparisons of neighbours: 64 bits take two frames of one webcam for the same picture.
HASH_SIDE = 16
HASH_BYTES = HASH_SIDE * HASH_SIDE // 8
# Pairs are compared a block of rows at a time, so that ten thousand pictures need megabytes.
_BLOCK = 512

Hashes = npt.NDArray[np.uint64]


def difference_hash(rgb: npt.NDArray[np.uint8]) -> bytes:
    """32 bytes: whether each cell of a 16 x 16 grid is darker than its right neighbour.

    Scaling, recompression and brightness leave it nearly the same; `near_pairs` counts the bits that differ.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (HASH_SIDE + 1, HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes()


def near_pairs(hashes: list[bytes], max_bits: int) -> list[tuple[int, int, int]]:
    """All pairs (i, j, bits) with i < j whose hashes differ in at most `max_bits`."""
    if len(hashes) < 2:
        return []
    words: Hashes = np.frombuffer(b"".join(hashes), np.uint64).reshape(len(hashes), -1)
    pairs: list[tuple[int, int, int]] = []
    for start in range(0, len(words), _BLOCK):
        block = words[start : start + _BLOCK]
        differ = np.bitwise_count(block[:, None, :] ^ words[None, start:, :]).sum(axis=2, dtype=np.int32)
        for row, column in np.argwhere(differ <= max_bits):
            if column > row:
                pairs.append((start + int(row), start + int(column), int(differ[row, column])))
    return pairs
