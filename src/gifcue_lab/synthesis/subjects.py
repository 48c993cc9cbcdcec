"""What photographs show, and which of them belong to one scene.

In: `Photo` objects with their labels and landmarks. Out: `Still` objects, and lists of them by scene: one person, one
camera and one position of it. Only photographs of one scene can follow each other as in a webcam's video.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from gifcue.reactions.label_settings import LabelSettings
from gifcue_lab.training.cutting import MIDDLE_KNUCKLE, WRIST
from gifcue_lab.training.samples import NONE, UNKNOWN, Floats, Image, Photo, Sample

NEUTRAL = "neutral"
# Width in pixels of the thumbnails that are compared to find scenes.
THUMB_WIDTH = 64
# Two photographs belong to one scene if this percentile of the differences outside of hands and faces is lower, of
# 255. The median is not enough: in dark rooms half of the pixels are alike.
SAME_SCENE, MOST_PERCENT = 11.0, 60
# Least share of pixels that must be comparable.
MIN_COMPARED = 0.2
# A hand whose box, enlarged by this share, meets the lower part of a face may look like thinking.
NEAR_FACE_SHARE = 0.15
# Least sine of the palm's angle for an arm that comes from below.
MIN_RISE = 0.35


@dataclass(frozen=True, slots=True)
class Still:
    """A photograph and what it shows.

    Attributes:
        gesture: the gesture of its hands, `NONE`, or `UNKNOWN` if that of any hand is.
        expression: that of its only face; `UNKNOWN` if it is unknown or there are several faces.
        face: the largest face, if any.
        ambiguous: labels that could be seen in it.
        ambiguous_faces: the labels of faces that could be seen without its hands.
    """

    photo: Photo
    gesture: str
    expression: str
    face: Sample | None
    ambiguous: frozenset[str]
    ambiguous_faces: frozenset[str]

    @property
    def name(self) -> str:
        return self.photo.name

    @property
    def hands(self) -> list[Sample]:
        return self.photo.of_kind("hand")

    @property
    def face_cover(self) -> float:
        """The largest share of a hand's box that lies in a face's box, 0..1."""
        shares = [
            _shared_area(hand.box, face.box) / max(1.0, float(np.prod(hand.box[2:] - hand.box[:2])))
            for hand in self.hands
            for face in self.photo.of_kind("face")
        ]
        return max(shares, default=0.0)

    @property
    def rises(self) -> bool:
        """Whether the arms of all hands come from below."""
        return all(_rises(hand) for hand in self.hands)

    @property
    def is_one_hand(self) -> bool:
        """Whether it has exactly one hand, which can be cut out."""
        return len(self.hands) == 1 and self.rises


def read_stills(photos: Iterable[Photo], labels: Mapping[str, LabelSettings]) -> list[Still]:
    """The usable photographs: those with at most one gesture."""
    of_hands = frozenset(label for label, each in labels.items() if each.kind == "hand")
    stills = []
    for photo in photos:
        hands, faces = photo.of_kind("hand"), photo.of_kind("face")
        gestures = {hand.attribute for hand in hands if hand.attribute in labels}
        if photo.is_tight_crop or len(gestures) > 1:
            continue
        is_unknown = any(hand.attribute == UNKNOWN for hand in hands)
        face = max(faces, key=lambda each: float(np.prod(each.box[2:] - each.box[:2])), default=None)
        expression = faces[0].attribute if len(faces) == 1 else UNKNOWN
        gesture = UNKNOWN if is_unknown else next(iter(gestures), NONE)
        stills.append(
            Still(
                photo,
                gesture,
                expression,
                face,
                _ambiguous(faces, hands, labels) | (of_hands if is_unknown else frozenset()),
                _ambiguous(faces, (), labels),
            )
        )
    return stills


def _rises(hand: Sample) -> bool:
    if hand.landmarks is None:
        return False
    up = hand.landmarks[WRIST, :2] - hand.landmarks[MIDDLE_KNUCKLE, :2]
    return bool(up[1] > MIN_RISE * float(np.linalg.norm(up)))


def _ambiguous(
    faces: Sequence[Sample], hands: Sequence[Sample], labels: Mapping[str, LabelSettings]
) -> frozenset[str]:
    of_faces = {label for label, each in labels.items() if each.kind == "face"}
    if any(face.attribute == UNKNOWN for face in faces):
        return frozenset(of_faces)
    ambiguous = {face.attribute for face in faces} & of_faces
    # Whoever labelled a face as showing nothing has seen its hand. A neutral face may think all the same.
    unclear = [face for face in faces if face.attribute != NONE]
    if any(near_face(hand.box, face.box) for hand in hands for face in unclear):
        ambiguous |= {label for label in of_faces if labels[label].hand_at_face}
    return frozenset(ambiguous)


def near_face(hand: Floats, face: Floats) -> bool:
    """Whether a hand touches, or almost touches, the lower two thirds of a face; boxes (xmin, ymin, xmax, ymax)."""
    grow = NEAR_FACE_SHARE * (hand[2:] - hand[:2])
    low, high = hand[:2] - grow, hand[2:] + grow
    top = face[1] + (face[3] - face[1]) / 3
    chin = face[3] + NEAR_FACE_SHARE * (face[3] - face[1])
    return bool(low[0] < face[2] and high[0] > face[0] and low[1] < chin and high[1] > top)


def _shared_area(one: Floats, other: Floats) -> float:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    return float(sides.prod()) if sides.min() > 0 else 0.0


def sort_scenes(stills: Sequence[Still], images: Mapping[str, Image]) -> list[list[Still]]:
    """Sorts stills of one group into scenes, the largest first."""
    scenes: list[list[tuple[Still, Floats, npt.NDArray[np.bool_]]]] = []
    for still in stills:
        thumb, free = _thumb(still, images[still.name])
        for scene in scenes:
            # Compared with several stills of the scene, because the body moves between them.
            likeness = [
                _difference(thumb, free, other, other_free)
                for _, other, other_free in scene[:: max(1, len(scene) // 4)]
            ]
            if min(likeness) < SAME_SCENE:
                scene.append((still, thumb, free))
                break
        else:
            scenes.append([(still, thumb, free)])
    return sorted(([member[0] for member in scene] for scene in scenes), key=len, reverse=True)


def _thumb(still: Still, image: Image) -> tuple[Floats, npt.NDArray[np.bool_]]:
    scale = THUMB_WIDTH / image.shape[1]
    size = THUMB_WIDTH, max(1, round(image.shape[0] * scale))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
    free = np.ones(small.shape[:2], bool)
    for sample in still.photo.samples:
        left, top, right, bottom = np.round(sample.box * scale).astype(int)
        free[max(0, top) : bottom + 1, max(0, left) : right + 1] = False
    return small, free


def _difference(
    one: Floats,
    one_free: npt.NDArray[np.bool_],
    other: Floats,
    other_free: npt.NDArray[np.bool_],
) -> float:
    if one.shape != other.shape:
        return float("inf")
    both = one_free & other_free
    if both.mean() < MIN_COMPARED:
        return float("inf")
    return float(np.percentile(np.abs(one - other).max(2)[both], MOST_PERCENT))
