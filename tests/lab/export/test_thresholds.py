"""Thresholds: the best F1, what is as good, and cross-fitted F1."""

from __future__ import annotations

import numpy as np
import pytest

from gifcue_lab.export.calibration import thresholds_note
from gifcue_lab.export.thresholds import MAX_FALSE_SHARE, ScoredLabel


def label(
    scores: np.ndarray, right: np.ndarray, group: np.ndarray, negative: np.ndarray | None = None
) -> ScoredLabel:
    """A label of which every labelled box is found."""
    totals = np.bincount(group[right], minlength=int(group.max()) + 1)
    return ScoredLabel(
        scores, right, np.zeros(len(scores), bool) if negative is None else negative, group, totals
    )


def test_the_threshold_lies_in_the_middle_of_where_f1_is_best() -> None:
    scores = np.array([0.05, 0.1, 0.2, 0.8, 0.9, 0.95])
    assert 0.4 < label(scores, scores > 0.5, np.zeros(6, np.intp)).threshold() < 0.6


def test_negatives_raise_the_threshold() -> None:
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.uniform(0.3, 1.0, 1000), rng.uniform(0.0, 0.6, 300)])
    right = np.arange(1300) < 1000
    group = np.arange(1300) % 10
    free = label(scores, right, group).threshold()
    bound = label(scores, right, group, ~right).threshold()
    assert free < bound
    assert (scores[~right] >= bound).mean() <= MAX_FALSE_SHARE


def test_what_one_group_prefers_does_not_decide() -> None:
    # Nine groups are separated anywhere from 0.3 to 0.7. One has wrong scores of 0.6, so its best threshold is above.
    group = np.repeat(np.arange(10), 20)
    right = np.tile([True, False], 100)
    scores = np.where(right, 0.8, 0.2)
    odd = (group == 9) & ~right
    assert label(scores, right, group).threshold() == pytest.approx(0.5, abs=0.05)
    scores[np.flatnonzero(odd)[:2]] = 0.6
    # F1 is best above 0.6, by a difference that vanishes when that group is not drawn.
    assert label(scores, right, group).threshold() < 0.6


def test_cross_fitted_f1_uses_the_threshold_of_the_other_half() -> None:
    # Group 0 is separated at 0.3, group 1 at 0.7: each threshold fails on the other.
    scores = np.array([0.2, 0.2, 0.4, 0.4, 0.6, 0.6, 0.8, 0.8])
    group = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    right = np.array([False, False, True, True, False, False, True, True])
    both = label(scores, right, group)
    assert both.half(0).threshold() < 0.4
    assert 0.6 < both.half(1).threshold() < 0.8
    # Group 0 finds nothing at 0.7, group 1 takes all four at 0.3.
    assert both.cross_fitted_f1() == 2 * 2 / (4 + 4)


def test_thresholds_that_stay_keep_what_is_said_of_them() -> None:
    before = {"chosen_on": ["people"], "f1_cross_fitted": {"smile": 0.8, "wave": 0.9}}
    note = thresholds_note(before, ["others"], {"wave": 0.95}, left={"smile", "face"})
    assert note == {"chosen_on": ["people", "others"], "f1_cross_fitted": {"smile": 0.8, "wave": 0.95}}
    assert thresholds_note(before, ["others"], {"wave": 0.95}, left=set()) == {
        "chosen_on": ["others"],
        "f1_cross_fitted": {"wave": 0.95},
    }
