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
