"""Media time from pts that wrap."""

from __future__ import annotations

import pytest

from gifcue.engine.media_time import MediaTime

RANGE = 1 << 32
HZ = 90_000


def seconds(*pts: int, clock_hz: int = HZ) -> list[float]:
    time = MediaTime()
    return [time.seconds(each, clock_hz) for each in pts]


def test_a_counter_of_32_bits_continues_where_it_wraps() -> None:
    times = seconds(RANGE - 9_000, RANGE - 6_000, RANGE - 3_000, 0, 3_000)
    assert [each - times[0] for each in times] == pytest.approx([0, 1 / 30, 2 / 30, 0.1, 4 / 30])


def test_frames_that_are_reordered_around_the_wrap_keep_their_order() -> None:
    times = seconds(RANGE - 9_000, 0, RANGE - 3_000, 6_000)
    assert [each - times[0] for each in times] == pytest.approx([0, 0.1, 2 / 30, 5 / 30])


def test_it_wraps_any_number_of_times() -> None:
    quarter = RANGE // 4
    times = seconds(*(number * quarter % RANGE for number in range(12)))
    assert times == pytest.approx([number * quarter / HZ for number in range(12)])


@pytest.mark.parametrize(
    "pts",
    [
        (HZ * 60, 0),  # a sender that starts anew
        (RANGE // 2, 0),  # exactly half the range is a step back
        (RANGE + 5, 0),  # a counter that goes beyond 32 bits has not wrapped
        (RANGE - 1, -5),
        (0, RANGE - 1),  # nothing has wrapped yet
    ],
)
def test_any_other_step_remains_one(pts: tuple[int, int]) -> None:
    assert seconds(*pts) == [each / HZ for each in pts]


def test_other_clocks_never_wrap() -> None:
    assert seconds(RANGE - 1, 0, clock_hz=1_000_000_000) == [(RANGE - 1) / 1e9, 0.0]
