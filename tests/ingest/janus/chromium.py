"""A headless Chromium whose camera shows the public photograph, publishing in a room of a real Janus."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import av
from aiohttp import web

from gifcue.sample_video.photo import photo_frames
from tests.ingest.janus.kit import ROOM, RealJanus
from tests.support.programs import require
from tests.support.waiting import until

_PAGE = Path(__file__).with_name("publisher.html")
CHROMIUM_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # as root, which CI is
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    # Janus resolves no mDNS names on this machine.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--mute-audio",
)


def camera_file(folder: Path, size: tuple[int, int], fps: int, seconds: float = 8.0) -> Path:
    """The photograph in motion, as Chromium's fake camera reads it: raw 4:2:0, repeated for ever."""
    path = folder / f"camera-{size[0]}x{size[1]}.y4m"
    output: Any = av.open(str(path), "w", format="yuv4mpegpipe")
    stream = output.add_stream("wrapped_avframe", rate=fps)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.time_base = Fraction(1, fps)
    for number, picture in enumerate(photo_frames(seconds, fps, *size)):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, fps)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))
    output.close()
    return path


@dataclass(slots=True)
class ChromiumPublisher:
    """`last` is what the page reported last: its id in Janus, and what it has sent.

    `paused` names layers of simulcast that it does not send: "l", "m" and "h".
    """

    last: dict[str, Any] = field(default_factory=dict)
    paused: list[str] = field(default_factory=list)

    @property
    def id(self) -> int:
        """Its id in the room."""
        return int(self.last["id"])

    @property
    def frames(self) -> int:
        """Frames sent, of all layers."""
        return sum(each.get("frames") or 0 for each in self.last.get("layers", []))


@asynccontextmanager
async def chromium_publisher(
    janus: RealJanus,
    camera: Path,
    display: str,
    *,
    codec: str = "VP8",
    size: tuple[int, int] = (640, 360),
    fps: int = 15,
    bitrate: int = 800_000,
    simulcast: bool = False,
) -> AsyncIterator[ChromiumPublisher]:
    """Publishes until the end of the block. Ends as a browser that is closed: without a word."""
    program = require("chromium")
    publisher = ChromiumPublisher()

    async def page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(_PAGE)

    async def report(request: web.Request) -> web.Response:
        publisher.last = await request.json()
        return web.json_response({"paused": publisher.paused})

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_post("/report", report)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    query = urlencode(
        {
            "janus": janus.url,
            "room": ROOM,
            "display": display,
            "codec": codec,
            "size": f"{size[0]}x{size[1]}",
            "fps": fps,
            "bitrate": bitrate,
            "simulcast": int(simulcast),
        }
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        log = Path(profile) / "chromium.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                program,
                *CHROMIUM_FLAGS,
                f"--user-data-dir={profile}",
                f"--use-file-for-fake-video-capture={camera}",
                f"http://127.0.0.1:{port}/?{query}",
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:

            def is_sending() -> bool:
                assert process.returncode is None, log.read_text(errors="replace")
                assert "error" not in publisher.last, publisher.last
                return publisher.frames > 0

            await until(is_sending)
            yield publisher
        finally:
            # A group of its own: Chromium's processes go with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            await runner.cleanup()
