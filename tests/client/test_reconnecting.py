from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from gifcue.client import (
    Backoff,
    Codec,
    Disconnected,
    Draining,
    Event,
    KeyframeRequested,
    Phase,
    Reaction,
    ReactionClient,
    Ready,
    StreamOptions,
)
from gifcue.client.attempts import HELD_S
from gifcue.client.exceptions import InvalidRequest, ServerUnavailable, StreamClosed, error_of
from gifcue.client.reconnecting import ReconnectingStream
from gifcue.client.route import PlacedRoute
from gifcue.testing import FakeServer
from gifcue.v1 import reaction_service_pb2
from tests.support.manual_time import ManualTime


class Gate:
    """A sleep that lasts until the test opens it."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self._open = asyncio.Event()

    async def sleep(self, delay_s: float) -> None:
        self.delays.append(delay_s)
        await self._open.wait()

    def open(self) -> None:
        self._open.set()


async def until(events: AsyncIterator[Event], kind: type[Event]) -> Event:
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"the stream ended before a {kind.__name__}")


def test_the_delay_doubles_up_to_its_maximum_with_jitter() -> None:
    plain = Backoff(first_s=0.25, factor=2, max_s=10, jitter=0.2, uniform=lambda: 0.5)
    assert [plain.delay_s(attempt) for attempt in (1, 2, 3, 4, 7, 5000)] == [0.25, 0.5, 1, 2, 10, 10]
    assert Backoff(uniform=lambda: 0.0).delay_s(1) == pytest.approx(0.2)
    assert Backoff(uniform=lambda: 1.0).delay_s(1) == pytest.approx(0.3)


async def test_after_a_restart_of_the_server_the_state_is_sent_again(server: FakeServer) -> None:
    gate = Gate()
    wanted: list[KeyframeRequested] = []
    async with (
        ReactionClient(server.target) as client,
        client.reconnecting(
            StreamOptions(room_id="weekly"), Backoff(sleep=gate.sleep, uniform=lambda: 0.5)
        ) as stream,
    ):
        alice = await stream.join(
            "alice", Codec.H264, b"avcC", allowed_labels=["smile"], on_keyframe_request=wanted.append
        )
        bob = await stream.join("bob", Codec.VP8, allowed_labels=["wave"])
        assert await alice.send(b"k0", pts=0, keyframe=True) == 0
        assert await bob.send(b"k0", pts=0, keyframe=True) == 0
        await alice.set_allowed(["wave"])
        await alice.set_speaking(True)
        events = stream.events()
        reaction = await until(events, Reaction)
        assert isinstance(reaction, Reaction)
        assert await alice.dismiss(reaction.reaction_id) is True

        await server.kill()
        lost = await until(events, Disconnected)
        assert isinstance(lost, Disconnected)
        assert (lost.attempt, lost.retry_in_s) == (1, 0.25)
        assert not stream.connected
        assert await alice.send(b"lost", pts=1) is None
        assert await alice.dismiss(reaction.reaction_id) is False
        await bob.leave()

        await server.start()
        gate.open()
        await until(events, Ready)
        again = await server.service.stream(1)
        await again.until(lambda seen: len(seen.requests) == 3)
        config, join, speaking = again.requests
        assert config.config.room_id == "weekly"
        assert join.participant.join.extradata == b"avcC"
        assert list(join.participant.join.allowed_labels) == ["wave"]
        assert speaking.participant.speaking.speaking
        assert list(again.joins) == ["alice"]

        assert wanted == [KeyframeRequested("alice", "reconnected")]
        assert alice.keyframe_wanted
        assert await alice.send(b"inter", pts=2) is None
        assert await alice.send(b"key", pts=3, keyframe=True) == 0
        assert await alice.send(b"inter", pts=4) == 1
        assert (alice.sent, alice.not_sent) == (3, 2)
    assert [frame.payload for frame in again.frames] == [b"key", b"inter"]
    assert stream.connections == 2


async def test_a_drain_opens_a_new_stream(server: FakeServer) -> None:
    async with (
        ReactionClient(server.target) as client,
        client.reconnecting(backoff=Backoff(first_s=0)) as stream,
    ):
        alice = await stream.join("alice", Codec.H264)
        await alice.send(b"k", pts=0, keyframe=True)
        events = stream.events()
        first = await server.service.stream(0)
        await first.until(lambda seen: bool(seen.frames))
        first.answer(
            control=reaction_service_pb2.StreamControl(drain=reaction_service_pb2.Drain(deadline_ms=100))
        )
        await until(events, Draining)
        assert await alice.send(b"too late", pts=1) is None
        first.end()
        await until(events, Disconnected)
        await until(events, Ready)
        assert len(first.frames) == 1


async def test_what_a_draining_server_says_at_its_deadline_is_heard(
    server: FakeServer, client: ReactionClient
) -> None:
    async with client.reconnecting(backoff=Backoff(first_s=0)) as stream:
        alice = await stream.join("alice", Codec.H264, allowed_labels=["smile"])
        await alice.send(b"k", pts=0, keyframe=True)
        events = stream.events()
        await until(events, Reaction)
        first = await server.service.stream(0)
        first.say(Draining(0))
        await until(events, Draining)
        await stream.statistics()
        first.answer(
            reaction=reaction_service_pb2.ReactionEvent(
                participant_id="alice",
                reaction_id="r-alice",
                label="smile",
                phase=reaction_service_pb2.PHASE_ENDED,
                end_reason="released",
            )
        )
        first.end()
        ended = await until(events, Reaction)
        assert isinstance(ended, Reaction)
        assert ended.end_reason == "released"
        lost = await until(events, Disconnected)
        assert isinstance(lost, Disconnected)
        assert lost.reason == "UNAVAILABLE: the server ended the stream"


def timed(client: ReactionClient, time: ManualTime, pauses: list[float]) -> ReconnectingStream:
    """A stream on a clock of the test. Its pauses end at once, and are noted in `pauses`, in seconds."""

    async def sleep(delay_s: float) -> None:
        pauses.append(delay_s)

    backoff = Backoff(sleep=sleep, uniform=lambda: 0.5)
    route = PlacedRoute(client._entered(), StreamOptions(), client._options, client._tokens, backoff)
    return ReconnectingStream(route, backoff, clock=time.clock)


async def test_streams_that_end_soon_after_their_ready_are_failures_until_one_holds(
    server: FakeServer, client: ReactionClient
) -> None:
    time, pauses = ManualTime(), list[float]()
    async with timed(client, time, pauses) as stream:
        events = stream.events()
        attempts: list[int] = []
        for number, open_s in enumerate((0.0, 4.9, 0.0, HELD_S, 0.0)):
            await until(events, Ready)
            time.advance(open_s)
            (await server.service.stream(number)).end(grpc.StatusCode.UNAVAILABLE, "gone")
            lost = await until(events, Disconnected)
            assert isinstance(lost, Disconnected)
            attempts.append(lost.attempt)
        await until(events, Ready)
    assert attempts == [1, 2, 3, 1, 2]
    assert pauses == [0.25, 0.5, 1.0, 0.25, 0.5]


async def test_pauses_grow_where_every_new_stream_is_asked_to_move(
    server: FakeServer, client: ReactionClient
) -> None:
    time, pauses = ManualTime(), list[float]()
    async with timed(client, time, pauses) as stream:
        events = stream.events()
        for number, open_s in enumerate((0.0, 0.0, 0.0, 0.0, 0.0, HELD_S, 0.0)):
            await until(events, Ready)
            time.advance(open_s)
            call = await server.service.stream(number)
            call.answer(
                control=reaction_service_pb2.StreamControl(drain=reaction_service_pb2.Drain(deadline_ms=100))
            )
            call.end()
            await until(events, Disconnected)
        await until(events, Ready)
    assert pauses == [0.05, 0.05, 0.05, 0.25, 0.5, 0.05, 0.05]


async def test_drains_are_no_failures_that_end_the_stream(server: FakeServer, client: ReactionClient) -> None:
    backoff = Backoff(first_s=0, max_attempts=1)
    async with client.reconnecting(backoff=backoff) as stream:
        events = stream.events()
        for number in range(3):
            await until(events, Ready)
            call = await server.service.stream(number)
            call.answer(
                control=reaction_service_pb2.StreamControl(drain=reaction_service_pb2.Drain(deadline_ms=100))
            )
            call.end()
            lost = await until(events, Disconnected)
            assert isinstance(lost, Disconnected)
            assert lost.attempt == 1
        await until(events, Ready)


async def test_an_error_that_is_not_retryable_ends_the_stream(
    server: FakeServer, client: ReactionClient
) -> None:
    stream = await client.reconnecting(backoff=Backoff(first_s=0)).__aenter__()
    alice = await stream.join("alice", Codec.H264)
    (await server.service.stream(0)).end(grpc.StatusCode.FAILED_PRECONDITION, "second config")
    with pytest.raises(InvalidRequest, match="second config"):
        [event async for event in stream.events()]
    with pytest.raises(InvalidRequest):
        await alice.send(b"x", pts=0)
    with pytest.raises(InvalidRequest):
        await stream.close()
    assert len(server.service.streams) == 1


async def test_it_gives_up_after_its_attempts(server: FakeServer, client: ReactionClient) -> None:
    stream = await client.reconnecting(backoff=Backoff(first_s=0, max_attempts=2)).__aenter__()
    await server.kill()
    events = stream.events()
    for attempt in (1, 2):
        lost = await until(events, Disconnected)
        assert isinstance(lost, Disconnected)
        assert lost.attempt == attempt
    with pytest.raises(ServerUnavailable):
        await anext(events)
    with pytest.raises(ServerUnavailable):
        await stream.statistics()
    with pytest.raises(ServerUnavailable):
        await stream.close()


async def test_the_first_connection_fails_at_once_unless_told_to_wait() -> None:
    async with FakeServer() as gone:
        pass
    async with ReactionClient(gone.target) as client:
        with pytest.raises(ServerUnavailable):
            await client.reconnecting().__aenter__()


async def test_it_waits_for_a_server_that_is_not_up_yet() -> None:
    async with FakeServer() as late:
        await late.kill()
        gate = Gate()
        async with ReactionClient(late.target) as client:
            stream = client.reconnecting(backoff=Backoff(sleep=gate.sleep), wait_for_server=True)
            entering = asyncio.create_task(stream.__aenter__())
            await until(stream.events(), Disconnected)
            late.service.refuse = None
            await late.start()
            # The channel itself backs off after the refusal, so several attempts may be made.
            gate.open()
            await entering
            assert stream.connected
            await stream.close()


async def test_closing_while_disconnected_ends_quietly(server: FakeServer, client: ReactionClient) -> None:
    gate = Gate()
    async with client.reconnecting(backoff=Backoff(sleep=gate.sleep)) as stream:
        alice = await stream.join("alice", Codec.H264)
        await server.kill()
        await until(stream.events(), Disconnected)
        await stream.half_close()
        with pytest.raises(StreamClosed):
            await alice.send(b"x", pts=0)
    assert [event async for event in stream.events()] == []


LOST_BY_A_PROXY = [
    (grpc.StatusCode.CANCELLED, "Received RST_STREAM with error code 8"),
    (grpc.StatusCode.INTERNAL, "RST_STREAM (Received RST_STREAM with error code 2)"),
    (grpc.StatusCode.UNKNOWN, "Received http2 header with status: 502"),
    (grpc.StatusCode.UNKNOWN, "Stream removed"),
    (grpc.StatusCode.UNAVAILABLE, "GOAWAY received"),
]


@pytest.mark.parametrize(("code", "details"), LOST_BY_A_PROXY)
async def test_what_a_proxy_says_of_a_lost_server_is_a_lost_connection(
    server: FakeServer, client: ReactionClient, code: grpc.StatusCode, details: str
) -> None:
    async with client.reconnecting(StreamOptions(room_id="weekly"), Backoff(first_s=0)) as stream:
        alice = await stream.join("alice", Codec.H264, allowed_labels=["smile"])
        await alice.send(b"k", pts=0, keyframe=True)
        events = stream.events()
        started = await until(events, Reaction)
        assert isinstance(started, Reaction)
        (await server.service.stream(0)).end(code, details)
        await until(events, Ready)
        again = await server.service.stream(1)
        assert again.requests[0].config.HasField("resume")
        await again.until(lambda seen: bool(seen.joins))
        (running,) = again.joins["alice"].resume.running
        assert (running.reaction_id, running.label) == (started.reaction_id, "smile")
        await alice.send(b"k", pts=1, keyframe=True)
        await alice.leave()
        ended = await until(events, Reaction)
        assert isinstance(ended, Reaction)
        assert (ended.phase, ended.reaction_id, ended.end_reason) == (
            Phase.ENDED,
            started.reaction_id,
            "left",
        )


@pytest.mark.parametrize(
    ("code", "details"),
    [(grpc.StatusCode.INTERNAL, "ValueError while reading the stream"), (grpc.StatusCode.UNKNOWN, "")],
)
def test_a_defect_of_the_server_is_no_lost_connection(code: grpc.StatusCode, details: str) -> None:
    assert not error_of(code, details).retryable


async def test_a_server_that_takes_nothing_over_ends_what_was_under_way(
    server: FakeServer, client: ReactionClient
) -> None:
    async with client.reconnecting(backoff=Backoff(first_s=0)) as stream:
        alice = await stream.join("alice", Codec.H264, allowed_labels=["smile"])
        await alice.send(b"k", pts=0, keyframe=True)
        events = stream.events()
        started = await until(events, Reaction)
        assert isinstance(started, Reaction)
        server.service.features = ()
        (await server.service.stream(0)).end(grpc.StatusCode.UNAVAILABLE, "gone")
        ended = await until(events, Reaction)
        assert isinstance(ended, Reaction)
        assert (ended.reaction_id, ended.end_reason) == (started.reaction_id, "stream_lost")
        again = await server.service.stream(1)
        await again.until(lambda seen: bool(seen.joins))
        assert not again.joins["alice"].HasField("resume")


async def test_what_is_under_way_when_the_stream_ends_for_good_is_ended_once(
    server: FakeServer, client: ReactionClient
) -> None:
    stream = await client.reconnecting(backoff=Backoff(first_s=0)).__aenter__()
    alice = await stream.join("alice", Codec.H264, allowed_labels=["smile"])
    await alice.send(b"k", pts=0, keyframe=True)
    events = stream.events()
    await until(events, Reaction)
    (await server.service.stream(0)).end(grpc.StatusCode.FAILED_PRECONDITION, "no more")
    ended = await anext(events)
    assert isinstance(ended, Reaction)
    assert (ended.phase, ended.end_reason) == (Phase.ENDED, "stream_lost")
    with pytest.raises(InvalidRequest):
        await anext(events)


async def test_a_request_for_a_keyframe_is_repeated_while_frames_are_held_back(
    server: FakeServer, client: ReactionClient
) -> None:
    time, wanted = ManualTime(), list[KeyframeRequested]()
    async with timed(client, time, []) as stream:
        events = stream.events()
        alice = await stream.join("alice", Codec.H264, on_keyframe_request=wanted.append)
        (await server.service.stream(0)).end(grpc.StatusCode.UNAVAILABLE, "gone")
        await until(events, KeyframeRequested)
        asked: list[int] = []
        for number in range(8):
            assert await alice.send(b"inter", pts=number) is None
            asked.append(len(wanted))
            time.advance(0.4)
        # With the first frame that comes a second after the last request, and no sooner.
        assert asked == [1, 1, 1, 2, 2, 2, 3, 3]
        assert await alice.send(b"key", pts=9, keyframe=True) == 0
        time.advance(1.0)
        assert await alice.send(b"inter", pts=10) == 1
        assert len(wanted) == 3
        # The first one has been read.
        assert [await until(events, KeyframeRequested) for _ in range(2)] == wanted[1:]


async def test_a_callback_that_raises_ends_the_stream_and_not_what_sends(
    server: FakeServer, client: ReactionClient
) -> None:
    time, wanted = ManualTime(), list[KeyframeRequested]()

    def ask(request: KeyframeRequested) -> None:
        wanted.append(request)
        if len(wanted) == 2:
            raise ZeroDivisionError("of the callback")

    stream = await timed(client, time, []).__aenter__()
    events = stream.events()
    alice = await stream.join("alice", Codec.H264, on_keyframe_request=ask)
    (await server.service.stream(0)).end(grpc.StatusCode.UNAVAILABLE, "gone")
    await until(events, KeyframeRequested)
    time.advance(1.0)
    assert await alice.send(b"inter", pts=0) is None
    assert len(wanted) == 2
    with pytest.raises(ZeroDivisionError, match="of the callback"):
        await until(events, Disconnected)
    with pytest.raises(ZeroDivisionError, match="of the callback"):
        await stream.close()


async def test_a_second_join_without_the_label_of_a_reaction_ends_it_once(
    server: FakeServer, client: ReactionClient
) -> None:
    async with client.reconnecting() as stream:
        events = stream.events()
        first = await stream.join("alice", Codec.H264, allowed_labels=["smile"])
        await first.send(b"k", pts=0, keyframe=True)
        started = await until(events, Reaction)
        second = await stream.join("alice", Codec.VP8, allowed_labels=["wave"])
        ended = await until(events, Reaction)
        assert isinstance(started, Reaction)
        assert isinstance(ended, Reaction)
        assert (ended.reaction_id, ended.end_reason) == (started.reaction_id, "not_allowed")
        await second.send(b"k", pts=1, keyframe=True)
        again = await until(events, Reaction)
        assert isinstance(again, Reaction)
        assert (again.phase, again.label) == (Phase.STARTED, "wave")


async def test_consent_withdrawn_without_a_connection_ends_at_once(
    server: FakeServer, client: ReactionClient
) -> None:
    gate = Gate()
    async with client.reconnecting(backoff=Backoff(sleep=gate.sleep)) as stream:
        alice = await stream.join("alice", Codec.H264, allowed_labels=["smile"])
        await alice.send(b"k", pts=0, keyframe=True)
        events = stream.events()
        await until(events, Reaction)
        await server.kill()
        await until(events, Disconnected)
        await alice.set_allowed([])
        ended = await anext(events)
        assert isinstance(ended, Reaction)
        assert ended.end_reason == "not_allowed"
        await stream.half_close()
