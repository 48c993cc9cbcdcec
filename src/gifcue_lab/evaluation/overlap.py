"""How many of the hands in front of faces are found."""

from __future__ import annotations

import numpy as np

from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.regions import FACE, HAND
from gifcue_lab.evaluation.matches import PictureMatches
from gifcue_lab.evaluation.matching import Floats
from gifcue_lab.evaluation.truth import TruthPicture, box_array

# A hand counts as overlapping if at least this share of its box lies over the box of one face.
OVERLAP = 0.1


def overlaps_face(picture: TruthPicture, hand: Box, least: float = OVERLAP) -> bool:
    """Whether at least this share of a hand's box, 0..1, lies over the box of one of the picture's faces."""
    faces = box_array([region.box for region in picture.regions if region.kind == FACE])
    return bool((share_over(box_array([hand])[0], faces) >= least).any())


def overlapping_hands(one: PictureMatches, least: float = OVERLAP) -> tuple[int, int]:
    """(hands that overlap a face, how many of them are found) in one picture, at the threshold of `hand`."""
    hands = [
        region.box
        for region in one.picture.regions
        if region.kind == HAND and overlaps_face(one.picture, region.box, least)
    ]
    missed = missed_boxes(one, HAND)
    return len(hands), sum(box not in missed for box in hands)


def missed_boxes(one: PictureMatches, label: str) -> set[Box]:
    """The boxes of the picture's regions of a label that are missed at its threshold."""
    return {mistake.box for mistake in one.mistakes if mistake.label == label and mistake.said == "missed"}


def share_over(box: Floats, others: Floats) -> Floats:
    """The share of a box [4] that lies over each of the others [N, 4], 0..1; 0 for a box without area."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=1)
    area = float(np.clip(box[2:] - box[:2], 0.0, None).prod())
    return np.asarray(shared / area if area > 0 else np.zeros(len(others)), np.float64)
