"""Heartbeats of the server, pings of the client, and the limits that `StreamReady` states."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from gifcue.client import ReactionClient
from gifcue.client import stream as stream_module
from gifcue.client.liveness import Liveness
from gifcue.client.silence import SILENT_INTERVALS
from gifcue.engine.settings import LimitSettings
from gifcue.protocol.features import FEATURES
from gifcue.server.config import Settings
from gifcue.server.lifecycle import Server
from gifcue.server.settings import ServerSettings
from gifcue.v1 import media_pb2, reaction_service_pb2_grpc
from gifcue.v1 import reaction_service_pb2 as pb
from tests.support.colour_detector import TARGET
from tests.support.waiting import TIMEOUT_S

Stub = reaction_service_pb2_grpc.ReactionServiceStub

CONFIG = pb.StreamReactionsRequest(config=pb.StreamConfig())


def with_server(settings: Settings, **changed: object) -> Settings:
    return settings.model_copy(update={"server": settings.server.model_copy(update=changed)})


async def until_the_end(stub: Stub) -> tuple[list[str | None], grpc.StatusCode, str]:
    """What a stream gets that is opened and then silent: the kinds of messages, and its status."""
    call = stub.StreamReactions()
    await call.write(CONFIG)
    kinds: list[str | None] = []
    try:
        while (response := await call.read()) is not grpc.aio.EOF:
            kinds.append(response.WhichOneof("message"))
    except grpc.aio.AioRpcError:
        pass
    return kinds, await call.code(), await call.details()


class TestHeartbeats:
    async def test_a_quiet_stream_gets_heartbeats_to_its_end(self, settings: Settings) -> None:
        quiet = with_server(settings, heartbeat_interval_s=0.05, idle_timeout_s=0.5)
        async with (
            Server(quiet, detector_target=TARGET) as server,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.listen_port}") as channel,
        ):
            kinds, status, _ = await until_the_end(Stub(channel))
        assert status is grpc.StatusCode.DEADLINE_EXCEEDED
        assert kinds[0] == "ready"
        assert set(kinds[1:]) == {"heartbeat"}
        # A machine that is busy sends fewer, none sends more.
        assert 2 <= len(kinds[1:]) <= 10

    async def test_the_client_library_outlives_silence_of_the_room(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Ready, and the heartbeats of four times the silence after which a server is taken for lost.
        heard = asyncio.Semaphore(0)

        class Counting(Liveness):
            def heard(self) -> None:
                super().heard()
                heard.release()

        monkeypatch.setattr(stream_module, "Liveness", Counting)
        async with (
            Server(with_server(settings, heartbeat_interval_s=0.05), detector_target=TARGET) as server,
            ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
            client.open() as stream,
            asyncio.timeout(TIMEOUT_S),
        ):
            for _ in range(1 + 4 * SILENT_INTERVALS):
                await heard.acquire()
            assert not stream.ended

    async def test_without_an_interval_there_are_none(self, settings: Settings) -> None:
        quiet = with_server(settings, heartbeat_interval_s=0.0, idle_timeout_s=0.3)
        async with (
            Server(quiet, detector_target=TARGET) as server,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.listen_port}") as channel,
        ):
            kinds, _, _ = await until_the_end(Stub(channel))
        assert kinds == ["ready"]


class TestPings:
    """A stream that is silent on both sides, and a client of grpc that pings until the idle timeout ends it."""

    # grpc's clients ping at most once a second. The third ping that comes too early, after one that may, counts.
    PING_S = 1.0
    IDLE_S = 5.0

    @pytest.fixture
    async def channel(self, settings: Settings, allowed_s: float) -> AsyncIterator[grpc.aio.Channel]:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(ServerSettings, "min_ping_interval_s", allowed_s)
            quiet = with_server(settings, heartbeat_interval_s=0.0, idle_timeout_s=self.IDLE_S)
            async with Server(quiet, detector_target=TARGET) as server:
                options = [
                    ("grpc.keepalive_time_ms", round(self.PING_S * 1000)),
                    ("grpc.http2.max_pings_without_data", 0),
                ]
                target = f"127.0.0.1:{server.listen_port}"
                async with grpc.aio.insecure_channel(target, options=options) as opened:
                    yield opened

    @pytest.mark.parametrize("allowed_s", [PING_S])
    async def test_pings_as_often_as_stated_are_tolerated(self, channel: grpc.aio.Channel) -> None:
        _, status, details = await until_the_end(Stub(channel))
        assert (status, details) == (
            grpc.StatusCode.DEADLINE_EXCEEDED,
            "expected a message at least every 5 s",
        )

    @pytest.mark.parametrize("allowed_s", [60.0])
    async def test_pings_that_come_far_more_often_end_the_connection(self, channel: grpc.aio.Channel) -> None:
        _, status, details = await until_the_end(Stub(channel))
        assert status is grpc.StatusCode.UNAVAILABLE
        assert "too_many_pings" in details or "Too many pings" in details


class TestReady:
    async def test_it_states_what_a_client_must_know(self, settings: Settings) -> None:
        told = settings.model_copy(
            update={
                "delivery": settings.delivery.model_copy(update={"public_url": "https://gifs.example.org/"}),
                "server": settings.server.model_copy(update={"heartbeat_interval_s": 1.5}),
            }
        )
        async with (
            Server(told, detector_target=TARGET) as server,
            ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
            client.open() as stream,
        ):
            ready = stream.ready
        assert ready.gif_base_url == "https://gifs.example.org"
        assert ready.features == FEATURES
        assert len(set(FEATURES)) == len(FEATURES)
        limits = ready.limits
        assert (limits.min_ping_interval_ms, limits.heartbeat_interval_ms) == (10_000, 1500)
        assert limits.max_frames_per_message == 512
        assert limits.max_message_bytes > limits.max_frame_bytes + LimitSettings.max_extradata_bytes

    async def test_without_an_address_it_states_none(self, client: ReactionClient) -> None:
        async with client.open() as stream:
            assert stream.ready.gif_base_url == ""

    @pytest.mark.parametrize("over", [0, 1])
    async def test_a_batch_at_the_limits_is_accepted_and_one_byte_more_is_not(
        self, stub: Stub, over: int
    ) -> None:
        call = stub.StreamReactions()
        await call.write(CONFIG)
        limits = (await call.read()).ready.limits
        batch = at_the_limits(limits, over)
        await call.write(batch)
        if over:
            assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            return
        await call.write(pb.StreamReactionsRequest(statistics=pb.StatisticsRequest()))
        await call.done_writing()
        answers = []
        while (answer := await call.read()) is not grpc.aio.EOF:
            answers.append(answer)
        assert await call.code() is grpc.StatusCode.OK
        kinds = [each.WhichOneof("message") for each in answers]
        assert kinds[-1] == "statistics"
        faults = [each.fault for each in answers if each.WhichOneof("message") == "fault"]
        # Each frame was looked at: nobody has joined under its name.
        assert sum(fault.count for fault in faults) == limits.max_frames_per_message
        assert {fault.code for fault in faults} == {pb.FAULT_CODE_UNKNOWN_PARTICIPANT}


def at_the_limits(limits: pb.EffectiveLimits, over: int) -> pb.StreamReactionsRequest:
    """As many frames and bytes as one message may have, and `over` bytes more."""
    count = limits.max_frames_per_message
    each = limits.max_message_bytes // count - 64
    frames = [
        media_pb2.Frame(participant_id="ghost", sequence=number, pts=number, payload=bytes(each))
        for number in range(count)
    ]
    message = pb.StreamReactionsRequest(frames=pb.Frames(frames=frames))
    missing = limits.max_message_bytes + over - message.ByteSize()
    last = message.frames.frames[-1]
    # The sizes of the fields around it take bytes of their own.
    while missing:
        last.payload += bytes(missing) if missing > 0 else b""
        if missing < 0:
            last.payload = last.payload[:missing]
        missing = limits.max_message_bytes + over - message.ByteSize()
    assert len(last.payload) <= limits.max_frame_bytes
    return message
