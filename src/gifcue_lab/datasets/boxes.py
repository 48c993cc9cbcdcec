"""How far boxes overlap, for all pairs of two sets at once.

`Box.iou` of `gifcue.protocol.geometry` is the product's, for one pair.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def iou_matrix(boxes: npt.ArrayLike, others: npt.ArrayLike) -> Floats:
    """Intersection over union of every pair, float64 [N, M], 0..1; 0 where one of the two is empty.

    `boxes` [N, 4] and `others` [M, 4] share a unit and an order: the two lower edges first, then the two upper
    ones, as in (ymin, xmin, ymax, xmax) or (xmin, ymin, xmax, ymax). Either may have no rows. The shape of the
    frame does not matter, because scaling an axis changes neither ratio.
    """
    first, second = _rows(boxes), _rows(others)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=2)
    union = _areas(first)[:, None] + _areas(second)[None, :] - shared
    overlaps: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps


def _rows(boxes: npt.ArrayLike) -> Floats:
    return np.asarray(boxes, np.float64).reshape(-1, 4)


def _areas(boxes: Floats) -> Floats:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None).prod(axis=1), np.float64)
