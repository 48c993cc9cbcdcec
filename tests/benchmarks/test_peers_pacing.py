"""The load of the peers: every frame has its time, whatever happens."""

from __future__ import annotations

import itertools

import pytest

from benchmarks.peers.pacing import frames, is_sampled
from benchmarks.seats import Seat


def test_every_frame_of_every_seat_comes_once_and_in_order() -> None:
    seats = [Seat("first", 0, 0.0), Seat("second", 1, 0.35)]

    dues = list(frames(seats, 10.0, 2.0, 0.02, seed=1))

    assert [due.due_s for due in dues] == sorted(due.due_s for due in dues)
    assert [due.index for due in dues if due.seat == 0] == list(range(20))
    assert [due.index for due in dues if due.seat == 1] == list(range(17))


def test_a_frame_is_late_by_the_jitter_at_most_and_never_before_the_one_it_follows() -> None:
    seats = [Seat("only", 0, 0.5)]

    dues = [due.due_s for due in frames(seats, 100.0, 5.0, 0.03, seed=7)]

    turns = [0.5 + index / 100.0 for index in range(len(dues))]
    # One that is later than its own jitter has waited for the one before it.
    for (before_s, due_s), turn_s in zip(itertools.pairwise(dues), turns[1:], strict=True):
        assert due_s >= max(turn_s, before_s)
        assert due_s <= max(turn_s + 0.03, before_s)
    assert len(set(dues)) > len(dues) // 2


def test_the_same_seed_gives_the_same_load() -> None:
    seats = [Seat("a", 0, 0.0), Seat("b", 0, 0.1)]

    def load(seed: int) -> list[float]:
        return [due.due_s for due in frames(seats, 30.0, 1.0, 0.005, seed)]

    assert load(1) == load(1)
    assert load(1) != load(2)


@pytest.mark.parametrize(
    ("fps", "rate", "expected"), [(30.0, 5.0, 50), (30.0, 7.0, 70), (25.0, 3.0, 30), (30.0, 30.0, 300)]
)
def test_so_many_frames_a_second_are_sampled(fps: float, rate: float, expected: int) -> None:
    sampled = [index for index in range(round(10 * fps)) if is_sampled(index, fps, rate)]

    assert len(sampled) == pytest.approx(expected, abs=1)
    gaps = {later - earlier for earlier, later in itertools.pairwise(sampled)}
    assert max(gaps) - min(gaps) <= 1


def test_no_more_than_all_frames_are_sampled() -> None:
    assert all(is_sampled(index, 10.0, 25.0) for index in range(20))
