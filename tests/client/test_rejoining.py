"""Participants of a reconnecting stream whose join is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gifcue.client import (
    Backoff,
    Codec,
    Event,
    Fault,
    FaultCode,
    KeyframeRequested,
    Phase,
    Reaction,
    ReactionClient,
    StreamOptions,
)
from gifcue.client.reconnecting import ReconnectingStream
from gifcue.client.route import PlacedRoute
from gifcue.testing import FakeServer
from gifcue.testing.fake_stream import FakeStream
from tests.support.manual_time import ManualTime


async def until(events: AsyncIterator[Event], kind: type[Event]) -> Any:
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"the stream ended before a {kind.__name__}")


class Pauses:
    """A sleep that notes its seconds, and lasts until the test lets it go on."""

    def __init__(self) -> None:
        self.noted: asyncio.Queue[float] = asyncio.Queue()
        self._go_on = asyncio.Semaphore(0)

    async def sleep(self, delay_s: float) -> None:
        self.noted.put_nowait(delay_s)
        await self._go_on.acquire()

    def go_on(self, times: int = 1) -> None:
        for _ in range(times):
            self._go_on.release()


def timed(client: ReactionClient, time: ManualTime, pauses: Pauses) -> ReconnectingStream:
    """A stream on a clock of the test."""
    backoff = Backoff(sleep=pauses.sleep, uniform=lambda: 0.5)
    route = PlacedRoute(client._entered(), StreamOptions(), client._options, client._tokens, backoff)
    return ReconnectingStream(route, backoff, clock=time.clock)


async def refuse(
    stream: FakeStream, events: AsyncIterator[Event], code: FaultCode, sequence: int = 0
) -> None:
    """The server says so of alice, and the client has heard it."""
    stream.say(Fault("alice", code, "refused", sequence, 1))
    await until(events, Fault)


def updates(stream: FakeStream) -> list[str]:
    """What the server got of participants, without frames."""
    messages = [each.participant for each in stream.requests if each.HasField("participant")]
    return [str(each.WhichOneof("update")) for each in messages]


@pytest.mark.parametrize("code", [FaultCode.TOO_MANY_PARTICIPANTS, FaultCode.TOO_MANY_JOINS])
async def test_a_join_that_a_full_server_refuses_is_repeated(
    server: FakeServer, client: ReactionClient, code: FaultCode
) -> None:
    pauses = Pauses()
    async with client.reconnecting(backoff=Backoff(sleep=pauses.sleep, uniform=lambda: 0.5)) as stream:
        alice = await stream.join("alice", Codec.H264, allowed_labels=["smile"])
        bob = await stream.join("bob", Codec.H264)
        await alice.send(b"k", pts=0, keyframe=True)
        events = stream.events()
        started = await until(events, Reaction)
        ended: list[Reaction] = []
        seen = await server.service.stream(0)
        for times, pause_s in enumerate((2.0, 4.0), 1):
            await refuse(seen, events, code)
            assert await pauses.noted.get() == pause_s
            assert await alice.send(b"k", pts=times, keyframe=True) is None
            pauses.go_on()
            async for wanted in events:
                if isinstance(wanted, KeyframeRequested):
                    break
                assert isinstance(wanted, Reaction)
                ended.append(wanted)
            assert wanted == KeyframeRequested("alice", "reconnected")
        assert await bob.send(b"k", pts=1, keyframe=True) == 0
        # The numbers go on.
        assert await alice.send(b"k", pts=9, keyframe=True) == 1
        await seen.until(lambda seen: len(seen.frames) == 3)
        joins = [each.participant for each in seen.requests if each.participant.HasField("join")]
        assert [each.participant_id for each in joins] == ["alice", "bob", "alice", "alice"]
        assert [each.reaction_id for each in ended] == [started.reaction_id]
        assert list(joins[2].join.resume.running) == []


async def test_a_name_that_was_refused_joins_again_only_once_a_refusal_is_heard(
    server: FakeServer, client: ReactionClient
) -> None:
    time, pauses = ManualTime(), Pauses()
    async with timed(client, time, pauses) as stream:
        events = stream.events()
        alice = await stream.join("alice", Codec.H264)
        await refuse(await server.service.stream(0), events, FaultCode.TOO_MANY_PARTICIPANTS)
        assert await pauses.noted.get() == 2.0
        await alice.leave()
        time.advance(0.5)
        again = await stream.join("alice", Codec.H264)
        assert await pauses.noted.get() == 1.5
        assert await again.send(b"k", pts=0, keyframe=True) is None
        pauses.go_on(2)
        await until(events, KeyframeRequested)
        assert await again.send(b"k", pts=1, keyframe=True) == 0
        await again.leave()
        time.advance(2.0)
        last = await stream.join("alice", Codec.H264)
        assert await last.send(b"k", pts=2, keyframe=True) is not None
        assert pauses.noted.empty()
        pauses.go_on()


async def test_a_refusal_that_was_not_heard_is_told_by_what_the_server_does_not_know(
    server: FakeServer, client: ReactionClient
) -> None:
    time, pauses = ManualTime(), Pauses()
    async with timed(client, time, pauses) as stream:
        events = stream.events()
        alice = await stream.join("alice", Codec.H264)
        seen = await server.service.stream(0)
        for times, pause_s in enumerate((2.0, 4.0), 1):
            assert await alice.send(b"k", pts=0, keyframe=True) == times - 1
            if times > 1:  # of the frame that was sent before the join
                await refuse(seen, events, FaultCode.UNKNOWN_PARTICIPANT, times - 2)
                assert alice.is_attached
            await refuse(seen, events, FaultCode.UNKNOWN_PARTICIPANT, times - 1)
            assert await pauses.noted.get() == pause_s
            assert await alice.send(b"k", pts=times, keyframe=True) is None
            await alice.set_speaking(True)
            # What was on its way when the refusal was heard.
            await refuse(seen, events, FaultCode.UNKNOWN_PARTICIPANT)
            pauses.go_on()
            await until(events, KeyframeRequested)
        await alice.leave()
        again = await stream.join("alice", Codec.H264)
        await refuse(seen, events, FaultCode.UNKNOWN_PARTICIPANT, 1)
        assert await again.send(b"k", pts=9, keyframe=True) == 2
        await seen.until(lambda seen: len(seen.frames) == 3)
        assert updates(seen) == ["join", "join", "speaking", "join", "speaking", "leave", "join"]
        assert pauses.noted.empty()
        pauses.go_on()


@pytest.mark.parametrize("code", [FaultCode.UNSUPPORTED_CODEC, FaultCode.INVALID_EXTRADATA])
async def test_a_join_that_this_server_never_takes_is_repeated_on_the_next_connection(
    server: FakeServer, client: ReactionClient, code: FaultCode
) -> None:
    time, pauses = ManualTime(), Pauses()
    async with timed(client, time, pauses) as stream:
        events = stream.events()
        alice = await stream.join("alice", Codec.H265, b"hvcC", allowed_labels=["smile"])
        seen = await server.service.stream(0)
        await refuse(seen, events, code)
        assert await alice.send(b"k", pts=0, keyframe=True) is None
        await alice.set_allowed(["wave"])
        await alice.set_allowed(["smile"])
        # Nothing is under way any more but the statistics, which are answered last.
        await stream.statistics()
        assert pauses.noted.empty()
        assert seen.frames == []
        assert updates(seen) == ["join"]
        seen.end()
        await pauses.noted.get()
        pauses.go_on()
        await until(events, KeyframeRequested)
        assert await alice.send(b"k", pts=1, keyframe=True) == 0
        again = await server.service.stream(1)
        await again.until(lambda seen: bool(seen.frames))
        assert updates(again) == ["join"]


@pytest.mark.parametrize("code", [FaultCode.UNSUPPORTED_CODEC, FaultCode.TOO_MANY_PARTICIPANTS])
async def test_after_a_second_join_is_refused_updates_are_for_the_first_one(
    server: FakeServer, client: ReactionClient, code: FaultCode
) -> None:
    time, pauses = ManualTime(), Pauses()
    async with timed(client, time, pauses) as stream:
        events = stream.events()
        first = await stream.join("alice", Codec.H264, allowed_labels=["smile"])
        await first.send(b"k", pts=0, keyframe=True)
        started = await until(events, Reaction)
        second = await stream.join("alice", Codec.VP8, allowed_labels=["smile"])
        seen = await server.service.stream(0)
        await refuse(seen, events, code)
        assert await second.send(b"k", pts=1, keyframe=True) is None
        await second.set_allowed([])
        # A third one waits, since the name was refused a moment ago.
        third = await stream.join("alice", Codec.VP8, allowed_labels=["smile"])
        assert await third.send(b"k", pts=2, keyframe=True) is None
        await third.set_speaking(True)
        await third.leave()
        ended = await until(events, Reaction)
        assert (ended.phase, ended.reaction_id, ended.end_reason) == (
            Phase.ENDED,
            started.reaction_id,
            "left",
        )
        assert updates(seen) == ["join", "join", "allowed", "speaking", "leave"]
        assert len(seen.frames) == 1
        pauses.go_on(2)


@pytest.mark.parametrize("is_wrong", [False, True])
async def test_a_refusal_that_may_be_of_the_join_before_is_asked_for_once_more(
    server: FakeServer, client: ReactionClient, is_wrong: bool
) -> None:
    time, pauses = ManualTime(), Pauses()
    async with timed(client, time, pauses) as stream:
        events = stream.events()
        await stream.join("alice", Codec.H265)
        second = await stream.join("alice", Codec.VP8)
        seen = await server.service.stream(0)
        await refuse(seen, events, FaultCode.UNSUPPORTED_CODEC)
        assert await pauses.noted.get() == 2.0
        assert await second.send(b"k", pts=0, keyframe=True) is None
        pauses.go_on()
        await until(events, KeyframeRequested)
        assert await second.send(b"k", pts=1, keyframe=True) == 0
        if is_wrong:
            await refuse(seen, events, FaultCode.UNSUPPORTED_CODEC)
            assert await second.send(b"k", pts=2, keyframe=True) is None
        await stream.statistics()
        assert updates(seen) == ["join", "join", "join"]
        assert pauses.noted.empty()


async def test_what_a_waiting_participant_carried_ends_where_nobody_of_its_name_is_known(
    server: FakeServer, client: ReactionClient
) -> None:
    time, pauses = ManualTime(), Pauses()
    async with timed(client, time, pauses) as stream:
        events = stream.events()
        first = await stream.join("alice", Codec.H264, allowed_labels=["smile"])
        await first.send(b"k", pts=0, keyframe=True)
        started = await until(events, Reaction)
        second = await stream.join("alice", Codec.VP8, allowed_labels=["smile"])
        seen = await server.service.stream(0)
        await refuse(seen, events, FaultCode.TOO_MANY_JOINS)
        assert await pauses.noted.get() == 2.0
        # Of the frame before the second join, which the server may have: it is told of updates.
        await refuse(seen, events, FaultCode.UNKNOWN_PARTICIPANT, 0)
        ended = await until(events, Reaction)
        assert (ended.reaction_id, ended.phase, ended.end_reason) == (
            started.reaction_id,
            Phase.ENDED,
            "refused",
        )
        await second.set_speaking(True)
        # Of a frame after it: it has not.
        await refuse(seen, events, FaultCode.UNKNOWN_PARTICIPANT, 1)
        await second.set_speaking(False)
        await stream.statistics()
        assert updates(seen) == ["join", "join", "speaking"]
        pauses.go_on()


async def test_two_refusals_are_of_two_joins(server: FakeServer, client: ReactionClient) -> None:
    time, pauses = ManualTime(), Pauses()
    async with timed(client, time, pauses) as stream:
        events = stream.events()
        first = await stream.join("alice", Codec.H264, allowed_labels=["smile"])
        await first.send(b"k", pts=0, keyframe=True)
        started = await until(events, Reaction)
        second = await stream.join("alice", Codec.VP8, allowed_labels=["smile"])
        seen = await server.service.stream(0)
        await refuse(seen, events, FaultCode.TOO_MANY_JOINS)
        await second.set_speaking(True)
        await refuse(seen, events, FaultCode.TOO_MANY_PARTICIPANTS)
        ended = await until(events, Reaction)
        assert (ended.reaction_id, ended.end_reason) == (started.reaction_id, "refused")
        await second.set_speaking(False)
        await stream.statistics()
        assert updates(seen) == ["join", "join", "speaking"]
        pauses.go_on()


async def test_after_a_wrong_join_another_one_waits_until_its_refusal_is_heard(
    server: FakeServer, client: ReactionClient
) -> None:
    time, pauses = ManualTime(), Pauses()
    async with timed(client, time, pauses) as stream:
        events = stream.events()
        await stream.join("alice", Codec.H265, b"hvcC")
        await refuse(await server.service.stream(0), events, FaultCode.INVALID_EXTRADATA)
        time.advance(0.5)
        again = await stream.join("alice", Codec.H265, b"other")
        assert await pauses.noted.get() == 1.5
        assert await again.send(b"k", pts=0, keyframe=True) is None
        pauses.go_on()
        await until(events, KeyframeRequested)
        assert await again.send(b"k", pts=1, keyframe=True) == 0
