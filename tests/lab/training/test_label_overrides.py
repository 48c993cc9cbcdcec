"""Labels that were reviewed override those of the data."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from gifcue.errors import ConfigError
from gifcue_lab.training.crops import CropSource
from gifcue_lab.training.label_overrides import apply_overrides, photo_key
from gifcue_lab.training.recipe import read_recipe
from gifcue_lab.training.samples import UNKNOWN, Photo, Sample
from tests.support.training_samples import make_recipe

LABELS = ("smile", "thinking")


def write_overrides(path: Path, photo: Path, **entry: object) -> None:
    path.write_text(json.dumps({photo_key(photo): [{"box": [5, 5, 25, 25], **entry}]}))


@pytest.mark.parametrize(
    ("entry", "attribute", "absent"),
    [({"shows": "thinking"}, "thinking", 0.0), ({"absent": "thinking"}, UNKNOWN, 2.0)],
)
def test_an_override_replaces_the_label(
    entry: dict[str, str], attribute: str, absent: float, tmp_path: Path
) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), picture)
    points = np.stack([np.linspace(6, 24, 3), np.linspace(6, 24, 3)], 1).astype(np.float32)
    samples = [
        Sample("face", np.array(box, np.float32), UNKNOWN, points)
        for box in ([5, 6, 25, 25], [40, 5, 60, 25])
    ]
    # A face of the group shows thinking, so a missing label says nothing.
    samples.append(Sample("face", np.array([0, 0, 9, 9], np.float32), "thinking"))
    photo = Photo("p0", "p0/a", path, 64, 48, samples)
    write_overrides(tmp_path / "c.json", path, **entry)
    assert apply_overrides([photo], tmp_path / "c.json", LABELS) == 1
    assert [sample.attribute for sample in photo.samples] == [attribute, UNKNOWN, "thinking"]
    recipe = make_recipe(
        "face", classes=("smile", "thinking"), points=(61, 291, 0), assumed_absent="thinking"
    )
    source = CropSource(recipe, [photo], [picture], [61, 291, 0])
    _, targets = source.batch(source.samples, None)
    assert targets["absent"].tolist() == [absent, 0.0, 0.0]


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"abc": [{"shows": "smile"}]}')
    with pytest.raises(ConfigError, match="label_overrides: expected boxes"):
        apply_overrides([], tmp_path / "c.json", LABELS)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"shows": "thinkin"}, "expected smile, thinking, got thinkin"),
        ({"absent": "wave"}, "expected smile, thinking, got wave"),
        (
            {"shows": "smile", "box": [50, 5, 60, 25]},
            r"expected a labelled box, got \[50.0, 5.0, 60.0, 25.0\] of p0/a",
        ),
    ],
)
def test_an_override_without_its_label_or_box_is_refused(
    entry: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((48, 64, 3), np.uint8))
    write_overrides(tmp_path / "c.json", path, **entry)
    sample = Sample("face", np.array([5, 5, 25, 25], np.float32), UNKNOWN)
    with pytest.raises(ConfigError, match=message):
        apply_overrides([Photo("p0", "p0/a", path, 64, 48, [sample])], tmp_path / "c.json", LABELS)


def test_the_overrides_of_the_package_can_be_read_and_name_known_labels(tmp_path: Path) -> None:
    path = read_recipe("face-posed").find("label_overrides", tmp_path)
    assert path is not None
    assert apply_overrides([], path, ("smile", "neutral", "thinking")) == 0
    entries = [
        entry for entries in json.loads(path.read_text(encoding="utf-8")).values() for entry in entries
    ]
    assert {entry.get("shows", "thinking") for entry in entries} == {"thinking"}
    assert {entry.get("absent", "thinking") for entry in entries} == {"thinking"}
