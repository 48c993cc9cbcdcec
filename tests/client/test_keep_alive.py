"""A stream on which nobody says anything is kept alive, so that its server does not end it."""

from __future__ import annotations

import asyncio
from dataclasses import fields

import pytest

from gifcue.client import Codec, ReactionClient
from gifcue.client.keep_alive import KeepAlive
from gifcue.client.liveness import Liveness
from gifcue.protocol.events import Limits
from gifcue.testing import FakeServer
from tests.support.manual_time import ManualTime


async def test_something_is_said_after_a_third_of_the_timeout_without_a_message() -> None:
    time, said = ManualTime(), list[float]()
    keep_alive = KeepAlive(60.0, lambda: said.append(time.clock()), time.sleep)
    following = asyncio.create_task(keep_alive.follow())
    for now_s in range(0, 140, 5):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if now_s in (5, 35):
            keep_alive.wrote()
        time.advance(5.0)
    await asyncio.sleep(0)
    # Within 20 s to 40 s of the last message.
    assert said == [60.0, 80.0, 100.0, 120.0, 140.0]
    following.cancel()


async def test_a_room_where_everybody_is_muted_sends_messages_without_frames(
    server: FakeServer, client: ReactionClient
) -> None:
    server.service.limits.idle_timeout_ms = 30
    async with client.open() as stream:
        await stream.join("alice", Codec.H264)
        seen = await server.service.stream(0)

        def after_join() -> list[str]:
            kinds = [str(each.WhichOneof("message")) for each in seen.requests]
            return kinds[kinds.index("participant") + 1 :] if "participant" in kinds else []

        # A slow machine may send some before the join as well.
        await seen.until(lambda _: len(after_join()) == 3)
        assert after_join() == ["frames"] * 3
        assert seen.frames == []
        # Afterwards the outbox is closed, and nothing is said.
        await stream.half_close()


async def test_limits_that_are_read_after_the_end_start_nothing() -> None:
    before = asyncio.all_tasks()
    liveness = Liveness(lambda: None, lambda _: None)
    liveness.stop()
    liveness.start(Limits(*[1] * len(fields(Limits))))
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("limit", ["idle_timeout_ms", "max_frames_per_message"])
async def test_a_server_that_waits_or_knows_no_such_message_gets_none(
    server: FakeServer, client: ReactionClient, limit: str
) -> None:
    server.service.limits.idle_timeout_ms = 1
    setattr(server.service.limits, limit, 0)
    async with client.open() as stream:
        assert [task for task in asyncio.all_tasks() if task.get_name() == "gifcue-keep-alive"] == []
        await stream.half_close()
