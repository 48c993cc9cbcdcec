"""Thresholds: the maximum of F1, and cross-fitted F1."""

from __future__ import annotations

import numpy as np

from gifcue_lab.export.thresholds import MAX_FALSE_SHARE, ScoredLabel, best_threshold


def test_the_threshold_lies_in_the_middle_of_where_f1_is_best() -> None:
    scores = np.array([0.05, 0.1, 0.2, 0.8, 0.9, 0.95])
    assert 0.4 < best_threshold(scores, scores > 0.5, 3) < 0.6


def test_negatives_raise_the_threshold() -> None:
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.uniform(0.3, 1.0, 1000), rng.uniform(0.0, 0.6, 300)])
    right = np.arange(1300) < 1000
    free = best_threshold(scores, right, 1000)
    bound = best_threshold(scores, right, 1000, ~right)
    assert free < bound
    assert (scores[~right] >= bound).mean() <= MAX_FALSE_SHARE


def test_cross_fitted_f1_uses_the_threshold_of_the_other_half() -> None:
    # Half 0 is separated at 0.3, half 1 at 0.7: each threshold fails on the other half.
    scores = np.array([0.2, 0.2, 0.4, 0.4, 0.6, 0.6, 0.8, 0.8])
    half = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    right = np.array([False, False, True, True, False, False, True, True])
    label = ScoredLabel(scores, right, np.zeros(8, bool), half, (2, 2))
    assert label.threshold(0) < 0.4
    assert 0.6 < label.threshold(1) < 0.8
    # Half 0 finds nothing at 0.7, half 1 takes all four at 0.3.
    assert label.cross_fitted_f1() == 2 * 2 / (4 + 4)
