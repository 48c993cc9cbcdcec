"""Which unit a decode worker gets next, and what is dropped while it waits."""

from __future__ import annotations

import math
import random

import pytest

from gifcue.media.frame import FrameInFlight
from gifcue.media.long_units import LONG_BURST_S, LONG_SHARE
from gifcue.media.queues import (
    ESTIMATE_DECAY,
    MAX_COST_S,
    REFILL_UNITS,
    UNITS_AT_ONCE,
    WINDOW_S,
    WINDOW_UNITS,
    Lane,
    ParticipantQueue,
    WaitingUnit,
)

CHEAP_S = 0.001
KEY, INTER = b"key", b"inter"


def unit(key: int, token: int = 0, *, arrived_s: float = 0.0, payload: bytes = INTER) -> WaitingUnit:
    return WaitingUnit(FrameInFlight(key, token, token, 0, 90_000, 0.0, len(payload), arrived_s), payload)


class Worker:
    """Takes units from a lane, and answers them in order after the time that each costs."""

    def __init__(self) -> None:
        self.lane = Lane()
        self.queues: dict[int, ParticipantQueue] = {}
        self.cost_s: dict[int, float] = {}
        self.spent_s: dict[int, float] = {}
        self.held: list[int] = []
        self.now_s = 0.0
        self.waits_s: dict[int, list[float]] = {}

    def join(self, key: int, cost_s: float, *, is_known: bool = True) -> None:
        self.queues[key] = ParticipantQueue(estimate_s=cost_s if is_known else None)
        self.cost_s[key] = cost_s
        self.spent_s[key] = 0.0
        self.waits_s[key] = []

    def push(self, key: int, count: int = 1) -> None:
        for _ in range(count):
            self.lane.push(self.queues[key], unit(key, arrived_s=self.now_s))

    def fill(self) -> None:
        while (taken := self.lane.take(self.now_s)) is not None:
            self.held.append(taken.frame.key)
            self.waits_s[taken.frame.key].append(self.now_s - taken.frame.arrived_s)

    def answer(self) -> int:
        key = self.held.pop(0)
        self.now_s += self.cost_s[key]
        self.spent_s[key] += self.cost_s[key]
        self.lane.answered(self.queues[key], self.cost_s[key], self.now_s)
        self.fill()
        return key


def test_participants_get_the_same_time_and_not_the_same_number_of_units() -> None:
    worker = Worker()
    worker.join(1, 0.05)
    worker.join(2, CHEAP_S)
    for key in (1, 2):
        worker.push(key, 5000)
    worker.fill()
    while worker.now_s < 4.0:
        worker.answer()
    assert worker.spent_s[1] == pytest.approx(worker.spent_s[2], rel=0.05)


def test_who_needs_less_than_its_share_waits_for_one_unit_at_most() -> None:
    worker = Worker()
    dear_s = WINDOW_S - CHEAP_S / 2
    for key in range(1, 4):
        worker.join(key, dear_s)
        worker.push(key, 400)
    worker.join(9, CHEAP_S)
    worker.fill()
    due_s = 0.0
    while worker.now_s < 20.0:
        worker.answer()
        while due_s <= worker.now_s:
            worker.push(9)
            due_s += 1 / 30
        worker.fill()
    # It waits for the one unit that the worker has: nothing else fits into the window beside that.
    assert max(worker.waits_s[9][3:]) == pytest.approx(dear_s)
    assert worker.spent_s[9] == pytest.approx(20.0 * 30 * CHEAP_S, rel=0.05)


def test_a_share_that_was_not_used_is_lost() -> None:
    worker = Worker()
    worker.join(1, CHEAP_S)
    worker.join(2, CHEAP_S)
    worker.push(1, 2000)
    worker.fill()
    for _ in range(1000):
        worker.answer()
    worker.push(2, 100)
    worker.fill()
    answered = [worker.answer() for _ in range(100)]
    assert 40 <= answered.count(1) <= 60


def test_the_window_is_bounded_in_time_and_in_units() -> None:
    worker = Worker()
    for key in range(WINDOW_UNITS):
        worker.join(key, 1e-6)
        worker.push(key, 2)
    worker.fill()
    assert worker.lane.units_in_window == WINDOW_UNITS
    worker = Worker()
    for key in range(WINDOW_UNITS):
        worker.join(key, WINDOW_S / 4)
        worker.push(key, 2)
    worker.fill()
    assert worker.lane.units_in_window == 4


def test_one_participant_does_not_fill_the_window() -> None:
    worker = Worker()
    worker.join(1, 1e-6)
    worker.push(1, 100)
    worker.fill()
    assert worker.held == [1] * UNITS_AT_ONCE


def test_few_units_of_unknown_cost_are_sent_at_once() -> None:
    worker = Worker()
    for key in range(8):
        worker.join(key, 0.2, is_known=False)
        worker.push(key, 10)
    worker.fill()
    assert worker.held == [0, 1]


def test_beside_a_unit_of_unknown_cost_the_worker_gets_what_is_cheap() -> None:
    worker = Worker()
    worker.join(1, 0.2, is_known=False)
    worker.push(1, 10)
    for key in range(2, 12):
        worker.join(key, CHEAP_S)
        worker.push(key)
    worker.fill()
    assert worker.held.count(1) == 1
    assert len(worker.held) == 11


def test_a_window_that_is_still_full_enough_is_not_filled_again() -> None:
    worker = Worker()
    for key in range(WINDOW_UNITS):
        worker.join(key, WINDOW_S / REFILL_UNITS / 2)
        worker.push(key, 100)
    worker.fill()
    assert not worker.lane.is_due
    while worker.lane.units_in_window >= REFILL_UNITS:
        assert not worker.lane.is_due
        worker.lane.answered(worker.queues[worker.held.pop(0)], WINDOW_S / REFILL_UNITS / 2, 0.0)
    assert worker.lane.is_due


def test_the_estimate_follows_the_dearest_unit_and_decays() -> None:
    lane, queue = Lane(), ParticipantQueue()
    for spent_s in (0.1, CHEAP_S):
        lane.push(queue, unit(1))
        assert lane.take(0.0) is not None
        lane.answered(queue, spent_s, 0.0)
    assert queue.estimate_s is not None
    assert queue.estimate_s == pytest.approx(0.1 * ESTIMATE_DECAY)
    for _ in range(100):
        lane.push(queue, unit(1))
        lane.take(0.0)
        lane.answered(queue, CHEAP_S, 0.0)
    assert queue.estimate_s == pytest.approx(CHEAP_S)


@pytest.mark.parametrize("spent_s", [math.nan, -1.0, math.inf, 1e300])
def test_what_a_worker_claims_is_bounded(spent_s: float) -> None:
    lane, queue = Lane(), ParticipantQueue()
    lane.push(queue, unit(1))
    lane.take(0.0)
    lane.answered(queue, spent_s, 0.0)
    assert 0.0 <= queue.served_s <= MAX_COST_S
    assert queue.estimate_s is not None
    assert 0.0 <= queue.estimate_s <= MAX_COST_S


def test_an_answer_to_nothing_changes_nothing() -> None:
    lane, queue = Lane(), ParticipantQueue()
    lane.answered(queue, 1.0, 0.0)
    assert (lane.units_in_window, queue.served_s) == (0, 0.0)


def test_a_participant_that_moves_leaves_nothing_behind() -> None:
    worker = Worker()
    for key in (1, 2):
        worker.join(key, CHEAP_S)
        worker.push(key, 10)
    worker.fill()
    held = worker.held.count(1)
    assert held > 0
    before = worker.lane.units_in_window
    worker.lane.leave(worker.queues[1])
    assert worker.lane.units_in_window == before - held
    assert len(worker.queues[1].units) == 10 - held
    worker.held = [2] * worker.held.count(2)
    worker.fill()
    while worker.held:
        assert worker.answer() == 2
    other = Lane()
    other.push(worker.queues[1], unit(1))
    assert other.take(0.0) is not None


def test_overdue_units_are_dropped_up_to_the_next_keyframe() -> None:
    queue = ParticipantQueue()
    payloads = [KEY, INTER, INTER, KEY, INTER, KEY, INTER]
    for token, payload in enumerate(payloads):
        queue.units.append(unit(1, token, arrived_s=float(token), payload=payload))

    def overdue(now_s: float) -> list[int]:
        return [each.frame.token for each in queue.overdue(now_s, 1.0, KEY.__eq__)]

    assert overdue(1.0) == []
    assert overdue(1.5) == [0, 1, 2]
    # The keyframe at 3 has waited too long as well.
    assert overdue(4.5) == [3, 4]
    assert [each.frame.token for each in queue.units] == [5, 6]
    assert overdue(9.0) == [5, 6]
    assert overdue(99.0) == []


def test_units_that_stand_alone_are_dropped_one_by_one() -> None:
    queue = ParticipantQueue()
    for token in range(4):
        queue.units.append(unit(1, token, arrived_s=float(token)))
    dropped = queue.overdue(2.5, 1.0, lambda _: True)
    assert [each.frame.token for each in dropped] == [0, 1]


def test_whatever_happens_every_unit_leaves_once_and_in_order() -> None:
    chance = random.Random(7)
    worker = Worker()
    pushed: dict[int, int] = {}
    gone: dict[int, list[int]] = {}
    held: list[tuple[int, int]] = []
    for key in range(6):
        worker.join(key, 1e-4 * 5**key, is_known=False)
        pushed[key], gone[key] = 0, []
    for _ in range(20_000):
        key = chance.randrange(6)
        queue = worker.queues[key]
        match chance.randrange(12):
            case 0 | 1 | 2 | 3 | 4:
                worker.lane.push(queue, unit(key, pushed[key], arrived_s=worker.now_s))
                pushed[key] += 1
            case 5:
                # Those in the window come before those that wait.
                late = queue.overdue(worker.now_s, 0.5, lambda _: chance.random() < 0.3)
                gone[key] += [each.frame.token for each in late]
            case 6 if chance.random() < 0.05:
                gone[key] += [each.frame.token for each in queue.clear()]
            case _ if held:
                of, token = held.pop(0)
                worker.now_s += worker.cost_s[of]
                worker.lane.answered(worker.queues[of], worker.cost_s[of] * chance.random() * 2, worker.now_s)
                gone[of].append(token)
            case _:
                pass
        while (taken := worker.lane.take(worker.now_s)) is not None:
            held.append((taken.frame.key, taken.frame.token))
        assert worker.lane.units_in_window == len(held)
    for key, queue in worker.queues.items():
        rest = [each.frame.token for each in queue.units] + [token for of, token in held if of == key]
        assert sorted(gone[key] + rest) == list(range(pushed[key]))


def test_the_wait_of_a_window_is_its_shortest() -> None:
    queue = ParticipantQueue()
    assert queue.take_wait(9.0) is None
    queue.sent(0.3)
    queue.sent(0.1)
    queue.sent(0.2)
    assert queue.take_wait(9.0) == 0.1
    queue.units.append(unit(1, arrived_s=4.0))
    assert queue.take_wait(9.0) == 5.0
    queue.sent(0.2)
    assert queue.overdue(9.0, 0.5, lambda _: True)
    assert queue.take_wait(9.0) == math.inf
    assert queue.take_wait(9.0) is None


def seconds(worker: Worker, until_s: float) -> None:
    """Goes on for a while: answers what the worker holds, else lets time pass."""
    while worker.now_s < until_s:
        if worker.held:
            worker.answer()
        else:
            worker.now_s += 0.005
        worker.lane.resume(worker.now_s)
        worker.fill()


def test_long_units_take_a_small_part_of_the_time() -> None:
    worker = Worker()
    worker.join(1, 0.15, is_known=False)
    worker.join(2, CHEAP_S)
    worker.push(1, 1000)
    for frame in range(1, 20 * 30):
        worker.push(2)
        seconds(worker, frame / 30)
    assert worker.spent_s[1] <= LONG_BURST_S + 0.15 + LONG_SHARE * 20.0
    waits_s = sorted(worker.waits_s[2])
    assert waits_s[int(0.95 * len(waits_s))] <= 0.1
    # It goes on as long as it sends.
    assert worker.spent_s[1] >= LONG_BURST_S + LONG_SHARE * 20.0 - 0.3


def test_a_long_keyframe_now_and_then_is_never_held_back() -> None:
    worker = Worker()
    worker.join(1, CHEAP_S)
    for frame in range(1, 30 * 30):
        worker.cost_s[1] = 0.09 if frame % 60 == 1 else 0.02
        worker.push(1)
        seconds(worker, frame / 30)
        assert not worker.queues[1].long_units.must_pause(worker.now_s)


def test_who_leaves_while_it_pauses_is_forgotten() -> None:
    lane, queue = Lane(), ParticipantQueue()
    queue.long_units.spent(10.0, 0.0)
    lane.push(queue, unit(1))
    assert lane.take(0.0) is None
    lane.leave(queue)
    lane.resume(1000.0)
    assert lane.take(1000.0) is None
    other = ParticipantQueue()
    lane.push(other, unit(2))
    assert lane.take(1000.0) is not None
