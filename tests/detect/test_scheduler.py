from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gifcue.detect.scheduler import Scheduler
from gifcue.media.frame import FrameInFlight


def frame(key: int, token: int = 0, since_s: float = 0.0) -> FrameInFlight:
    return FrameInFlight(key, token, token, 0, 90_000, 0.0, 0, 0.0, waits_since_s=since_s)


def keys(frames: list[FrameInFlight]) -> list[int]:
    return [each.key for each in frames]


def test_participants_are_served_in_order_up_to_the_maximum() -> None:
    scheduler: Scheduler[str] = Scheduler(max_stills=4)
    for key in (3, 1, 2):
        assert scheduler.offer(frame(key)) is None
    assert keys(scheduler.take(2)[0]) == [3, 1]
    assert keys(scheduler.take(2)[0]) == [2]
    assert scheduler.take(2) == ([], [])


def test_a_newer_frame_replaces_the_waiting_one_at_its_position() -> None:
    scheduler: Scheduler[str] = Scheduler(max_stills=4)
    first = frame(1, token=10)
    scheduler.offer(first)
    scheduler.offer(frame(2, token=20))
    assert scheduler.offer(frame(1, token=11)) is first
    assert [each.token for each in scheduler.take(2)[0]] == [11, 20]


def test_a_served_participant_moves_to_the_end() -> None:
    scheduler: Scheduler[str] = Scheduler(max_stills=4)
    for key in (1, 2, 3):
        scheduler.offer(frame(key))
    scheduler.take(1)
    scheduler.offer(frame(1))
    assert keys(scheduler.take(3)[0]) == [2, 3, 1]


def test_a_participant_that_left_is_removed() -> None:
    scheduler: Scheduler[str] = Scheduler(max_stills=4)
    waiting = frame(1, token=5)
    scheduler.offer(waiting)
    assert scheduler.forget(1) is waiting
    assert scheduler.forget(1) is None
    assert len(scheduler) == 0


def test_the_oldest_frames_waiting_time_is_known() -> None:
    scheduler: Scheduler[str] = Scheduler(max_stills=4)
    assert scheduler.oldest_s is None
    scheduler.offer(frame(1, since_s=3.0))
    scheduler.offer(frame(2, since_s=4.0))
    scheduler.offer(frame(1, since_s=5.0))
    assert scheduler.oldest_s == 3.0


def test_too_many_stills_are_refused() -> None:
    scheduler: Scheduler[str] = Scheduler(max_stills=2)
    assert [scheduler.offer_still(name) for name in "abc"] == [True, True, False]
    assert scheduler.statistics().refused_stills == 1
    scheduler.withdraw("a")
    scheduler.withdraw("never came")
    assert scheduler.take(4) == ([], ["b"])


@pytest.mark.parametrize(
    ("max_count", "frames", "stills", "expected"),
    [
        (8, 20, 10, (6, 2)),
        (8, 20, 1, (7, 1)),
        (2, 20, 10, (1, 1)),
        (8, 3, 10, (3, 5)),
        (8, 0, 10, (0, 8)),
        (8, 20, 0, (8, 0)),
    ],
)
def test_stills_and_streams_share_a_batch(
    max_count: int, frames: int, stills: int, expected: tuple[int, int]
) -> None:
    scheduler: Scheduler[int] = Scheduler(max_stills=100)
    for number in range(frames):
        scheduler.offer(frame(number))
    for number in range(stills):
        scheduler.offer_still(number)
    taken = scheduler.take(max_count)
    assert (len(taken[0]), len(taken[1])) == expected


def test_batches_of_one_alternate_between_stills_and_streams() -> None:
    scheduler: Scheduler[int] = Scheduler(max_stills=100)
    for number in range(3):
        scheduler.offer(frame(number))
        scheduler.offer_still(number)
    taken = [scheduler.take(1) for _ in range(6)]
    assert [len(frames) for frames, _ in taken] == [0, 1, 0, 1, 0, 1]


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("offer"), st.integers(0, 5)),
            st.tuples(st.just("take"), st.integers(1, 8)),
            st.tuples(st.just("forget"), st.integers(0, 5)),
        ),
        max_size=80,
    )
)
def test_every_frame_comes_out_exactly_once(steps: list[tuple[str, int]]) -> None:
    scheduler: Scheduler[int] = Scheduler(max_stills=4)
    offered: list[int] = []
    out: list[int] = []
    for token, (step, number) in enumerate(steps):
        if step == "offer":
            offered.append(token)
            superseded = scheduler.offer(frame(number, token))
            out += [superseded.token] if superseded else []
        elif step == "take":
            out += [each.token for each in scheduler.take(number)[0]]
        else:
            forgotten = scheduler.forget(number)
            out += [forgotten.token] if forgotten else []
    while len(scheduler):
        out += [each.token for each in scheduler.take(8)[0]]
    assert sorted(out) == offered
    statistics = scheduler.statistics()
    assert (statistics.offered, statistics.waiting) == (len(offered), 0)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(1, 8), st.data())
def test_participants_are_served_equally_at_any_sending_rate(
    participants: int, max_count: int, data: st.DataObject
) -> None:
    scheduler: Scheduler[int] = Scheduler(max_stills=4)
    served = dict.fromkeys(range(participants), 0)
    for _ in range(12):
        for key in range(participants):
            scheduler.offer(frame(key))
        for key in data.draw(st.lists(st.integers(0, participants - 1), max_size=5)):
            scheduler.offer(frame(key))
        for each in scheduler.take(max_count)[0]:
            served[each.key] += 1
        assert max(served.values()) - min(served.values()) <= 1
