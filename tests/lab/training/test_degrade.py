"""Random degradation of pictures."""

from __future__ import annotations

import numpy as np

from gifcue_lab.training.degrade import Degradation, degrade


def test_degradation_keeps_the_shape_and_is_repeatable() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 40, 3)).astype(np.uint8)
    always = Degradation(1, 1, 1, 1, 1, 1, 1, 1)
    once, again = (degrade(picture, np.random.default_rng(5), always) for _ in range(2))
    assert once.shape == picture.shape
    assert (once == again).all()
