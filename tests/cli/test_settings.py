"""`gifcue settings`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.deliveries import SECRET

from .conftest import Gifcue


def told(gifcue: Gifcue, *arguments: str | Path) -> dict[str, dict[str, Any]]:
    result = gifcue("settings", *arguments, "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return {line["setting"]: line for line in lines}


def test_every_setting_says_what_it_does(gifcue: Gifcue) -> None:
    settings = told(gifcue)
    assert len(settings) > 100
    assert [name for name, each in settings.items() if not each["description"]] == []
    assert settings["reactions.swings.min_swings"]["value"] == 3
    assert settings["reactions.labels.wave.motion"]["value"] == "side_to_side"
    assert settings["delivery.webhook"]["value"] is None


def test_values_are_those_in_force_and_secrets_are_not_shown(
    gifcue: Gifcue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gifcue.toml"
    config.write_text(
        f'[delivery.webhook]\nurl = "https://example.org/hook"\nsecret = "{SECRET}"\n'
        "[reactions.labels.smile]\ndwell_s = 1.5\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("GIFCUE_REACTIONS__LABELS__SMILE__COOLDOWN_S", "9")
    settings = told(gifcue, "-c", config)
    assert settings["reactions.labels.smile.dwell_s"]["value"] == 1.5
    assert settings["reactions.labels.smile.cooldown_s"]["value"] == 9.0
    assert settings["delivery.webhook.url"]["value"] == "https://example.org/hook"
    assert settings["delivery.webhook.secret"]["value"] == "(secret)"
    assert SECRET not in gifcue("settings", "-c", config).stdout


def test_one_table_alone(gifcue: Gifcue) -> None:
    assert set(told(gifcue, "rules")) == {name for name in told(gifcue) if name.startswith("rules.")}
    assert set(told(gifcue, "media.filter.threshold")) == {"media.filter.threshold"}
    assert "min_travel" in gifcue("settings", "reactions.swings").stdout
    unknown = gifcue("settings", "react")
    assert (unknown.exit_code, "got 'react'" in unknown.stderr) == (2, True)
