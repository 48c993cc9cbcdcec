"""The report: metrics by label, by group, confusion, false gestures, landmarks, time.

The JSON form, stable within `gifcue-evaluation/1`: keys may be added, existing ones do not change.

    format, detector {name, version?, backend}, pictures, groups, iou
    labels {label: {positives, threshold, ap50, precision, recall, f1, right, wrong, missed, masked,
                    best_threshold, best_f1, groups, mean_group_f1}}
    by_group {group: {pictures, labels {label: {positives, precision, recall, f1, right, wrong, missed}}}}
    confusion {face|hand: {truth [rows], said [columns], counts [[...]]}}
    false_gestures {hands {hands, false, rate, by_label},     hands known to make none
                    frames {frames, false, rate},             frames that have hands, all known to make none
                    frames_without_hands {frames, false, rate}}
    other_labels {label: regions}     shown by regions of the data, but the detector does not tell them apart
    left_out {boxes {label: boxes},   boxes of the data that lie on no face or hand
              detections {label: n}}  detections of labels that the detector does not name among its labels
    landmarks {hand|face: {teacher, found, mean_error, median_error, p90_error}} or null
    timing {frames, mean_ms, median_ms, p95_ms} or null

`detail` adds intervals, parts and hands over faces.

Rates, AP, precision, recall and F1 are 0..1, and null if their denominator is zero. `masked` counts the detections at
or above the threshold that match a region of which it is unknown whether it has the label. `groups` is the number of
groups with positives of a label, and `mean_group_f1` the mean over these, so that people count alike, whatever their
number of pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from gifcue.detect.regions import DEFAULT_THRESHOLD
from gifcue_lab.datasets.regions import kind_by_label, labels_of
from gifcue_lab.evaluation.matches import (
    NONE,
    NOT_FOUND,
    NOTHING_THERE,
    PictureMatches,
    gather,
    match_picture,
)
from gifcue_lab.evaluation.matching import MATCH_IOU
from gifcue_lab.evaluation.predictions import Predictions
from gifcue_lab.evaluation.truth import TruthPicture

FORMAT = "gifcue-evaluation/1"
_DIGITS = 4


@dataclass(frozen=True)
class Evaluation:
    """An evaluation.

    Attributes:
        report: the JSON form above.
        matches: by picture; charts and gallery are drawn from these.
        thresholds: by label, 0..1.
        attributes: by kind, the labels that the detector tells apart.
    """

    report: dict[str, Any]
    matches: tuple[PictureMatches, ...]
    thresholds: Mapping[str, float]
    attributes: Mapping[str, Sequence[str]]


def evaluate(
    truth: Sequence[TruthPicture],
    predictions: Predictions,
    landmarks: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Computes the report, at the thresholds of the predictions.

    `landmarks` is the result of `landmark_errors`; None without a teacher.
    """
    served = predictions.thresholds
    attributes = predictions.attributes
    matches = tuple(match_picture(p, predictions.pictures[p.name], served, attributes) for p in truth)
    elapsed = [ms for p in truth if (ms := predictions.pictures[p.name].elapsed_ms) is not None]
    report = {
        "format": FORMAT,
        "detector": dict(predictions.detector),
        "iou": MATCH_IOU,
        **figures(matches, served, attributes),
        "landmarks": dict(landmarks) if landmarks else None,
        "timing": _timing(elapsed),
    }
    return Evaluation(report, matches, served, attributes)


def figures(
    matches: Sequence[PictureMatches], served: Mapping[str, float], attributes: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The figures of these pictures at these thresholds: the report's entries from `pictures` to `left_out`.

    `attributes` holds the labels that the detector tells apart, by kind.
    """
    labels, kind_of = labels_of(attributes), kind_by_label(attributes)
    by_group: dict[str, list[PictureMatches]] = {}
    for one in matches:
        by_group.setdefault(one.picture.group, []).append(one)
    groups = {group: _group(members, labels, served) for group, members in sorted(by_group.items())}
    return {
        "pictures": len(matches),
        "groups": len(by_group),
        "labels": {label: _label(matches, groups, label, served) for label in labels},
        "by_group": groups,
        "confusion": {kind: _confusion(matches, kind, own) for kind, own in attributes.items()},
        "false_gestures": _false_gestures(matches),
        "other_labels": _counted(
            region.attribute
            for one in matches
            for region in one.picture.regions
            if region.attribute is not None and kind_of.get(region.attribute) != region.kind
        ),
        "left_out": {
            "boxes": _counted(label for one in matches for label in one.picture.left_out),
            "detections": _counted(label for one in matches for label in one.ignored),
        },
    }


def _label(
    matches: Sequence[PictureMatches], groups: Mapping[str, Any], label: str, served: Mapping[str, float]
) -> dict[str, Any]:
    threshold = served.get(label, DEFAULT_THRESHOLD)
    metrics = gather(matches, label)
    best = metrics.best()
    own = [g["labels"][label]["f1"] for g in groups.values() if g["labels"][label]["positives"]]
    return {
        "positives": metrics.positives,
        "threshold": threshold,
        "ap50": rounded(metrics.average_precision()),
        **_counts(metrics.counts(threshold)),
        "masked": sum(one.masked[label] for one in matches),
        "best_threshold": rounded(best[0] if best else None),
        "best_f1": rounded(best[1] if best else None),
        "groups": len(own),
        "mean_group_f1": rounded(fmean(own) if own else None),
    }


def _group(
    members: Sequence[PictureMatches], measured: Sequence[str], served: Mapping[str, float]
) -> dict[str, Any]:
    labels = {}
    for label in measured:
        metrics = gather(members, label)
        counts = metrics.counts(served.get(label, DEFAULT_THRESHOLD))
        labels[label] = {"positives": metrics.positives, **_counts(counts)}
    return {"pictures": len(members), "labels": labels}


def _counts(counts: Any) -> dict[str, Any]:
    return {
        "precision": rounded(counts.precision),
        "recall": rounded(counts.recall),
        "f1": rounded(counts.f1),
        "right": counts.right,
        "wrong": counts.wrong,
        "missed": counts.missed,
    }


def _confusion(matches: Sequence[PictureMatches], kind: str, labels: Sequence[str]) -> dict[str, Any]:
    others = {
        region.attribute
        for one in matches
        for region in one.picture.regions
        if region.kind == kind and region.attribute is not None
    }
    rows = (*labels, *sorted(others - set(labels)), NONE, NOTHING_THERE)
    columns = (*labels, NONE, NOT_FOUND)
    counted = Counter(entry[1:] for one in matches for entry in one.confusion if entry[0] == kind)
    counts = [[counted[row, column] for column in columns] for row in rows]
    return {"truth": list(rows), "said": list(columns), "counts": counts}


def _false_gestures(matches: Sequence[PictureMatches]) -> dict[str, Any]:
    said = Counter(label for one in matches for label in one.false_hands)
    hands = sum(one.negative_hands for one in matches)
    frames = [one for one in matches if one.hands_make_no_gesture]
    empty = [one for one in matches if not one.has_hands]
    return {
        "hands": {"hands": hands, **_rate(said.total(), hands), "by_label": dict(sorted(said.items()))},
        "frames": {"frames": len(frames), **_rate(sum(bool(one.gestures) for one in frames), len(frames))},
        "frames_without_hands": {
            "frames": len(empty),
            **_rate(sum(bool(one.gestures) for one in empty), len(empty)),
        },
    }


def _rate(false: int, of: int) -> dict[str, Any]:
    return {"false": false, "rate": rounded(false / of if of else None)}


def _counted(labels: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(labels).items()))


def _timing(elapsed_ms: Sequence[float]) -> dict[str, Any] | None:
    if not elapsed_ms:
        return None
    median, p95 = np.percentile(elapsed_ms, (50, 95))
    return {
        "frames": len(elapsed_ms),
        "mean_ms": round(fmean(elapsed_ms), 3),
        "median_ms": round(float(median), 3),
        "p95_ms": round(float(p95), 3),
    }


def rounded(value: float | None) -> float | None:
    """A figure as reports hold it, with four decimals."""
    return None if value is None else round(float(value), _DIGITS)
