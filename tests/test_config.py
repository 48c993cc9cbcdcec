"""A file, the environment over it, the command line over both; every mistake names its field."""

from __future__ import annotations

from pathlib import Path

import pytest

from gifcue.config import load_settings
from gifcue.errors import ConfigError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_the_defaults_hold() -> None:
    settings = load_settings()
    assert settings.server.listen == "127.0.0.1:50051"
    assert settings.reactions.preset == "normal"


def test_the_command_line_goes_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        tmp_path / "gifcue.toml",
        '[server]\nlisten = "0.0.0.0:1"\nhttp_listen = "0.0.0.0:2"\nidle_timeout_s = 3\n[media]\nworkers = 2\n',
    )
    monkeypatch.setenv("GIFCUE_SERVER__HTTP_LISTEN", "0.0.0.0:22")
    monkeypatch.setenv("GIFCUE_SERVER__LISTEN", "0.0.0.0:11")
    settings = load_settings(path, {"server": {"listen": "0.0.0.0:111"}})
    assert settings.server.listen == "0.0.0.0:111"
    assert settings.server.http_listen == "0.0.0.0:22"
    assert settings.server.idle_timeout_s == 3.0
    assert settings.media.workers == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nlisten = 5\n", r"gifcue\.toml: server\.listen: .*got 5"),
        ("[server]\nlistn = '0.0.0.0:1'\n", r"gifcue\.toml: server\.listn: Extra inputs are not permitted"),
        ("[media.filter]\nmetric = 'taste'\n", r"gifcue\.toml: media\.filter\.metric: .*got 'taste'"),
        ("[server\n", r"gifcue\.toml: expected TOML"),
    ],
)
def test_a_mistake_names_file_and_field(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_settings(write(tmp_path / "gifcue.toml", text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a readable file"):
        load_settings(tmp_path / "nothing.toml")


def test_the_deployed_settings_are_valid() -> None:
    settings = load_settings(Path(__file__).parents[1] / "deploy" / "gifcue.toml")
    assert settings.server.listen == "0.0.0.0:50051"
