"""The pace of analysis, with constructed latencies and times."""

from __future__ import annotations

import pytest

from gifcue.engine.pace import EXHAUSTED_AFTER, EXHAUSTED_S, FASTER, SLOWER, WINDOW_S, AnalysisPace
from gifcue.media.settings import MediaSettings

LATE_MS, SOON_MS, BETWEEN_MS = 120.0, 20.0, 70.0


def a_pace(most: float = 10.0, least: float = 4.0) -> AnalysisPace:
    return AnalysisPace(MediaSettings(max_analysis_fps=most, min_analysis_fps=least, late_ms=80.0))


def window(pace: AnalysisPace, number: int, *latencies_ms: float) -> bool:
    """Reports the latencies of one window. True if the pace changed."""
    start_s = number * WINDOW_S
    step_s = WINDOW_S / len(latencies_ms)
    changed = [pace.answered(late, start_s + (at + 1) * step_s) for at, late in enumerate(latencies_ms)]
    return True in changed


def settled(pace: AnalysisPace) -> AnalysisPace:
    """The pace after its first result, which only starts the first window."""
    pace.answered(SOON_MS, 0.0)
    return pace


def test_late_results_lower_the_pace_down_to_the_minimum() -> None:
    pace = settled(a_pace())
    assert window(pace, 0, *[LATE_MS] * 10)
    assert pace.fps == pytest.approx(10 * SLOWER)
    for number in range(1, 20):
        window(pace, number, *[LATE_MS] * 10)
    assert pace.fps == 4.0


def test_a_few_late_results_do_not_change_the_pace() -> None:
    pace = settled(a_pace())
    assert not window(pace, 0, *[SOON_MS] * 19, LATE_MS)
    assert pace.fps == 10.0


def test_timely_results_raise_the_pace_up_to_the_maximum() -> None:
    pace = settled(a_pace())
    window(pace, 0, *[LATE_MS] * 10)
    assert window(pace, 1, *[SOON_MS] * 10)
    assert pace.fps == pytest.approx(10 * SLOWER * FASTER)
    for number in range(2, 40):
        window(pace, number, *[SOON_MS] * 10)
    assert pace.fps == 10.0


def test_the_pace_stays_between_the_two_thresholds() -> None:
    pace = settled(a_pace())
    window(pace, 0, *[LATE_MS] * 10)
    assert not window(pace, 1, *[BETWEEN_MS] * 10)
    assert pace.fps == pytest.approx(10 * SLOWER)


def test_a_superseded_picture_counts_as_late() -> None:
    pace = settled(a_pace())
    assert not pace.superseded(WINDOW_S / 2)
    assert pace.superseded(WINDOW_S)
    assert pace.fps == pytest.approx(10 * SLOWER)


@pytest.mark.parametrize("least", [10.0, 25.0])
def test_a_minimum_at_or_above_the_maximum_disables_adaptation(least: float) -> None:
    pace = settled(a_pace(least=least))
    for number in range(10):
        assert not window(pace, number, *[LATE_MS] * 10)
    assert pace.fps == 10.0


def test_late_results_at_the_minimum_say_that_there_is_no_more_to_gain() -> None:
    pace = settled(a_pace())
    number = 0
    while pace.fps > 4.0:
        window(pace, number, *[LATE_MS] * 10)
        number += 1
    for _ in range(EXHAUSTED_AFTER):
        assert not pace.is_exhausted(number * WINDOW_S)
        window(pace, number, *[LATE_MS] * 10)
        number += 1
    assert pace.is_exhausted(number * WINDOW_S)
    window(pace, number, *[SOON_MS] * 10)
    assert not pace.is_exhausted((number + 1) * WINDOW_S)


def test_what_is_not_confirmed_is_forgotten() -> None:
    pace = settled(a_pace())
    for number in range(20):
        window(pace, number, *[LATE_MS] * 10)
    assert pace.is_exhausted(20 * WINDOW_S)
    assert not pace.is_exhausted(21 * WINDOW_S + EXHAUSTED_S)


def test_who_comes_after_everybody_has_left_is_not_held_to_what_was_before() -> None:
    pace = settled(a_pace())
    for number in range(20):
        window(pace, number, *[LATE_MS] * 10)
    assert pace.is_exhausted(20 * WINDOW_S)
    pace.nobody_left()
    assert not pace.is_exhausted(20 * WINDOW_S)


def test_a_fixed_rate_is_never_exhausted() -> None:
    pace = settled(a_pace(least=10.0))
    for number in range(20):
        window(pace, number, *[LATE_MS] * 10)
    assert not pace.is_exhausted(20 * WINDOW_S)


def slowed_down() -> AnalysisPace:
    """A pace that overload has taken to its minimum, at 20 windows."""
    pace = settled(a_pace())
    for number in range(20):
        window(pace, number, *[LATE_MS] * 10)
    assert pace.fps == 4.0
    return pace


def test_the_rate_is_full_again_once_everybody_has_left() -> None:
    pace = slowed_down()
    assert pace.nobody_left()
    assert pace.fps == 10.0
    assert not pace.nobody_left()


def test_the_rate_is_full_again_once_there_are_no_answers() -> None:
    pace = slowed_down()
    ends_s = 21 * WINDOW_S
    assert not pace.look(ends_s + EXHAUSTED_S - 0.1)
    assert pace.fps == 4.0
    assert pace.look(ends_s + EXHAUSTED_S)
    assert pace.fps == 10.0
    assert not pace.look(ends_s + 2 * EXHAUSTED_S)
