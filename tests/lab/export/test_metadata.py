"""What a model's metadata keeps when one of its networks was trained anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gifcue_lab.export.metadata import write_metadata
from gifcue_lab.training.recipe import Recipe

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
    recipe = Recipe(
        task="face",
        width=80,
        height=80,
        name="own",
        epochs=1,
        seed=1,
        batch_size=8,
        learning_rate=1e-3,
        ema_momentum=0.0,
        classes=classes,
        new_labels_only=new_only,
        start_from="shipped" if new_only else None,
    )
    write_metadata(tmp_path, {"face": recipe})
    written = json.loads((tmp_path / "metadata.json").read_text(encoding="utf-8"))
    assert ("relation" in written["stages"]["face"]) is keeps
    assert written["stages"]["face"]["labels"] == list(classes)
