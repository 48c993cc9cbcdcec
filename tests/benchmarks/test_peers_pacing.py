"""The due times of the peers' load, and the sampling of frames."""

from __future__ import annotations

import itertools

import pytest

from benchmarks.participants import Participant
from benchmarks.peers.pacing import frames, is_sampled


def test_every_frame_of_every_participant_occurs_once_and_in_order() -> None:
    participants = [Participant("first", 0, 0.0), Participant("second", 1, 0.35)]

    dues = list(frames(participants, 10.0, 2.0, 0.02, seed=1))

    assert [due.due_s for due in dues] == sorted(due.due_s for due in dues)
    assert [due.index for due in dues if due.participant == 0] == list(range(20))
    assert [due.index for due in dues if due.participant == 1] == list(range(17))


def test_jitter_is_bounded_and_keeps_the_order_of_frames() -> None:
    participants = [Participant("only", 0, 0.5)]

    dues = [due.due_s for due in frames(participants, 100.0, 5.0, 0.03, seed=7)]

    turns = [0.5 + index / 100.0 for index in range(len(dues))]
    # A frame later than its own jitter was delayed by the previous frame.
    for (before_s, due_s), turn_s in zip(itertools.pairwise(dues), turns[1:], strict=True):
        assert due_s >= max(turn_s, before_s)
        assert due_s <= max(turn_s + 0.03, before_s)
    assert len(set(dues)) > len(dues) // 2


def test_the_same_seed_gives_the_same_load() -> None:
    participants = [Participant("a", 0, 0.0), Participant("b", 0, 0.1)]

    def load(seed: int) -> list[float]:
        return [due.due_s for due in frames(participants, 30.0, 1.0, 0.005, seed)]

    assert load(1) == load(1)
    assert load(1) != load(2)


@pytest.mark.parametrize(
    ("fps", "rate", "expected"), [(30.0, 5.0, 50), (30.0, 7.0, 70), (25.0, 3.0, 30), (30.0, 30.0, 300)]
)
def test_frames_are_sampled_evenly_at_the_rate(fps: float, rate: float, expected: int) -> None:
    sampled = [index for index in range(round(10 * fps)) if is_sampled(index, fps, rate)]

    assert len(sampled) == pytest.approx(expected, abs=1)
    gaps = {later - earlier for earlier, later in itertools.pairwise(sampled)}
    assert max(gaps) - min(gaps) <= 1


def test_a_rate_above_the_frame_rate_samples_every_frame() -> None:
    assert all(is_sampled(index, 10.0, 25.0) for index in range(20))
