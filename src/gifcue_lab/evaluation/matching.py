"""Matches detections of one label to labelled regions, and computes precision and recall.

Boxes are float arrays [N, 4] of ymin, xmin, ymax, xmax in shares of the frame. A labelled region is a *positive* if it
has the label and *masked* if it is unknown whether it has. Every other region is a negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gifcue.gestures.counts import Counts
from gifcue_lab.datasets.boxes import iou_matrix

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

MATCH_IOU = 0.5
# Results of `match` for a detection that matches no positive.
MISS = -1
MASKED = -2


def match(
    scores: Floats, boxes: Floats, positives: Floats, masked: Floats, min_iou: float = MATCH_IOU
) -> Ints:
    """Matches the detections of one frame: int [N], the index of a positive, or MASKED, or MISS.

    Detections are matched in descending order of `scores` [N]. Each takes the unmatched positive with the highest IoU
    of at least `min_iou`. A detection that matches no positive but a masked region is MASKED and counts neither as
    right nor as wrong. A second detection of a positive is a MISS. Dropping all detections below a threshold does not
    change the matches above it.
    """
    hit = np.full(len(scores), MISS, np.intp)
    overlaps, hidden = iou_matrix(boxes, positives), iou_matrix(boxes, masked)
    free = np.ones(len(positives), bool)
    for index in np.argsort(-scores, kind="stable"):
        candidates = np.where(free, overlaps[index], 0.0)
        if len(positives) and candidates.max() >= min_iou:
            hit[index] = int(candidates.argmax())
            free[hit[index]] = False
        elif len(masked) and hidden[index].max() >= min_iou:
            hit[index] = MASKED
    return hit


@dataclass(frozen=True)
class Curve:
    """Precision and recall at each of K distinct scores, in descending order; float64 [K] each."""

    thresholds: Floats
    precision: Floats
    recall: Floats

    @property
    def f1(self) -> Floats:
        """float64 [K]; 0 where both are 0."""
        total = self.precision + self.recall
        f1: Floats = np.divide(
            2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0
        )
        return f1


@dataclass(frozen=True)
class ScoredDetections:
    """The detections of one label in a set of frames, masked ones left out.

    Attributes:
        scores: float64 [N].
        right: bool [N], whether each matches a positive.
        positives: number of positives in these frames.
    """

    scores: Floats
    right: npt.NDArray[np.bool_]
    positives: int

    def counts(self, threshold: float) -> Counts:
        """The counts at a threshold. A score equal to it counts as detected, as in serving."""
        over = self.scores >= threshold
        right = int((self.right & over).sum())
        return Counts(right, int(over.sum()) - right, self.positives - right)

    def curve(self) -> Curve:
        """The precision-recall curve. Equal scores are one point, because their order is arbitrary."""
        order = np.argsort(-self.scores, kind="stable")
        scores, right = self.scores[order], np.cumsum(self.right[order])
        last = np.flatnonzero(np.append(np.diff(scores) != 0, True)) if len(scores) else np.zeros(0, np.intp)
        right_at = right[last].astype(np.float64)
        recall = right_at / self.positives if self.positives else np.zeros_like(right_at)
        return Curve(scores[last], right_at / (last + 1), recall)

    def average_precision(self) -> float | None:
        """The area under the precision-recall curve, 0..1; None without positives.

        Precision is made monotone from the right and all points are used, as in Pascal VOC since 2010.
        """
        if not self.positives:
            return None
        curve = self.curve()
        envelope = np.maximum.accumulate(curve.precision[::-1])[::-1]
        return float((np.diff(curve.recall, prepend=0.0) * envelope).sum())

    def best(self) -> tuple[float, float] | None:
        """(threshold, F1) where F1 is highest; None without positives or detections."""
        if not self.positives or not len(self.scores):
            return None
        curve = self.curve()
        index = int(np.argmax(curve.f1))
        return float(curve.thresholds[index]), float(curve.f1[index])
