"""Liveness and readiness: what heals by itself, and what only a restart mends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import MutableMapping
from typing import Any

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from gifcue.protocol.statistics import ServingState
from gifcue.server.book_follower import BookFollower
from gifcue.server.config import Settings
from gifcue.server.health import LIVENESS_SERVICE, Health
from gifcue.server.lifecycle import Server
from gifcue.server.loop_lag import LoopLag
from tests.support.colour_detector import TARGET
from tests.support.waiting import TIMEOUT_S, until


def events(logs: list[MutableMapping[str, Any]], name: str) -> list[MutableMapping[str, Any]]:
    return [each for each in logs if each["event"] == name]


async def failing(self: object) -> None:
    raise KeyError("secret-room")


async def status_of(server: Server, path: str) -> int:
    url = f"http://127.0.0.1:{server.http_port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status


async def until_liveness(server: Server, expected: health_pb2.HealthCheckResponse.ServingStatus) -> None:
    """Waits for this status of the liveness service."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.listen_port}") as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service=LIVENESS_SERVICE)
        )
        async with asyncio.timeout(TIMEOUT_S):
            async for answer in watch:
                if answer.status == expected:
                    return


async def test_liveness_holds_while_workers_are_lost_and_fails_without_supervision(
    settings: Settings,
) -> None:
    async with Server(settings, detector_target=TARGET) as server:
        assert await status_of(server, "/healthz") == 200
        await until_liveness(server, health_pb2.HealthCheckResponse.SERVING)
        for worker in server.engine.statistics().workers:
            os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: server.state is ServingState.NOT_SERVING)
        assert server.is_alive
        assert await status_of(server, "/healthz") == 200
        await until(lambda: server.state is ServingState.SERVING)
        await server.engine.stop()
        assert await status_of(server, "/healthz") == 503
        await until_liveness(server, health_pb2.HealthCheckResponse.NOT_SERVING)


@pytest.mark.parametrize("part", [Health, BookFollower, LoopLag])
async def test_a_task_that_failed_does_not_keep_the_server_from_stopping(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, part: type
) -> None:
    monkeypatch.setattr(part, "follow", failing)
    with capture_logs() as logs:
        async with Server(settings, detector_target=TARGET) as server:
            await until(lambda: bool(events(logs, "a part of the server failed")))
            assert server.state is ServingState.SERVING
            # Only a restart brings the part back, so liveness fails.
            assert await status_of(server, "/readyz") == 200
            await until(lambda: not server.is_alive)
            assert await status_of(server, "/healthz") == 503
            await until_liveness(server, health_pb2.HealthCheckResponse.NOT_SERVING)
    assert len(events(logs, "a part of the server failed")) == 1
    assert events(logs, "stopped")
    assert not server.engine.is_ready
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", server.http_port)
