from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2

from gifcue import __version__
from gifcue.cli.app import COMMANDS, MOVED, LazyGroup, app
from gifcue.detect.extra_gestures import EXTRA_GESTURES
from gifcue.protocol.codecs import Codec
from gifcue.sample_video.clips import write
from gifcue.sample_video.photo import photo_frames
from gifcue.testing import FakeServer
from gifcue.v1 import operator_service_pb2

from .conftest import Gifcue


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.full((90, 160, 3), 200, np.uint8))
    return path


def test_help_names_every_command_and_imports_none(gifcue: Gifcue) -> None:
    result = gifcue("--help")
    assert result.exit_code == 0
    for name, entry in COMMANDS.items():
        assert name in result.stdout
        assert entry.help.split(",")[0][:30] in result.stdout
    assert gifcue().stdout.strip() == result.stdout.strip()
    code = (
        "import sys; from gifcue.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'av', 'cv2', 'grpc', 'numpy', 'tensorflow', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(gifcue: Gifcue, command: str) -> None:
    result = gifcue(command, "--help")
    assert result.exit_code == 0
    assert f"gifcue {command}" in result.stdout


def test_the_version(gifcue: Gifcue) -> None:
    assert gifcue("--version").stdout == f"gifcue {__version__}\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (PermissionError(13, "Permission denied", "/proc/x"), "/proc/x: Permission denied"),
        (OSError("cannot lock the file"), "cannot lock the file"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    error: OSError, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _fail_with(error, monkeypatch)
    with pytest.raises(SystemExit) as caught:
        app(["status"])
    assert caught.value.code == 1
    assert capsys.readouterr().err == f"error: {line}\n"


def test_an_error_that_says_nothing_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    _fail_with(TimeoutError(), monkeypatch)
    with pytest.raises(TimeoutError):
        app(["status"])


def _fail_with(error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(LazyGroup, "get_command", fail)


def test_an_unknown_command_is_usage(gifcue: Gifcue) -> None:
    result = gifcue("serv")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: No such command 'serv'")


@pytest.mark.parametrize("command", list(MOVED))
def test_a_command_of_the_laboratory_names_its_new_place(gifcue: Gifcue, command: str) -> None:
    result = gifcue(command, "whatever", "--json")
    assert result.exit_code == 2
    message = " ".join(result.stderr.split())
    assert message.startswith("error: expected one of serve, stream,")
    assert f'`{command}` moved to `gifcue-lab {command}` (pip install "gifcue[lab]")' in message


def test_annotate_prints_json(gifcue: Gifcue, server: FakeServer, photo: Path) -> None:
    result = gifcue("annotate", photo, photo, "-s", server.target, "--json")
    assert result.exit_code == 0, result.output
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert first == second
    assert first["image"] == str(photo)
    assert [found["label"] for found in first["annotations"]] == ["smile", "face"]
    assert first["annotations"][0]["box"]["xmin"] == pytest.approx(0.2)


def test_annotate_draws_the_boxes(gifcue: Gifcue, server: FakeServer, photo: Path, tmp_path: Path) -> None:
    target = tmp_path / "boxes.jpg"
    result = gifcue("annotate", photo, "-s", server.target, "--save", target)
    assert result.exit_code == 0, result.output
    assert "smile" in result.stdout
    drawn = cv2.imread(str(target))
    assert drawn is not None
    assert drawn.shape == (90, 160, 3)
    assert (np.abs(drawn.astype(int) - 200) > 40).any(axis=2).mean() > 0.02

    folder = tmp_path / "drawn"
    folder.mkdir()
    assert gifcue("annotate", photo, photo, "-s", server.target, "--save", folder).exit_code == 0
    assert [path.name for path in folder.iterdir()] == ["photo.boxes.png"]


def test_annotate_reports_invalid_input(
    gifcue: Gifcue, server: FakeServer, photo: Path, tmp_path: Path
) -> None:
    missing = gifcue("annotate", tmp_path / "none.jpg", "-s", server.target)
    assert (missing.exit_code, "No such file" in missing.stderr) == (1, True)
    text = tmp_path / "text.jpg"
    text.write_text("text")
    refused = gifcue("annotate", text, "-s", server.target)
    assert (refused.exit_code, "expected a JPEG or PNG" in refused.stderr) == (1, True)
    ending = gifcue("annotate", photo, "-s", server.target, "--save", tmp_path / "x.tiff")
    assert (ending.exit_code, "--save" in ending.stderr) == (2, True)
    several = gifcue("annotate", photo, photo, "-s", server.target, "--save", tmp_path / "x.png")
    assert (several.exit_code, "existing folder" in several.stderr) == (2, True)


def test_status(gifcue: Gifcue, server: FakeServer) -> None:
    result = gifcue("status", "-s", server.target)
    assert result.exit_code == 0, result.output
    assert "serving" in result.stdout
    assert "decode-0" in result.stdout
    status = json.loads(gifcue("status", "-s", server.target, "--json").stdout)
    assert status["state"] == "serving"
    assert status["books"]["is_consistent"] is True
    assert gifcue("status", "-s", server.target, "--metrics").stdout == "gifcue_frames_received_total 0\n"


def test_a_server_that_does_not_serve_fails_the_status_command(gifcue: Gifcue, server: FakeServer) -> None:
    server.service.state = operator_service_pb2.SERVING_STATE_NOT_SERVING
    for arguments in ((), ("--json",)):
        result = gifcue("status", "-s", server.target, *arguments)
        assert (result.exit_code, "not_serving" in result.stdout) == (1, True)


@pytest.mark.parametrize("question", ["--probe", "--alive"])
def test_probes_say_yes_or_no_by_the_exit_status_alone(
    gifcue: Gifcue, server: FakeServer, question: str
) -> None:
    result = gifcue("status", "-s", server.target, question)
    assert (result.exit_code, result.output) == (0, "")
    server.service.health = health_pb2.HealthCheckResponse.NOT_SERVING
    result = gifcue("status", "-s", server.target, question)
    assert (result.exit_code, result.output) == (1, "")


def test_a_refusal_of_the_server_is_reported(gifcue: Gifcue, server: FakeServer, tmp_path: Path) -> None:
    server.service.refuse = (StatusCode.RESOURCE_EXHAUSTED, "expected at most 1 stream, got one more")
    clip = write(photo_frames(0.2, 10, width=160, height=96), tmp_path / "clip.mp4", Codec.H264, 10)
    result = gifcue("stream", clip, "-s", server.target)
    assert result.exit_code == 1
    assert result.stderr == "error: RESOURCE_EXHAUSTED: expected at most 1 stream, got one more\n"


def test_labels(gifcue: Gifcue, tmp_path: Path) -> None:
    (tmp_path / "label_map.pbtxt").write_text(
        'item { id: 1 name: "face" } item { id: 2 name: "smile" }', encoding="utf-8"
    )
    lines = gifcue("labels", "--model", tmp_path, "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"id": 1, "label": "face", "reaction": False},
        {"id": 2, "label": "smile", "reaction": True},
    ]
    assert "smile" in gifcue("labels", "--model", tmp_path).stdout
    config = tmp_path / "gifcue.toml"
    config.write_text('[detect]\nextra_gestures = ["rock"]\n', encoding="utf-8")
    lines = gifcue("labels", "--model", tmp_path, "-c", config, "--json").stdout.splitlines()
    assert json.loads(lines[-1]) == {"id": None, "label": "rock", "reaction": True}
    config.write_text('[detect]\nextra_gestures = ["five"]\n', encoding="utf-8")
    wrong = gifcue("labels", "--model", tmp_path, "-c", config)
    assert wrong.exit_code == 2
    assert all(name in wrong.stderr for name in ("detect.extra_gestures", "five", *EXTRA_GESTURES))
    missing = gifcue("labels", "--model", tmp_path / "none")
    assert (missing.exit_code, "label_map.pbtxt" in missing.stderr) == (1, True)


def test_filter(gifcue: Gifcue, tmp_path: Path) -> None:
    frames = photo_frames(1, 10, width=160, height=96, motion="still")
    clip = write(frames, tmp_path / "still.mp4", Codec.H264, 10)
    report = json.loads(gifcue("filter", clip, "--json").stdout)
    assert report["frames"] == 10
    assert report["skipped"] == 9
    assert report["share_skipped"] == pytest.approx(0.9)
    assert report["filter_ms_per_frame"] > 0
    assert "90.0%" in gifcue("filter", clip).stdout
    ssim = json.loads(gifcue("filter", clip, "--json", "--metric", "ssim", "--threshold", "0.5").stdout)
    assert (ssim["metric"], ssim["threshold"]) == ("ssim", 0.5)
    wrong = gifcue("filter", clip, "--metric", "nope")
    assert (wrong.exit_code, "media.filter.metric" in wrong.stderr) == (2, True)
    missing = gifcue("filter", tmp_path / "none.mp4", "--json")
    assert (missing.exit_code, "No such file" in missing.stderr) == (1, True)


def test_rules_explain(gifcue: Gifcue) -> None:
    choice = json.loads(gifcue("rules", "explain", "--label", "wave", "--score", "0.97", "--json").stdout)
    assert choice["label"] == "wave"
    assert choice["gif"]["url"].startswith("/gifs/")
    assert choice["considered"]
    text = gifcue("rules", "explain", "--label", "wave").stdout
    assert choice["gif"]["url"] in text
    assert "no GIF" in gifcue("rules", "explain", "--label", "wave", "--score", "0.01").stdout
    again = gifcue("rules", "explain", "--label", "wave", "--times", "2", "--every", "1").stdout
    assert "cooldown" in again


def test_rules_check(gifcue: Gifcue, tmp_path: Path) -> None:
    assert gifcue("rules", "check").exit_code == 0
    book = tmp_path / "book.yaml"
    book.write_text("version: 1\ngifs: {}\nrules:\n  - label: wave\n    gifs: [nope]\n", encoding="utf-8")
    result = gifcue("rules", "check", book)
    assert result.exit_code == 1
    assert f"{book}:" in result.stderr.replace("\n", "")
    assert "nope" in result.stderr
    mistakes = [json.loads(line) for line in gifcue("rules", "check", book, "--json").stdout.splitlines()]
    assert mistakes[0]["line"] == 5
    missing = gifcue("rules", "check", tmp_path / "none.yaml")
    assert (missing.exit_code, "none.yaml" in missing.stderr) == (2, True)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('[server]\nlisten = "nowhere"\n', "server.listen"),
        ("[server]\nlissten = 1\n", "server.lissten"),
        ("[server\n", "expected TOML"),
        ("[media]\nworkers = 0\n", "media.workers"),
    ],
)
def test_wrong_settings_name_file_and_field(gifcue: Gifcue, tmp_path: Path, content: str, named: str) -> None:
    config = tmp_path / "gifcue.toml"
    config.write_text(content, encoding="utf-8")
    result = gifcue("serve", "--config", config)
    assert result.exit_code == 2
    assert str(config) in result.stderr
    assert named in result.stderr


def test_serve_without_a_model_says_where_it_looked(gifcue: Gifcue, tmp_path: Path) -> None:
    result = gifcue("serve", "--model", tmp_path / "none")
    assert result.exit_code == 1
    assert "expected a folder with a model" in result.stderr
    result = gifcue("serve", "--model", tmp_path)
    assert result.exit_code == 1
    assert f"error: {tmp_path}" in result.stderr


def test_wrong_options_of_serve_name_the_field(gifcue: Gifcue) -> None:
    result = gifcue("serve", "--decode-workers", "0")
    assert result.exit_code == 2
    assert "media.workers" in result.stderr
