"""Cutting a hand out of a photograph: its outline, a soft mask, its tone, and the map that moves it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from gifcue_lab.training.samples import Image

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# Indices of MediaPipe's hand landmarks.
WRIST, MIDDLE_KNUCKLE = 0, 9


def similarity(scale: float, angle: float, rng: np.random.Generator) -> Doubles:
    """The linear map [2, 2] that scales, rotates by `angle` radians and mirrors every second time."""
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        linear[:, 0] = -linear[:, 0]
    return np.asarray(linear, np.float64)


def with_forearm(points: Doubles) -> Doubles:
    """The landmarks [21, 2] and two points of the forearm."""
    down = points[WRIST] - points[MIDDLE_KNUCKLE]
    across = np.array([-down[1], down[0]]) * 0.3
    return np.concatenate([points, [points[WRIST] + down + across, points[WRIST] + down - across]])


def soft_mask(points: Doubles, size: tuple[int, int], grow: int) -> Floats:
    """A mask [height, width, 1] of `size`, width and height.

    It is 1 in the hull of the points grown by `grow` pixels, 0 outside, and soft at its edge.
    """
    outline = cv2.convexHull(points.astype(np.float32))[:, 0]
    mask = np.zeros(size[::-1], np.uint8)
    cv2.fillConvexPoly(mask, np.round(outline * 8).astype(np.int32), 255, cv2.LINE_AA, 3)
    mask = np.asarray(cv2.dilate(mask, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8)), np.uint8)
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.5, grow / 3)).astype(np.float32) / np.float32(255)
    return np.asarray(soft[..., None], np.float32)


def tone(image: Image, points: npt.ArrayLike) -> Floats:
    """The mean colour [3] of the image at those points (pixels) that lie in it; mid-grey where none does."""
    places = np.round(np.asarray(points, np.float64)[:, :2]).astype(int)
    height, width = image.shape[:2]
    inside = (places >= 0).all(1) & (places[:, 0] < width) & (places[:, 1] < height)
    if not inside.any():
        return np.full(3, 128.0, np.float32)
    seen = image[places[inside, 1], places[inside, 0]]
    return np.asarray(seen.mean(0), np.float32)
