"""The peers' environments: made once from pins, and named in the error if one is missing."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.peers import environments
from benchmarks.peers.__main__ import main
from benchmarks.peers.backends import PEERS, exported_model
from benchmarks.peers.environments import NAMES, REQUIREMENTS, EnvironmentMissing


def test_an_absent_environment_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match=r"python -m benchmarks\.peers setup triton"):
        environments.python_of("triton", tmp_path)


def test_an_absent_model_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match=r"python -m benchmarks\.peers setup jpeg-http"):
        exported_model(tmp_path)


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"jpeg-http, mediapipe, triton, got 'other'"):
        environments.make("other", tmp_path)


def test_an_environment_is_made_once_and_again_after_its_pins_change(tmp_path: Path) -> None:
    commands: list[Sequence[str]] = []
    reported: list[str] = []

    for _ in range(2):
        python = environments.make("mediapipe", tmp_path, commands.append, reported.append)

    assert python == tmp_path / "mediapipe" / "bin" / "python"
    assert python.exists()
    (command,) = commands
    assert list(command[-2:]) == ["-r", str(REQUIREMENTS / "mediapipe.txt")]
    assert len(reported) == 1
    (tmp_path / "mediapipe" / "installed").write_text("other pins", encoding="utf-8")
    with pytest.raises(EnvironmentMissing):
        environments.python_of("mediapipe", tmp_path)
    environments.make("mediapipe", tmp_path, commands.append, reported.append)
    assert len(commands) == 2


def test_an_environment_is_not_ready_after_a_failure_of_pip(tmp_path: Path) -> None:
    def fails(command: Sequence[str]) -> None:
        raise subprocess.CalledProcessError(1, command)

    with pytest.raises(subprocess.CalledProcessError):
        environments.make("triton", tmp_path, fails, lambda line: None)

    assert not environments.is_ready("triton", tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_pinned(name: str) -> None:
    lines = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()

    pins = [line for line in lines if not line.startswith("#")]
    assert pins
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+]+", pin) for pin in pins)


def test_there_is_an_environment_for_every_peer() -> None:
    assert set(PEERS) == set(NAMES)


@pytest.mark.parametrize("command", ["run", "capacity"])
def test_a_missing_environment_is_reported_in_one_line(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environments, "is_ready", lambda name, home: False)
    monkeypatch.setattr("sys.argv", ["peers", command, "--peer", "jpeg-http", "--json"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert "run `python -m benchmarks.peers setup jpeg-http`" in str(ended.value.code)
    assert "\n" not in str(ended.value.code)
    assert capsys.readouterr().out == ""
