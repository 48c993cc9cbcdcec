"""The detector's maps: targets from boxes, and boxes from maps.

Maps have one cell for each square of `STRIDE` pixels of the network's input. Boxes are xmin, ymin, xmax, ymax [4] in
pixels of the input.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gifcue.detect.processing import STRIDE
from gifcue_lab.datasets.boxes import iou_matrix

Floats = npt.NDArray[np.float32]
Boxes = npt.NDArray[np.float64]
Targets = dict[str, Floats]

# The channel of each kind of object.
CHANNELS: dict[str, int] = {"face": 0, "hand": 1}
# Objects smaller than this on the network's input, in pixels, are ignored: the labels are not reliable for them.
SMALLEST_PX = 7.0
# An object is ignored when less than this share of it is in the picture: neither finding nor missing it is penalised.
MIN_VISIBLE_SHARE = 0.35
# Standard deviation of the Gaussian at an object's centre, in sides of its box.
GAUSSIAN_SHARE = 0.12
# Cells with more than this value of the Gaussian learn the box's sides.
MIN_SIDES_WEIGHT = 0.3
# The smallest distance to a side that is learned, in cells.
MIN_SIDE = 0.05
# Predicted boxes that overlap by this IoU or more are one object.
SUPPRESS_IOU = 0.5


def empty_targets(count: int, width: int, height: int) -> Targets:
    """Targets of `count` scenes of width x height pixels without an object.

    Returns:
        `heat` [N, h, w, 2], 1 at the centre of a face (channel 0) or hand (1) and falling off around it;
        `ignore` [N, h, w, 2], 0 where the heat is not trained; `sides` [N, h, w, 8], the distances in cells from a
        cell's centre to the left, top, right and bottom side, four for faces and four for hands; `near` [N, h, w, 2],
        the weight of a cell's sides in the loss.
    """
    rows, columns = height // STRIDE, width // STRIDE
    return {
        "heat": np.zeros((count, rows, columns, 2), np.float32),
        "ignore": np.ones((count, rows, columns, 2), np.float32),
        "sides": np.ones((count, rows, columns, 8), np.float32),
        "near": np.zeros((count, rows, columns, 2), np.float32),
    }


def add_object(maps: Targets, kind: int, box: Boxes, bounds: tuple[float, float, float, float]) -> None:
    """Adds one object to the targets of one scene.

    Args:
        maps: targets of the scene, without the axis of scenes.
        kind: 0 for a face, 1 for a hand.
        box: the object's box; it may reach over `bounds`.
        bounds: xmin, ymin, xmax, ymax of the visible area in pixels.
    """
    visible = np.concatenate([np.maximum(box[:2], bounds[:2]), np.minimum(box[2:], bounds[2:])]).astype(
        np.float64
    )
    if (visible[2:] <= visible[:2]).any():
        return
    extent = visible[2:] - visible[:2]
    share = float(extent.prod() / max(1e-6, float((box[2:] - box[:2]).prod())))
    rows, columns = maps["heat"].shape[:2]
    cells = visible / STRIDE
    if share < MIN_VISIBLE_SHARE or extent.max() < SMALLEST_PX:
        _ignore(maps, kind, cells)
        return
    center_x, center_y = (cells[0] + cells[2]) / 2, (cells[1] + cells[3]) / 2
    column, row = min(columns - 1, int(center_x)), min(rows - 1, int(center_y))
    gaussian = _gaussian(rows, columns, row, column, cells)
    maps["heat"][..., kind] = np.maximum(maps["heat"][..., kind], gaussian)
    maps["ignore"][row, column, kind] = 1.0
    middle_x, middle_y = np.arange(columns) + 0.5, np.arange(rows) + 0.5
    sides = np.stack(
        np.broadcast_arrays(
            middle_x[None] - cells[0],
            middle_y[:, None] - cells[1],
            cells[2] - middle_x[None],
            cells[3] - middle_y[:, None],
        ),
        -1,
    )
    # Where two boxes overlap, a cell learns the sides of the one in which its weight is greater.
    weight = np.where((gaussian > MIN_SIDES_WEIGHT) & (sides.min(-1) > MIN_SIDE), gaussian, 0.0)
    weight[row, column] = 1.0
    stronger = weight > maps["near"][..., kind]
    maps["near"][..., kind] = np.where(stronger, weight, maps["near"][..., kind])
    first = kind * 4
    maps["sides"][..., first : first + 4][stronger] = np.maximum(sides, MIN_SIDE)[stronger]


def ignore_place(maps: Targets, kind: int, box: Boxes, bounds: tuple[float, float, float, float]) -> None:
    """Marks a place where there may be an object of a kind, so that nothing is learned of it there.

    Args: those of `add_object`. The centres of objects that are added later are learned all the same.
    """
    visible = np.concatenate([np.maximum(box[:2], bounds[:2]), np.minimum(box[2:], bounds[2:])])
    if (visible[2:] > visible[:2]).all():
        _ignore(maps, kind, visible / STRIDE)


def _ignore(maps: Targets, kind: int, cells: Boxes) -> None:
    left, top = int(cells[0]), int(cells[1])
    maps["ignore"][top : int(cells[3]) + 1, left : int(cells[2]) + 1, kind] = 0.0


def _gaussian(rows: int, columns: int, row: int, column: int, cells: Boxes) -> Boxes:
    """A Gaussian [rows, columns] with 1 at (row, column), as wide as the box in cells [4] demands."""
    sigma_x = max(0.5, (cells[2] - cells[0]) * GAUSSIAN_SHARE)
    sigma_y = max(0.5, (cells[3] - cells[1]) * GAUSSIAN_SHARE)
    xs, ys = np.arange(columns) - column, np.arange(rows) - row
    return np.asarray(np.exp(-(xs[None] ** 2) / (2 * sigma_x**2) - (ys[:, None] ** 2) / (2 * sigma_y**2)))


def decode_maps(heat: Floats, sides: Floats, kind: int, floor: float = 0.02) -> list[tuple[float, Floats]]:
    """The objects of one kind in one scene's maps, overlapping ones suppressed.

    Args:
        heat: logits [h, w, 2].
        sides: distances [h, w, 8] in cells.
        kind: 0 for faces, 1 for hands.
        floor: peaks with this score or less are left out.

    Returns:
        Scores 0..1 with boxes [4], best first.
    """
    scores = 1 / (1 + np.exp(-heat[..., kind]))
    padded = np.pad(scores, 1)
    high, wide = scores.shape
    neighbourhood = np.max([padded[dy : dy + high, dx : dx + wide] for dy in range(3) for dx in range(3)], 0)
    rows, columns = np.nonzero((scores >= neighbourhood) & (scores > floor))
    kept: list[tuple[float, Floats]] = []
    for place in np.argsort(-scores[rows, columns]):
        row, column = int(rows[place]), int(columns[place])
        left, top, right, bottom = sides[row, column, kind * 4 : kind * 4 + 4]
        x, y = column + 0.5, row + 0.5
        box = np.array([x - left, y - top, x + right, y + bottom], np.float32) * STRIDE
        if iou_matrix([each for _, each in kept], box).max(initial=0.0) < SUPPRESS_IOU:
            kept.append((float(scores[row, column]), box))
    return kept
