"""Reactions end where frames stop, by the server's clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from gifcue.engine.quiet import LOOK_INTERVAL_S
from gifcue.protocol.events import Reaction
from gifcue.protocol.phases import Phase
from gifcue.protocol.reasons import DropReason, SkipReason
from gifcue.reactions.events import EndReason
from tests.engine.kit import CLOCK_HZ, NOTHING, SMILE, Kit, Stream, turn

RELEASE_S = 0.6  # of `smile`, preset normal
# As a participant sends them that sends video, and one that sends stills.
VIDEO_S, STILLS_S = 0.1, 1.0


@contextlib.asynccontextmanager
async def looking(kit: Kit) -> AsyncIterator[None]:
    """A kit whose engine looks for participants whose frames have stopped."""
    task = asyncio.create_task(kit.engine.end_quiet(kit.time.sleep))
    await turn()
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()


async def passes(kit: Kit, seconds: float) -> None:
    """Time passes, and the engine looks as often as it is meant to."""
    for _ in range(round(seconds / LOOK_INTERVAL_S)):
        kit.time.advance(LOOK_INTERVAL_S)
        await turn()
        await turn()


async def smile(kit: Kit, stream: Stream, key: int, interval_s: float, name: str = "alice") -> None:
    """A smile that starts, with a frame every `interval_s` by both clocks."""
    for number in range(100):
        stream.send(name, pts=round(number * interval_s * CLOCK_HZ))
        kit.decoded(key)
        kit.detected(key, SMILE)
        if ("smile", Phase.STARTED) in stream.phases():
            return
        await passes(kit, interval_s)
    raise AssertionError("expected a smile that starts")


def ends(stream: Stream) -> list[str]:
    return [each.end_reason for each in stream.of(Reaction) if each.end_reason]


async def seconds_to_the_end(kit: Kit, stream: Stream) -> float:
    """How long a reaction lasts without frames."""
    for steps in range(1, 100):
        await passes(kit, LOOK_INTERVAL_S)
        if ends(stream):
            return steps * LOOK_INTERVAL_S
    raise AssertionError("expected the reaction to end")


@pytest.mark.parametrize(
    ("interval_s", "least_s", "most_s"),
    [(VIDEO_S, RELEASE_S, RELEASE_S + 1.0), (STILLS_S, 2 * STILLS_S, 2.5 * STILLS_S)],
)
async def test_a_reaction_ends_in_time(interval_s: float, least_s: float, most_s: float) -> None:
    kit = Kit()
    stream = kit.open()
    key = stream.join()
    async with looking(kit):
        await smile(kit, stream, key, interval_s)
        assert least_s < await seconds_to_the_end(kit, stream) <= most_s
        await passes(kit, 60.0)
    assert stream.phases() == [("smile", Phase.STARTED), ("smile", Phase.ENDED)]
    assert ends(stream) == ["no_frames"]


async def test_a_hold_is_cancelled() -> None:
    kit = Kit()
    stream = kit.open(send_holding=True)
    key = stream.join()
    async with looking(kit):
        for number in range(4):
            stream.send(pts=number * CLOCK_HZ // 10)
            kit.decoded(key)
            kit.detected(key, SMILE)
            await passes(kit, 0.1)
        assert kit.decode.holds[-1] == (key, True)
        await passes(kit, 2.0)
    assert stream.of(Reaction)[-1].phase is Phase.CANCELLED
    assert ends(stream) == ["no_frames"]
    # The filter may skip similar frames again.
    assert kit.decode.holds[-1] == (key, False)


async def test_frames_that_show_nothing_new_keep_a_reaction_going() -> None:
    kit = Kit()
    stream = kit.open()
    key = stream.join()
    async with looking(kit):
        await smile(kit, stream, key, VIDEO_S)
        start = stream.of(Reaction)[-1].pts
        for number in range(1, 60):
            await passes(kit, VIDEO_S)
            stream.send(pts=start + round(number * VIDEO_S * CLOCK_HZ))
            kit.skipped(key)
    assert ends(stream) == []


async def test_frames_without_a_result_are_as_good_as_none() -> None:
    kit = Kit()
    stream = kit.open()
    key = stream.join()
    async with looking(kit):
        await smile(kit, stream, key, VIDEO_S)
        start = stream.of(Reaction)[-1].pts
        for number in range(1, 30):
            await passes(kit, VIDEO_S)
            stream.send(pts=start + round(number * VIDEO_S * CLOCK_HZ))
            if number % 2:
                kit.skipped(key, SkipReason.PACED)
            else:
                kit.dropped(key, DropReason.NO_SLOT, needs_keyframe=False)
    assert ends(stream) == ["no_frames"]


async def test_a_pause_is_soon_forgotten() -> None:
    kit = Kit()
    stream = kit.open()
    key = stream.join()
    async with looking(kit):
        await smile(kit, stream, key, VIDEO_S)
        await passes(kit, 3600.0)
        first = 3600 * CLOCK_HZ
        stream.events.clear()
        for number in range(100):
            stream.send(pts=first + round(number * VIDEO_S * CLOCK_HZ))
            kit.decoded(key)
            kit.detected(key, SMILE)
            await passes(kit, VIDEO_S)
        # The smile goes on: the next reaction starts once the cooldown is over.
        assert stream.phases()[-1] == ("smile", Phase.STARTED)
        assert await seconds_to_the_end(kit, stream) <= RELEASE_S + 1.0


async def test_each_participant_has_its_own_rhythm() -> None:
    kit = Kit()
    stream = kit.open()
    async with looking(kit):
        alice = stream.join("alice")
        await smile(kit, stream, alice, VIDEO_S)
        bob = stream.join("bob")
        for number in range(30):
            stream.send("bob", pts=round(number * VIDEO_S * CLOCK_HZ))
            kit.decoded(bob)
            kit.detected(bob, SMILE)
            await passes(kit, VIDEO_S)
    assert [(each.participant_id, each.end_reason) for each in stream.of(Reaction)] == [
        ("alice", ""),
        ("bob", ""),
        ("alice", "no_frames"),
    ]


async def test_frames_in_bursts_do_not_end_a_reaction_between_two_of_them() -> None:
    kit = Kit()
    async with looking(kit):
        stream = kit.open()
        key = stream.join()
        sent = 0
        for burst in range(8):
            # The first two show the server how frames come: fifteen at once, each with its own media time.
            for _ in range(15):
                stream.send("alice", pts=round(sent * VIDEO_S * CLOCK_HZ))
                kit.decoded(key)
                kit.detected(key, SMILE if burst > 1 else NOTHING)
                sent += 1
                kit.time.advance(0.005)
            await passes(kit, 1.5)
        assert ("smile", Phase.STARTED) in stream.phases()
        assert ends(stream) == []


async def test_a_stall_of_the_server_ends_nothing() -> None:
    kit = Kit()
    async with looking(kit):
        stream = kit.open()
        key = stream.join()
        await smile(kit, stream, key, VIDEO_S)
        kit.time.advance(5.0)
        await turn()
        await turn()
        assert ends(stream) == []
        # What came meanwhile has a result soon.
        await passes(kit, 0.3)
        assert ends(stream) == []
        await passes(kit, 3.0)
        assert ends(stream) == [EndReason.NO_FRAMES]
