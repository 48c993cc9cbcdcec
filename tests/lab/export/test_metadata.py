"""What a model's metadata keeps when one of its networks was trained anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from gifcue.detect.settings import default_model_dir
from gifcue_lab.export.metadata import write_metadata
from gifcue_lab.training.recipe import Recipe, Task

BASE = {
    "stages": {
        kind: {
            "labels": ["smile"] if kind == "face" else ["wave"],
            "calibration": {"shape": 0.5, "sight": 0.5, "bias": [0.0, 0.0]},
        }
        for kind in ("face", "hand")
    },
    "detector": {},
}


SHIPPED_MODEL = default_model_dir()
SHIPPED_METADATA = json.loads((SHIPPED_MODEL / "metadata.json").read_text(encoding="utf-8"))


def own_recipe(task: str, classes: tuple[str, ...], **more: Any) -> Recipe:
    size = {"face": 80, "hand": 112}[task]
    values = {"name": "own", "epochs": 1, "width": size, "height": size, "ema_momentum": 0.0}
    return Recipe(task=cast("Task", task), classes=classes, **{**values, **more})


def grown(task: str, *own: str) -> Recipe:
    """The recipe of a shipped network that learns labels."""
    labels = SHIPPED_METADATA["stages"][task]["labels"]
    return own_recipe(
        task, (*labels, *own), new_labels_only=True, start_from="shipped", own_units=64, margin=1.5
    )


def written(model_dir: Path) -> dict[str, Any]:
    metadata: dict[str, Any] = json.loads((model_dir / "metadata.json").read_text(encoding="utf-8"))
    return metadata


@pytest.mark.parametrize(
    ("classes", "new_only", "keeps"),
    [(("smile", "wink"), True, True), (("smile",), False, False), (("smile", "wink"), False, False)],
    ids=["only new labels", "the same labels anew", "all labels anew"],
)
def test_what_hands_say_of_a_face_stays_with_the_scores_that_it_was_fitted_to(
    tmp_path: Path, classes: tuple[str, ...], new_only: bool, keeps: bool
) -> None:
    base = json.loads(json.dumps(BASE))
    base["stages"]["face"]["relation"] = {"labels": ["smile"]}
    (tmp_path / "metadata.json").write_text(json.dumps(base), encoding="utf-8")
    recipe = own_recipe(
        "face", classes, new_labels_only=new_only, start_from=str(tmp_path) if new_only else None
    )
    write_metadata(tmp_path, {"face": recipe})
    face = written(tmp_path)["stages"]["face"]
    assert ("relation" in face) is keeps
    assert face["labels"] == list(classes)


@pytest.mark.parametrize(
    "second", [("brushing", "drinking"), ("smoking",)], ids=["a label before the other", "another label"]
)
def test_packing_again_keeps_the_calibration_of_gifcues_labels(
    tmp_path: Path, second: tuple[str, ...]
) -> None:
    write_metadata(tmp_path, {"face": grown("face", "drinking")}, SHIPPED_MODEL)
    recalibrated = written(tmp_path)
    recalibrated["thresholds"] |= {"smile": 0.11, "drinking": 0.77}
    (tmp_path / "metadata.json").write_text(json.dumps(recalibrated), encoding="utf-8")
    write_metadata(tmp_path, {"face": grown("face", *second)}, SHIPPED_MODEL)
    metadata, shipped = written(tmp_path), SHIPPED_METADATA["stages"]["face"]
    face = metadata["stages"]["face"]
    bias = [*shipped["calibration"]["bias"], *[0.0] * len(second)]
    assert face["calibration"] == {**shipped["calibration"], "bias": bias}
    assert (face["relation"], face["rescoring"]) == (shipped["relation"], shipped["rescoring"])
    new = {label: 0.77 if label == "drinking" else 0.5 for label in second}
    assert metadata["thresholds"] == {**SHIPPED_METADATA["thresholds"], **new}


def test_a_label_of_hands_after_one_of_faces_describes_the_network_that_is_there(tmp_path: Path) -> None:
    write_metadata(tmp_path, {"face": grown("face", "drinking")}, SHIPPED_MODEL)
    write_metadata(tmp_path, {"hand": grown("hand", "fist")}, SHIPPED_MODEL)
    # The face network is that of the shipped model again.
    metadata = written(tmp_path)
    assert metadata["stages"]["face"] == SHIPPED_METADATA["stages"]["face"]
    assert metadata["networks"]["face"] == SHIPPED_METADATA["networks"]["face"]
    assert "fist" in metadata["thresholds"]
    assert "drinking" not in metadata["thresholds"]


def test_a_label_of_hands_is_added_to_a_model_with_one_of_faces(tmp_path: Path) -> None:
    write_metadata(tmp_path, {"face": grown("face", "drinking")}, SHIPPED_MODEL)
    write_metadata(tmp_path, {"hand": grown("hand", "fist")}, tmp_path)
    metadata = written(tmp_path)
    assert metadata["networks"]["face"]["own_units"] == metadata["networks"]["hand"]["own_units"] == 64
    assert metadata["stages"]["face"]["labels"][-1] == "drinking"
    assert metadata["stages"]["hand"]["labels"][-1] == "fist"
