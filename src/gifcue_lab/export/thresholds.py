"""Thresholds: where F1 is best and stays good nearby.

A threshold chosen and measured on the same people looks too good. The cross-fitted F1 of a label uses, for each half of
the groups, the threshold that was chosen on the other half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gifcue.detect.detector import DetectorConfig
from gifcue.detect.litert import LiteRtDetector
from gifcue.detect.regions import KINDS, Region
from gifcue.detect.trust import UNCHECKED
from gifcue_lab.datasets.boxes import iou_matrix
from gifcue_lab.training.samples import NONE, UNKNOWN, Photo, read_image

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Report = Callable[[str], None]

# A region hits a labelled box with this IoU or more.
MATCH_IOU = 0.5
STEP = 0.01
GRID = np.arange(0.10, 0.96, STEP)
# F1 is averaged over this range of thresholds on either side: a peak that is one sample wide is chance.
PLATEAU = 0.07
# Thresholds whose F1 is this close to the best are equally good; the middle of them is chosen.
TOLERANCE = 1e-3
# The largest share of hands without a gesture that may show each gesture. The goal is 2 % for the three gestures
# together, whose errors never all reach their limit.
MAX_FALSE_SHARE = 0.012


@dataclass(frozen=True, slots=True)
class MatchedRegion:
    """A region as it is served.

    Attributes:
        half: 0 or 1, by the group of its photograph.
        region: the region.
        truth: the attribute of the labelled box that it hits; None where it hits none.
    """

    half: int
    region: Region
    truth: str | None


@dataclass(frozen=True, slots=True)
class ScoredLabel:
    """One label's scores of many regions, for choosing its threshold.

    Attributes:
        scores: [N], 0..1.
        right: whether the region truly shows the label [N].
        negative: whether the region is known to show no label at all [N]; see `MAX_FALSE_SHARE`.
        half: 0 or 1 [N].
        totals: how many labelled boxes of each half show the label, found or not.
    """

    scores: Doubles
    right: Bools
    negative: Bools
    half: npt.NDArray[np.intp]
    totals: tuple[int, int]

    def threshold(self, half: int | None = None) -> float:
        """The best threshold for all regions, or for those of one half."""
        if half is None:
            return best_threshold(self.scores, self.right, sum(self.totals), self.negative)
        rows = self.half == half
        return best_threshold(self.scores[rows], self.right[rows], self.totals[half], self.negative[rows])

    def cross_fitted_f1(self) -> float:
        """F1 where each half uses the threshold that was chosen on the other."""
        hits = shown = 0
        for half in (0, 1):
            over = (self.half == half) & (self.scores >= self.threshold(1 - half))
            hits, shown = hits + int((over & self.right).sum()), shown + int(over.sum())
        return 2 * hits / max(1, shown + sum(self.totals))


def choose_thresholds(
    model_dir: Path, photos: Sequence[Photo], *, report: Report = print
) -> tuple[dict[str, float], dict[str, float]]:
    """Runs a model over photographs and chooses the threshold of every label.

    Returns:
        The thresholds of kinds and labels, and the cross-fitted F1 of labels.

    Raises:
        ModelError: the model cannot be read.
    """
    detector = LiteRtDetector(DetectorConfig(model_dir, model_sha256=UNCHECKED))
    half_of = {group: number % 2 for number, group in enumerate(sorted({photo.group for photo in photos}))}
    matched = [each for photo in photos for each in _match(detector, photo, half_of[photo.group])]
    thresholds: dict[str, float] = {}
    cross_fitted: dict[str, float] = {}
    for kind in KINDS:
        regions = [each for each in matched if each.region.kind == kind]
        scores = np.array([each.region.score for each in regions])
        real = np.array([each.truth is not None for each in regions])
        thresholds[kind] = best_threshold(scores, real, sum(len(photo.of_kind(kind)) for photo in photos))
        # A label is shown only for a region over its own threshold. Regions of unknown label count neither way.
        regions = [
            each for each in regions if each.truth != UNKNOWN and each.region.score >= thresholds[kind]
        ]
        for label in detector.info.attributes[kind]:
            totals = [0, 0]
            for photo in photos:
                totals[half_of[photo.group]] += sum(s.attribute == label for s in photo.of_kind(kind))
            scored = ScoredLabel(
                scores=np.array([each.region.attributes[label] for each in regions]),
                right=np.array([each.truth == label for each in regions], bool),
                negative=np.array([kind == "hand" and each.truth == NONE for each in regions], bool),
                half=np.array([each.half for each in regions], np.intp),
                totals=(totals[0], totals[1]),
            )
            thresholds[label] = scored.threshold()
            cross_fitted[label] = round(scored.cross_fitted_f1(), 4)
            report(
                f"{label}: threshold {thresholds[label]:.2f}, cross-fitted F1 {cross_fitted[label]:.3f}, "
                f"{sum(totals)} labelled"
            )
    report(", ".join(f"{kind}: threshold {thresholds[kind]:.2f}" for kind in KINDS))
    return thresholds, cross_fitted


def best_threshold(scores: Doubles, right: Bools, total: int, negative: Bools | None = None) -> float:
    """The threshold of `GRID` where F1, averaged over nearby thresholds, is best.

    Args:
        scores: [N], 0..1.
        right: whether each is right [N].
        total: how many there are to be found, found or not.
        negative: marks those [N] of which at most `MAX_FALSE_SHARE` may reach the threshold; where no threshold
            achieves that, as few as possible.
    """
    f1 = []
    for threshold in GRID:
        shown = scores >= threshold
        hits = int((shown & right).sum())
        f1.append(2 * hits / max(1, int(shown.sum()) + total))
    reach = round(PLATEAU / STEP)
    padded = np.pad(np.array(f1), reach, mode="edge")
    smooth = np.convolve(padded, np.ones(2 * reach + 1) / (2 * reach + 1), "valid")
    if negative is not None and negative.any():
        false = np.array([float((scores[negative] >= threshold).mean()) for threshold in GRID])
        allowed = false <= max(MAX_FALSE_SHARE, float(false.min()))
        smooth = np.where(allowed, smooth, -1.0)
    best = np.flatnonzero(smooth >= smooth.max() - TOLERANCE)
    return round(float(GRID[best].mean()), 2)


def _match(detector: LiteRtDetector, photo: Photo, half: int) -> list[MatchedRegion]:
    """Every region of a photograph, best first, with the attribute of the labelled box that it hits."""
    frame = read_image(photo.path)
    size = np.array([photo.width, photo.height] * 2, np.float32)
    left = list(photo.samples)
    matched = []
    for region in detector.detect([frame])[0]:
        edges = [region.box.xmin, region.box.ymin, region.box.xmax, region.box.ymax]
        box = np.array(edges, np.float32) * size
        overlaps = iou_matrix([sample.box for sample in left], box)[:, 0]
        overlaps *= [sample.kind == region.kind for sample in left]
        best = int(np.argmax(overlaps)) if left else -1
        hits = best >= 0 and overlaps[best] >= MATCH_IOU
        matched.append(MatchedRegion(half, region, left.pop(best).attribute if hits else None))
    return matched
