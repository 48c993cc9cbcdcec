"""Chromium with the photograph as its camera sends by WHIP: one smile, once, and every frame is counted."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from gifcue.server.config import load_settings
from gifcue.server.lifecycle import Server
from tests.ingest.janus.chromium import camera_file
from tests.server.whip.chromium import chromium_sender
from tests.server.whip.kit import base, listening
from tests.support.waiting import until

FPS = 15
SIZE = (640, 360)


async def test_one_smile_once_and_every_frame_is_counted(tmp_path: Path) -> None:
    camera = camera_file(tmp_path, SIZE, FPS)
    addresses = ("listen", "http_listen", "operator_listen", "operator_http_listen")
    settings = load_settings(
        None,
        {
            "server": dict.fromkeys(addresses, "127.0.0.1:0"),
            "whip": {"listen": "0.0.0.0:0"},
            "log": {"level": "info"},
        },
    )
    async with Server(settings) as server, aiohttp.ClientSession() as http:
        for codec in ("VP8", "H264"):
            await _smile(server, http, camera, codec)


async def _smile(server: Server, http: aiohttp.ClientSession, camera: Path, codec: str) -> None:
    before = server.engine.statistics()
    started: list[str] = []
    async with (
        listening(http, server, codec) as events,
        chromium_sender(
            f"{base(server)}/whip/{codec}/{quote('ada l')}?labels=smile", camera, codec, size=SIZE, fps=FPS
        ) as sender,
    ):

        async def listen() -> None:
            async for name, event in events:
                if name == "reaction" and event["phase"] == "STARTED":
                    started.append(event["label"])

        task = asyncio.create_task(listen())
        await until(lambda: started, expected="a smile", state=lambda: sender.last)
        frames = sender.frames
        await until(lambda: sender.frames > frames + 3 * FPS)
        sender.asked["end"] = True
        await until(lambda: sender.last["ended"])
        sent = sender.frames
        now = server.engine.statistics
        print(sender.last | {"answer": ""}, sent)
        await until(
            lambda: now().frames.received - before.frames.received == sent, state=lambda: (sent, now().frames)
        )
        sender.asked["remove"] = True
        await until(lambda: sender.last["ended"] == 200, state=lambda: sender.last)
        await until(lambda: now().sessions == 0)
        task.cancel()
    assert started == ["smile"]
    await until(lambda: now().frames.in_flight == 0)
    after = now()
    assert after.frames.is_consistent
    print(after.frames)


__all__ = ["pytest", "re"]
