"""A slow reader loses progress events but no reaction."""

from __future__ import annotations

import asyncio

import pytest

from gifcue.protocol.detections import DetectedRegion, RegionKind, UnmetCondition
from gifcue.protocol.events import FrameDecided, KeyframeRequested, Reaction
from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase
from gifcue.protocol.statistics import Statistics
from gifcue.server.outbox import MAX_UNREAD_STATISTICS, Outbox, Outgoing


def reaction(phase: Phase, reaction_id: str, progress: float = 1.0) -> Reaction:
    box = Box(0, 0, 1, 1)
    return Reaction("alice", reaction_id, phase, "wave", progress, 0.9, box, 3000, 90_000, 1, 5.0, "1")


async def drain(outbox: Outbox) -> list[Outgoing]:
    outbox.close()
    items: list[Outgoing] = []
    while (item := await outbox.get()) is not None:
        items.append(item)
    return items


async def test_messages_keep_their_order() -> None:
    outbox = Outbox(max_holding=8, max_events=8)
    items: list[Outgoing] = [
        KeyframeRequested("alice", "sequence_gap"),
        reaction(Phase.HOLDING, "a"),
        reaction(Phase.STARTED, "a"),
    ]
    for item in items:
        outbox.put(item)
    assert await drain(outbox) == items


async def test_an_unread_hold_is_replaced_by_its_newer_state() -> None:
    outbox = Outbox(max_holding=8, max_events=8)
    outbox.put(reaction(Phase.HOLDING, "a", 0.2))
    outbox.put(reaction(Phase.HOLDING, "b", 0.3))
    outbox.put(reaction(Phase.HOLDING, "a", 0.4))
    assert await drain(outbox) == [reaction(Phase.HOLDING, "b", 0.3), reaction(Phase.HOLDING, "a", 0.4)]
    assert outbox.dropped_holding == 1


async def test_a_full_outbox_drops_and_counts_the_oldest_hold() -> None:
    outbox = Outbox(max_holding=2, max_events=8)
    for name in ("a", "b", "c"):
        outbox.put(reaction(Phase.HOLDING, name))
    assert await drain(outbox) == [reaction(Phase.HOLDING, "b"), reaction(Phase.HOLDING, "c")]
    assert outbox.dropped_holding == 1


async def test_reactions_are_never_dropped_for_holds() -> None:
    outbox = Outbox(max_holding=1, max_events=100)
    meant = [reaction(phase, str(index)) for index in range(20) for phase in (Phase.STARTED, Phase.ENDED)]
    for item in meant:
        outbox.put(item)
        outbox.put(reaction(Phase.HOLDING, item.reaction_id + "h"))
    kept = await drain(outbox)
    assert [item for item in kept if item in meant] == meant


async def test_a_client_that_does_not_read_is_overrun() -> None:
    outbox = Outbox(max_holding=1, max_events=3)
    for index in range(4):
        outbox.put(reaction(Phase.STARTED, str(index)))
    assert outbox.is_overrun
    assert len(await drain(outbox)) == 3


@pytest.mark.parametrize("phase", [Phase.HOLDING, Phase.STARTED])
async def test_nothing_is_queued_once_closed(phase: Phase) -> None:
    outbox = Outbox(max_holding=1, max_events=3)
    outbox.close()
    outbox.put(reaction(phase, "a"))
    assert await outbox.get() is None


async def test_answers_wait_until_earlier_ones_are_read() -> None:
    outbox = Outbox()
    for _ in range(MAX_UNREAD_STATISTICS):
        await outbox.room_for_statistics()
        outbox.put(Statistics(()))
    waiting = asyncio.ensure_future(outbox.room_for_statistics())
    outbox.put(KeyframeRequested("alice", "sequence_gap"))
    await asyncio.sleep(0)
    assert not waiting.done()
    await outbox.get()
    await waiting


async def test_nobody_waits_for_room_in_a_closed_outbox() -> None:
    outbox = Outbox()
    for _ in range(MAX_UNREAD_STATISTICS):
        outbox.put(Statistics(()))
    waiting = asyncio.ensure_future(outbox.room_for_statistics())
    await asyncio.sleep(0)
    outbox.close()
    await waiting


async def test_an_overrun_is_reported_at_once() -> None:
    closed: list[bool] = []
    outbox = Outbox(max_events=1, on_close=lambda: closed.append(outbox.is_overrun))
    for _ in range(2):
        outbox.put(KeyframeRequested("alice", "sequence_gap"))
    assert closed == [True]


def decision(sequence: int, *, detailed: bool) -> FrameDecided:
    region = DetectedRegion(RegionKind.FACE, Box(0, 0, 1, 1), 0.9)
    unmet = UnmetCondition("smile", "score", 0.6, 0.8)
    return FrameDecided("alice", sequence, 0, 90_000, 5.0, (region,) * detailed, (unmet,) * detailed)


async def test_decisions_lose_their_details_oldest_first_and_none_is_lost() -> None:
    outbox = Outbox(max_events=100, max_details=2)
    for sequence in range(5):
        outbox.put(decision(sequence, detailed=True))
        outbox.put(reaction(Phase.STARTED, str(sequence)))
    outbox.put(decision(5, detailed=False))
    decisions = [item for item in await drain(outbox) if isinstance(item, FrameDecided)]
    assert decisions == [decision(sequence, detailed=sequence in (3, 4)) for sequence in range(6)]
    assert outbox.dropped_details == 3


async def test_details_that_were_read_leave_room_for_others() -> None:
    outbox = Outbox(max_details=1)
    for sequence in range(5):
        outbox.put(decision(sequence, detailed=True))
        assert await outbox.get() == decision(sequence, detailed=True)
    assert outbox.dropped_details == 0
