"""Hands of strangers that make no particular gesture, or another one: what a new gesture is told from.

They ship as landmarks that were moved to the wrist and scaled by the palm, so that neither place nor size
nor face nor background of anybody is in them. `python -m gifcue.gestures.negatives DATA` writes
them anew with the served networks; do so when the hand network changes, since what sets a gesture apart
must not be the network's age.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from gifcue.detect.detector import Detector, DetectorConfig, open_detector
from gifcue.detect.gesture_classifier import KNUCKLES, POINTS, WRIST, hand_features
from gifcue.detect.regions import DEFAULT_THRESHOLD
from gifcue.errors import ModelError
from gifcue_lab.datasets.pictures import decode_rgb
from gifcue_lab.datasets.progress import Track, quiet, rich_track
from gifcue_lab.evaluation.run import fit_for_analysis
from gifcue_lab.evaluation.truth import TruthPicture, read_truth

SHIPPED = Path(__file__).with_name("negatives.npz")
# A detected hand is a labelled one from this overlap on: what nobody labelled may be anything.
MIN_IOU = 0.5
PER_GROUP = 25

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Negatives:
    """`points` float32 [N, 21, 3], wrist at the origin, palm of length 1; `groups` [N], a number for each source."""

    points: Floats
    groups: npt.NDArray[np.int64]

    def features(self) -> Floats:
        """What a light head sees, [N, F]."""
        return np.stack([hand_features(points) for points in self.points])

    def fold(self, number: int, folds: int) -> npt.NDArray[np.bool_]:
        """[N]: which of them belong to a fold; whole groups do, so that no stranger is on two sides."""
        return np.asarray(self.groups % folds == number)


def read_negatives(path: Path = SHIPPED) -> Negatives:
    """Raises `ModelError` when the file is missing or damaged."""
    try:
        with np.load(path) as arrays:
            points, groups = arrays["points"].astype(np.float32), arrays["groups"].astype(np.int64)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise ModelError(f"{path}: expected landmarks of hands, got {error!r}") from error
    if points.ndim != 3 or points.shape[1:] != (POINTS, 3) or len(points) != len(groups):
        raise ModelError(f"{path}: expected points [N, {POINTS}, 3] and N groups, got {points.shape}")
    return Negatives(points, groups)


def normalised(landmarks: Floats, aspect: float) -> Floats:
    """Landmarks as in `Region` ► wrist at the origin, palm of length 1, x and y of one unit. Features stay the same."""
    points = np.asarray(landmarks, np.float32).copy()
    points[:, [0, 2]] *= np.float32(aspect)
    points -= points[WRIST]
    palm = float(np.linalg.norm(points[list(KNUCKLES), :2], axis=1).mean()) + 1e-6
    return np.asarray(points / np.float32(palm), np.float32)


def collect(
    detector: Detector,
    truth: Sequence[TruthPicture],
    *,
    per_group: int = PER_GROUP,
    seed: int = 1,
    track: Track = quiet,
) -> Negatives:
    """The labelled hands that a detector finds, at most so many of a group: people count, not frames."""
    threshold = detector.info.thresholds.get("hand", DEFAULT_THRESHOLD)
    numbers = {group: number for number, group in enumerate(sorted({picture.group for picture in truth}))}
    rng = np.random.default_rng(seed)
    taken = dict.fromkeys(numbers, 0)
    points, groups = [], []
    for index in track(list(rng.permutation(len(truth))), "looking at hands"):
        picture = truth[index]
        hands = [region for region in picture.regions if region.kind == "hand"]
        if not hands or taken[picture.group] >= per_group:
            continue
        frame = fit_for_analysis(decode_rgb(picture.path.read_bytes(), picture.name))
        for region in detector.detect([frame])[0]:
            if region.kind != "hand" or region.landmarks is None or region.score < threshold:
                continue
            if (
                max(region.box.iou(hand.box) for hand in hands) >= MIN_IOU
                and taken[picture.group] < per_group
            ):
                points.append(normalised(region.landmarks, frame.shape[1] / frame.shape[0]))
                groups.append(numbers[picture.group])
                taken[picture.group] += 1
    return Negatives(np.array(points, np.float32).reshape(-1, POINTS, 3), np.array(groups, np.int64))


def write_negatives(negatives: Negatives, path: Path = SHIPPED) -> None:
    """Compressed, in half precision: a thousandth of a palm is less than any network's error."""
    np.savez_compressed(
        path, points=negatives.points.astype(np.float16), groups=negatives.groups.astype(np.uint16)
    )


def main() -> None:
    """Write the negatives that ship, from the training side of a dataset."""
    parser = argparse.ArgumentParser(prog="python -m gifcue.gestures.negatives", description=__doc__)
    parser.add_argument("data", type=Path, help="a folder of labelled pictures, a folder for each person")
    parser.add_argument("--model", type=Path, default=Path("models"))
    parser.add_argument("--out", type=Path, default=SHIPPED)
    given = parser.parse_args()
    detector = open_detector(DetectorConfig(model_dir=given.model))
    try:
        found = collect(detector, read_truth(given.data), track=rich_track)
    finally:
        detector.close()
    write_negatives(found, given.out)
    size = given.out.stat().st_size
    print(
        f"{len(found.points)} hands of {len(set(found.groups.tolist()))} groups in {given.out}, {size:,} bytes"
    )


if __name__ == "__main__":
    main()
