"""One stream over a transport of the test's own: whatever happens, its session is closed and nothing waits for it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from gifcue.errors import Unavailable
from gifcue.protocol.events import Heartbeat
from gifcue.server import messages, stream
from gifcue.server.outbox import Outbox, Outgoing
from gifcue.server.settings import ServerSettings
from gifcue.server.streams import Streams
from gifcue.server.transport import OK, ConnectionLost, StreamStatus
from gifcue.v1 import media_pb2
from gifcue.v1 import reaction_service_pb2 as pb
from tests.engine.kit import Kit
from tests.support.waiting import TIMEOUT_S, until

Request = pb.StreamReactionsRequest
Response = pb.StreamReactionsResponse

CONFIG = Request(config=pb.StreamConfig(room_id="room", client_name="test"))
STATISTICS = Request(statistics=pb.StatisticsRequest())
PEER = "test:1"


class FakeTransport:
    """A client that sends `requests` and then half-closes, or stays where `stays`."""

    def __init__(self, *requests: Request | bytes, stays: bool = False) -> None:
        self._requests = [each if isinstance(each, bytes) else each.SerializeToString() for each in requests]
        self._stays = stays
        self.peer = PEER
        self.sent: list[Response] = []
        self.closed: list[StreamStatus] = []
        self.aborted: list[StreamStatus] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.receive_error: Exception | None = None
        self.send_error: Exception | None = None

    async def receive(self) -> bytes | None:
        await asyncio.sleep(0)
        if self._requests:
            return self._requests.pop(0)
        if self.receive_error is not None:
            raise self.receive_error
        if self._stays:
            await asyncio.Event().wait()
        return None

    async def send(self, message: bytes) -> None:
        await self.reads.wait()
        if self.send_error is not None:
            raise self.send_error
        self.sent.append(Response.FromString(message))

    async def close(self, status: StreamStatus) -> None:
        await asyncio.sleep(0)
        self.closed.append(status)

    def abort(self, status: StreamStatus) -> None:
        self.aborted.append(status)

    @property
    def kinds(self) -> list[str | None]:
        return [each.WhichOneof("message") for each in self.sent]


class Served:
    """The streams of an engine without processes. Its clock is the event loop's."""

    def __init__(self, **settings: float) -> None:
        self.kit = Kit()
        self.streams = Streams(
            self.kit.engine, ServerSettings(**settings), asyncio.get_running_loop().time
        )  # fmt: skip

    @property
    def sessions(self) -> int:
        return self.kit.engine.statistics().sessions

    async def serve(self, transport: FakeTransport) -> StreamStatus:
        """Serves a stream to its end; returns the status that the client got."""
        await asyncio.wait_for(self.streams.serve(transport), TIMEOUT_S)
        assert self.sessions == 0
        (status,) = transport.closed + transport.aborted
        return status


def other_tasks() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_a_stream_of_any_transport_is_served() -> None:
    served, transport = Served(), FakeTransport(CONFIG, STATISTICS)
    assert await served.serve(transport) == OK
    assert transport.kinds == ["ready", "statistics"]
    assert served.streams.ended == {"OK": 1}
    assert other_tasks() == []


async def test_the_log_has_status_peer_and_figures() -> None:
    frame = Request(frame=media_pb2.Frame(participant_id="Ada", payload=b"x"))
    with capture_logs() as logs:
        await Served().serve(FakeTransport(CONFIG, frame, CONFIG))
    (closed,) = [each for each in logs if each["event"] == "stream closed"]
    assert closed["status"] == "FAILED_PRECONDITION"
    assert closed["peer"] == PEER
    assert (closed["received"], closed["dropped"], closed["analysed"]) == (1, 1, 0)
    assert closed["duration_s"] >= 0
    assert "Ada" not in str(logs)


async def test_bytes_that_are_no_message_end_the_stream() -> None:
    status = await Served().serve(FakeTransport(b"\xff\xff\xff"))
    assert status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert status.details == "expected a StreamReactionsRequest, got 3 bytes that are none"


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*args: Any, **named: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("part", "name", "error", "code"),
    [
        (stream, "ready_of", ValueError("a defect"), grpc.StatusCode.INTERNAL),
        (stream, "ready_of", Unavailable("no detector"), grpc.StatusCode.UNAVAILABLE),
        (stream, "act_on", ValueError("a defect"), grpc.StatusCode.INTERNAL),
        (stream, "encode_response", ValueError("a defect"), grpc.StatusCode.INTERNAL),
        (messages, "Statistics", ValueError("a defect"), grpc.StatusCode.INTERNAL),
        (stream, "decode_options", ValueError("a defect"), grpc.StatusCode.INTERNAL),
    ],
)
async def test_an_error_closes_the_session(
    monkeypatch: pytest.MonkeyPatch, part: object, name: str, error: Exception, code: grpc.StatusCode
) -> None:
    served = Served()
    monkeypatch.setattr(part, name, failing(error))
    assert (await served.serve(FakeTransport(CONFIG, STATISTICS, stays=True))).code is code
    assert served.streams.ended == {code.name: 1}


@pytest.mark.parametrize("event", ["stream opened", "stream failed", "stream closed"])
async def test_a_log_that_raises_closes_the_session(monkeypatch: pytest.MonkeyPatch, event: str) -> None:
    class Full:
        def info(self, logged: str, **fields: Any) -> None:
            if logged == event:
                raise OSError(28, "No space left on device")

        error = info

    monkeypatch.setattr(stream, "log", Full())
    served = Served()
    if event == "stream failed":
        monkeypatch.setattr(stream, "act_on", failing(ValueError()))
    serving = asyncio.create_task(served.streams.serve(FakeTransport(CONFIG, STATISTICS, stays=False)))
    await asyncio.wait({serving}, timeout=TIMEOUT_S)
    assert serving.done()
    serving.exception()
    assert served.sessions == 0


@pytest.mark.parametrize("when", ["receive_error", "send_error"])
async def test_a_lost_connection_closes_the_session(when: str) -> None:
    served, transport = Served(), FakeTransport(CONFIG, STATISTICS, stays=True)
    setattr(transport, when, ConnectionLost())
    assert (await served.serve(transport)).code is grpc.StatusCode.CANCELLED


async def test_a_cancellation_at_any_step_closes_the_session() -> None:
    """The event loop takes one step after another; the stream is cancelled after each of them in turn, twice."""
    for steps in itertools.count():
        served = Served()
        transport = FakeTransport(CONFIG, STATISTICS, STATISTICS)
        serving = asyncio.create_task(served.streams.serve(transport))
        for _ in range(steps):
            await asyncio.sleep(0)
        was_done = serving.done()
        for _ in range(2):
            serving.cancel()
            await asyncio.sleep(0)
        await asyncio.wait({serving}, timeout=TIMEOUT_S)
        assert served.sessions == 0
        await until(lambda: not other_tasks(), state=other_tasks)
        if was_done:
            break
        assert sum(served.streams.ended.values()) <= 1
    assert steps > 5


async def test_a_write_that_waits_too_long_is_aborted() -> None:
    served, transport = Served(write_timeout_s=0.05), FakeTransport(CONFIG, stays=True)
    transport.reads.clear()
    status = await served.serve(transport)
    assert transport.aborted == [status]
    assert status.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert other_tasks() == []


async def test_a_silent_client_that_does_not_read_is_aborted_by_the_idle_timeout() -> None:
    served, transport = Served(idle_timeout_s=0.05, write_timeout_s=3600.0), FakeTransport(CONFIG, stays=True)
    transport.reads.clear()
    status = await served.serve(transport)
    assert transport.aborted == [status]
    assert status.code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_frames_of_one_message_leave_others_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_TURN_S", 0.0)
    served = Served()
    transport = FakeTransport(
        CONFIG, Request(frames=pb.Frames(frames=[media_pb2.Frame(participant_id="x")] * 50))
    )
    serving = asyncio.create_task(served.streams.serve(transport))
    received: set[int] = set()
    while not serving.done():
        received.add(served.kit.engine.statistics().frames.received)
        await asyncio.sleep(0)
    assert len(received) > 40


async def test_a_drain_tells_streams_and_refuses_new_ones() -> None:
    served, transport = Served(), FakeTransport(CONFIG, stays=True)
    serving = asyncio.create_task(served.streams.serve(transport))
    await until(lambda: transport.kinds == ["ready"])
    silent = FakeTransport(stays=True)
    waiting = asyncio.create_task(served.streams.serve(silent))
    await asyncio.sleep(0)
    await served.streams.drain(60.0)
    await asyncio.wait_for(asyncio.gather(serving, waiting), TIMEOUT_S)
    assert transport.closed == [OK]
    assert transport.kinds == ["ready", "control"]
    # One that had not said what it wants, and one that comes later.
    assert [each.code for each in silent.closed] == [grpc.StatusCode.UNAVAILABLE]
    late = await served.serve(FakeTransport(CONFIG))
    assert late.code is grpc.StatusCode.UNAVAILABLE
    assert "open the stream on another server" in late.details
    assert served.streams.ended == {"OK": 1, "UNAVAILABLE": 2}


async def test_a_drain_ends_although_nobody_reads() -> None:
    served, transport = Served(write_timeout_s=3600.0), FakeTransport(CONFIG, stays=True)
    transport.reads.clear()
    serving = asyncio.create_task(served.streams.serve(transport))
    await until(lambda: served.sessions)
    await asyncio.wait_for(served.streams.drain(0.05), TIMEOUT_S)
    await asyncio.wait_for(serving, TIMEOUT_S)
    assert served.sessions == 0
    assert [each.code for each in transport.aborted] == [grpc.StatusCode.RESOURCE_EXHAUSTED]


async def test_a_heartbeat_follows_an_interval_without_another_message() -> None:
    served, transport = Served(heartbeat_interval_s=0.02), FakeTransport(CONFIG, stays=True)
    serving = asyncio.create_task(served.serve(transport))
    await until(lambda: transport.kinds.count("heartbeat") >= 3, state=lambda: transport.kinds)
    assert transport.kinds[0] == "ready"
    assert set(transport.kinds[1:]) == {"heartbeat"}
    await served.streams.drain(1.0)
    assert await serving == OK


async def test_heartbeats_do_not_pile_up_before_a_client_that_does_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beats: list[object] = []
    put = Outbox.put

    def count(self: Outbox, item: Outgoing) -> None:
        if isinstance(item, Heartbeat):
            beats.append(item)
        put(self, item)

    monkeypatch.setattr(Outbox, "put", count)
    served = Served(heartbeat_interval_s=0.005, write_timeout_s=0.25)
    transport = FakeTransport(CONFIG, stays=True)
    transport.reads.clear()
    status = await served.serve(transport)
    assert status.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert beats == []
