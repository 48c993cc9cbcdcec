"""At most one event per interval, with the count of suppressed ones."""

from __future__ import annotations

from gifcue.engine.throttle import MAX_REMEMBERED, Throttle
from tests.support.manual_time import ManualTime


def test_suppressed_events_are_counted_in_the_next_one() -> None:
    time = ManualTime()
    throttle = Throttle(1.0, time.clock)
    counts = []
    for step_s in (0.0, 0.2, 0.2, 0.7, 0.1, 1.3):
        time.advance(step_s)
        counts.append(throttle.admit("damaged"))
    assert counts == [1, 0, 0, 3, 0, 2]


def test_keys_are_throttled_separately() -> None:
    throttle = Throttle(1.0, ManualTime().clock)
    assert [throttle.admit(key) for key in ("a", "b", ("a", "b"), "a")] == [1, 1, 1, 0]


def test_without_an_interval_all_are_admitted() -> None:
    throttle = Throttle(0.0, ManualTime().clock)
    assert [throttle.admit("a") for _ in range(3)] == [1, 1, 1]


def test_memory_is_bounded_for_any_number_of_keys() -> None:
    throttle = Throttle(1.0, ManualTime().clock)
    for number in range(3 * MAX_REMEMBERED):
        throttle.admit(f"ghost-{number}")
    # The first key has been removed, so it is admitted again; the last one is not.
    assert throttle.admit("ghost-0") == 1
    assert throttle.admit(f"ghost-{3 * MAX_REMEMBERED - 1}") == 0
