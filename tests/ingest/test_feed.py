"""What every adapter's participant does while connections and codecs come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gifcue.client import (
    Backoff,
    Codec,
    Disconnected,
    Event,
    Fault,
    FaultCode,
    KeyframeRequested,
    Reaction,
    ReactionClient,
)
from gifcue.ingest.access_unit import AccessUnit
from gifcue.ingest.feed import ParticipantFeed
from gifcue.testing import FakeServer


def unit(pts: int, *, keyframe: bool = False, codec: Codec = Codec.VP8) -> AccessUnit:
    return AccessUnit(codec, b"frame", pts, 90_000, keyframe)


async def until(events: AsyncIterator[Event], kind: type[Event]) -> Any:
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"the stream ended before a {kind.__name__}")


@pytest.mark.parametrize("is_refused", [False, True])
async def test_no_keyframe_is_asked_for_while_no_server_takes_frames(is_refused: bool) -> None:
    go_on = asyncio.Event()

    async def sleep(delay_s: float) -> None:
        await go_on.wait()

    async with (
        FakeServer() as server,
        ReactionClient(server.target) as client,
        client.reconnecting(backoff=Backoff(sleep=sleep)) as stream,
    ):
        asked: list[int] = []
        pts = 0
        feed = ParticipantFeed(stream, "alice", ["smile"], lambda: asked.append(pts))
        events = stream.events()
        await feed.send(unit(pts, keyframe=True))
        seen = await server.service.stream(0)
        if is_refused:
            seen.say(Fault("alice", FaultCode.TOO_MANY_PARTICIPANTS, "full", 0, 1))
            await until(events, Fault)
        else:
            seen.end()
            await until(events, Disconnected)
        for pts in range(1, 5):
            await feed.send(unit(pts, keyframe=pts == 3))
        assert asked == []
        go_on.set()
        await until(events, KeyframeRequested)
        for pts in range(5, 8):
            await feed.send(unit(pts, keyframe=pts == 7))
        # At once when it has joined again, and with each frame that is not a keyframe.
        assert asked == [4, 5, 6]
        assert (feed.sent, feed.not_sent) == (2, 6)
        await feed.close()


async def test_another_codec_is_another_join_that_carries_the_state() -> None:
    async with (
        FakeServer() as server,
        ReactionClient(server.target) as client,
        client.reconnecting() as stream,
    ):
        feed = ParticipantFeed(stream, "alice", ["smile"], lambda: None, b"parameter sets")
        await feed.send(unit(0, keyframe=True))
        started = await until(stream.events(), Reaction)
        await feed.send(unit(1, keyframe=True, codec=Codec.H264))
        await feed.send(unit(2, codec=Codec.H264))
        assert feed.sent == 3
        await feed.close()
        await stream.half_close()
        ended = [event async for event in stream.events() if isinstance(event, Reaction)]
        assert [(each.reaction_id, each.end_reason) for each in ended] == [(started.reaction_id, "left")]
        updates = [each.participant for each in server.service.streams[0].requests[1:]]
        first, second, leave = [each for each in updates if each.participant_id]
        assert not first.join.resume.running
        assert second.join.extradata == b"parameter sets"
        assert [each.reaction_id for each in second.join.resume.running] == [started.reaction_id]
        assert leave.HasField("leave")
        assert feed.sent == 3
