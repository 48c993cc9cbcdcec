"""Intervals that contain the true value with 95 % confidence, by a bootstrap over groups.

Pictures of one person resemble each other, so the unit that is drawn is the group: a resample draws as many groups as
there are, with replacement, and each figure is computed again. An interval reaches from the 2.5th to the 97.5th
percentile of these values. It covers the choice of people. It does not cover wrong labels, nor people of another kind.

There is no interval (None) where fewer than two groups have a positive of the label, and where all resamples give the
same value (a perfect figure): the resamples then say nothing about other people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.matching import Floats, Ints, ScoredDetections

Interval = tuple[float, float]
# A count of each group.
Counts = Sequence[float] | Floats | Ints
LEVEL = 0.95
RESAMPLES = 1000
SEED = 1
# More resamples than this change no digit that is printed, and only take time and memory.
MOST_RESAMPLES = 100_000
# Resamples whose curves are computed at once, which bounds the memory: 8 bytes for each of these and each detection.
_CHUNK = 64


@dataclass(frozen=True)
class Bootstrap:
    """How often groups are drawn, and the seed of the draws. Raises `DatasetError` for a number out of range."""

    resamples: int = RESAMPLES
    seed: int = SEED

    def __post_init__(self) -> None:
        if not 100 <= self.resamples <= MOST_RESAMPLES:
            raise DatasetError(f"expected 100 to {MOST_RESAMPLES} resamples, got {self.resamples}")

    def draw(self, groups: int) -> Draws:
        """Draws the resamples of so many groups."""
        if not groups:
            return Draws(np.zeros((self.resamples, 0)))
        rng = np.random.default_rng(self.seed)
        shares = np.full(groups, 1.0 / groups)
        return Draws(rng.multinomial(groups, shares, size=self.resamples).astype(np.float64))


@dataclass(frozen=True)
class Draws:
    """The resamples of one set of groups.

    Attributes:
        times: float64 [R, G], how often each resample holds each group.
    """

    times: Floats

    def ratio(self, part: Counts, whole: Counts) -> Interval | None:
        """The interval of a ratio of two sums over groups; `part` and `whole` are [G]."""
        sums, wholes = np.asarray(part, np.float64), np.asarray(whole, np.float64)
        if np.count_nonzero(wholes) < 2:
            return None
        return _percentiles(_divide(self.times @ sums, self.times @ wholes))

    def f1(
        self,
        right: Counts,
        wrong: Counts,
        missed: Counts,
    ) -> Interval | None:
        """The interval of F1 from the counts of each group, [G] each. A resample without a positive has no F1."""
        hits, false, lost = (np.asarray(one, np.float64) for one in (right, wrong, missed))
        there = hits + lost
        if np.count_nonzero(there) < 2:
            return None
        values = _divide(self.times @ (2 * hits), self.times @ (2 * hits + false + lost))
        values[self.times @ there == 0] = np.nan
        return _percentiles(values)

    def average_precision(
        self, detections: ScoredDetections, group_of: Sequence[int] | Ints, positives: Counts
    ) -> Interval | None:
        """The interval of AP, as `ScoredDetections.average_precision` computes it.

        Args:
            detections: of all groups.
            group_of: [N], the number of the group of each detection.
            positives: [G], by group.
        """
        there = np.asarray(positives, np.float64)
        if np.count_nonzero(there) < 2:
            return None
        return _percentiles(self._average_precisions(detections, np.asarray(group_of, np.intp), there))

    def _average_precisions(self, detections: ScoredDetections, group_of: Ints, positives: Floats) -> Floats:
        """AP of every resample, [R]; NaN where it has no positive."""
        order = np.argsort(-detections.scores, kind="stable")
        scores, right, group_of = detections.scores[order], detections.right[order], group_of[order]
        # What follows the last right detection changes neither recall nor the envelope of precision.
        if right.any():
            kept = int(np.searchsorted(-scores, -scores[np.flatnonzero(right)[-1]], side="right"))
            scores, right, group_of = scores[:kept], right[:kept], group_of[:kept]
        last = np.flatnonzero(np.append(np.diff(scores) != 0, True)) if len(scores) else np.zeros(0, np.intp)
        totals = self.times @ positives
        areas = np.zeros(len(self.times))
        for start in range(0, len(self.times), _CHUNK):
            here = slice(start, start + _CHUNK)
            weights = self.times[here][:, group_of]
            said = np.cumsum(weights, axis=1)[:, last]
            hits = np.cumsum(weights * right, axis=1)[:, last]
            precision = np.divide(hits, said, out=np.zeros_like(hits), where=said > 0)
            envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            areas[here] = (np.diff(hits, axis=1, prepend=0.0) * envelope).sum(axis=1)
        return _divide(areas, totals)


def _divide(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _percentiles(values: Floats) -> Interval | None:
    """Resamples without a value are left out."""
    known = values[~np.isnan(values)]
    if not len(known) or known.min() == known.max():
        return None
    rest = 50.0 * (1.0 - LEVEL)
    low, high = np.percentile(known, (rest, 100.0 - rest))
    return float(low), float(high)
