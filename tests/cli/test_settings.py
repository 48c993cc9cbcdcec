"""`gifcue settings`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gifcue.server.config import Settings
from gifcue.server.setting_names import REMOVED, RENAMED, moved
from tests.support.deliveries import SECRET

from .conftest import Gifcue


def read_settings(gifcue: Gifcue, *arguments: str | Path) -> dict[str, dict[str, Any]]:
    result = gifcue("settings", *arguments, "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return {line["setting"]: line for line in lines}


def test_every_setting_says_what_it_does(gifcue: Gifcue) -> None:
    operators, experts = read_settings(gifcue), read_settings(gifcue, "--expert")
    assert operators.keys().isdisjoint(experts)
    settings = operators | experts
    assert len(settings) > 100
    assert [name for name, each in settings.items() if not each["description"]] == []
    assert experts["expert.reactions.swings.min_swings"]["value"] == 3
    assert experts["expert.reactions.labels.wave.motion"]["value"] == "side_to_side"
    assert operators["delivery.webhook"]["value"] is None


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
    settings = read_settings(gifcue, "-c", config)
    assert settings["reactions.labels.smile.dwell_s"]["value"] == 1.5
    assert settings["reactions.labels.smile.cooldown_s"]["value"] == 9.0
    assert settings["delivery.webhook.url"]["value"] == "https://example.org/hook"
    assert settings["delivery.webhook.secret"]["value"] == "(secret)"
    assert SECRET not in gifcue("settings", "-c", config).stdout


def test_one_table_alone(gifcue: Gifcue) -> None:
    assert set(read_settings(gifcue, "rules")) == {
        name for name in read_settings(gifcue) if name.startswith("rules.")
    }
    assert set(read_settings(gifcue, "media.filter.threshold")) == {"media.filter.threshold"}
    assert set(read_settings(gifcue, "expert.rules")) == {
        "expert.rules.seed",
        "expert.rules.reload_interval_s",
    }
    assert read_settings(gifcue, "rules", "--expert") == read_settings(gifcue, "expert.rules")
    assert "min_travel" in gifcue("settings", "expert.reactions.swings").stdout
    unknown = gifcue("settings", "react")
    assert (unknown.exit_code, "got 'react'" in unknown.stderr) == (2, True)


def test_operators_have_few_settings(gifcue: Gifcue) -> None:
    counts = re.fullmatch(r"(\d+) settings, (\d+) expert settings\n", gifcue("settings", "--count").stdout)
    assert counts is not None
    # What an operator has to read through once. Everything else has a default that fits, and is for experts.
    assert 40 <= int(counts[1]) <= 72


def test_the_documents_list_every_setting_and_every_old_name(gifcue: Gifcue) -> None:
    docs = Path(__file__).parents[2] / "docs"
    listed = (docs / "settings.md").read_text(encoding="utf-8")
    assert gifcue("settings", "--markdown").stdout in listed
    assert gifcue("settings", "--expert", "--markdown").stdout in listed
    rows = {row(old, became) for old, became in moved(Settings).items()}
    migration = (docs / "migration.md").read_text(encoding="utf-8")
    section = migration.partition("\n## Settings\n")[2].partition("\n## ")[0]
    lines = {line for line in section.splitlines() if line.startswith("| `")}
    # An expert setting that never had another name has a hint where it is set as an operator's, but is not listed.
    assert lines <= rows
    assert {
        row(old, became) for old, became in moved(Settings).items() if old in {*RENAMED, *REMOVED}
    } <= lines


def row(old: str, became: str) -> str:
    """A row of the table of old names in docs/migration.md."""
    new = became.removeprefix("is now ")
    return f"| `{old}` | {became if new == became else f'`{new}`'} |".replace("*", "NAME")
