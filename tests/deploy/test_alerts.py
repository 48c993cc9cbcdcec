"""Every alert has fired once in a test of promtool, and has an entry in the runbook."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.support.programs import require

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


def read(name: str) -> Any:
    return YAML(typ="safe").load((FOLDER / name).read_text(encoding="utf-8"))


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in read("alerts.yml")["groups"] for rule in group["rules"]}


def test_each_alert_fires_and_a_server_that_works_raises_none() -> None:
    command = [require("promtool"), "test", "rules", "alerts_test.yml"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    tests = read("alerts_test.yml")["tests"]
    fired = {
        case["alertname"] for test in tests for case in test.get("alert_rule_test", []) if case["exp_alerts"]
    }
    assert fired == set(alerts())
    (quiet,) = [test for test in tests if "alert_rule_test" not in test]
    # The quiet server has every series that an alert looks at, save those of TLS and of deliveries.
    series = {each["series"].partition("{")[0] for each in quiet["input_series"]}
    looked_at = {
        name for alert in alerts().values() for name in re.findall(r"\b(?:gifcue|process)_\w+", alert["expr"])
    }
    assert looked_at - series == {"gifcue_certificate_expiry_timestamp_seconds", "gifcue_delivery_dead_total"}


def test_each_alert_has_an_entry_in_the_runbook_and_each_entry_an_alert() -> None:
    headings = re.findall(r"^## (Gifcue\w+)$", RUNBOOK, re.MULTILINE)
    assert sorted(headings) == sorted(alerts())
    for name, alert in alerts().items():
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
        assert alert["labels"]["severity"] in ("warning", "critical")


def test_prometheus_takes_its_configuration() -> None:
    command = [require("promtool"), "check", "config", "--syntax-only", "prometheus.yml"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
