"""A headless Chromium whose camera shows the public photograph, and which takes part in a room under several names."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.ingest.janus.chromium import CHROMIUM_FLAGS
from tests.ingest.livekit.kit import browser_library, join_token
from tests.support.programs import require
from tests.support.waiting import until

_PAGE = Path(__file__).with_name("publishers.html")


@dataclass(slots=True)
class Publishers:
    """The page. `last` is what it reported last."""

    last: dict[str, Any] = field(default_factory=dict)
    calls: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    done: asyncio.Queue[None] = field(default_factory=asyncio.Queue)

    async def call(self, call: str, name: str, *rest: Any) -> None:
        """Calls a function of the page, and returns once it has returned."""
        self.calls.put_nowait({"call": call, "name": name, "rest": rest})
        await until(
            lambda: self.last.get("error") or not self.done.empty(),
            expected=f"{call} to return",
            state=lambda: self.last,
        )
        assert not self.last.get("error"), self.last
        self.done.get_nowait()

    def frames(self, name: str) -> int:
        """Frames that a participant has sent, of all layers of its present track."""
        return sum(each["frames"] for each in self._layers(name))

    def widths(self, name: str) -> list[int]:
        """The widths of the layers that a participant sends."""
        return sorted(each["width"] for each in self._layers(name) if each["active"])

    @property
    def received(self) -> list[dict[str, Any]]:
        """The data messages that came."""
        return list(self.last.get("received", []))

    def _layers(self, name: str) -> list[dict[str, Any]]:
        return list(self.last.get("participants", {}).get(name, {}).get("layers", []))


@asynccontextmanager
async def chromium_publishers(
    url: str,
    camera: Path,
    participants: Mapping[str, Mapping[str, Any]],
    *,
    size: tuple[int, int] = (640, 360),
    fps: int = 15,
    bitrate: int = 800_000,
) -> AsyncIterator[Publishers]:
    """The page, with nobody in the room yet: `call("publish", name)` lets one in. Ends as a browser that is closed.

    A participant has `attributes`, `codec` and `simulcast`.
    """
    program, library = require("chromium"), browser_library()
    publishers = Publishers()
    options = {
        "url": url,
        "width": size[0],
        "height": size[1],
        "fps": fps,
        "bitrate": bitrate,
        "participants": {
            name: {
                "token": join_token(name, each.get("attributes")),
                "codec": each.get("codec", "vp8"),
                "simulcast": each.get("simulcast", False),
            }
            for name, each in participants.items()
        },
    }

    async def page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(_PAGE)

    async def script(_: web.Request) -> web.FileResponse:
        return web.FileResponse(library)

    async def given(_: web.Request) -> web.Response:
        return web.json_response(options)

    async def report(request: web.Request) -> web.Response:
        publishers.last = await request.json()
        return web.Response()

    async def next_call(_: web.Request) -> web.Response:
        return web.json_response(await publishers.calls.get())

    async def done(_: web.Request) -> web.Response:
        publishers.done.put_nowait(None)
        return web.Response()

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/livekit-client.js", script)
    app.router.add_get("/options", given)
    app.router.add_get("/next", next_call)
    app.router.add_post("/done", done)
    app.router.add_post("/report", report)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        log = Path(profile) / "chromium.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                program,
                *CHROMIUM_FLAGS,
                f"--user-data-dir={profile}",
                f"--use-file-for-fake-video-capture={camera}",
                f"http://127.0.0.1:{port}/",
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:

            def is_open() -> bool:
                assert process.returncode is None, log.read_text(errors="replace")
                assert not publishers.last.get("error"), publishers.last
                return bool(publishers.last)

            await until(is_open)
            yield publishers
        finally:
            # A group of its own: Chromium's processes go with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            await runner.cleanup()
