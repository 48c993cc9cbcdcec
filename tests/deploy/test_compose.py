"""compose.yaml follows the schema of the Compose specification, and names files, ports and settings that exist.

compose-spec.json is the schema of compose-go 2.16.2, Docker Compose's own library (Apache-2.0), without white space.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from gifcue.server.capacity.record import path_of
from gifcue.server.config import load_settings
from gifcue.server.stopping import STOP_GRACE_S

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads(Path(__file__).with_name("compose-spec.json").read_text(encoding="utf-8"))


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def test_the_schema_takes_it() -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(compose())


def test_the_schema_refuses_what_is_no_compose_file() -> None:
    wrong = compose()
    wrong["services"]["gifcue"]["stop_grace"] = "30s"
    with pytest.raises(jsonschema.ValidationError, match="stop_grace"):
        jsonschema.Draft202012Validator(SCHEMA).validate(wrong)


def test_the_settings_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in compose()["services"]["gifcue"]["environment"].items():
        monkeypatch.setenv(name, value)
    settings = load_settings(None)
    assert settings.limits.max_participants == "auto"
    assert path_of(settings) == Path("/var/cache/gifcue/capacity.json")
    assert "cache:/var/cache/gifcue" in compose()["services"]["gifcue"]["volumes"]
    seconds = re.fullmatch(r"(\d+)s", compose()["services"]["gifcue"]["stop_grace_period"])
    assert seconds is not None
    assert int(seconds[1]) > load_settings(ROOT / "deploy" / "gifcue.toml").server.stop_s + STOP_GRACE_S


def test_the_recipe_gives_the_secrets_to_the_user_of_the_image() -> None:
    uid = re.search(
        r"^ARG UID=(\d+)$", (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert uid is not None
    for path in (ROOT / "compose.yaml", ROOT / "docs" / "operating.md"):
        text = path.read_text(encoding="utf-8")
        assert f"install -m 0600 -o {uid[1]} -t gifcue tls.crt tls.key keys.toml" in text
        assert "install -m 0600 -o 65534 -t gifcue observe.token" in text


def test_the_files_that_are_mounted_are_there_or_the_operators_own() -> None:
    mounted = [volume for each in compose()["services"].values() for volume in each["volumes"]]
    sources = {volume.partition(":")[0] for volume in mounted}
    named = set(compose()["volumes"])
    own = {source for source in sources if source.startswith("./gifcue")}
    assert {source for source in sources - named - own if not (ROOT / source).exists()} == set()
    assert (ROOT / compose()["services"]["gifcue"]["build"]["dockerfile"]).is_file()
