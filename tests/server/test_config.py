"""A file, the environment over it, the command line over both; every mistake names its field."""

from __future__ import annotations

from pathlib import Path
from traceback import format_exception

import pytest

from gifcue.errors import ConfigError
from gifcue.server.config import load_settings
from tests.support.deliveries import SECRET


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
        ("[reactions.labels.smile]\nstart = 0.5\n", r"gifcue\.toml: reactions\.labels\.smile: expected stay"),
    ],
)
def test_a_mistake_names_file_and_field(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_settings(write(tmp_path / "gifcue.toml", text))


def test_the_environment_goes_over_the_file_before_either_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        tmp_path / "gifcue.toml",
        '[delivery.webhook]\nurl = "https://example.org/hook"\nsecret = "whsec_none"\n'
        "[reactions.labels.smile]\nstay = 0.4\n",
    )
    monkeypatch.setenv("GIFCUE_DELIVERY__WEBHOOK__SECRET", SECRET)
    monkeypatch.setenv("GIFCUE_REACTIONS__LABELS__SMILE__START", "0.5")
    settings = load_settings(path)
    assert settings.delivery.webhook is not None
    assert settings.delivery.webhook.url == "https://example.org/hook"
    assert settings.delivery.webhook.secret.get_secret_value() == SECRET
    assert (settings.reactions.labels["smile"].start, settings.reactions.labels["smile"].stay) == (0.5, 0.4)


@pytest.mark.parametrize(
    "name", ["GIFCUE_DELIVERY__EYESON__ROOMS", "GIFCUE_DELIVERY", "GIFCUE_SERVER", "GIFCUE_REACTIONS__LABELS"]
)
def test_a_variable_with_malformed_json_is_named_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("GIFCUE_MEDIA__WORKERS", "2")
    monkeypatch.setenv(name, f'{{"team": {{"access_key": "{SECRET}"')
    with pytest.raises(ConfigError, match=f"^{name}: expected JSON") as caught:
        load_settings()
    assert SECRET not in "".join(format_exception(caught.value))
    assert caught.value.__context__ is None, "it would hold the value"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a readable file"):
        load_settings(tmp_path / "nothing.toml")


def test_the_deployed_settings_are_valid() -> None:
    settings = load_settings(Path(__file__).parents[2] / "deploy" / "gifcue.toml")
    assert settings.server.listen == "0.0.0.0:50051"
