"""Recipes and labelled photographs for tests of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gifcue_lab.training.recipe import Recipe
from gifcue_lab.training.samples import Photo, Sample


def make_recipe(task: str, **more: object) -> Recipe:
    """A recipe for inputs of 32 x 32 pixels and one class."""
    settings = {"width": 32, "height": 32, "epochs": 1, "classes": ("wave",)}
    return Recipe(task=task, **{**settings, **more})  # type: ignore[arg-type]


def photo_of_hand(attribute: str) -> tuple[Photo, np.ndarray]:
    """A photograph of noise, 64 x 48 pixels, labelled as one hand with landmarks."""
    points = np.stack([np.linspace(12, 28, 21), np.linspace(10, 30, 21), np.zeros(21)], 1).astype(np.float32)
    sample = Sample("hand", np.array([10, 8, 30, 32], np.float32), attribute, points)
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    return Photo("p0", "p0/a", Path("a.jpg"), 64, 48, [sample]), picture
