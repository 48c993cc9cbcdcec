"""What a model takes for a face or a hand and is none is found, kept, and learned from."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from gifcue.errors import ConfigError
from gifcue_lab.training import hard_negatives
from gifcue_lab.training.config import TrainingConfig
from gifcue_lab.training.crops import CropSource
from gifcue_lab.training.hard_negatives import find_mistakes, read_mistakes
from gifcue_lab.training.label_overrides import correct, photo_key
from gifcue_lab.training.samples import UNKNOWN, Photo, Sample

XML = """<annotation><filename>a.jpg</filename><size><width>512</width><height>512</height></size>{0}</annotation>"""
LABELS = ("smile", "thinking")
FACE = """<object><name>face</name><difficult>1</difficult><bndbox><xmin>180</xmin><ymin>75</ymin><xmax>265</xmax>
<ymax>180</ymax></bndbox></object>"""


@pytest.mark.parametrize(("labels", "faces"), [("", 1), (FACE, 0)])
def test_a_face_is_a_mistake_where_no_label_says_that_there_is_one(
    labels: str, faces: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "train" / "p0"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "a.jpg"), cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR))
    (folder / "a.xml").write_text(XML.format(labels))
    # What the model is sure of is no mistake, most likely; here it stands for one.
    monkeypatch.setattr(hard_negatives, "SCORES", (0.9, 1.0))
    counts = find_mistakes(Path("models"), tmp_path, tmp_path / "out.json")
    found = read_mistakes(tmp_path / "out.json", "face")
    assert counts["face"] == faces == sum(len(boxes) for boxes in found.values())
    if faces:
        (box,) = found["p0/a"]
        assert box[0] < 222 < box[2]
        assert box[1] < 125 < box[3]


@pytest.mark.parametrize("text", ["", "[]", '{"face": {}}', '{"hand": 3}'])
def test_another_file_is_no_file_of_mistakes(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(ConfigError, match="mistakes: expected a file of"):
        read_mistakes(tmp_path / "m.json", "hand")


def test_crops_without_a_hand_show_mistakes_in_about_half() -> None:
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[60:80, 100:120] = 255
    config = TrainingConfig("hand", Path(), Path(), 32, 32, 1, classes=("wave",), negatives=1.0)
    hand = Sample("hand", np.array([5, 5, 25, 25], np.float32), "wave")
    photo = Photo("p0", "p0/a", Path("a.jpg"), 160, 120, [hand] * 200)
    box = np.array([100, 60, 120, 80], np.float32)
    source = CropSource(config, [photo], [picture], mistakes={"p0/a": [box]})
    order = source.epoch(np.random.default_rng(1))
    named = [index for index in order if index.mistake is not None]
    assert all(index.sample is None for index in order)
    assert 0.35 < len(named) / len(order) < 0.65
    crops, targets = source.batch(named[:16], np.random.default_rng(2))
    assert (crops.mean((1, 2, 3)) > 60).mean() > 0.8
    assert not targets["presence"].any()
    assert targets["has_label"].all()
    assert not targets["label"].any()


def write_corrections(path: Path, photo: Path, **entry: object) -> None:
    path.write_text(json.dumps({photo_key(photo): [{"box": [5, 5, 25, 25], **entry}]}))


@pytest.mark.parametrize(
    ("entry", "attribute", "denied"),
    [({"shows": "thinking"}, "thinking", 0.0), ({"denies": "thinking"}, UNKNOWN, 2.0)],
)
def test_a_correction_takes_the_place_of_a_label(
    entry: dict[str, str], attribute: str, denied: float, tmp_path: Path
) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), picture)
    points = np.stack([np.linspace(6, 24, 3), np.linspace(6, 24, 3)], 1).astype(np.float32)
    samples = [
        Sample("face", np.array(box, np.float32), UNKNOWN, points)
        for box in ([5, 6, 25, 25], [40, 5, 60, 25])
    ]
    # Somebody of the group thinks: so nothing follows from a label that is missing.
    samples.append(Sample("face", np.array([0, 0, 9, 9], np.float32), "thinking"))
    photo = Photo("p0", "p0/a", path, 64, 48, samples)
    write_corrections(tmp_path / "c.json", path, **entry)
    assert correct([photo], tmp_path / "c.json", LABELS) == 1
    assert [sample.attribute for sample in photo.samples] == [attribute, UNKNOWN, "thinking"]
    config = TrainingConfig(
        "face",
        Path(),
        Path(),
        32,
        32,
        1,
        classes=("smile", "thinking"),
        points=(61, 291, 0),
        denied="thinking",
    )
    source = CropSource(config, [photo], [picture], [61, 291, 0])
    _, targets = source.batch(source.samples, None)
    assert targets["denied"].tolist() == [denied, 0.0, 0.0]


def test_a_file_that_is_no_correction_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"abc": [{"shows": "smile"}]}')
    with pytest.raises(ConfigError, match="corrections: expected boxes"):
        correct([], tmp_path / "c.json", LABELS)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"shows": "thinkin"}, "expected smile, thinking, got thinkin"),
        ({"denies": "wave"}, "expected smile, thinking, got wave"),
        (
            {"shows": "smile", "box": [50, 5, 60, 25]},
            r"expected a labelled box, got \[50.0, 5.0, 60.0, 25.0\] of p0/a",
        ),
    ],
)
def test_a_correction_that_fits_nothing_is_refused(
    entry: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((48, 64, 3), np.uint8))
    write_corrections(tmp_path / "c.json", path, **entry)
    sample = Sample("face", np.array([5, 5, 25, 25], np.float32), UNKNOWN)
    with pytest.raises(ConfigError, match=message):
        correct([Photo("p0", "p0/a", path, 64, 48, [sample])], tmp_path / "c.json", LABELS)


def test_the_corrections_that_are_kept_can_be_read_and_name_known_labels() -> None:
    path = Path("src/gifcue_lab/training/recipes/corrections.json")
    assert correct([], path, ("smile", "neutral", "thinking")) == 0
    entries = [entry for entries in json.loads(path.read_text()).values() for entry in entries]
    assert {entry.get("shows", "thinking") for entry in entries} == {"thinking"}
    assert {entry.get("denies", "thinking") for entry in entries} == {"thinking"}
