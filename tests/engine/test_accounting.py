"""Every frame is accounted for, in every order of events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifcue.engine.accounting import FrameAccounting
from gifcue.media.frame import FrameInFlight, Stage
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.reasons import DropReason, SkipReason


def frame(token: int) -> FrameInFlight:
    return FrameInFlight(1, token, token, token * 3000, 90_000, token / 30, 100, 0.0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["refuse", "open", "decoded", "analysed", "skip", "drop"]), st.integers(0, 5)
        )
    )
)
def test_received_equals_the_sum_of_outcomes_at_any_moment(steps: list[tuple[str, int]]) -> None:
    accounting = FrameAccounting()
    arrived = 0
    in_flight: list[FrameInFlight] = []
    for step, pick in steps:
        if step == "refuse":
            accounting.refuse(DropReason.OVERLOAD)
            arrived += 1
        elif step == "open":
            arrived += 1
            in_flight.append(frame(arrived))
            accounting.open(in_flight[-1])
        elif step == "decoded":
            decoding = [each for each in in_flight if each.stage is Stage.DECODING]
            if decoding:
                accounting.decoded(decoding[pick % len(decoding)])
        elif in_flight:
            done = in_flight.pop(pick % len(in_flight))
            if step == "analysed":
                accounting.analysed(done)
            elif step == "skip":
                accounting.skip(done, SkipReason.SIMILAR)
            else:
                accounting.drop(done, DropReason.SUPERSEDED)
        counts = accounting.statistics()
        assert counts.is_consistent
        assert counts.received == arrived
        assert counts.in_flight == len(in_flight)
        assert accounting.is_idle == (not in_flight)
        assert accounting.is_detecting == any(each.stage is Stage.DETECTING for each in in_flight)


def test_a_frame_ends_once() -> None:
    accounting = FrameAccounting()
    one = frame(1)
    accounting.open(one)
    accounting.analysed(one)
    with pytest.raises(ValueError, match="expected a frame in flight, got one that is ended"):
        accounting.drop(one, DropReason.SUPERSEDED)


def test_a_frame_is_counted_once() -> None:
    accounting = FrameAccounting()
    one = frame(1)
    accounting.open(one)
    with pytest.raises(
        ValueError, match="expected a frame that is not counted yet, got one that is decoding"
    ):
        accounting.open(one)


def test_a_frame_is_decoded_once() -> None:
    accounting = FrameAccounting()
    one = frame(1)
    with pytest.raises(ValueError, match="expected a frame that is decoding, got one that is admitted"):
        accounting.decoded(one)
    accounting.open(one)
    accounting.decoded(one)
    with pytest.raises(ValueError, match="expected a frame that is decoding, got one that is detecting"):
        accounting.decoded(one)


def test_an_unaccounted_frame_makes_the_counts_inconsistent() -> None:
    assert FrameCounts(received=3, analysed=1, dropped={"overload": 1}).accounted == 2


def test_totals_add_up_by_reason() -> None:
    first = FrameCounts(3, 1, {"similar": 1}, {"overload": 1}, 0)
    second = FrameCounts(4, 1, {"similar": 1, "paced": 1}, {}, 1)
    assert FrameCounts.total([first, second]) == FrameCounts(
        7, 2, {"similar": 2, "paced": 1}, {"overload": 1}, 1
    )
