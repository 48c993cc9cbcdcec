"""Chromium with the photograph as its camera sends by WHIP: one smile, once, and every frame is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio

from gifcue.server.config import load_settings
from gifcue.server.lifecycle import Server
from tests.ingest.janus.chromium import camera_file
from tests.server.whip.chromium import chromium_sender
from tests.server.whip.kit import base, listening
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

FPS = 15
SIZE = (640, 360)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Server]:
    """A server with the real detector. Chromium reaches it at an address that is not loopback, or at that."""
    addresses = ("listen", "http_listen", "operator_listen", "operator_http_listen")
    settings = load_settings(
        None,
        {
            "server": dict.fromkeys(addresses, "127.0.0.1:0"),
            "whip": {"listen": "0.0.0.0:0"},
            "log": {"level": "error"},
        },
    )
    async with Server(settings) as running:
        yield running


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return camera_file(tmp_path_factory.mktemp("camera"), SIZE, FPS)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_one_smile_once_and_every_frame_is_counted(server: Server, camera: Path, codec: str) -> None:
    figures = server.engine.statistics
    before = figures().frames.received
    started: list[str] = []
    endpoint = f"{base(server)}/whip/{codec}/{quote('ada l')}?labels=smile"
    async with (
        aiohttp.ClientSession() as http,
        listening(http, server, codec) as events,
        chromium_sender(endpoint, camera, codec, size=SIZE, fps=FPS) as sender,
    ):

        async def listen() -> None:
            async for name, event in events:
                if name == "reaction" and event["phase"] == "STARTED":
                    started.append(event["label"])

        listener = asyncio.create_task(listen())
        await until(lambda: started, expected="a smile", state=lambda: sender.last)
        frames = sender.frames
        await until(lambda: sender.frames > frames + 2 * FPS)
        sender.asked["end"] = True
        # Once it sends nothing more, every frame that it sent has arrived.
        await until(lambda: sender.last["ended"])
        await until(
            lambda: figures().frames.received - before == sender.frames,
            state=lambda: (sender.last, figures().frames),
        )
        sender.asked["remove"] = True
        await until(lambda: sender.last["ended"] == 200, state=lambda: sender.last)
        await until(lambda: figures().sessions == 0)
        listener.cancel()
    assert started == ["smile"]
    await until(lambda: figures().frames.in_flight == 0)
    assert figures().frames.is_consistent
    assert server._whip is not None
    assert server._whip.sessions.ended["deleted"] >= 1
