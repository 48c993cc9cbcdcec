from __future__ import annotations

from gifcue.media.suspects import (
    FIRST_PAUSE_S,
    FORGOTTEN_AFTER_S,
    LONGEST_PAUSE_S,
    WINDOW_S,
    Suspects,
    pause_after,
)
from tests.support.manual_time import ManualTime


def make(remembered: int = 8) -> tuple[Suspects[str], ManualTime]:
    time = ManualTime()
    return Suspects(time.clock, remembered), time


def test_one_event_is_tolerated_and_a_second_one_is_not() -> None:
    suspects, time = make()
    assert suspects.accuse("a") == 0.0
    assert suspects.held_s("a") == 0.0
    assert suspects.accuse("b") == 0.0
    assert suspects.accuse("a") == FIRST_PAUSE_S
    time.advance(1.0)
    assert suspects.held_s("a") == FIRST_PAUSE_S - 1.0
    assert suspects.held_s("b") == 0.0
    time.advance(FIRST_PAUSE_S)
    assert suspects.held_s("a") == 0.0


def test_events_that_lie_far_apart_are_tolerated() -> None:
    suspects, time = make()
    for _ in range(20):
        assert suspects.accuse("a") == 0.0
        time.advance(WINDOW_S)


def test_after_a_pause_each_event_is_answered_by_a_longer_one() -> None:
    suspects, time = make()
    suspects.accuse("a")
    pauses = []
    for _ in range(9):
        pauses.append(suspects.accuse("a"))
        time.advance(pauses[-1] + WINDOW_S)
    assert pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]
    assert pause_after(10**9) == LONGEST_PAUSE_S


def test_a_suspect_without_events_is_forgotten_after_its_pause() -> None:
    suspects, time = make()
    suspects.accuse("a")
    pause_s = suspects.accuse("a")
    time.advance(pause_s + FORGOTTEN_AFTER_S - 0.001)
    assert suspects.is_known("a")
    time.advance(0.001)
    assert not suspects.is_known("a")
    assert suspects.accuse("a") == 0.0


def test_nothing_is_tolerated_where_the_caller_says_so() -> None:
    suspects, _ = make()
    assert suspects.accuse("a", tolerated=0) == FIRST_PAUSE_S


def test_what_is_remembered_is_bounded() -> None:
    suspects, _ = make(remembered=3)
    for name in ("a", "b", "c", "a", "d"):
        suspects.accuse(name)
    assert len(suspects) == 3
    # The last event of b is the oldest.
    assert [suspects.is_known(name) for name in "abcd"] == [True, False, True, True]
