"""Batches for the crop networks: crops of faces or hands with everything that is known about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gifcue.detect.processing import crop_matrix, warp
from gifcue_lab.training.augment import bend_fingers, move_points, striped_background, truncate
from gifcue_lab.training.compositing import HandDonors, beside_point, replace_background, touch_point
from gifcue_lab.training.degrade import degrade
from gifcue_lab.training.negatives import BLACK_BORDER_SHARE, NegativeCrops, crop_square
from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.samples import NONE, UNKNOWN, Image, Photo, Sample

Floats = npt.NDArray[np.float32]
Targets = dict[str, Floats]

# The points of MediaPipe's face mesh that mirroring exchanges, for those that the networks may predict.
FACE_TWINS = {
    61: 291, 37: 267, 39: 269, 40: 270, 185: 409, 146: 375, 91: 321, 181: 405, 84: 314, 78: 308,
    191: 415, 80: 310, 81: 311, 82: 312, 95: 324, 88: 318, 178: 402, 87: 317, 33: 263, 133: 362,
    159: 386, 145: 374, 158: 385, 160: 387, 144: 373, 153: 380, 70: 300, 63: 293, 105: 334, 66: 296,
    107: 336, 46: 276, 55: 285, 234: 454, 127: 356, 132: 361, 58: 288, 172: 397, 136: 365, 150: 379,
    149: 378, 148: 377, 98: 327, 50: 280, 205: 425, 36: 266, 117: 346, 187: 411,
}  # fmt: skip

HAND_POINTS = 21
# Share of replaced backgrounds that are striped.
STRIPED_SHARE = 0.4
# Share of the negatives that are hard ones, where hard negatives are known.
HARD_NEGATIVE_SHARE = 0.5
# Share of the faces without a smile that get a hand at the chin; and, of these hands, the shares that keep the place
# that they have in their photograph: at a face labelled "thinking", and at a face that is known not to think.
AT_CHIN_SHARE = 0.45
AS_PHOTOGRAPHED_SHARE, NOT_THINKING_SHARE = 0.5, 0.3
# Share of the hands pasted beside a face that are closed.
CLOSED_SHARE = 0.4
# A hand reaches a face when it overlaps the face's surroundings by more than this share of the face, in both axes.
MIN_TOUCH_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class CropIndex:
    """One crop to be made.

    Attributes:
        photo: index of the photograph.
        sample: the face or hand; None for a negative.
        hard_negative: the box [4] of a hard negative; None for a random place.
    """

    photo: int
    sample: Sample | None
    hard_negative: Floats | None = None


class CropSource:
    """Makes crops of one kind from photographs held in memory. Safe to call from several threads.

    Args:
        recipe: of a crop network.
        photos, images: the photographs and their decoded pictures.
        face_points: the mesh indices of the photographs' face landmarks, for a face network.
        hard_negatives: boxes of hard negatives by the photographs' names.
    """

    def __init__(
        self,
        recipe: Recipe,
        photos: Sequence[Photo],
        images: Sequence[Image],
        face_points: Sequence[int] = (),
        hard_negatives: Mapping[str, Sequence[Floats]] | None = None,
    ) -> None:
        self._recipe = recipe
        self._photos, self._images = photos, images
        self.kind = recipe.task
        is_face = recipe.task == "face"
        self.point_count, self.dimensions = (len(recipe.points), 2) if is_face else (HAND_POINTS, 3)
        self._select = [list(face_points).index(point) for point in recipe.points] if face_points else None
        self._mirrored_order = self._mirrored_points()
        self._donors = HandDonors(photos, images) if recipe.compositing > 0 and is_face else None
        # In a group where one sample shows the label, another of unknown label may show it too.
        self._groups_that_show = {
            photo.group
            for photo in photos
            if any(sample.attribute == recipe.assumed_absent for sample in photo.of_kind(self.kind))
        }
        self._negatives = NegativeCrops(recipe, photos, images)
        self._hard_negatives = [
            CropIndex(index, None, box)
            for index, photo in enumerate(photos)
            for box in (hard_negatives or {}).get(photo.name, ())
        ]
        self.samples = [
            CropIndex(index, sample)
            for index, photo in enumerate(photos)
            for sample in photo.of_kind(self.kind)
            if sample.landmarks is not None or sample.attribute != UNKNOWN or recipe.new_labels_only
        ]

    def epoch(self, rng: np.random.Generator) -> list[CropIndex]:
        """The crops of an epoch in their order: samples repeated as the recipe says, negatives mixed in."""
        recipe = self._recipe
        chosen: list[CropIndex] = []
        for index in self.samples:
            assert index.sample is not None
            times = recipe.label_repeats.get(index.sample.attribute or "none", 1.0)
            if recipe.hand_at_face_repeats != 1.0 and has_hand_at(self._photos[index.photo], index.sample):
                times *= recipe.hand_at_face_repeats
            chosen.extend([index] * int(times + rng.random()))
        order = [chosen[int(i)] for i in rng.permutation(len(chosen))]
        if recipe.epoch_samples:
            order = order[: recipe.epoch_samples]
        for place in np.flatnonzero(rng.random(len(order)) < recipe.negatives):
            order[int(place)] = self._negative_index(rng)
        return order

    def _negative_index(self, rng: np.random.Generator) -> CropIndex:
        if self._hard_negatives and rng.random() < HARD_NEGATIVE_SHARE:
            return self._hard_negatives[int(rng.integers(len(self._hard_negatives)))]
        return CropIndex(int(rng.integers(len(self._photos))), None)

    def batch(self, chosen: Sequence[CropIndex], rng: np.random.Generator | None) -> tuple[Image, Targets]:
        """Crops and their targets; without `rng` nothing is augmented and `chosen` may hold no negatives.

        Returns:
            Crops [N, S, S, 3] uint8, and: `landmarks` [N, points, 2 or 3] in shares of the crop with `has_landmarks`
            [N]; `presence` [N], 1 for a face or hand; `label` [N], the number of its class, with `has_label` [N];
            `absent` [N], the number of a class that a sample without a label does not show, or 0.
        """
        size, count = self._recipe.width, len(chosen)
        crops = np.empty((count, size, size, 3), np.uint8)
        targets: Targets = {
            "landmarks": np.zeros((count, self.point_count, self.dimensions), np.float32),
            "has_landmarks": np.zeros((count,), np.float32),
            "presence": np.zeros((count,), np.float32),
            "label": np.zeros((count,), np.float32),
            "has_label": np.zeros((count,), np.float32),
            "absent": np.zeros((count,), np.float32),
        }
        for row, index in enumerate(chosen):
            if index.sample is None and rng is not None:
                if index.hard_negative is None:
                    crops[row] = self._negatives.random(index.photo, rng)
                else:
                    crops[row] = self._negatives.hard(index.photo, index.hard_negative, rng)
                # A negative shows none of the labels. Training on that keeps false crops from showing one.
                targets["has_label"][row] = 1.0
                continue
            assert index.sample is not None
            crops[row], points, attribute, absent = self._crop(index.photo, index.sample, rng)
            if points is not None:
                targets["landmarks"][row] = points
                targets["has_landmarks"][row] = 1.0
            targets["presence"][row] = 1.0
            self._set_label(targets, row, index, attribute, absent)
        return crops, targets

    def _set_label(self, targets: Targets, row: int, index: CropIndex, attribute: str, absent: str) -> None:
        """Writes what is known of the label of a crop: the `attribute` that it shows, or one that is `absent`."""
        if attribute != UNKNOWN:
            targets["has_label"][row] = 1.0
            targets["label"][row] = float(self.class_of(attribute))
        elif absent:
            targets["absent"][row] = float(self.class_of(absent))
        elif self._photos[index.photo].group not in self._groups_that_show:
            targets["absent"][row] = float(self.class_of(self._recipe.assumed_absent))

    def _crop(
        self, photo: int, sample: Sample, rng: np.random.Generator | None
    ) -> tuple[Image, Floats | None, str, str]:
        """A crop of a sample, its landmarks in shares of the crop, its attribute, and a label that it does not show."""
        recipe = self._recipe
        center, side = crop_square(sample.box, recipe, rng)
        if rng is None:
            matrix = crop_matrix((float(center[0]), float(center[1])), side, recipe.width)
            crop = warp(self._images[photo], matrix, (recipe.width, recipe.width), 0)
            return crop, self._points(sample, matrix, mirror=False), sample.attribute, sample.absent
        limit = recipe.rotation_deg
        angle = float(np.clip(rng.normal(0, limit / 2), -limit, limit))
        mirror = bool(rng.random() < 0.5)
        matrix = crop_matrix(
            (float(center[0]), float(center[1])), side, recipe.width, angle_deg=angle, mirror=mirror
        )
        if recipe.stretch > 0:
            matrix = _stretched(matrix, recipe, rng)
        border = 0 if rng.random() < BLACK_BORDER_SHARE else None
        crop = warp(self._images[photo], matrix, (recipe.width, recipe.width), border)
        crop, attribute, absent = self._composite(crop, sample, matrix, rng)
        # Truncation may remove the hand that shows the label `assumed_absent`: such crops stay whole.
        may_truncate = attribute == NONE or attribute != recipe.assumed_absent
        if may_truncate and rng.random() < recipe.truncation:
            crop = truncate(crop, rng)
        points = self._points(sample, matrix, mirror=mirror)
        if points is not None and recipe.finger_bend > 0:
            crop, points = bend_fingers(crop, points, rng, recipe.finger_bend)
        return degrade(crop, rng, recipe.degrade), points, attribute, absent

    def _points(self, sample: Sample, matrix: Floats, *, mirror: bool) -> Floats | None:
        """The sample's landmarks in shares of the crop, None where they are unknown."""
        if sample.landmarks is None:
            return None
        chosen = sample.landmarks if self._select is None else sample.landmarks[self._select]
        points = move_points(chosen, matrix, self._recipe.width)
        return points[self._mirrored_order] if mirror and self._mirrored_order is not None else points

    def _composite(
        self, crop: Image, sample: Sample, matrix: Floats, rng: np.random.Generator
    ) -> tuple[Image, str, str]:
        """Pastes a hand on a face, or replaces the background of a hand.

        Returns:
            The crop, the attribute that it shows, and a label that it does not show, "" if none is known.
        """
        unchanged = sample.attribute, sample.absent
        if sample.landmarks is None:
            return crop, *unchanged
        if self._donors is not None and rng.random() < self._recipe.compositing:
            return self._paste_hand(crop, sample, matrix, rng)
        if self.kind == "hand" and rng.random() < self._recipe.compositing:
            hand = move_points(sample.landmarks, matrix, 1)
            return replace_background(crop, hand, self._background(rng), rng), *unchanged
        return crop, *unchanged

    def _paste_hand(
        self, crop: Image, sample: Sample, matrix: Floats, rng: np.random.Generator
    ) -> tuple[Image, str, str]:
        """Pastes a hand at the chin, which decides whether the face is "thinking", or elsewhere, which does not."""
        assert self._donors is not None
        assert sample.landmarks is not None
        assert self._select is not None
        if not len(self._donors):
            return crop, sample.attribute, sample.absent
        face = move_points(sample.landmarks[self._select], matrix, 1)
        if sample.attribute != "smile" and rng.random() < AT_CHIN_SHARE:
            drawn = rng.random()
            if self._donors.has_thinking and drawn < AS_PHOTOGRAPHED_SHARE:
                return self._donors.paste_as_photographed(crop, face, rng), "thinking", ""
            if self._donors.has_not_thinking and drawn > 1 - NOT_THINKING_SHARE:
                # Whether the rest of the face is neutral was decided without this hand, so only that much is known.
                pasted = self._donors.paste_as_photographed(crop, face, rng, thinking=False)
                return pasted, UNKNOWN, "thinking"
            touch = touch_point(face, self._recipe.points, rng)
            return self._donors.paste(crop, face, touch, rng, closed=True), "thinking", ""
        # Any hand may be beside, below or before a face. A flat hand at the mouth is the most important case.
        closed = bool(rng.random() < CLOSED_SHARE)
        touch, sizes = beside_point(face, rng)
        pasted = self._donors.paste(crop, face, touch, rng, closed=closed, sizes=sizes)
        return pasted, sample.attribute, sample.absent

    def class_of(self, attribute: str) -> int:
        """The number of the attribute's class; 0 for none of the classes."""
        return self._recipe.classes.index(attribute) + 1 if attribute in self._recipe.classes else 0

    def _background(self, rng: np.random.Generator) -> Image:
        if rng.random() < STRIPED_SHARE:
            return striped_background(self._recipe.width, rng)
        return self._negatives.random(int(rng.integers(len(self._photos))), rng, tries=3)

    def _mirrored_points(self) -> list[int] | None:
        """The order of the points in a mirrored crop; None where it does not change."""
        if self.kind != "face":
            return None  # a mirrored left hand is a right hand: its points keep their indices
        twins = {**FACE_TWINS, **{right: left for left, right in FACE_TWINS.items()}}
        points = list(self._recipe.points)
        return [points.index(twins.get(point, point)) for point in points]


def has_hand_at(photo: Photo, face: Sample) -> bool:
    """Whether a hand lies before a face or just below it."""
    extent = face.box[2:] - face.box[:2]
    low, high = face.box[:2] - 0.1 * extent, face.box[2:] + 0.25 * extent
    return any(
        bool(
            (np.minimum(hand.box[2:], high) - np.maximum(hand.box[:2], low) > MIN_TOUCH_SHARE * extent).all()
        )
        for hand in photo.of_kind("hand")
    )


def _stretched(matrix: Floats, recipe: Recipe, rng: np.random.Generator) -> Floats:
    """The map [2, 3] with the crop stretched and sheared at random about its centre, for hands of other shapes."""
    wide, tall = np.exp(rng.normal(0, recipe.stretch, 2))
    shear = rng.normal(0, recipe.stretch)
    linear = np.array([[wide, shear], [0.0, tall]]) / np.sqrt(wide * tall)
    middle = np.full(2, recipe.width / 2 - 0.5)
    offset = linear @ (matrix[:, 2] - middle) + middle
    return np.asarray(np.concatenate([linear @ matrix[:, :2], offset[:, None]], 1), np.float32)
