"""Detections against truth for one label: which hit, and what precision and recall follow.

Boxes are float arrays [N, 4] of ymin, xmin, ymax, xmax in shares of the frame (intersection over union does
not mind that frames are not square). Three truths: *positives* have the label, *masked* regions may or may
not have it (nobody knows), anything else has not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gifcue_lab.datasets.boxes import iou_matrix

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

MATCH_IOU = 0.5
# What `match` says of a detection that hit no positive.
MISS = -1
MASKED = -2


def match(
    scores: Floats, boxes: Floats, positives: Floats, masked: Floats, min_iou: float = MATCH_IOU
) -> Ints:
    """What each detection of one frame hit: the index of a positive, MASKED or MISS; [N].

    The best score chooses first, and takes the free positive that it overlaps most, by `min_iou` at least.
    One that hits none but a masked region is MASKED: it counts neither way. A second detection of a
    positive is a MISS. Since choice goes by score alone, dropping all detections below some threshold
    changes nothing above it.
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


class Counts(NamedTuple):
    """Detections over a threshold: right, wrong; and positives that none of them hit."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float | None:
        """None where nothing was detected."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None

    @property
    def recall(self) -> float | None:
        """None where there was nothing to detect."""
        return self.right / (self.right + self.missed) if self.right + self.missed else None

    @property
    def f1(self) -> float | None:
        """None where there was nothing to detect and nothing was detected."""
        relevant = 2 * self.right + self.wrong + self.missed
        return 2 * self.right / relevant if relevant else None


@dataclass(frozen=True)
class Curve:
    """Precision and recall at every distinct score, best first; all [K]."""

    thresholds: Floats
    precision: Floats
    recall: Floats

    @property
    def f1(self) -> Floats:
        """[K]; 0 where nothing is right."""
        total = self.precision + self.recall
        f1: Floats = np.divide(
            2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0
        )
        return f1


@dataclass(frozen=True)
class Judged:
    """All detections of one label that count, over a set of frames, and how many positives there were."""

    scores: Floats
    right: npt.NDArray[np.bool_]
    positives: int

    def counts(self, threshold: float) -> Counts:
        """At a threshold; a score equal to it counts as detected, as in serving."""
        over = self.scores >= threshold
        right = int((self.right & over).sum())
        return Counts(right, int(over.sum()) - right, self.positives - right)

    def curve(self) -> Curve:
        """Equal scores are one point: no order among them may be invented."""
        order = np.argsort(-self.scores, kind="stable")
        scores, right = self.scores[order], np.cumsum(self.right[order])
        last = np.flatnonzero(np.append(np.diff(scores) != 0, True)) if len(scores) else np.zeros(0, np.intp)
        right_at = right[last].astype(np.float64)
        recall = right_at / self.positives if self.positives else np.zeros_like(right_at)
        return Curve(scores[last], right_at / (last + 1), recall)

    def average_precision(self) -> float | None:
        """The area under the curve, precision made monotone from the right (Pascal VOC 2010 and later, all
        points).

        None where there are no positives.
        """
        if not self.positives:
            return None
        curve = self.curve()
        envelope = np.maximum.accumulate(curve.precision[::-1])[::-1]
        return float((np.diff(curve.recall, prepend=0.0) * envelope).sum())

    def best(self) -> tuple[float, float] | None:
        """The threshold with the highest F1, and that F1; None without positives or detections."""
        if not self.positives or not len(self.scores):
            return None
        curve = self.curve()
        index = int(np.argmax(curve.f1))
        return float(curve.thresholds[index]), float(curve.f1[index])
