from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from benchmarks.capacity import Bounds, search

Run = Callable[[int, bool], Awaitable[dict[str, Any]]]


def measurement(**changes: Any) -> dict[str, Any]:
    """A run that meets all conditions."""
    figures: dict[str, Any] = {
        "participants": 4,
        "fps": 30.0,
        "offered": 1000,
        "lost_on_the_way": 0,
        "in_flight_at_the_end": 0,
        "dropped": {},
        "analysed_moving_s": {"least": 4.0, "mean": 4.5},
        "due_to_decision_ms": {"p50": 40.0, "p95": 90.0},
        "sender_late_ms": {"p95": 1.0, "max": 3.0},
    }
    return {**figures, **changes}


class Server:
    """Carries `short` participants in a short run and `long` in a confirming run."""

    def __init__(self, short: int, long: int | None = None) -> None:
        self.short, self.long = short, short if long is None else long
        self.asked: list[tuple[int, bool]] = []

    async def __call__(self, participants: int, confirming: bool) -> dict[str, Any]:
        self.asked.append((participants, confirming))
        carried = participants <= (self.long if confirming else self.short)
        p95_ms = 90.0 if carried else 400.0
        return measurement(participants=participants, due_to_decision_ms={"p95": p95_ms})


@pytest.mark.parametrize("carried", [1, 2, 7, 8, 9, 23, 31, 32])
async def test_search_finds_what_is_carried(carried: int) -> None:
    found = await search(Server(carried), Bounds().limit_reason, start=8, most=512)

    assert found.participants == carried
    assert found.at is not None
    assert found.at["participants"] == carried
    assert found.at["confirming"]
    assert found.why_limited == "p95 400.0 ms, over 150"


async def test_a_search_near_the_result_takes_few_runs() -> None:
    server = Server(30)
    found = await search(server, Bounds().limit_reason, start=27, most=512, growth=1.12)

    assert found.participants == 30
    assert [count for count, _ in server.asked] == [27, 31, 29, 30, 30]


async def test_a_large_capacity_is_found_within_two_and_a_half_percent() -> None:
    found = await search(Server(333), Bounds().limit_reason, start=8, most=512)

    assert 333 - 333 / 40 <= found.participants <= 333


async def test_a_smaller_number_is_tried_after_a_failed_confirmation() -> None:
    server = Server(short=60, long=55)

    found = await search(server, Bounds().limit_reason, start=8, most=512)

    confirmed = [count for count, confirming in server.asked if confirming]
    assert confirmed == sorted(confirmed, reverse=True)
    assert found.participants == confirmed[-1] <= 55
    assert found.runs[-1]["limit_reason"] == ""


async def test_a_server_too_slow_for_one_participant_has_capacity_zero() -> None:
    found = await search(Server(0), Bounds().limit_reason, start=4, most=8)

    assert found.participants == 0
    assert found.at is None
    assert [run["participants"] for run in found.runs] == [4, 2, 1]


async def test_the_search_ends_at_the_given_maximum() -> None:
    server = Server(100)

    found = await search(server, Bounds().limit_reason, start=8, most=20)

    assert found.participants == 20
    assert found.why_limited == "the search ended at its maximum of 20"
    assert [count for count, _ in server.asked] == [8, 16, 20, 20]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"lost_on_the_way": 2, "in_flight_at_the_end": 1}, "3 frames without an outcome"),
        (
            {"sender_late_ms": {"p95": 40.0}},
            "the load generator is late: p95 40.0 ms, over a frame interval of 33 ms",
        ),
        (
            {"sender_late_ms": {"p95": None}},
            "the load generator is late: p95 None ms, over a frame interval of 33 ms",
        ),
        ({"dropped": {"superseded": 1}}, "dropped: superseded 1"),
        ({"due_to_decision_ms": {"p95": 150.1}}, "p95 150.1 ms, over 150"),
        ({"due_to_decision_ms": {"p95": None}}, "p95 None ms, over 150"),
        (
            {"analysed_moving_s": {"least": 2.9, "mean": 4.0}},
            "a participant with 2.9 analyses per second of motion, under 3",
        ),
        ({"analysed_moving_s": {"least": None, "mean": None}}, ""),
    ],
)
def test_the_reason_names_the_condition_that_is_not_met(changes: dict[str, Any], why: str) -> None:
    assert Bounds().limit_reason(measurement(**changes)) == why


def test_a_fraction_of_dropped_frames_can_be_permitted() -> None:
    figures = measurement(dropped={"superseded": 10})

    assert Bounds(dropped_share=0.01).limit_reason(figures) == ""
    assert Bounds(dropped_share=0.009).limit_reason(figures) == "dropped: superseded 10"
