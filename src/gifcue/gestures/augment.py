"""Variations of a sample."""

from __future__ import annotations

import numpy as np

from gifcue.gestures.samples import HandSample

# Variations of each sample, the sample itself included.
VARIATIONS = 16
# Largest rotation in degrees, either way.
ROTATION_DEG = 12.0
# Largest change of the hand's width and height by a view from the side, as a share.
SLANT = 0.12
# Standard deviation of the landmarks' error, as a share of the hand's size.
JITTER = 0.03


def variations(sample: HandSample, rng: np.random.Generator, count: int = VARIATIONS) -> list[HandSample]:
    """The sample, followed by `count - 1` copies of it: rotated, seen from the side, and with displaced landmarks.

    Copies have square pixels (an aspect of 1), and only their shape has a meaning.
    """
    varied = [sample]
    points = sample.landmarks.copy()
    points[:, [0, 2]] *= np.float32(sample.aspect)
    size = float(np.ptp(points[:, :2], axis=0).max())
    middle = points.mean(axis=0)
    for _ in range(count - 1):
        angle = np.radians(rng.uniform(-ROTATION_DEG, ROTATION_DEG))
        cos, sin = np.cos(angle), np.sin(angle)
        linear = np.array([[cos, sin], [-sin, cos]]) * (1.0 + rng.uniform(-SLANT, SLANT, 2))
        moved = points - middle
        moved[:, :2] = moved[:, :2] @ linear
        moved += rng.normal(0.0, JITTER * size, moved.shape) * rng.uniform(0.0, 1.0)
        varied.append(HandSample(np.asarray(moved, np.float32), 1.0, sample.source))
    return varied
