"""When a worker counts as overloaded, and for whom it stops decoding."""

from __future__ import annotations

from gifcue.media.overload import (
    CALM_AFTER,
    LATE_COUNT,
    MAX_PAUSE_S,
    NO_RELIEF,
    OVERLOADED_AFTER,
    PAUSE_AFTER,
    PAUSE_S,
    WINDOW_S,
    OverloadControl,
    Relief,
)


class Worker:
    """A worker that has time for so many of its participants, and makes all wait where there are more."""

    def __init__(self, joined: int, capacity: int) -> None:
        self.control = OverloadControl()
        self.present = set(range(joined))
        self.capacity = capacity
        self.now_s = 0.0
        self.reliefs: list[Relief] = []

    @property
    def decoded(self) -> set[int]:
        return self.present - set(self.control.paused)

    def window(self, count: int = 1) -> Relief:
        """Lets windows pass. Returns what the last one brought."""
        for _ in range(count):
            self.now_s += WINDOW_S
            late = len(self.decoded) > self.capacity
            waits_s = dict.fromkeys(self.decoded, 0.4 if late else 0.003)
            self.reliefs.append(self.control.decide(self.now_s, waits_s))
        return self.reliefs[-1]


def test_a_worker_in_time_is_left_alone() -> None:
    worker = Worker(20, 20)
    worker.window(100)
    assert set(worker.reliefs) == {NO_RELIEF}
    assert worker.control.is_idle


def test_a_short_stall_has_no_consequence() -> None:
    worker = Worker(20, 0)
    worker.window(OVERLOADED_AFTER - 1)
    worker.capacity = 20
    worker.window(10)
    assert set(worker.reliefs) == {NO_RELIEF}


def test_a_few_that_want_too_much_are_no_overload() -> None:
    control = OverloadControl()
    waits_s = dict.fromkeys(range(LATE_COUNT - 1), 0.5)
    assert {control.decide(at * WINDOW_S, waits_s) for at in range(50)} == {NO_RELIEF}
    # Nor are as many as would be, beside a lot of others who are in time.
    waits_s = dict.fromkeys(range(LATE_COUNT), 0.5) | dict.fromkeys(range(100, 140), 0.001)
    assert {control.decide(at * WINDOW_S, waits_s) for at in range(50)} == {NO_RELIEF}


def test_everybody_is_asked_to_slow_down_before_anybody_is_paused() -> None:
    worker = Worker(20, 10)
    worker.window(OVERLOADED_AFTER)
    assert worker.reliefs[-1] == Relief(slow_down=tuple(range(20)))
    assert worker.control.is_overloaded
    worker.window(PAUSE_AFTER - OVERLOADED_AFTER - 1)
    assert all(not relief.pause for relief in worker.reliefs)
    assert worker.window().pause == (18, 19)


def test_those_who_joined_last_are_paused_until_the_rest_is_in_time() -> None:
    worker = Worker(64, 25)
    worker.window(PAUSE_AFTER + 20)
    assert worker.decoded == set(range(25 - 2, 25)) | set(range(23)) or len(worker.decoded) <= 25
    assert worker.decoded == set(range(len(worker.decoded)))
    assert len(worker.decoded) >= 20


def test_whoever_is_in_time_is_never_paused() -> None:
    control = OverloadControl()
    # The newest needs little, and never waits.
    paused: set[int] = set()
    for at in range(100):
        waits_s = dict.fromkeys(set(range(20)) - paused, 0.5) | {99: 0.001}
        paused |= set(control.decide(at * WINDOW_S, waits_s).pause)
    assert paused
    assert 99 not in paused


def test_joins_are_refused_until_the_overload_has_been_over_for_a_while() -> None:
    worker = Worker(20, 10)
    worker.window(OVERLOADED_AFTER)
    worker.capacity = 20
    worker.window(CALM_AFTER - 1)
    assert worker.control.is_overloaded
    worker.window()
    assert not worker.control.is_overloaded


def test_those_who_are_paused_come_back_one_by_one_in_the_order_of_joining() -> None:
    worker = Worker(20, 10)
    while len(worker.decoded) > 10:
        worker.window()
    worker.capacity = 20
    paused = worker.control.paused
    worker.window(80)
    resumed = [key for relief in worker.reliefs for key in relief.resume]
    assert resumed == list(paused)
    assert all(len(relief.resume) <= 1 for relief in worker.reliefs)
    assert worker.control.is_idle


def test_each_pause_of_a_participant_is_twice_as_long() -> None:
    worker = Worker(12, 9)
    ended: list[float] = []
    began: dict[int, float] = {}
    lengths: list[float] = []
    for _ in range(2000):
        relief = worker.window()
        for key in relief.pause:
            began[key] = worker.now_s
        for key in relief.resume:
            if key == 11:
                lengths.append(worker.now_s - began[key])
            ended.append(worker.now_s)
    assert lengths[0] >= PAUSE_S
    assert any(length >= 8 * PAUSE_S for length in lengths)
    assert max(lengths) <= MAX_PAUSE_S + 10.0
    # Overload comes back each time that somebody is resumed, and that becomes rare.
    assert len([at for at in ended if at > 500.0]) < len([at for at in ended if at <= 500.0])


def test_a_participant_that_left_is_forgotten() -> None:
    worker = Worker(20, 10)
    while not worker.control.paused:
        worker.window()
    gone = worker.control.paused[-1]
    worker.control.forget(gone)
    worker.control.forget(12345)
    worker.present.discard(gone)
    assert gone not in worker.control.paused


def test_windows_that_alternate_are_overload_where_most_are_late() -> None:
    control = OverloadControl()
    late, in_time = dict.fromkeys(range(20), 0.5), dict.fromkeys(range(20), 0.01)
    reliefs = [control.decide(at * WINDOW_S, in_time if at % 3 == 2 else late) for at in range(30)]
    assert any(relief.pause for relief in reliefs)
    control = OverloadControl()
    assert {control.decide(at * WINDOW_S, late if at % 2 else in_time) for at in range(30)} == {NO_RELIEF}
