"""Scenes for the detector, and their target maps."""

from __future__ import annotations

import numpy as np

from gifcue_lab.training.heatmaps import decode_maps
from gifcue_lab.training.scenes import SceneSource
from tests.support.training_samples import make_recipe, photo_of_hand


def test_boxes_are_recovered_from_the_target_maps() -> None:
    photo, picture = photo_of_hand("wave")
    source = SceneSource(make_recipe("detector", width=128, height=96), [photo], [picture])
    _, targets = source.batch([0], None)
    heat = np.log(
        np.clip(targets["heat"][0], 1e-6, 1 - 1e-6) / (1 - np.clip(targets["heat"][0], 1e-6, 1 - 1e-6))
    )
    found = decode_maps(heat, targets["sides"][0], 1, floor=0.5)
    assert len(found) == 1
    np.testing.assert_allclose(found[0][1], np.array([20, 16, 60, 64]), atol=1e-4)
    assert decode_maps(heat, targets["sides"][0], 0, floor=0.5) == []


def test_a_mosaic_has_a_target_for_each_visible_object() -> None:
    photo, picture = photo_of_hand("wave")
    source = SceneSource(make_recipe("detector", width=256, height=192, mosaic=1.0), [photo], [picture])
    for seed in range(6):
        _, targets = source.batch([0], np.random.default_rng(seed))
        centres = np.argwhere(targets["heat"][0, ..., 1] > 0.999)
        assert 1 <= len(centres) <= 4
        for row, column in centres:
            left, top, right, bottom = targets["sides"][0, row, column, 4:]
            # The hand is 40 x 48 pixels; the end of its quarter may cut it off.
            assert 0.3 < (left + right) / (top + bottom) < 2.5
            assert targets["near"][0, row, column, 1] == 1.0
