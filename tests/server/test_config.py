"""Precedence of file, environment and command line; every error names its field."""

from __future__ import annotations

import pickle
import tomllib
from collections.abc import Iterator
from pathlib import Path
from traceback import format_exception
from typing import Any

import pytest

from gifcue.errors import ConfigError
from gifcue.server.config import Settings, load_settings
from gifcue.server.setting_names import REMOVED, RENAMED, declared, moved
from tests.support.deliveries import SECRET

DEPLOYED = Path(__file__).parents[2] / "deploy" / "gifcue.toml"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_settings_go_to_other_processes(tmp_path: Path) -> None:
    file = write(tmp_path / "gifcue.toml", '[server]\nlisten = "0.0.0.0:1"\n')
    settings = load_settings(file, {"reactions": {"preset": "careful"}})
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert settings.model_fields_set == {"server", "reactions"}


def test_without_configuration_the_defaults_apply() -> None:
    settings = load_settings()
    assert settings.server.listen == "127.0.0.1:50051"
    assert settings.reactions.preset == "normal"


def test_the_command_line_overrides_the_environment_which_overrides_the_file(
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
        ("[media.filter]\nthreshold = 'low'\n", r"gifcue\.toml: media\.filter\.threshold: .*got 'low'"),
        (
            "[expert.media.filter]\nmetric = 'taste'\n",
            r"gifcue\.toml: expert\.media\.filter\.metric: .*got 'taste'",
        ),
        ("[expert.supervision]\nstop_grace_s = -1\n", r"toml: expert\.supervision\.stop_grace_s: .*got -1"),
        (
            "[expert.supervision]\nmax_restarts = 5\n",
            r"toml: expert\.supervision\.max_restarts: was removed; the value is fixed at no limit",
        ),
        (
            "[expert.reactions.placement]\nchin_top = 0.9\nchin_bottom = 0.5\n",
            r"gifcue\.toml: expert\.reactions\.placement: expected chin_bottom",
        ),
        ("[server\n", r"gifcue\.toml: expected TOML"),
        ("[reactions.labels.smile]\nstart = 0.5\n", r"gifcue\.toml: reactions\.labels\.smile: expected stay"),
    ],
)
def test_a_mistake_names_file_and_field(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_settings(write(tmp_path / "gifcue.toml", text))


def test_the_environment_overrides_the_file_before_validation(
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


def test_expert_settings_of_the_environment_override_those_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        tmp_path / "gifcue.toml",
        "[expert.media]\nslots_per_worker = 4\n[expert.reactions.labels.smile]\nrelease_s = 1.0\n"
        "[reactions.labels.smile]\ndwell_s = 1.5\n[expert.reactions.swings]\nmin_swings = 5\n",
    )
    monkeypatch.setenv("GIFCUE_EXPERT__MEDIA__SLOTS_PER_WORKER", "8")
    monkeypatch.setenv("GIFCUE_EXPERT__DETECT__MAX_BATCH", "4")
    monkeypatch.setenv("GIFCUE_EXPERT__REACTIONS__LABELS__SMILE__HAND_AT_FACE", "true")
    settings = load_settings(path)
    smile = settings.reactions.labels["smile"]
    assert settings.media.slots_per_worker == 8
    assert settings.detect.max_batch == 4
    assert (smile.dwell_s, smile.release_s, smile.hand_at_face) == (1.5, 1.0, True)
    assert settings.reactions.swings.min_swings == 5
    assert settings.reactions.with_preset("careful").swings.min_swings == 5


@pytest.mark.parametrize("old", sorted(moved(Settings)))
def test_every_old_name_is_refused_with_its_replacement(
    old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *tables, key = old.replace("*", "smile").split(".")
    path = write(tmp_path / "gifcue.toml", f"[{'.'.join(tables)}]\n{key} = 1\n")
    with pytest.raises(ConfigError, match=rf"gifcue\.toml: {'.'.join(tables)}\.{key}: (is now|was removed)"):
        load_settings(path)
    variable = f"GIFCUE_{'__'.join([*tables, key]).upper()}"
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ConfigError, match=f"^{variable}: (is now|was removed)"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[media]\nslots_per_worker = 8\n", "media.slots_per_worker: is now expert.media.slots_per_worker"),
        (
            "[supervision]\nstop_grace_s = 8\n",
            "supervision.stop_grace_s: is now expert.supervision.stop_grace_s",
        ),
        (
            "[delivery.webhook.courier]\njitter = 0.1\n",
            "delivery.webhook.courier.jitter: is now expert.delivery.webhook.queue.jitter",
        ),
        (
            "[media.filter]\ntiles_long = 8\n",
            "media.filter.tiles_long: was removed; the value is fixed at 16 tiles",
        ),
        (
            "[expert.media]\nworkers = 2\n",
            "expert.media.workers: is no expert setting; expected it as media.workers",
        ),
        ("[expert.media]\nworker = 2\n", "expert.media.worker: expected the name of an expert setting"),
        ("expert = 2\n", "expert: expected a table"),
    ],
)
def test_a_name_in_the_wrong_place_is_refused_with_the_right_one(
    tmp_path: Path, text: str, words: str
) -> None:
    path = write(tmp_path / "gifcue.toml", text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert str(caught.value) == f"{path}: {words}"


def test_the_replacements_of_old_names_exist() -> None:
    names = {each.name for each in declared(Settings)}
    assert set(RENAMED.values()) <= names
    assert names.isdisjoint(REMOVED)
    assert names.isdisjoint(RENAMED)


def test_a_secret_in_the_wrong_place_of_the_expert_table_is_not_quoted(tmp_path: Path) -> None:
    path = write(tmp_path / "gifcue.toml", f'[expert.delivery.webhook]\nsecret = "{SECRET}"\n')
    with pytest.raises(
        ConfigError, match=r"expert\.delivery\.webhook\.secret: is no expert setting"
    ) as caught:
        load_settings(path)
    assert SECRET not in "".join(format_exception(caught.value))


@pytest.mark.parametrize(("cores", "each"), [(1, 1), (2, 1), (3, 1), (4, 2), (16, 8)])
def test_workers_follow_the_machine(cores: int, each: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gifcue.workers.settings.usable_cores", lambda: cores)
    settings = load_settings()
    assert (settings.media.workers, settings.detect.workers) == (each, each)
    monkeypatch.setenv("GIFCUE_MEDIA__WORKERS", "auto")
    settings = load_settings(None, {"detect": {"workers": 3}})
    assert (settings.media.workers, settings.detect.workers) == (each, 3)


def test_detectors_follow_their_devices_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gifcue.workers.settings.usable_cores", lambda: 16)

    def workers(**detect: object) -> int:
        return load_settings(None, {"detect": detect}).detect.workers

    assert workers(threads=4) == 2
    assert workers(threads=64) == 1
    assert workers(backend="savedmodel") == 1
    assert workers(backend="savedmodel", cuda_devices=["0", "1", "2"]) == 3
    with pytest.raises(ConfigError, match=r"detect\.threads: .*got 0"):
        workers(threads=0)


@pytest.mark.parametrize(
    "name",
    [
        "GIFCUE_DELIVERY__EYESON__ROOMS",
        "GIFCUE_DELIVERY",
        "GIFCUE_SERVER",
        "GIFCUE_REACTIONS__LABELS",
        "GIFCUE_EXPERT__MEDIA",
    ],
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
    settings = load_settings(DEPLOYED)
    assert settings.server.listen == "0.0.0.0:50051"


def test_the_deployed_file_names_every_operator_setting_and_its_comments_are_valid(tmp_path: Path) -> None:
    text = DEPLOYED.read_text(encoding="utf-8").replace("#: ", "")
    load_settings(write(tmp_path / "gifcue.toml", text))
    given = {name.replace(".smile.", ".*.").replace(".team-7.", ".*.") for name in names(tomllib.loads(text))}
    assert given == {each.name for each in declared(Settings) if not each.is_expert}


def names(table: dict[str, Any], under: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from names(value, f"{under}{key}.")
        else:
            yield f"{under}{key}"
