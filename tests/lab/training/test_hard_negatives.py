"""Hard negatives are found, kept in a file, and used as negatives."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from gifcue.errors import ConfigError
from gifcue_lab.training import hard_negatives
from gifcue_lab.training.crops import CropSource
from gifcue_lab.training.hard_negatives import find_hard_negatives, read_hard_negatives
from gifcue_lab.training.samples import Photo, Sample
from tests.support.training_samples import make_recipe

XML = """<annotation><filename>a.jpg</filename><size><width>512</width><height>512</height></size>{0}</annotation>"""
FACE = """<object><name>face</name><difficult>1</difficult><bndbox><xmin>180</xmin><ymin>75</ymin><xmax>265</xmax>
<ymax>180</ymax></bndbox></object>"""


@pytest.mark.parametrize(("labels", "faces"), [("", 1), (FACE, 0)])
def test_a_detected_face_without_a_label_is_a_hard_negative(
    labels: str, faces: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "train" / "p0"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "a.jpg"), cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR))
    (folder / "a.xml").write_text(XML.format(labels))
    # The face of this photograph, which the model is sure of, serves as a hard negative.
    monkeypatch.setattr(hard_negatives, "SCORE_RANGE", (0.9, 1.0))
    counts = find_hard_negatives(Path("models"), tmp_path, tmp_path / "out.json")
    found = read_hard_negatives(tmp_path / "out.json", "face")
    assert counts["face"] == faces == sum(len(boxes) for boxes in found.values())
    if faces:
        (box,) = found["p0/a"]
        assert box[0] < 222 < box[2]
        assert box[1] < 125 < box[3]


@pytest.mark.parametrize("text", ["", "[]", '{"face": {}}', '{"hand": 3}'])
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(ConfigError, match="hard_negatives: expected a file of"):
        read_hard_negatives(tmp_path / "m.json", "hand")


def test_about_half_of_the_negatives_are_hard() -> None:
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[60:80, 100:120] = 255
    recipe = make_recipe("hand", negatives=1.0)
    hand = Sample("hand", np.array([5, 5, 25, 25], np.float32), "wave")
    photo = Photo("p0", "p0/a", Path("a.jpg"), 160, 120, [hand] * 200)
    box = np.array([100, 60, 120, 80], np.float32)
    source = CropSource(recipe, [photo], [picture], hard_negatives={"p0/a": [box]})
    order = source.epoch(np.random.default_rng(1))
    hard = [index for index in order if index.hard_negative is not None]
    assert all(index.sample is None for index in order)
    assert 0.35 < len(hard) / len(order) < 0.65
    crops, targets = source.batch(hard[:16], np.random.default_rng(2))
    assert (crops.mean((1, 2, 3)) > 60).mean() > 0.8
    assert not targets["presence"].any()
    assert targets["has_label"].all()
    assert not targets["label"].any()
