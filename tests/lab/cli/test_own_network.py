"""Recipes, packing and calibration of networks for labels of one's own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gifcue.detect.settings import default_model_dir
from gifcue_lab.datasets.annotation import Annotation, LabelledObject
from gifcue_lab.datasets.voc import write_voc
from gifcue_lab.training.recipe import Recipe

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


@pytest.mark.parametrize(
    ("epochs", "told"),
    [
        (0, "before the first epoch was over; the same command begins again"),
        (9, "after epoch 9; the same command goes on"),
    ],
)
def test_an_interrupted_training_says_how_far_it_is(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: int, told: str
) -> None:
    def interrupted(recipe: Recipe, data: Path, runs: Path, *, report: object) -> None:
        if epochs:
            folder = runs / recipe.name / f"checkpoint-{epochs:05d}"
            folder.mkdir(parents=True)
            (folder / "state.json").write_text(json.dumps({"epoch": epochs}))
        raise KeyboardInterrupt

    # In place of the module, because it imports TensorFlow.
    monkeypatch.setitem(sys.modules, "gifcue_lab.training.loop", SimpleNamespace(train=interrupted))
    monkeypatch.setattr("gifcue_lab.cli.train.import_tensorflow", lambda: None)
    result = lab("train", "face", "--data", tmp_path, "--runs", tmp_path / "runs")
    assert result.exit_code == 130
    assert result.stderr == f"interrupted {told}\n"
