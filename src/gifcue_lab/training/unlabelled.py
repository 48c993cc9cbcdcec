"""Hands that nobody labelled: places where the detector must not learn that there is no hand.

Boxes of hands come mostly from a teacher, which misses hands at faces more often than others. The body points of
another teacher show where a hand is, but not well enough for a box. So these places count neither way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from gifcue_lab.training.samples import Photo

Floats = npt.NDArray[np.float32]

POSE = "pose.npz"
# MediaPipe's body points of each hand: the wrist and the knuckles of the little finger and the forefinger.
WRISTS, LITTLE_FINGERS, FOREFINGERS = (15, 16), (17, 18), (19, 20)
# A hand is believed where its wrist has this visibility, 0..1. The knuckles' is lower, since they are smaller.
MIN_VISIBILITY = 0.6
# The side of a hand's surroundings, in distances from the wrist to the knuckles, and at least in shares of the
# picture's longer side. Generous: the points are off by a third of a hand.
SIDE, LEAST_SIDE = 3.0, 0.12
# A hand is labelled when its middle lies in a labelled box that is enlarged on every side by this share of it.
GROWTH = 0.35


def unlabelled_hands(photos: Sequence[Photo], split_dir: Path) -> Mapping[str, Sequence[Floats]]:
    """Boxes [4] around hands without a label, in pixels of the photographs, by the photographs' names.

    Args:
        photos: photographs of one split.
        split_dir: the folder of the split. Without the file `pose.npz` in it, nothing is known.
    """
    path = split_dir / POSE
    if not path.exists():
        return {}
    by_name = {photo.name: photo for photo in photos}
    found: dict[str, list[Floats]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for name, points in zip(arrays["pose_file"], arrays["pose_xyzv"].astype(np.float32), strict=True):
            photo = by_name.get(str(PurePosixPath(str(name)).with_suffix("")))
            if photo is not None and (boxes := _unlabelled(photo, points)):
                found[photo.name] = boxes
    return found


def _unlabelled(photo: Photo, points: Floats) -> list[Floats]:
    boxes = []
    for hand in zip(WRISTS, LITTLE_FINGERS, FOREFINGERS, strict=True):
        wrist, *knuckles = (points[number, :2] for number in hand)
        if points[hand[0], 3] < MIN_VISIBILITY:
            continue
        middle = np.mean(knuckles, 0)
        if (middle < 0).any() or middle[0] >= photo.width or middle[1] >= photo.height:
            continue
        if any(_is_in(middle, sample.box) for sample in photo.of_kind("hand")):
            continue
        length = max(float(np.linalg.norm(knuckle - wrist)) for knuckle in knuckles)
        side = max(SIDE * length, LEAST_SIDE * max(photo.width, photo.height))
        boxes.append(np.concatenate([middle - side / 2, middle + side / 2]).astype(np.float32))
    return boxes


def _is_in(place: Floats, box: Floats) -> bool:
    margin = GROWTH * (box[2:] - box[:2])
    return bool((place >= box[:2] - margin).all() and (place <= box[2:] + margin).all())
