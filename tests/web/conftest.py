"""One server with the real model and one browser for the tests of a module."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from gifcue.rules.load import default_book_path
from gifcue.sample_video.photo import photo_frames
from tests.support.browser import TIMEOUT_MS, Chromium, chromium_path, write_camera
from tests.support.serve_process import ServeProcess, serve_process

CAMERA_FPS = 20
# Seconds of the photograph's clip, which is played again and again: nobody there, then the smile. The pause is longer
# than the release and the cooldown of a smile.
NOBODY_S = 4.5
SMILE_S = 2.5


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    """A server whose rules answer every reaction with a GIF."""
    folder = tmp_path_factory.mktemp("server")
    book = folder / "book.yaml"
    text = default_book_path().read_text(encoding="utf-8")
    text, changed = re.subn(r"(participant|room)_cooldown_s: \d+", r"\1_cooldown_s: 0", text)
    assert changed
    book.write_text(text, encoding="utf-8")
    with serve_process(folder, f'[rules]\nbook = "{book}"\n[log]\nlevel = "info"\n') as running:
        yield running


@pytest.fixture(scope="module")
def _browsers() -> Iterator[Chromium]:
    path = chromium_path()
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browsers = Chromium(playwright, path)
        yield browsers
        browsers.close()


@pytest.fixture
def chromium(_browsers: Chromium) -> Iterator[Chromium]:
    yield _browsers
    _browsers.close_contexts()


@pytest.fixture(scope="session")
def smile_camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera before which the photograph's smile appears and vanishes, again and again."""
    nobody = np.full((360, 640, 3), 128, np.uint8)
    frames = chain(
        repeat(nobody, round(NOBODY_S * CAMERA_FPS)),
        photo_frames(SMILE_S, CAMERA_FPS, 640, 360, motion="always"),
    )
    return write_camera(tmp_path_factory.mktemp("camera") / "smile.y4m", frames, CAMERA_FPS)
