"""Frames a second of each stream, from samples."""

from __future__ import annotations

import pytest

from gifcue.server.stream_rates import StreamRates


def test_a_rate_is_over_the_last_one_to_two_windows() -> None:
    rates = StreamRates()
    # 100 frames in the first 5 s, 200 in the next, 300 in the third.
    for now_s, received in ((5.0, 100), (10.0, 300), (15.0, 600)):
        rates.sample(now_s, {"a": received})
    assert rates.rate("a", 15.0, 600, 0.0) == pytest.approx(300 / 5.0)
    assert rates.rate("a", 17.5, 750, 0.0) == pytest.approx(450 / 7.5)
    rates.sample(20.0, {"a": 600})
    # Nothing has come for a while.
    assert rates.rate("a", 20.0, 600, 0.0) == 0.0


def test_a_new_stream_has_the_rate_since_it_was_opened() -> None:
    rates = StreamRates()
    assert rates.rate("a", 4.0, 60, 1.0) == pytest.approx(20.0)
    rates.sample(5.0, {"a": 80})
    assert rates.rate("a", 6.0, 100, 1.0) == pytest.approx(20.0)
    # A burst at the opening is no rate.
    assert rates.rate("b", 6.1, 50, 6.0) == pytest.approx(50.0)


def test_streams_that_have_ended_are_forgotten() -> None:
    rates = StreamRates()
    for now_s in (5.0, 10.0):
        rates.sample(now_s, {"a": 100, "b": 100})
    rates.sample(15.0, {"a": 100})
    rates.sample(20.0, {"a": 100})
    # A session of the same name would be a new one.
    assert rates.rate("b", 25.0, 50, 20.0) == pytest.approx(10.0)
