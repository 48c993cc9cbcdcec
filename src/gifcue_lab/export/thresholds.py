"""Thresholds: where F1 is best, as far as the people can tell.

Thresholds next to the best one are often as good as it: another choice of people would have preferred one of them. The
middle of all that are as good is chosen, so that the threshold suits other people too.

A threshold chosen and measured on the same people looks too good. The cross-fitted F1 of a label uses, for each half of
the groups, the threshold that was chosen on the other half.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gifcue.detect.detector import DetectorConfig
from gifcue.detect.litert import LiteRtDetector
from gifcue.detect.regions import KINDS, Region
from gifcue.detect.trust import UNCHECKED
from gifcue_lab.datasets.boxes import iou_matrix
from gifcue_lab.quiet import quietly
from gifcue_lab.training.samples import NONE, UNKNOWN, Photo, read_image

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.intp]
Report = Callable[[str], None]

# A region hits a labelled box with this IoU or more.
MATCH_IOU = 0.5
STEP = 0.01
GRID = np.arange(0.10, 0.96, STEP)
# F1 is averaged over this range of thresholds on either side: a peak that is one sample wide is chance.
PLATEAU = 0.07
# Draws of groups, with replacement, that tell how certain the difference of two thresholds is.
DRAWS = 200
# The largest share of hands without a gesture that may show each gesture. The goal is 1 % for the three gestures
# together, whose errors never all reach their limit.
MAX_FALSE_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class MatchedRegion:
    """A region as it is served.

    Attributes:
        group: the number of its photograph's group, from 0.
        region: the region.
        truth: the attribute of the labelled box that it hits; None where it hits none.
    """

    group: int
    region: Region
    truth: str | None


@dataclass(frozen=True, slots=True)
class ScoredLabel:
    """One label's scores of many regions, for choosing its threshold.

    Attributes:
        scores: [N], 0..1.
        right: whether the region truly shows the label [N].
        negative: whether the region is known to show no label at all [N]; see `MAX_FALSE_SHARE`.
        group: the number of the region's group [N], from 0.
        totals: how many labelled boxes of each group show the label, found or not [groups].
        false_weights: how much each region counts where it is false [mixtures, N]: how many of its kind there are for
            each one that shows the label, compared with these regions. None for the mixture of the regions alone.
    """

    scores: Doubles
    right: Bools
    negative: Bools
    group: Integers
    totals: Integers
    false_weights: Doubles | None = None

    def threshold(self) -> float:
        """The best threshold of `GRID`: the middle of those that are as good as the one with the best F1.

        At most `MAX_FALSE_SHARE` of the negatives reach it; where no threshold achieves that, as few as possible. One
        is as good as the best where F1 is lower by no more than the standard error of that difference, when groups are
        drawn at random. F1 is averaged over nearby thresholds, and over the mixtures.
        """
        over = self.scores[:, None] >= GRID
        groups = len(self.totals)
        hits = self._by_group(over[self.right], self.group[self.right])
        shown = [
            hits + self._by_group((over * weight[:, None])[~self.right], self.group[~self.right])
            for weight in self._mixtures()
        ]
        draws = np.random.default_rng(0).multinomial(groups, np.full(groups, 1 / groups), size=DRAWS)

        def smooth_f1(weights: Doubles) -> Doubles:
            there = (weights @ self.totals)[:, None]
            f1 = [2 * (weights @ hits) / np.maximum(1, weights @ each + there) for each in shown]
            return _smooth(np.mean(f1, axis=0))

        f1 = smooth_f1(np.ones((1, groups)))[0]
        allowed = np.ones(len(GRID), bool)
        if self.negative.any():
            false = over[self.negative].mean(0)
            allowed = false <= max(MAX_FALSE_SHARE, float(false.min()))
        best = int(np.where(allowed, f1, -1.0).argmax())
        drawn = smooth_f1(draws.astype(np.float64))
        loss = drawn[:, best : best + 1] - drawn
        as_good = allowed & (loss.mean(0) <= loss.std(0) + 1e-9)
        low = best - int(np.argmin(np.append(as_good[best::-1], False))) + 1
        high = best + int(np.argmin(np.append(as_good[best:], False)))
        return round(float(GRID[low:high].mean()), 2)

    def half(self, number: int) -> ScoredLabel:
        """The regions of every second group."""
        rows = self.group % 2 == number
        return ScoredLabel(
            self.scores[rows],
            self.right[rows],
            self.negative[rows],
            self.group[rows] // 2,
            self.totals[number::2],
            None if self.false_weights is None else self.false_weights[:, rows],
        )

    def _mixtures(self) -> Doubles:
        return np.ones((1, len(self.scores))) if self.false_weights is None else self.false_weights

    def _by_group(self, values: npt.NDArray[Any], group: Integers) -> Doubles:
        """The sums [groups, thresholds] of values [N, thresholds] over the regions of each group."""
        sums = np.zeros((len(self.totals), len(GRID)))
        np.add.at(sums, group, values)
        return sums

    def cross_fitted_f1(self) -> float | None:
        """F1 where each half of the groups uses the threshold that was chosen on the other; None with one group."""
        halves = self.half(0), self.half(1)
        if not all(len(half.totals) for half in halves):
            return None
        hits = shown = 0
        for here, there in (halves, halves[::-1]):
            over = here.scores >= there.threshold()
            hits, shown = hits + int((over & here.right).sum()), shown + int(over.sum())
        return 2 * hits / max(1, shown + int(self.totals.sum()))


def choose_thresholds(
    model_dir: Path,
    photos: Sequence[Photo],
    *,
    without: Collection[str] = (),
    report: Report = print,
) -> tuple[dict[str, float], dict[str, float | None]]:
    """Runs a model over photographs and chooses the thresholds of kinds and labels.

    Args:
        model_dir: the model folder.
        photos: the photographs.
        without: kinds and labels for which none is chosen.
        report: receives what was chosen.

    Returns:
        The thresholds of the other kinds and labels, and the cross-fitted F1 of labels, None where a single group does
        not let it be measured.

    Raises:
        ModelError: the model cannot be read.
    """
    with quietly():
        detector = LiteRtDetector(DetectorConfig(model_dir, model_sha256=UNCHECKED))
    numbers = {group: number for number, group in enumerate(sorted({photo.group for photo in photos}))}
    matched = [each for photo in photos for each in _match(detector, photo, numbers[photo.group])]

    def scored(kind: str, label: str | None, regions: Sequence[MatchedRegion]) -> ScoredLabel:
        totals = np.zeros(len(numbers), np.intp)
        for photo in photos:
            totals[numbers[photo.group]] += sum(
                label is None or sample.attribute == label for sample in photo.of_kind(kind)
            )
        return ScoredLabel(
            scores=np.array(
                [each.region.score if label is None else each.region.attributes[label] for each in regions],
                np.float64,
            ),
            right=np.array(
                [each.truth is not None if label is None else each.truth == label for each in regions], bool
            ),
            negative=np.array(
                [label is not None and kind == "hand" and each.truth == NONE for each in regions], bool
            ),
            group=np.array([each.group for each in regions], np.intp),
            totals=totals,
        )

    thresholds: dict[str, float] = {}
    cross_fitted: dict[str, float | None] = {}
    for kind in KINDS:
        regions = [each for each in matched if each.region.kind == kind]
        served = detector.info.thresholds[kind]
        if kind not in without:
            served = thresholds[kind] = scored(kind, None, regions).threshold()
        # A label is shown only for a region over its own threshold. Regions of unknown label count neither way.
        regions = [each for each in regions if each.truth != UNKNOWN and each.region.score >= served]
        for label in (each for each in detector.info.attributes[kind] if each not in without):
            one = scored(kind, label, regions)
            thresholds[label] = one.threshold()
            f1 = one.cross_fitted_f1()
            cross_fitted[label] = None if f1 is None else round(f1, 4)
            measured = "not measurable with one group" if f1 is None else f"{f1:.3f}"
            report(
                f"{label}: threshold {thresholds[label]:.2f}, cross-fitted F1 {measured}, "
                f"{sum(one.totals)} labelled"
            )
    if chosen := [f"{kind}: threshold {thresholds[kind]:.2f}" for kind in KINDS if kind in thresholds]:
        report(", ".join(chosen))
    return thresholds, cross_fitted


def _smooth(f1: Doubles) -> Doubles:
    """F1 [N, thresholds], averaged over `PLATEAU` on either side."""
    reach = round(PLATEAU / STEP)
    padded = np.pad(f1, ((0, 0), (reach, reach)), mode="edge")
    kernel = np.ones(2 * reach + 1) / (2 * reach + 1)
    return np.stack([np.convolve(row, kernel, "valid") for row in padded])


def _match(detector: LiteRtDetector, photo: Photo, group: int) -> list[MatchedRegion]:
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
        matched.append(MatchedRegion(group, region, left.pop(best).attribute if hits else None))
    return matched
