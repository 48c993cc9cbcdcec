from __future__ import annotations

from typing import Any

import pytest

from benchmarks.capacity import Bounds


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
