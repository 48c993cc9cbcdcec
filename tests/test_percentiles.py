"""Percentiles by nearest rank over recent values; count and sum over all values."""

from __future__ import annotations

from gifcue.percentiles import RecentValues


def test_percentiles_without_values_are_zero() -> None:
    values = RecentValues(4)
    assert (values.count, values.sum) == (0, 0.0)
    assert values.percentiles(0.0, 0.5, 1.0) == (0.0, 0.0, 0.0)


def test_old_values_are_counted_but_not_in_the_percentiles() -> None:
    values = RecentValues(4)
    for value in (100.0, 4.0, 1.0, 3.0, 2.0):
        values.record(value)
    assert values.percentiles(0.0, 0.25, 0.5, 0.95) == (1.0, 1.0, 2.0, 4.0)
    assert (values.count, values.sum) == (5, 110.0)
