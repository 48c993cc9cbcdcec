"""`gifcue train` and `gifcue export`: mistakes are told before anything heavy runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gifcue.cli.app import app


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "out"], "--data: expected a folder of labelled pictures"),
        (["train", "nothing.toml"], "nothing.toml: expected a TOML file"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        app(arguments)
    assert caught.value.code == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []
