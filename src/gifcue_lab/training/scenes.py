"""Batches for the detector: whole photographs, letterboxed, with target maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gifcue.detect.processing import LETTERBOX_GREY, warp
from gifcue_lab.training.compositing import HandDonors
from gifcue_lab.training.crops import has_hand_at
from gifcue_lab.training.degrade import degrade
from gifcue_lab.training.heatmaps import CHANNELS, Targets, add_object, empty_targets, ignore_place
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
# A face or hand is ignored when a pasted hand covers more than this share of its box.
MAX_COVERED = 0.65
# The smallest face, in pixels of the scene, over which a hand is pasted.
MIN_FACE_PX = 20


@dataclass(frozen=True, slots=True)
class _Object:
    """Something in a canvas: its channel in the maps, its box [4] in pixels, and whether nothing is learned of it."""

    channel: int
    box: Boxes
    ignored: bool = False


class SceneSource:
    """Makes letterboxed scenes from photographs held in memory. Safe to call from several threads.

    Args:
        recipe: of a detector.
        photos, images: the photographs and their decoded pictures.
        unlabelled: boxes around hands without a label, in pixels of the photographs, by the photographs' names.
    """

    def __init__(
        self,
        recipe: Recipe,
        photos: Sequence[Photo],
        images: Sequence[Image],
        unlabelled: Mapping[str, Sequence[Floats]] | None = None,
    ) -> None:
        self._recipe = recipe
        self._photos, self._images = photos, images
        self._unlabelled = unlabelled or {}
        donors = HandDonors(photos, images) if recipe.compositing > 0 else None
        self._donors = donors if donors is not None and donors.has_raised else None
        self._repeats = [
            recipe.hand_at_face_repeats
            if recipe.hand_at_face_repeats != 1.0
            and any(has_hand_at(photo, face) for face in photo.of_kind("face"))
            else 1.0
            for photo in photos
        ]

    def __len__(self) -> int:
        """The number of photographs."""
        return len(self._photos)

    def epoch(self, rng: np.random.Generator) -> list[int]:
        """The indices of an epoch's photographs in their order."""
        shown = [index for index, times in enumerate(self._repeats) for _ in range(int(times + rng.random()))]
        order = [shown[int(i)] for i in rng.permutation(len(shown))]
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
            _add(maps, objects, (0.0, 0.0, float(recipe.width), float(recipe.height)))
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
            corner = np.array([left, top, left, top])
            moved = [_Object(each.channel, each.box + corner, each.ignored) for each in objects]
            _add(maps, moved, (float(left), float(top), float(right), float(bottom)))
        return scene

    def _tile(
        self,
        index: int,
        width: int,
        height: int,
        rng: np.random.Generator | None,
        scales: tuple[float, float] = SCALE_ALONE,
    ) -> tuple[Image, list[_Object]]:
        """A photograph in a canvas [height, width, 3], with its objects in the canvas's pixels."""
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
        known = [(sample.kind, sample.box, False) for sample in photo.samples]
        known += [("hand", box, True) for box in self._unlabelled.get(photo.name, ())]
        objects = []
        for kind, edges, ignored in known:
            box = edges.astype(np.float64).copy()
            box[[0, 2]] = box[[0, 2]] * scale * aspect + x
            box[[1, 3]] = box[[1, 3]] * scale + y
            if mirror:
                box[[0, 2]] = width - box[[2, 0]]
            objects.append(_Object(CHANNELS[kind], box, ignored))
        if rng is not None and self._donors is not None and rng.random() < self._recipe.compositing:
            return self._with_hand(tile, objects, self._donors, rng)
        return tile, objects

    def _with_hand(
        self, tile: Image, objects: list[_Object], donors: HandDonors, rng: np.random.Generator
    ) -> tuple[Image, list[_Object]]:
        """The canvas with a hand over one of its faces."""
        faces = [
            each.box for each in objects if each.channel == CHANNELS["face"] and _is_large(each.box, tile)
        ]
        if not faces:
            return tile, objects
        face = faces[int(rng.integers(len(faces)))]
        tile, hand, mask = donors.paste_in_scene(tile, face.astype(np.float32), rng)
        left = [
            _Object(each.channel, each.box, each.ignored or _covered(mask, each.box) > MAX_COVERED)
            for each in objects
        ]
        return tile, [*left, _Object(CHANNELS["hand"], hand)]


def _add(maps: Targets, objects: Sequence[_Object], bounds: tuple[float, float, float, float]) -> None:
    """Adds objects to the maps: what is ignored first, so that it does not hide the centre of another object."""
    for each in objects:
        if each.ignored:
            ignore_place(maps, each.channel, each.box, bounds)
    for each in objects:
        if not each.ignored:
            add_object(maps, each.channel, each.box, bounds)


def _is_large(face: Boxes, tile: Image) -> bool:
    """Whether a face is large enough for a hand over it, and its middle is in the canvas."""
    middle = (face[:2] + face[2:]) / 2
    return bool(
        (face[2:] - face[:2]).min() >= MIN_FACE_PX
        and (middle >= 0).all()
        and (middle < tile.shape[1::-1]).all()
    )


def _covered(mask: Floats, box: Boxes) -> float:
    """The share of a box [4] that a mask [H, W, 1] covers, 0..1."""
    left, top, right, bottom = (max(0, round(float(edge))) for edge in box)
    inside = mask[top:bottom, left:right]
    return float(inside.mean()) if inside.size else 0.0
