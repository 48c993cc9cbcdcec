"""Hands that a body pose shows and nobody labelled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gifcue_lab.training.samples import Photo, Sample
from gifcue_lab.training.unlabelled import POSE, unlabelled_hands

LEFT, RIGHT = (15, 17, 19), (16, 18, 20)


def write_pose(
    folder: Path, places: dict[tuple[int, ...], tuple[float, float]], visibility: float = 0.9
) -> None:
    """A pose whose hands are at these places, 20 pixels long and pointing up."""
    points = np.zeros((1, 33, 4), np.float16)
    for hand, (x, y) in places.items():
        points[0, list(hand)] = [[x, y + 20, 0, visibility], [x - 4, y, 0, 0.3], [x + 4, y, 0, 0.3]]
    np.savez(folder / POSE, pose_file=np.array(["p0/a.jpg"]), pose_xyzv=points)


@pytest.fixture
def photo() -> Photo:
    """A photograph with one labelled hand around (60, 60)."""
    hand = Sample("hand", np.array([40, 40, 80, 80], np.float32), "")
    return Photo("p0", "p0/a", Path("a.jpg"), 200, 160, [hand])


def test_only_the_hand_without_a_label_is_told(photo: Photo, tmp_path: Path) -> None:
    write_pose(tmp_path, {LEFT: (60, 60), RIGHT: (140, 70)})
    (box,) = unlabelled_hands([photo], tmp_path)["p0/a"]
    np.testing.assert_allclose((box[:2] + box[2:]) / 2, [140, 70])
    assert 50 < box[2] - box[0] < 75


def test_hands_out_of_the_picture_or_hidden_are_not(photo: Photo, tmp_path: Path) -> None:
    write_pose(tmp_path, {LEFT: (140, 170), RIGHT: (-5, 20)})
    assert unlabelled_hands([photo], tmp_path) == {}
    write_pose(tmp_path, {RIGHT: (140, 70)}, visibility=0.4)
    assert unlabelled_hands([photo], tmp_path) == {}


def test_without_poses_nothing_is_known(photo: Photo, tmp_path: Path) -> None:
    assert unlabelled_hands([photo], tmp_path) == {}
