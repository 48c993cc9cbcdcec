from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gifcue.cli.demo import run_demo
from gifcue.cli.demo_server import RunningServer, StartServer
from gifcue.errors import GifcueError
from gifcue.testing import FakeServer

from .conftest import Gifcue


@pytest.fixture
def start_server(server: FakeServer) -> StartServer:
    """Replaces the real server by the fake one."""

    @asynccontextmanager
    async def started(folder: Path) -> AsyncIterator[RunningServer]:
        yield RunningServer(server.target, server.target, 8080)

    return started


async def test_the_demo_prints_the_smile_and_ends_well(
    start_server: StartServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "kept.mp4"
    await run_demo(tmp_path, 2.0, clip, start_server=start_server, fast=True)
    output = capsys.readouterr().out
    assert "smile STARTED" in output
    assert "http://127.0.0.1:8080/gifs/smile-1.gif" in output
    assert "frame accounting is consistent: received 50" in output
    assert output.rstrip().endswith("smile was found")
    assert clip.stat().st_size > 1000


async def test_without_the_expected_reaction_the_demo_fails(
    start_server: StartServer, tmp_path: Path
) -> None:
    with pytest.raises(GifcueError, match="expected at least one frown STARTED, got none"):
        await run_demo(tmp_path, 2.0, start_server=start_server, expected="frown", fast=True)


def test_a_server_that_does_not_start_is_reported_with_the_end_of_its_log(
    gifcue: Gifcue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIFCUE_DETECT__MODEL_DIR", str(tmp_path))
    result = gifcue("demo", "--seconds", "2")
    assert result.exit_code == 1
    assert "metadata.json" in result.stderr
    assert "got exit code 1" in result.stderr


def test_a_missing_package_says_what_to_install(gifcue: Gifcue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    result = gifcue("demo", "--seconds", "2")
    assert result.exit_code == 1
    assert "pip install 'gifcue[demo]'" in result.stderr
