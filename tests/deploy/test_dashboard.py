"""The dashboard is what its program writes, in Grafana's own types."""

from __future__ import annotations

import json

from grafana_foundation_sdk.models.dashboard import Dashboard

from tools.dashboard import PATH, text


def test_the_file_is_what_make_dashboard_writes() -> None:
    assert PATH.read_text(encoding="utf-8") == text(), "run make dashboard"


def test_the_schema_of_the_version_that_it_states_takes_it() -> None:
    raw = json.loads(PATH.read_text(encoding="utf-8"))
    board = Dashboard.from_json(raw)
    assert board.schema_version == raw["schemaVersion"] == Dashboard().schema_version
    assert board.title == "gifcue"
    panels = raw["panels"]
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert all(panel["targets"] for panel in panels if panel["type"] != "row")
