"""The evaluation of clips with a real server whose detector finds colours."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import structlog

from gifcue.detect.detector import Frame
from gifcue.detect.regions import Region
from gifcue.errors import ConfigError
from gifcue.sample_video.clips import write
from gifcue.server.config import Settings
from gifcue_lab.evaluation.clips.evaluate import evaluate_clips, evaluate_recordings
from gifcue_lab.evaluation.clips.outcome import write_report
from gifcue_lab.evaluation.clips.text import print_clips_report
from tests.support.colour_detector import GREEN, GREY, RED, TARGET, ColourDetector, colour_frames
from tests.support.deliveries import SECRET

FPS = 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clip with an expected smile and an unexpected thumb, and a clip without reactions."""
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


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    yield
    # The evaluation sends logs to stderr, which is the test's and closed after it.
    structlog.reset_defaults()


def test_clips_are_evaluated_through_a_real_server(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    evaluation = evaluate_clips(folder, detector_target=TARGET)
    write_report(report, evaluation)
    document = evaluation.report
    assert document == json.loads((report / "report.json").read_text(encoding="utf-8"))
    assert (document["format"], document["clips"], document["seconds"]) == (
        "gifcue-clips/1",
        2,
        pytest.approx(9.5, abs=0.01),
    )
    assert (document["about"]["model"], document["about"]["preset"]) == ("colours", "normal")
    assert document["warnings"] == []

    mixed = document["by_clip"]["mixed.mp4"]
    assert (mixed["expected"], mixed["found"], mixed["false"]) == (1, 1, 1)
    assert [each["label"] for each in mixed["false_reactions"]] == ["thumbs_up"]
    smile = document["labels"]["smile"]
    # The dwell plus at most the time to the next analysed frame.
    assert smile["dwell_s"] <= smile["onset_to_started"]["median_s"] <= smile["dwell_s"] + 0.25
    (wave,) = document["by_clip"]["quiet.mp4"]["expectations"]
    assert wave["miss"] == "nothing"

    frames, unfiltered = document["frames"], document["filter_off"]["frames"]
    assert frames["received"] == unfiltered["received"] == unfiltered["analysed"] == 95
    assert frames["dropped"] == unfiltered["skipped"] == {}
    assert frames["skipped"]["similar"] == 95 - frames["analysed"]
    assert document["skipping"] == {"lost": [], "gained": [], "false_with": 1, "false_without": 1}
    for name in ("mixed.mp4", "quiet.mp4"):
        assert (report / "timelines" / f"{name}.png").stat().st_size > 1000


def open_colours(settings: Settings) -> ColourDetector:
    return ColourDetector(settings.detect.detector())


def test_the_parts_of_a_server_decide_as_a_server_does(folder: Path, tmp_path: Path) -> None:
    served = evaluate_clips(folder, compare_filter=False, detector_target=TARGET).report
    local = evaluate_clips(folder, local=True, at_once=1, open_local=open_colours).report
    for key in ("seconds", "total", "labels", "frames"):
        assert local[key] == served[key], key
    assert (
        local["by_clip"]["mixed.mp4"]["false_reactions"] == served["by_clip"]["mixed.mp4"]["false_reactions"]
    )
    assert local["skipping"]["lost"] == []


def test_the_policy_is_run_again_on_what_was_recorded(folder: Path, tmp_path: Path) -> None:
    evaluate_clips(folder, local=True, at_once=1, record=tmp_path / "recorded", open_local=open_colours)
    replayed = evaluate_recordings(tmp_path / "recorded", folder).report
    assert (replayed["labels"]["smile"]["found"], replayed["total"]["false"]) == (1, 1)
    assert replayed["frames"]["analysed"] == 95
    slow = tmp_path / "slow.toml"
    slow.write_text("[reactions.labels.smile]\ndwell_s = 9.0\n", encoding="utf-8")
    assert evaluate_recordings(tmp_path / "recorded", folder, config=slow).report["total"]["found"] == 0


def test_finished_clips_are_kept_and_taken_over(folder: Path, tmp_path: Path) -> None:
    analysed: list[int] = []

    class Counting(ColourDetector):
        def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
            analysed.append(len(frames))
            return super().detect(frames)

    def run(directory: Path = folder, **changes: Any) -> dict[str, Any]:
        given: dict[str, Any] = {
            "local": True,
            "at_once": 1,
            "compare_filter": False,
            "keep": tmp_path,
            **changes,
        }
        analysed.clear()
        return evaluate_clips(
            directory, open_local=lambda settings: Counting(settings.detect.detector()), **given
        ).report

    run(only=["quiet.mp4"])
    alone = sum(analysed)
    whole = run(resume=True)
    assert sum(analysed) > alone > 0
    # All clips are kept now, and nothing is run.
    assert run(resume=True) == whole
    assert analysed == []
    assert whole["about"]["model"] == "colours"
    # Without --resume, with other settings or with another clip under the same name, they are run again.
    run()
    both = sum(analysed)
    # With recordings, another policy needs no networks.
    run(record=tmp_path / "recorded")
    assert sum(analysed) > both
    careful = run(resume=True, preset="careful", record=tmp_path / "recorded")
    assert analysed == []
    assert careful["about"]["preset"] == "careful"
    run(resume=True, preset="careful")
    assert sum(analysed) >= alone
    write(colour_frames(RED, 40), folder / "quiet.mp4", fps=FPS)
    run(resume=True)
    assert 0 < sum(analysed) < both
    for path in tmp_path.glob("runs/*/*.mp4.json"):
        path.write_text("{", encoding="utf-8")
    run(resume=True)
    assert sum(analysed) > 0


def test_gestures_that_only_a_server_runs_are_refused(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "gifcue.toml"
    config.write_text(f'[detect]\ngestures_dir = "{tmp_path}"\n', encoding="utf-8")
    for run in (
        lambda: evaluate_clips(folder, config=config, local=True, open_local=open_colours),
        lambda: evaluate_recordings(tmp_path, folder, config=config),
    ):
        with pytest.raises(ConfigError, match="which only a server runs"):
            run()


def test_the_text_and_one_clip_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluation = evaluate_clips(
        folder, only=["quiet.mp4"], compare_filter=False, preset="careful", detector_target=TARGET
    )
    print_clips_report(evaluation.report)
    text = capsys.readouterr().out
    assert "colours 1 fake, preset careful: 1 clips" in text
    assert "missed: quiet.mp4 wave 0.0-1.0 s: not held at all" in text
    assert "mixed" not in text
    assert "filter off" not in text


def test_nothing_is_delivered_whatever_the_configuration_says(folder: Path, tmp_path: Path) -> None:
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
        evaluation = evaluate_clips(folder, config=config, compare_filter=False, detector_target=TARGET)
        receiver.shutdown()
    assert evaluation.report["labels"]["smile"]["found"] == 1
    assert posts == []
