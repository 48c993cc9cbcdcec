"""Batches for the network that finds faces and hands: whole photographs, letterboxed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gifcue.detect.processing import LETTERBOX_GREY, warp
from gifcue_lab.training.augment import damage
from gifcue_lab.training.config import TrainingConfig
from gifcue_lab.training.samples import Image, Photo

Floats = npt.NDArray[np.float32]
Boxes = npt.NDArray[np.float64]
Targets = dict[str, Floats]

STRIDE = 8
KINDS = ("face", "hand")
# Objects smaller than this on the network's input, in pixels, are not asked for: the teacher is no judge of
# them.
SMALLEST_PX = 7.0
# An object of which less than this share is in the picture is not asked for, and not to be punished either.
LEAST_VISIBLE = 0.35
# How large a photograph is shown, of what fits: down for people far away, up for those close to the camera.
ALONE = (0.4, 1.6)
IN_A_QUARTER = (0.7, 2.0)


class SceneSource:
    """Makes letterboxed scenes from photographs held in memory. Safe to call from several threads."""

    def __init__(self, config: TrainingConfig, photos: Sequence[Photo], images: Sequence[Image]) -> None:
        self._config = config
        self._photos, self._images = photos, images

    def epoch(self, rng: np.random.Generator) -> list[int]:
        """The numbers of an epoch's photographs in their order."""
        order = [int(i) for i in rng.permutation(len(self._photos))]
        return order[: self._config.epoch_samples] if self._config.epoch_samples else order

    def batch(self, chosen: Sequence[int], rng: np.random.Generator | None) -> tuple[Image, Targets]:
        """Scenes [N, height, width, 3] uint8 and their heat, sides, near and ignore maps."""
        config, count = self._config, len(chosen)
        high, wide = config.height // STRIDE, config.width // STRIDE
        scenes = np.empty((count, config.height, config.width, 3), np.uint8)
        targets: Targets = {
            "heat": np.zeros((count, high, wide, 2), np.float32),
            "ignore": np.ones((count, high, wide, 2), np.float32),
            "sides": np.ones((count, high, wide, 8), np.float32),
            "near": np.zeros((count, high, wide, 2), np.float32),
        }
        for row, number in enumerate(chosen):
            scenes[row] = self._scene(number, rng, {name: array[row] for name, array in targets.items()})
        return scenes, targets

    def _scene(self, number: int, rng: np.random.Generator | None, maps: Targets) -> Image:
        config = self._config
        if rng is None or rng.random() >= config.mosaic:
            scene, objects = self._tile(number, config.width, config.height, rng)
            for kind, box in objects:
                self._mark(kind, box, (0.0, 0.0, float(config.width), float(config.height)), maps)
        else:
            scene = self._mosaic(number, rng, maps)
        return scene if rng is None else damage(scene, rng, config.pixels)

    def _mosaic(self, number: int, rng: np.random.Generator, maps: Targets) -> Image:
        """Four photographs, one a quarter: more people, smaller, beside things that are not in their rooms."""
        config = self._config
        middle_x = int(config.width * rng.uniform(0.35, 0.65))
        middle_y = int(config.height * rng.uniform(0.35, 0.65))
        scene = np.empty((config.height, config.width, 3), np.uint8)
        numbers = [number, *(int(other) for other in rng.integers(len(self._photos), size=3))]
        corners = [
            (x, y)
            for y in ((0, middle_y), (middle_y, config.height))
            for x in ((0, middle_x), (middle_x, config.width))
        ]
        for chosen, ((left, right), (top, bottom)) in zip(numbers, corners, strict=True):
            tile, objects = self._tile(chosen, right - left, bottom - top, rng, IN_A_QUARTER)
            scene[top:bottom, left:right] = tile
            for kind, box in objects:
                bounds = (float(left), float(top), float(right), float(bottom))
                self._mark(kind, box + np.array([left, top, left, top]), bounds, maps)
        return scene

    def _tile(
        self,
        number: int,
        wide: int,
        high: int,
        rng: np.random.Generator | None,
        scales: tuple[float, float] = ALONE,
    ) -> tuple[Image, list[tuple[int, Boxes]]]:
        """A photograph in a canvas of `high` x `wide`, and its objects' kinds and boxes [4] in the canvas's pixels."""
        photo, image = self._photos[number], self._images[number]
        height, width = image.shape[:2]
        scale = min(wide / width, high / height)
        x, y, mirror = (wide - width * scale) / 2, (high - height * scale) / 2, False
        border: int | None = LETTERBOX_GREY
        squeeze = 1.0
        if rng is not None:
            scale *= float(np.exp(rng.uniform(*np.log(scales)))) if rng.random() < 0.75 else 1.0
            squeeze = float(np.exp(rng.uniform(-0.12, 0.12)))
            slack_x, slack_y = wide - width * scale * squeeze, high - height * scale
            x, y = slack_x * float(rng.random()), slack_y * float(rng.random())
            mirror = bool(rng.random() < 0.5)
            if rng.random() < 0.3:
                border = int(rng.integers(0, 256))
            # Streaks of repeated edges are as good a background as grey.
            if rng.random() < 0.3:
                border = None
        matrix = np.array(
            [[scale * squeeze, 0, x - 0.5 + scale * squeeze / 2], [0, scale, y - 0.5 + scale / 2]]
        )
        if mirror:
            matrix[0] = [-matrix[0, 0], 0, wide - 1 - matrix[0, 2]]
        tile = warp(image, matrix.astype(np.float32), (wide, high), border)
        objects = []
        for sample in photo.samples:
            box = sample.box.astype(np.float64).copy()
            box[[0, 2]] = box[[0, 2]] * scale * squeeze + x
            box[[1, 3]] = box[[1, 3]] * scale + y
            if mirror:
                box[[0, 2]] = wide - box[[2, 0]]
            objects.append((KINDS.index(sample.kind), box))
        return tile, objects

    def _mark(self, kind: int, box: Boxes, bounds: tuple[float, float, float, float], maps: Targets) -> None:
        """Writes one object into the maps; what lies outside `bounds` (xmin, ymin, xmax, ymax) is not seen."""
        left_edge, top_edge, right_edge, bottom_edge = bounds
        seen = np.array(
            [
                max(box[0], left_edge),
                max(box[1], top_edge),
                min(box[2], right_edge),
                min(box[3], bottom_edge),
            ],
            np.float64,
        )
        if (seen[2:] <= seen[:2]).any():
            return
        share = float((seen[2:] - seen[:2]).prod() / max(1e-6, float((box[2:] - box[:2]).prod())))
        high, wide = maps["heat"].shape[:2]
        cells = seen / STRIDE
        if share < LEAST_VISIBLE or (seen[2:] - seen[:2]).max() < SMALLEST_PX:
            left, top = int(cells[0]), int(cells[1])
            maps["ignore"][top : int(cells[3]) + 1, left : int(cells[2]) + 1, kind] = 0.0
            return
        cx, cy = (cells[0] + cells[2]) / 2, (cells[1] + cells[3]) / 2
        column, row = min(wide - 1, int(cx)), min(high - 1, int(cy))
        sigma_x = max(0.5, (cells[2] - cells[0]) * 0.12)
        sigma_y = max(0.5, (cells[3] - cells[1]) * 0.12)
        xs, ys = np.arange(wide) - column, np.arange(high) - row
        bump = np.exp(-(xs[None] ** 2) / (2 * sigma_x**2) - (ys[:, None] ** 2) / (2 * sigma_y**2))
        maps["heat"][..., kind] = np.maximum(maps["heat"][..., kind], bump)
        middle_x, middle_y = np.arange(wide) + 0.5, np.arange(high) + 0.5
        sides = np.stack(
            np.broadcast_arrays(
                middle_x[None] - cells[0], middle_y[:, None] - cells[1], cells[2] - middle_x[None],
                cells[3] - middle_y[:, None],
            ),
            -1,
        )  # fmt: skip
        # Cells in the middle of the box learn its sides, the centre most; a smaller box wins where two
        # overlap.
        weight = np.where((bump > 0.3) & (sides.min(-1) > 0.05), bump, 0.0)
        weight[row, column] = 1.0
        stronger = weight > maps["near"][..., kind]
        maps["near"][..., kind] = np.where(stronger, weight, maps["near"][..., kind])
        start = kind * 4
        maps["sides"][..., start : start + 4][stronger] = np.maximum(sides, 0.05)[stronger]

    def measure(self, predict: Callable[[Any], dict[str, Floats]]) -> dict[str, float]:
        """Average precision at IoU 0.5 for faces and hands."""
        found: tuple[list[tuple[float, bool]], ...] = ([], [])
        total = [0, 0]
        for start in range(0, len(self._photos), 32):
            numbers = list(range(start, min(start + 32, len(self._photos))))
            outputs = predict(self.batch(numbers, None)[0])
            for row, number in enumerate(numbers):
                for kind in (0, 1):
                    truth = self._boxes(number, kind)
                    total[kind] += len(truth)
                    found[kind].extend(
                        match(decode_maps(outputs["heat"][row], outputs["sides"][row], kind), truth)
                    )
        face, hand = (average_precision(found[kind], total[kind]) for kind in (0, 1))
        return {"ap": (face + hand) / 2, "ap/face": face, "ap/hand": hand}

    def _boxes(self, number: int, kind: int) -> list[Floats]:
        photo = self._photos[number]
        scale = min(self._config.width / photo.width, self._config.height / photo.height)
        shift = (
            np.array([self._config.width - photo.width * scale, self._config.height - photo.height * scale])
            / 2
        )
        return [sample.box * scale + np.tile(shift, 2) for sample in photo.of_kind(KINDS[kind])]


def decode_maps(heat: Floats, sides: Floats, kind: int, floor: float = 0.02) -> list[tuple[float, Floats]]:
    """Peaks of the heat map as (score, box), best first, overlapping ones suppressed. Boxes are in input
    pixels.
    """
    scores = 1 / (1 + np.exp(-heat[..., kind]))
    padded = np.pad(scores, 1)
    high, wide = scores.shape
    around = np.max([padded[dy : dy + high, dx : dx + wide] for dy in range(3) for dx in range(3)], 0)
    rows, columns = np.nonzero((scores >= around) & (scores > floor))
    kept: list[tuple[float, Floats]] = []
    for place in np.argsort(-scores[rows, columns]):
        row, column = int(rows[place]), int(columns[place])
        left, top, right, bottom = sides[row, column, kind * 4 : kind * 4 + 4]
        x, y = column + 0.5, row + 0.5
        box = np.array([x - left, y - top, x + right, y + bottom], np.float32) * STRIDE
        if all(overlap(box, other) < 0.5 for _, other in kept):
            kept.append((float(scores[row, column]), box))
    return kept


def overlap(one: Floats, other: Floats) -> float:
    """Intersection over union of two (xmin, ymin, xmax, ymax) boxes."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    if sides.min() <= 0:
        return 0.0
    shared = float(sides.prod())
    return shared / (float((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod()) - shared)


def match(found: Sequence[tuple[float, Floats]], truth: Sequence[Floats]) -> list[tuple[float, bool]]:
    """Whether each finding, best first, hits a box that no better one has hit."""
    left = list(truth)
    answers = []
    for score, box in found:
        overlaps = [overlap(box, other) for other in left]
        best = int(np.argmax(overlaps)) if overlaps else -1
        hit = best >= 0 and overlaps[best] >= 0.5
        if hit:
            left.pop(best)
        answers.append((score, hit))
    return answers


def average_precision(found: Sequence[tuple[float, bool]], total: int) -> float:
    """Area under the precision-recall curve, precision made monotonous."""
    if not total or not found:
        return 0.0
    hits = np.array([hit for _, hit in sorted(found, key=lambda answer: -answer[0])], np.float64)
    recall = np.cumsum(hits) / total
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * precision))
