"""A slow reader loses progress, never a reaction."""

from __future__ import annotations

import pytest

from gifcue.engine.notices import KeyframeNotice, ReactionNotice
from gifcue.protocol.geometry import Box
from gifcue.protocol.phases import Phase
from gifcue.reactions.events import PolicyEvent
from gifcue.server.outbox import Outbox


def notice(phase: Phase, reaction_id: str, progress: float = 1.0) -> ReactionNotice:
    event = PolicyEvent(phase, reaction_id, "wave", progress, 0.9, Box(0, 0, 1, 1), 0.0)
    return ReactionNotice("alice", event, 1, 3000, 90_000, 5.0, "1")


async def drain(outbox: Outbox) -> list[object]:
    outbox.close()
    items: list[object] = []
    while (item := await outbox.get()) is not None:
        items.append(item)
    return items


async def test_messages_come_out_in_the_order_they_went_in() -> None:
    outbox = Outbox(max_holding=8, max_notices=8)
    items: list[KeyframeNotice | ReactionNotice] = [
        KeyframeNotice("alice", "sequence_gap"),
        notice(Phase.HOLDING, "a"),
        notice(Phase.STARTED, "a"),
    ]
    for item in items:
        outbox.put(item)
    assert await drain(outbox) == items


async def test_an_unread_hold_gives_way_to_its_newer_self() -> None:
    outbox = Outbox(max_holding=8, max_notices=8)
    outbox.put(notice(Phase.HOLDING, "a", 0.2))
    outbox.put(notice(Phase.HOLDING, "b", 0.3))
    outbox.put(notice(Phase.HOLDING, "a", 0.4))
    assert await drain(outbox) == [notice(Phase.HOLDING, "b", 0.3), notice(Phase.HOLDING, "a", 0.4)]
    assert outbox.dropped_holding == 1


async def test_over_the_bound_the_oldest_hold_is_dropped_and_counted() -> None:
    outbox = Outbox(max_holding=2, max_notices=8)
    for name in ("a", "b", "c"):
        outbox.put(notice(Phase.HOLDING, name))
    assert await drain(outbox) == [notice(Phase.HOLDING, "b"), notice(Phase.HOLDING, "c")]
    assert outbox.dropped_holding == 1


async def test_reactions_are_never_dropped_for_holds() -> None:
    outbox = Outbox(max_holding=1, max_notices=100)
    meant = [notice(phase, str(index)) for index in range(20) for phase in (Phase.STARTED, Phase.ENDED)]
    for item in meant:
        outbox.put(item)
        outbox.put(notice(Phase.HOLDING, item.event.reaction_id + "h"))
    kept = await drain(outbox)
    assert [item for item in kept if item in meant] == meant


async def test_a_client_that_does_not_read_is_overrun() -> None:
    outbox = Outbox(max_holding=1, max_notices=3)
    for index in range(4):
        outbox.put(notice(Phase.STARTED, str(index)))
    assert outbox.is_overrun
    assert len(await drain(outbox)) == 3


@pytest.mark.parametrize("phase", [Phase.HOLDING, Phase.STARTED])
async def test_nothing_is_queued_once_closed(phase: Phase) -> None:
    outbox = Outbox(max_holding=1, max_notices=3)
    outbox.close()
    outbox.put(notice(phase, "a"))
    assert await outbox.get() is None
