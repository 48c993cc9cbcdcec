"""Scores that mean what they say, and thresholds, from people held out of training.

The networks run on the held-out photographs as they are served, boxes from the detector. What they say is
compared with the labels: logits become probabilities by softmax regression on the two heads, a region's
score by logistic regression on the detector's and the close look's word, and each label's threshold is where
F1 is best and stays so nearby. The dev split takes no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gifcue.detect.detector import DetectorConfig
from gifcue.detect.glue import shrink
from gifcue.detect.litert import LiteRtDetector, Seen
from gifcue.detect.metadata import Calibration, Rescoring, read_metadata
from gifcue.detect.regions import KINDS
from gifcue.training.export import update_metadata
from gifcue.training.samples import NONE, UNKNOWN, Photo, read_image, read_photos
from gifcue.training.scenes import overlap

Floats = npt.NDArray[np.float64]

MATCH_IOU = 0.5
# A box that overlaps a hand this much without hitting it shows some of it: no example of nothing.
TOUCH_IOU = 0.15
GRID = np.arange(0.10, 0.96, 0.01)
# F1 is averaged over this much of the score around a threshold: a peak that is one sample wide is luck.
PLATEAU = 0.07
STEPS = 1500
# Pull of the calibration towards both heads counting alike, so that few people cannot switch one off.
PULL = 0.002

Report = Callable[[str], None]


def calibrate(model_dir: Path, data_dir: Path, groups: Sequence[str], *, report: Report = print) -> None:
    """Writes calibration, rescoring and thresholds into the metadata of `model_dir`.

    `groups` are those of the train split that no network was trained on.
    """
    photos = [photo for photo in read_photos(data_dir, "train", groups=groups) if not photo.is_tight_crop]
    detector = LiteRtDetector(DetectorConfig(model_dir))
    judged = [pair for photo in photos for pair in _judge(detector, photo)]
    missed = {kind: sum(len(photo.of_kind(kind)) for photo in photos) for kind in KINDS}
    stages = read_metadata(model_dir, "litert").stages
    thresholds: dict[str, float] = {}
    changes: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        rows = [judgement for judgement in judged if judgement.seen.kind == kind]
        rescoring = _fit_rescoring(rows)
        stage = stages[kind]
        scores = np.array(
            [rescoring.score(row.seen.found, float(row.seen.outputs["presence"][0])) for row in rows]
        )
        real = np.array([judgement.real for judgement in rows])
        thresholds[kind] = best_threshold(scores, real, missed[kind])
        # What is not served as a face or hand at all needs no probability of what it shows.
        known = [
            row
            for row, score in zip(rows, scores, strict=True)
            if row.truth != UNKNOWN and score >= thresholds[kind]
        ]
        calibration = _fit_calibration(known, stage.labels)
        chances = calibration.probabilities(*_logits(known))
        for column, label in enumerate(stage.labels, 1):
            is_label = np.array([row.truth == label for row in known])
            total = sum(sample.attribute == label for photo in photos for sample in photo.of_kind(kind))
            thresholds[label] = best_threshold(chances[:, column], is_label, total)
            report(f"{label}: threshold {thresholds[label]:.2f} from {total} held out")
        changes[kind] = {
            "calibration": {
                "shape": calibration.shape,
                "sight": calibration.sight,
                "bias": list(calibration.bias),
            },
            "rescoring": {"found": rescoring.found, "present": rescoring.present, "bias": rescoring.bias},
        }
        report(f"{kind}: threshold {thresholds[kind]:.2f}, {changes[kind]}")

    def change(metadata: dict[str, Any]) -> None:
        metadata["thresholds"].update(thresholds)
        for kind, change in changes.items():
            metadata["stages"][kind].update(change)

    update_metadata(model_dir, change)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was seen, whether it hits a face or hand, and its true attribute: `NONE` also where nothing is there."""

    seen: Seen
    real: bool
    truth: str


def _judge(detector: LiteRtDetector, photo: Photo) -> list[Judgement]:
    """Everything seen on a photograph."""
    frame = shrink(read_image(photo.path), 640)
    left = list(photo.samples)
    answers: list[Judgement] = []
    for seen in sorted(detector.look(frame), key=lambda seen: -seen.found):
        best = max(
            (sample for sample in left if sample.kind == seen.kind),
            key=lambda sample: overlap(sample.box, seen.placed),
            default=None,
        )
        if best is not None and overlap(best.box, seen.placed) >= MATCH_IOU:
            left = [sample for sample in left if sample is not best]
            answers.append(Judgement(seen, True, best.attribute))
            continue
        touches = any(
            sample.kind == seen.kind and overlap(sample.box, seen.placed) > TOUCH_IOU
            for sample in photo.samples
        )
        answers.append(Judgement(seen, False, UNKNOWN if touches else NONE))
    return answers


def _logits(
    rows: Sequence[Judgement],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    return (
        np.stack([row.seen.outputs["by_shape"] for row in rows]).astype(np.float32),
        np.stack([row.seen.outputs["by_sight"] for row in rows]).astype(np.float32),
    )


def _fit_rescoring(rows: Sequence[Judgement]) -> Rescoring:
    found = np.clip([row.seen.found for row in rows], 1e-4, 1 - 1e-4)
    features = np.stack(
        [
            np.log(found / (1 - found)),
            [float(row.seen.outputs["presence"][0]) for row in rows],
            np.ones(len(rows)),
        ],
        1,
    )
    real = np.array([row.real for row in rows], np.float64)

    def gradient(weights: Floats) -> Floats:
        chance = 1 / (1 + np.exp(-features @ weights))
        return np.asarray(features.T @ (chance - real) / len(real) + 1e-3 * weights)

    weights = _descend(gradient, np.array([1.0, 0.2, 0.0]))
    return Rescoring(*(round(float(weight), 4) for weight in weights))


def _fit_calibration(rows: Sequence[Judgement], labels: Sequence[str]) -> Calibration:
    by_shape, by_sight = (logits.astype(np.float64) for logits in _logits(rows))
    wanted = np.zeros(by_shape.shape)
    for number, row in enumerate(rows):
        wanted[number, labels.index(row.truth) + 1 if row.truth in labels else 0] = 1.0

    def gradient(weights: Floats) -> Floats:
        logits = weights[0] * by_shape + weights[1] * by_sight + weights[2:]
        powers = np.exp(logits - logits.max(1, keepdims=True))
        off = (powers / powers.sum(1, keepdims=True) - wanted) / len(rows)
        pull = PULL * np.concatenate([weights[:2] - 0.6, weights[2:]])
        return np.concatenate([[(off * by_shape).sum(), (off * by_sight).sum()], off.sum(0)]) + pull

    weights = _descend(gradient, np.array([0.6, 0.6, *np.zeros(by_shape.shape[1])]))
    rounded = [round(float(weight), 4) for weight in weights]
    return Calibration(rounded[0], rounded[1], tuple(rounded[2:]))


def _descend(gradient: Callable[[Floats], Floats], weights: Floats) -> Floats:
    """Adam with a falling step; the problems are convex and have a handful of weights."""
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, STEPS + 1):
        slope = gradient(weights)
        mean = 0.9 * mean + 0.1 * slope
        square = 0.99 * square + 0.01 * slope**2
        size = 0.05 * (1 - step / (STEPS + 1))
        weights = weights - size * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
    return weights


def best_threshold(scores: npt.NDArray[Any], right: npt.NDArray[Any], total: int) -> float:
    """Where F1, averaged over the scores nearby, is best; `total` counts those that were not found, too."""
    f1 = []
    for threshold in GRID:
        said = scores >= threshold
        hits = int((said & right).sum())
        f1.append(2 * hits / max(1, int(said.sum()) + total))
    reach = round(PLATEAU / 0.01)
    padded = np.pad(np.array(f1), reach, mode="edge")
    smooth = np.convolve(padded, np.ones(2 * reach + 1) / (2 * reach + 1), "valid")
    best = np.flatnonzero(smooth >= smooth.max() - 1e-3)
    return round(float(GRID[best].mean()), 2)
