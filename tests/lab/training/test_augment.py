"""Crops and their landmarks are augmented alike."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gifcue.detect.processing import crop_matrix
from gifcue_lab.training.augment import bend_fingers, move_points, truncate


@pytest.mark.parametrize("mirror", [False, True])
def test_landmarks_move_with_their_pixels(mirror: bool) -> None:
    matrix = crop_matrix((20.0, 20.0), 32.0, 64, angle_deg=30.0, mirror=mirror)
    moved = move_points(np.array([[20.0, 20.0, 4.0], [25.0, 20.0, 0.0]], np.float32), matrix, 64)
    np.testing.assert_allclose(moved[0], [0.5, 0.5, 4.0 / 32.0], atol=1e-5)
    away = moved[1, :2] - 0.5
    side = -1 if mirror else 1
    np.testing.assert_allclose(
        away, [side * 5 / 32 * np.cos(np.pi / 6), 5 / 32 * np.sin(np.pi / 6)], atol=1e-5
    )


def drawn_hand(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A white dot at each of the 21 landmarks of an open hand, and the landmarks in shares of the crop."""
    fingers = [[(0.5 + 0.04 * (f - 2) * (j + 2), 0.7 - 0.11 * (j + 1)) for j in range(4)] for f in range(5)]
    points = np.array([(0.5, 0.85), *(joint for finger in fingers for joint in finger)], np.float32)
    picture = np.zeros((size, size, 3), np.uint8)
    for x, y in points * size:
        cv2.circle(picture, (round(float(x)), round(float(y))), 2, (255, 255, 255), -1)
    return picture, points


def test_landmarks_move_with_bent_fingers() -> None:
    picture, points = drawn_hand(256)
    bent, moved = bend_fingers(picture, points, np.random.default_rng(3), 0.1)
    assert np.abs(moved - points)[[4, 8, 12, 16, 20]].max() > 0.03
    assert bent.shape == picture.shape
    for x, y in moved * 256:
        # A dot is 5 pixels wide.
        assert (
            bent[round(float(y)) - 2 : round(float(y)) + 3, round(float(x)) - 2 : round(float(x)) + 3].max()
            > 150
        )


def test_touching_fingertips_stay_together() -> None:
    _, points = drawn_hand(256)
    points[8] = points[4] + 0.005
    apart = [
        float(np.linalg.norm(moved[8] - moved[4]))
        for seed in range(20)
        for _, moved in [
            bend_fingers(np.zeros((64, 64, 3), np.uint8), points, np.random.default_rng(seed), 0.12)
        ]
    ]
    assert max(apart) < 0.03


def test_truncation_blackens_one_side() -> None:
    crop = np.full((40, 40, 3), 200, np.uint8)
    sides = set()
    for seed in range(40):
        cut = truncate(crop, np.random.default_rng(seed))
        assert cut.shape == crop.shape
        black = (cut == 0).all(2)
        edges = {"top": black[0], "bottom": black[-1], "left": black[:, 0], "right": black[:, -1]}
        (side,) = (name for name, edge in edges.items() if edge.all())
        sides.add(side)
        assert 0.15 <= black.mean() <= 0.45
        assert set(np.unique(cut)) == {0, 200}
    assert sides == {"top", "bottom", "left", "right"}
