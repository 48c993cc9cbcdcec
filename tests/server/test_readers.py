"""Clients that do not read: each loses its own stream in time, and nothing of it remains."""

from __future__ import annotations

import asyncio
import gc
import weakref

import grpc
import pytest

from gifcue.server.config import Settings
from gifcue.server.lifecycle import Server
from gifcue.server.outbox import MAX_UNREAD_EVENTS, MAX_UNREAD_STATISTICS
from gifcue.server.stream import Stream
from gifcue.v1 import reaction_service_pb2 as pb
from gifcue.v1 import reaction_service_pb2_grpc
from tests.chaos.raw_http2 import ClosedWindow, closed_window, prefixed
from tests.support.colour_detector import TARGET
from tests.support.waiting import TIMEOUT_S, until

LIMIT_S = 0.2
NEVER_S = 3600.0


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


def with_limits(settings: Settings, **limits: float) -> Settings:
    values = {"idle_timeout_s": NEVER_S, "write_timeout_s": NEVER_S, **limits}
    return settings.model_copy(update={"server": settings.server.model_copy(update=values)})


def calls() -> int:
    """Calls that grpc.aio still holds; the one of a health check or of reflection is none of ours."""
    return sum(task.get_name() == "rpc_task" for task in asyncio.all_tasks())


async def ended(client: ClosedWindow, server: Server, streams: weakref.WeakSet[Stream]) -> tuple[int, str]:
    """Waits for the end of the stream; returns its status once nothing of it remains."""
    await asyncio.wait_for(client.raw.ended.wait(), TIMEOUT_S)
    await until(lambda: not server.engine.statistics().sessions, expected="no session")
    await until(lambda: not calls(), expected="no call", state=calls)
    gc.collect()
    assert list(streams) == []
    return client.raw.statuses[client.stream_id]


async def test_a_write_that_nobody_reads_ends_the_stream(
    settings: Settings, streams: weakref.WeakSet[Stream]
) -> None:
    async with (
        Server(with_limits(settings, write_timeout_s=LIMIT_S), detector_target=TARGET) as server,
        closed_window(f"127.0.0.1:{server.listen_port}") as client,
    ):
        status, details = await ended(client, server, streams)
    assert status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert details == "expected a client that reads what it is sent"


async def test_the_idle_timeout_ends_a_stream_that_nobody_reads(
    settings: Settings, streams: weakref.WeakSet[Stream]
) -> None:
    async with (
        Server(with_limits(settings, idle_timeout_s=LIMIT_S), detector_target=TARGET) as server,
        closed_window(f"127.0.0.1:{server.listen_port}") as client,
    ):
        status, details = await ended(client, server, streams)
    assert status == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
    assert "expected a message at least every" in details


async def test_an_overrun_ends_a_stream_that_nobody_reads(
    settings: Settings, streams: weakref.WeakSet[Stream]
) -> None:
    async with (
        Server(with_limits(settings), detector_target=TARGET) as server,
        closed_window(f"127.0.0.1:{server.listen_port}") as client,
    ):
        # Each frame of an unknown participant is a fault, which waits to be read.
        unknown = pb.StreamReactionsRequest(frames=pb.Frames(frames=[{"participant_id": "x"}] * 256))  # type: ignore[list-item]
        for _ in range(MAX_UNREAD_EVENTS // 256 + 1):
            await client.raw.send_data(client.stream_id, prefixed(unknown.SerializeToString()))
        status, _ = await ended(client, server, streams)
    assert status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]


async def test_statistics_that_nobody_reads_are_not_collected(
    settings: Settings, streams: weakref.WeakSet[Stream]
) -> None:
    async with (
        Server(with_limits(settings), detector_target=TARGET) as server,
        closed_window(f"127.0.0.1:{server.listen_port}") as client,
    ):
        # The server stops reading this client, and so notices neither its frames nor a silence that it caused.
        await client.ask_statistics(200)
        await until(lambda: streams, expected="a stream")
        opened = list(streams)
        outbox = opened[0]._outbox
        await until(lambda: len(outbox._items) == MAX_UNREAD_STATISTICS, state=lambda: len(outbox._items))


async def test_a_stop_ends_a_stream_that_nobody_reads(
    settings: Settings, streams: weakref.WeakSet[Stream]
) -> None:
    limited = with_limits(settings, drain_timeout_s=LIMIT_S)
    async with (
        Server(limited, detector_target=TARGET) as server,
        closed_window(f"127.0.0.1:{server.listen_port}") as client,
    ):
        await until(lambda: server.engine.statistics().sessions, expected="a session")
        await asyncio.wait_for(server.stop(), TIMEOUT_S)
        await asyncio.wait_for(client.raw.ended.wait(), TIMEOUT_S)
    gc.collect()
    assert list(streams) == []


async def test_a_neighbour_is_not_affected(settings: Settings, streams: weakref.WeakSet[Stream]) -> None:
    async with (
        Server(with_limits(settings, write_timeout_s=LIMIT_S), detector_target=TARGET) as server,
        closed_window(f"127.0.0.1:{server.listen_port}") as client,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.listen_port}") as channel,
    ):
        call = reaction_service_pb2_grpc.ReactionServiceStub(channel).StreamReactions()
        await call.write(pb.StreamReactionsRequest(config=pb.StreamConfig()))
        assert (await call.read()).HasField("ready")
        await asyncio.wait_for(client.raw.ended.wait(), TIMEOUT_S)
        await call.write(pb.StreamReactionsRequest(statistics=pb.StatisticsRequest()))
        assert (await call.read()).HasField("statistics")
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.OK
