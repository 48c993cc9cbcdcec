"""Makes the negatives of custom gestures (`gifcue.gestures.negatives`) from labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gifcue.detect.detector import Detector
from gifcue.detect.gesture_classifier import KNUCKLES, POINTS, WRIST
from gifcue.detect.regions import DEFAULT_THRESHOLD
from gifcue.gestures.negatives import Floats, Negatives, write_negatives
from gifcue.media.files import read_rgb, scale_to_fit
from gifcue.media.settings import MediaSettings
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.progress import Track, quiet
from gifcue_lab.evaluation.truth import TruthPicture, read_truth

# A detected hand counts as labelled from this intersection over union on. Other hands may be false detections.
MIN_IOU = 0.5
# Hands of one group: the result should have many people, not many frames of a few.
PER_GROUP = 25


def run(detector: Detector, data_dir: Path, out: Path, *, track: Track = quiet) -> Negatives:
    """Writes the negatives of all labelled pictures under a folder to `out`, and returns them.

    Raises:
        DatasetError: there are no labelled pictures, or labels cannot be read.
        UnreadableMedia: a picture cannot be read.
    """
    negatives = collect(detector, read_truth(data_dir, track=track), track=track)
    write_negatives(negatives, out)
    return negatives


def collect(
    detector: Detector,
    truth: Sequence[TruthPicture],
    *,
    per_group: int = PER_GROUP,
    seed: int = 1,
    track: Track = quiet,
) -> Negatives:
    """The labelled hands that the detector finds, at most `per_group` of each group, in an order set by `seed`."""
    threshold = detector.info.thresholds.get("hand", DEFAULT_THRESHOLD)
    numbers = {group: number for number, group in enumerate(sorted({picture.group for picture in truth}))}
    taken = dict.fromkeys(numbers, 0)
    points: list[Floats] = []
    groups: list[int] = []
    order = np.random.default_rng(seed).permutation(len(truth))
    for index in track(list(order), "looking at hands"):
        picture = truth[index]
        labelled = [region.box for region in picture.regions if region.kind == "hand"]
        if not labelled or taken[picture.group] >= per_group:
            continue
        found = _hands(detector, picture, labelled, threshold)[: per_group - taken[picture.group]]
        points += found
        groups += [numbers[picture.group]] * len(found)
        taken[picture.group] += len(found)
    return Negatives(np.array(points, np.float32).reshape(-1, POINTS, 3), np.array(groups, np.int64))


def normalise(landmarks: Floats, aspect: float) -> Floats:
    """Landmarks [21, 3] in units of the palm with the wrist at the origin, from landmarks in shares of the frame.

    `aspect` is the frame's width divided by its height. The features of the hand stay the same.
    """
    points = np.asarray(landmarks, np.float32).copy()
    points[:, [0, 2]] *= np.float32(aspect)
    points -= points[WRIST]
    palm = float(np.linalg.norm(points[list(KNUCKLES), :2], axis=1).mean()) + 1e-6
    return np.asarray(points / np.float32(palm), np.float32)


def _hands(
    detector: Detector, picture: TruthPicture, labelled: Sequence[Box], threshold: float
) -> list[Floats]:
    """The normalised landmarks of each detected hand that is labelled."""
    settings = MediaSettings()
    frame = scale_to_fit(read_rgb(picture.path), settings.long_side, settings.short_side)
    return [
        normalise(region.landmarks, frame.shape[1] / frame.shape[0])
        for region in detector.detect([frame])[0]
        if region.kind == "hand"
        and region.landmarks is not None
        and region.score >= threshold
        and max(region.box.iou(box) for box in labelled) >= MIN_IOU
    ]
