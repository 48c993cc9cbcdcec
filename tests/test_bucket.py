from __future__ import annotations

import pytest

from gifcue.bucket import TokenBucket


def test_a_burst_at_once_and_the_rate_afterwards() -> None:
    bucket = TokenBucket(10.0, 5.0)
    assert [bucket.take(3.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert bucket.next_in_s == pytest.approx(0.1)
    assert [bucket.take(3.1) for _ in range(2)] == [True, False]
    # Not more than a burst is saved up.
    assert [bucket.take(99.0) for _ in range(6)] == [True] * 5 + [False]


def test_on_average_the_rate_is_kept() -> None:
    bucket = TokenBucket(10.0, 5.0)
    assert sum(bucket.take(n / 1000) for n in range(10_000)) in range(103, 106)
