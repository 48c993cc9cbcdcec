"""A server that says nothing any more is noticed, by its heartbeats."""

from __future__ import annotations

import asyncio

import pytest

from gifcue.client import Backoff, Disconnected, ReactionClient, Ready
from gifcue.client.exceptions import ServerUnavailable
from gifcue.client.silence import SilenceWatch
from gifcue.testing import FakeServer
from gifcue.v1 import reaction_service_pb2
from tests.support.manual_time import ManualTime


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_three_intervals_in_a_row_without_a_message_are_silence() -> None:
    time, calls = ManualTime(), []
    watch = SilenceWatch(2.0, lambda: calls.append(time.clock()), time.sleep)
    following = asyncio.create_task(watch.follow())
    for step in range(40):
        await turn()
        if step in (3, 10, 14):
            watch.heard()
        time.advance(0.5)
    await following
    # Heard last in the quarter of an interval from 7 s to 7.5 s; twelve others follow it.
    assert calls == [13.5]


async def test_a_program_that_is_held_up_does_not_take_its_server_for_silent() -> None:
    time, calls = ManualTime(), []
    watch = SilenceWatch(2.0, lambda: calls.append(time.clock()), time.sleep)
    following = asyncio.create_task(watch.follow())
    for _ in range(20):
        await turn()
        # Longer than three intervals; what has arrived meanwhile is read then.
        time.advance(7.0)
        watch.heard()
    assert calls == []
    following.cancel()


@pytest.fixture
def beating(server: FakeServer) -> FakeServer:
    """A server that promises heartbeats, and sends only those of the test."""
    server.service.limits.heartbeat_interval_ms = 50
    return server


async def test_a_silent_server_is_an_error_that_is_worth_a_retry(
    beating: FakeServer, client: ReactionClient
) -> None:
    stream = await client.open().__aenter__()
    events = stream.events()
    assert isinstance(await anext(events), Ready)
    with pytest.raises(
        ServerUnavailable, match=r"a message of the server within 0\.15 s, got none"
    ) as caught:
        await anext(events)
    assert caught.value.retryable
    with pytest.raises(ServerUnavailable):
        await stream.statistics()
    with pytest.raises(ServerUnavailable):
        await stream.close()


async def test_heartbeats_are_no_events(beating: FakeServer, client: ReactionClient) -> None:
    async with client.open() as stream:
        fake = await beating.service.stream(0)
        for _ in range(5):
            fake.answer(heartbeat=reaction_service_pb2.Heartbeat())
        await stream.statistics()
        fake.end()
        assert [type(event) async for event in stream.events()] == [Ready]


async def test_a_reconnecting_stream_leaves_a_silent_server(
    beating: FakeServer, client: ReactionClient
) -> None:
    async with client.reconnecting(backoff=Backoff(first_s=0.01, max_s=0.01)) as stream:
        events = stream.events()
        kinds = [type(await anext(events)) for _ in range(3)]
        # The second connection opens although the server has never ended the first one.
        assert kinds == [Ready, Disconnected, Ready]
        assert len(beating.service.streams) == 2
