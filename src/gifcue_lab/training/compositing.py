"""Composited pictures: a hand from one photograph pasted at the face of another, or before another background.

The label "thinking" has few examples, too few to learn from. What makes the pose is a closed hand at the chin or a
cheek, so such pictures are composited. The hand is cut out along the convex hull of its landmarks, with part of the
forearm. It is the hand of a photograph labelled "thinking", at the place that it has there, or any closed hand that is
raised from below. The same hands beside a face or before its eyes are the negative examples, and so are hands at faces
that are known to show no label: of people who cough, drink or telephone.

The detector learns from hands pasted over the faces of its scenes: the teacher finds few hands there, so few are
labelled.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from gifcue_lab.training.cutting import MIDDLE_KNUCKLE, WRIST, similarity, soft_mask, tone, with_forearm
from gifcue_lab.training.samples import NONE, UNKNOWN, Image, Photo, Sample

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# Indices of MediaPipe's hand landmarks.
FINGERTIPS = (8, 12, 16, 20)
KNUCKLES = (5, 9, 13, 17)
# A hand is closed when its fingertips are on average at most this many times as far from the wrist as its knuckles.
CLOSED_RATIO = 1.45
# Indices of MediaPipe's face mesh where the hand of a "thinking" pose touches the face.
CHIN_AND_JAW = (152, 150, 379, 172, 397)
# Ranges of a pasted hand's length, in heights of the face from the brows to the chin. The hand is at the face, between
# face and camera, or close to the camera.
SIZE_AT_FACE, SIZE_NEARER, SIZE_NEAR_CAMERA = (0.55, 0.95), (0.55, 1.3), (1.2, 1.8)
# The range of the length of a hand pasted over a face in a scene, in heights of the face's box, and the range of its
# rotation in degrees: before a face, hands also lie flat.
SIZE_IN_SCENE, ROTATION_IN_SCENE = (0.6, 1.3), (-60.0, 60.0)
# The smallest hand, in pixels, that is worth pasting elsewhere.
MIN_DONOR_PX = 40
# A hand is raised when its middle knuckle lies above the wrist by more than this share of its knuckles' distance.
MIN_RISE = 0.6
# The mask around a pasted hand grows by this share of the hand's length.
MASK_GROWTH = 0.07


class HandDonors:
    """Raised hands that can be pasted at faces. Safe to call from several threads."""

    def __init__(self, photos: Sequence[Photo], images: Sequence[Image]) -> None:
        self._images = images
        self._all = [
            (index, sample)
            for index, photo in enumerate(photos)
            for sample in photo.of_kind("hand")
            if sample.landmarks is not None and _is_raised(sample)
        ]
        self._closed = [
            (index, sample)
            for index, sample in self._all
            if sample.attribute not in ("wave", UNKNOWN) and _is_closed(sample)
        ]
        at_face = [
            (face.attribute, (index, hand, face.box))
            for index, photo in enumerate(photos)
            for face in photo.of_kind("face")
            if face.attribute in ("thinking", NONE)
            for hand in photo.of_kind("hand")
            if hand.landmarks is not None and _is_at(hand.box, face.box)
        ]
        self._thinking = [donor for shown, donor in at_face if shown == "thinking"]
        self._not_thinking = [donor for shown, donor in at_face if shown == NONE]

    def __len__(self) -> int:
        """The number of closed hands."""
        return len(self._closed)

    @property
    def has_raised(self) -> bool:
        """Whether there is a hand at all that can be pasted."""
        return len(self._all) > 0

    @property
    def has_thinking(self) -> bool:
        """Whether there is a hand at a face labelled "thinking"."""
        return len(self._thinking) > 0

    @property
    def has_not_thinking(self) -> bool:
        """Whether there is a hand at a face that is known to show no label."""
        return len(self._not_thinking) > 0

    def paste_as_photographed(
        self, crop: Image, face: Floats, rng: np.random.Generator, *, thinking: bool = True
    ) -> Image:
        """Pastes the hand of a photograph at about the same place of another face.

        Args:
            crop: a face crop [S, S, 3].
            face: the face's landmarks [N, 2] in pixels of the crop.
            rng: chooses the hand and varies its place.
            thinking: whether it is the hand of a face labelled "thinking", or of one that is known to show no label.
        """
        donors = self._thinking if thinking else self._not_thinking
        index, hand, box = donors[int(rng.integers(len(donors)))]
        low, high = face.min(0), face.max(0)
        scale = float((high - low)[1] / max(1.0, box[3] - box[1])) * float(np.exp(rng.normal(0, 0.1)))
        linear = similarity(scale, np.radians(rng.normal(0, 8)), rng)
        middle = (low + high) / 2 + rng.normal(0, 0.05, 2) * (high - low)
        offset = middle - linear @ ((box[:2] + box[2:]) / 2)
        return self._paste(crop, face, index, hand, linear, offset)

    def paste(
        self,
        crop: Image,
        face: Floats,
        touch: tuple[float, float],
        rng: np.random.Generator,
        *,
        closed: bool,
        sizes: tuple[float, float] = SIZE_AT_FACE,
    ) -> Image:
        """Pastes a random hand on a face crop so that its top is at `touch`.

        Args:
            crop: a face crop [S, S, 3].
            face: the face's landmarks [N, 2] in pixels of the crop. They give the hand's size and tone.
            touch: x, y in pixels of the crop.
            rng: chooses the hand, its size and its rotation.
            closed: whether only closed hands are chosen from.
            sizes: least and greatest length of the hand, in heights of the face.
        """
        hands = self._closed if closed else self._all
        index, sample = hands[int(rng.integers(len(hands)))]
        points = sample.landmarks
        assert points is not None
        flat = points[:, :2].astype(np.float64)
        length = float(np.ptp(flat, axis=0).max())
        face_height = float(np.ptp(face[:, 1]))
        scale = face_height * float(rng.uniform(*sizes)) / max(length, 1.0)
        linear = similarity(scale, np.radians(rng.uniform(-35, 35)), rng)
        # The top of the hand is what touches: the rest of it hangs below the chin and does not cover the mouth.
        heights = (flat @ linear.T)[:, 1]
        top = flat[np.argsort(heights)[:3]].mean(0)
        return self._paste(crop, face, index, sample, linear, np.array(touch) - linear @ top)

    def paste_in_scene(
        self, scene: Image, face: Floats, rng: np.random.Generator
    ) -> tuple[Image, Doubles, Floats]:
        """Pastes a random hand over a face, with its top anywhere in the face or just beside it.

        Args:
            scene: [H, W, 3].
            face: the face's box [4] in pixels of the scene.
            rng: chooses the hand, its place, its size and its rotation.

        Returns:
            The scene, the hand's box [4], and how much of each pixel the hand covers [H, W, 1], 0..1.
        """
        index, sample = self._all[int(rng.integers(len(self._all)))]
        assert sample.landmarks is not None
        flat = sample.landmarks[:, :2].astype(np.float64)
        extent = face[2:] - face[:2]
        length = float(np.ptp(flat, axis=0).max())
        scale = float(extent[1]) * float(rng.uniform(*SIZE_IN_SCENE)) / max(length, 1.0)
        linear = similarity(scale, np.radians(rng.uniform(*ROTATION_IN_SCENE)), rng)
        moved = flat @ linear.T
        top = moved[np.argsort(moved[:, 1])[:3]].mean(0)
        offset = face[:2] + rng.uniform((-0.15, -0.1), (1.15, 0.95)) * extent - top
        # The labelled box has a margin around the landmarks, which the pasted hand keeps.
        margin = (
            max(0.0, float(np.mean([flat.min(0) - sample.box[:2], sample.box[2:] - flat.max(0)]))) * scale
        )
        box = np.concatenate([moved.min(0) + offset - margin, moved.max(0) + offset + margin])
        skin = face[:2] + extent * np.stack(np.meshgrid([0.35, 0.5, 0.65], [0.35, 0.5, 0.65]), -1).reshape(
            -1, 2
        )
        pasted, mask = self._blend(scene, skin, index, sample, linear, offset)
        return pasted, box, mask

    def _paste(
        self, crop: Image, face: Floats, photo: int, hand: Sample, linear: Doubles, offset: Doubles
    ) -> Image:
        return self._blend(crop, face, photo, hand, linear, offset)[0]

    def _blend(
        self,
        crop: Image,
        face: npt.ArrayLike,
        photo: int,
        hand: Sample,
        linear: Doubles,
        offset: Doubles,
    ) -> tuple[Image, Floats]:
        """Pastes the hand of a photograph, mapped by `linear` [2, 2] and `offset` [2], in the tone of the face.

        Returns:
            The picture, and how much of each pixel the hand covers [H, W, 1], 0..1.
        """
        assert hand.landmarks is not None
        flat = hand.landmarks[:, :2].astype(np.float64)
        size = crop.shape[1], crop.shape[0]
        outline = with_forearm(flat) @ linear.T + offset
        length = float(np.ptp(flat @ linear.T, axis=0).max())
        mask = soft_mask(outline, size, max(1, round(MASK_GROWTH * length)))
        matrix = np.concatenate([linear, offset[:, None]], 1)
        warped = cv2.warpAffine(self._images[photo], matrix, size, borderMode=cv2.BORDER_REPLICATE)
        factor = tone(crop, face) / np.maximum(tone(np.asarray(warped, np.uint8), outline), 20.0)
        pasted = np.clip(warped.astype(np.float32) * np.clip(factor, 0.4, 2.5), 0, 255)
        return np.asarray(pasted * mask + crop * (1 - mask), np.uint8), mask


def replace_background(crop: Image, hand: Floats, background: Image, rng: np.random.Generator) -> Image:
    """Puts the hand of a crop before another background, so that the network learns the hand and not the room.

    Some gestures are shown by few people, each before one wall.

    Args:
        crop: [S, S, 3].
        hand: its hand's landmarks [21, 2 or 3] in pixels of the crop.
        background: [S, S, 3].
        rng: varies the width of the margin that is kept around the hand.
    """
    flat = hand[:, :2].astype(np.float64)
    length = float(np.ptp(flat, axis=0).max())
    growth = max(1, round(float(rng.uniform(0.06, 0.14)) * length))
    mask = soft_mask(with_forearm(flat), (crop.shape[1], crop.shape[0]), growth)
    return np.asarray(crop * mask + background * (1 - mask), np.uint8)


def touch_point(face: Floats, order: Sequence[int], rng: np.random.Generator) -> tuple[float, float]:
    """A random place (x, y) at the chin or jaw, from landmarks [N, 2] whose mesh indices are `order`."""
    place = face[list(order).index(int(rng.choice(CHIN_AND_JAW)))]
    height = float(np.ptp(face[:, 1]))
    return float(place[0] + rng.normal(0, 0.06) * height), float(place[1] + rng.normal(0.04, 0.06) * height)


def beside_point(face: Floats, rng: np.random.Generator) -> tuple[tuple[float, float], tuple[float, float]]:
    """A random place (x, y) for the top of a hand that is not a "thinking" pose, and the range of its sizes.

    The hand is before eyes or mouth, below the chin, so near the camera that it is larger than a hand at the chin can
    be, or beside the face.
    """
    low, high = face.min(0), face.max(0)
    middle, extent = (low + high) / 2, high - low
    where = rng.random()
    if where < 0.3:
        return (float(middle[0]), float(low[1] + rng.uniform(0.0, 0.6) * extent[1])), SIZE_AT_FACE
    across = float(middle[0] + rng.uniform(-0.6, 0.6) * extent[0])
    if where < 0.45:
        return (across, float(high[1] + rng.uniform(0.2, 0.6) * extent[1])), SIZE_NEARER
    if where < 0.6:
        return (across, float(low[1] + rng.uniform(0.5, 1.1) * extent[1])), SIZE_NEAR_CAMERA
    side = 1.0 if rng.random() < 0.5 else -1.0
    place = (
        middle[0] + side * extent[0] * rng.uniform(1.05, 1.5),
        middle[1] + extent[1] * rng.uniform(-0.4, 0.6),
    )
    return (float(place[0]), float(place[1])), SIZE_NEARER


def _is_at(hand: Floats, face: Floats) -> bool:
    """Whether more than 30 % of a hand's box lies in the face's box, or just below or beside it."""
    extent = face[2:] - face[:2]
    low, high = face[:2] - 0.25 * extent, face[2:] + np.array([0.25, 0.6]) * extent
    sides = np.minimum(hand[2:], high) - np.maximum(hand[:2], low)
    return bool(sides.min() > 0 and sides.prod() > 0.3 * (hand[2:] - hand[:2]).prod())


def _mean_distance(points: Floats, indices: Sequence[int]) -> float:
    """The mean distance of some landmarks from the wrist, in pixels."""
    return float(np.linalg.norm(points[list(indices)] - points[WRIST], axis=1).mean())


def _is_closed(sample: Sample) -> bool:
    assert sample.landmarks is not None
    flat = sample.landmarks[:, :2]
    return _mean_distance(flat, FINGERTIPS) < CLOSED_RATIO * _mean_distance(flat, KNUCKLES)


def _is_raised(sample: Sample) -> bool:
    """Whether the hand is raised from below, and is large enough to be pasted elsewhere."""
    assert sample.landmarks is not None
    flat = sample.landmarks[:, :2]
    rise = flat[WRIST, 1] - flat[MIDDLE_KNUCKLE, 1]
    is_large = np.ptp(flat, axis=0).max() > MIN_DONOR_PX
    return bool(is_large and rise > MIN_RISE * _mean_distance(flat, KNUCKLES))
