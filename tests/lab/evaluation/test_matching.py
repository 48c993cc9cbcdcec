from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import precision_recall_curve

from gifcue.gestures.counts import Counts
from gifcue_lab.datasets.boxes import iou_matrix
from gifcue_lab.evaluation.matching import MASKED, MISS, Floats, ScoredDetections, match


def boxes(*edges: tuple[float, float, float, float]) -> Floats:
    return np.array(edges, np.float64).reshape(-1, 4)


A, B, C = (0.0, 0.0, 0.2, 0.2), (0.5, 0.5, 0.9, 0.9), (0.0, 0.6, 0.3, 0.9)
NOTHING = boxes()


def test_each_positive_is_matched_once_by_the_best_score() -> None:
    hit = match(np.array([0.5, 0.9, 0.8]), boxes(A, A, B), boxes(B, A), NOTHING)
    assert hit.tolist() == [MISS, 1, 0]


def test_a_detection_takes_the_free_positive_that_it_overlaps_most() -> None:
    near = (0.0, 0.0, 0.2, 0.19)
    assert match(np.array([0.9, 0.8]), boxes(near, near), boxes(A, near), NOTHING).tolist() == [1, 0]


def test_a_match_with_a_masked_region_is_ignored() -> None:
    hit = match(np.array([0.9, 0.8, 0.7]), boxes(B, B, A), boxes(A), boxes(B))
    assert hit.tolist() == [MASKED, MASKED, 0]


def test_a_positive_takes_precedence_over_a_masked_region() -> None:
    assert match(np.array([0.9]), boxes(A), boxes(A), boxes(A)).tolist() == [0]


def test_too_little_overlap_is_a_miss() -> None:
    assert match(np.array([0.9]), boxes((0.0, 0.0, 0.2, 0.09)), boxes(A), NOTHING).tolist() == [MISS]


def scored(scores: list[float], right: list[bool], positives: int) -> ScoredDetections:
    return ScoredDetections(np.array(scores), np.array(right, np.bool_), positives)


def test_average_precision_by_hand() -> None:
    # Right, wrong, right of three: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3; the envelope 1, 2/3, 2/3.
    assert scored([0.9, 0.8, 0.7], [True, False, True], 3).average_precision() == pytest.approx(
        (1 + 2 / 3) / 3
    )


def test_equal_scores_are_one_point_whatever_their_order() -> None:
    one, other = scored([0.9, 0.9], [True, False], 1), scored([0.9, 0.9], [False, True], 1)
    assert one.average_precision() == other.average_precision() == 0.5


def test_counts_at_a_threshold_that_a_score_equals() -> None:
    assert scored([0.9, 0.5, 0.4], [True, False, True], 4).counts(0.5) == Counts(1, 1, 3)


def test_precision_and_recall_of_counts() -> None:
    counts = Counts(6, 2, 4)
    assert (counts.precision, counts.recall) == (0.75, 0.6)
    assert counts.f1 == pytest.approx(2 * 0.75 * 0.6 / 1.35)
    assert Counts(0, 0, 0) == (0, 0, 0)
    assert (Counts(0, 0, 0).precision, Counts(0, 0, 0).recall, Counts(0, 0, 0).f1) == (None, None, None)


def test_average_precision_is_undefined_without_positives() -> None:
    assert scored([0.9], [False], 0).average_precision() is None
    assert scored([], [], 2).average_precision() == 0.0
    assert scored([], [], 2).best() is None


def test_the_best_threshold() -> None:
    assert scored([0.9, 0.8, 0.7, 0.6], [True, True, False, True], 3).best() == (0.6, pytest.approx(6 / 7))


lists = st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans()), max_size=40)


def of(pairs: list[tuple[float, bool]], more: int = 0) -> ScoredDetections:
    return scored([s for s, _ in pairs], [r for _, r in pairs], sum(r for _, r in pairs) + more)


@given(lists, st.integers(0, 5))
def test_average_precision_lies_between_none_and_all(pairs: list[tuple[float, bool]], more: int) -> None:
    ap = of(pairs, more).average_precision()
    assert ap is None or 0.0 <= ap <= 1.0 + 1e-9


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_perfect_detections_have_average_precision_one(scores: list[float]) -> None:
    assert of([(score, True) for score in scores]).average_precision() == pytest.approx(1.0)


@given(lists, st.integers(0, 5))
def test_another_false_positive_never_improves_average_precision(
    pairs: list[tuple[float, bool]], more: int
) -> None:
    before, after = of(pairs, more), of([*pairs, (0.5, False)], more)
    if before.positives:
        assert (after.average_precision() or 0.0) <= (before.average_precision() or 0.0) + 1e-9


@given(lists, st.integers(0, 5))
def test_another_true_positive_never_lowers_average_precision(
    pairs: list[tuple[float, bool]], more: int
) -> None:
    before, after = of(pairs, more + 1), of([*pairs, (1.0, True)], more)
    assert (after.average_precision() or 0.0) >= (before.average_precision() or 0.0) - 1e-9


@given(lists, st.integers(0, 5))
def test_the_curve_agrees_with_counts_and_with_scikit_learn(
    pairs: list[tuple[float, bool]], more: int
) -> None:
    figures = of(pairs, more)
    curve = figures.curve()
    for threshold, precision, recall in zip(curve.thresholds, curve.precision, curve.recall, strict=True):
        counts = figures.counts(threshold)
        assert counts.precision == pytest.approx(precision)
        assert (counts.recall or 0.0) == pytest.approx(recall)
    if more == 0 and any(right for _, right in pairs):
        precision, _, thresholds = precision_recall_curve(figures.right, figures.scores)
        assert thresholds[::-1].tolist() == curve.thresholds.tolist()
        assert precision[:-1][::-1] == pytest.approx(curve.precision)


unit_boxes = hnp.arrays(np.float64, st.tuples(st.integers(0, 6), st.just(4)), elements=st.floats(0, 1)).map(
    lambda edges: np.concatenate(
        [np.minimum(edges[:, :2], edges[:, 2:]), edges.max(1, keepdims=True).repeat(2, 1)], 1
    )
)


@given(unit_boxes, unit_boxes, unit_boxes, st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_dropping_low_scores_changes_nothing_above(
    found: Floats, positives: Floats, masked: Floats, seed: int, threshold: float
) -> None:
    scores = np.random.default_rng(seed).random(len(found))
    every = match(scores, found, positives, masked)
    over = scores >= threshold
    assert match(scores[over], found[over], positives, masked).tolist() == every[over].tolist()


@given(unit_boxes, unit_boxes, unit_boxes)
def test_overlap_is_symmetric_and_bounded(one: Floats, other: Floats, third: Floats) -> None:
    overlaps = iou_matrix(one, other)
    assert overlaps == pytest.approx(iou_matrix(other, one).T)
    assert ((overlaps >= 0) & (overlaps <= 1 + 1e-9)).all()
    hits = match(np.ones(len(one)), one, other, third)
    taken = hits[hits >= 0]
    assert len(set(taken.tolist())) == len(taken)
