"""Crops that show no face or hand, and the square that a box is cropped to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gifcue.detect.processing import crop_matrix, warp
from gifcue_lab.training.degrade import degrade
from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.samples import Image, Photo

Floats = npt.NDArray[np.float32]

# Share of crops whose surroundings beyond the photograph are black, as in serving; the others repeat the edge.
BLACK_BORDER_SHARE = 0.6
# A random place is a negative when it covers less than this share of every labelled box of the kind.
MAX_COVERED = 0.25
# The side of a random place, in longer sides of the photograph.
SIDE_RANGE = (0.12, 0.6)
# Standard deviation of the logarithm of a crop's scale.
SCALE_SIGMA = 0.13


class NegativeCrops:
    """Makes crops without a face or hand from photographs held in memory. Safe to call from several threads."""

    def __init__(self, recipe: Recipe, photos: Sequence[Photo], images: Sequence[Image]) -> None:
        self._recipe = recipe
        self._photos, self._images = photos, images

    def hard(self, photo: int, box: Floats, rng: np.random.Generator) -> Image:
        """A degraded crop [S, S, 3] of a hard negative's box [4]."""
        center, side = crop_square(box, self._recipe, rng)
        return degrade(self._cut(self._images[photo], center, side, rng), rng, self._recipe.degrade)

    def random(self, photo: int, rng: np.random.Generator, tries: int = 12) -> Image:
        """A degraded crop [S, S, 3] of a random place without a sample; noise where `tries` places all show one."""
        recipe, record, image = self._recipe, self._photos[photo], self._images[photo]
        height, width = image.shape[:2]
        others = [sample.box for sample in record.of_kind(recipe.task)]
        for _ in range(tries):
            side = float(rng.uniform(*SIDE_RANGE)) * max(width, height)
            center = rng.uniform((0, 0), (width, height)).astype(np.float32)
            square = np.concatenate([center - side / 2, center + side / 2])
            if all(covered_share(box, square) < MAX_COVERED for box in others):
                return degrade(self._cut(image, center, side, rng), rng, recipe.degrade)
        return rng.integers(0, 256, (recipe.width, recipe.width, 3)).astype(np.uint8)

    def _cut(self, image: Image, center: Floats, side: float, rng: np.random.Generator) -> Image:
        size = self._recipe.width
        mirror = bool(rng.random() < 0.5)
        matrix = crop_matrix((float(center[0]), float(center[1])), side, size, mirror=mirror)
        return warp(image, matrix, (size, size), 0 if rng.random() < BLACK_BORDER_SHARE else None)


def covered_share(box: Floats, square: Floats) -> float:
    """The share of the box [4] that lies in the square [4], 0..1."""
    sides = np.minimum(box[2:], square[2:]) - np.maximum(box[:2], square[:2])
    if sides.min() <= 0:
        return 0.0
    return float(sides.prod() / max(1.0, float((box[2:] - box[:2]).prod())))


def crop_square(box: Floats, recipe: Recipe, rng: np.random.Generator | None) -> tuple[Floats, float]:
    """The centre [2] and side of the crop of a box; with `rng` as varied as the detector's boxes are."""
    center, side = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max()) * recipe.margin
    if rng is not None:
        side *= float(np.exp(rng.normal(0.0, SCALE_SIGMA)))
        center = center + rng.uniform(-recipe.shift, recipe.shift, 2) * side / recipe.margin
    return np.asarray(center, np.float32), side
