"""The time that a participant and its stream may take with units that hold a worker up for long."""

from __future__ import annotations

import pytest

from gifcue.media.long_units import (
    LONG_BURST_S,
    LONG_S,
    LONG_SHARE,
    MAX_TAKEN_OVER_S,
    STREAM_LONG_BURST_S,
    STREAM_LONG_SHARE,
    LongUnits,
    StreamLongUnits,
)

UNIT_S = 0.2


def spent_until(stream: StreamLongUnits | None, seconds: int, *, rejoins: bool) -> float:
    """What a participant spends that sends a long unit whenever it may, and leaves and joins again once a second."""
    spent_s = 0.0
    units = LongUnits(stream, 0.0)
    for tenth in range(10 * seconds):
        now_s = tenth / 10
        if rejoins and tenth % 10 == 0:
            units.leave(now_s)
            units = LongUnits(stream, now_s)
        if not units.must_pause(now_s):
            units.spent(UNIT_S, now_s)
            spent_s += UNIT_S
    return spent_s


def test_who_leaves_and_joins_again_gets_no_more_than_who_stays() -> None:
    most_s = LONG_BURST_S + UNIT_S + 60 * LONG_SHARE
    assert spent_until(StreamLongUnits(), 60, rejoins=False) <= most_s
    assert spent_until(StreamLongUnits(), 60, rejoins=True) <= most_s


def test_a_stream_of_many_participants_has_a_limit_of_its_own() -> None:
    stream = StreamLongUnits()
    everybody = [LongUnits(stream, 0.0) for _ in range(30)]
    spent_s = 0.0
    for tenth in range(600):
        for units in everybody:
            if not units.must_pause(tenth / 10):
                units.spent(UNIT_S, tenth / 10)
                spent_s += UNIT_S
    assert spent_s <= STREAM_LONG_BURST_S + UNIT_S + 60 * STREAM_LONG_SHARE
    assert spent_s >= 60 * STREAM_LONG_SHARE


def test_other_streams_are_not_held_to_it() -> None:
    spent_until(StreamLongUnits(), 10, rejoins=True)
    assert not LongUnits(StreamLongUnits(), 10.0).must_pause(10.0)


def test_what_is_not_long_is_not_counted() -> None:
    units = LongUnits(StreamLongUnits(), 0.0)
    for _ in range(1000):
        units.spent(LONG_S, 0.0)
    assert not units.must_pause(0.0)


def test_a_newcomer_takes_over_a_limited_part_of_what_others_owe() -> None:
    stream = StreamLongUnits()
    for _ in range(50):
        units = LongUnits(stream, 0.0)
        units.spent(10.0, 0.0)
        units.leave(0.0)
    assert stream.take_over(0.0) == MAX_TAKEN_OVER_S
    assert stream.take_over(0.0) == 0.0


@pytest.mark.parametrize("stream", [None, StreamLongUnits()])
def test_leaving_without_long_units_owes_nothing(stream: StreamLongUnits | None) -> None:
    units = LongUnits(stream, 0.0)
    units.spent(0.01, 0.0)
    units.leave(1.0)
    assert not LongUnits(stream, 1.0).must_pause(1.0)
