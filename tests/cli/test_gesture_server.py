"""`gifcue gesture list`, `add` and `delete` on a running server."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gifcue.cli.gesture import app
from gifcue.errors import ConfigError, Unavailable
from gifcue.server.config import load_settings
from gifcue.server.lifecycle import Server
from tests.support.gesture_detector import TARGET
from tests.support.hands import BrightnessDetector, pictures

# The beginning of a line of the log: its date.
_LOGGED = re.compile(r"\d{4}-\d\d-\d\d ")


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "gestures").mkdir()
    settings = load_settings(
        None,
        {
            "server": dict.fromkeys(
                ("listen", "http_listen", "operator_listen", "operator_http_listen"), "127.0.0.1:0"
            ),
            "media": {"workers": 1},
            "detect": {"workers": 1, "gestures_dir": tmp_path / "gestures"},
            "log": {"level": "error"},
        },
    )
    async with Server(settings, detector_target=TARGET) as server:
        yield f"http://127.0.0.1:{server.http_port}"


async def run(*arguments: str) -> tuple[str, BaseException | None]:
    """What a command prints, and the error that ends it."""
    # In a thread: the server that it talks to runs in this loop.
    result = await asyncio.to_thread(CliRunner().invoke, app, list(arguments))
    # The server of this process may write its log to the same output meanwhile.
    lines = [line for line in result.output.splitlines(keepends=True) if not _LOGGED.match(line)]
    return "".join(lines), result.exception


async def test_a_gesture_is_added_from_pictures_listed_and_deleted(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gifcue.cli.gesture_server.detector_for", lambda *_, **__: BrightnessDetector())
    shown = pictures(tmp_path / "victory", level=200, count=12)
    others = pictures(tmp_path / "others", level=50, count=10)
    add = ("add", "victory", str(shown), "--against", str(others), "--server", url)
    output, error = await run(*add, "--gif", "wave_1")
    assert error is None, output
    assert "of 12 samples found" in output
    assert "of 20 other hands taken for it" in output
    assert "victory is served\n" in output
    assert (tmp_path / "gestures" / "victory.json").is_file()

    output, _ = await run("list", "--server", url)
    assert "victory" in output
    assert "wave_1" in output
    listed = json.loads((await run("list", "--server", url, "--json"))[0])
    assert [each["label"] for each in listed["gestures"]] == ["victory"]

    _, error = await run(*add)
    assert "ask to replace it" in str(error)
    assert (await run(*add, "--replace"))[1] is None

    assert (await run("delete", "victory", "--server", url))[0] == "victory is deleted\n"
    assert not (tmp_path / "gestures" / "victory.json").exists()
    assert "no gestures" in (await run("list", "--server", url))[0]
    _, error = await run("delete", "victory", "--server", url)
    assert "expected a gesture in service" in str(error)


async def test_too_few_samples_are_the_servers_error(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gifcue.cli.gesture_server.detector_for", lambda *_, **__: BrightnessDetector())
    shown = pictures(tmp_path / "victory", level=200, count=3)
    _, error = await run("add", "victory", str(shown), "--server", url)
    assert "length >= 10" in str(error)


async def test_an_address_that_is_none_and_a_server_that_is_away_are_named() -> None:
    _, error = await run("list", "--server", "127.0.0.1:8080")
    assert isinstance(error, ConfigError)
    assert "expected an address such as http://127.0.0.1:8080" in str(error)
    _, error = await run("list", "--server", "http://127.0.0.1:1")
    assert isinstance(error, Unavailable)


@pytest.mark.parametrize(
    "address",
    [
        "http://user:secret@127.0.0.1:1",
        "http://user:secret@127.0.0.1:1/?token=secret",
        "http://user:secr[et@127.0.0.1:1",
        "http://user:secret@127.0.0.1:port",
        "ftp://user:secret@127.0.0.1",
    ],
)
async def test_errors_show_no_secret_of_the_address(address: str) -> None:
    _, error = await run("list", "--server", address)
    assert isinstance(error, Unavailable | ConfigError)
    assert "127.0.0.1" in str(error)
    assert "secr" not in str(error)
