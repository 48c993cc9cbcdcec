from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gifcue.client import Box, FrameDecided, Phase, Reaction, StreamClosed
from gifcue.client.queues import TRANSIENT_BACKLOG, Inbox, Outbox

STARTED = Reaction(
    participant_id="alice",
    reaction_id="r",
    phase=Phase.STARTED,
    label="smile",
    progress=1.0,
    score=0.9,
    box=Box(0, 0, 1, 1),
    pts=0,
    clock_hz=90_000,
    sequence=0,
    latency_ms=1.0,
    model_version="1",
)


async def test_a_slow_reader_loses_only_holding_events() -> None:
    inbox = Inbox()
    holding = replace(STARTED, phase=Phase.HOLDING, progress=0.5)
    for _ in range(TRANSIENT_BACKLOG + 100):
        inbox.put(holding)
    inbox.put(FrameDecided("alice", 0, 0, 90_000, 1.0))
    inbox.put(STARTED)
    inbox.put(replace(STARTED, phase=Phase.ENDED))
    inbox.end(None)
    events = [event async for event in inbox.events()]
    assert len(events) == TRANSIENT_BACKLOG + 2
    assert [event.phase for event in events[-2:] if isinstance(event, Reaction)] == [
        Phase.STARTED,
        Phase.ENDED,
    ]


async def test_leaving_the_iteration_loses_no_event() -> None:
    inbox = Inbox()
    inbox.put(STARTED)
    inbox.put(replace(STARTED, reaction_id="second"))
    async for event in inbox.events():
        assert event == STARTED
        break
    inbox.end(None)
    assert [event async for event in inbox.events()] == [replace(STARTED, reaction_id="second")]


async def test_the_outbox_waits_for_room_and_takes_any_size_when_empty() -> None:
    outbox: Outbox[str] = Outbox(max_bytes=10)
    await outbox.room(100)
    outbox.append("large", 100)
    waiting = asyncio.create_task(outbox.room(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await outbox.take() == "large"
    await waiting
    assert outbox.buffered_bytes == 0


async def test_a_closed_outbox_returns_its_items_and_accepts_none() -> None:
    outbox: Outbox[str] = Outbox(max_bytes=10)
    outbox.append("first", 5)
    outbox.close()
    with pytest.raises(StreamClosed, match="expected an open stream"):
        outbox.append("second", 5)
    assert await outbox.take() == "first"
    assert await outbox.take() is None


async def test_an_aborted_outbox_raises_the_first_error_and_wakes_waiters() -> None:
    outbox: Outbox[str] = Outbox(max_bytes=10)
    outbox.append("lost", 10)
    waiting = asyncio.create_task(outbox.room(1))
    await asyncio.sleep(0)
    outbox.abort()  # the writer failed, and the reason is not known yet
    outbox.abort(ZeroDivisionError("the reason"))
    outbox.abort(KeyError("a consequence"))
    await waiting
    assert await outbox.take() is None
    with pytest.raises(ZeroDivisionError, match="the reason"):
        outbox.append("late", 1)
