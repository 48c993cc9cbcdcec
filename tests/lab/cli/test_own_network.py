"""Recipes, packing and calibration of networks for labels of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gifcue.detect.settings import default_model_dir

from .conftest import Lab


def test_calibrate_prints_the_settings_with_the_digest(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        "gifcue_lab.export.calibration.calibrate", lambda *values, **named: asked.append((values, named))
    )
    (tmp_path / "train" / "p31").mkdir(parents=True)
    command = ["calibrate", "face", "--model", default_model_dir(), "--data", tmp_path, "--group"]
    result = lab(*command, "p3*")
    assert result.exit_code == 0, result.output
    assert asked[0][0] == (default_model_dir(), tmp_path, ["p31"])
    assert 'model_sha256 = "' in result.stdout
    assert lab(*command, "p4*").exit_code == 2
