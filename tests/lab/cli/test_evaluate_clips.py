"""The command with a fake server, and its error messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gifcue.sample_video.clips import write
from gifcue.testing import FakeServer
from tests.support.colour_detector import GREY, RED, colour_frames

from .conftest import Lab

FPS = 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two clips and their expected reactions."""
    path = tmp_path / "clips"
    path.mkdir()
    write(colour_frames(RED, 20), path / "mixed.mp4", fps=FPS)
    write(colour_frames(GREY, 10), path / "quiet.mp4", fps=FPS)
    wave = {"label": "wave", "start_s": 0.0, "end_s": 1.0}
    clips = {"mixed.mp4": {}, "quiet.mp4": {"seconds": 1.0, "expect": [wave]}}
    (path / "events.json").write_text(json.dumps({"clips": clips}), encoding="utf-8")
    return path


def test_a_running_server_evaluates_each_clip_once(lab: Lab, folder: Path, server: FakeServer) -> None:
    (folder / "more.mp4").write_bytes(b"")
    result = lab("evaluate", "clips", folder, "--server", server.target, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    # The fake starts its first label with the first frame.
    assert document["by_clip"]["mixed.mp4"]["false_reactions"][0]["at_s"] == 0.0
    assert document["labels"]["smile"]["false"] == 2
    assert document["filter_off"] is None
    assert any("more.mp4" in warning for warning in document["warnings"])
    assert any("one filter setting" in warning for warning in document["warnings"])


def test_mistakes_of_usage(lab: Lab, folder: Path, tmp_path: Path) -> None:
    result = lab("evaluate", "clips", folder, "--server", "127.0.0.1:1", "--model", tmp_path)
    assert result.exit_code == 2
    assert "settings of its own" in result.stderr
    for given, message in (
        (["--resume"], "expected --report"),
        (["--record", tmp_path], "expected --local"),
        (["--server", "127.0.0.1:1", "--local"], "expected no --resume, --local"),
        (["--replay", tmp_path, "--local"], "--replay runs no detector"),
    ):
        result = lab("evaluate", "clips", folder, *given)
        assert result.exit_code == 2
        assert message in " ".join(result.stderr.replace("│", " ").split())
    result = lab("evaluate", "clips", folder, "--preset", "wild")
    assert result.exit_code == 2
    assert "expected one of careful, normal, playful, got 'wild'" in result.stderr
    result = lab("evaluate", "clips", folder, "--model", tmp_path / "none")
    assert result.exit_code == 1
    assert "expected a folder with a model" in result.stderr
    result = lab("evaluate", "clips", tmp_path)
    assert result.exit_code == 1
    assert "events.json" in result.stderr
