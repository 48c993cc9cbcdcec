"""Pre- and postprocessing of the networks, with numpy and OpenCV.

Training, this module and the graph of the SavedModel sample in the same way, bilinear with pixel centres at halves, so
that the backends agree. Pixel coordinates are continuous: pixel (i, j) covers [i, i + 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from gifcue.detect.regions import confidence_of_size

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

# Side of a cell of the detector network's maps, in pixels of its input.
STRIDE = 8
# The grey around a letterboxed frame.
LETTERBOX_GREY = 114


@dataclass(frozen=True, slots=True)
class Letterbox:
    """The placement of a frame in the detector network's input.

    Attributes:
        scale: input pixels for a pixel of the frame.
        left: input pixels to the left of the frame.
        top: input pixels above the frame.
    """

    scale: float
    left: float
    top: float

    @classmethod
    def fit(cls, frame_width: int, frame_height: int, width: int, height: int) -> Letterbox:
        """The largest centred placement of a frame in an input of `width x height` pixels."""
        scale = min(width / frame_width, height / frame_height)
        return cls(scale, (width - frame_width * scale) / 2, (height - frame_height * scale) / 2)

    def matrix(self) -> Floats:
        """The affine map [2, 3] from pixel indices of the frame to those of the input, for `warp`."""
        half = self.scale / 2 - 0.5
        return np.array([[self.scale, 0.0, self.left + half], [0.0, self.scale, self.top + half]], np.float32)

    def to_frame(self, boxes: Floats) -> Floats:
        """Boxes [N, 4] (xmin, ymin, xmax, ymax) in frame pixels, from boxes in input pixels."""
        shift = np.array([self.left, self.top, self.left, self.top], np.float32)
        return np.asarray((boxes - shift) / np.float32(self.scale), np.float32)


def crop_matrix(
    center: tuple[float, float], side_px: float, size: int, *, angle_deg: float = 0.0, mirror: bool = False
) -> Floats:
    """The affine map [2, 3] from pixel indices of a frame to those of a crop.

    Args:
        center: centre (x, y) of the square that fills the crop, in frame pixels.
        side_px: side of that square in frame pixels.
        size: side of the crop in pixels.
        angle_deg: rotation of the square's contents in degrees.
        mirror: whether the crop is mirrored horizontally.
    """
    scale = size / side_px
    cos, sin = scale * np.cos(np.radians(angle_deg)), scale * np.sin(np.radians(angle_deg))
    linear = np.array([[cos, -sin], [sin, cos]], np.float64)
    if mirror:
        linear[0] = -linear[0]
    offset = size / 2 - 0.5 - linear @ (np.array(center) - 0.5)
    return np.concatenate([linear, offset[:, None]], 1).astype(np.float32)


def warp(image: Image, matrix: Floats, size: tuple[int, int], border: int | None = None) -> Image:
    """Applies an affine map [2, 3] to an image [H, W, 3].

    Args:
        image: the image.
        matrix: the map from pixel indices of the image to those of the result.
        size: (width, height) of the result in pixels.
        border: grey level, 0..255, outside the image; None repeats the image's edge.
    """
    mode = cv2.BORDER_REPLICATE if border is None else cv2.BORDER_CONSTANT
    level = 0 if border is None else border
    warped = cv2.warpAffine(
        image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=mode, borderValue=(level, level, level)
    )
    return np.asarray(warped, np.uint8)


def letterbox(frame: Image, fit: Letterbox, width: int, height: int) -> Image:
    """The detector network's input [height, width, 3]: the frame at its placement, grey around it.

    The result is that of `warp` with `fit.matrix()`. Where the placement has whole pixels, as for the usual sizes, the
    frame is resized instead, which is several times faster.
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
    """The last steps of the float detector network, for the int8 one, which ends with logits.

    Quantised scores would be too coarse, so these steps are computed in float.

    Args:
        heat: logits [h, w, 2] of the scores of faces and hands.
        reach: logits [h, w, 8] of the distances to the box's sides, four for each kind.
        floor: score, 0..1, at or below which a cell is no peak.

    Returns:
        `scores` [h, w, 2], 0..1, and `sides` [h, w, 8] in cells. Scores are 0 except at peaks: cells without a higher
        neighbour. Sides are 0 where neither kind has a peak.
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
    """The boxes at the peaks of one kind's map.

    Args:
        scores: [h, w], 0 except at peaks.
        sides: [h, w, 4], distances from a cell's centre to the left, top, right and bottom side in cells.
        floor: score, 0..1, at or below which a peak is ignored.
        limit: maximum number of boxes.

    Returns:
        Scores [N] and boxes [N, 4] (xmin, ymin, xmax, ymax) in input pixels, best score first.
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
    """Greedy non-maximum suppression.

    Args:
        boxes: [N, 4] (xmin, ymin, xmax, ymax), best score first.
        iou: intersection over union, 0..1, above which the later of two boxes is suppressed.
        limit: maximum number of boxes kept.

    Returns:
        The indices of the boxes kept, in their order.
    """
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
    """The square that a crop is taken from: the box's centre (x, y) and `margin` times its longer side, in pixels."""
    center = (float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2)
    return center, max(2.0, float(max(box[2] - box[0], box[3] - box[1])) * margin)


def crop(frame: Image, box: Floats, margin: float, size: int) -> Image:
    """The square around a box [4] (frame pixels), scaled to [size, size, 3]; black outside the frame."""
    center, side = square_around(box, margin)
    return warp(frame, crop_matrix(center, side, size), (size, size), 0)


def from_crop(points: Floats, box: Floats, margin: float, frame_width: int, frame_height: int) -> Floats:
    """Landmarks in shares of the frame, from landmarks [N, 2 or 3] in shares of the crop around a box [4].

    z is divided by the frame's width, as x is. With a frame size of 1 x 1 the result is in frame pixels.
    """
    (x, y), side = square_around(box, margin)
    placed = np.empty_like(points)
    placed[:, 0] = (points[:, 0] * side + x - side / 2) / frame_width
    placed[:, 1] = (points[:, 1] * side + y - side / 2) / frame_height
    if points.shape[1] == 3:
        placed[:, 2] = points[:, 2] * side / frame_width
    return placed


def refine(box: Floats, points: Floats, weight: float, scale: float) -> Floats:
    """The weighted mean of a box [4] and the extent of its landmarks [N, 2 or 3], all in frame pixels.

    The extent is enlarged by `scale` and has the weight `weight`, 0..1. The crop network has several times the detector
    network's resolution, and the detector network sees more of the surroundings: the mean is more accurate than either.
    """
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    middle, reach = (low + high) / 2, (high - low) / 2 * scale
    extent = np.concatenate([middle - reach, middle + reach])
    return np.asarray((1 - weight) * box + weight * extent, np.float32)


def size_confidence(box: Floats, smallest_px: float) -> float:
    """As `regions.confidence_of_size`, by a box [4] in frame pixels."""
    return confidence_of_size(float(max(box[2] - box[0], box[3] - box[1])), smallest_px)


def shrink(frame: Image, longest_px: int) -> Image:
    """The frame, scaled down to a longer side of `longest_px` pixels if it is longer.

    Pixels are averaged, because the bilinear sampling of the later steps would alias.
    """
    height, width = frame.shape[:2]
    if max(height, width) <= longest_px:
        return frame
    scale = longest_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
