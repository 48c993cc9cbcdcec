from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gifcue.detect.regions import Detection, Region
from gifcue.protocol.geometry import Box
from gifcue_lab.datasets.annotation import DatasetError
from gifcue_lab.evaluation.predictions import (
    FORMAT,
    Prediction,
    Predictions,
    flatten_all,
    read_predictions,
    write_predictions,
)

FACE, HAND = Box(0.1, 0.2, 0.3, 0.4), Box(0.5, 0.5, 0.9, 0.75)
POINTS = np.array([[0.5, 0.6], [0.7, 0.8]], np.float32)
THRESHOLDS = {"face": 0.5, "hand": 0.5}


def test_a_region_below_its_threshold_shows_no_attributes() -> None:
    regions = [Region("face", FACE, 0.9, {"smile": 0.1}), Region("hand", HAND, 0.4, {"wave": 0.9})]
    assert flatten_all(regions, THRESHOLDS) == (
        Detection("face", 0.9, FACE),
        Detection("smile", 0.1, FACE),
        Detection("hand", 0.4, HAND),
    )


def test_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    regions = (Region("hand", HAND, 0.75, {"wave": 0.5}, POINTS), Region("face", FACE, 0.25))
    before = Predictions(
        {"name": "mine", "version": "1"},
        THRESHOLDS,
        {"p/a.jpg": Prediction(flatten_all(regions, THRESHOLDS), regions, 4.5), "p/b.jpg": Prediction(())},
        {"face": ("drinking",), "hand": ("wave",)},
    )
    write_predictions(tmp_path / "found.json", before)
    after = read_predictions(tmp_path / "found.json", ["p/a.jpg", "p/b.jpg"], {"face": 0.7})
    assert after.detector["name"] == "mine"
    assert after.thresholds == {"face": 0.7, "hand": 0.5}
    assert after.attributes == before.attributes
    assert after.pictures["p/b.jpg"] == Prediction(())
    one = after.pictures["p/a.jpg"]
    assert (one.detections, one.elapsed_ms) == (before.pictures["p/a.jpg"].detections, 4.5)
    assert one.regions[0].landmarks is not None
    assert one.regions[0].landmarks == pytest.approx(POINTS)
    assert one.regions[1].landmarks is None


def document(**changes: Any) -> dict[str, Any]:
    return {"format": FORMAT, "pictures": {"p/a.jpg": {"detections": []}}, **changes}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected a JSON file"),
        ("[]", "got 'list'"),
        (json.dumps(document(format="coco")), "got 'coco'"),
        (json.dumps(document(pictures=[])), "an object under"),
        (json.dumps(document(attributes={"dog": []})), "attributes of face and hand, got dog"),
        (json.dumps(document(pictures={})), "1 are absent: 'p/a.jpg'"),
        (json.dumps(document(pictures={"p/a.jpg": {"detections": [{"label": "face"}]}})), "KeyError: 'box'"),
        (
            json.dumps(
                document(
                    pictures={"p/a.jpg": {"detections": [{"label": "x", "score": 9, "box": [0, 0, 1, 1]}]}}
                )
            ),
            "a score of 0..1, got 9",
        ),
    ],
)
def test_other_forms_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "found.json").write_text(text)
    with pytest.raises(DatasetError, match=r"found\.json: .*" + message):
        read_predictions(tmp_path / "found.json", ["p/a.jpg"])
