"""The command line: every command has help, and mistakes are reported before large packages are imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gifcue import __version__
from gifcue_lab import cli
from gifcue_lab.cli.app import COMMANDS

from .conftest import Lab

RECIPES = ["detector", "hand", "face"]


def test_help_names_every_command_and_imports_none(lab: Lab) -> None:
    result = lab("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert name in result.stdout
    assert lab().stdout.strip() == result.stdout.strip()
    code = (
        "import sys; from gifcue_lab.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'av', 'cv2', 'grpc', 'numpy', 'tensorflow', 'keras', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(lab: Lab, command: str) -> None:
    result = lab(command, "--help")
    assert result.exit_code == 0
    assert f"gifcue-lab {command}" in result.stdout


def test_the_version(lab: Lab) -> None:
    assert lab("--version").stdout == f"gifcue-lab {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "out"], "--data: expected a directory of labelled pictures"),
        (["train", "nothing.toml", "--data", "d", "--runs", "r"], "nothing.toml: expected a TOML file"),
        (["train", "nothing", "--data", "d", "--runs", "r"], "expected a .toml file or one of detector,"),
        (["train", "detector"], "Missing option '--data'"),
        (["average", "nothing.toml", "out", "run"], "nothing.toml: expected a TOML file"),
        (["hard-negatives", "out.json"], "Missing option '--data'"),
        (["calibrate", *RECIPES, "--data", "d"], "Missing option '--model'"),
        (
            ["pack", *RECIPES, "--data", "d", "--runs", "r", "--model", "m", "--run", "face"],
            "--run: expected a network and a directory like face=mean/face, got 'face'",
        ),
    ],
)
def test_a_mistake_is_one_line(
    lab: Lab, arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = lab(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_what_the_system_refuses_is_one_line(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = lab("dataset", "explode", "talk.mp4", tmp_path / "file" / "frames")
    assert result.exit_code == 1
    assert " ".join(result.stderr.split()) == f"error: {tmp_path}/file/frames: Not a directory"


def test_a_missing_package_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ModuleNotFoundError("No module named 'defusedxml'", name="defusedxml.common")

    monkeypatch.setattr("gifcue_lab.cli.app.app", fail)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        'error: gifcue-lab needs the package defusedxml, which is not installed: pip install "gifcue[lab]"\n'
    )


def test_a_missing_module_of_gifcue_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ModuleNotFoundError("No module named 'gifcue_lab.none'", name="gifcue_lab.none")

    monkeypatch.setattr("gifcue_lab.cli.app.app", fail)
    with pytest.raises(ModuleNotFoundError):
        cli.main()
