"""Who there is, and what their photographs show.

A group's photographs are sorted into scenes: one person, one camera, one place of it. Only within a scene can
one photograph follow another and look like a webcam.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from gifcue.reactions.settings import LabelSettings
from gifcue_lab.training.compositing import MIDDLE_KNUCKLE, WRIST
from gifcue_lab.training.samples import NONE, UNKNOWN, Floats, Image, Photo, Sample

NEUTRAL = "neutral"
# Thumbnails that scenes are told apart by: a wall, a door, a lamp stay visible.
THUMB_WIDTH = 64
# Two photographs are of one scene where most of what is neither hand nor face differs by no more than this, of 255.
# Most: not half, since in a dark room half of everything is alike.
SAME_SCENE, MOST_PERCENT = 11.0, 60
# Less of two pictures tells nothing.
MIN_COMPARED = 0.2
# A hand whose box, grown by this share, meets the lower part of a face may be taken for thinking.
NEAR_FACE_SHARE = 0.15
# How steep a palm stands whose arm comes from below: the sine of its angle.
MIN_RISE = 0.35


@dataclass(frozen=True, slots=True)
class Still:
    """A photograph, and what it says of itself.

    `gesture` is what its hands show, `expression` the only face's (`UNKNOWN` where it is not known, or there are
    several faces). `doubtful` are labels that somebody could see in it, `doubtful_faces` those that its faces alone
    leave open.
    """

    photo: Photo
    gesture: str
    expression: str
    face: Sample | None
    doubtful: frozenset[str]
    doubtful_faces: frozenset[str]

    @property
    def name(self) -> str:
        return self.photo.name

    @property
    def hands(self) -> list[Sample]:
        return self.photo.of_kind("hand")

    @property
    def face_cover(self) -> float:
        """The largest share of a hand's box that lies over a face's, 0..1."""
        shares = [
            _shared_area(hand.box, face.box) / max(1.0, float(np.prod(hand.box[2:] - hand.box[:2])))
            for hand in self.hands
            for face in self.photo.of_kind("face")
        ]
        return max(shares, default=0.0)

    @property
    def rises(self) -> bool:
        """Whether its hands come from below, so that it is known where their arms are."""
        return all(_rises(hand) for hand in self.hands)

    @property
    def is_one_hand(self) -> bool:
        """Whether its hand can be cut out."""
        return len(self.hands) == 1 and self.rises


def read_stills(photos: Iterable[Photo], labels: Mapping[str, LabelSettings]) -> list[Still]:
    """The photographs that can be used: what every hand shows is known, and is one thing."""
    stills = []
    for photo in photos:
        hands, faces = photo.of_kind("hand"), photo.of_kind("face")
        gestures = {hand.attribute for hand in hands if hand.attribute in labels}
        if photo.is_tight_crop or len(gestures) > 1 or any(hand.attribute == UNKNOWN for hand in hands):
            continue
        face = max(faces, key=lambda each: float(np.prod(each.box[2:] - each.box[:2])), default=None)
        expression = faces[0].attribute if len(faces) == 1 else UNKNOWN
        gesture = next(iter(gestures), NONE)
        stills.append(
            Still(
                photo,
                gesture,
                expression,
                face,
                _doubtful(faces, hands, labels),
                _doubtful(faces, (), labels),
            )
        )
    return stills


def _rises(hand: Sample) -> bool:
    if hand.landmarks is None:
        return False
    up = hand.landmarks[WRIST, :2] - hand.landmarks[MIDDLE_KNUCKLE, :2]
    return bool(up[1] > MIN_RISE * float(np.linalg.norm(up)))


def _doubtful(
    faces: Sequence[Sample], hands: Sequence[Sample], labels: Mapping[str, LabelSettings]
) -> frozenset[str]:
    of_faces = {label for label, each in labels.items() if each.kind == "face"}
    if any(face.attribute == UNKNOWN for face in faces):
        return frozenset(of_faces)
    doubtful = {face.attribute for face in faces} & of_faces
    if any(near_face(hand.box, face.box) for hand in hands for face in faces):
        doubtful |= {label for label in of_faces if labels[label].hand_at_face}
    return frozenset(doubtful)


def near_face(hand: Floats, face: Floats) -> bool:
    """Whether a hand touches the lower two thirds of a face, or almost; boxes (xmin, ymin, xmax, ymax)."""
    grow = NEAR_FACE_SHARE * (hand[2:] - hand[:2])
    low, high = hand[:2] - grow, hand[2:] + grow
    top = face[1] + (face[3] - face[1]) / 3
    chin = face[3] + NEAR_FACE_SHARE * (face[3] - face[1])
    return bool(low[0] < face[2] and high[0] > face[0] and low[1] < chin and high[1] > top)


def _shared_area(one: Floats, other: Floats) -> float:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    return float(sides.prod()) if sides.min() > 0 else 0.0


def sort_scenes(stills: Sequence[Still], images: Mapping[str, Image]) -> list[list[Still]]:
    """Stills that share person, camera and place; in the order of their first members, largest scene first."""
    scenes: list[list[tuple[Still, Floats, npt.NDArray[np.bool_]]]] = []
    for still in stills:
        thumb, free = _thumb(still, images[still.name])
        for scene in scenes:
            # Against a few of the scene: bodies move, and the first may be the odd one.
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
