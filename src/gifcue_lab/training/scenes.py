"""Batches for the detector: whole photographs, letterboxed, with target maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gifcue.detect.processing import LETTERBOX_GREY, warp
from gifcue_lab.training.degrade import degrade
from gifcue_lab.training.heatmaps import CHANNELS, Targets, add_object, empty_targets
from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.samples import Image, Photo

Floats = npt.NDArray[np.float32]
Boxes = npt.NDArray[np.float64]

# The range of a photograph's scale, relative to the scale at which it fits: below 1 for people far away, above 1 for
# people close to the camera.
SCALE_ALONE = (0.4, 1.6)
SCALE_IN_MOSAIC = (0.7, 2.0)
RESCALE_SHARE = 0.75
# The largest change of the logarithm of the aspect ratio.
ASPECT_RANGE = 0.12
# How often the border gets a random grey, and how often the edge is repeated into it. Both are backgrounds as good as
# the letterbox's grey.
RANDOM_BORDER_SHARE = 0.3
REPEATED_BORDER_SHARE = 0.3


class SceneSource:
    """Makes letterboxed scenes from photographs held in memory. Safe to call from several threads."""

    def __init__(self, recipe: Recipe, photos: Sequence[Photo], images: Sequence[Image]) -> None:
        self._recipe = recipe
        self._photos, self._images = photos, images

    def __len__(self) -> int:
        """The number of photographs."""
        return len(self._photos)

    def epoch(self, rng: np.random.Generator) -> list[int]:
        """The indices of an epoch's photographs in their order."""
        order = [int(i) for i in rng.permutation(len(self._photos))]
        return order[: self._recipe.epoch_samples] if self._recipe.epoch_samples else order

    def batch(self, chosen: Sequence[int], rng: np.random.Generator | None) -> tuple[Image, Targets]:
        """Scenes of the photographs `chosen`; without `rng` nothing is augmented.

        Returns:
            Pictures [N, height, width, 3] uint8, and the maps of `heatmaps.empty_targets`.
        """
        recipe = self._recipe
        scenes = np.empty((len(chosen), recipe.height, recipe.width, 3), np.uint8)
        targets = empty_targets(len(chosen), recipe.width, recipe.height)
        for row, index in enumerate(chosen):
            scenes[row] = self._scene(index, rng, {name: array[row] for name, array in targets.items()})
        return scenes, targets

    def boxes(self, index: int, kind: str) -> list[Floats]:
        """The boxes of one kind in a photograph's scene without augmentation, in pixels of the scene."""
        photo = self._photos[index]
        width, height = self._recipe.width, self._recipe.height
        scale = min(width / photo.width, height / photo.height)
        shift = np.array([width - photo.width * scale, height - photo.height * scale]) / 2
        return [sample.box * scale + np.tile(shift, 2) for sample in photo.of_kind(kind)]

    def _scene(self, index: int, rng: np.random.Generator | None, maps: Targets) -> Image:
        recipe = self._recipe
        if rng is None or rng.random() >= recipe.mosaic:
            scene, objects = self._tile(index, recipe.width, recipe.height, rng)
            for kind, box in objects:
                add_object(maps, kind, box, (0.0, 0.0, float(recipe.width), float(recipe.height)))
        else:
            scene = self._mosaic(index, rng, maps)
        return scene if rng is None else degrade(scene, rng, recipe.degrade)

    def _mosaic(self, index: int, rng: np.random.Generator, maps: Targets) -> Image:
        """A scene of four photographs, one in each quarter: more and smaller people, in front of other backgrounds."""
        recipe = self._recipe
        middle_x = int(recipe.width * rng.uniform(0.35, 0.65))
        middle_y = int(recipe.height * rng.uniform(0.35, 0.65))
        scene = np.empty((recipe.height, recipe.width, 3), np.uint8)
        indices = [index, *(int(other) for other in rng.integers(len(self._photos), size=3))]
        quarters = [
            (x, y)
            for y in ((0, middle_y), (middle_y, recipe.height))
            for x in ((0, middle_x), (middle_x, recipe.width))
        ]
        for chosen, ((left, right), (top, bottom)) in zip(indices, quarters, strict=True):
            tile, objects = self._tile(chosen, right - left, bottom - top, rng, SCALE_IN_MOSAIC)
            scene[top:bottom, left:right] = tile
            for kind, box in objects:
                bounds = (float(left), float(top), float(right), float(bottom))
                add_object(maps, kind, box + np.array([left, top, left, top]), bounds)
        return scene

    def _tile(
        self,
        index: int,
        width: int,
        height: int,
        rng: np.random.Generator | None,
        scales: tuple[float, float] = SCALE_ALONE,
    ) -> tuple[Image, list[tuple[int, Boxes]]]:
        """A photograph in a canvas [height, width, 3], with its objects' kinds and boxes [4] in the canvas's pixels."""
        photo, image = self._photos[index], self._images[index]
        photo_height, photo_width = image.shape[:2]
        scale = min(width / photo_width, height / photo_height)
        x, y, mirror = (width - photo_width * scale) / 2, (height - photo_height * scale) / 2, False
        border: int | None = LETTERBOX_GREY
        aspect = 1.0
        if rng is not None:
            if rng.random() < RESCALE_SHARE:
                scale *= float(np.exp(rng.uniform(*np.log(scales))))
            aspect = float(np.exp(rng.uniform(-ASPECT_RANGE, ASPECT_RANGE)))
            slack_x, slack_y = width - photo_width * scale * aspect, height - photo_height * scale
            x, y = slack_x * float(rng.random()), slack_y * float(rng.random())
            mirror = bool(rng.random() < 0.5)
            if rng.random() < RANDOM_BORDER_SHARE:
                border = int(rng.integers(0, 256))
            if rng.random() < REPEATED_BORDER_SHARE:
                border = None
        matrix = np.array(
            [[scale * aspect, 0, x - 0.5 + scale * aspect / 2], [0, scale, y - 0.5 + scale / 2]]
        )
        if mirror:
            matrix[0] = [-matrix[0, 0], 0, width - 1 - matrix[0, 2]]
        tile = warp(image, matrix.astype(np.float32), (width, height), border)
        objects = []
        for sample in photo.samples:
            box = sample.box.astype(np.float64).copy()
            box[[0, 2]] = box[[0, 2]] * scale * aspect + x
            box[[1, 3]] = box[[1, 3]] * scale + y
            if mirror:
                box[[0, 2]] = width - box[[2, 0]]
            objects.append((CHANNELS[sample.kind], box))
        return tile, objects
