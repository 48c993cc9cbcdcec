"""What calibration says of the photographs that it was fitted to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gifcue.detect.metadata import Calibration, Rescoring
from gifcue.errors import ConfigError
from gifcue_lab.datasets.annotation import Annotation, LabelledObject
from gifcue_lab.datasets.voc import write_voc
from gifcue_lab.export import calibration

MODELS = Path(__file__).parents[3] / "models"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("p500/1", "p500/2", "p500/3"):
        path = tmp_path / "data" / "train" / f"{name}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_voc(path, Annotation(f"{path.stem}.jpg", 120, 90, (LabelledObject("face", 10, 10, 50, 60),)))
    return tmp_path / "data"


def test_the_metadata_counts_photographs_and_groups(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of a group may be held out, so the number of groups alone would say too much."""
    for name in ("metadata.json", "label_map.pbtxt"):
        shutil.copy(MODELS / name, tmp_path)
    monkeypatch.setattr(calibration, "choose_thresholds", lambda *args, **options: ({"smile": 0.5}, {}))
    calibration.calibrate(tmp_path, data, lambda photo: photo.name != "p500/3", keep_scores=True)
    notes = json.loads((tmp_path / "metadata.json").read_text())["training"]["thresholds"]["chosen_on"]
    assert notes[-1] == "2 photographs of 1 group of train held out (for smile)"


def test_no_photographs_name_their_folder(data: Path) -> None:
    with pytest.raises(
        ConfigError, match="data/train: expected photographs to fit to that no network was trained on"
    ):
        calibration.held_out_photos(data, lambda photo: False)


def test_what_was_fitted_is_a_line_to_read() -> None:
    scales, rescoring = Calibration(0.85, 0.8, (0.0, 0.0)), Rescoring(1.25, 0.5, -0.75)
    assert calibration.describe_fit("hand", scales, None) == (
        "hand: probabilities of labels: logits of landmarks × 0.85, of appearance × 0.8; score of a hand: as before"
    )
    assert calibration.describe_fit("hand", None, rescoring) == (
        "hand: probabilities of labels: as before; score of a hand: detector × 1.25, presence × 0.5, bias -0.75"
    )
