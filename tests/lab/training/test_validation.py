"""Metrics of a network in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gifcue_lab.training.crops import CropSource
from gifcue_lab.training.samples import NONE
from gifcue_lab.training.scenes import SceneSource
from gifcue_lab.training.validation import measure_crops, measure_scenes
from tests.support.training_samples import make_recipe, photo_of_hand


def test_average_precision_counts_misses_and_false_detections() -> None:
    photos, pictures = zip(*(photo_of_hand("wave") for _ in range(2)), strict=True)
    source = SceneSource(make_recipe("detector", width=128, height=96), photos, pictures)
    _, targets = source.batch([0, 1], None)
    heat = np.where(targets["heat"] > 0.999, 4.0, -9.0)

    def predict(images: Any) -> dict[str, np.ndarray]:
        return {"heat": heat, "sides": targets["sides"]}

    assert measure_scenes(source, predict) == {"ap": 0.5, "ap/face": 0.0, "ap/hand": 1.0}
    # A false detection with a lower score changes nothing, one with a higher score does.
    heat[0, 0, 0, 1] = 3.0
    assert measure_scenes(source, predict)["ap/hand"] == 1.0
    heat[0, 0, 0, 1] = 5.0
    assert measure_scenes(source, predict)["ap/hand"] == pytest.approx(2 / 3)
    # One hand of two is missed.
    heat[0] = -9.0
    assert measure_scenes(source, predict)["ap/hand"] == 0.5


def test_the_classifiers_are_measured_apart_and_together() -> None:
    photos, pictures = zip(*(photo_of_hand(attribute) for attribute in ("wave", NONE)), strict=True)
    recipe = make_recipe("hand")
    source = CropSource(recipe, photos, pictures)
    _, targets = source.batch(source.samples, None)

    def predict(images: Any) -> dict[str, np.ndarray]:
        return {
            "landmarks": targets["landmarks"] + np.array([0.03, 0.04, 0.0], np.float32),
            # Right for both hands.
            "by_shape": np.array([[0.0, 3.0], [1.0, 0.0]]),
            # Finds a wave in both.
            "by_sight": np.array([[0.0, 1.0], [0.0, 0.5]]),
        }

    metrics = measure_crops(source, predict, recipe.classes)
    assert metrics["landmark_error"] == pytest.approx(0.05, abs=1e-5)
    assert metrics["landmarks/wave"] == metrics["both/wave"] == 1.0
    assert metrics["appearance/wave"] == pytest.approx(2 / 3)
    assert metrics["score"] == pytest.approx(0.95, abs=1e-5)
