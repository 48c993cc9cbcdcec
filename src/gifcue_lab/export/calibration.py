"""Scores that mean what they say, and thresholds.

Scores come from people held out of training, boxes from the detector as it is served: logits become probabilities by
one temperature a kind, a region's score by logistic regression on the detector's and the close look's word. Biases a
label were tried and did harm: fifteen people's mistakes are not everybody's (docs/decisions/0012).

Thresholds lie where F1 is best and stays so nearby. They may look at a further split, which then is no longer
untouched: the report gives F1 with thresholds that were chosen on one half of the people and measured on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gifcue.detect.detector import DetectorConfig
from gifcue.detect.litert import LiteRtDetector, RawRegion
from gifcue.detect.metadata import Calibration, Rescoring, read_metadata
from gifcue.detect.processing import shrink
from gifcue.detect.regions import KINDS, Region
from gifcue_lab.export.artifacts import update_metadata
from gifcue_lab.training.samples import NONE, UNKNOWN, Photo, read_image, read_photos
from gifcue_lab.training.scenes import overlap

Floats = npt.NDArray[np.float64]

MATCH_IOU = 0.5
# A box that overlaps a hand this much without hitting it shows some of it: no example of nothing.
TOUCH_IOU = 0.15
GRID = np.arange(0.10, 0.96, 0.01)
# F1 is averaged over this much of the score around a threshold: a peak that is one sample wide is luck.
PLATEAU = 0.07
STEPS = 1500
TEMPERATURES = np.arange(0.2, 1.21, 0.05)
# Of hands that make no gesture, at most this share may show each: what is promised is 2 % for the three together, whose
# mistakes never all reach their limit.
MAX_FALSE = 0.012

Report = Callable[[str], None]


def calibrate(
    model_dir: Path,
    data_dir: Path,
    groups: Sequence[str],
    *,
    also: str | None = None,
    keep_scores: bool = False,
    report: Report = print,
) -> None:
    """Writes calibration, rescoring and thresholds into the metadata of `model_dir`.

    `groups` are those of the train split that no network was trained on; `also` names a split whose people help to
    choose thresholds, and nothing else. `keep_scores` leaves calibration and rescoring as they are: those that more
    people were left for, before they joined a last run.
    """
    photos = [photo for photo in read_photos(data_dir, "train", groups=groups) if not photo.is_tight_crop]
    if not keep_scores:
        _calibrate_scores(model_dir, photos, report)
    if also is not None:
        photos = [*photos, *(photo for photo in read_photos(data_dir, also) if not photo.is_tight_crop)]
    thresholds, honest = choose_thresholds(model_dir, photos, report=report)

    def change(metadata: dict[str, Any]) -> None:
        metadata["thresholds"].update(thresholds)
        metadata["training"]["thresholds"] = {
            "chosen_on": ["people of train held out", *([also] if also else [])],
            "f1_cross_fitted": honest,
        }

    update_metadata(model_dir, change)


def _calibrate_scores(model_dir: Path, photos: Sequence[Photo], report: Report) -> None:
    detector = LiteRtDetector(DetectorConfig(model_dir))
    judged = [judgement for photo in photos for judgement in _judge(detector, photo)]
    stages = read_metadata(model_dir, "litert").stages
    changes: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        rows = [judgement for judgement in judged if judgement.seen.kind == kind]
        rescoring = _fit_rescoring(rows)
        known = [row for row in rows if row.real and row.truth != UNKNOWN]
        calibration = _fit_temperature(known, stages[kind].labels)
        changes[kind] = {
            "calibration": {
                "shape": calibration.landmark_scale,
                "sight": calibration.appearance_scale,
                "bias": list(calibration.bias),
            },
            "rescoring": {"found": rescoring.found, "present": rescoring.present, "bias": rescoring.bias},
        }
        report(f"{kind}: {changes[kind]}")

    def change(metadata: dict[str, Any]) -> None:
        for kind, values in changes.items():
            metadata["stages"][kind].update(values)

    update_metadata(model_dir, change)


@dataclass(frozen=True, slots=True)
class Served:
    """A region as it is served: `half` 0 or 1 by its group, `truth` its true attribute, None where it hits nothing."""

    half: int
    region: Region
    truth: str | None


def choose_thresholds(
    model_dir: Path, photos: Sequence[Photo], *, report: Report = print
) -> tuple[dict[str, float], dict[str, float]]:
    """Thresholds of every label, and the F1 of thresholds chosen on the other half of the groups."""
    detector = LiteRtDetector(DetectorConfig(model_dir))
    half_of = {group: number % 2 for number, group in enumerate(sorted({photo.group for photo in photos}))}
    served = [one for photo in photos for one in _serve(detector, photo, half_of[photo.group])]
    thresholds: dict[str, float] = {}
    honest: dict[str, float] = {}
    for kind in KINDS:
        rows = [one for one in served if one.region.kind == kind]
        scores = np.array([one.region.score for one in rows])
        real = np.array([one.truth is not None for one in rows])
        thresholds[kind] = best_threshold(scores, real, sum(len(photo.of_kind(kind)) for photo in photos))
        rows = [one for one in rows if one.truth != UNKNOWN and one.region.score >= thresholds[kind]]
        halves = np.array([one.half for one in rows])
        for label in detector.info.attributes[kind]:
            scores = np.array([one.region.attributes[label] for one in rows])
            right = np.array([one.truth == label for one in rows])
            quiet = np.array([kind == "hand" and one.truth == NONE for one in rows])
            totals = [0, 0]
            for photo in photos:
                totals[half_of[photo.group]] += sum(s.attribute == label for s in photo.of_kind(kind))
            thresholds[label] = best_threshold(scores, right, sum(totals), quiet)
            hits = said = 0
            for half in (0, 1):
                mine, theirs = halves == half, halves != half
                over = mine & (
                    scores >= best_threshold(scores[theirs], right[theirs], totals[1 - half], quiet[theirs])
                )
                hits, said = hits + int((over & right).sum()), said + int(over.sum())
            honest[label] = round(2 * hits / max(1, said + sum(totals)), 4)
            report(
                f"{label}: threshold {thresholds[label]:.2f}; F1 {honest[label]:.3f} with the other half's threshold"
            )
    report(", ".join(f"{kind}: threshold {thresholds[kind]:.2f}" for kind in KINDS))
    return thresholds, honest


def _serve(detector: LiteRtDetector, photo: Photo, half: int) -> list[Served]:
    """Every region of a photograph, best first, with the truth that it hits."""
    frame = read_image(photo.path)
    size = np.array([photo.width, photo.height] * 2, np.float32)
    left = list(photo.samples)
    answers = []
    for region in detector.detect([frame])[0]:
        box = (
            np.array([region.box.xmin, region.box.ymin, region.box.xmax, region.box.ymax], np.float32) * size
        )
        overlaps = [overlap(sample.box, box) if sample.kind == region.kind else 0.0 for sample in left]
        best = int(np.argmax(overlaps)) if overlaps else -1
        hits = best >= 0 and overlaps[best] >= MATCH_IOU
        answers.append(Served(half, region, left.pop(best).attribute if hits else None))
    return answers


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was seen, whether it hits a face or hand, and its true attribute: `NONE` also where nothing is there."""

    seen: RawRegion
    real: bool
    truth: str


def _judge(detector: LiteRtDetector, photo: Photo) -> list[Judgement]:
    """Everything seen on a photograph."""
    frame = shrink(read_image(photo.path), 640)
    left = list(photo.samples)
    answers: list[Judgement] = []
    for seen in sorted(detector.raw_regions(frame), key=lambda seen: -seen.detector_score):
        best = max(
            (sample for sample in left if sample.kind == seen.kind),
            key=lambda sample: overlap(sample.box, seen.refined_box),
            default=None,
        )
        if best is not None and overlap(best.box, seen.refined_box) >= MATCH_IOU:
            left = [sample for sample in left if sample is not best]
            answers.append(Judgement(seen, True, best.attribute))
            continue
        touches = any(
            sample.kind == seen.kind and overlap(sample.box, seen.refined_box) > TOUCH_IOU
            for sample in photo.samples
        )
        answers.append(Judgement(seen, False, UNKNOWN if touches else NONE))
    return answers


def _logits(
    rows: Sequence[Judgement],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    return (
        np.stack([row.seen.landmark_logits for row in rows]).astype(np.float32),
        np.stack([row.seen.appearance_logits for row in rows]).astype(np.float32),
    )


def _fit_rescoring(rows: Sequence[Judgement]) -> Rescoring:
    found = np.clip([row.seen.detector_score for row in rows], 1e-4, 1 - 1e-4)
    features = np.stack(
        [
            np.log(found / (1 - found)),
            [row.seen.presence_logit for row in rows],
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


def _fit_temperature(rows: Sequence[Judgement], labels: Sequence[str]) -> Calibration:
    """Both heads alike, no bias, and the temperature that makes the labels most probable."""
    by_shape, by_sight = _logits(rows)
    wanted = np.array([labels.index(row.truth) + 1 if row.truth in labels else 0 for row in rows])
    none = (0.0,) * by_shape.shape[1]
    tried = [Calibration(round(float(factor), 2), round(float(factor), 2), none) for factor in TEMPERATURES]

    def surprise(calibration: Calibration) -> float:
        chances = calibration.probabilities(by_shape, by_sight)[np.arange(len(wanted)), wanted]
        return float(-np.log(np.maximum(chances, 1e-6)).mean())

    return min(tried, key=surprise)


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


def best_threshold(
    scores: npt.NDArray[Any], right: npt.NDArray[Any], total: int, quiet: npt.NDArray[Any] | None = None
) -> float:
    """Where F1, averaged over the scores nearby, is best; `total` counts those that were not found, too.

    `quiet` marks those that must not be said: no threshold is taken at which more than `MAX_FALSE` of them are.
    """
    f1 = []
    for threshold in GRID:
        said = scores >= threshold
        hits = int((said & right).sum())
        f1.append(2 * hits / max(1, int(said.sum()) + total))
    reach = round(PLATEAU / 0.01)
    padded = np.pad(np.array(f1), reach, mode="edge")
    smooth = np.convolve(padded, np.ones(2 * reach + 1) / (2 * reach + 1), "valid")
    if quiet is not None and quiet.any():
        false = np.array([float((scores[quiet] >= threshold).mean()) for threshold in GRID])
        allowed = false <= max(MAX_FALSE, float(false.min()))
        smooth = np.where(allowed, smooth, -1.0)
    best = np.flatnonzero(smooth >= smooth.max() - 1e-3)
    return round(float(GRID[best].mean()), 2)
