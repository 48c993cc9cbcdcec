"""Retries, deadlines and counts, against the fake API over real HTTP, in manual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from gifcue.delivery import (
    AttemptOutcome,
    AttemptResult,
    Cue,
    CueGif,
    DeadReason,
    DeliveryQueue,
    Dispatcher,
    QueueSettings,
)
from tests.support.deliveries import counts, cue, delivered_or_dead
from tests.support.fake_meeting_api import FakeMeetingApi
from tests.support.manual_time import ManualTime
from tests.support.waiting import until

Make = Callable[..., Dispatcher]
BOTH = pytest.mark.parametrize("sink", ["eyeson", "webhook"])


async def backing_off(dispatcher: Dispatcher, time: ManualTime, count: int = 1) -> None:
    """Returns once `count` cues wait for their next attempt, and none is being sent."""
    await until(
        lambda: len(time.waits_s) == count and max(time.waits_s) < 9.0,
        expected=f"{count} cues to back off",
        state=lambda: f"waits of {time.waits_s} s",
    )


@BOTH
async def test_each_cue_is_delivered_once(make: Make, api: FakeMeetingApi, sink: str) -> None:
    dispatcher = make(sink)
    for number in range(50):
        dispatcher.submit(cue(number))
    statistics = await delivered_or_dead(dispatcher)
    assert (statistics.delivered, statistics.dead, statistics.retries) == (50, {}, 0)
    assert set(api.acted.values()) == {1}
    assert len(api.received) == 50


@pytest.mark.parametrize(
    ("sink", "status"),
    [("webhook", 429), ("webhook", 500), ("webhook", 503), ("eyeson", 429), ("eyeson", 503)],
)
async def test_the_waits_between_attempts_grow(
    make: Make, api: FakeMeetingApi, time: ManualTime, sink: str, status: int
) -> None:
    api.status = status
    dispatcher = make(sink)
    dispatcher.submit(cue())
    for expected_s in (0.5, 1.0, 2.0, 4.0):
        await backing_off(dispatcher, time)
        assert time.waits_s == [pytest.approx(expected_s)]
        time.advance(expected_s)
    await backing_off(dispatcher, time)
    api.status = 201
    time.advance(8.0)
    statistics = await delivered_or_dead(dispatcher)
    assert (statistics.delivered, statistics.retries) == (1, 5)
    assert api.acted == {"reaction-1": 1}
    assert {each.reaction_id for each in api.received} == {"reaction-1"}


async def test_a_cue_that_is_too_old_is_not_tried_again(
    make: Make, api: FakeMeetingApi, time: ManualTime
) -> None:
    api.status = 503
    dispatcher = make("webhook", max_age_s=3.0)
    dispatcher.submit(cue())
    for expected_s in (0.5, 1.0):
        await backing_off(dispatcher, time)
        time.advance(expected_s)
    assert (await delivered_or_dead(dispatcher)).dead == {"busy": 1}


async def test_retry_after_is_respected(make: Make, api: FakeMeetingApi, time: ManualTime) -> None:
    api.status, api.retry_after = 429, "3"
    dispatcher = make("webhook")
    dispatcher.submit(cue())
    await backing_off(dispatcher, time)
    assert time.waits_s == [pytest.approx(3.0)]


async def test_jitter_spreads_the_waits(api: FakeMeetingApi, time: ManualTime) -> None:
    for uniform, expected_s in ((0.0, 0.5), (0.5, 1.0), (1.0, 1.5)):
        settings = QueueSettings(backoff_initial_s=1.0, jitter=0.5)
        queue = DeliveryQueue(
            Busy(), settings, clock=time.clock, sleep=time.sleep, uniform=partial(float, uniform)
        )
        queue.submit(cue())
        await until(lambda: len(time.waits_s) == 1 and time.waits_s[0] < 5.0)
        assert time.waits_s == [pytest.approx(expected_s)]
        await queue.stop(0.0)


@BOTH
async def test_a_receiver_that_is_gone_for_ten_seconds(
    make: Make, api: FakeMeetingApi, time: ManualTime, sink: str
) -> None:
    """Cues before the receiver dies, while it holds answers, while it is down, and later: none is sent twice."""
    dispatcher = make(sink)
    for number in range(4):
        dispatcher.submit(cue(number))
    await until(lambda: counts(dispatcher).delivered == 4)
    api.hold()
    for number in range(4, 8):
        dispatcher.submit(cue(number))
    await api.arrived(8)
    await api.kill()  # it acted on four cues without an answer
    await until(lambda: counts(dispatcher).dead == {"unanswered": 4})
    api.release()
    for number in range(8, 12):
        dispatcher.submit(cue(number))
    for _ in range(10):
        await backing_off(dispatcher, time, 4)
        time.advance(1.0)
    await backing_off(dispatcher, time, 4)
    await api.start()
    for number in range(12, 16):
        dispatcher.submit(cue(number))
    await until(lambda: counts(dispatcher).delivered == 8)
    time.advance(8.0)
    statistics = await delivered_or_dead(dispatcher)
    assert (statistics.submitted, statistics.delivered, statistics.dead) == (16, 12, {"unanswered": 4})
    assert dict(api.acted) == {f"reaction-{number}": 1 for number in range(16)}


@BOTH
async def test_a_cue_for_a_receiver_that_stays_away_is_given_up(
    make: Make, api: FakeMeetingApi, time: ManualTime, sink: str
) -> None:
    await api.kill()
    dispatcher = make(sink, max_age_s=1.0)
    dispatcher.submit(cue())
    await backing_off(dispatcher, time)
    time.advance(0.5)
    statistics = await delivered_or_dead(dispatcher)
    assert statistics.dead == {"unreachable": 1}


@BOTH
async def test_an_attempt_without_an_answer_is_not_repeated(
    make: Make, api: FakeMeetingApi, time: ManualTime, sink: str
) -> None:
    api.hold()
    dispatcher = make(sink)
    dispatcher.submit(cue())
    await api.arrived(1)
    time.advance(9.0)
    statistics = await delivered_or_dead(dispatcher)
    assert (statistics.delivered, statistics.dead, statistics.retries) == (0, {"unanswered": 1}, 0)
    api.release()
    assert api.acted == {"reaction-1": 1}


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_status_that_says_nothing_about_the_effect_counts_as_no_answer(
    make: Make, api: FakeMeetingApi, status: int
) -> None:
    api.status = status
    dispatcher = make("eyeson")
    dispatcher.submit(cue())
    assert (await delivered_or_dead(dispatcher)).dead == {"unanswered": 1}


async def test_a_receiver_that_recognises_ids_gets_a_lost_attempt_again(
    make: Make, api: FakeMeetingApi, time: ManualTime
) -> None:
    api.hold()
    dispatcher = make("webhook", retry_unanswered=True)
    dispatcher.submit(cue())
    await api.arrived(1)
    time.advance(9.0)
    await backing_off(dispatcher, time)
    api.release()
    time.advance(0.5)
    statistics = await delivered_or_dead(dispatcher)
    assert (statistics.delivered, statistics.dead, statistics.retries) == (1, {}, 1)
    assert [each.headers["webhook-id"] for each in api.received] == ["reaction-1", "reaction-1"]


async def test_a_cue_that_may_have_arrived_once_is_unanswered_whatever_comes_later(
    make: Make, api: FakeMeetingApi, time: ManualTime
) -> None:
    api.hold()
    dispatcher = make("webhook", retry_unanswered=True)
    dispatcher.submit(cue())
    await api.arrived(1)
    time.advance(9.0)
    await backing_off(dispatcher, time)
    api.release()
    api.status = 404
    time.advance(0.5)
    assert (await delivered_or_dead(dispatcher)).dead == {"unanswered": 1}


async def test_the_queue_of_a_slow_receiver_is_bounded(make: Make, api: FakeMeetingApi) -> None:
    api.hold()
    dispatcher = make("eyeson", max_queued=5, max_requests=2)
    for number in range(8):
        dispatcher.submit(cue(number))  # never waits
    assert (counts(dispatcher).queued, counts(dispatcher).dead) == (5, {"queue_full": 3})
    await api.arrived(2)
    assert len(api.received) == 2
    api.release()
    assert (await delivered_or_dead(dispatcher)).delivered == 5


async def test_a_cue_that_waited_too_long_for_a_request_is_not_sent(
    make: Make, api: FakeMeetingApi, time: ManualTime
) -> None:
    api.hold()
    dispatcher = make("eyeson", max_requests=1, max_age_s=4.0)
    dispatcher.submit(cue(1))
    dispatcher.submit(cue(2))
    await api.arrived(1)
    time.advance(4.5)
    api.release()
    statistics = await delivered_or_dead(dispatcher)
    assert (statistics.delivered, statistics.dead) == (1, {"expired": 1})


async def test_a_cue_that_backs_off_delays_no_other(
    make: Make, api: FakeMeetingApi, time: ManualTime
) -> None:
    api.status = 503
    dispatcher = make("webhook", max_requests=1)
    dispatcher.submit(cue(1))
    await backing_off(dispatcher, time)
    api.status = 200
    dispatcher.submit(cue(2))
    await until(lambda: counts(dispatcher).delivered == 1)
    assert api.acted == {"reaction-2": 1}


async def test_a_stop_waits_for_open_cues_and_counts_the_rest(
    make: Make, api: FakeMeetingApi, time: ManualTime
) -> None:
    api.status = 503
    dispatcher = make("webhook", max_requests=2)
    dispatcher.submit(cue(1))
    await backing_off(dispatcher, time)
    api.status = 200
    api.hold()
    dispatcher.submit(cue(2))
    dispatcher.submit(cue(3))
    dispatcher.submit(cue(4))
    await api.arrived(3)
    stopping = asyncio.create_task(dispatcher.stop(3.0))
    await until(lambda: len(time.waits_s) == 4)
    dispatcher.submit(cue(5))
    assert not stopping.done()
    time.advance(3.0)
    await stopping
    # One was answered "busy", two were sent, one waited for a request, and the last came after the stop began.
    assert counts(dispatcher).dead == {"stopped": 3, "unanswered": 2}


async def test_a_stop_ends_with_the_last_delivery(make: Make, api: FakeMeetingApi, time: ManualTime) -> None:
    dispatcher = make("webhook")
    dispatcher.submit(cue())
    await dispatcher.stop(60.0)
    assert counts(dispatcher).delivered == 1
    assert time.waits_s == []


async def test_a_cue_cancelled_before_its_first_step_is_counted(make: Make) -> None:
    dispatcher = make("webhook")
    dispatcher.submit(cue())
    await dispatcher.stop(0.0)
    assert counts(dispatcher).dead == {"stopped": 1}


async def test_a_bug_in_a_sink_costs_only_its_own_cues(time: ManualTime) -> None:
    queue = DeliveryQueue(Broken(), QueueSettings(), clock=time.clock, sleep=time.sleep, uniform=lambda: 0.5)
    queue.submit(cue())
    await until(lambda: queue.statistics().queued == 0)
    assert queue.statistics().dead == {"failed": 1}


class Busy:
    name = "busy"

    def reject_reason(self, gif: CueGif, room_id: str | None = None) -> DeadReason | None:
        return None

    async def send(self, cue: Cue, on_sent: Callable[[], None]) -> AttemptResult:
        return AttemptResult(AttemptOutcome.BUSY)

    async def close(self) -> None:
        pass


class Broken(Busy):
    async def send(self, cue: Cue, on_sent: Callable[[], None]) -> AttemptResult:
        raise RuntimeError("a bug")
