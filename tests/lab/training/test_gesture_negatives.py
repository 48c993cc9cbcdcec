"""Negatives of custom gestures, from labelled pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gifcue.detect.gesture_classifier import hand_features
from gifcue.gestures.negatives import read_negatives
from gifcue_lab.cli.dataset import app
from gifcue_lab.datasets.annotation import Annotation, LabelledObject
from gifcue_lab.datasets.voc import write_voc
from gifcue_lab.evaluation.truth import read_truth
from gifcue_lab.training.gesture_negatives import collect, normalise
from tests.support.hands import VICTORY, BrightnessDetector, pictures, sample


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Five pictures of each of two persons. Their only label is the large hand."""
    for group in ("p1", "p2"):
        pictures(tmp_path / "data" / group, 0, 5)
        for path in (tmp_path / "data" / group).glob("*.png"):
            hand = LabelledObject("hand", 48, 18, 112, 72, True)
            write_voc(path.with_suffix(".xml"), Annotation(path.name, 160, 90, (hand,)))
    return tmp_path / "data"


def test_only_labelled_hands_become_negatives_and_a_few_of_each_person(data_dir: Path) -> None:
    found = collect(BrightnessDetector(), read_truth(data_dir), per_group=3)
    assert sorted(found.groups.tolist()) == [0, 0, 0, 1, 1, 1]


def test_the_command_writes_a_file_that_training_reads(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "gifcue_lab.cli.dataset.detector_for", lambda model_dir, backend: BrightnessDetector()
    )
    ran = CliRunner().invoke(app, ["gesture-negatives", str(data_dir), str(tmp_path / "negatives.npz")])
    assert ran.exit_code == 0, ran.output
    assert "10 hands of 2 groups" in ran.output
    assert len(read_negatives(tmp_path / "negatives.npz").points) == 10


def test_normalised_hands_have_the_same_features_and_no_position(rng: np.random.Generator) -> None:
    one = sample(VICTORY, rng)
    points = normalise(one.landmarks, one.aspect)
    assert hand_features(points) == pytest.approx(one.features(), abs=1e-3)
    assert points[0].tolist() == [0.0, 0.0, 0.0]
