from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gifcue.cli import demo, streaming
from gifcue.ingest.pacing import Unpaced
from gifcue.testing.fake_server import FakeServer

from .conftest import Gifcue


@pytest.fixture
def staged(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """The demo with a fake server in the place of the real one, and no waiting for the clip to play."""

    @asynccontextmanager
    async def running_server(folder: Path) -> AsyncIterator[tuple[str, int]]:
        yield server.target, 8080

    monkeypatch.setattr(demo, "running_server", running_server)
    monkeypatch.setattr(streaming, "RealTime", Unpaced)
    return server


def test_the_demo_prints_the_smile_and_ends_well(gifcue: Gifcue, staged: FakeServer, tmp_path: Path) -> None:
    clip = tmp_path / "kept.mp4"
    result = gifcue("demo", "--seconds", "2", "--keep", clip)
    assert result.exit_code == 0, result.output
    assert "smile STARTED" in result.stdout
    assert "http://127.0.0.1:8080/gifs/smile-1.gif" in result.stdout
    assert "the books balance: 50 received" in result.stdout
    assert result.stdout.rstrip().endswith("smile was found")
    assert clip.stat().st_size > 1000


def test_without_a_smile_the_demo_fails(
    gifcue: Gifcue, staged: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "EXPECTED", "frown")
    result = gifcue("demo", "--seconds", "2")
    assert result.exit_code == 1
    assert "expected at least one frown STARTED, got none" in result.stderr


def test_a_server_that_does_not_start_is_told_with_its_last_words(
    gifcue: Gifcue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIFCUE_DETECT__MODEL_DIR", str(tmp_path))
    result = gifcue("demo", "--seconds", "2")
    assert result.exit_code == 1
    assert "metadata.json" in result.stderr
    assert "got exit code 1" in result.stderr


def test_a_missing_scikit_image_says_what_to_install(
    gifcue: Gifcue, staged: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "skimage", None)
    result = gifcue("demo", "--seconds", "2")
    assert result.exit_code == 1
    assert "pip install 'gifcue[demo]'" in result.stderr
