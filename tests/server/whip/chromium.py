"""A headless Chromium whose camera shows the public photograph, and which sends it by WHIP."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tests.ingest.janus.chromium import CHROMIUM_FLAGS
from tests.support.programs import require
from tests.support.waiting import until

_PAGE = Path(__file__).with_name("sender.html")


@dataclass(slots=True)
class ChromiumSender:
    """The page. `last` is what it reported last, `asked` what it is told with the next report."""

    last: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, bool] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """Frames that it has sent."""
        return int(self.last.get("frames", 0))


@asynccontextmanager
async def chromium_sender(
    endpoint: str,
    camera: Path,
    codec: str,
    *,
    token: str = "",
    size: tuple[int, int] = (640, 360),
    fps: int = 15,
    bitrate: int = 800_000,
) -> AsyncIterator[ChromiumSender]:
    """Sends until the end of the block, or is refused. Ends as a browser that is closed: without a word."""
    program = require("chromium")
    sender = ChromiumSender()

    async def page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(_PAGE)

    async def report(request: web.Request) -> web.Response:
        sender.last = await request.json()
        return web.json_response(sender.asked)

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_post("/report", report)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    query = {
        "endpoint": endpoint,
        "codec": codec,
        "token": token,
        "size": f"{size[0]}x{size[1]}",
        "fps": fps,
        "bitrate": bitrate,
    }
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        log = Path(profile) / "chromium.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                program,
                *CHROMIUM_FLAGS,
                f"--user-data-dir={profile}",
                f"--use-file-for-fake-video-capture={camera}",
                f"http://127.0.0.1:{port}/?{urlencode(query)}",
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:

            def is_answered() -> bool:
                assert process.returncode is None, log.read_text(errors="replace")
                assert "error" not in sender.last or "refused" in sender.last, sender.last
                return sender.frames > 0 or "refused" in sender.last

            await until(is_answered, expected="a sender", state=lambda: sender.last)
            yield sender
        finally:
            # A group of its own: Chromium's processes go with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            await runner.cleanup()
