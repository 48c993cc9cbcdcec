"""Batches for the networks that look closely: crops of faces or hands with everything known about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gifcue.detect.processing import crop_matrix, warp
from gifcue_lab.training.augment import bend, cut_off, damage, folds, move_points
from gifcue_lab.training.compositing import Donors, beside_point, touch_point, transplant
from gifcue_lab.training.config import TrainingConfig
from gifcue_lab.training.samples import NONE, UNKNOWN, Image, Photo, Sample

Floats = npt.NDArray[np.float32]
Targets = dict[str, Floats]

# MediaPipe's mesh mirrors its points left to right: the number of each point's twin, for those that we keep.
FACE_TWINS = {
    61: 291, 37: 267, 39: 269, 40: 270, 185: 409, 146: 375, 91: 321, 181: 405, 84: 314, 78: 308,
    191: 415, 80: 310, 81: 311, 82: 312, 95: 324, 88: 318, 178: 402, 87: 317, 33: 263, 133: 362,
    159: 386, 145: 374, 158: 385, 160: 387, 144: 373, 153: 380, 70: 300, 63: 293, 105: 334, 66: 296,
    107: 336, 46: 276, 55: 285, 234: 454, 127: 356, 132: 361, 58: 288, 172: 397, 136: 365, 150: 379,
    149: 378, 148: 377, 98: 327, 50: 280, 205: 425, 36: 266, 117: 346, 187: 411,
}  # fmt: skip

# How often a hand that is put before another background gets one of stripes.
FOLDED = 0.4
# How many of the places that show none are what a detector took for one.
MISTAKEN = 0.5
# How many of the hands at chins come from people who think.
AS_SEEN = 0.6


@dataclass(frozen=True, slots=True)
class CropIndex:
    """One crop to be made: of a sample of a photograph, or a place that shows none (`sample` is None).

    `mistake` is a box [4] that a detector took for one, where it is to be such a place.
    """

    photo: int
    sample: Sample | None
    mistake: Floats | None = None


class CropSource:
    """Makes crops of one kind from photographs held in memory. Safe to call from several threads."""

    def __init__(
        self,
        config: TrainingConfig,
        photos: Sequence[Photo],
        images: Sequence[Image],
        face_points: Sequence[int] = (),
        mistakes: Mapping[str, Sequence[Floats]] | None = None,
    ) -> None:
        self._config = config
        self._photos, self._images = photos, images
        self.kind = config.task
        self.point_count = len(config.points) if config.task == "face" else 21
        self.dimensions = 2 if config.task == "face" else 3
        self._select = [list(face_points).index(point) for point in config.points] if face_points else None
        self._twins = self._twin_order()
        self._donors = Donors(photos, images) if config.compose > 0 and self.kind == "face" else None
        # Where somebody shows it, another whose attribute nobody knows may show it, too.
        self._groups_that_show = {
            photo.group
            for photo in photos
            if any(sample.attribute == config.denied for sample in photo.of_kind(self.kind))
        }
        self._mistakes = [
            CropIndex(number, None, box)
            for number, photo in enumerate(photos)
            for box in (mistakes or {}).get(photo.name, ())
        ]
        self.samples = [
            CropIndex(number, sample)
            for number, photo in enumerate(photos)
            for sample in photo.of_kind(self.kind)
            if sample.landmarks is not None or sample.attribute != UNKNOWN
        ]

    def epoch(self, rng: np.random.Generator) -> list[CropIndex]:
        """The samples of an epoch in their order: labels repeated as configured, negatives mixed in."""
        config = self._config
        chosen: list[CropIndex] = []
        for index in self.samples:
            assert index.sample is not None
            times = config.repeat.get(index.sample.attribute or "none", 1.0)
            if config.repeat_touched != 1.0 and is_touched(self._photos[index.photo], index.sample):
                times *= config.repeat_touched
            chosen.extend([index] * int(times + rng.random()))
        order = [chosen[int(i)] for i in rng.permutation(len(chosen))]
        if config.epoch_samples:
            order = order[: config.epoch_samples]
        for place in np.flatnonzero(rng.random(len(order)) < config.negatives):
            order[int(place)] = self._nowhere(rng)
        return order

    def _nowhere(self, rng: np.random.Generator) -> CropIndex:
        """A place that shows none: one in two is what a detector took for one, where such places are known."""
        if self._mistakes and rng.random() < MISTAKEN:
            return self._mistakes[int(rng.integers(len(self._mistakes)))]
        return CropIndex(int(rng.integers(len(self._photos))), None)

    def batch(self, chosen: Sequence[CropIndex], rng: np.random.Generator | None) -> tuple[Image, Targets]:
        """Crops [N, size, size, 3] uint8 and what is known about each. Without `rng` nothing is augmented."""
        size, count = self._config.width, len(chosen)
        crops = np.empty((count, size, size, 3), np.uint8)
        targets: Targets = {
            "landmarks": np.zeros((count, self.point_count, self.dimensions), np.float32),
            "has_landmarks": np.zeros((count,), np.float32),
            "presence": np.zeros((count,), np.float32),
            "label": np.zeros((count,), np.float32),
            "has_label": np.zeros((count,), np.float32),
            "denied": np.zeros((count,), np.float32),
        }
        for row, index in enumerate(chosen):
            if index.sample is None and rng is not None:
                crops[row] = self._nothing(index, rng)
                # No face or hand: no gesture either, and saying so is what keeps false crops silent.
                targets["has_label"][row] = 1.0
                continue
            assert index.sample is not None
            crops[row] = self._crop(index.photo, index.sample, rng, targets, row)
        return crops, targets

    def _crop(
        self, photo: int, sample: Sample, rng: np.random.Generator | None, targets: Targets, row: int
    ) -> Image:
        config = self._config
        center, side = _framed(sample.box, config, rng)
        angle, mirror, border = 0.0, False, 0
        if rng is not None:
            angle = float(np.clip(rng.normal(0, config.angle_deg / 2), -config.angle_deg, config.angle_deg))
            mirror = bool(rng.random() < 0.5)
        matrix = crop_matrix(
            (float(center[0]), float(center[1])), side, config.width, angle_deg=angle, mirror=mirror
        )
        if rng is not None and config.stretch > 0:
            matrix = _stretched(matrix, config, rng)
        any_border = border if rng is None or rng.random() < 0.6 else None
        crop = warp(self._images[photo], matrix, (config.width, config.width), any_border)
        attribute = sample.attribute
        if rng is not None:
            if self._donors is not None and sample.landmarks is not None and rng.random() < config.compose:
                crop, attribute = self._compose(crop, sample, matrix, rng)
            elif self.kind == "hand" and sample.landmarks is not None and rng.random() < config.compose:
                hand = move_points(sample.landmarks, matrix, 1)
                crop = transplant(crop, hand, self._background(rng), rng)
        # A hand at the chin may be what is cut off.
        may_cut = attribute == NONE or attribute != config.denied
        if rng is not None and may_cut and rng.random() < config.cut:
            crop = cut_off(crop, rng)
        points: Floats | None = None
        if sample.landmarks is not None:
            chosen = sample.landmarks if self._select is None else sample.landmarks[self._select]
            points = move_points(chosen, matrix, config.width)
            if mirror and self._twins is not None:
                points = points[self._twins]
            if rng is not None and config.bend > 0:
                crop, points = bend(crop, points, rng, config.bend)
            targets["landmarks"][row] = points
            targets["has_landmarks"][row] = 1.0
        if rng is not None:
            crop = damage(crop, rng, config.pixels)
        targets["presence"][row] = 1.0
        if attribute != UNKNOWN:
            targets["has_label"][row] = 1.0
            targets["label"][row] = float(self.class_of(attribute))
        elif sample.denies:
            targets["denied"][row] = float(self.class_of(sample.denies))
        elif self._photos[photo].group not in self._groups_that_show:
            targets["denied"][row] = float(self.class_of(config.denied))
        return crop

    def _compose(
        self, crop: Image, sample: Sample, matrix: Floats, rng: np.random.Generator
    ) -> tuple[Image, str]:
        """Lays a hand at the face, which then is thinking, or beside it, which changes nothing."""
        assert self._donors is not None
        assert sample.landmarks is not None
        assert self._select is not None
        if not len(self._donors):
            return crop, sample.attribute
        face = move_points(sample.landmarks[self._select], matrix, 1)
        if sample.attribute != "smile" and rng.random() < 0.4:
            if self._donors.has_thinking and rng.random() < AS_SEEN:
                return self._donors.lay_as_seen(crop, face, rng), "thinking"
            touch = touch_point(face, self._config.points, rng)
            return self._donors.lay(crop, face, touch, rng, closed=True), "thinking"
        # Any hand may be beside a face, below or before it, the flat one at the mouth above all.
        closed = bool(rng.random() < 0.4)
        touch, sizes = beside_point(face, rng)
        return self._donors.lay(crop, face, touch, rng, closed=closed, sizes=sizes), sample.attribute

    def class_of(self, attribute: str) -> int:
        """0 for none of the classes, else 1-based."""
        return self._config.classes.index(attribute) + 1 if attribute in self._config.classes else 0

    def _nothing(self, index: CropIndex, rng: np.random.Generator) -> Image:
        if index.mistake is None:
            return self._negative(index.photo, rng)
        center, side = _framed(index.mistake, self._config, rng)
        return damage(self._cut(self._images[index.photo], center, side, rng), rng, self._config.pixels)

    def _negative(self, photo: int, rng: np.random.Generator, tries: int = 12) -> Image:
        """A crop that overlaps no sample of the kind; noise where no such place was found."""
        config, record, image = self._config, self._photos[photo], self._images[photo]
        height, width = image.shape[:2]
        others = [sample.box for sample in record.of_kind(self.kind)]
        for _ in range(tries):
            side = float(rng.uniform(0.12, 0.6)) * max(width, height)
            center = rng.uniform((0, 0), (width, height)).astype(np.float32)
            square = np.concatenate([center - side / 2, center + side / 2])
            if all(covered(box, square) < 0.25 for box in others):
                return damage(self._cut(image, center, side, rng), rng, config.pixels)
        return rng.integers(0, 256, (config.width, config.width, 3)).astype(np.uint8)

    def _cut(self, image: Image, center: Floats, side: float, rng: np.random.Generator) -> Image:
        config = self._config
        mirror = bool(rng.random() < 0.5)
        matrix = crop_matrix((float(center[0]), float(center[1])), side, config.width, mirror=mirror)
        return warp(image, matrix, (config.width, config.width), 0 if rng.random() < 0.6 else None)

    def _background(self, rng: np.random.Generator) -> Image:
        if rng.random() < FOLDED:
            return folds(self._config.width, rng)
        return self._negative(int(rng.integers(len(self._photos))), rng, tries=3)

    def _twin_order(self) -> list[int] | None:
        if self.kind != "face":
            return None  # a mirrored left hand is a right hand: its points keep their numbers
        twins = {**FACE_TWINS, **{right: left for left, right in FACE_TWINS.items()}}
        points = list(self._config.points)
        return [points.index(twins.get(point, point)) for point in points]


def is_touched(photo: Photo, face: Sample) -> bool:
    """Whether a hand lies before a face, or just below it."""
    reach = face.box[2:] - face.box[:2]
    low, high = face.box[:2] - 0.1 * reach, face.box[2:] + 0.25 * reach
    return any(
        bool((np.minimum(hand.box[2:], high) - np.maximum(hand.box[:2], low) > 0.15 * reach).all())
        for hand in photo.of_kind("hand")
    )


def _framed(box: Floats, config: TrainingConfig, rng: np.random.Generator | None) -> tuple[Floats, float]:
    """The centre [2] and the side of a square crop about a box, as a detector that errs a little would cut it."""
    center, side = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max()) * config.margin
    if rng is not None:
        side *= float(np.exp(rng.normal(0.0, 0.13)))
        center = center + rng.uniform(-config.shift, config.shift, 2) * side / config.margin
    return np.asarray(center, np.float32), side


def _stretched(matrix: Floats, config: TrainingConfig, rng: np.random.Generator) -> Floats:
    """The same map with the crop's sides stretched and sheared a little about its middle: hands of other
    shapes.
    """
    wide, tall = np.exp(rng.normal(0, config.stretch, 2))
    lean = rng.normal(0, config.stretch)
    bend = np.array([[wide, lean], [0.0, tall]]) / np.sqrt(wide * tall)
    middle = np.full(2, config.width / 2 - 0.5)
    bent = np.concatenate([bend @ matrix[:, :2], (bend @ (matrix[:, 2] - middle) + middle)[:, None]], 1)
    return np.asarray(bent, np.float32)


def covered(box: Floats, square: Floats) -> float:
    """How much of the box lies in the square, 0..1."""
    sides = np.minimum(box[2:], square[2:]) - np.maximum(box[:2], square[:2])
    if sides.min() <= 0:
        return 0.0
    return float(sides.prod() / max(1.0, float((box[2:] - box[:2]).prod())))
