"""Between pixels and networks: letterbox, crops, peaks, overlaps. numpy and OpenCV only.

Sampling is plain bilinear with pixel centres at halves, everywhere the same: in training, here, and in the
graph of the SavedModel, so that the backends agree. Pixel coordinates are continuous: pixel (i, j) covers
[i, i + 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

# Cells of the detector's maps, in pixels of its input.
STRIDE = 8
# The grey around a letterboxed frame.
LETTERBOX_GREY = 114


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a frame lies in the detector's input: scaled by `scale`, moved by `left`, `top` (input pixels)."""

    scale: float
    left: float
    top: float

    @classmethod
    def fit(cls, frame_width: int, frame_height: int, width: int, height: int) -> Letterbox:
        scale = min(width / frame_width, height / frame_height)
        return cls(scale, (width - frame_width * scale) / 2, (height - frame_height * scale) / 2)

    def matrix(self) -> Floats:
        """The affine map [2, 3] between pixel indices, for `warp`."""
        half = self.scale / 2 - 0.5
        return np.array([[self.scale, 0.0, self.left + half], [0.0, self.scale, self.top + half]], np.float32)

    def to_frame(self, boxes: Floats) -> Floats:
        """Boxes [N, 4] (xmin, ymin, xmax, ymax) in input pixels ► in the frame's pixels."""
        shift = np.array([self.left, self.top, self.left, self.top], np.float32)
        return np.asarray((boxes - shift) / np.float32(self.scale), np.float32)


def crop_matrix(
    center: tuple[float, float], side_px: float, size: int, *, angle_deg: float = 0.0, mirror: bool = False
) -> Floats:
    """The affine map [2, 3] from a frame's pixel indices to those of a crop of `size` pixels.

    The square of `side_px` around `center` (x, y) fills the crop.
    """
    scale = size / side_px
    cos, sin = scale * np.cos(np.radians(angle_deg)), scale * np.sin(np.radians(angle_deg))
    linear = np.array([[cos, -sin], [sin, cos]], np.float64)
    if mirror:
        linear[0] = -linear[0]
    offset = size / 2 - 0.5 - linear @ (np.array(center) - 0.5)
    return np.concatenate([linear, offset[:, None]], 1).astype(np.float32)


def warp(image: Image, matrix: Floats, size: tuple[int, int], border: int | None = None) -> Image:
    """Applies the map; `size` is (width, height), `border` the grey outside or None to repeat the edge."""
    mode = cv2.BORDER_REPLICATE if border is None else cv2.BORDER_CONSTANT
    level = 0 if border is None else border
    warped = cv2.warpAffine(
        image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=mode, borderValue=(level, level, level)
    )
    return np.asarray(warped, np.uint8)


def letterbox(frame: Image, fit: Letterbox, width: int, height: int) -> Image:
    """The detector's input [height, width, 3]: `warp` by `fit.matrix()`, several times faster where it comes to whole
    pixels, as it does for the usual sizes.
    """
    rows, columns = fit.scale * frame.shape[0], fit.scale * frame.shape[1]
    if fit.scale > 1 or any(abs(place - round(place)) > 1e-6 for place in (rows, columns, fit.left, fit.top)):
        return warp(frame, fit.matrix(), (width, height), LETTERBOX_GREY)
    left, top, right, bottom = (
        round(fit.left),
        round(fit.top),
        round(fit.left + columns),
        round(fit.top + rows),
    )
    scene = np.full((height, width, 3), LETTERBOX_GREY, np.uint8)
    scene[top:bottom, left:right] = cv2.resize(
        frame, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR
    )
    return scene


def activate(heat: Floats, reach: Floats, floor: float) -> dict[str, Floats]:
    """What a float graph ends with, for one in int8, whose steps are too coarse for it: `scores` [h, w, 2] and `sides`
    [h, w, 8] from the logits of both, 0 where a neighbour is higher or the score is no more than `floor`.
    """
    around = cv2.dilate(heat, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    is_peak = (heat >= around) & (heat > math.log(floor / (1 - floor)))
    scores, sides = np.zeros_like(heat), np.zeros_like(reach)
    scores[is_peak] = 1 / (1 + np.exp(-heat[is_peak]))
    cells = is_peak[..., 0] | is_peak[..., 1]
    logits = reach[cells]
    sides[cells] = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))
    return {"scores": scores, "sides": sides}


def peaks(scores: Floats, sides: Floats, floor: float, limit: int) -> tuple[Floats, Floats]:
    """Boxes where one kind's map peaks.

    `scores` [h, w] are 0 where a neighbour is higher; `sides` [h, w, 4] the distances to the left, top,
    right and bottom in cells. Returns scores [N] and boxes [N, 4] (xmin, ymin, xmax, ymax) in input pixels,
    best first, at most `limit`.
    """
    rows, columns = np.nonzero(scores > floor)
    found = scores[rows, columns]
    order = np.argsort(-found, kind="stable")[:limit]
    rows, columns = rows[order], columns[order]
    middle = np.stack([columns + 0.5, rows + 0.5], 1).astype(np.float32)
    reach = sides[rows, columns]
    boxes = np.concatenate([middle - reach[:, :2], middle + reach[:, 2:]], 1) * np.float32(STRIDE)
    return np.asarray(found[order], np.float32), np.asarray(boxes, np.float32)


def suppress(boxes: Floats, iou: float, limit: int) -> list[int]:
    """Greedy suppression of boxes [N, 4], best first; returns the numbers of those kept, at most `limit`."""
    kept: list[int] = []
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for number in range(len(boxes)):
        if kept:
            others = boxes[kept]
            sides = np.minimum(boxes[number, 2:], others[:, 2:]) - np.maximum(
                boxes[number, :2], others[:, :2]
            )
            shared = np.clip(sides, 0, None).prod(1)
            if (shared / (areas[number] + areas[kept] - shared + 1e-9)).max() > iou:
                continue
        kept.append(number)
        if len(kept) == limit:
            break
    return kept


def square_around(box: Floats, margin: float) -> tuple[tuple[float, float], float]:
    """The square that a crop is cut from: the box's centre (x, y), and `margin` times its longer side."""
    center = (float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2)
    return center, max(2.0, float(max(box[2] - box[0], box[3] - box[1])) * margin)


def crop(frame: Image, box: Floats, margin: float, size: int) -> Image:
    """The square around a box [4] (frame pixels) as [size, size, 3]; black beyond the frame."""
    center, side = square_around(box, margin)
    return warp(frame, crop_matrix(center, side, size), (size, size), 0)


def from_crop(points: Floats, box: Floats, margin: float, frame_width: int, frame_height: int) -> Floats:
    """Landmarks [N, 2 or 3] in shares of a crop ► in shares of the frame; z by the frame's width, as x."""
    (x, y), side = square_around(box, margin)
    placed = np.empty_like(points)
    placed[:, 0] = (points[:, 0] * side + x - side / 2) / frame_width
    placed[:, 1] = (points[:, 1] * side + y - side / 2) / frame_height
    if points.shape[1] == 3:
        placed[:, 2] = points[:, 2] * side / frame_width
    return placed


def refine(box: Floats, points: Floats, weight: float, scale: float) -> Floats:
    """The mean of a box [4] and the extent of landmarks [N, 2 or 3] enlarged by `scale`, all in frame pixels.

    The landmarks see the hand at several times the detector's resolution, the detector sees what is around it: their
    mean hits more hands than either.
    """
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    middle, reach = (low + high) / 2, (high - low) / 2 * scale
    extent = np.concatenate([middle - reach, middle + reach])
    return np.asarray((1 - weight) * box + weight * extent, np.float32)


def clarity(box: Floats, smallest_px: float) -> float:
    """How much a close look at a box [4] (frame pixels) may be believed, 0..1: nothing below `smallest_px`, all from a
    third above it on, and in between as it lies, so that a box that trembles does not switch its label on and off.
    """
    if smallest_px <= 0:
        return 1.0
    longer = float(max(box[2] - box[0], box[3] - box[1]))
    return min(1.0, max(0.0, 3.0 * (longer / smallest_px - 1.0)))


def shrink(frame: Image, longest_px: int) -> Image:
    """A frame no longer than `longest_px`, averaged down where it was: bilinear sampling alone would
    alias.
    """
    height, width = frame.shape[:2]
    if max(height, width) <= longest_px:
        return frame
    scale = longest_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
