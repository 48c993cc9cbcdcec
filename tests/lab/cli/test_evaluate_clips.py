"""The command against a real server whose detector knows colours."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import structlog

from gifcue.sample_video.clips import write
from gifcue.testing import FakeServer
from gifcue_lab.cli import evaluate_clips
from tests.support.colour_detector import GREEN, GREY, RED, TARGET, colour_frames
from tests.support.deliveries import SECRET

from .conftest import Lab

FPS = 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three seconds of smile after one of nothing, a thumb that nobody asked for, and a clip of nothing."""
    path = tmp_path / "clips"
    path.mkdir()
    scenes = ((GREY, 10), (RED, 30), (GREY, 20), (GREEN, 15), (GREY, 10))
    write(itertools.chain(*(colour_frames(*scene) for scene in scenes)), path / "mixed.mp4", fps=FPS)
    write(colour_frames(GREY, 10), path / "quiet.mp4", fps=FPS)
    smile = {"label": "smile", "start_s": 1.0, "end_s": 4.0}
    wave = {"label": "wave", "start_s": 0.0, "end_s": 1.0}
    clips = {"mixed.mp4": {"expect": [smile]}, "quiet.mp4": {"seconds": 1.0, "expect": [wave]}}
    (path / "events.json").write_text(json.dumps({"clips": clips}), encoding="utf-8")
    return path


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(evaluate_clips, "DETECTOR_TARGET", TARGET)
    yield
    # The command sends logs to its stderr, which here is the runner's and closed by now.
    structlog.reset_defaults()


@pytest.mark.usefixtures("colours")
def test_clips_are_judged_through_a_real_server(lab: Lab, folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    result = lab("evaluate", "clips", folder, "--json", "--report", report)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told == json.loads((report / "report.json").read_text(encoding="utf-8"))
    assert (told["format"], told["clips"], told["seconds"]) == (
        "gifcue-clips/1",
        2,
        pytest.approx(9.5, abs=0.01),
    )
    assert (told["about"]["model"], told["about"]["preset"]) == ("colours", "normal")
    assert told["warnings"] == []

    mixed = told["by_clip"]["mixed.mp4"]
    assert (mixed["expected"], mixed["found"], mixed["false"]) == (1, 1, 1)
    assert [each["label"] for each in mixed["false_reactions"]] == ["thumbs_up"]
    smile = told["labels"]["smile"]
    # The dwell, and at most until the next analysed frame.
    assert smile["dwell_s"] <= smile["onset_to_started"]["median_s"] <= smile["dwell_s"] + 0.25
    (wave,) = told["by_clip"]["quiet.mp4"]["expectations"]
    assert wave["miss"] == "nothing"

    frames, unfiltered = told["frames"], told["filter_off"]["frames"]
    assert frames["received"] == unfiltered["received"] == unfiltered["analysed"] == 95
    assert frames["dropped"] == unfiltered["skipped"] == {}
    assert frames["skipped"]["similar"] == 95 - frames["analysed"]
    assert told["skipping"] == {"lost": [], "gained": [], "false_with": 1, "false_without": 1}
    for name in ("mixed.mp4", "quiet.mp4"):
        assert (report / "timelines" / f"{name}.png").stat().st_size > 1000


@pytest.mark.usefixtures("colours")
def test_the_text_and_one_clip_alone(lab: Lab, folder: Path) -> None:
    result = lab(
        "evaluate", "clips", folder, "--clip", "quiet.mp4", "--no-compare-filter", "--preset", "careful"
    )
    assert result.exit_code == 0, result.output
    assert "colours 1 fake, preset careful: 1 clips" in result.stdout
    assert "missed: quiet.mp4 wave 0.0-1.0 s: not held at all" in result.stdout
    assert "mixed" not in result.stdout
    assert "filter off" not in result.stdout


@pytest.mark.usefixtures("colours")
def test_nothing_is_delivered_whatever_the_configuration_says(lab: Lab, folder: Path, tmp_path: Path) -> None:
    posts: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.append(self.path)
            self.send_response(204)
            self.end_headers()

    config = tmp_path / "gifcue.toml"
    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        Thread(target=receiver.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{receiver.server_port}/hook"
        config.write_text(f'[delivery.webhook]\nurl = "{url}"\nsecret = "{SECRET}"\n', encoding="utf-8")
        result = lab("evaluate", "clips", folder, "--config", config, "--json", "--no-compare-filter")
        receiver.shutdown()
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["labels"]["smile"]["found"] == 1
    assert posts == []


def test_a_server_that_runs_is_asked_once(lab: Lab, folder: Path, server: FakeServer) -> None:
    (folder / "more.mp4").write_bytes(b"")
    result = lab("evaluate", "clips", folder, "--server", server.target, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    # The fake starts its first label with the first frame.
    assert told["by_clip"]["mixed.mp4"]["false_reactions"][0]["at_s"] == 0.0
    assert told["labels"]["smile"]["false"] == 2
    assert told["filter_off"] is None
    assert any("more.mp4" in warning for warning in told["warnings"])
    assert any("one filter setting" in warning for warning in told["warnings"])


def test_mistakes_of_usage(lab: Lab, folder: Path, tmp_path: Path) -> None:
    result = lab("evaluate", "clips", folder, "--server", "127.0.0.1:1", "--model", tmp_path)
    assert result.exit_code == 2
    assert "settings of its own" in result.stderr
    result = lab("evaluate", "clips", folder, "--preset", "wild")
    assert result.exit_code == 2
    assert "expected one of careful, normal, playful, got 'wild'" in result.stderr
    result = lab("evaluate", "clips", folder, "--model", tmp_path / "none")
    assert result.exit_code == 1
    assert "expected a folder with a model" in result.stderr
    result = lab("evaluate", "clips", tmp_path)
    assert result.exit_code == 1
    assert "events.json" in result.stderr
