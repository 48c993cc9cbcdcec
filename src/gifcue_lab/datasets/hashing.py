"""A perceptual hash, and the pairs of pictures that are close to each other by it.

The package imagehash has a similar hash, but resizes with another filter, and it has no search for pairs.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

# 16 x 16 comparisons of neighbours. With 8 x 8, two frames of one webcam often have the same hash.
HASH_SIDE = 16
HASH_BYTES = HASH_SIDE * HASH_SIDE // 8
# Rows that are compared at a time, so that ten thousand pictures need megabytes and not gigabytes.
_BLOCK = 512

Hashes = npt.NDArray[np.uint64]


def difference_hash(rgb: npt.NDArray[np.uint8]) -> bytes:
    """The hash of a picture, uint8 RGB [H, W, 3]: 32 bytes, a bit for each of 16 x 16 pairs of neighbours.

    It changes little with scale, compression and brightness.
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
