"""The books balance, whatever happens in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifcue.engine.accounting import FrameAccounting, Ticket
from gifcue.protocol.accounting import FrameCounts
from gifcue.protocol.reasons import DropReason, SkipReason


def ticket(token: int) -> Ticket:
    return Ticket(token, sequence=token, pts=token * 3000, clock_hz=90_000, arrived_s=0.0)


@given(
    st.lists(st.tuples(st.sampled_from(["refuse", "open", "analysed", "skip", "drop"]), st.integers(0, 5)))
)
def test_received_is_what_became_of_the_frames_at_any_moment(steps: list[tuple[str, int]]) -> None:
    ledger = FrameAccounting()
    arrived = 0
    token = 0
    in_flight: list[int] = []
    for step, pick in steps:
        if step == "refuse":
            ledger.refuse(DropReason.OVERLOAD)
            arrived += 1
        elif step == "open":
            token += 1
            arrived += 1
            in_flight.append(token)
            ledger.open(ticket(token))
        elif in_flight:
            done = in_flight.pop(pick % len(in_flight))
            if step == "analysed":
                ledger.analysed(done)
            elif step == "skip":
                ledger.skip(done, SkipReason.SIMILAR)
            else:
                ledger.drop(done, DropReason.SUPERSEDED)
        books = ledger.statistics()
        assert books.is_consistent
        assert books.received == arrived
        assert books.in_flight == len(in_flight)


def test_a_frame_ends_once() -> None:
    ledger = FrameAccounting()
    ledger.open(ticket(1))
    ledger.analysed(1)
    with pytest.raises(KeyError):
        ledger.drop(1, DropReason.SUPERSEDED)


def test_a_token_in_flight_is_not_given_again() -> None:
    ledger = FrameAccounting()
    ledger.open(ticket(1))
    with pytest.raises(ValueError, match="expected a new token, got 1"):
        ledger.open(ticket(1))


def test_a_frame_unaccounted_for_shows() -> None:
    assert FrameCounts(received=3, analysed=1, dropped={"overload": 1}).accounted == 2


def test_totals_add_up_by_reason() -> None:
    first = FrameCounts(3, 1, {"similar": 1}, {"overload": 1}, 0)
    second = FrameCounts(4, 1, {"similar": 1, "paced": 1}, {}, 1)
    assert FrameCounts.total([first, second]) == FrameCounts(
        7, 2, {"similar": 2, "paced": 1}, {"overload": 1}, 1
    )
