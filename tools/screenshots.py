"""Takes the screenshots of README: python -m tools.screenshots [FOLDER], by default docs/images.

A real server, the page /live in Debian's Chromium, and the public photograph as its camera, which pans up to a smile.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import itertools
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.async_api import Browser, Error, Page, Playwright, async_playwright

from gifcue.cli.demo_server import running_server
from gifcue.sample_video.photo import photograph

IMAGES = Path(__file__).parents[1] / "docs" / "images"
# The camera. It rests on the suit, pans up to the face, and stays there.
FPS, WIDTH, HEIGHT = 20, 640, 360
BELOW_S, PAN_S, FACE_S = 3.0, 1.2, 6.0
# The animation: its width in pixels, its pictures a second at most, and how long it goes on after the GIF appears.
ANIMATION_WIDTH, ANIMATION_FPS, ANIMATION_AFTER_S = 800, 10, 2.5
# The animation begins so long before the ring does.
ANIMATION_BEFORE_S = 1.0
WEBP_QUALITY = 55
TIMEOUT_MS = 60_000


@dataclass(frozen=True)
class Look:
    """One screenshot."""

    name: str
    width: int
    height: int
    is_dark: bool


LOOKS = (Look("live-desktop", 1200, 760, False), Look("live-phone", 390, 844, True))


def camera_frames() -> Iterator[NDArray[np.uint8]]:
    """RGB frames of the camera."""
    photo = photograph()
    side = photo.shape[1]
    seen = side * HEIGHT // WIDTH
    below = photo.shape[0] - seen
    for number in range(round((BELOW_S + PAN_S + FACE_S) * FPS)):
        share = min(1.0, max(0.0, (number / FPS - BELOW_S) / PAN_S))
        top = round(below * (1.0 - share * share * (3.0 - 2.0 * share)))
        picture = photo[top : top + seen]
        yield np.asarray(cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)


def write_camera(path: Path) -> None:
    """Writes the camera's frames as a file that Chromium plays (y4m)."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420\n".encode())
        for frame in camera_frames():
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())


async def take_all(folder: Path, chromium: str) -> None:
    """Writes all pictures into an existing folder. `chromium` is the browser's path."""
    with tempfile.TemporaryDirectory(prefix="gifcue-screenshots-") as place:
        camera = Path(place) / "camera.y4m"
        write_camera(camera)
        for look in LOOKS:
            # A server for each: the rules show the same person a GIF for a smile only now and then.
            async with running_server(Path(place)) as server, async_playwright() as playwright:
                url = f"http://localhost:{server.http_port}/live"
                async with _page(playwright, chromium, camera, look, url) as page:
                    recording = await Recording.start(page) if look is LOOKS[0] else None
                    await page.locator(".gif img").wait_for()
                    await asyncio.sleep(0.8)  # the GIF has arrived
                    await page.screenshot(path=folder / f"{look.name}.png")
                    print(f"{look.name}.png: {look.width} x {look.height}")
                    if recording is not None:
                        await asyncio.sleep(ANIMATION_AFTER_S)
                        recording.save(folder / "live.webp")


@asynccontextmanager
async def _page(
    playwright: Playwright, chromium: str, camera: Path, look: Look, url: str
) -> AsyncIterator[Page]:
    """The page with a camera that runs and a label that is allowed."""
    browser: Browser = await playwright.chromium.launch(
        executable_path=chromium,
        args=[
            "--no-sandbox",
            "--disable-background-networking",
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-video-capture={camera}",
        ],
    )
    try:
        page = await browser.new_page(
            viewport={"width": look.width, "height": look.height},
            color_scheme="dark" if look.is_dark else "light",
        )
        page.set_default_timeout(TIMEOUT_MS)
        await page.goto(url)
        await page.get_by_role("button", name="Start the camera").click()
        for label in ("Smile", "Wave", "Thumbs up"):
            await page.get_by_label(label, exact=True).check()
        if look.width < 600:
            await page.locator(".participant").scroll_into_view_if_needed()
            await page.locator(".participant").evaluate("card => card.scrollIntoView()")
        yield page
    finally:
        await browser.close()


class Recording:
    """What a page shows, picture by picture."""

    def __init__(self) -> None:
        self._pictures: list[tuple[float, bytes]] = []
        self._ring_s: float | None = None

    @classmethod
    async def start(cls, page: Page) -> Recording:
        """Records from now on."""
        recording = cls()
        session = await page.context.new_cdp_session(page)

        async def take(event: dict[str, Any]) -> None:
            recording._pictures.append((event["metadata"]["timestamp"], base64.b64decode(event["data"])))
            with contextlib.suppress(Error):  # the page may be closed by now
                await session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

        session.on("Page.screencastFrame", take)
        await session.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})
        await page.get_by_text("Hold it").wait_for()
        recording._ring_s = recording._pictures[-1][0]
        return recording

    def save(self, path: Path) -> None:
        """Writes the animation, from shortly before the ring on."""
        assert self._ring_s is not None
        kept: list[tuple[float, Image.Image]] = []
        for at_s, png in self._pictures:
            if at_s < self._ring_s - ANIMATION_BEFORE_S or (kept and at_s - kept[-1][0] < 1 / ANIMATION_FPS):
                continue
            picture = Image.open(io.BytesIO(png)).convert("RGB")
            height = round(picture.height * ANIMATION_WIDTH / picture.width)
            kept.append((at_s, picture.resize((ANIMATION_WIDTH, height), Image.Resampling.LANCZOS)))
        times = [at_s for at_s, _ in kept]
        lasts_ms = [round(1000 * (after - before)) for before, after in itertools.pairwise(times)]
        first, *others = [picture for _, picture in kept]
        first.save(
            path,
            save_all=True,
            append_images=others,
            duration=[*lasts_ms, 1500],
            loop=0,
            quality=WEBP_QUALITY,
            method=6,
        )
        print(f"{path.name}: {len(kept)} pictures, {path.stat().st_size / 1e3:.0f} kB")


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("expected Chromium, got none: `make setup-peers` installs it")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(take_all(folder, chromium))
    print(f"{sum(path.stat().st_size for path in folder.iterdir()) / 1e6:.2f} MB in all")


if __name__ == "__main__":
    main()
