from __future__ import annotations

from dataclasses import replace

from gifcue.client.inbox import FLEETING_BACKLOG, Inbox

from gifcue.client import Box, FrameDecided, Phase, Reaction

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


async def test_who_does_not_read_loses_holding_and_never_started() -> None:
    inbox = Inbox()
    holding = replace(STARTED, phase=Phase.HOLDING, progress=0.5)
    for _ in range(FLEETING_BACKLOG + 100):
        inbox.put(holding)
    inbox.put(FrameDecided("alice", 0, 0, 90_000, 1.0))
    inbox.put(STARTED)
    inbox.put(replace(STARTED, phase=Phase.ENDED))
    inbox.end(None)
    events = [event async for event in inbox.events()]
    assert len(events) == FLEETING_BACKLOG + 2
    assert [event.phase for event in events[-2:] if isinstance(event, Reaction)] == [
        Phase.STARTED,
        Phase.ENDED,
    ]


async def test_breaking_off_loses_nothing() -> None:
    inbox = Inbox()
    inbox.put(STARTED)
    inbox.put(replace(STARTED, reaction_id="second"))
    async for event in inbox.events():
        assert event == STARTED
        break
    inbox.end(None)
    assert [event async for event in inbox.events()] == [replace(STARTED, reaction_id="second")]
