"""What a face shows, judged together with the hands at it.

The crop network of faces sees 80 pixels of a face and what is before it. Whether a hand rests at the chin, covers the
eyes or holds something at the ear is clearer from the landmarks of the hand, which come from a crop of its own. A
softmax regression on both corrects the probabilities of the face.

It works on the regions that a detector has found, so it is the same for every backend. It needs numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gifcue.detect.gesture_classifier import FINGERS, FINGERTIPS, POINTS, WRIST
from gifcue.detect.regions import Region, confidence_of_size

Floats = npt.NDArray[np.float32]

# Hands of a lower score are left out. A server does not crop most of them (`expert.detect.score_floor`), so without
# this bound the result would depend on a setting that is meant to save time only.
MIN_HAND_SCORE = 0.15
# Hands whose edge is farther from the mouth, in heights of the face, are left out.
REACH = 1.0
# Hands of a face that are looked at, the nearest first.
MAX_HANDS = 2
# Probabilities are clipped to this before their logarithm is taken.
MIN_PROBABILITY = 1e-4
# Landmarks that are measured against the face: the wrist and the fingertips.
_ENDS = (WRIST, *FINGERTIPS)
_JOINTS = np.array(FINGERS)
HAND_LABELS = ("wave", "ok_hand", "thumbs_up")
# What is known of one hand: `_hand_features`.
HAND_FEATURES = 6 + 3 * len(_ENDS) + len(FINGERS) + len(HAND_LABELS)


@dataclass(frozen=True, slots=True)
class FacePoints:
    """Which of a face's landmarks span its own coordinates, by their places in `Region.landmarks`.

    Attributes:
        mouth: corners of the mouth; the middle is the origin.
        eyes: corners of the eyes.
        chin: the lowest point of the face.
        forehead: the highest one. Its distance from the chin is the unit.
    """

    mouth: tuple[int, ...]
    eyes: tuple[int, ...]
    chin: int
    forehead: int

    def places(self) -> tuple[int, ...]:
        """All of them."""
        return (*self.mouth, *self.eyes, self.chin, self.forehead)


@dataclass(frozen=True, slots=True, eq=False)
class HandRelation:
    """Softmax regression on a face's probabilities and the hands at it.

    Attributes:
        labels: labels of a face. Class 0, none of them, comes before these. Other labels stay as they are.
        points: the landmarks that place a hand at a face.
        weights: float32 [F + 1, classes], with the bias in the last row; F is `feature_count` of the labels.
        smallest_px: the size confidence of faces, as in `metadata.CropStage`.
    """

    labels: tuple[str, ...]
    points: FacePoints
    weights: Floats
    smallest_px: float

    def apply(self, regions: Sequence[Region], width: int, height: int) -> list[Region]:
        """The regions of a frame of `width x height` pixels in their order, faces with corrected attributes."""
        hands = [
            region
            for region in regions
            if region.kind == "hand" and region.score >= MIN_HAND_SCORE and region.landmarks is not None
        ]
        return [
            self._corrected(region, hands, width, height) if region.kind == "face" else region
            for region in regions
        ]

    def _corrected(self, face: Region, hands: Sequence[Region], width: int, height: int) -> Region:
        longer = max(face.box.width * width, face.box.height * height)
        confidence = confidence_of_size(longer, self.smallest_px)
        if confidence == 0.0 or face.landmarks is None:
            return face
        shown = np.array([face.attributes.get(label, 0.0) for label in self.labels], np.float32)
        features = face_features(shown / np.float32(confidence), face, hands, self.points, width, height)
        logits = features @ self.weights[:-1] + self.weights[-1]
        powers = np.exp(logits - logits.max())
        corrected = powers[1:] / powers.sum() * confidence
        known = dict(zip(self.labels, corrected.tolist(), strict=True))
        return replace(face, attributes={**face.attributes, **known})

    def scaled(self, factor: float, shift: Floats) -> HandRelation:
        """The same regression with its logits multiplied by `factor` and shifted by `shift` [classes]."""
        weights = self.weights * np.float32(factor)
        weights[-1] += shift
        return replace(self, weights=weights)

    def as_document(self) -> dict[str, Any]:
        """The regression as plain values, for `metadata.json`."""
        return {
            "labels": list(self.labels),
            "points": {
                "mouth": list(self.points.mouth),
                "eyes": list(self.points.eyes),
                "chin": self.points.chin,
                "forehead": self.points.forehead,
            },
            "weights": [[round(float(value), 4) for value in row] for row in self.weights],
        }


def parse_relation(value: Mapping[str, Any], known: Sequence[str], smallest_px: float) -> HandRelation:
    """The regression from the values of `as_document`.

    Args:
        value: the values.
        known: the labels of a face that the model has. It may have more than the regression.
        smallest_px: the size confidence of faces.

    Raises:
        KeyError, TypeError: a value is missing or has another type.
        ValueError: a label is not known, the weights have another shape or are not finite, or a place is negative.
    """
    labels = tuple(str(label) for label in value["labels"])
    if not labels or not set(labels) <= set(known):
        raise ValueError(f"expected labels of a face ({', '.join(known)}), got {', '.join(labels)}")
    places = value["points"]
    points = FacePoints(
        mouth=tuple(int(place) for place in places["mouth"]),
        eyes=tuple(int(place) for place in places["eyes"]),
        chin=int(places["chin"]),
        forehead=int(places["forehead"]),
    )
    if not (points.mouth and points.eyes) or min(points.places()) < 0:
        raise ValueError(f"expected places of landmarks from 0, got {dict(places)}")
    weights = np.asarray(value["weights"], np.float32)
    expected = (feature_count(len(labels)) + 1, len(labels) + 1)
    if weights.shape != expected or not bool(np.isfinite(weights).all()):
        raise ValueError(f"expected finite weights of the shape {expected}, got the shape {weights.shape}")
    return HandRelation(labels, points, weights, smallest_px)


def feature_count(labels: int) -> int:
    """The number of features of a face with so many labels."""
    return labels + 1 + MAX_HANDS * HAND_FEATURES


def face_features(
    probabilities: Floats, face: Region, hands: Sequence[Region], points: FacePoints, width: int, height: int
) -> Floats:
    """The features of one face: the logarithms of its probabilities, then what is known of the nearest hands.

    Args:
        probabilities: of the face's labels [labels], 0..1, without class 0.
        face: with landmarks.
        hands: with landmarks.
        points: the face's landmarks that are used.
        width, height: of the frame in pixels.

    Returns:
        float32 [feature_count]; the features of hands that there are not are 0.
    """
    classes = np.empty(len(probabilities) + 1, np.float32)
    classes[1:] = np.clip(probabilities, MIN_PROBABILITY, 1.0)
    classes[0] = max(MIN_PROBABILITY, 1.0 - float(probabilities.sum()))
    features = np.zeros(feature_count(len(probabilities)), np.float32)
    features[: len(classes)] = np.log(classes)
    if hands:
        near = _hand_features(face, hands, points, np.array([width, height], np.float32))
        features[len(classes) : len(classes) + near.size] = near.ravel()
    return features


def _hand_features(face: Region, hands: Sequence[Region], points: FacePoints, size: Floats) -> Floats:
    """float32 [hands, HAND_FEATURES] of the hands within reach, the nearest first, in coordinates of the face.

    These are: 1, the score, how far the centre is to the side, how far up it is, the size, the distance of the edge;
    the distances of the wrist and of the fingertips from mouth, chin and eyes; the straightness of the fingers, 0..1;
    the probabilities of gestures.
    """
    assert face.landmarks is not None
    outline = face.landmarks[:, :2] * size
    mouth = outline[list(points.mouth)].mean(0)
    up = outline[points.forehead] - outline[points.chin]
    unit = float(np.hypot(*up)) + 1e-3
    up = up / unit
    axes = np.array([[-up[1], up[0]], [up[0], up[1]]], np.float32) / unit
    marks = (np.stack([mouth, outline[points.chin], outline[list(points.eyes)].mean(0)]) - mouth) @ axes
    boxes = np.array([[box.xmin, box.ymin, box.xmax, box.ymax] for box in (hand.box for hand in hands)])
    corners = boxes.reshape(-1, 2, 2) * size
    centres = (corners.mean(1) - mouth) @ axes
    sizes = (corners[:, 1] - corners[:, 0]).max(1) / unit
    away = np.maximum(0.0, np.hypot(centres[:, 0], centres[:, 1]) - sizes / 2)
    order = [place for place in np.argsort(away, kind="stable")[:MAX_HANDS] if away[place] <= REACH]
    near = np.zeros((len(order), HAND_FEATURES), np.float32)
    if not order:
        return near
    landmarks = np.stack([hands[place].landmarks[:POINTS, :2] for place in order])  # type: ignore[index]
    places = (landmarks * size - mouth) @ axes
    ends = places[:, list(_ENDS), None] - marks
    joints = places[:, _JOINTS]
    steps = np.diff(joints, axis=2)
    lengths = np.hypot(steps[..., 0], steps[..., 1]).sum(2) + 1e-6
    spans = joints[:, :, -1] - joints[:, :, 0]
    near[:, 0] = 1.0
    near[:, 1] = [hands[place].score for place in order]
    near[:, 2], near[:, 3] = np.abs(centres[order, 0]), centres[order, 1]
    near[:, 4], near[:, 5] = sizes[order], away[order]
    near[:, 6:24] = np.hypot(ends[..., 0], ends[..., 1]).reshape(len(order), -1)
    near[:, 24:29] = np.hypot(spans[..., 0], spans[..., 1]) / lengths
    near[:, 29:] = [[hands[place].attributes.get(label, 0.0) for label in HAND_LABELS] for place in order]
    return near
