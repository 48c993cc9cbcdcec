from __future__ import annotations

import numpy as np
import pytest

from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.intervals import Bootstrap
from gifcue_lab.evaluation.matching import Ints, ScoredDetections

GROUPS = 6


def detections(seed: int = 0) -> tuple[ScoredDetections, Ints, Ints]:
    """Sixty detections of six groups, some with equal scores; the groups of the detections, and positives by group."""
    rng = np.random.default_rng(seed)
    scores, right = rng.integers(0, 20, 60) / 20, rng.random(60) < 0.6
    group_of = rng.integers(0, GROUPS, 60)
    positives = np.bincount(group_of[right], minlength=GROUPS) + rng.integers(0, 3, GROUPS)
    return ScoredDetections(scores, right, int(positives.sum())), group_of, positives


def test_average_precision_is_that_of_the_drawn_groups() -> None:
    all_of_them, group_of, positives = detections()
    bootstrap = Bootstrap(200, seed=3)
    draws = bootstrap.draw(GROUPS)
    expected = []
    for times in draws.times.astype(int):
        rows = np.concatenate(
            [np.flatnonzero(group_of == group) for group in range(GROUPS) for _ in range(times[group])]
        )
        drawn = ScoredDetections(
            all_of_them.scores[rows], all_of_them.right[rows], int((times * positives).sum())
        )
        expected.append(drawn.average_precision())
    got = draws.average_precision(all_of_them, group_of, positives)
    assert got == pytest.approx(tuple(np.percentile(np.array(expected, float), (2.5, 97.5))), abs=1e-12)


def test_a_draw_holds_as_many_groups_as_there_are() -> None:
    times = Bootstrap(300).draw(7).times
    assert times.shape == (300, 7)
    assert set(times.sum(axis=1)) == {7.0}


def test_the_seed_decides() -> None:
    right, wrong, missed = [5, 1, 0, 8], [1, 0, 2, 1], [0, 3, 1, 1]
    first, again, other = (Bootstrap(100, seed).draw(4).f1(right, wrong, missed) for seed in (1, 1, 2))
    assert first == again != other


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Each of 40 people is right on a share of ten pictures of their own, 0.8 on average."""
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(200):
        right = rng.binomial(10, rng.beta(4, 1, 40))
        edges = Bootstrap(200, trial).draw(40).ratio(right, np.full(40, 10))
        assert edges is not None
        covered += edges[0] <= 0.8 <= edges[1]
    assert 0.88 <= covered / 200 <= 0.99


def test_an_interval_of_pictures_would_be_narrower_than_one_of_people() -> None:
    """Ten groups, each right on all its ten pictures or on none."""
    right = np.array([10, 10, 10, 10, 10, 10, 10, 0, 0, 0])
    people = Bootstrap(1000).draw(10).ratio(right, np.full(10, 10))
    pictures = Bootstrap(1000).draw(100).ratio(np.repeat(right / 10, 10), np.ones(100))
    assert people is not None
    assert pictures is not None
    assert people[1] - people[0] > 2 * (pictures[1] - pictures[0])


def test_there_is_no_interval_of_one_group_or_of_a_perfect_figure() -> None:
    draws = Bootstrap(100).draw(3)
    assert draws.f1([4, 0, 0], [0, 1, 1], [1, 0, 0]) is None
    assert draws.f1([4, 2, 1], [0, 0, 0], [0, 0, 0]) is None
    assert draws.ratio([0, 0, 0], [0, 0, 0]) is None
    assert Bootstrap(100).draw(0).ratio([], []) is None
    nothing = ScoredDetections(np.zeros(0), np.zeros(0, bool), 0)
    assert draws.average_precision(nothing, [], [0, 0, 0]) is None


def test_a_resample_without_a_positive_has_no_f1() -> None:
    """Two of three groups show the label and are read without a miss; one draw of 27 holds neither of them."""
    edges = Bootstrap(2000).draw(3).f1([4, 4, 0], [0, 0, 1], [0, 0, 0])
    assert edges is not None
    assert edges[0] >= 8 / 10 - 1e-9


@pytest.mark.parametrize("resamples", [1, 99, 100_001])
def test_the_number_of_resamples_has_bounds(resamples: int) -> None:
    with pytest.raises(DatasetError, match=f"expected 100 to 100000 resamples, got {resamples}"):
        Bootstrap(resamples)
