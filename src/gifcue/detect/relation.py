"""What a face shows, judged together with the hands at it.

The crop network of faces sees 80 pixels of a face and what is before it. Whether a hand rests at the chin, covers the
eyes or holds something at the ear is clearer from the landmarks of the hand, which come from a crop of its own. A
softmax regression on both corrects the probabilities of the face.

It works on the regions that a detector has found, so it is the same for every backend. It needs numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gifcue.detect.gesture_classifier import FINGERS, FINGERTIPS, POINTS, WRIST
from gifcue.detect.regions import Region, confidence_of_size

Floats = npt.NDArray[np.float32]

# Hands of a lower score are left out: where they are is a guess. A server does not even crop those whose score of the
# detector network alone is below `expert.detect.score_floor`, so it may see a hand less than the laboratory does.
MIN_HAND_SCORE = 0.15
# Hands whose edge is farther from the mouth, in heights of the face, are left out.
REACH = 1.0
# Hands of a face that are looked at, the nearest first.
MAX_HANDS = 2
# Probabilities are clipped to this before their logarithm is taken.
MIN_PROBABILITY = 1e-4
# Landmarks that are measured against the face: the wrist and the fingertips.
_ENDS = np.array([WRIST, *FINGERTIPS])
_JOINTS = np.array(FINGERS)
HAND_LABELS = ("wave", "ok_hand", "thumbs_up")
# Where the features of one hand begin that `_FaceFrame.describe` lists, and how many there are.
_STRAIGHT = 6 + 3 * len(_ENDS)
_GESTURES = _STRAIGHT + len(FINGERS)
HAND_FEATURES = _GESTURES + len(HAND_LABELS)


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
        shown = [face.attributes.get(label, 0.0) / confidence for label in self.labels]
        features = face_features(shown, face, hands, self.points, width, height)
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


def parse_relation(
    value: Mapping[str, Any], known: Sequence[str], landmarks: int, smallest_px: float
) -> HandRelation:
    """The regression from the values of `as_document`.

    Args:
        value: the values.
        known: the labels of a face that the model has. It may have more than the regression.
        landmarks: how many landmarks a face has.
        smallest_px: the size confidence of faces.

    Raises:
        KeyError, TypeError: a value is missing or has another type.
        ValueError: a label is not known, the weights have another shape or are not finite, or a landmark does not
            exist.
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
    if not (points.mouth and points.eyes) or not all(0 <= place < landmarks for place in points.places()):
        raise ValueError(f"expected places of landmarks from 0 to {landmarks - 1}, got {dict(places)}")
    weights = np.asarray(value["weights"], np.float32)
    expected = (feature_count(len(labels)) + 1, len(labels) + 1)
    if weights.shape != expected or not bool(np.isfinite(weights).all()):
        raise ValueError(f"expected finite weights of the shape {expected}, got the shape {weights.shape}")
    return HandRelation(labels, points, weights, smallest_px)


def feature_count(labels: int) -> int:
    """The number of features of a face with so many labels."""
    return labels + 1 + MAX_HANDS * HAND_FEATURES


def face_features(
    probabilities: Sequence[float],
    face: Region,
    hands: Sequence[Region],
    points: FacePoints,
    width: int,
    height: int,
) -> Floats:
    """The features of one face: the logarithms of its probabilities, then what is known of the nearest hands.

    Args:
        probabilities: of the face's labels, 0..1, without class 0.
        face: with landmarks.
        hands: with landmarks.
        points: the face's landmarks that are used.
        width, height: of the frame in pixels.

    Returns:
        float32 [feature_count]; the features of hands that there are not are 0.
    """
    classes = [1.0 - sum(probabilities), *probabilities]
    features = np.zeros(feature_count(len(probabilities)), np.float32)
    features[: len(classes)] = [math.log(min(1.0, max(MIN_PROBABILITY, value))) for value in classes]
    if hands:
        frame = _FaceFrame.of(face, points, width, height)
        near = sorted(((frame.distance(hand), place) for place, hand in enumerate(hands)))[:MAX_HANDS]
        for number, (away, place) in enumerate(near):
            if away <= REACH:
                start = len(classes) + number * HAND_FEATURES
                frame.describe(hands[place], away, features[start : start + HAND_FEATURES])
    return features


@dataclass(frozen=True, slots=True)
class _FaceFrame:
    """The coordinates of a face: from its mouth, to the right and up along the face, in heights of the face.

    These few numbers are plain floats, which cost a tenth of arrays of two.

    Attributes:
        mouth: the origin in pixels.
        up: the direction up in pixels, divided by the height of the face in pixels.
        marks: chin and eyes in these coordinates.
        width, height: of the frame in pixels.
    """

    mouth: tuple[float, float]
    up: tuple[float, float]
    marks: tuple[tuple[float, float], tuple[float, float]]
    width: int
    height: int

    @classmethod
    def of(cls, face: Region, points: FacePoints, width: int, height: int) -> _FaceFrame:
        assert face.landmarks is not None
        outline = face.landmarks[list(points.places()), :2].tolist()
        x, y = [each[0] * width for each in outline], [each[1] * height for each in outline]
        corners, last = len(points.mouth), len(points.mouth) + len(points.eyes)
        mouth = sum(x[:corners]) / corners, sum(y[:corners]) / corners
        eyes = sum(x[corners:last]) / len(points.eyes), sum(y[corners:last]) / len(points.eyes)
        chin, forehead = (x[last], y[last]), (x[last + 1], y[last + 1])
        up_x, up_y = forehead[0] - chin[0], forehead[1] - chin[1]
        # The square of the unit: once for the direction, once for the lengths.
        unit = up_x * up_x + up_y * up_y + 1e-3
        frame = cls(mouth, (up_x / unit, up_y / unit), ((0.0, 0.0), (0.0, 0.0)), width, height)
        return replace(frame, marks=(frame.place(*chin), frame.place(*eyes)))

    def place(self, x: float, y: float) -> tuple[float, float]:
        """A place in pixels, as (to the right, up)."""
        dx, dy, (up_x, up_y) = x - self.mouth[0], y - self.mouth[1], self.up
        return dy * up_x - dx * up_y, dx * up_x + dy * up_y

    def distance(self, hand: Region) -> float:
        """How far the edge of a hand is from the mouth; 0 where it covers it."""
        return max(0.0, math.hypot(*self._centre(hand)) - self._size(hand) / 2)

    def describe(self, hand: Region, away: float, features: Floats) -> None:
        """Writes the features of a hand [HAND_FEATURES].

        These are: 1, the score, how far the centre is to the side, how far up it is, the size, the distance of the
        edge; the distances of the wrist and of the fingertips from mouth, chin and eyes; the straightness of the
        fingers, 0..1; the probabilities of gestures.
        """
        assert hand.landmarks is not None
        aside, above = self._centre(hand)
        (up_x, up_y), mouth = self.up, self.mouth
        across = np.array(
            [[-up_y * self.width, up_x * self.width], [up_x * self.height, up_y * self.height]], np.float32
        )
        origin = (mouth[1] * up_x - mouth[0] * up_y, mouth[0] * up_x + mouth[1] * up_y)
        # Landmarks as complex numbers: a distance is an absolute value.
        placed = hand.landmarks[:POINTS, :2] @ across
        places = placed[:, 0] + 1j * placed[:, 1] - complex(*origin)
        marks = np.array([0j, complex(*self.marks[0]), complex(*self.marks[1])])
        joints = places[_JOINTS]
        lengths = np.abs(joints[:, 1:] - joints[:, :-1]).sum(1) + 1e-6
        features[:6] = 1.0, hand.score, abs(aside), above, self._size(hand), away
        features[6:_STRAIGHT] = np.abs(places[_ENDS, None] - marks).ravel()
        features[_STRAIGHT:_GESTURES] = np.abs(joints[:, -1] - joints[:, 0]) / lengths
        features[_GESTURES:] = [hand.attributes.get(label, 0.0) for label in HAND_LABELS]

    def _centre(self, hand: Region) -> tuple[float, float]:
        y, x = hand.box.center
        return self.place(x * self.width, y * self.height)

    def _size(self, hand: Region) -> float:
        longer = max(hand.box.width * self.width, hand.box.height * self.height)
        return longer * math.hypot(*self.up)
