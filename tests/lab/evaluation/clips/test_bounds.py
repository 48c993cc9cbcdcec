from __future__ import annotations

import math

import pytest

from gifcue_lab.evaluation.clips.bounds import rate_upper_bound, share_interval


@pytest.mark.parametrize(
    ("events", "hours", "bound"),
    [(0, 6.0, 0.4993), (1, 9.5, 0.4994), (0, 47 / 60, 3.8243), (3, 1.0, 7.7537)],
)
def test_the_bound_of_a_rate(events: int, hours: float, bound: float) -> None:
    assert rate_upper_bound(events, hours) == pytest.approx(bound, abs=1e-4)


@pytest.mark.parametrize("events", [0, 1, 7])
def test_at_the_bound_so_few_events_have_a_chance_of_one_in_twenty(events: int) -> None:
    mean = rate_upper_bound(events, 1.0)
    assert mean is not None
    chance = sum(math.exp(-mean) * mean**count / math.factorial(count) for count in range(events + 1))
    assert chance == pytest.approx(0.05, abs=1e-9)


@pytest.mark.parametrize(
    ("found", "of", "interval"),
    [(13, 13, (0.7529, 1.0)), (0, 10, (0.0, 0.3085)), (61, 70, (0.7699, 0.9395)), (1, 1, (0.025, 1.0))],
)
def test_the_interval_of_a_share(found: int, of: int, interval: tuple[float, float]) -> None:
    assert share_interval(found, of) == pytest.approx(interval, abs=1e-4)


def test_without_time_or_reactions_nothing_is_bounded() -> None:
    assert rate_upper_bound(0, 0.0) is None
    assert share_interval(0, 0) is None
