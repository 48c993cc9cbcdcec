"""A real browser for the tests of pages: Debian's Chromium, headless, with files as cameras and without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Playwright,
    Request,
    WebSocket,
)

from gifcue.v1.media_pb2 import Frame
from gifcue.v1.reaction_service_pb2 import (
    PHASE_STARTED,
    ReactionEvent,
    StreamReactionsRequest,
    StreamReactionsResponse,
)
from tests.support.waiting import TIMEOUT_S

TIMEOUT_MS = 1000 * TIMEOUT_S
_FLAGS = (
    "--no-sandbox",  # tests may run as root
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    # Only the server that is tested can be reached.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    # A page that is not in front must not be slowed down.
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
)


def chromium_path() -> str:
    """The browser. Skips the test where there is none, and fails it in CI."""
    path = shutil.which("chromium")
    if path is None:
        message = "Chromium is not installed: `make setup-peers` installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


@dataclass
class Wire:
    """What a page sent over its WebSockets and what it received, in order."""

    requests: list[StreamReactionsRequest] = field(default_factory=list)
    responses: list[StreamReactionsResponse] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def follow(self, websocket: WebSocket) -> None:
        self.addresses.append(websocket.url)
        websocket.on("framesent", self._sent)
        websocket.on("framereceived", self._received)

    def _sent(self, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        self.requests.append(StreamReactionsRequest.FromString(data))

    def _received(self, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        self.responses.append(StreamReactionsResponse.FromString(data))

    @property
    def frames(self) -> list[Frame]:
        """The frames sent, those of batches included."""
        frames: list[Frame] = []
        for request in self.requests:
            if request.HasField("frame"):
                frames.append(request.frame)
            frames += request.frames.frames
        return frames

    def reactions(self, participant_id: str | None = None) -> list[ReactionEvent]:
        return [
            each.reaction
            for each in self.responses
            if each.HasField("reaction") and participant_id in (None, each.reaction.participant_id)
        ]

    def started(self, participant_id: str | None = None) -> list[ReactionEvent]:
        return [each for each in self.reactions(participant_id) if each.phase == PHASE_STARTED]

    def faults(self) -> list[str]:
        return [each.fault.message for each in self.responses if each.HasField("fault")]


@dataclass
class OpenPage:
    """A page with what it said over the wire, and what went wrong in it."""

    page: Page
    wire: Wire
    problems: list[str]
    requested: list[str]

    def on_request(self, request: Request) -> None:
        self.requested.append(request.url)

    def on_error(self, error: Error) -> None:
        self.problems.append(str(error))

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(message.text)


class Chromium:
    """One browser for each camera, started when it is first asked for. A context lives as long as a test."""

    def __init__(self, playwright: Playwright, path: str) -> None:
        self._playwright = playwright
        self._path = path
        self._browsers: dict[Path | None, Browser] = {}
        self._contexts: list[BrowserContext] = []

    def open(self, url: str, camera: Path | None = None, *, script: str = "", **options: Any) -> OpenPage:
        """Opens a page.

        Args:
            camera: A file (y4m) that is played as the camera, again and again; None for Chromium's test picture.
            script: Runs before the page's own scripts.
            options: Of Playwright's `new_context`.
        """
        browser = self._browsers.get(camera)
        if browser is None:
            file = [] if camera is None else [f"--use-file-for-fake-video-capture={camera}"]
            browser = self._playwright.chromium.launch(executable_path=self._path, args=[*_FLAGS, *file])
            self._browsers[camera] = browser
        context = browser.new_context(**options)
        self._contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        opened = OpenPage(page, Wire(), [], [])
        page.on("websocket", opened.wire.follow)
        page.on("request", opened.on_request)
        page.on("pageerror", opened.on_error)
        page.on("console", opened.on_console)
        page.goto(url)
        return opened

    def close_contexts(self) -> None:
        for context in self._contexts:
            context.close()
        self._contexts.clear()

    def close(self) -> None:
        for browser in self._browsers.values():
            browser.close()


def write_camera(path: Path, frames: Iterator[NDArray[np.uint8]], fps: int) -> Path:
    """Writes RGB frames as a y4m file, which Chromium plays as a camera."""
    with path.open("wb") as file:
        for number, frame in enumerate(frames):
            if number == 0:
                height, width = frame.shape[:2]
                file.write(f"YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420\n".encode())
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


def pictures_of(frames: list[Frame]) -> Iterator[tuple[Frame, NDArray[np.uint8]]]:
    """The frames of one H.264 participant, each with its picture, as grey values."""
    decoder = av.CodecContext.create("h264", "r")
    for frame in frames:
        for picture in decoder.decode(av.Packet(frame.payload)):
            yield frame, np.asarray(picture.to_ndarray(format="gray"), np.uint8)
