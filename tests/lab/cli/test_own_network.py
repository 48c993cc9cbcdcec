"""Recipes, packing and calibration of networks for labels of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gifcue.detect.settings import default_model_dir
from gifcue_lab.datasets.annotation import Annotation, LabelledObject
from gifcue_lab.datasets.voc import write_voc

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
    assert asked[0][0][:2] == (default_model_dir(), tmp_path)
    assert 'model_sha256 = "' in result.stdout
    assert lab(*command, "p4*").exit_code == 2


def test_a_run_of_a_network_without_a_recipe_is_refused(lab: Lab, tmp_path: Path) -> None:
    result = lab(
        "pack",
        "face",
        "--data",
        tmp_path,
        "--runs",
        tmp_path,
        "--model",
        tmp_path / "mine",
        "--run",
        "hnad=x",
    )
    assert result.exit_code == 2
    assert "expected a network that a recipe trains, face, got hnad" in " ".join(result.stderr.split())


def test_a_recipe_is_replaced_only_on_demand(lab: Lab, tmp_path: Path) -> None:
    face = LabelledObject("face", 10, 10, 50, 60)
    for group in ("anna", "ben", "carla"):
        for number in range(4):
            path = tmp_path / "data" / "train" / group / f"{number}.xml"
            path.parent.mkdir(parents=True, exist_ok=True)
            labels = (face, face._replace(label="drinking"))
            write_voc(path, Annotation(f"{number}.jpg", 120, 90, labels))
    out = tmp_path / "own.toml"
    command = ["recipe", "face", out, "--data", tmp_path / "data"]
    first, again = lab(*command), lab(*command)
    assert (first.exit_code, again.exit_code) == (0, 0)
    text = out.read_text()
    out.write_text(text + "# mine\n")
    refused = lab(*command)
    assert refused.exit_code == 2
    assert "--force replaces it" in " ".join(refused.stderr.split())
    assert out.read_text().endswith("# mine\n")
    assert lab(*command, "--force").exit_code == 0
    assert out.read_text() == text
