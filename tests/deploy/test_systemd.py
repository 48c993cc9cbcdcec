"""The unit is one that systemd takes, and exposes little."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from gifcue.server.capacity.auto import TIMEOUT_S
from gifcue.server.capacity.record import path_of
from gifcue.server.config import load_settings
from gifcue.server.stopping import STOP_GRACE_S
from tests.support.programs import require

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "gifcue.service"


def analyze(folder: Path, *command: str) -> str:
    """What systemd-analyze says. The program of the unit is one that exists."""
    text = UNIT.read_text(encoding="utf-8").replace("/opt/gifcue/bin/gifcue", "/bin/true")
    (folder / UNIT.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [require("systemd-analyze"), *command, str(folder / UNIT.name)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_takes_the_unit_without_a_warning(tmp_path: Path) -> None:
    assert analyze(tmp_path, "verify") == ""


def test_the_exposure_level_is_low(tmp_path: Path) -> None:
    said = analyze(tmp_path, "security", "--offline=true", "--no-pager")
    level = re.search(r"exposure level for gifcue.service: ([0-9.]+)", said)
    assert level is not None, said
    assert float(level[1]) <= 1.5


def test_the_service_can_read_its_secrets_and_the_capacity_that_was_measured_for_it() -> None:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    guide = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    assert "User=gifcue" in lines
    assert "Group=gifcue" in lines
    assert re.search(r"^# useradd .*--user-group .* gifcue$", guide, re.MULTILINE)
    assert re.search(r"^# install -m 0640 -g gifcue -t /etc/gifcue .*keys\.toml$", guide, re.MULTILINE)
    (variable,) = [line.removeprefix("Environment=") for line in lines if line.startswith("Environment=")]
    name, _, path = variable.partition("=")
    assert f"env {variable} " in guide
    assert "CacheDirectory=gifcue" in lines
    assert Path(path).parent == Path("/var/cache/gifcue")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(name, path)
        assert path_of(load_settings(None)) == Path(path)


def test_the_times_of_the_unit_fit_those_of_the_server() -> None:
    unit = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE))
    assert (unit["Type"], unit["KillMode"]) == ("notify", "mixed")
    assert float(unit["TimeoutStartSec"]) > TIMEOUT_S
    assert float(unit["TimeoutStopSec"]) > load_settings(None).server.stop_s + STOP_GRACE_S
