"""What does not depend on the transport: limits, ends and figures of streams are the same over gRPC and WebSocket."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from gifcue.client import Codec
from gifcue.sample_video.clips import EncodedClip, encode
from gifcue.server.config import Settings
from gifcue.server.lifecycle import Server
from gifcue.server.stream import Stream
from gifcue.v1 import media_pb2
from gifcue.v1 import reaction_service_pb2 as pb
from tests.support.colour_detector import RED, TARGET, colour_frames
from tests.support.raw_streams import Over, RawStream, raw_stream
from tests.support.silent_websocket import SilentWebSocket, silent_websocket
from tests.support.waiting import TIMEOUT_S, until

Request = pb.StreamReactionsRequest
CONFIG = Request(config=pb.StreamConfig(room_id="room"))
STATISTICS = Request(statistics=pb.StatisticsRequest())
JOIN = Request(
    participant=pb.ParticipantUpdate(
        participant_id="alice", join=pb.Join(codec=media_pb2.CODEC_VP8, allowed_labels=["smile"])
    )
)
both = pytest.mark.parametrize("over", Over)


def changed(settings: Settings, **server: float) -> Settings:
    return settings.model_copy(update={"server": settings.server.model_copy(update=server)})


@asynccontextmanager
async def running(settings: Settings, **changes: float) -> AsyncIterator[Server]:
    async with Server(changed(settings, **changes), detector_target=TARGET) as server:
        yield server


@asynccontextmanager
async def opened(server: Server, over: Over) -> AsyncIterator[RawStream]:
    async with raw_stream(server, over) as stream:
        await stream.send(CONFIG)
        ready = await stream.read()
        assert ready is not None
        assert ready.HasField("ready")
        yield stream


async def next_of(stream: RawStream, kind: str) -> pb.StreamReactionsResponse:
    while (answer := await stream.read()) is not None:
        if answer.WhichOneof("message") == kind:
            return answer
    raise AssertionError(f"expected {kind}, the stream ended")


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    return encode(colour_frames(RED, 12), Codec.VP8, 5.0)


def frame(clip: EncodedClip, index: int) -> media_pb2.Frame:
    packet = clip.packets[index]
    return media_pb2.Frame(
        participant_id="alice",
        sequence=index,
        pts=packet.pts,
        clock_hz=packet.clock_hz,
        keyframe=packet.keyframe,
        payload=packet.payload,
    )


@both
async def test_the_same_video_gives_the_same_reaction_and_figures(
    server: Server, clip: EncodedClip, over: Over
) -> None:
    async with opened(server, over) as stream:
        await stream.send(JOIN)
        started: list[str] = []
        for index in range(len(clip.packets)):
            await stream.send(Request(frames=pb.Frames(frames=[frame(clip, index)])))
            in_flight = 1
            while in_flight:
                await stream.send(STATISTICS)
                while True:
                    answer = await stream.read()
                    assert answer is not None
                    if answer.WhichOneof("message") == "statistics":
                        in_flight = answer.statistics.participants[0].books.in_flight
                        break
                    if answer.reaction.phase == pb.PHASE_STARTED:
                        started.append(answer.reaction.label)
        assert started == ["smile"]
        await stream.send(STATISTICS)
        books = (await next_of(stream, "statistics")).statistics.participants[0].books
        assert books.received == len(clip.packets)
        assert not books.dropped
        await stream.half_close()
        # The client has sent everything, and still gets the end of its reaction.
        ended = await next_of(stream, "reaction")
        assert (ended.reaction.phase, ended.reaction.end_reason) == (
            pb.PHASE_ENDED,
            "left",
        )
        assert await stream.status() == (grpc.StatusCode.OK, "")
    assert server.engine.statistics().frames.is_consistent


@both
async def test_a_silent_client_is_ended(settings: Settings, over: Over) -> None:
    async with running(settings, idle_timeout_s=0.2) as server, opened(server, over) as stream:
        code, details = await stream.status()
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert details == "expected a message at least every 0.2 s"


@both
async def test_a_client_hears_from_a_server_that_has_nothing_to_say(settings: Settings, over: Over) -> None:
    async with running(settings, heartbeat_interval_s=0.05) as server, opened(server, over) as stream:
        for _ in range(2):
            answer = await stream.read()
            assert answer is not None
            assert answer.HasField("heartbeat")


@both
async def test_a_drain_tells_the_client_and_ends_with_ok(settings: Settings, over: Over) -> None:
    async with running(settings) as server, opened(server, over) as stream:
        stopping = asyncio.create_task(server.stop())
        assert (await next_of(stream, "control")).control.HasField("drain")
        assert await stream.status() == (grpc.StatusCode.OK, "")
        await asyncio.wait_for(stopping, TIMEOUT_S)


@both
async def test_a_server_that_drains_refuses_new_streams(settings: Settings, over: Over) -> None:
    async with running(settings) as server:
        await server._streams.drain(0.0)
        async with raw_stream(server, over) as stream:
            code, details = await stream.status()
    assert code is grpc.StatusCode.UNAVAILABLE
    assert details.endswith("open the stream on another server")


@both
async def test_a_stream_too_many_is_refused(settings: Settings, over: Over) -> None:
    async with running(settings, max_streams=1) as server:
        async with opened(server, over), raw_stream(server, over) as stream:
            code, details = await stream.status()
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        # Over WebSocket the milliseconds after which to come back are before it.
        assert details.endswith("expected at most 1 streams at once")
        await until(lambda: not server._streams._streams, expected="no stream")
        async with opened(server, over):
            pass


async def test_a_client_that_goes_without_a_word_ends_its_stream(server: Server) -> None:
    async with silent_websocket(server.http_port) as client:
        await client.send(CONFIG)
        await until(lambda: server.engine.statistics().sessions, expected="a session")
    await until(lambda: not server.engine.statistics().sessions, expected="no session")
    await until(lambda: server._streams.ended == {"CANCELLED": 1}, state=lambda: server._streams.ended)


# Clients that do not read. Those over gRPC are in test_readers.py.


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> weakref.WeakSet[Stream]:
    """Every stream that was served and still exists."""
    alive: weakref.WeakSet[Stream] = weakref.WeakSet()
    original = Stream.run

    async def run(self: Stream) -> None:
        alive.add(self)
        await original(self)

    monkeypatch.setattr(Stream, "run", run)
    return alive


@asynccontextmanager
async def unread(server: Server) -> AsyncIterator[SilentWebSocket]:
    """A client with more unread events than its connection holds, and fewer than end its stream."""
    async with silent_websocket(server.http_port) as client:
        await client.send(CONFIG)
        # Each frame of an unknown participant is a fault that names it.
        ghosts = Request(frames=pb.Frames(frames=[media_pb2.Frame(participant_id="x" * 128)] * 500))
        for _ in range(8):
            await client.send(ghosts)
        yield client


async def gone(server: Server, streams: weakref.WeakSet[Stream], status: str) -> None:
    """Returns once the stream has ended with `status` and nothing of it remains."""
    await until(lambda: server._streams.ended == {status: 1}, state=lambda: server._streams.ended)
    await until(lambda: not server.engine.statistics().sessions, expected="no session")
    await until(lambda: not server._ports.http[0].counts.open, expected="no connection")

    def collected() -> bool:
        gc.collect()
        return not list(streams)

    await until(collected, expected="no stream in memory")


NEVER_S = 3600.0


async def test_a_write_that_nobody_reads_ends_the_stream(
    settings: Settings, streams: weakref.WeakSet[Stream]
) -> None:
    async with running(settings, write_timeout_s=0.2, idle_timeout_s=NEVER_S) as server:
        async with unread(server), opened(server, Over.GRPC) as other:
            await gone_but(server, "RESOURCE_EXHAUSTED")
            # A neighbour is not affected.
            await other.send(STATISTICS)
            assert await next_of(other, "statistics") is not None
            await other.half_close()
            assert await other.status() == (grpc.StatusCode.OK, "")
        await until(lambda: not server._ports.http[0].counts.open, expected="no connection")


async def gone_but(server: Server, status: str) -> None:
    await until(lambda: server._streams.ended == {status: 1}, state=lambda: server._streams.ended)


async def test_the_idle_timeout_ends_a_stream_that_nobody_reads(
    settings: Settings, streams: weakref.WeakSet[Stream]
) -> None:
    async with (
        running(settings, idle_timeout_s=0.2, write_timeout_s=NEVER_S) as server,
        unread(server),
    ):
        await gone(server, streams, "DEADLINE_EXCEEDED")


async def test_an_overrun_ends_a_stream_that_nobody_reads(
    settings: Settings, streams: weakref.WeakSet[Stream]
) -> None:
    async with (
        running(settings, idle_timeout_s=NEVER_S, write_timeout_s=NEVER_S) as server,
        unread(server) as client,
    ):
        ghosts = Request(frames=pb.Frames(frames=[media_pb2.Frame(participant_id="x" * 128)] * 500))
        for _ in range(20):
            await client.send(ghosts)
        await gone(server, streams, "RESOURCE_EXHAUSTED")


async def test_a_stop_ends_a_stream_that_nobody_reads(
    settings: Settings, streams: weakref.WeakSet[Stream]
) -> None:
    async with (
        running(settings, drain_timeout_s=0.2, idle_timeout_s=NEVER_S, write_timeout_s=NEVER_S) as server,
        unread(server),
    ):
        await until(lambda: server.engine.statistics().sessions, expected="a session")
        await asyncio.wait_for(server.stop(), TIMEOUT_S)
        await gone(server, streams, "RESOURCE_EXHAUSTED")
