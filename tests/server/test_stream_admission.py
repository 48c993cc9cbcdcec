"""Which streams are refused when they open, and when their clients are told to come back."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gifcue.client import Draining, ReactionClient, ServerBusy, ServingState
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import encode
from gifcue.server.config import Settings
from gifcue.server.health import LIVENESS_SERVICE
from gifcue.server.lifecycle import Server
from gifcue.server.operator import OPERATOR_SERVICE
from gifcue.server.reactions import REACTION_SERVICE
from gifcue.server.settings import ServerSettings
from gifcue.server.status_codes import RETRY_AFTER
from gifcue.server.stream_admission import StreamAdmission
from tests.support.colour_detector import RED, TARGET, colour_frames
from tests.support.raw_streams import Over, raw_stream, websocket
from tests.support.sending import send_in_step
from tests.support.waiting import TIMEOUT_S, until


class FixedEngine:
    """An engine with so many participants, of so many that the limit allows."""

    def __init__(self, participants: int, most: int, is_ready: bool = True) -> None:
        self.participant_count = participants
        self.is_ready = is_ready
        self.limits = type("Limits", (), {"most_participants": most})


class FixedStream:
    """A stream that was opened then."""

    def __init__(self, opened_s: float, has_participants: bool) -> None:
        self.opened_s = opened_s
        self.session = type("Session", (), {"participant_count": int(has_participants)})


def admission(engine: FixedEngine, **settings: Any) -> StreamAdmission:
    fixed: Any = engine
    return StreamAdmission(fixed, ServerSettings(**settings), lambda: 100.0, random.Random(1))


def refuse(
    asked: StreamAdmission, streams: list[FixedStream], *, is_draining: bool = False
) -> tuple[str, int]:
    opened: Any = streams
    status = asked.refusal(opened, is_draining=is_draining)
    return ("", 0) if status is None else (status.code.name, status.retry_after_ms)


def test_each_reason_has_its_status_its_time_and_its_count() -> None:
    for reason, asked, draining, status, least_ms, most_ms in (
        ("draining", admission(FixedEngine(0, 9)), True, "UNAVAILABLE", 500, 1500),
        ("not_ready", admission(FixedEngine(0, 9, is_ready=False)), False, "UNAVAILABLE", 500, 1500),
        ("max_streams", admission(FixedEngine(0, 9), max_streams=1), False, "RESOURCE_EXHAUSTED", 2000, 6000),
        ("max_participants", admission(FixedEngine(9, 9)), False, "RESOURCE_EXHAUSTED", 2000, 6000),
    ):
        code, retry_ms = refuse(asked, [FixedStream(0.0, True)], is_draining=draining)
        assert (reason, code) == (reason, status)
        assert least_ms <= retry_ms <= most_ms
        assert asked.refused == {reason: 1}


def test_clients_that_are_refused_together_do_not_come_back_together() -> None:
    asked = admission(FixedEngine(9, 9))
    assert len({refuse(asked, [])[1] for _ in range(50)}) > 40


def test_a_stream_keeps_a_place_until_its_first_participant_should_have_joined() -> None:
    joining, old, joined = FixedStream(99.0, False), FixedStream(90.0, False), FixedStream(99.0, True)
    assert refuse(admission(FixedEngine(7, 9)), [joining, old, joined]) == ("", 0)
    assert refuse(admission(FixedEngine(7, 9)), [joining, joining, old])[0] == "RESOURCE_EXHAUSTED"


async def test_a_full_server_says_when_to_come_back_on_both_transports(settings: Settings) -> None:
    limits = settings.limits.model_copy(update={"max_participants": 1})
    full = settings.model_copy(update={"limits": limits})
    async with Server(full, detector_target=TARGET) as server:
        async with ReactionClient(f"127.0.0.1:{server.listen_port}") as client, client.open() as stream:
            await stream.join("alice", Codec.VP8, allowed_labels=["smile"])
            await stream.statistics()
            with pytest.raises(ServerBusy, match="at most 1 participants on this server"):
                async with client.open():
                    pass
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.listen_port}") as channel:
                call: Any = channel.stream_stream("/gifcue.v1.ReactionService/StreamReactions")()
                assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                metadata = dict(await call.trailing_metadata())
                assert 2000 <= int(metadata[RETRY_AFTER]) <= 6000
                call.cancel()
            async with websocket(server) as socket:
                closed = await socket.receive(TIMEOUT_S)
                assert closed.data == 4008
                assert 2000 <= int(str(closed.extra).partition(" ")[0]) <= 6000
        # The participant has left: there is room again.
        async with raw_stream(server, Over.GRPC) as again:
            await again.half_close()
            assert (await again.status())[0] is grpc.StatusCode.OK


async def probes_of(server: Server) -> dict[str, int | str]:
    """What every probe says: the HTTP status, or the status of the service."""
    said: dict[str, int | str] = {}
    async with aiohttp.ClientSession() as session:
        for port in (server.http_port, server.operator_http_port):
            for path in ("/readyz", "/healthz"):
                async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                    said[f"{'http' if port == server.http_port else 'operator'}{path}"] = answer.status
    for port in (server.listen_port, server.operator_port):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for service in ("", REACTION_SERVICE, OPERATOR_SERVICE, LIVENESS_SERVICE):
                answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
                name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
                said[f"{'grpc' if port == server.listen_port else 'operator'}:{service}"] = name
    return said


async def test_during_the_lame_duck_probes_say_so_and_open_streams_are_served(settings: Settings) -> None:
    waited: list[float] = []
    is_over = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        await is_over.wait()

    lame = settings.model_copy(
        update={"server": settings.server.model_copy(update={"lame_duck_s": 30.0, "drain_timeout_s": 5.0})}
    )
    clip = encode(colour_frames(RED, 4), Codec.H264, 5.0)
    server = Server(lame, detector_target=TARGET, sleep=sleep)
    await server.start()
    try:
        async with (
            ReactionClient(f"127.0.0.1:{server.listen_port}") as client,
            ReactionClient(f"127.0.0.1:{server.operator_port}") as operator,
            client.open() as stream,
        ):
            alice = await stream.join("alice", clip.codec, clip.extradata, allowed_labels=["smile"])
            await send_in_step(stream, alice, clip.packets[:2])
            stopping = asyncio.create_task(server.stop())
            await until(lambda: waited == [30.0])
            said = await probes_of(server)
            alive = {"http/healthz": 200, "operator/healthz": 200} | {
                f"{port}:{LIVENESS_SERVICE}": "SERVING" for port in ("grpc", "operator")
            }
            assert {name: value for name, value in said.items() if name in alive} == alive
            assert {value for name, value in said.items() if name not in alive} == {503, "NOT_SERVING"}
            assert (await operator.status()).state is ServingState.DRAINING
            async with raw_stream(server, Over.WEBSOCKET) as refused:
                code, reason = await refused.status()
                assert code is grpc.StatusCode.UNAVAILABLE
                assert 500 <= int(reason.partition(" ")[0]) <= 1500
            # Served on as before.
            await send_in_step(stream, alice, clip.packets[2:])
            counts = (await stream.statistics()).participant("alice").frames
            assert (counts.analysed, sum(counts.dropped.values())) == (len(clip.packets), 0)
            assert not stopping.done()
            is_over.set()
            assert any([isinstance(event, Draining) async for event in stream.events()])
            await asyncio.wait_for(stopping, TIMEOUT_S)
    finally:
        is_over.set()
        await server.stop()
